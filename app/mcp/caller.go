package mcp

import (
	"context"

	"github.com/9bikes/tocsin/app"
)

// Caller is who speaks over a connection, as its transport knows it: from a
// token, from the user at the other end of a socket, never from an argument.
type Caller struct {
	Name  string
	Scope app.Scope
}

type callerKey struct{}

// WithCaller returns a context of a request by c. The protocol server hands
// nothing else from a transport to a tool.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// caller is who asks: the one that the transport named, or who runs this
// process, who may do what every tool does.
func (s *Server) caller(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return Caller{Name: s.user, Scope: s.scope}
}
