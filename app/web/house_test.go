package web_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	token      = "t0ken-of-the-door"
	channelURL = "ntfy://ntfy.example/s3cret-topic"
	influxKey  = "influx-s3cret"
)

// house is a daemon without its listener, on a real database, ticked by hand.
type house struct {
	*testing.T
	app    *app.App
	store  *sqlite.Store
	points *live.Store
	closed bool

	database string // its path
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, points: live.New(live.Options{})}
	var err error
	h.database = filepath.Join(t.TempDir(), "tocsin.db")
	if h.store, err = sqlite.Open(t.Context(), h.database, sqlite.Options{Migrate: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	ledgers, err := evaluator.OpenLedgerCache(t.Context(), h.store,
		evaluator.LedgerCacheOptions{Route: func(rules.Severity) []string { return []string{"phone"} }})
	if err != nil {
		t.Fatal(err)
	}
	engine := evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	sources := map[string]evaluator.Source{"live": h.points, "home": broken{h.points}}
	for name, source := range sources {
		engine.Add(name, source, evaluator.SourceOptions{})
	}
	h.app = app.New(app.App{
		Config: &app.Config{
			Listen: "127.0.0.1:8627", Every: 30 * rules.Second, Token: rules.NewSecret(token),
			Sources: map[string]app.SourceConfig{
				"live": {Kind: app.KindLive},
				"home": {Kind: app.KindInfluxDB, URL: "http://127.0.0.1:8086", Token: rules.NewSecret(influxKey)},
			},
			Channels: map[string]app.ChannelConfig{"phone": {Kind: "ntfy", URL: rules.NewSecret(channelURL)}},
		},
		Store: h.store, Ledgers: ledgers, Sources: sources, Engine: engine, Version: "v1.2.3", Started: time.Now(),
		Now:    func() time.Time { return noon.Add(30 * time.Second) },
		Daemon: func() (int, bool) { return 42, true },
	})
	return h
}

// close ends the database; a second time it does nothing.
func (h *house) close() {
	if h.closed {
		return
	}
	h.closed = true
	if err := h.store.Close(); err != nil {
		h.Error(err)
	}
}

// broken is a source that does not answer.
type broken struct{ *live.Store }

var _ evaluator.Source = broken{}

func (broken) Query(_ context.Context, queries []evaluator.Query, _ func(int, evaluator.Row)) []error {
	errs := make([]error, len(queries))
	for i := range errs {
		errs[i] = rules.Errorf(rules.Unavailable, "connection refused")
	}
	return errs
}

func (h *house) rule(title, source string, enabled bool) {
	h.Helper()
	r, err := ruledoc.Parse(rules.Doc{
		"title": title, "source": source, "measurement": "temperature", "field": "celsius", "enabled": enabled,
		"channels":  []any{"phone"},
		"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": -15.0},
	})
	if err != nil {
		h.Fatal(err)
	}
	r.ID = "r" + r.Name
	if err := h.app.Ledgers.Create(h.Context(),
		rules.NewLedger(r, rules.Actor{Name: "test", Door: "cli"}, noon)); err != nil {
		h.Fatal(err)
	}
}

// tick judges the freezer at celsius, half a minute after noon.
func (h *house) tick(celsius float64) {
	h.Helper()
	now := noon.Add(30 * time.Second)
	line := fmt.Appendf(nil, "temperature celsius=%g %d", celsius, now.Add(-time.Second).UnixNano())
	if err := h.points.Write(line, time.Nanosecond, now); err != nil {
		h.Fatal(err)
	}
	if err := h.app.Engine.Tick(h.Context(), now); err != nil {
		h.Fatal(err)
	}
}

// request is what somebody asks the listener at 192.168.1.5, or on loopback.
type request struct {
	method, path, host string
	header             map[string]string
}

func ask(t *testing.T, h http.Handler, q request) *httptest.ResponseRecorder {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	r := httptest.NewRequestWithContext(
		context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 8627}),
		q.method, q.path, strings.NewReader("temperature celsius=-2"))
	r.Host = q.host
	if q.host == "" {
		r.Host = "127.0.0.1:8627"
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// local is the handler of a listener on loopback.
func (h *house) local() *web.Handler { return web.New(h.app, web.Options{Loopback: true}) }
