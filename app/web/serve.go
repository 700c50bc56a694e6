package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	grace     = 3 * time.Second // for the requests under way at the end
	maxHeader = 32 << 10        // bytes of a request's header
	maxBody   = 16 << 20        // bytes of a request; doors are stricter
)

// ServeOptions are what Serve may be told; the zero value is right.
type ServeOptions struct {
	// Connections is how many are kept open at once, 0 for 512. The other
	// descriptors of the process are kept for the database and for sending.
	Connections int
	// PerAddress is how many of them one address may have, or one user of a
	// socket, so that nobody takes all; 0 for three in four.
	PerAddress int
	// Log gets what is nobody's answer; nil discards it.
	Log *slog.Logger
}

// Serve answers on l until ctx ends, and then lets the requests under way
// finish for at most three seconds. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler, o ServeOptions) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// Requests outlive ctx for the grace.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s := &http.Server{
		Handler:           noteWhole(http.MaxBytesHandler(h, maxBody)),
		ConnState:         follow,
		ConnContext:       withGuest,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(newCrowd(l, o)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(requests, grace)
	defer cancel()
	if s.Shutdown(stopping) != nil {
		_ = s.Close() // what is slower than the grace is cut off
	}
	<-ended
	return nil
}
