package local_test

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/9bikes/tocsin/app/local"
)

// TestTheSocketOfABusyDaemonStays: no connection fits into its queue any more,
// which is not what a daemon leaves that was killed.
func TestTheSocketOfABusyDaemonStays(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, local.SocketName)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer func() { _ = c.Close() }()
	}
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Listen(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the socket was replaced: %v", err)
	}
}
