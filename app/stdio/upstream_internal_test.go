package stdio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
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
func script(handle func(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message) (t Target,
	begun func() []*scripted,
) {
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

func message(t *testing.T, text string) jsonrpc.Message {
	t.Helper()
	m, wrong := jsonrpc.Parse([]byte(text))
	if wrong != nil {
		t.Fatalf("%s is no message", text)
	}
	return m
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
	b.upstreams[1].session = &session{here: other, gone: make(chan struct{})}
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
		if _, _, err := u.ensureSession(t.Context(), b, anew); err != nil {
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

// meanwhile is a transport to which something happens right after a handshake.
type meanwhile struct {
	transport
	happens func()
}

func (m meanwhile) initialize(ctx context.Context, hello jsonrpc.Message, say sink) (*session, jsonrpc.Message, error) {
	s, answer, err := m.transport.initialize(ctx, hello, say)
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
	u.transport = meanwhile{u.transport, func() { cancel(); u.end() }}
	if _, _, err := u.ensureSession(ctx, b, false); !errors.Is(err, context.Canceled) {
		t.Errorf("shook hands with %v", err)
	}
	if begun()[0].open() || u.present() != nil {
		t.Error("the session outlives the bridge")
	}
	u.end()
	b.spawned.Wait()
}

// TestACancelledCallTakesBackOnlyItsOwnQuestion, and the answer of the user to
// another call arrives.
func TestACancelledCallTakesBackOnlyItsOwnQuestion(t *testing.T) {
	for _, meta := range []string{"", `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`} {
		t.Run("meta "+meta, func(t *testing.T) {
			answered := make(chan string, 1)
			target, _ := script(func(ctx context.Context, m jsonrpc.Message, say func(jsonrpc.Message)) jsonrpc.Message {
				switch {
				case m.Answers():
					answered <- string(m.ID) + string(m.Result)
				case m.Method == "tools/call":
					say(jsonrpc.Request(m.ID, "elicitation/create", struct{}{}))
					<-ctx.Done()
				}
				return jsonrpc.Success(m.ID, struct{}{})
			})
			b := NewBridge([]Target{target}, Options{})
			u, out := b.upstreams[0], &bytes.Buffer{}
			asked := make(chan struct{}, 10)
			b.out = io.MultiWriter(out, tick(asked))
			begin := func(id string) (cancel func(), done chan error) {
				c, ctx := b.open(t.Context(), message(t, `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{`+meta+`}}`))
				done = make(chan error, 1)
				go func() {
					_, err := u.forward(ctx, b, c)
					done <- err
				}()
				<-asked
				return c.cancel, done
			}
			stop, stopped := begin("50")
			cancel, cancelled := begin("60")
			cancel()
			if err := <-cancelled; !errors.Is(err, errLost) {
				t.Errorf("the cancelled call ended with %v", err)
			}
			b.answerServer(t.Context(), message(t, `{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}`))
			b.answerServer(t.Context(), message(t, `{"jsonrpc":"2.0","id":2,"result":{"action":"accept"}}`)) // too late
			stop()
			<-stopped
			u.end()
			b.spawned.Wait()
			close(answered)
			var got []string
			for a := range answered {
				got = append(got, a)
			}
			if len(got) != 1 || got[0] != `50{"action":"accept"}` {
				t.Errorf("the server was told %q", got)
			}
			if text := out.String(); strings.Count(text, `"requestId":`) != 1 || !strings.Contains(text, `"requestId":2`) {
				t.Errorf("the client was told %s", text)
			}
		})
	}
}

// tick tells of each message.
type tick chan struct{}

func (c tick) Write(p []byte) (int, error) {
	if json.Valid(p) {
		c <- struct{}{}
	}
	return len(p), nil
}
