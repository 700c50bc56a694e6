package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

type header map[string]string

func TestWhoMayAsk(t *testing.T) {
	h := newHouse(t)
	points := h.points.Handler(live.HandlerOptions{
		Allow: func(*http.Request, string) error { return nil }, Host: func(string) bool { return true },
	})
	here := web.Options{Loopback: true, Write: points}
	named := web.Options{Loopback: true, Hosts: []string{"tocsin.lan"}, Write: points}
	hereToken := web.Options{Loopback: true, Hosts: []string{"tocsin.lan"}, Write: points, Token: rules.NewSecret(token)}
	lan := web.Options{Hosts: []string{"tocsin.lan"}, Write: points, Token: rules.NewSecret(token)}
	lanOpen := web.Options{Hosts: []string{"tocsin.lan"}, Write: points}
	bearer := header{"Authorization": "Bearer " + token}
	for _, tt := range []struct {
		name string
		o    web.Options
		q    request
		want int
		says string
	}{
		{"loopback needs no token", here, request{path: "/status"}, 200, ""},
		{"loopback by name", here, request{path: "/status", host: "LocalHost:8627"}, 200, ""},
		{"loopback by name with a final dot", here, request{path: "/status", host: "localhost.:8627"}, 200, ""},
		{"loopback by IPv6", here, request{path: "/status", host: "[::1]:8627"}, 200, ""},
		{"loopback writes", here, request{method: "POST", path: "/write"}, 204, ""},
		{
			"where a token is set a proxy could look like loopback", hereToken,
			request{path: "/status"},
			401,
			"needs the token of the config or one of",
		},
		{
			"and could write", hereToken,
			request{method: "POST", path: "/write"},
			401,
			"needs the token of the config or one of",
		},
		{"where hosts are set a proxy could look like loopback", named, request{path: "/status"}, 403, "there is none yet"},
		{"hosts keep no probe out", named, request{path: "/health"}, 200, ""},
		{
			"a token that is sent is judged on loopback too", hereToken,
			request{path: "/status", header: header{"Authorization": "Bearer " + token + "x"}},
			401, "not known",
		},
		{
			"a wrong token of a writer on loopback", here,
			request{method: "POST", path: "/write?u=telegraf&p=wrong"},
			401,
			"not known",
		},
		{
			"a header that nobody can read is no pass", here,
			request{path: "/status", header: header{"Authorization": "Negotiate abc"}},
			401, "not known",
		},
		{
			"an empty token on loopback is none, as Telegraf sends it", here,
			request{method: "POST", path: "/write", header: header{"Authorization": "Token "}},
			204, "",
		},
		{"probes judge no token", here, request{path: "/health", header: header{"Authorization": "Bearer wrong"}}, 200, ""},

		{"a rebound name", here, request{path: "/status", host: "evil.example:8627"}, 403, "under hosts: in the config"},
		{
			"a rebound name writes", here,
			request{method: "POST", path: "/write", host: "evil.example"},
			403,
			"under hosts: in the config",
		},
		{
			"a rebound name with the token", lan,
			request{path: "/status", host: "evil.example", header: bearer},
			403,
			"under hosts: in the config",
		},
		{
			"a rebound name at a probe", here,
			request{path: "/health", host: "evil.example"},
			403,
			"under hosts: in the config",
		},
		{
			"a name that begins like ours", here,
			request{path: "/status", host: "localhost.evil.example"},
			403,
			"under hosts: in the config",
		},
		{"no name", here, request{path: "/status", host: ":8627"}, 403, "under hosts: in the config"},
		{
			"the unspecified address, which browsers take for loopback", here,
			request{path: "/status", host: "0.0.0.0:8627"},
			403, "under hosts: in the config",
		},
		{
			"the unspecified address of an open listener", lan,
			request{path: "/status", host: "0.0.0.0:8627", header: bearer},
			200, "",
		},
		{
			"another address", lan,
			request{path: "/status", host: "192.168.1.6:8627", header: bearer},
			403,
			"under hosts: in the config",
		},

		{
			"another site's page writes", here,
			request{
				method: "POST", path: "/write",
				header: header{"Origin": "http://evil.example", "Content-Type": "text/plain"},
			},
			403, "web pages of other sites",
		},
		{
			"another port's page writes", here,
			request{method: "POST", path: "/write", header: header{"Origin": "http://127.0.0.1:3000"}},
			403,
			"web pages of other sites",
		},
		{
			"a page of a file", here,
			request{method: "POST", path: "/mcp", header: header{"Origin": "null"}},
			403,
			"web pages of other sites",
		},
		{"an empty origin", here, request{path: "/status", header: header{"Origin": ""}}, 403, "web pages of other sites"},
		{
			"another site's page reads a probe", here,
			request{path: "/ready", header: header{"Origin": "https://evil.example"}},
			403, "web pages of other sites",
		},
		{"our own page", here, request{path: "/status", header: header{"Origin": "http://127.0.0.1:8627"}}, 200, ""},
		{"our own page behind TLS", lan, request{
			path: "/status", host: "tocsin.lan",
			header: header{"Origin": "https://Tocsin.lan", "Authorization": "Bearer " + token},
		}, 200, ""},

		{
			"beyond loopback without a token", lan,
			request{path: "/status", host: "192.168.1.5:8627"},
			401,
			"needs the token of the config or one of",
		},
		{
			"beyond loopback the front page", lan,
			request{path: "/", host: "192.168.1.5:8627"},
			401,
			"needs the token of the config or one of",
		},
		{
			"beyond loopback metrics", lan,
			request{path: "/metrics", host: "tocsin.lan"},
			401,
			"needs the token of the config or one of",
		},
		{
			"beyond loopback a ping", lan,
			request{path: "/ping", host: "tocsin.lan"},
			401,
			"needs the token of the config or one of",
		},
		{
			"beyond loopback what is not there", lan,
			request{path: "/secret", host: "tocsin.lan"},
			401,
			"needs the token of the config or one of",
		},
		{"beyond loopback health", lan, request{path: "/health", host: "192.168.1.5:8627"}, 200, ""},
		{"beyond loopback ready", lan, request{path: "/ready", host: "tocsin.lan:80"}, 200, ""},
		{
			"a Host that claims loopback", lan,
			request{path: "/status", host: "127.0.0.1:8627"},
			401,
			"needs the token of the config or one of",
		},
		{"Bearer", lan, request{path: "/status", host: "192.168.1.5:8627", header: bearer}, 200, ""},
		{
			"Token", lan,
			request{path: "/status", host: "tocsin.lan", header: header{"Authorization": "Token " + token}},
			200,
			"",
		},
		{
			"small bearer", lan,
			request{path: "/status", host: "tocsin.lan", header: header{"Authorization": "bearer " + token}},
			200, "",
		},
		{"Basic", lan, request{
			path: "/status", host: "tocsin.lan",
			header: header{"Authorization": "Basic " + basic("me", token)},
		}, 200, ""},
		{"another token", lan, request{
			path: "/status", host: "tocsin.lan",
			header: header{"Authorization": "Bearer " + token + "x"},
		}, 401, "not known"},
		{
			"a scheme that is none", lan,
			request{path: "/status", host: "tocsin.lan", header: header{"Authorization": token}},
			401, "not known",
		},
		{
			"an empty token", lan,
			request{path: "/status", host: "tocsin.lan", header: header{"Authorization": "Bearer "}},
			401,
			"needs the token of the config or one of",
		},
		{
			"a writer that has no login and sends the usual one", here,
			request{method: "POST", path: "/write", header: header{"Authorization": "Basic " + basic("root", "root")}},
			204, "",
		},
		{
			"the same in the address", here,
			request{method: "POST", path: "/write?u=root&p=root"},
			204, "",
		},
		{
			"the usual login of a writer from elsewhere", lan,
			request{method: "POST", path: "/write?u=root&p=root", host: "tocsin.lan"},
			401, "needs the token of the config or one of",
		},
		{
			"the usual login at another door", here,
			request{path: "/status", header: header{"Authorization": "Basic " + basic("root", "root")}},
			401, "not known",
		},
		{
			"a writer's password", lan,
			request{method: "POST", path: "/write?u=telegraf&p=" + token, host: "tocsin.lan"},
			204,
			"",
		},
		{
			"a password in the address of another door", lan,
			request{path: "/status?p=" + token, host: "tocsin.lan"},
			401,
			"needs the token of the config or one of",
		},

		{
			"beyond loopback and no token is set", lanOpen,
			request{path: "/status", host: "tocsin.lan"},
			403,
			"there is none yet",
		},
		{
			"an empty token where none is set", lanOpen,
			request{path: "/status", host: "tocsin.lan", header: header{"Authorization": "Bearer "}},
			403, "there is none yet",
		},
		{"ready where no token is set", lanOpen, request{path: "/ready", host: "tocsin.lan"}, 200, ""},

		{
			"through a proxy with a name", hereToken,
			request{path: "/status", host: "tocsin.lan"},
			401,
			"needs the token of the config or one of",
		},
		{
			"through a proxy with a name and the token", hereToken,
			request{path: "/status", host: "tocsin.lan", header: bearer},
			200, "",
		},
		{
			"through a proxy that says for whom", hereToken,
			request{path: "/status", header: header{"X-Forwarded-For": "203.0.113.9"}},
			401,
			"needs the token of the config or one of",
		},
		{"through a proxy, no token set", named, request{path: "/status", host: "tocsin.lan"}, 403, "there is none yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, web.New(h.app, tt.o), tt.q)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d: %s", w.Code, tt.want, w.Body)
			}
			if tt.says != "" {
				wantSentence(t, w.Body.Bytes(), "error", tt.says)
			}
			if got := len(w.Result().Header.Values("WWW-Authenticate")) > 0; got != (tt.want == 401) {
				t.Errorf("WWW-Authenticate is there: %v, with status %d", got, w.Code)
			}
		})
	}
}

func wantSentence(t *testing.T, body []byte, key, says string) {
	t.Helper()
	var answer map[string]string
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, body)
	}
	if !strings.Contains(answer[key], says) || answer["code"] == "" {
		t.Errorf("answer = %v, want %q to say %q, and a code", answer, key, says)
	}
}

func TestWritersAreRefusedInTheirOwnWords(t *testing.T) {
	h := newHouse(t)
	w := ask(t, h.local(), request{method: "POST", path: "/api/v2/write"})
	if w.Code != 404 {
		t.Errorf("status = %d, want 404", w.Code)
	}
	wantSentence(t, w.Body.Bytes(), "message", "add one of kind live")
}
