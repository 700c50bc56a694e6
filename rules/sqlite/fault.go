package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/9bikes/tocsin/rules"
)

// What can be wrong with the file, for callers that act on it. The errors that
// carry them also carry a rules.Error with the cure.
var (
	ErrMalformed = errors.New("the database is malformed")
	ErrReadOnly  = errors.New("the database cannot be written")
	ErrFull      = errors.New("the disk is full")
	ErrLocked    = errors.New("the database is locked")
	ErrDisk      = errors.New("the disk does not work")
	ErrGone      = errors.New("the database file is gone")
	ErrReplaced  = errors.New("the database file was replaced")
	ErrDamaged   = errors.New("the database was damaged while it was open")
	ErrSchema    = errors.New("the database has another schema")
)

// fault is an error with a cure: what it is, what a person is told, and what
// the operating system or SQLite said, for the log.
type fault struct{ kind, person, cause error }

// Error tells all of it, for the log; doors show the rules.Error inside.
func (f *fault) Error() string {
	if f.cause == nil {
		return f.person.Error()
	}
	return f.person.Error() + " (" + f.cause.Error() + ")"
}

// Unwrap gives all three.
func (f *fault) Unwrap() []error { return []error{f.kind, f.person, f.cause} }

func personal(kind, cause error, format string, args ...any) error {
	code := rules.Unavailable
	if errors.Is(kind, ErrSchema) {
		code = rules.Conflict
	}
	return &fault{kind, rules.Errorf(code, format, args...), cause}
}

// codeOf returns the primary result code of SQLite in err's tree, 0 for none.
func codeOf(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// cutOff reports whether a file ended where SQLite knows that it goes on: the
// last is of the log's index, which is in memory too.
func cutOff(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && (e.Code() == lib.SQLITE_IOERR_SHORT_READ || e.Code() == lib.SQLITE_IOERR_IN_PAGE)
}

func locked(err error) bool {
	code := codeOf(err)
	return code == lib.SQLITE_BUSY || code == lib.SQLITE_LOCKED
}

// taken reports whether err says that a key or a unique value exists already.
func taken(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && (e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// fault names the act in an error, and adds the cure where SQLite's code is one
// that a person can do something about.
func (s *Store) fault(act string, err error) error {
	var known *fault
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case rules.CodeOf(err) != rules.Internal:
		return err
	case errors.Is(err, sql.ErrConnDone):
		return fmt.Errorf("%s: the database is closed: %w", act, err)
	}
	if f := codeFault(s.path, err); f != nil {
		return fmt.Errorf("%s: %w", act, f)
	}
	return fmt.Errorf("%s: %w", act, err)
}

// codeFault knows the codes of SQLite that have a cure.
func codeFault(path string, err error) error {
	if cutOff(err) {
		return malformed(path, err)
	}
	switch codeOf(err) {
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return malformed(path, err)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return readOnly(path, err)
	case lib.SQLITE_CANTOPEN:
		return personal(ErrReadOnly, err, "the database %s cannot be opened: this user must be able to write to it and to "+
			"its directory (ls -l %s)", path, filepath.Dir(path))
	case lib.SQLITE_FULL:
		return full(path, err)
	case lib.SQLITE_IOERR:
		return personal(ErrDisk, err, "the disk that holds %s does not answer as it should: look at dmesg, and replace the "+
			"SD card or disk if it reports errors", path)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL:
		return personal(ErrLocked, err, "the database %s has been locked by another process for too long: try again, or "+
			"end that process (fuser -v %s names it)", path, path)
	}
	return nil
}

// fileFault knows what the operating system says of a file that cannot be
// reached or made.
func fileFault(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return personal(ErrGone, err, "there is no directory %s: create it (mkdir -p %s) or set data_dir to another one", dir,
			dir)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return readOnly(path, err)
	case errors.Is(err, syscall.ENOSPC):
		return full(path, err)
	}
	return fmt.Errorf("open database: %w", err)
}

func malformed(path string, err error) error {
	return personal(ErrMalformed, err, "the file %s is not a sound database: stop tocsin, move that file away, and put "+
		"the newest backup beside it in its place", path)
}

func damaged(path string, err error) error {
	return personal(ErrDamaged, err,
		"the file %s was damaged while tocsin runs: something else wrote into it or cut it off", path)
}

func readOnly(path string, err error) error {
	return personal(ErrReadOnly, err, "the database %s cannot be written: make %s writable for this user, or set "+
		"data_dir to a directory that is", path, filepath.Dir(path))
}

func full(path string, err error) error {
	return personal(ErrFull, err, "the disk that holds %s is full: free some space; nothing was changed", path)
}
