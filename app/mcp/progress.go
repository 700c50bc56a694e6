package mcp

import (
	"context"
	"math"
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
	var told time.Time
	most := 0.0
	return func(done float64) {
		percent := math.Floor(100 * max(0, min(1, done)))
		if percent <= most || time.Since(told) < progressEvery && percent < 100 {
			return
		}
		told, most = time.Now(), percent
		params := map[string]any{"progressToken": token, "progress": percent, "total": 100, "message": what}
		if say, ok := ctx.Value(sayKey{}).(func(jsonrpc.Message)); ok {
			say(jsonrpc.Notification("notifications/progress", params))
			return
		}
		if err := protocol.SendNotificationToClient(ctx, "notifications/progress", params); err != nil {
			s.log.Debug("progress not told", "error", err)
		}
	}
}
