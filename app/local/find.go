package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/9bikes/tocsin/app"
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
	paths := []string{filepath.Join(absolute(p.DataDir), SocketName)}
	for _, dir := range []string{runtimeDir(), "/run/tocsin"} {
		if dir != "" {
			paths = append(paths, filepath.Join(dir, SocketName))
		}
	}
	for _, dir := range []string{MemoryDir(), "/run/tocsin", "/dev/shm"} {
		if path := fileIn(dir, p.DataDir, ".sock"); dir != "" && ownedBy(path, p.DataDir) {
			paths = append(paths, path)
		}
	}
	for _, path := range slices.Compact(paths) {
		list = append(list, Socket{Path: path, Header: p.header()})
	}
	return list
}

// header says which data a request is meant for.
func (p Place) header() http.Header {
	header := http.Header{}
	if !p.Any {
		header.Set(dataHeader, absolute(p.DataDir))
	}
	return header
}

// Dial connects to the socket.
func (s Socket) Dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	return dialer.DialContext(ctx, "unix", s.Path)
}

// patience is how long a daemon may take to say how it is doing.
const patience = 3 * time.Second

// Find returns the daemon, nil where none answers those whom the system names.
// The error is of a socket that does not answer: a *BarredError where this user
// may not use it.
func (p Place) Find(ctx context.Context) (*Client, error) {
	client, said, err := p.reach(ctx)
	if client == nil || said.Starting || said.User == Unknown {
		return nil, err
	}
	return client, nil
}

// Running reports whether a daemon runs, and what it says of itself. The error is
// why one that runs says nothing: nobody knows then whether it is apart. Of a
// socket that does not answer the lock tells whether these data have a daemon.
func (p Place) Running(ctx context.Context) (said Greeting, running bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, said, err := p.reach(ctx)
	if client != nil || err == nil {
		return said, client != nil, nil
	}
	if !locked(p.DataDir) {
		return said, false, nil // the socket is of other data
	}
	return Greeting{PID: lockPID(lockPath(p.DataDir))}, true, err
}

// Status asks the daemon how it is doing: what it alone knows, such as its last
// tick, is in no database.
func (p Place) Status(ctx context.Context) (app.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, _, err := p.reach(ctx)
	if client == nil {
		return app.Status{}, cmp.Or(err, errNobody)
	}
	return client.Status(ctx)
}

var errNobody = rules.Errorf(rules.Unavailable, "no daemon answers; start it with `tocsin serve`")

// reach returns the first daemon that answers for the data, nil where none does.
// The error is of a socket where one may be all the same.
func (p Place) reach(ctx context.Context) (_ *Client, said Greeting, mute error) {
	for _, s := range p.Sockets() {
		client := NewClient(s.Dial, s.Header)
		said, there, err := client.Greet(ctx)
		switch {
		case there:
			return client, said, nil
		case errors.Is(err, fs.ErrPermission):
			mute = &BarredError{s.Path}
		case occupied(err):
			mute = cmp.Or(mute, rules.Errorf(rules.Unavailable,
				"the daemon's socket %s does not answer (%v): run this again in a moment, and if that does not help, restart the "+
					"daemon, for example with `sudo systemctl restart tocsin`", s.Path, rules.Cause(err)))
		}
	}
	return nil, said, mute
}

// occupied reports whether somebody may be at a socket in spite of an error: one
// who took the connection, is busy, or is not for this user to ask.
func occupied(err error) bool {
	var dial *net.OpError
	if err == nil || !errors.As(err, &dial) || dial.Op != "dial" {
		return err != nil
	}
	return dial.Timeout() || errors.Is(err, fs.ErrPermission)
}

// Transport takes requests to the daemon, whatever address they are for.
func (p Place) Transport() http.RoundTripper { return transport{p} }

type transport struct{ Place }

// RoundTrip takes the first socket at which a daemon of these data answers.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	client, _, err := t.reach(r.Context())
	if client == nil {
		return nil, cmp.Or(err, errNobody)
	}
	asked := r.Clone(r.Context())
	maps.Copy(asked.Header, client.header)
	return client.http.Transport.RoundTrip(asked)
}

// BarredError is that of a socket that this user may not use.
type BarredError struct{ Path string }

// Error tells who may.
func (e *BarredError) Error() string { return e.Unwrap().Error() }

// Unwrap is the error as callers read it.
func (e *BarredError) Unwrap() error {
	return rules.Errorf(rules.Forbidden,
		"the daemon's socket %s may not be used by %s: have an administrator run %s and log in again, or run this as the "+
			"daemon's user, with `sudo -u %s`", e.Path, userHere(), JoinGroup(), Group)
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
