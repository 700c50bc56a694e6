package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	lib "github.com/go-sql-driver/mysql"

	"github.com/9bikes/tocsin/rules"
)

// codeOf returns the number of the server's error in err's tree, 0 for none.
func codeOf(err error) uint16 {
	var e *lib.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// The numbers that servers of both kinds use.
const (
	duplicateKey    = 1062
	lockTimeout     = 1205
	deadlock        = 1213 // also what a cluster says of a commit that lost against another node's
	recordChanged   = 1020 // MariaDB with innodb_snapshot_isolation
	accessDenied    = 1045
	databaseDenied  = 1044
	statementDenied = 1142
	unknownDatabase = 1049
	readOnlyOption  = 1290
	readOnlyMode    = 1836
	tableFull       = 1114
	diskFull        = 1021
	tooMany         = 1040
	tooManyOfUser   = 1203
)

// lostAgainst reports whether the transaction that err ended is undone and would go
// well the next time: another one was in its way.
func lostAgainst(err error) bool {
	return slices.Contains([]uint16{deadlock, lockTimeout, recordChanged}, codeOf(err))
}

// passing are errors of a server that ends, starts or waits for its cluster.
var passing = []uint16{
	1047,                         // the node has no cluster
	1053,                         // shutdown in progress
	1152, 1158, 1159, 1160, 1161, // the connection broke
	1180, // an error during COMMIT
	1317, // the query was interrupted
	1927, // the connection was killed
	4031, // the connection was idle for too long
}

// cutOff reports whether the connection was lost, or the server has to be waited
// for.
func cutOff(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, lib.ErrInvalidConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) || slices.Contains(passing, codeOf(err))
}

// taken reports whether err says that a key or a unique value exists already.
func taken(err error) bool { return codeOf(err) == duplicateKey }

// fault names the act in an error, and adds the cure where it is one that a
// person can do something about.
func (s *Store) fault(act string, err error) error {
	var known *fault
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case rules.CodeOf(err) != rules.Internal:
		return err
	case errors.Is(err, sql.ErrConnDone), strings.Contains(err.Error(), "sql: database is closed"):
		return fmt.Errorf("%s: the database is closed: %w", act, err)
	}
	if cure := s.cure(err); cure != "" {
		return fmt.Errorf("%s: %w", act, &fault{rules.Errorf(rules.Unavailable, "the database %s %s", s.address, cure), err})
	}
	return fmt.Errorf("%s: %w", act, err)
}

// cure is what is wrong with the database and what helps, "" for none.
func (s *Store) cure(err error) string {
	switch codeOf(err) {
	case accessDenied, databaseDenied:
		return "does not let this user in: give the right user and password in the address of the store, and the user " +
			"all rights on the database (GRANT ALL)"
	case statementDenied:
		return "refuses a statement of this user: give it all rights on the database (GRANT ALL)"
	case unknownDatabase:
		return "does not exist: make it (CREATE DATABASE), or name another"
	case readOnlyOption, readOnlyMode:
		return "cannot be written: its server is read-only; name the one that takes writes"
	case tableFull, diskFull:
		return "is full: free some space on the disk of its server; nothing was changed"
	case tooMany, tooManyOfUser:
		return "has too many connections: raise max_connections of its server, or that of the user"
	case deadlock, lockTimeout, recordChanged:
		return "was busy with what others change for too long: try again"
	}
	if errors.Is(err, lib.ErrNoTLS) {
		return "offers no TLS: configure it there, or put ?tls=off at the end of the address where nobody can listen between"
	}
	if cutOff(err) || errors.Is(err, context.DeadlineExceeded) {
		return "does not answer: start its server, or see whether a network or firewall is in between"
	}
	return ""
}

// fault is an error with a cure: what a person is told, and what the server or
// the network said, for the log.
type fault struct{ person, cause error }

// Error tells all of it, for the log; doors show the rules.Error inside.
func (f *fault) Error() string { return f.person.Error() + " (" + f.cause.Error() + ")" }

// Unwrap gives both.
func (f *fault) Unwrap() []error { return []error{f.person, f.cause} }
