package web_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// key makes a token and returns what a client sends.
func (h *house) key(name string, scope app.Scope, expires time.Time) header {
	h.Helper()
	_, secret, err := h.app.AddToken(h.Context(), rules.Actor{Name: "ann", Door: "cli"},
		app.TokenRequest{Name: name, Scope: scope, Expires: expires})
	if err != nil {
		h.Fatal(err)
	}
	return header{"Authorization": "Bearer " + secret.Reveal()}
}

// beyond is the handler of a listener that other machines reach.
func (h *house) beyond(o web.Options) *web.Handler {
	o.Hosts = []string{"tocsin.lan"}
	return h.door(o)
}

// door is a handler that takes points. What comes to /mcp is answered with who
// came.
func (h *house) door(o web.Options) *web.Handler {
	o.Write = h.points.Handler(live.HandlerOptions{
		Allow: func(*http.Request, string) error { return nil },
		Host:  func(string) bool { return true },
	})
	o.MCP = func(w http.ResponseWriter, r *http.Request, name string, scope app.Scope) {
		fmt.Fprintf(w, "%s %s %s", r.Method, name, scope)
	}
	return web.New(h.app, o)
}

func TestScopesOfPaths(t *testing.T) {
	h := newHouse(t)
	door := h.beyond(web.Options{})
	points := h.key("points", app.ScopePoints, time.Time{})
	read := h.key("read", app.ScopeRead, time.Time{})
	write := h.key("write", app.ScopeWrite, time.Time{})
	admin := h.key("admin", app.ScopeAdmin, time.Time{})
	for _, tt := range []struct {
		name string
		q    request
		want int
		says string
	}{
		{"points are sent with points", request{method: "POST", path: "/write", header: points}, 204, ""},
		{"points are sent with admin", request{method: "POST", path: "/write", header: admin}, 204, ""},
		{
			"points are not sent with read",
			request{method: "POST", path: "/write", header: read},
			403,
			"token read has scope read, and this needs scope points",
		},
		{
			"points are not sent with write",
			request{method: "POST", path: "/api/v2/write", header: write},
			403,
			"needs scope points",
		},
		{"a sensor asks who is there", request{path: "/ping", header: points}, 204, ""},
		{
			"a sensor reads nothing",
			request{path: "/status", header: points},
			403,
			"token points has scope points, and this needs scope read",
		},
		{"a sensor sees no metrics", request{path: "/metrics", header: points}, 403, "needs scope read"},
		{"a sensor speaks no MCP", request{method: "POST", path: "/mcp", header: points}, 403, "needs scope read"},
		{"status is read with read", request{path: "/status", header: read}, 200, ""},
		{"metrics are read with write", request{path: "/metrics", header: write}, 200, ""},
		{"the front page is read with admin", request{path: "/", header: admin}, 200, ""},
		{"without a token", request{path: "/status"}, 401, "needs the token of the config or one of"},
		{"without a token at MCP", request{method: "POST", path: "/mcp"}, 401, "needs the token"},
		{
			"another site's page with a good token",
			request{
				method: "POST", path: "/mcp",
				header: header{"Origin": "http://evil.example", "Authorization": admin["Authorization"]},
			},
			403,
			"web pages of other sites",
		},
		{
			"a rebound name with a good token",
			request{path: "/status", host: "evil.example", header: admin},
			403,
			"under hosts: in the config",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.q.host == "" {
				tt.q.host = "tocsin.lan"
			}
			w := ask(t, door, tt.q)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d: %s", w.Code, tt.want, w.Body)
			}
			if tt.says != "" {
				wantSentence(t, w.Body.Bytes(), "error", tt.says)
			}
		})
	}
}

