package mcp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// Local is the session of a client whose messages come in this process, such as
// one on standard input. Its methods may be called at the same time.
type Local struct {
	server    *Server
	session   *server.InProcessSession
	questions *questions
}

// Connect begins a session of a client in this process. Close ends it.
func (s *Server) Connect() *Local {
	q := &questions{open: map[string]chan jsonrpc.Message{}}
	l := &Local{server: s, questions: q, session: server.NewInProcessSessionWithHandlers(rand.Text(), nil, q, nil)}
	if err := s.protocol.RegisterSession(context.Background(), l.session); err != nil {
		panic(fmt.Sprintf("begin a session: %v", err)) // its id was never used before
	}
	return l
}

// Close ends the session. It does not wait for calls under way.
func (l *Local) Close() {
	l.server.protocol.UnregisterSession(context.Background(), l.session.SessionID())
}

// Handle answers a message; the answer to what wants none is empty. What the
// server says before its answer, a question to the user too, goes to say. It
// returns when the work is done. Once ctx has ended it waits for that a little.
func (l *Local) Handle(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message {
	if m.Answers() {
		l.questions.answer(m)
		return jsonrpc.Message{}
	}
	done := make(chan jsonrpc.Message, 1)
	go func() { done <- l.handle(context.WithValue(ctx, sayKey{}, say), m) }()
	for ended, late := ctx.Done(), (<-chan time.Time)(nil); ; {
		select {
		case n := <-l.session.ClientNotifications():
			say(notification(n))
		case answer := <-done:
			l.empty(say)
			return answer
		case <-ended:
			ended, late = nil, time.After(2*grace)
		case <-late:
			l.server.log.Warn("a call of a model does not stop")
			return jsonrpc.Message{}
		}
	}
}

// handle has a message answered by the protocol server.
func (l *Local) handle(ctx context.Context, m jsonrpc.Message) (answer jsonrpc.Message) {
	defer func() {
		if cause := recover(); cause != nil {
			answer = m.Refused(l.server.mishap(tool{name: m.Method}, fmt.Errorf("panic: %v", cause)))
		}
	}()
	if refused, ok := l.server.unready(ctx, m); ok {
		return refused
	}
	switch r := l.server.protocol.HandleMessage(l.server.protocol.WithContext(ctx, l.session), m.Raw).(type) {
	case mcp.JSONRPCResponse:
		return jsonrpc.Success(m.ID, r.Result)
	case mcp.JSONRPCError:
		return jsonrpc.Failed(m.ID, r.Error)
	}
	return jsonrpc.Message{}
}

// Listen hands on what the server says by itself until ctx ends.
func (l *Local) Listen(ctx context.Context, say func(jsonrpc.Message)) {
	for {
		select {
		case n := <-l.session.ClientNotifications():
			say(notification(n))
		case <-ctx.Done():
			return
		}
	}
}

// empty hands on what was said already.
func (l *Local) empty(say func(jsonrpc.Message)) {
	for {
		select {
		case n := <-l.session.ClientNotifications():
			say(notification(n))
		default:
			return
		}
	}
}

func notification(n mcp.JSONRPCNotification) jsonrpc.Message {
	return jsonrpc.Message{Method: n.Method, Raw: jsonrpc.Encode(n)}
}

// questions are what the user was asked and has not answered.
type questions struct {
	mu    sync.Mutex
	open  map[string]chan jsonrpc.Message
	asked int
}

// Elicit asks the user, by the client whose call it is.
func (q *questions) Elicit(ctx context.Context, request mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	say, ok := ctx.Value(sayKey{}).(func(jsonrpc.Message))
	if !ok {
		return nil, server.ErrElicitationNotSupported
	}
	id, answered := q.ask()
	defer q.forget(id)
	say(jsonrpc.Request(json.RawMessage(id), string(mcp.MethodElicitationCreate), request.Params))
	select {
	case m := <-answered:
		if len(m.Error) > 0 {
			return nil, errors.New("the client answers with an error")
		}
		result := &mcp.ElicitationResult{}
		return result, json.Unmarshal(m.Result, result)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *questions) ask() (id string, answered <-chan jsonrpc.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked++
	id = strconv.Itoa(q.asked)
	c := make(chan jsonrpc.Message, 1)
	q.open[id] = c
	return id, c
}

// answer takes an answer to the call that waits for it, if one does.
func (q *questions) answer(m jsonrpc.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.open[string(m.ID)]; c != nil {
		delete(q.open, string(m.ID))
		c <- m // it has room
	}
}

func (q *questions) forget(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}
