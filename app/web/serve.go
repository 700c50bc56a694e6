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

// Serve answers on l until ctx ends, and then lets the requests under way
// finish for at most three seconds. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	// Requests outlive ctx for the grace.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s := &http.Server{
		Handler:           http.MaxBytesHandler(h, maxBody),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
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
