package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// serverDatabase is the database of a server. What befalls its files is the
// server's affair, and its backups are too.
type serverDatabase struct {
	*mysql.Store
	log  *slog.Logger
	note string
}

// openServer opens the database of a server for a daemon, which is the only one
// that works on it.
func openServer(ctx context.Context, c *app.Config, log *slog.Logger) (database, error) {
	store, err := mysql.Open(ctx, c.Store, mysql.Options{Migrate: true})
	if err != nil {
		return nil, err
	}
	if err := store.Serve(ctx, holderOf(c)); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &serverDatabase{Store: store, log: log}, nil
}

// holderOf names a daemon: there is one to a data directory.
func holderOf(c *app.Config) string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	if dir, err := filepath.Abs(c.DataDir); err == nil {
		return host + ":" + dir
	}
	return host + ":" + c.DataDir
}

// Note is what people should know of it.
func (s *serverDatabase) Note() string { return s.note }

// AddNote is not needed: only the notes on files are added by others.
func (s *serverDatabase) AddNote(string, ...any) {}

// Apart is never so: others use the same database.
func (s *serverDatabase) Apart() string { return "" }

// Lost is nothing, since no other takes its place.
func (s *serverDatabase) Lost() int64 { return 0 }

// Complete has nothing to do.
func (s *serverDatabase) Complete() {}

// NoteCommits keeps the lease between commits. It ends the daemon when another
// has taken its place.
func (s *serverDatabase) NoteCommits(commits <-chan struct{}) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		renew := time.NewTicker(mysql.LeaseTime / 4)
		defer renew.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-commits:
			case <-renew.C:
				err := s.Renew(ctx)
				if errors.Is(err, mysql.ErrFenced) {
					return rules.Errorf(rules.Conflict, "another daemon has taken over the database: this one ends")
				}
				if err != nil {
					s.log.Debug("the database's lease was not renewed", "error", err)
				}
			}
		}
	}
}

// BackUp deletes what is old, in small steps, so that nobody waits long for one.
func (s *serverDatabase) BackUp(ctx context.Context, t time.Time) error {
	for {
		n, err := s.Prune(ctx, t, pruneAtOnce)
		if err != nil || n < pruneAtOnce || !rules.Sleep(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

// Supervise tells people while it does not answer.
func (s *serverDatabase) Supervise(ctx context.Context, h sqlite.Hooks) error {
	err := s.Check(ctx)
	if err == nil {
		err = h.Trouble()
	}
	h.Report(err)
	return nil
}

// Replace never comes to pass.
func (s *serverDatabase) Replace(context.Context) (database, error) { return s, nil }

// Drop has none to close.
func (s *serverDatabase) Drop() (none bool, err error) { return true, nil }

// SaveRevision has nothing to note.
func (s *serverDatabase) SaveRevision(context.Context) error { return nil }

// Close gives the lease back, so that the next daemon need not wait.
func (s *serverDatabase) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), mysql.LeaseTime/4)
	defer cancel()
	if err := s.Release(ctx); err != nil {
		s.log.Debug("the database's lease was not given back", "error", err)
	}
	return s.Store.Close()
}
