package stdio

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/rules"
)

// handshakeTimeout is how long a handshake, and what has no answer, may take.
const handshakeTimeout = 15 * time.Second

// What can become of a request that got no answer. An error that is none of
// these is final.
var (
	errUnreached = errors.New("not reached")   // nothing was sent, or to the wrong one
	errAgain     = errors.New("not yet")       // it was refused without being done
	errForgotten = errors.New("not known")     // the same, for the session is not known
	errLost      = errors.New("not answered")  // whether it was done is not known
	errNoStream  = errors.New("no such thing") // the server says nothing by itself
)

// again reports whether a request was refused without being done.
func again(err error) bool { return errors.Is(err, errAgain) || errors.Is(err, errForgotten) }

// sink takes what a server says before an answer, or by itself.
type sink func(jsonrpc.Message)

// transport brings messages to one server, in the session s; nil is none, for the
// protocol without.
type transport interface {
	// initialize begins a session with a handshake.
	initialize(ctx context.Context, hello jsonrpc.Message, say sink) (*session, jsonrpc.Message, error)
	// request brings a request and returns the answer.
	request(ctx context.Context, s *session, m jsonrpc.Message, say sink) (jsonrpc.Message, error)
	// notify brings what has no answer.
	notify(ctx context.Context, s *session, m jsonrpc.Message) error
	// listen hands on what the server says by itself until it says no more.
	listen(ctx context.Context, s *session, say sink) error
	// close tells the server that the session is over.
	close(s *session)
	// reachable reports whether the server can be reached.
	reachable(ctx context.Context) bool
}

// session is the client's at one server.
type session struct {
	id, version string  // of one over HTTP
	here        Session // of one in this process
	confirm     sync.Once
	gone        chan struct{}
	once        sync.Once
}

// end ends the session on this side.
func (s *session) end() {
	s.once.Do(func() {
		close(s.gone)
		if s.here != nil {
			s.here.Close()
		}
	})
}

// upstream is a server with the client's session there.
type upstream struct {
	name string
	transport

	opening sync.Mutex // held while hands are shaken
	mu      sync.Mutex
	session *session
}

func newUpstream(t Target, log *slog.Logger) *upstream {
	if t.Connect != nil {
		return &upstream{name: t.Name, transport: local{t}}
	}
	return &upstream{name: t.Name, transport: newRemote(t, log)}
}

// present is the client's session, nil for none.
func (u *upstream) present() *session {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.session
}

// forget ends the session here, if it is still s; nil is any.
func (u *upstream) forget(s *session) *session {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.session
	if was == nil || s != nil && was != s {
		return nil
	}
	was.end()
	u.session = nil
	return was
}

// end ends the session here and tells the server.
func (u *upstream) end() {
	if s := u.forget(nil); s != nil {
		u.close(s)
	}
}

// keep makes s the client's session, unless ctx has ended: who ends a session
// when the bridge ends finds it here, or it is ended at once.
func (u *upstream) keep(ctx context.Context, s *session) error {
	u.mu.Lock()
	err := ctx.Err()
	if err == nil {
		u.session = s
	}
	u.mu.Unlock()
	if err != nil {
		s.end()
		u.close(s)
	}
	return err
}

// forward brings a request to the server and returns the answer.
func (u *upstream) forward(ctx context.Context, b *Bridge, c *call) (jsonrpc.Message, error) {
	var s *session
	if c.Version == "" {
		var err error
		initializes := c.Method == string(mcp.MethodInitialize)
		var hello jsonrpc.Message
		if s, hello, err = u.ensureSession(ctx, b, initializes); err != nil || initializes {
			return hello, err
		}
	}
	reached := sync.OnceFunc(func() { b.reached(u) })
	answer, err := u.request(ctx, s, c.Message, func(m jsonrpc.Message) {
		reached()
		b.relay(ctx, u, s, c, m)
	})
	switch {
	case err == nil:
		b.reached(u)
	case errors.Is(err, errForgotten):
		u.forget(s)
	case errors.Is(err, errLost):
		b.withdraw("the call has ended", func(q serverRequest) bool { return q.call == c })
	}
	return answer, err
}

// ensureSession returns the client's session, which it begins if there is none, and
// the server's answer to the handshake. Anew, it ends the one before, which may
// have begun since the client asked for the handshake.
func (u *upstream) ensureSession(ctx context.Context, b *Bridge, anew bool) (*session, jsonrpc.Message, error) {
	u.opening.Lock()
	defer u.opening.Unlock()
	if anew {
		u.end()
	} else if s := u.present(); s != nil {
		return s, jsonrpc.Message{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	b.mu.Lock()
	hello, ready, replayed := b.hello, b.ready, b.replayed
	b.mu.Unlock()
	s, answer, err := u.initialize(ctx, hello, func(m jsonrpc.Message) { b.relay(ctx, u, nil, nil, m) })
	if err != nil || len(answer.Error) > 0 && anew {
		return nil, answer, err
	}
	if len(answer.Error) > 0 {
		return nil, answer, rules.Errorf(rules.Unavailable, "%s refuses the handshake: %s", u.name, answer.Error)
	}
	if err := u.keep(ctx, s); err != nil {
		return nil, answer, err
	}
	b.reached(u)
	if !anew && ready {
		u.confirm(ctx, b, s)
	}
	for _, m := range replayed {
		if err := u.notify(ctx, s, m); err != nil {
			b.log.Info("a subscription was not repeated", "method", m.Method, "error", err)
		}
	}
	return s, answer, nil
}

// confirm ends the handshake and listens to what the server says by itself.
func (u *upstream) confirm(ctx context.Context, b *Bridge, s *session) {
	s.confirm.Do(func() {
		b.notifyServer(ctx, u, s, jsonrpc.Notification(string(mcp.MethodNotificationInitialized), struct{}{}))
		b.spawned.Go(func() { u.receiveEvents(context.WithoutCancel(ctx), b, s) })
	})
}

// receiveEvents passes on what the server says by itself until the session ends.
func (u *upstream) receiveEvents(ctx context.Context, b *Bridge, s *session) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.spawned.Go(func() {
		select {
		case <-s.gone:
			cancel()
		case <-ctx.Done():
		}
	})
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		err := u.listen(ctx, s, func(m jsonrpc.Message) { b.relay(ctx, u, s, nil, m) })
		switch {
		case ctx.Err() != nil || errors.Is(err, errNoStream):
			return
		case errors.Is(err, errUnreached) || again(err):
			u.forget(s)
			b.withdraw("the server has ended", func(q serverRequest) bool { return q.session == s })
			return
		}
		if !rules.Sleep(ctx, pause) {
			return
		}
	}
}
