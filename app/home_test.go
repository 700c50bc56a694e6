package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

var (
	noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	anna = rules.Actor{Name: "anna", Door: "web"}
)

// home is an App on a real store, with a source that holds temperatures.
type home struct {
	*testing.T
	*app.App
	points *live.Store
}

func newHome(t *testing.T) *home {
	t.Helper()
	store, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	points := live.New(live.Options{})
	if err := points.Write([]byte("temperature,room=kitchen,sensor=a "+
		"celsius=4,door=\"open\"\ntemperature,room=hall,sensor=b,monitor_id=7 celsius=19\n"), 0, noon); err != nil {
		t.Fatal(err)
	}
	h := &home{T: t, points: points}
	h.App = app.New(app.App{
		Config: &app.Config{
			Every:    30 * rules.Second,
			Channels: map[string]app.ChannelConfig{"phone": {Kind: "ntfy"}, "mail": {Kind: "smtp"}},
		},
		Store: store, Ledgers: ledgers, Sources: map[string]evaluator.Source{"home": points},
		Now: func() time.Time { return noon },
	})
	return h
}

func (h *home) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *home) update(name string, doc rules.Doc) {
	h.Helper()
	_, err := h.UpdateRule(h.Context(), anna, name, doc, app.SaveOptions{})
	h.must(err)
}

// say fails unless got is want.
func (h *home) say(what, got, want string) {
	h.Helper()
	if got != want {
		h.Errorf("%s: %s\nwant: %s", what, got, want)
	}
}

func keysOf(list []rules.KeyChange) string {
	var keys []string
	for _, c := range list {
		keys = append(keys, fmt.Sprintf("%s %s>%s", c.Key, c.From, c.To))
	}
	return strings.Join(keys, " ")
}
