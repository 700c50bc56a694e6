package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/9bikes/tocsin/migrations"
	"github.com/9bikes/tocsin/rules"
)

// applicationID marks a file as ours: "tocs".
const applicationID = 1953457011

// schema returns the number of the newest step that was applied, 0 for a new
// file.
func schema(ctx context.Context, db *sql.DB, path string) (version int64, err error) {
	var tables, id int64
	const count = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	if err := db.QueryRowContext(ctx, count).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	const newest = `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`
	if err := db.QueryRowContext(ctx, newest).Scan(&version); err != nil || version == 0 {
		return 0, err
	}
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return 0, err
	}
	if id != applicationID {
		return 0, foreign(path)
	}
	return version, nil
}

func foreign(path string) error {
	return personal(ErrReplaced, nil,
		"the file %s is a database of another program: set data_dir to a directory of tocsin's own", path)
}

// inspect refuses what tocsin must not write into: a damaged file, or one that
// is not ours.
func (s *Store) inspect(ctx context.Context, unclean bool) error {
	var tables, id int64
	const count = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT IN ('goose_db_version',
		'sqlite_sequence')`
	if err := s.files.QueryRowContext(ctx, count).Scan(&tables); err != nil {
		return err
	}
	// Asked second: a process that makes the tables sets it together with them.
	if err := s.files.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return err
	}
	if tables > 0 && id != applicationID {
		return foreign(s.path)
	}
	if !unclean {
		return nil
	}
	err := quickCheck(ctx, s.files)
	if err != nil && codeOf(err) == 0 && ctx.Err() == nil {
		return malformed(s.path, err)
	}
	return err
}

// checkSchema refuses a schema that this binary does not know.
func (s *Store) checkSchema(ctx context.Context, steps fs.FS) error {
	known, err := migrations.Newest(steps)
	if err != nil {
		return err
	}
	have, err := schema(ctx, s.files, s.path)
	switch {
	case err != nil:
		return err
	case have == 0:
		return personal(ErrGone, nil, "the database %s is empty: start \"tocsin serve\" first, which fills it", s.path)
	case have < known:
		return personal(ErrSchema, nil, "the database has schema %d, this tocsin knows %d: an older daemon is running; "+
			"restart it (systemctl restart tocsin), it brings the database up to date", have, known)
	case have > known:
		return personal(ErrSchema, nil,
			"the database has schema %d, this tocsin knows only %d: this binary is older than the daemon; restart this one "+
				"after the upgrade (restart Claude for its MCP server), or install the daemon's version", have, known)
	}
	return nil
}

// migrate applies the steps that are missing. Several processes may do it at
// once: whoever comes second fails, and then finds the work done.
func (s *Store) migrate(ctx context.Context, steps fs.FS) error {
	known, err := migrations.Newest(steps)
	if err != nil {
		return err
	}
	saved := false
	for try := 0; ; try++ {
		have, err := schema(ctx, s.files, s.path)
		if err == nil && have >= known {
			return nil
		}
		if err == nil && have == 0 && s.options.Existing {
			return personal(ErrGone, nil, "the database %s is empty", s.path)
		}
		if err == nil && have > 0 && !saved {
			err = s.backupSchema(ctx, have)
			saved = err == nil
		}
		if err == nil {
			err = up(ctx, s.files, steps)
		}
		if err != nil && (try >= 20 || !rules.Sleep(ctx, 25*time.Millisecond)) {
			return fmt.Errorf("migrate from schema %d to %d: %w", have, known, err)
		}
	}
}

func up(ctx context.Context, db *sql.DB, steps fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, steps, goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// keptBackups is how many copies of earlier schemas stay beside the file.
const keptBackups = 3

// backupSchema copies the database before its schema changes.
func (s *Store) backupSchema(ctx context.Context, have int64) error {
	stamp := time.Now().UTC().Format("20060102T150405.000000Z")
	name := fmt.Sprintf("%s.%s.schema-%d.bak", s.path, stamp, have)
	if err := vacuumInto(ctx, s.files, name); err != nil {
		return fmt.Errorf("back up before the migration: %w", err)
	}
	return s.dropOldBackups()
}

func (s *Store) dropOldBackups() error {
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("list backups: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(s.path)+".") && strings.HasSuffix(e.Name(), ".bak") &&
			strings.Contains(e.Name(), ".schema-") {
			names = append(names, filepath.Join(filepath.Dir(s.path), e.Name()))
		}
	}
	slices.Sort(names) // by time, which comes first in the name
	for len(names) > keptBackups {
		if err := os.Remove(names[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old backup: %w", err)
		}
		names = names[1:]
	}
	return nil
}
