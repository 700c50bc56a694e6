package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/9bikes/tocsin/migrations"
	"github.com/9bikes/tocsin/rules"
)

// greet refuses a server that is too old.
func (s *Store) greet(ctx context.Context) error {
	var version string
	err := s.retry(ctx, func() error { return s.readers.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&version) })
	if err != nil || newEnough(version) {
		return err
	}
	return rules.Errorf(rules.Unavailable,
		"the server of the database %s is %s: tocsin needs MySQL 8.0 or MariaDB 10.6, or later", s.address, version)
}

func newEnough(version string) bool {
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "5.5.5-"), ".") // MariaDB's, for old clients
	minor, _, _ = strings.Cut(minor, ".")
	ma, _ := strconv.Atoi(major)
	mi, _ := strconv.Atoi(minor)
	if strings.Contains(version, "MariaDB") {
		return ma > 10 || ma == 10 && mi >= 6
	}
	return ma >= 8
}

// schema returns the number of the newest step that was applied, 0 for a new
// database.
func (s *Store) schema(ctx context.Context, q querier) (int64, error) {
	const count = `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?`
	ours, err := number(ctx, q, count, "writers")
	if err != nil {
		return 0, err
	}
	steps, err := number(ctx, q, count, "goose_db_version")
	if err != nil || steps == 0 {
		return 0, errors.Join(err, s.refuseForeign(ctx, q, ours))
	}
	have, err := number(ctx, q, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`)
	if err != nil || have == 0 || ours > 0 {
		return have, err
	}
	return 0, s.foreign()
}

// refuseForeign keeps away from a database that has tables, and none of ours.
func (s *Store) refuseForeign(ctx context.Context, q querier, ours int64) error {
	const count = `SELECT COUNT(*) FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name NOT IN ('goose_db_version', 'revisions')`
	tables, err := number(ctx, q, count)
	if err != nil || tables == 0 || ours > 0 {
		return err
	}
	return s.foreign()
}

func (s *Store) foreign() error {
	return rules.Errorf(rules.Unavailable,
		"the database %s is another program's: make one for tocsin alone (CREATE DATABASE), and name that", s.address)
}

// checkSchema refuses a schema that this binary does not know.
func (s *Store) checkSchema(ctx context.Context, steps fs.FS) error {
	known, err := migrations.Newest(steps)
	if err != nil {
		return err
	}
	var have int64
	if err := s.retry(ctx, func() (err error) { have, err = s.schema(ctx, s.readers); return err }); err != nil {
		return err
	}
	switch {
	case have == 0:
		return rules.Errorf(rules.Unavailable, "the database %s is empty: start \"tocsin serve\" first, which fills it",
			s.address)
	case have < known:
		return rules.Errorf(rules.Conflict, "the database %s has schema %d, this tocsin knows %d: the daemons are older; "+
			"bring them up to date, the first that starts migrates", s.address, have, known)
	case have > known:
		return rules.Errorf(rules.Conflict, "the database %s has schema %d, this tocsin knows only %d: it is older than the "+
			"daemons; install their version", s.address, have, known)
	}
	return nil
}

// migrate applies the steps that are missing. Of several processes that start
// together one does; the others wait, and find the work done.
func (s *Store) migrate(ctx context.Context, steps fs.FS) error {
	known, err := migrations.Newest(steps)
	if err != nil {
		return err
	}
	return s.retry(ctx, func() error {
		if have, err := s.schema(ctx, s.readers); err != nil || have >= known {
			return err
		}
		return s.alone(ctx, func() error {
			have, err := s.schema(ctx, s.readers)
			if err != nil || have >= known {
				return err
			}
			if err := s.up(ctx, steps); err != nil {
				return fmt.Errorf("migrate from schema %d to %d: %w", have, known, err)
			}
			return nil
		})
	})
}

func (s *Store) up(ctx context.Context, steps fs.FS) error {
	p, err := goose.NewProvider(goose.DialectMySQL, s.writers, steps, goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// migrationTime is how long one process waits for another that migrates.
const migrationTime = 10 * time.Minute

// alone runs act while no other process does the same on this database, with a
// lock that ends with the connection.
func (s *Store) alone(ctx context.Context, act func() error) (err error) {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	release, err := lockMigration(ctx, conn)
	if err != nil {
		return err
	}
	defer release()
	return act()
}

func lockMigration(ctx context.Context, conn *sql.Conn) (release func(), err error) {
	// Nothing is said on it while others work, for longer than is usual.
	if _, err := exec(ctx, conn, `SET SESSION wait_timeout = 3600`); err != nil {
		return nil, err
	}
	var database string
	if err := conn.QueryRowContext(ctx, `SELECT DATABASE()`).Scan(&database); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(database))
	name := "tocsin " + hex.EncodeToString(sum[:16]) // a lock is of the whole server
	for until := time.Now().Add(migrationTime); ; {
		got, err := number(ctx, conn, `SELECT COALESCE(GET_LOCK(?, 5), 0)`, name) // in less than the time for an answer
		switch {
		case err != nil:
			return nil, err
		case got == 1:
			return func() {
				ending := context.WithoutCancel(ctx)
				_, _ = number(ending, conn, `SELECT RELEASE_LOCK(?)`, name) // closing the connection would do as well
				_, _ = exec(ending, conn, `SET SESSION wait_timeout = 10`)
			}, nil
		case time.Now().After(until):
			return nil, rules.Errorf(rules.Unavailable, "another tocsin has been migrating the database for %s", migrationTime)
		}
	}
}
