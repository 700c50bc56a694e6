package stdio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app/stdio"
)

// memory is a listener whose connections are in memory.
type memory struct {
	conns chan net.Conn
	ended chan struct{}
}

func (m memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}

func (m memory) Close() error { return nil }

func (m memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (m memory) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	m.conns <- theirs
	return ours, nil
}

// TestAUserMayTakeTheirTime: an answer to a question of the server arrives
// however late it is given.
func TestAUserMayTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory{make(chan net.Conn), make(chan struct{})}
		far := &http.Server{Handler: otherMake(func(context.Context) {}), ReadHeaderTimeout: time.Second}
		served := make(chan error, 1)
		go func() { served <- far.Serve(m) }()
		in, w := io.Pipe()
		out, outW := io.Pipe()
		done := make(chan error, 1)
		target := stdio.Target{Name: "far", URL: "http://far/mcp", Dial: m.dial}
		go func() { done <- stdio.NewBridge([]stdio.Target{target}, stdio.Options{}).Run(t.Context(), in, outW) }()
		lines := bufio.NewScanner(out)
		say := func(text string) {
			if _, err := io.WriteString(w, text+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		hears := func(part string) {
			t.Helper()
			if lines.Scan(); !strings.Contains(lines.Text(), part) {
				t.Fatalf("heard %s, want %s", lines.Text(), part)
			}
		}
		say(hello)
		hears(`"id":1`)
		say(ready)
		say(call(2, "ask", `{}`))
		hears(`"method":"elicitation/create"`)
		time.Sleep(9 * time.Minute)
		say(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{}}}`)
		hears("the user said accept")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		close(m.ended)
		if err := far.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

// TestAMessagePassesAsItStands: numbers digit by digit, and what no library
// knows.
func TestAMessagePassesAsItStands(t *testing.T) {
	said := []string{
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9007199254740993,"progress":1.10},"extra":1}`,
		`{"jsonrpc":"2.0","method":"notifications/odd","params":[1,{"z":1,"a":2}]}`,
		`{"jsonrpc":"2.0","id":9007199254740993,"result":{"z":12345678901234567890,"a":"<&>"}}`,
	}
	e := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if want := fmt.Sprintf(`{"jsonrpc":"2.0","id":9007199254740993,"method":"odd/ask","params":{%s,"n":1.50}}`,
			modernMeta); err != nil || string(body) != want {
			t.Errorf("got %s, %v", body, err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, text := range said {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", text)
		}
	}))
	t.Cleanup(e.Close)
	b := bridge(t, stdio.Target{Name: "odd", URL: e.URL})
	b.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":9007199254740993,"method":"odd/ask","params":{%s,"n":1.50}}`, modernMeta))
	if got := b.ends(); fmt.Sprint(got) != fmt.Sprint(said) {
		t.Errorf("said %q", got)
	}
}
