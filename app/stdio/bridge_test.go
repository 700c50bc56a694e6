package stdio_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	protocol "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/app/sessions"
	"github.com/9bikes/tocsin/app/stdio"
	"github.com/9bikes/tocsin/rules"
)

// wire is a client on standard input and output, as lines.
type wire struct {
	t    *testing.T
	in   *io.PipeWriter
	out  chan string
	done chan error
	log  *apptest.Buffer
}

// bridge starts a bridge to targets, which ends with the test.
func bridge(t *testing.T, targets ...stdio.Target) *wire {
	t.Helper()
	return bridgeWith(t, stdio.Options{}, targets...)
}

func bridgeWith(t *testing.T, o stdio.Options, targets ...stdio.Target) *wire {
	t.Helper()
	in, w := io.Pipe()
	out, outW := io.Pipe()
	b := &wire{t: t, in: w, out: make(chan string, 100), done: make(chan error, 1), log: &apptest.Buffer{}}
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			b.out <- lines.Text()
		}
		close(b.out)
	}()
	o.Log, o.Reads = slog.New(slog.NewTextHandler(b.log, nil)), mcp.Reads
	bridge := stdio.NewBridge(targets, o)
	go func() {
		b.done <- bridge.Run(context.WithoutCancel(t.Context()), in, outW)
		_ = outW.Close()
	}()
	t.Cleanup(func() {
		_ = w.Close()
		for range b.out { // what is still said
		}
	})
	return b
}

func (b *wire) say(lines ...string) {
	b.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(b.in, line+"\n"); err != nil {
			b.t.Fatal(err)
		}
	}
}

// hear returns the next message.
func (b *wire) hear() map[string]any {
	b.t.Helper()
	select {
	case line, ok := <-b.out:
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); !ok || err != nil {
			b.t.Fatalf("heard %q, %v", line, err)
		}
		return m
	case <-time.After(20 * time.Second):
		b.t.Fatalf("nothing is said; the log:\n%s", b.log)
		return nil
	}
}

// hears returns the next message, which must contain parts.
func (b *wire) hears(parts ...string) map[string]any {
	b.t.Helper()
	m := b.hear()
	text, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	wants(b.t, string(text), parts...)
	return m
}

// ends closes the input and returns what is said until the end.
func (b *wire) ends() (rest []string) {
	b.t.Helper()
	_ = b.in.Close()
	for line := range b.out {
		rest = append(rest, line)
	}
	if err := <-b.done; err != nil {
		b.t.Errorf("the bridge ended with %v", err)
	}
	return rest
}

// place is a server that comes and goes.
type place struct {
	t       *testing.T
	mu      sync.Mutex
	server  *httptest.Server
	handler atomic.Pointer[http.Handler]
	end     func()
}

// open puts a handler there.
func (p *place) open(h http.Handler, end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler.Store(&h)
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*p.handler.Load()).ServeHTTP(w, r)
	}))
	p.end = end
	s := p.server
	p.t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
}

// kill ends it as kill -9 does: all connections break.
func (p *place) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.server.Listener.Close()
	p.server.CloseClientConnections()
	if p.end != nil {
		p.end()
	}
	p.server = nil
}

func (p *place) target() stdio.Target {
	return stdio.Target{Name: "the daemon", URL: "http://daemon/mcp", Dial: func(ctx context.Context) (net.Conn, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.server == nil {
			return nil, errors.New("connection refused")
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", p.server.Listener.Addr().String())
	}}
}

// daemon is the handler of a house, running.
func (h *house) daemon() (handler http.Handler, end func()) {
	served := h.server.Handler(sessions.Limits{})
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- served.Run(ctx) }()
	end = sync.OnceFunc(func() { cancel(); <-done })
	h.t.Cleanup(end)
	return served, end
}

// local is a server in this process.
func (h *house) local() stdio.Target {
	return stdio.Target{Name: "this process", Connect: func() stdio.Session { return h.server.Connect() }}
}

