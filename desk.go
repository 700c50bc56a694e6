package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
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
			forbidden = rules.Errorf(rules.Forbidden, "the daemon's socket %s may not be used by %s: have an administrator run `sudo usermod -aG %s %s` and log in again, or run this as the owner of %s", path, userHere(), socketGroup, userHere(), c.DataDir)
		}
	}
	return nil, forbidden
}
