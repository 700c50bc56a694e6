// Package mysql keeps everything that tocsin must not forget in a database of
// MySQL 8 or MariaDB 10.6 and later, alone or in a Galera cluster, which many
// processes use at the same time. It holds SQL and no policy: what is written,
// and what it means, is decided by the ledgers.
//
// What others do at the same time, a connection that is lost at any point, and
// a cluster that takes a commit back all end in one of two ways here: the act is
// done once, or it is not done and its error says so.
package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/9bikes/tocsin/migrations"
	"github.com/9bikes/tocsin/rules"
)

// Options say how a database is opened. The zero value opens one that has the
// schema that this binary knows.
type Options struct {
	// Migrate makes the tables when there are none and brings an older schema up
	// to date. Only a daemon does that; several may at once.
	Migrate bool
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	address string // for people, without credentials
	readers *sql.DB
	writers *sql.DB
	id      []byte // of this writer
	away    away

	mu      sync.Mutex // one write at a time; guards all below
	commits int64      // of this writer, each with its number in the database
	lease   int64      // the token by which this store may write, 0 for one that needs none
	seen    seen
	moved   moved
}

// Open opens the database that a URL names; see Parse.
func Open(ctx context.Context, url rules.Secret, o Options) (*Store, error) {
	return open(ctx, url, o, migrations.MySQL())
}

// How many connections a process may have: a commit takes one, and each read.
const (
	readerCount = 8
	writerCount = 2
)

func open(ctx context.Context, url rules.Secret, o Options, steps fs.FS) (_ *Store, err error) {
	t, err := parse(url)
	if err != nil {
		return nil, err
	}
	s := &Store{address: t.address(), id: make([]byte, 16), moved: newMoved()}
	_, _ = rand.Read(s.id) // it never fails
	s.readers, s.writers = t.pool(repeatableRead, readerCount), t.pool(readCommitted, writerCount)
	defer func() {
		if err != nil {
			err = errors.Join(s.fault("open database", err), s.Close())
		}
	}()
	if err := s.greet(ctx); err != nil {
		return nil, err
	}
	if o.Migrate {
		if err := s.migrate(ctx, steps); err != nil {
			return nil, err
		}
	}
	if err := s.checkSchema(ctx, steps); err != nil {
		return nil, err
	}
	s.seen, err = s.look(ctx)
	return s, err
}

// pool opens connections as they are needed. They are let go of before the
// server would end them.
func (t target) pool(isolation string, most int) *sql.DB {
	db := sql.OpenDB(&connector{t.config(), isolation})
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	db.SetConnMaxIdleTime(idleTime / 2)
	db.SetConnMaxLifetime(10 * time.Minute) // so that load goes to servers that have come back
	return db
}

// Check reports whether the database answers and can be written; see app.Store.
func (s *Store) Check(ctx context.Context) error {
	return s.write(ctx, "check the database", func(ctx context.Context, q querier) error {
		// Refused by a server that may only be read, though it is no row.
		_, err := exec(ctx, q, `DELETE FROM revisions WHERE subject = 'none'`)
		return errors.Join(err, errNothing)
	})
}

// Close ends all connections.
func (s *Store) Close() error {
	return s.fault("close database", errors.Join(s.readers.Close(), s.writers.Close()))
}
