package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Local is a Server in this process that is reached as one over the network
// is, through connections in memory.
type Local struct {
	handler *Handler
	log     *slog.Logger
	conns   chan net.Conn
	ended   chan struct{}
}

// Local returns the server with a way to it. Its Run has to run beside it.
func (s *Server) Local() *Local {
	return &Local{handler: s.Handler(HandlerOptions{}), log: s.log, conns: make(chan net.Conn), ended: make(chan struct{})}
}

// Run answers until ctx ends.
func (l *Local) Run(ctx context.Context) error {
	s := &http.Server{
		Handler: l.handler, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(l.log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(localListener{l}) }()
	err := l.handler.Run(ctx)
	close(l.ended)
	if e := s.Close(); e != nil {
		err = errors.Join(err, fmt.Errorf("end mcp: %w", e))
	}
	<-ended
	return err
}

// Dial makes a connection to the server.
func (l *Local) Dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// localListener is the server's end of a Local.
type localListener struct{ l *Local }

// Accept waits for the next connection.
func (a localListener) Accept() (net.Conn, error) {
	select {
	case c := <-a.l.conns:
		return c, nil
	case <-a.l.ended:
		return nil, net.ErrClosed
	}
}

// Close does nothing: Run ends it.
func (a localListener) Close() error { return nil }

// Addr names what has no address.
func (a localListener) Addr() net.Addr { return &net.UnixAddr{Name: "local", Net: "unix"} }