// TestASessionOutlivesItsServers is a client's session while the daemon is
// killed, away and back.
func TestASessionOutlivesItsServers(t *testing.T) {
	for _, era := range []struct{ name, version, meta string }{
		{"2025-11-25", "", ""},
		{"2026-07-28", "modern", "," + modernMeta},
	} {
		t.Run(era.name, func(t *testing.T) {
			daemon, other := newHouse(t), newHouse(t)
			daemon.create("Of the daemon")
			other.create("Of this process")
			p := &place{t: t}
			p.open(daemon.daemon())
			b := bridge(t, p.target(), other.local())
			if era.version == "" {
				b.say(hello, ready)
				b.hears(`"id":1`, `"serverInfo"`)
			}
			list := func(id int, want string) {
				t.Helper()
				b.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_alert_rules","arguments":{}%s}}`, id, era.meta))
				b.hears(fmt.Sprintf(`"id":%d`, id), want)
			}
			list(2, "Of the daemon")
			p.kill()
			list(3, "Of this process")
			p.open(daemon.daemon())
			list(4, "Of the daemon")
			p.kill()
			p.open(daemon.daemon())
			list(5, "Of the daemon")
			b.say(`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"create_alert_rule","arguments":{"title":"New","measurement":"temperature","field":"celsius","condition":{"operator":">","value":1}}` + era.meta + `}}`)
			b.hears(`"id":6`, `"structuredContent"`)
			if got := daemon.author("new").Name; !strings.Contains(got, "via ") {
				t.Errorf("the author is %q", got)
			}
			if rest := b.ends(); len(rest) > 0 {
				t.Errorf("said %q in the end", rest)
			}
		})
	}
}

// flaky answers the handshake, breaks the connection of as many requests as it
// is told to, and counts them.
type flaky struct {
	http.Handler
	breaks, asked atomic.Int32
	method        string
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && strings.Contains(string(body), f.method) {
		f.asked.Add(1)
		if f.breaks.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	f.Handler.ServeHTTP(w, r)
}

func TestALostReadIsRepeatedAndALostActIsNot(t *testing.T) {
	h := newHouse(t)
	handler, end := h.daemon()
	f := &flaky{Handler: handler, method: "tools/call"}
	p := &place{t: t}
	p.open(f, end)
	b := bridge(t, p.target())
	b.say(hello, ready)
	b.hears(`"id":1`)

	f.breaks.Store(2)
	b.say(call(2, "list_alerts", `{}`))
	b.hears(`"id":2`, `"structuredContent"`)
	if got := f.asked.Load(); got != 3 {
		t.Errorf("a read that was lost twice was sent %d times", got)
	}

	f.breaks.Store(1)
	f.asked.Store(0)
	b.say(call(3, "create_alert_rule",
		`{"title":"Once","measurement":"temperature","field":"celsius","condition":{"operator":">","value":1}}`))
	b.hears(`"id":3`, `"isError":true`, "not known whether it was done", "list_alert_rules")
	if got := f.asked.Load(); got != 1 {
		t.Errorf("an act was sent %d times", got)
	}

	f.breaks.Store(1000)
	b.say(call(4, "list_alerts", `{}`))
	b.hears(`"id":4`, `"isError":true`, "the daemon")
}

func TestASessionThatWasForgottenIsBegunAnew(t *testing.T) {
	h := newHouse(t)
	p := &place{t: t}
	p.open(h.daemon())
	b := bridge(t, p.target())
	b.say(hello, ready, call(2, "list_alerts", `{}`))
	b.hears(`"id":1`)
	b.hears(`"id":2`, "structuredContent")
	handler, end := h.daemon() // a reload: another handler, which knows no session
	p.handler.Store(&handler)
	defer end()
	b.say(call(3, "create_alert_rule",
		`{"title":"X","measurement":"temperature","field":"celsius","condition":{"operator":">","value":1}}`))
	b.hears(`"id":3`, "structuredContent")
	if got := h.author("x").Name; !strings.HasSuffix(got, "via pipe") {
		t.Errorf("the author is %q", got)
	}
}

// asking is a server of another make whose tool asks the user.
func asking(t *testing.T, work func(ctx context.Context)) stdio.Target {
	t.Helper()
	e := httptest.NewServer(otherMake(work))
	t.Cleanup(e.Close)
	return stdio.Target{Name: "another server", URL: e.URL}
}

// otherMake is the server of asking.
func otherMake(work func(ctx context.Context)) http.Handler {
	s := server.NewMCPServer("other", "1", server.WithElicitation(), server.WithLogging())
	form := protocol.ElicitationParams{
		Message:         "Really?",
		RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
	}
	s.AddTool(protocol.NewTool("ask"), func(ctx context.Context, r protocol.CallToolRequest) (*protocol.CallToolResult,
		error,
	) {
		if server.IsModernRequest(ctx) {
			answer := server.ElicitationResponse(r.Params.InputResponses, "q")
			if answer == nil {
				return server.NewInputRequestBuilder("state").Elicit("q", form).ToolResult(), nil
			}
			return protocol.NewToolResultText("the user said " + string(answer.Action)), nil
		}
		answer, err := s.RequestElicitation(ctx, protocol.ElicitationRequest{Params: form})
		if err != nil {
			return nil, err
		}
		return protocol.NewToolResultText("the user said " + string(answer.Action)), nil
	})
	s.AddTool(protocol.NewTool("work"),
		func(ctx context.Context, r protocol.CallToolRequest) (*protocol.CallToolResult, error) {
			if r.Params.Meta != nil && r.Params.Meta.ProgressToken != nil {
				for i := range 3 {
					if err := s.SendNotificationToClient(ctx, "notifications/progress",
						map[string]any{"progressToken": r.Params.Meta.ProgressToken, "progress": i}); err != nil {
						return nil, err
					}
				}
			}
			work(ctx)
			return protocol.NewToolResultText("done"), nil
		})
	return server.NewStreamableHTTPServer(s, server.WithStateful(true))
}

type accepting struct{}

func (accepting) Elicit(context.Context, protocol.ElicitationRequest) (*protocol.ElicitationResult, error) {
	return &protocol.ElicitationResult{ElicitationResponse: protocol.ElicitationResponse{
		Action: protocol.ElicitationResponseActionAccept, Content: map[string]any{"agree": true},
	}}, nil
}

// talks is a client whose user agrees to everything, on a bridge to a target.
func talks(t *testing.T, version string, target stdio.Target) *client.Client {
	t.Helper()
	in, w := io.Pipe()
	out, outW := io.Pipe()
	done := make(chan error, 1)
	bridge := stdio.NewBridge([]stdio.Target{target}, stdio.Options{Reads: mcp.Reads})
	go func() { done <- bridge.Run(context.WithoutCancel(t.Context()), in, outW) }()
	t.Cleanup(func() {
		_ = w.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = out.Close()
	})
	c := client.NewClient(transport.NewIO(out, w, io.NopCloser(strings.NewReader(""))),
		client.WithElicitationHandler(accepting{}))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var shake protocol.InitializeRequest
	shake.Params.ProtocolVersion = version
	if _, err := c.Initialize(t.Context(), shake); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAServerCanAskTheUser(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			c := talks(t, version, asking(t, func(context.Context) {}))
			var ask protocol.CallToolRequest
			ask.Params.Name = "ask"
			result, err := c.CallTool(t.Context(), ask)
			if err != nil || textOf(t, result) != "the user said accept" {
				t.Errorf("answered %+v, %v", result, err)
			}
		})
	}
}