func TestWhoSpeaksMCP(t *testing.T) {
	h := newHouse(t)
	lan := h.beyond(web.Options{Token: rules.NewSecret(token)})
	here := h.beyond(web.Options{Loopback: true})
	laptop := h.key("laptop", app.ScopeAck, time.Time{})
	for _, tt := range []struct {
		name string
		door *web.Handler
		q    request
		want string
	}{
		{"a token by its name", lan, request{method: "POST", header: laptop}, "POST laptop ack"},
		{"a stream", lan, request{method: "GET", header: laptop}, "GET laptop ack"},
		{"the end of a session", lan, request{method: "DELETE", header: laptop}, "DELETE laptop ack"},
		{
			"the token of the config", lan,
			request{method: "POST", header: header{"Authorization": "Bearer " + token}},
			"POST config token admin",
		},
		{
			"who is here with a token is no more than the token", here,
			request{method: "POST", host: "127.0.0.1:8627", header: laptop},
			"POST laptop ack",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.path = "/mcp"
			if tt.q.host == "" {
				tt.q.host = "tocsin.lan"
			}
			if w := ask(t, tt.door, tt.q); w.Code != 200 || w.Body.String() != tt.want {
				t.Errorf("answer = %d %q, want %q", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestMCPIsRefusedInAWayThatClientsUnderstand(t *testing.T) {
	h := newHouse(t)
	lan := h.beyond(web.Options{Token: rules.NewSecret(token)})
	w := ask(t, lan, request{method: "POST", path: "/mcp", host: "tocsin.lan"})
	// More than this, and Claude Code looks for an authorization server.
	if got := w.Result().Header.Values("WWW-Authenticate"); w.Code != 401 ||
		!slices.Equal(got, []string{`Bearer realm="tocsin"`}) {
		t.Errorf("status %d, WWW-Authenticate = %q", w.Code, got)
	}
	if w := ask(t, lan, request{
		method: "PUT", path: "/mcp", host: "tocsin.lan",
		header: header{"Authorization": "Bearer " + token},
	}); w.Code != 405 ||
		w.Header().Get("Allow") != "GET, POST, DELETE" {
		t.Errorf("PUT: %d, Allow = %q", w.Code, w.Header().Get("Allow"))
	}
	if w := ask(t, h.local(), request{method: "POST", path: "/mcp"}); w.Code != 404 {
		t.Errorf("without an MCP door: %d", w.Code)
	}
}

func TestATokenEnds(t *testing.T) {
	h := newHouse(t)
	var log bytes.Buffer
	door := h.beyond(web.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	soon := time.Now().Add(time.Hour)
	short, long := h.key("short", app.ScopeRead, soon), h.key("long", app.ScopeRead, time.Time{})
	status := func(token header) int {
		t.Helper()
		return ask(t, door, request{path: "/status", host: "tocsin.lan", header: token}).Code
	}
	if status(short) != 200 || status(long) != 200 {
		t.Fatal("the tokens do not work")
	}

	h.app.Now = func() time.Time { return soon }
	w := ask(t, door, request{path: "/status", host: "tocsin.lan", header: short})
	if w.Code != 401 {
		t.Errorf("an expired token: %d", w.Code)
	}
	wantSentence(t, w.Body.Bytes(), "error", "token short expired on ")

	other, err := sqlite.Open(t.Context(), h.database, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.DeleteToken(t.Context(), "long"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if got := status(long); got != 401 {
		t.Errorf("a token that another process revoked: %d", got)
	}
	for _, sent := range []header{short, long} {
		if secret := strings.TrimPrefix(sent["Authorization"], "Bearer "); strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a token:\n%s", log.String())
		}
	}
	if !strings.Contains(log.String(), "status=401") {
		t.Errorf("the refusal is not in the log:\n%s", log.String())
	}
}

func TestTokensOutliveTheDatabase(t *testing.T) {
	h := newHouse(t)
	door := h.beyond(web.Options{})
	points := h.key("sensor", app.ScopePoints, time.Time{})
	write := func(door *web.Handler) int {
		return ask(t, door, request{method: "POST", path: "/write", host: "tocsin.lan", header: points}).Code
	}
	if got := write(door); got != 204 {
		t.Fatalf("a point: %d", got)
	}
	h.close()
	if got := write(door); got != 204 {
		t.Errorf("a point while the database is closed: %d", got)
	}
	if got := write(h.beyond(web.Options{})); got != 503 {
		t.Errorf("a door that never read the tokens: %d", got)
	}
}
