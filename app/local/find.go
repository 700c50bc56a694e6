package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Place says which daemon of this machine is meant: the one that works on a data
// directory, or with Any whichever answers.
type Place struct {
	DataDir string
	Any     bool
}

// Socket is a place where a daemon may listen.
type Socket struct {
	Path   string
	Header http.Header // goes with each request, so that no other daemon answers it
}

// Sockets are those where the daemon may listen, the likelier one first.
func (p Place) Sockets() (list []Socket) {
	paths := socketPaths(p.DataDir)
	slices.Reverse(paths) // the data directory's own goes before the machine's
	if usual := filepath.Join("/run/tocsin", SocketName); len(paths) > 0 && !slices.Contains(paths, usual) {
		paths = append(paths, usual)
	}
	for _, path := range paths {
		list = append(list, Socket{Path: path, Header: p.header()})
	}
	return list
}

// header says which data a request is meant for.
func (p Place) header() http.Header {
	header := http.Header{}
	if dir, err := filepath.Abs(p.DataDir); err == nil && !p.Any {
		header.Set(dataHeader, dir)
	}
	return header
}

// Dial connects to the socket.
func (s Socket) Dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	return dialer.DialContext(ctx, "unix", s.Path)
}

// Find returns the daemon, nil where none answers. The error is a *BarredError:
// of a socket that this user may not use.
func (p Place) Find(ctx context.Context) (*Client, error) {
	var barred error
	for _, s := range p.Sockets() {
		client := NewClient(s.Dial, s.Header)
		there, err := client.Greet(ctx)
		switch {
		case there:
			return client, nil
		case errors.Is(err, fs.ErrPermission):
			barred = &BarredError{s.Path}
		}
	}
	return nil, barred
}

// BarredError is that of a socket that this user may not use.
type BarredError struct{ Path string }

// Error tells who may.
func (e *BarredError) Error() string { return e.Unwrap().Error() }

// Unwrap is the error as callers read it.
func (e *BarredError) Unwrap() error {
	return rules.Errorf(rules.Forbidden, "the daemon's socket %s may not be used by %s: have an administrator run %s and log in again, or run this as the daemon's user, with `sudo -u %s`", e.Path, userHere(), JoinGroup(), Group)
}

// JoinGroup is the command that makes the user of this process one of those who
// may use the socket of a daemon.
func JoinGroup() string { return fmt.Sprintf("`sudo usermod -aG %s %s`", Group, userHere()) }

func userHere() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "USER"
}
