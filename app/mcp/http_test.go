package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/app/sessions"
)

// hello is what begins a session of the older protocol.
const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"pipe","version":"1"}}}`

// modernMeta is what a request of the protocol without sessions carries.
const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"newer","version":"3"},"io.modelcontextprotocol/clientCapabilities":{}}`

// endpoint is a handler on the network. Whoever asks is the user of the header
// X-User.
type endpoint struct {
	*httptest.Server
	t    *testing.T
	stop func()
}

func (h *house) endpoint(o sessions.Limits) *endpoint {
	h.t.Helper()
	handler := h.server.Handler(o)
	e := &endpoint{t: h.t}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w,
			r.WithContext(mcp.WithCaller(r.Context(), mcp.Caller{Name: r.Header.Get("X-User"), Scope: app.ScopeWrite})))
	}))
	// Shorter than any listener's, to see that streams outlive it.
	e.Config.ReadTimeout, e.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	e.Start()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- handler.Run(ctx) }()
	stopped := false
	e.stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-done; err != nil {
				h.t.Error(err)
			}
		}
	}
	h.t.Cleanup(func() { e.stop(); e.Close() })
	return e
}

// post sends a message in a session; header pairs follow.
func (e *endpoint) post(session, body string, header ...string) (*http.Response, string) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.URL, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp, string(text)
}

func (e *endpoint) begin(header ...string) (session string) {
	e.t.Helper()
	resp, text := e.post("", hello, header...)
	session = resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != http.StatusOK || session == "" {
		e.t.Fatalf("no session: %d %s", resp.StatusCode, text)
	}
	return session
}

func modern(method, name string) []string {
	out := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name != "" {
		out = append(out, "Mcp-Name", name)
	}
	return out
}

func TestClientsOfBothProtocolsAreServed(t *testing.T) {
	h := newHouse(t)
	e := h.endpoint(sessions.Limits{})
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			c, err := client.NewStreamableHttpClient(e.URL, transport.WithHTTPHeaders(map[string]string{"X-User": "bert"}))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			var shake protocol.InitializeRequest
			shake.Params.ProtocolVersion = version
			shake.Params.ClientInfo = protocol.Implementation{Name: "client of " + version, Version: "1"}
			result, err := c.Initialize(t.Context(), shake)
			if err != nil || result.ProtocolVersion != version {
				t.Fatalf("shook hands as %+v, %v", result, err)
			}
			var call protocol.CallToolRequest
			call.Params.Name = "create_alert_rule"
			call.Params.Arguments = json.RawMessage(`{"title":"X","name":"x` + version[:4] +
				`","measurement":"temperature","field":"celsius","condition":{"operator":">","value":1}}`)
			made, err := c.CallTool(t.Context(), call)
			if err != nil || made.IsError {
				t.Fatalf("answered %+v, %v", made, err)
			}
			list, _, err := h.app.Changes(t.Context(), app.ChangeFilter{Rule: "x" + version[:4], Limit: 1})
			if err != nil || len(list) != 1 || list[0].By.Name != "bert via client of "+version {
				t.Errorf("the author is %+v, %v", list, err)
			}
		})
	}
}

// callers is a handler in a bubble, asked by several callers.
type callers struct {
	*testing.T
	handler *mcp.Handler
}