func TestTheEndOfTheInputCancelsWhatTheUserWasAsked(t *testing.T) {
	b := bridge(t, asking(t, func(context.Context) {}))
	b.say(hello, ready)
	b.hears(`"id":1`)
	b.say(call(2, "ask", `{}`))
	b.hears(`"method":"elicitation/create"`)
	began := time.Now()
	if rest := b.ends(); len(rest) != 1 || !strings.Contains(rest[0], "the user said cancel") {
		t.Errorf("said %q", rest)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it ended only after %s", took)
	}
}

func TestWhatAServerThatDiedAskedIsWithdrawn(t *testing.T) {
	p := &place{t: t}
	target := asking(t, func(context.Context) {})
	p.open(forward(t, target.URL), nil)
	b := bridge(t, p.target())
	b.say(hello, ready)
	b.hears(`"id":1`)
	b.say(call(2, "ask", `{}`))
	asked := b.hears(`"method":"elicitation/create"`)
	p.kill()
	id := fmt.Sprint(asked["id"])
	said := []map[string]any{b.hear(), b.hear()}
	text := fmt.Sprint(said)
	wants(t, text, "notifications/cancelled", "requestId:"+id, "not known whether it was done")
	b.say(`{"jsonrpc":"2.0","id":` + id + `,"result":{"action":"accept"}}`) // too late
	if rest := b.ends(); len(rest) > 0 {
		t.Errorf("said %q", rest)
	}
}

// forward hands everything on, so that its connections can be broken.
func forward(t *testing.T, url string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequestWithContext(r.Context(), r.Method, url, r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header
		resp, err := http.DefaultClient.Do(out)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = resp.Body.Close() }()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		part := make([]byte, 4096)
		for {
			n, err := resp.Body.Read(part)
			if _, e := w.Write(part[:n]); e != nil || err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	})
}

