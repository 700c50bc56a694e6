package web_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/rules"
)

// Who is let in: the letters are those of the callers in TestRoutesByCaller.
const everybody, readers, writers, ackers, changers = "hftnslxPRKWAC", "hRKWAC", "hPAC", "KWAC", "WAC"

// admits says for each route whom it answers.
var admits = map[string]string{
	"GET /health": everybody, "GET /ready": everybody,
	"GET /a/{token}": everybody, "POST /a/{token}": everybody, // the signature is judged there
	"GET /status": readers, "GET /metrics": readers, "GET /{$}": readers, "/mcp": readers,
	"GET /alerts": readers, "GET /alert": readers, "GET /rules": readers, "GET /rule": readers, "GET /chart": readers,
	"GET /silences": readers, "GET /channels": readers, "GET /system": readers, "GET /changes": readers, "GET /help": readers,
	"POST /alert": ackers, "POST /rule": changers, "GET /edit": readers, "POST /edit": changers, "POST /silences": changers, "POST /channels": changers,
	"GET /login": everybody, "POST /login": everybody, "POST /logout": readers, // a token is judged there
	"GET /site.css": everybody, "GET /site.js": everybody, "GET /htmx.js": everybody,
	"/write": writers, "/api/v2/write": writers, "/query": writers, "/ping": writers,
}

// TestRoutesByCaller walks every route as every kind of caller. The letters of
// a route are the callers that it answers.
func TestRoutesByCaller(t *testing.T) {
	fresh, lived := newHouse(t), newHouse(t)
	named := []string{"tocsin.lan"}
	secret := rules.NewSecret(token)
	open := lived.door(web.Options{Hosts: named, Token: secret})
	callers := map[string]struct {
		door   *web.Handler
		host   string
		header header
	}{
		"h here, nothing set": {fresh.door(web.Options{Loopback: true}), "127.0.0.1:8627", nil},
		"f here, forwarded by a proxy": {
			fresh.door(web.Options{Loopback: true}), "127.0.0.1:8627",
			header{"X-Real-Ip": "203.0.113.9"},
		},
		"t as nginx asks, a token in the config": {
			fresh.door(web.Options{Loopback: true, Token: secret}), "127.0.0.1:8627",
			nil,
		},
		"n as nginx asks, hosts or public_url": {
			fresh.door(web.Options{Loopback: true, Hosts: named}), "127.0.0.1:8627",
			nil,
		},
		"s as nginx asks, a stored token":  {lived.door(web.Options{Loopback: true}), "127.0.0.1:8627", nil},
		"l another machine, no token":      {open, "192.168.1.5:8627", nil},
		"x another machine, a wrong token": {open, "tocsin.lan", header{"Authorization": "Bearer wrong"}},
		"P token of scope points":          {open, "tocsin.lan", lived.key("p", app.ScopePoints, time.Time{})},
		"R token of scope read":            {open, "tocsin.lan", lived.key("r", app.ScopeRead, time.Time{})},
		"K token of scope ack":             {open, "tocsin.lan", lived.key("k", app.ScopeAck, time.Time{})},
		"W token of scope write":           {open, "tocsin.lan", lived.key("w", app.ScopeWrite, time.Time{})},
		"A token of scope admin":           {open, "tocsin.lan", lived.key("a", app.ScopeAdmin, time.Time{})},
		"C token of the config":            {open, "tocsin.lan", header{"Authorization": "Bearer " + token}},
	}
	var patterns []string
	for _, r := range open.Routes() {
		patterns = append(patterns, r.Pattern)
	}
	if got := slices.Sorted(maps.Keys(admits)); !slices.Equal(got, slices.Sorted(slices.Values(patterns))) {
		t.Fatalf("the table has %q, the listener %q", got, patterns)
	}
	for pattern, admitted := range admits {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "POST", pattern
		}
		path = strings.NewReplacer("{$}", "", "{name}", "live", "{token}", "abc").Replace(path)
		for name, c := range callers {
			w := ask(t, c.door, request{method: method, path: path, host: c.host, header: c.header})
			let := w.Code != 401 && w.Code != 403
			if want := strings.Contains(admitted, name[:1]); let != want {
				t.Errorf("%s, %s: status %d, want let in: %v", pattern, name, w.Code, want)
			}
		}
	}
}

// TestWhoIsHereMayOnlyRead over TCP: no account on this machine, and no proxy,
// can change a rule without a token.
func TestWhoIsHereMayOnlyRead(t *testing.T) {
	door := newHouse(t).door(web.Options{Loopback: true})
	if w := ask(t, door, request{method: "POST", path: "/mcp"}); w.Code != 200 || w.Body.String() != "POST local read" {
		t.Errorf("answer = %d %q, want local with scope read", w.Code, w.Body)
	}
}
