package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Backup writes a sound copy of the database to path, which must not exist.
// Others may write meanwhile; what they do is not in the copy. It works also
// when files at the store's own path are gone.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.sameFiles() != nil { // only the open connections still have it
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pinned == nil {
			return fmt.Errorf("back up database: %w", sql.ErrConnDone)
		}
		return s.fault("back up database", vacuumInto(ctx, s.pinned.conn, path))
	}
	db, err := sql.Open("sqlite", dsn(s.path, copying))
	if err != nil {
		return fmt.Errorf("back up database: %w", err)
	}
	return s.fault("back up database", errors.Join(vacuumInto(ctx, db, path), db.Close()))
}

// execer is a connection or a pool of them.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// vacuumInto writes a copy beside path and renames it when it is on the disk,
// so that there is never half a backup under that name.
func vacuumInto(ctx context.Context, db execer, path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return rules.Errorf(rules.Conflict, "%s exists already; choose another name or remove it", path)
	}
	draft := path + ".part"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileFault(path, err)
	}
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fileFault(path, err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(draft)
		}
	}()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, draft); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fileFault(path, err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fileFault(path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes a rename last over a loss of power. Windows has no such
// thing.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkpointFile makes one file of a database and its log, which nobody has open.
func checkpointFile(path string) error {
	db, err := sql.Open("sqlite", dsn(path, copying))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	if f := codeFault(path, err); f != nil {
		err = f
	}
	return errors.Join(err, db.Close())
}

// Vacuum gives at most the given number of bytes of free pages back to the
// file system; 0 is all of them.
func (s *Store) Vacuum(ctx context.Context, most int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	size, err := s.pinned.number(ctx, `PRAGMA page_size`)
	if err != nil {
		return s.fault("vacuum database", err)
	}
	// Not through a prepared statement: a pragma takes no parameters.
	_, err = s.pinned.conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, (most+size-1)/size))
	return s.fault("vacuum database", err)
}

// Size returns how many bytes the contents take: what Prune leaves free and
// Vacuum has not given back yet does not count.
func (s *Store) Size(ctx context.Context) (bytes int64, err error) {
	err = s.read(ctx, "measure database", func(q querier) error {
		const query = `SELECT (c.page_count - f.freelist_count) * s.page_size
			FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s`
		return each(ctx, q, query, nil, func(rows column.Row) error { return rows.Scan(&bytes) })
	})
	return bytes, err
}
