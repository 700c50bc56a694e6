//go:build unix

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// cut harms the database, and sees it.
func cut(t *testing.T, d *daemon, c *app.Config) {
	t.Helper()
	if err := os.Truncate(databasePath(c), 0); err != nil {
		t.Fatal(err)
	}
	if err := d.supervise(t.Context(), d.ledgers); !errors.Is(err, sqlite.ErrReopen) {
		t.Fatalf("the harm was not seen: %v", err)
	}
}

// TestAnotherDatabaseIsDueWhenTheConfigIsReloaded: the next session works on it.
func TestAnotherDatabaseIsDueWhenTheConfigIsReloaded(t *testing.T) {
	c := &app.Config{DataDir: t.TempDir()}
	d := bookkeeper(t, c)
	d.reload = func() (*app.Config, error) { return c, nil }
	before := d.store
	ctx, end := context.WithCancel(t.Context())
	defer end()
	sessions := 0
	err := d.sessions(ctx, c, func(session context.Context, _ *app.Config) error {
		if sessions++; sessions > 1 {
			end()
			return nil
		}
		if err := unix.Kill(os.Getpid(), unix.SIGHUP); err != nil {
			return err
		}
		<-session.Done()
		cut(t, d, c)
		return sqlite.ErrReopen
	})
	if err != nil || sessions != 2 || d.store == before {
		t.Errorf("after %d sessions, another database %v: %v", sessions, d.store != before, err)
	}
}

// TestAnotherDatabaseIsDueWhenTheDaemonEnds: it ends well, and what memory holds
// is in the database that was prepared.
func TestAnotherDatabaseIsDueWhenTheDaemonEnds(t *testing.T) {
	c := &app.Config{DataDir: t.TempDir()}
	d := bookkeeper(t, c)
	ctx, end := context.WithCancel(t.Context())
	if err := d.sessions(ctx, c, func(context.Context, *app.Config) error {
		cut(t, d, c)
		end()
		return sqlite.ErrReopen
	}); err != nil {
		t.Fatalf("the daemon ends with %v", err)
	}
	if err := d.superviseLast(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	title := ""
	ledgersOf(t, d.store).View("r1", func(l *rules.Ledger) { title = l.Rule.Title })
	if title != "Before" {
		t.Errorf("the rule is %q in the database", title)
	}
}

// TestWhoGreetsIsToldAtOnceThatTheDatabaseIsApart, before any session is up.
func TestWhoGreetsIsToldAtOnceThatTheDatabaseIsApart(t *testing.T) {
	c := &app.Config{DataDir: t.TempDir()}
	d := bookkeeper(t, c)
	replace(t, d, c)
	if err := d.reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	d.socket.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", local.Path, nil))
	var said local.Greeting
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Apart == "" || said.Apart != d.store.Apart() {
		t.Errorf("it says %+v, %v; the database is apart: %s", said, err, d.store.Apart())
	}
}

// TestNobodyWritesBesideADaemonThatDoesNotAnswer: it may be apart.
func TestNobodyWritesBesideADaemonThatDoesNotAnswer(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // a test's own is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("RUNTIME_DIRECTORY", "")
	c := &app.Config{DataDir: dir}
	bookkeeper(t, c)
	lock, err := local.TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	l, err := local.Listen(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		if c, err := l.Accept(); err == nil {
			_ = c.Close() // without a word
		}
	}()
	_, closing, err := Program{}.open(t.Context(), c, false)
	if err == nil {
		t.Cleanup(func() { _ = closing() })
	}
	if rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("error = %v", err)
	}
}

// TestACopyThatWasPreparedGoesWithTheDaemon, and no second one is made.
func TestACopyThatWasPreparedGoesWithTheDaemon(t *testing.T) {
	memory := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", memory)
	t.Setenv("RUNTIME_DIRECTORY", "")
	c := &app.Config{DataDir: t.TempDir()}
	d := bookkeeper(t, c)
	ctx, end := context.WithCancel(t.Context())
	if err := d.sessions(ctx, c, func(context.Context, *app.Config) error {
		replace(t, d, c)
		end()
		return sqlite.ErrReopen
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.superviseLast(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(memory, "tocsin-copy-*")); left != nil {
		t.Errorf("left in memory: %v", left)
	}
}

// replace puts another database in the place of the daemon's, which sees it.
func replace(t *testing.T, d *daemon, c *app.Config) {
	t.Helper()
	foreign, err := sqlite.Open(t.Context(), databasePath(c)+".new", sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(foreign.Close(), os.Rename(databasePath(c)+".new", databasePath(c))); err != nil {
		t.Fatal(err)
	}
	if err := d.supervise(t.Context(), d.ledgers); !errors.Is(err, sqlite.ErrReopen) {
		t.Fatalf("the other file was not seen: %v", err)
	}
}
