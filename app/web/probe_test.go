package web_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func TestProbes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		harm   func(*house)
		path   string
		code   int
		status string
		reason string
	}{
		{"all is well", func(*house) {}, "/ready", 200, "ok", ""},
		{
			"a source is down", func(h *house) { h.rule("Elsewhere", "home", true); h.tick(-18) }, "/ready", 200, "degraded",
			"source home is down",
		},
		{"something is kept in memory only", func(h *house) {
			h.app.Notes = func() []string { return []string{"storage: full"} }
		}, "/ready", 200, "degraded", "storage: full"},
		{"the database is gone", (*house).close, "/ready", 503, "down", "database"},
		{
			"no tick for an hour", func(h *house) { h.app.Started = time.Now().Add(-time.Hour) }, "/ready", 503, "down",
			"the last tick was 1h0m0s ago",
		},
		{"health does not mind the database", (*house).close, "/health", 200, "ok", ""},
		{
			"health does not mind the engine", func(h *house) { h.app.Started = time.Now().Add(-time.Hour) }, "/health", 200,
			"ok", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			tt.harm(h)
			w := ask(t, h.local(), request{path: tt.path})
			var got struct{ Status, Reason string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("the answer is not JSON: %v\n%s", err, w.Body)
			}
			if w.Code != tt.code || got.Status != tt.status || !strings.Contains(got.Reason, tt.reason) ||
				(tt.reason == "") != (got.Reason == "") {
				t.Errorf("answer = %d %+v, want %d %s with %q", w.Code, got, tt.code, tt.status, tt.reason)
			}
			if cache := w.Header().Get("Cache-Control"); cache != "no-store" {
				t.Errorf("Cache-Control = %q", cache)
			}
		})
	}
}

func TestStatusIsWhatTheAppSays(t *testing.T) {
	h := newHouse(t)
	h.rule("Freezer", "live", true)
	h.rule("Elsewhere", "home", true)
	h.tick(-2)
	w := ask(t, h.local(), request{path: "/status"})
	var got app.Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, w.Body)
	}
	if w.Code != 200 || got.Status != "degraded" || got.Version != "v1.2.3" || got.Rules.Total != 2 ||
		got.Alerts["firing"] != 1 || got.Engine == nil || got.Engine.Ticks != 1 {
		t.Errorf("status = %d %+v", w.Code, got)
	}
}

func TestFrontPageSaysWhatRunsHere(t *testing.T) {
	h := newHouse(t)
	h.rule("Freezer", "live", true)
	h.tick(-2)
	h.app.Notes = func() []string { return []string{"<script>alert(1)</script>"} }
	w := ask(t, h.local(), request{path: "/"})
	for _, want := range []string{"tocsin", "v1.2.3", "1 thing is wrong", `href="system"`, "&lt;script&gt;"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not say %q:\n%s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("the page repeats foreign text as HTML:\n%s", w.Body)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("Content-Security-Policy = %q", policy)
	}
	if w := ask(t, h.local(), request{path: "/no/such"}); w.Code != 404 {
		t.Errorf("another page = %d, want 404", w.Code)
	}
}

// TestNoSecretIsShown asks for everything there is, with and without the
// token, while everything that can break is broken.
func TestNoSecretIsShown(t *testing.T) {
	h := newHouse(t)
	h.rule("Elsewhere", "home", true)
	h.tick(-2)
	var said bytes.Buffer
	door := web.New(h.app, web.Options{
		Token: rules.NewSecret(token), Hosts: []string{"tocsin.lan"},
		Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	door.Delivered("phone", notify.Message{Title: "x"}, rules.Outcome{State: rules.Dead})
	for _, authorization := range []string{"Bearer " + token, "Bearer wrong", "Basic " + basic(token, "wrong"), ""} {
		for _, path := range []string{
			"/", "/health", "/ready", "/status", "/metrics", "/write", "/api/v2/write?p=" + token,
			"/query?p=" + token, "/ping", "/nothing?p=" + token,
		} {
			q := request{path: path, host: "tocsin.lan"}
			if authorization != "" {
				q.header = header{"Authorization": authorization}
			}
			w := ask(t, door, q)
			said.WriteString(w.Body.String())
			if err := w.Result().Header.Write(&said); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.close()
	said.WriteString(ask(t, door,
		request{path: "/status", host: "tocsin.lan", header: header{"Authorization": "Bearer " + token}}).Body.String())
	if !strings.Contains(said.String(), "request refused") || !strings.Contains(said.String(), "tocsin_deliveries_total") {
		t.Fatalf("nothing was said:\n%s", said.String())
	}
	for _, secret := range []string{token, channelURL, "s3cret"} {
		if i := strings.Index(said.String(), secret); i >= 0 {
			t.Errorf("%q is shown: ...%s", secret, said.String()[max(0, i-200):i])
		}
	}
}
