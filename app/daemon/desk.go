package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/rules"
)

// dataOf is the header that says which data a request is meant for.
func dataOf(c *app.Config) http.Header {
	header := http.Header{}
	if dir, err := filepath.Abs(c.DataDir); err == nil && ownData(c) {
		header.Set(dataHeader, dir)
	}
	return header
}

// daemonOf returns the daemon that runs on the data of a config, nil where none
// answers. The error is that of a socket that this user may not use.
func daemonOf(ctx context.Context, c *app.Config) (cli.Daemon, error) {
	header := dataOf(c)
	var forbidden error
	for _, path := range clientSockets(c) {
		dial := dialSocket(path)
		client := local.NewClient(func(ctx context.Context) (net.Conn, error) { return dial(ctx, "", "") }, header)
		there, err := client.Greet(ctx)
		switch {
		case there:
			return client, nil
		case errors.Is(err, fs.ErrPermission):
			forbidden = rules.Errorf(rules.Forbidden, "the daemon's socket %s may not be used by %s: have an administrator run `sudo usermod -aG %s %s` and log in again, or run this as the daemon's user, with `sudo -u %s`", path, userHere(), socketGroup, userHere(), socketGroup)
		}
	}
	return nil, forbidden
}

// Open is open for a command. Where this user cannot read the data while
// the machine's daemon runs, its error says who can.
func (p Program) Open(ctx context.Context, c *app.Config, withKey bool) (*app.App, func() error, error) {
	a, closing, err := p.open(ctx, c, withKey)
	if err == nil || canRead(databasePath(c)) {
		return a, closing, err
	}
	there, forbidden := daemonOf(ctx, c)
	switch {
	case forbidden != nil:
		return nil, nil, forbidden
	case there != nil:
		return nil, nil, rules.Errorf(rules.Forbidden, "the daemon that runs is another user's, and this command works on its database itself: put `sudo -u %s` before it, or let Claude do it, which may use the daemon's socket", socketGroup)
	}
	return nil, nil, err
}

func canRead(path string) bool {
	f, err := os.Open(path)
	return err == nil && f.Close() == nil
}
