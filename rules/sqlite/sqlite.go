// Package sqlite keeps everything that tocsin must not forget in one SQLite
// file, which the daemon, the command line and the MCP server of one machine
// may have open at the same time. It holds SQL and no policy: what is written,
// and what it means, is decided by the ledgers.
//
// Here is also what befalls the files: Guarded goes on with a backup or with a
// copy in memory where they are damaged, gone or cannot be written, and archives
// are packed and unpacked here. When somebody looks, who is told, and what of a
// backup may be trusted with the keys, is decided by app/daemon.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"github.com/9bikes/tocsin/migrations"
)

// Options say how a database is opened. The zero value opens one that exists
// and has the schema that this binary knows, for reading and writing.
type Options struct {
	// ReadOnly opens it without ever writing to it.
	ReadOnly bool
	// Migrate makes the file when there is none, checks it after an unclean
	// end, and brings an older schema up to date after a backup beside it.
	// Only the daemon does that.
	Migrate bool
	// Existing refuses, with ErrGone, to make what is not there: a file, or the
	// contents of an empty one.
	Existing bool
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	path    string
	options Options
	files   *sql.DB // of one connection, which is pinned
	readers *sql.DB

	checking sync.Mutex // one Check at a time; taken before mu

	mu     sync.Mutex // guards all below
	pinned *pinned
	seen   seen
	moved  moved
	watch  watch
	kept   SideTables

	tokenActs int64 // changes of tokens by this store
}

// Open opens the database at path.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	return open(ctx, path, o, migrations.SQLite())
}

func open(ctx context.Context, path string, o Options, steps fs.FS) (_ *Store, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := provide(path, o); err != nil {
		return nil, err
	}
	s := &Store{path: path, options: o, moved: newMoved()}
	unclean := leftOpen(path)
	defer func() {
		if err != nil {
			err = errors.Join(s.fault("open database", err), s.Close())
		}
	}()
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.ready(ctx, steps, unclean); err != nil {
		return nil, err
	}
	return s, nil
}

// provide makes sure that there is a file. It is made here and not by SQLite,
// so that nobody else can ever read it.
func provide(path string, o Options) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return personal(ErrGone, nil, "%s is a %s, not a database: set data_dir to the directory that holds tocsin.db", path,
			kindOf(info.Mode()))
	case err == nil && info.Size() == 0 && o.Existing:
		return personal(ErrGone, nil, "the database %s is empty", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fileFault(path, err)
	}
	if to, err := os.Readlink(path); err == nil {
		return personal(ErrDisk, nil, "the database %s is a link to %s, which is not there: mount its disk", path, to)
	}
	if !o.Migrate || o.Existing {
		return personal(ErrGone, nil,
			"no database at %s: start \"tocsin serve\" first, or set data_dir to the directory that holds it", path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return fileFault(path, err)
	}
	return f.Close()
}

// leftOpen reports whether there is a log that nobody checkpointed into the file:
// somebody has it open, or ended without closing it.
func leftOpen(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

// connect opens the connections and reads the first page.
func (s *Store) connect(ctx context.Context) error {
	mode := writing
	if s.options.ReadOnly {
		mode = reading
	}
	var err error
	if s.files, err = sql.Open("sqlite", dsn(s.path, mode)); err != nil {
		return err
	}
	s.files.SetMaxOpenConns(1)
	if s.readers, err = sql.Open("sqlite", dsn(s.path, reading)); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(readerCount)
	s.readers.SetMaxIdleConns(readerCount)
	return patiently(ctx, s.files.PingContext)
}

// readerCount is how many reads run at once: a Pi has four cores.
const readerCount = 4

// ready brings the schema to the one that is known and pins the connection.
func (s *Store) ready(ctx context.Context, steps fs.FS, unclean bool) error {
	if s.options.Migrate {
		if err := s.inspect(ctx, unclean); err != nil {
			return err
		}
		if err := s.migrate(ctx, steps); err != nil {
			return err
		}
	}
	if err := s.checkSchema(ctx, steps); err != nil {
		return err
	}
	conn, err := s.files.Conn(ctx)
	if err != nil {
		return err
	}
	s.pinned = &pinned{conn: conn, statements: map[string]*sql.Stmt{}}
	if !s.options.ReadOnly {
		if err := s.pinned.tryWrite(ctx); err != nil {
			return err
		}
	}
	if s.seen, err = s.pinned.look(ctx); err != nil {
		return err
	}
	if err := s.remember(ctx); err != nil {
		return err
	}
	return s.noteFiles()
}

// Close ends all connections. The last process to do so leaves one file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.pinned != nil {
		errs = append(errs, s.pinned.close())
		s.pinned = nil
	}
	if s.files != nil {
		errs = append(errs, s.files.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}
