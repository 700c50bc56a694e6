package stdio

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// scripted is a session that answers as a test says.
type scripted struct {
	handle func(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message
	closed chan struct{}
	once   sync.Once
}

func (s *scripted) Handle(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message {
	if s.handle != nil {
		return s.handle(ctx, m, say)
	}
	return jsonrpc.Success(m.ID, struct{}{})
}

func (s *scripted) Listen(ctx context.Context, _ func(jsonrpc.Message)) { <-ctx.Done() }

func (s *scripted) Close() { s.once.Do(func() { close(s.closed) }) }

func (s *scripted) open() bool {
	select {
	case <-s.closed:
		return false
	default:
		return true
	}
}

// script is a target whose sessions follow handle, and the sessions it began.
func script(handle func(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message) (t Target, begun func() []*scripted) {
	var mu sync.Mutex
	var all []*scripted
	t = Target{Name: "a server", Connect: func() Session {
		mu.Lock()
		defer mu.Unlock()
		s := &scripted{handle: handle, closed: make(chan struct{})}
		all = append(all, s)
		return s
	}}
	return t, func() []*scripted {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestASessionOfAnEarlyRequestEnds: a client asks before its handshake, and
// shakes hands while the one in its place is under way.
func TestASessionOfAnEarlyRequestEnds(t *testing.T) {
	other := &scripted{closed: make(chan struct{})}
	shaking := make(chan struct{})
	var first sync.Once
	target, begun := script(func(_ context.Context, m jsonrpc.Message, _ func(jsonrpc.Message)) jsonrpc.Message {
		first.Do(func() {
			close(shaking)
			<-other.closed
		})
		return jsonrpc.Success(m.ID, struct{}{})
	})
	unused, _ := script(nil)
	b := NewBridge([]Target{target, unused}, Options{})
	// The client's handshake ends this one last.
	b.upstreams[1].session = &link{here: other, gone: make(chan struct{})}
	in, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- b.Run(context.WithoutCancel(t.Context()), in, io.Discard) }()
	say := func(line string) {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	say(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	<-shaking
	say(`{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}`)
	say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	_ = w.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the bridge does not end with its input")
	}
	for i, s := range begun() {
		if s.open() {
			t.Errorf("session %d of %d was not ended", i+1, len(begun()))
		}
	}
}

// TestAHandshakeAnewEndsTheSessionBefore, whoever began that.
func TestAHandshakeAnewEndsTheSessionBefore(t *testing.T) {
	target, begun := script(nil)
	b := NewBridge([]Target{target}, Options{})
	u := b.upstreams[0]
	for _, anew := range []bool{false, true, true} {
		if _, _, err := u.shake(t.Context(), b, anew); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range begun() {
		if last := i == 2; s.open() != last {
			t.Fatalf("session %d of 3 is open: %v", i+1, s.open())
		}
	}
	u.end()
	b.spawned.Wait()
}

// meanwhile is a carrier to which something happens right after a handshake.
type meanwhile struct {
	carrier
	happens func()
}

func (m meanwhile) greet(ctx context.Context, hello jsonrpc.Message, say sink) (*link, jsonrpc.Message, error) {
	s, answer, err := m.carrier.greet(ctx, hello, say)
	m.happens()
	return s, answer, err
}

// TestASessionThatBeginsAfterTheEndIsEnded: the input ended between the
// server's answer to the handshake and its arrival.
func TestASessionThatBeginsAfterTheEndIsEnded(t *testing.T) {
	target, begun := script(nil)
	b := NewBridge([]Target{target}, Options{})
	u := b.upstreams[0]
	ctx, cancel := context.WithCancel(t.Context())
	u.carrier = meanwhile{u.carrier, func() { cancel(); u.end() }}
	if _, _, err := u.shake(ctx, b, false); !errors.Is(err, context.Canceled) {
		t.Errorf("shook hands with %v", err)
	}
	if begun()[0].open() || u.present() != nil {
		t.Error("the session outlives the bridge")
	}
	u.end()
	b.spawned.Wait()
}
