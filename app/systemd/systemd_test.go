//go:build unix

package systemd_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/systemd"
)

// manager is what systemd is to a service: a socket, and how long it waits.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	return conn
}

// heard is the next message's assignments.
func heard(t *testing.T, c *net.UnixConn) []string {
	t.Helper()
	text := make([]byte, 4096)
	n, err := c.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text[:n]), "\n")
}

func TestTheManagerIsTold(t *testing.T) {
	conn := manager(t)
	m := systemd.Open(slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		tell func()
		want string
	}{
		{func() { m.Ready("runs") }, "READY=1"},
		{m.Reloading, "RELOADING=1"},
		{m.Stopping, "STOPPING=1"},
	} {
		tt.tell()
		if got := heard(t, conn); !slices.Contains(got, tt.want) || !strings.HasPrefix(got[1], "STATUS=") {
			t.Errorf("told %q, want %s and a status", got, tt.want)
		}
	}
}

func TestTheWatchdogIsFedWhileWorkMovesOn(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "3000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	if err := systemd.Open(slog.New(slog.DiscardHandler)).Watch(ctx, func(context.Context) bool {
		if asked++; asked == 4 {
			cancel()
		}
		return asked <= 2
	}); err != nil || asked < 4 {
		t.Fatalf("asked %d times: %v", asked, err)
	}
	for range 2 {
		if got := heard(t, conn); !slices.Equal(got, []string{"WATCHDOG=1"}) {
			t.Errorf("told %q", got)
		}
	}
	systemd.Open(slog.New(slog.DiscardHandler)).Stopping()
	if got := heard(t, conn); slices.Contains(got, "WATCHDOG=1") {
		t.Error("it is fed though nothing moves")
	}
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var log bytes.Buffer
	for _, m := range []systemd.Manager{{}, systemd.Open(slog.New(slog.NewTextHandler(&log, nil)))} {
		m.Ready("runs")
		m.Stopping()
		if err := m.Watch(t.Context(), func(context.Context) bool { t.Error("asked"); return true }); err != nil {
			t.Error(err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	if systemd.Journal() {
		t.Error("standard error is the journal's")
	}
}