func (a callers) ask(ctx context.Context, user, method, session, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(mcp.WithCaller(ctx, mcp.Caller{Name: user, Scope: app.ScopeWrite}), method, "/mcp",
		strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Mcp-Session-Id", session)
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	return w
}

// begin returns the id of a new session, "" where there is no room.
func (a callers) begin(user string) string {
	a.Helper()
	w := a.ask(a.Context(), user, "POST", "", hello)
	if id := w.Header().Get("Mcp-Session-Id"); w.Code == http.StatusOK && id != "" {
		return id
	}
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" ||
		!strings.Contains(w.Body.String(), "too many sessions") {
		a.Errorf("no room: %d %v %s", w.Code, w.Header(), w.Body)
	}
	return ""
}

func (a callers) alive(user, session string) bool {
	a.Helper()
	return a.ask(a.Context(), user, "POST", session, pingMessage).Code == http.StatusOK
}

const pingMessage = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// TestNoSessionInUseIsEndedForAnother: who comes when all are in use is told
// so, and the quiet ones make room first, those that nothing was asked in
// before all.
func TestNoSessionInUseIsEndedForAnother(t *testing.T) {
	h := newHouse(t)
	synctest.Test(t, func(t *testing.T) {
		a := callers{t, h.server.Handler(sessions.Limits{Sessions: 8, PerOwner: 4})}
		var ann []string
		for range 10 {
			if id := a.begin("ann"); id != "" {
				ann = append(ann, id)
			}
		}
		if len(ann) != 4 {
			t.Fatalf("one caller has %d sessions, want 4", len(ann))
		}
		for range 250 {
			for _, id := range ann[:3] {
				if !a.alive("ann", id) {
					t.Fatal("a session in use was ended")
				}
			}
			a.begin("ann")
			time.Sleep(100 * time.Millisecond)
		}
		if a.begin("bert") == "" {
			t.Error("one caller took all sessions")
		}
		time.Sleep(time.Minute) // the fourth was never used
		if a.begin("ann") == "" || a.alive("ann", ann[3]) {
			t.Error("a session that nobody asked anything in did not make room")
		}
		for _, id := range ann[:3] {
			if !a.alive("ann", id) {
				t.Error("a session in use made room")
			}
		}
		listening, leave := context.WithCancel(t.Context())
		go a.ask(listening, "ann", "GET", ann[0], "")
		time.Sleep(5 * time.Minute)
		for range 3 {
			if a.begin("ann") == "" {
				t.Error("quiet sessions made no room")
			}
		}
		if !a.alive("ann", ann[0]) || a.alive("ann", ann[1]) || a.alive("ann", ann[2]) {
			t.Error("the session with a stream was ended, or a quiet one was not")
		}
		leave()
	})
}

// TestSessionsAreBoundedInNumber whoever begins them.
func TestSessionsAreBoundedInNumber(t *testing.T) {
	h := newHouse(t)
	synctest.Test(t, func(t *testing.T) {
		a := callers{t, h.server.Handler(sessions.Limits{Sessions: 50})}
		begun := 0
		for i := range 2000 {
			if a.begin(fmt.Sprint("user", i%10)) != "" {
				begun++
			}
		}
		if begun != 50 {
			t.Errorf("%d sessions were begun, want 50", begun)
		}
	})
}

func TestASessionEndsWhenNothingIsHeardOfIt(t *testing.T) {
	h := newHouse(t)
	synctest.Test(t, func(t *testing.T) {
		handler := h.server.Handler(sessions.Limits{Idle: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = handler.Run(ctx) }()
		ask := func(ctx context.Context, method, session, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, method, "/mcp", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Mcp-Session-Id", session)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		begin := func() string {
			w := ask(ctx, "POST", "", hello)
			return w.Header().Get("Mcp-Session-Id")
		}
		const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
		quiet, used, listened := begin(), begin(), begin()
		listening, leave := context.WithCancel(ctx)
		go ask(listening, "GET", listened, "")
		for range 4 {
			time.Sleep(30 * time.Minute)
			if w := ask(ctx, "POST", used, ping); w.Code != http.StatusOK {
				t.Errorf("a session in use: %d", w.Code)
			}
		}
		if w := ask(ctx, "POST", quiet, ping); w.Code != http.StatusNotFound {
			t.Errorf("a quiet session: %d", w.Code)
		}
		leave()
		synctest.Wait()
		if w := ask(ctx, "POST", listened, ping); w.Code != http.StatusOK {
			t.Errorf("a session that somebody listens to: %d", w.Code)
		}
		cancel()
		synctest.Wait()
		if w := ask(t.Context(), "POST", used, ping); w.Code != http.StatusServiceUnavailable {
			t.Errorf("after the end: %d", w.Code)
		}
	})
}

func TestASessionIsItsOwners(t *testing.T) {
	e := newHouse(t).endpoint(sessions.Limits{})
	id := e.begin("X-User", "anna")
	for _, r := range []struct {
		method, user, session string
		want                  int
	}{
		{http.MethodGet, "bert", id, http.StatusNotFound},
		{http.MethodGet, "anna", "", http.StatusNotFound},
		{http.MethodGet, "anna", "made-up", http.StatusNotFound},
		{http.MethodDelete, "bert", id, http.StatusMethodNotAllowed},
		{http.MethodPut, "anna", id, http.StatusMethodNotAllowed},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, e.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-User", r.user)
		request.Header.Set("Mcp-Session-Id", r.session)
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != r.want {
			t.Errorf("%s %q by %s: %d, want %d", r.method, r.session, r.user, resp.StatusCode, r.want)
		}
	}
	if resp, _ := e.post(id, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "X-User",
		"bert"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another's session answers %d", resp.StatusCode)
	}
	if resp, _ := e.post(id, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "X-User",
		"anna"); resp.StatusCode != http.StatusOK {
		t.Errorf("the owner's session answers %d", resp.StatusCode)
	}
}

func TestAClientCanGiveUpRights(t *testing.T) {
	e := newHouse(t).endpoint(sessions.Limits{})
	list := func(scope string) (int, string) {
		resp, text := e.post("", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+modernMeta+`}}`,
			append(modern("tools/list", ""), mcp.ScopeHeader, scope)...)
		return resp.StatusCode, text
	}
	if _, text := list("read"); strings.Contains(text, `"delete_alert_rule"`) || !strings.Contains(text, `"list_alerts"`) {
		t.Errorf("with scope read: %s", text)
	}
	for _, scope := range []string{"", "write", "admin"} {
		if _, text := list(scope); !strings.Contains(text, `"delete_alert_rule"`) {
			t.Errorf("with scope %q: %s", scope, text)
		}
	}
	if code, text := list("everything"); code != http.StatusBadRequest || !strings.Contains(text, "must be points, read") {
		t.Errorf("with a scope that is none: %d %s", code, text)
	}
}

func TestOddBodies(t *testing.T) {
	e := newHouse(t).endpoint(sessions.Limits{})
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no JSON", "hello", http.StatusBadRequest, `"code":-32700`},
		{"nothing", "", http.StatusBadRequest, `"code":-32700`},
		{"a batch", "[" + hello + "]", http.StatusBadRequest, "batches are not part of the protocol"},
		{"a number", "7", http.StatusBadRequest, `"code":-32600`},
		{
			"too much", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", 4<<20) + `"}}`,
			http.StatusRequestEntityTooLarge, "larger than 4 MB",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, text := e.post("", tt.body)
			if resp.StatusCode != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("answered %d %.200s", resp.StatusCode, text)
			}
		})
	}
}

// TestACancelOfOneClientIsNoOthers: without sessions all clients count their
// requests from one.
func TestACancelOfOneClientIsNoOthers(t *testing.T) {
	h := newHouse(t)
	source := apptest.Slow{Asked: make(chan struct{}), Release: make(chan struct{})}
	h.app.Sources["slow"] = source
	e := h.endpoint(sessions.Limits{})
	go func() {
		<-source.Asked
		resp, _ := e.post("", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,`+modernMeta+`}}`,
			modern("notifications/cancelled", "")...)
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("cancelled: %d", resp.StatusCode)
		}
		close(source.Release)
	}()
	_, text := e.post("",
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_alert_rule","arguments":{"title":"Slow","source":"slow","measurement":"m","field":"f","allow_unknown":true,"condition":{"operator":">","value":1}},`+modernMeta+`}}`, modern("tools/call", "create_alert_rule")...)
	if !strings.Contains(text, `"result"`) || strings.Contains(text, `"isError":true`) {
		t.Errorf("answered %s", text)
	}
}

func TestAStreamOutlivesTheListenersDeadlineAndEndsWithTheHandler(t *testing.T) {
	e := newHouse(t).endpoint(sessions.Limits{})
	before := runtime.NumGoroutine()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Mcp-Session-Id", e.begin())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	ended := make(chan error, 1)
	go func() { _, err := resp.Body.Read(make([]byte, 1)); ended <- err }()
	select {
	case err := <-ended:
		t.Fatalf("the stream was cut: %v", err)
	case <-time.After(time.Second): // the deadline is 300 ms
	}
	e.stop()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if resp, text := e.post("", hello); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d %s", resp.StatusCode, text)
	}
	http.DefaultClient.CloseIdleConnections()
	apptest.NoMoreGoroutines(t, before)
}