func TestACancelledCallStopsAndIsNotAnswered(t *testing.T) {
	for _, meta := range []string{"", "," + modernMeta} {
		t.Run("meta "+meta, func(t *testing.T) {
			begun, stopped := make(chan bool), make(chan bool)
			b := bridge(t, asking(t, func(ctx context.Context) {
				close(begun)
				<-ctx.Done()
				close(stopped)
			}))
			if meta == "" {
				b.say(hello, ready)
				b.hears(`"id":1`)
			}
			b.say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"work","arguments":{}` + meta + `}}`)
			<-begun
			b.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
			<-stopped
			if rest := b.ends(); len(rest) > 0 {
				t.Errorf("a cancelled call was answered: %q", rest)
			}
		})
	}
}

func TestProgressComesWhileTheWorkIsDone(t *testing.T) {
	release := make(chan bool)
	b := bridge(t, asking(t, func(context.Context) { <-release }))
	b.say(hello, ready)
	b.hears(`"id":1`)
	b.say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"work","arguments":{},"_meta":{"progressToken":"p"}}}`)
	for range 3 {
		b.hears(`"method":"notifications/progress"`, `"progressToken":"p"`)
	}
	close(release)
	b.hears(`"id":2`, "done")
}

func TestARefusalTellsTheCure(t *testing.T) {
	status := func(code int, body string) stdio.Target {
		e := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "https://elsewhere/mcp")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(e.Close)
		return stdio.Target{Name: e.URL, URL: e.URL, Header: http.Header{"Authorization": {"Bearer hunter2secret"}}}
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(tls.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tt := range []struct {
		name   string
		target stdio.Target
		want   string
	}{
		{
			"nobody there",
			stdio.Target{Name: "there", URL: closed.URL, Cure: "is it running?"},
			"cannot reach tocsin at there: connection refused; is it running?",
		},
		{"a certificate nobody knows", stdio.Target{Name: "there", URL: tls.URL}, "certificate"},
		{
			"a wrong token", status(401, `{"code":"unauthorized","error":"this token is not known"}`),
			"this token is not known; give it in TOCSIN_TOKEN or by --token-file",
		},
		{"a small scope", status(403, `{"error":"needs scope read"}`), "needs scope read"},
		{"another path", status(404, `{}`), "there is no MCP"},
		{"a move", status(307, ``), "https://elsewhere/mcp"},
		{"something else", status(200, `{"hello":1}`), "no MCP; is the address right?"},
		{"a page", status(500, `oops`), "(500): oops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bridge(t, tt.target)
			b.say(call(2, "list_alerts", `{}`), `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
			for range 2 {
				m := b.hear()
				text, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				wants(t, strings.ReplaceAll(string(text), `\"`, `"`), tt.want)
				if (m["id"] == 2.0) != (m["result"] != nil) {
					t.Errorf("a tool is answered by a result, all else by an error: %s", text)
				}
				if strings.Contains(string(text)+b.log.String(), "hunter2") {
					t.Errorf("the token is told: %s\n%s", text, b.log)
				}
			}
			b.ends()
			if n := strings.Count(b.log.String(), "not answered"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, b.log)
			}
		})
	}
}

// wide is a text as UTF-16 has it, the lower byte first.
func wide(text string) (out string) {
	for _, c := range []byte(text) {
		out += string([]byte{c, 0})
	}
	return out
}

func TestBadLines(t *testing.T) {
	b := bridge(t, newHouse(t).local())
	b.say("hello?")
	b.hears(`"code":-32700`, `"id":null`)
	b.say("\xff\xfe" + wide(`{"jsonrpc":"2.0","id":7,"method":"ping"}`))
	b.hears(`"code":-32700`, "the message: is written in UTF-16; save it as UTF-8")
	b.say(wide(`{"jsonrpc":"2.0","id":7,"method":"ping"}`))
	b.hears(`"code":-32700`, "UTF-16")
	b.say(`{"jsonrpc":"2.0","id":7,"method":"pi` + "\x00" + `ng"}`)
	b.hears(`"code":-32700`, "the message: line 1: holds a NUL byte")
	b.say("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\xe9\"}")
	b.hears(`"code":-32700`, "the message: line 1: is not UTF-8")
	b.say("[" + hello + "]")
	b.hears(`"code":-32600`, "batches")
	b.say("7")
	b.hears(`"code":-32600`)
	b.say(`{"jsonrpc":"2.0","id":null,"method":"ping"}`)
	b.hears(`"code":-32600`, "an id is a string or a number")
	b.say(`{"jsonrpc":"2.0","id":5}`)
	b.hears(`"code":-32600`, `"id":5`)
	b.say(`{"jsonrpc":"2.0","id":6,"method":"ping","params":{"x":"` + strings.Repeat("x", 4<<20) + `"}}`)
	b.hears(`"code":-32600`, "larger than 4 MB")
	b.say(`{"jsonrpc":"2.0","id":"a\u0062","method":"nonsense"}`)
	b.hears(`"id":"ab"`, `"code":-32601`)
	b.say(`{"jsonrpc":"2.0","id":7,"method":"ping"}`)
	b.hears(`"id":7`, `"result":{}`)
}

func TestTheAppIsOpenedWhenItIsNeeded(t *testing.T) {
	h := newHouse(t)
	full := h.app
	var opened atomic.Int32
	problem := error(rules.Errorf(rules.Unavailable, "the database may not be opened; start the daemon"))
	h.server = mcp.New(app.New(app.App{Config: full.Config, Version: "1"}), mcp.Options{
		User: "anna",
		Open: func(context.Context) (*app.App, error) {
			opened.Add(1)
			return full, problem
		},
	})
	b := bridge(t, h.local())
	b.say(hello, ready, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	for range 3 {
		if m := b.hear(); m["result"] == nil {
			t.Errorf("answered %v", m)
		}
	}
	if n := opened.Load(); n != 0 {
		t.Errorf("opened %d times for what needs nothing", n)
	}
	b.say(call(4, "list_alerts", `{}`))
	b.hears(`"id":4`, `"isError":true`, "start the daemon")
	problem = nil
	for id := 5; id < 8; id++ {
		b.say(call(id, "list_alerts", `{}`))
		b.hears(fmt.Sprintf(`"id":%d`, id), "structuredContent")
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("opened %d times, want 2: once in vain", n)
	}
}

// TestSubscriptionsMoveWithTheServer: who waits for news hears of the server
// that has them, although nothing is asked meanwhile.
func TestSubscriptionsMoveWithTheServer(t *testing.T) {
	const filter = `"notifications":{"resourceSubscriptions":["tocsin://alerts"]}`
	for _, tt := range []struct{ name, subscribe, method string }{
		{
			"2025-11-25", `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"tocsin://alerts"}}`,
			"resources/subscribe",
		},
		{"2026-07-28", `{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{` + filter + `,` + modernMeta +
			`}}`, "subscriptions/listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, other := newHouse(t), newHouse(t)
			handler, end := h.daemon()
			f := &flaky{Handler: handler, method: tt.method}
			p := &place{t: t}
			p.open(f, nil)
			t.Cleanup(end)
			b := bridgeWith(t, stdio.Options{Look: 20 * time.Millisecond}, p.target(), other.local())
			if tt.name == "2025-11-25" {
				b.say(hello, ready)
				b.hears(`"id":1`)
			}
			b.say(tt.subscribe)
			b.hear()
			p.kill()
			b.say(`{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{` +
				map[bool]string{true: modernMeta}[tt.name == "2026-07-28"] + `}}`)
			for m := b.hear(); m["id"] != 3.0; m = b.hear() {
			}
			p.open(f, nil)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.After(10 * time.Second); f.asked.Load() < 2; {
				select {
				case <-tick.C:
				case <-deadline:
					t.Fatalf("%s was sent %d times", tt.method, f.asked.Load())
				}
			}
			h.fire(h.create("Freezer"), rules.SeriesOf(map[string]string{"sensor": "a"}))
			h.server.Changed()
			for m := b.hear(); m["method"] != "notifications/resources/updated"; m = b.hear() {
			}
			b.ends()
		})
	}
}

func TestPipedSessionsToADaemonLoseNoAnswer(t *testing.T) {
	h := newHouse(t)
	p := &place{t: t}
	p.open(h.daemon())
	for range 300 {
		in := strings.Join([]string{
			hello, ready, call(2, "list_alerts", `{}`), call(`"three"`, "list_alert_rules", `{}`),
			`{"jsonrpc":"2.0","id":4,"method":"tools/list"}`,
		}, "\n")
		var out apptest.Buffer
		if err := stdio.NewBridge([]stdio.Target{p.target()}, stdio.Options{Reads: mcp.Reads}).Run(t.Context(),
			strings.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); strings.Count(text, `"result"`) != 4 || strings.Count(text, "\n") != 4 ||
			!strings.HasPrefix(text, `{"jsonrpc":"2.0","id":1,`) {
			t.Fatalf("answered %s", text)
		}
	}
}

func TestABridgeLeavesNothingRunning(t *testing.T) {
	h := newHouse(t)
	p := &place{t: t}
	p.open(h.daemon())
	before := runtime.NumGoroutine()
	for range 20 {
		b := bridge(t, p.target())
		b.say(hello, ready, call(2, "list_alerts", `{}`))
		b.hears(`"id":1`)
		b.hears(`"id":2`)
		b.ends()
	}
	apptest.NoMoreGoroutines(t, before)
}
