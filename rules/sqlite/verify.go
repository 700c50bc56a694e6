package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"

	"github.com/9bikes/tocsin/migrations"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Verify looks through a file that is to be trusted as a database: its schema is
// ours to the letter, all its pages are sound, every reference leads somewhere.
// It reads the file alone, without a log that may lie beside it, executes
// nothing of it and changes nothing. The revision is that of Store.Revision.
func Verify(ctx context.Context, path string) (revision int64, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return 0, rules.FileTrouble("read", path, err)
	case !info.Mode().IsRegular():
		return 0, personal(ErrMalformed, nil, "%s is no file, but a %s", path, kindOf(info.Mode()))
	case info.Size() == 0:
		return 0, personal(ErrMalformed, nil, "%s is empty", path)
	}
	db, err := sql.Open("sqlite", dsn(path, verifying))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if revision, err = verify(ctx, db, path, migrations.SQLite()); err != nil {
		if f := codeFault(path, err); f != nil {
			return 0, f
		}
		return 0, err
	}
	return revision, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

func verify(ctx context.Context, db *sql.DB, path string, steps fs.FS) (revision int64, err error) {
	known, err := migrations.Newest(steps)
	if err != nil {
		return 0, err
	}
	have, err := schema(ctx, db, path)
	switch {
	case err != nil:
		return 0, err
	case have == 0:
		return 0, personal(ErrMalformed, nil, "%s is no database of tocsin", path)
	case have > known:
		return 0, personal(ErrSchema, nil, "%s has schema %d, this tocsin knows only %d: install the version that wrote it",
			path, have, known)
	}
	if err := sameSchema(ctx, db, path, steps, have); err != nil {
		return 0, err
	}
	if err := sound(ctx, db, path); err != nil {
		return 0, err
	}
	return revision, db.QueryRowContext(ctx, `SELECT SUM(revision) FROM revisions`).Scan(&revision)
}

// sameSchema compares with a database that is made by the same steps.
func sameSchema(ctx context.Context, db *sql.DB, path string, steps fs.FS, version int64) (err error) {
	ours, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	ours.SetMaxOpenConns(1)
	p, err := goose.NewProvider(goose.DialectSQLite3, ours, steps, goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return err
	}
	want, err := describe(ctx, ours)
	if err != nil {
		return err
	}
	have, err := describe(ctx, db)
	if err != nil {
		return err
	}
	for what, text := range have {
		if want[what] != text {
			return personal(ErrMalformed, nil, "%s is not as tocsin makes a database: %s is not ours", path, what)
		}
		delete(want, what)
	}
	for what := range want {
		return personal(ErrMalformed, nil, "%s is not as tocsin makes a database: %s is missing", path, what)
	}
	return nil
}

// describe lists all that a schema has, with its text, and the steps that made
// it.
func describe(ctx context.Context, db *sql.DB) (map[string]string, error) {
	out := map[string]string{}
	const query = `SELECT type, name, tbl_name, COALESCE(sql, '') FROM sqlite_master
		UNION ALL SELECT 'step', CAST(version_id AS TEXT), CAST(is_applied AS TEXT), '' FROM goose_db_version
		UNION ALL SELECT 'encoding', encoding, '', '' FROM pragma_encoding`
	return out, each(ctx, db, query, nil, func(rows column.Row) error {
		var kind, name, table, text string
		if err := rows.Scan(&kind, &name, &table, &text); err != nil {
			return err
		}
		out[kind+" "+name] = table + "\n" + text
		return nil
	})
}

// sound reads every page and follows every reference.
func sound(ctx context.Context, db *sql.DB, path string) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return malformed(path, errors.New(verdict))
	}
	return each(ctx, db, `SELECT "table", parent FROM pragma_foreign_key_check LIMIT 1`, nil, func(rows column.Row) error {
		var table, parent string
		if err := rows.Scan(&table, &parent); err != nil {
			return err
		}
		return malformed(path, fmt.Errorf("a row of %s belongs to none of %s", table, parent))
	})
}
