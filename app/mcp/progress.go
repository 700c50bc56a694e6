package mcp

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

type progressKey struct{}

// sayKey is where a call has how it says what comes before its result.
type sayKey struct{}

// withProgress returns a context that knows under which token the client wants
// to hear of progress, if it does.
func withProgress(ctx context.Context, request mcp.CallToolRequest) context.Context {
	if meta := request.Params.Meta; meta != nil && meta.ProgressToken != nil {
		return context.WithValue(ctx, progressKey{}, meta.ProgressToken)
	}
	return ctx
}

// progressEvery is how often a client hears of progress.
const progressEvery = 500 * time.Millisecond

// progress returns how a long call tells the client how far it has come, nil
// when the client does not want to hear. What cannot be sent is left out.
func (s *Server) progress(ctx context.Context, what string) func(done float64) {
	token := ctx.Value(progressKey{})
	protocol := server.ServerFromContext(ctx)
	if token == nil || protocol == nil {
		return nil
	}
	p := &progress{}
	tell := func(percent float64, message string) {
		params := map[string]any{"progressToken": token, "progress": percent, "total": 100, "message": message}
		if say, ok := ctx.Value(sayKey{}).(func(jsonrpc.Message)); ok {
			say(jsonrpc.Notification("notifications/progress", params))
			return
		}
		if err := protocol.SendNotificationToClient(ctx, "notifications/progress", params); err != nil {
			s.log.Debug("progress not told", "error", err)
		}
	}
	p.beat(ctx, func(percent float64, waited time.Duration) {
		tell(percent, fmt.Sprintf("%s: still at it after %s", what, waited.Round(time.Second)))
	})
	return func(done float64) {
		if percent, due := p.moves(done); due {
			tell(percent, what)
		}
	}
}

// heartbeat is how long a client hears nothing at most.
const heartbeat = 5 * time.Second

// progress is how far a call has come. It grows with each word, as clients
// expect of it.
type progress struct {
	mu   sync.Mutex
	told time.Time
	most float64
}

// moves notes how far a call has come, and reports whether that is worth a word.
func (p *progress) moves(done float64) (percent float64, due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	percent = math.Floor(100 * max(0, min(1, done)))
	if percent <= p.most || time.Since(p.told) < progressEvery && percent < 100 {
		return percent, false
	}
	p.told, p.most = time.Now(), percent
	return percent, true
}

// beat says until ctx ends that a call is not dead: one query may take long.
func (p *progress) beat(ctx context.Context, tell func(percent float64, waited time.Duration)) {
	began := time.Now()
	tick := time.NewTicker(heartbeat)
	go func() {
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			p.mu.Lock()
			quiet := time.Since(p.told) >= heartbeat
			if quiet {
				p.told, p.most = time.Now(), p.most+0.01
			}
			percent := p.most
			p.mu.Unlock()
			if quiet {
				tell(percent, time.Since(began))
			}
		}
	}()
}
