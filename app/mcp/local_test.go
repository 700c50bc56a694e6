package mcp_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/app/mcp"
)

// said collects what a server says by itself.
type said struct {
	mu   sync.Mutex
	list []string
}

func (s *said) add(m jsonrpc.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, string(m.Raw))
}

func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.list, "\n")
	s.list = nil
	return out
}

// handle has a message answered that is no nonsense.
func handle(ctx context.Context, t *testing.T, l *mcp.Local, text string, s *said) string {
	t.Helper()
	m, wrong := jsonrpc.Parse([]byte(text))
	if wrong != nil {
		t.Fatal(wrong)
	}
	return string(l.Handle(ctx, m, s.add).Raw)
}

const subscribeAlerts = `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"tocsin://alerts"}}`

// TestALocalSessionHearsOfChangesUntilItEnds: once it is closed nobody is left
// who waits for news.
func TestALocalSessionHearsOfChangesUntilItEnds(t *testing.T) {
	h := newHouse(t)
	rule := h.create("Freezer")
	synctest.Test(t, func(t *testing.T) {
		s := &said{}
		l := h.server.Connect()
		ctx, leave := context.WithCancel(t.Context())
		go l.Listen(ctx, s.add)
		for _, text := range []string{hello, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, subscribeAlerts} {
			handle(ctx, t, l, text, s)
		}
		h.fire(rule, "sensor=a")
		h.server.Changed()
		time.Sleep(time.Minute)
		wants(t, s.take(), "notifications/resources/updated", "tocsin://alerts")

		l.Close()
		h.fire(rule, "sensor=b")
		h.server.Changed()
		time.Sleep(time.Minute)
		if text := s.take(); text != "" {
			t.Errorf("after its end it is told %s", text)
		}
		leave()
	})
}

// TestACallThatDoesNotStopHoldsNobody: who gave it up goes on soon after.
func TestACallThatDoesNotStopHoldsNobody(t *testing.T) {
	h := newHouse(t)
	synctest.Test(t, func(t *testing.T) {
		stuck := apptest.Slow{Asked: make(chan struct{}), Release: make(chan struct{})}
		h.app.Sources["stuck"] = stuck
		l := h.server.Connect()
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-stuck.Asked
			cancel()
		}()
		began := time.Now()
		answer := handle(ctx, t, l,
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"describe_data","arguments":{"source":"stuck"}}}`,
			&said{})
		if took := time.Since(began); answer != "" || took != 4*time.Second {
			t.Errorf("answered %q after %s", answer, took)
		}
		wants(t, h.log.String(), "a call of a model does not stop")
		close(stuck.Release)
	})
}

// TestALocalAnswerHasTheIDOfItsQuestion, digit by digit.
func TestALocalAnswerHasTheIDOfItsQuestion(t *testing.T) {
	l := newHouse(t).server.Connect()
	defer l.Close()
	for _, id := range []string{"12345678901234567890", `"a\u0062"`, "-1", "1.50"} {
		wants(t, handle(t.Context(), t, l, `{"jsonrpc":"2.0","id":`+id+`,"method":"ping"}`, &said{}), `"id":`+id)
	}
}

// TestAPanicEndsOneRequest and no process, and shows nothing.
func TestAPanicEndsOneRequest(t *testing.T) {
	log := &apptest.Buffer{}
	// an app without a store
	l := mcp.New(app.New(app.App{}), mcp.Options{Log: slog.New(slog.NewTextHandler(log, nil))}).Connect()
	defer l.Close()
	text := handle(t.Context(), t, l, `{"jsonrpc":"2.0","id":1,"method":"resources/list"}`, &said{})
	wants(t, text, `"id":1`, `"code":-32603`, "internal error")
	if strings.Contains(text, "nil pointer") {
		t.Errorf("answered %s", text)
	}
	wants(t, log.String(), "nil pointer")
}
