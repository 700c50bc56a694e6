package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSystemdHearsHowTheDaemonIs plays the service manager, with the journal at
// the other end of standard error.
func TestSystemdHearsHowTheDaemonIs(t *testing.T) {
	s := newSite(t)
	s.hook.come()
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manager.Close() }()
	s.env = []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=600000"}
	d := s.serve()
	hears := func(want string) {
		t.Helper()
		text := make([]byte, 4096)
		for end := time.Now().Add(30 * time.Second); ; {
			if err := manager.SetReadDeadline(end); err != nil {
				t.Fatal(err)
			}
			n, err := manager.Read(text)
			if err != nil {
				t.Fatalf("waiting for %s: %v\n%s", want, err, d.log)
			}
			if strings.Contains(string(text[:n]), want) {
				return
			}
		}
	}
	hears("READY=1")
	hears("WATCHDOG=1")
	good, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{string(good) + "chanels: {}\n", "READY=1\nSTATUS=runs, with the config from before"},
		{string(good), "READY=1\nSTATUS=runs"},
	} {
		if err := os.WriteFile(s.config, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		hears("RELOADING=1")
		hears(tt.want)
	}
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hears("STOPPING=1")
}

// TestTheJournalDatesLinesByItself: systemd says which file standard error is.
func TestTheJournalDatesLinesByItself(t *testing.T) {
	s := newSite(t)
	log, err := os.Create(filepath.Join(s.dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(log.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "serve", "--config", s.config)
	cmd.Stderr = log
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	s.until("it runs", func() bool {
		text, err := os.ReadFile(log.Name())
		said = string(text)
		return err == nil && strings.Contains(said, "tocsin runs")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(said, "time=") || !strings.HasPrefix(said, "level=") {
		t.Errorf("the journal got %s", said)
	}
}
