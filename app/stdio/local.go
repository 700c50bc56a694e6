package stdio

import (
	"context"
	"fmt"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// Session is a client's session with a server in this process. Its methods may
// be called at the same time.
type Session interface {
	// Handle returns the answer to a message, an empty one where there is none.
	// What the server says before the answer goes to say. It returns when the
	// work is done, or soon after ctx ends.
	Handle(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message
	// Listen hands on what the server says by itself until ctx ends.
	Listen(ctx context.Context, say func(jsonrpc.Message))
	// Close ends the session. It does not wait for what is under way.
	Close()
}

// local calls a server in this process.
type local struct{ Target }

func (l local) initialize(ctx context.Context, hello jsonrpc.Message, say sink) (*session, jsonrpc.Message, error) {
	s := &session{here: l.Connect(), gone: make(chan struct{})}
	answer, err := l.request(ctx, s, hello, say)
	if err != nil || len(answer.Error) > 0 {
		s.end()
	}
	return s, answer, err
}

func (l local) request(ctx context.Context, s *session, m jsonrpc.Message, say sink) (jsonrpc.Message, error) {
	if s == nil {
		s = &session{here: l.Connect()}
		defer s.here.Close()
	}
	answer := s.here.Handle(ctx, m, say)
	if ctx.Err() != nil {
		return jsonrpc.Message{}, fmt.Errorf("%w: %w", errLost, ctx.Err())
	}
	return answer, nil
}

func (l local) notify(ctx context.Context, s *session, m jsonrpc.Message) error {
	_, err := l.request(ctx, s, m, func(jsonrpc.Message) {})
	return err
}

func (l local) listen(ctx context.Context, s *session, say sink) error {
	s.here.Listen(ctx, say)
	return errNoStream
}

func (l local) close(*session) {} // its end has told it

func (l local) reachable(context.Context) bool { return true }
