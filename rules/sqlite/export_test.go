package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
)

// OpenWith is Open with other migrations.
func OpenWith(ctx context.Context, path string, o Options, steps fs.FS) (*Store, error) {
	return open(ctx, path, o, steps)
}

// EachConnection calls f with the pinned connection and with every one that
// the pool of readers can hold at the same time.
func (s *Store) EachConnection(ctx context.Context, f func(name string, conn *sql.Conn) error) error {
	if err := f("writer", s.pinned.conn); err != nil {
		return err
	}
	for range readerCount {
		conn, err := s.readers.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := f("reader", conn); err != nil {
			return err
		}
	}
	return nil
}
