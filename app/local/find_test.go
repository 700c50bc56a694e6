//go:build unix

package local_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/rules"
)

// running is a daemon's socket of a data directory, until the test ends.
func running(t *testing.T, dataDir string) (*local.Server, net.Listener) {
	t.Helper()
	l, err := local.Listen(dataDir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := local.NewServer(dataDir, "1.2", http.NotFoundHandler())
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return s, l
}

// TestADaemonIsFoundWhereverItsSocketIs: in the data directory, where systemd
// has another for it, and in memory where neither can be.
func TestADaemonIsFoundWhereverItsSocketIs(t *testing.T) {
	for _, tt := range []struct {
		name, data, runtime string
		at                  string // the place of the socket
	}{
		{"in the data directory", "data", "", "data/tocsin.sock"},
		{"in the runtime directory", "data", "run", "run/tocsin.sock"},
		{"in memory", strings.Repeat("long", 30), "", "memory/tocsin-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "s") // a test's own is too long for a socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			for _, name := range []string{tt.data, "run", "memory", "other"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "memory"))
			t.Setenv("RUNTIME_DIRECTORY", "")
			if tt.runtime != "" {
				t.Setenv("RUNTIME_DIRECTORY", filepath.Join(dir, tt.runtime))
			}
			s, l := running(t, filepath.Join(dir, tt.data))
			if got := l.Addr().String(); !strings.HasPrefix(got, filepath.Join(dir, tt.at)) {
				t.Errorf("it listens at %s, want %s", got, tt.at)
			}
			t.Setenv("RUNTIME_DIRECTORY", "") // as a command has it
			place := local.Place{DataDir: filepath.Join(dir, tt.data)}
			if said, there, _ := place.Running(t.Context()); !there || said.PID != os.Getpid() || !said.Starting ||
				said.Apart != "" {
				t.Errorf("while it starts: %+v, %v", said, there)
			}
			if client, err := place.Find(t.Context()); client != nil || err != nil {
				t.Errorf("one that starts was found: %v", err)
			}
			s.SetApart("a copy")
			s.SetSession(http.NotFoundHandler())
			if said, there, _ := place.Running(t.Context()); !there || said.Starting || said.Apart != "a copy" {
				t.Errorf("while it runs: %+v, %v", said, there)
			}
			if client, err := place.Find(t.Context()); client == nil || err != nil {
				t.Errorf("it was not found: %v", err)
			}
			if said, there, _ := (local.Place{DataDir: filepath.Join(dir, "other")}).Running(t.Context()); there {
				t.Errorf("that of other data was found: %+v", said)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, there, _ := place.Running(t.Context()); there {
				t.Error("one that ended was found")
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.sock")); left != nil {
				t.Errorf("it left %v", left)
			}
		})
	}
}

// TestWhatAKilledDaemonLeftIsCleared, and what is somebody's stays.
func TestWhatAKilledDaemonLeftIsCleared(t *testing.T) {
	dir := shortDir(t)
	link := filepath.Join(dir, local.SocketName)
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	_, l := running(t, dir)
	if got := l.Addr().String(); got != link {
		t.Errorf("it listens at %s, want %s", got, link)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(link, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, l = running(t, dir)
	if got := l.Addr().String(); got == link {
		t.Errorf("it listens at %s, which is a file", got)
	}
	if text, err := os.ReadFile(link); string(text) != "mine" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

// TestADaemonTooBusyToGreetRuns: its lock tells that it does, and who asks is not
// told that its database may be used.
func TestADaemonTooBusyToGreetRuns(t *testing.T) {
	for name, locks := range map[string]bool{"of these data": true, "of other data": false} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			l, err := local.Listen(dir, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if locks {
				lock, err := local.TakeLock(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = lock.Release() }()
			}
			ctx, giveUp := context.WithCancel(t.Context())
			server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				giveUp() // as the one who asks does after a while
				<-r.Context().Done()
			})}
			go func() { _ = server.Serve(l) }() // ends with Close
			defer func() { _ = server.Close() }()
			said, runs, err := local.Place{DataDir: dir}.Running(ctx)
			switch {
			case runs != locks:
				t.Errorf("it runs: %v", runs)
			case !locks && err != nil:
				t.Errorf("error = %v", err)
			case locks && (rules.CodeOf(err) != rules.Unavailable || said.PID != os.Getpid()):
				t.Errorf("it said %+v, %v", said, err)
			}
		})
	}
}

// shortDir is a data directory whose socket's path is not too long, with nothing
// of this machine's daemon.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("RUNTIME_DIRECTORY", "")
	return dir
}
