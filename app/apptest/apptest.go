// Package apptest is what the tests of app, of what looks at it and of its doors
// stand on: an App on a real store with a source that holds temperatures, and
// the few things that every test of a server wants. It is for tests only; what a
// single room tests with stays there.
package apptest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// Noon is when tests begin, and Anna who acts in them.
var (
	Noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	Anna = rules.Actor{Name: "anna", Door: "web"}
)

// Home is an App on a real store, with a source that holds temperatures.
type Home struct {
	*testing.T
	*app.App
	Points *live.Store
}

// New makes a Home in which it is always noon. What source makes of the points,
// if it is not nil, is asked in their place.
func New(t *testing.T, source func(*live.Store) evaluator.Source) *Home {
	t.Helper()
	h := &Home{T: t, Points: live.New(live.Options{})}
	h.App = open(t, "", h.Points, func() time.Time { return Noon })
	if source != nil {
		h.Sources["home"] = source(h.Points)
	}
	h.Must(h.Points.Write([]byte("temperature,room=kitchen,sensor=a "+
		"celsius=4,door=\"open\"\ntemperature,room=hall,sensor=b,monitor_id=7 celsius=19\n"), 0, Noon))
	return h
}

// open makes an App on the database at path, "" for a new one, and points.
func open(t *testing.T, path string, points *live.Store, now func() time.Time) *app.App {
	t.Helper()
	store := ledgertest.Store(t, path)
	ledgers, err := evaluator.OpenLedgerCache(t.Context(), store, evaluator.LedgerCacheOptions{
		Silences: func(ctx context.Context) ([]rules.Silence, error) { return store.Silences(ctx, now()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return app.New(app.App{
		Config: &app.Config{
			Every: 30 * rules.Second, Zone: "UTC",
			Channels: map[string]app.ChannelConfig{"phone": {Kind: "ntfy"}, "mail": {Kind: "smtp"}},
		},
		Store: store, Ledgers: ledgers, Sources: map[string]evaluator.Source{"home": points}, Now: now,
	})
}

// Must ends the test at an error.
func (h *Home) Must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// Update changes a rule as Anna.
func (h *Home) Update(name string, doc rules.Doc) {
	h.Helper()
	_, err := h.UpdateRule(h.Context(), Anna, name, doc, app.SaveOptions{})
	h.Must(err)
}

// Say fails unless got is want.
func (h *Home) Say(what, got, want string) {
	h.Helper()
	if got != want {
		h.Errorf("%s: %s\nwant: %s", what, got, want)
	}
}

// KeysOf writes changes as "for 1m>2m severity low>high".
func KeysOf(list []rules.KeyChange) string {
	var keys []string
	for _, c := range list {
		keys = append(keys, fmt.Sprintf("%s %s>%s", c.Key, c.From, c.To))
	}
	return strings.Join(keys, " ")
}

// Fire makes series of a rule go bad, and returns the ids of their alerts.
func Fire(t *testing.T, a *app.App, now time.Time, ruleID string, series ...rules.Series) []string {
	t.Helper()
	var ids []string
	err := a.Ledgers.Act(t.Context(), now, ruleID, func(s rules.Setting, l *rules.Ledger) error {
		var seen []rules.Observation
		for _, one := range series {
			seen = append(seen, rules.Observation{Series: one, Verdict: rules.Bad, Value: 12, At: now})
		}
		l.Observe(s, seen, func(rules.Observation) rules.Evidence {
			return rules.Evidence{
				Query: "SELECT mean(celsius)", From: now.Add(-5 * time.Minute), To: now,
				Condition: "mean over 5m > 8", Clock: "sure",
			}
		})
		for _, one := range series {
			ids = append(ids, l.Instance(one).Alert.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// Night is a daemon that is ticked by hand, and beside it another process on
// the same data, as the command line is one.
type Night struct {
	*testing.T
	Daemon, Beside *app.App
	Points         *live.Store
	Now            time.Time
}

// NewNight begins one at noon, with a kitchen and a hall at 4 degrees.
func NewNight(t *testing.T) *Night {
	t.Helper()
	n := &Night{T: t, Points: live.New(live.Options{Retention: 24 * time.Hour}), Now: Noon}
	path, now := filepath.Join(t.TempDir(), "tocsin.db"), func() time.Time { return n.Now }
	n.Daemon, n.Beside = open(t, path, n.Points, now), open(t, path, n.Points, now)
	n.Daemon.Engine = evaluator.NewEngine(n.Daemon.Ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	n.Daemon.Engine.Add("home", n.Points, evaluator.SourceOptions{})
	for _, room := range []string{"kitchen", "hall"} {
		n.Write(room, 4)
	}
	return n
}

// Write has a room measured now.
func (n *Night) Write(room string, celsius float64) {
	n.Helper()
	line := fmt.Appendf(nil, "temperature,room=%s celsius=%g %d", room, celsius, n.Now.UnixNano())
	if err := n.Points.Write(line, time.Nanosecond, n.Now); err != nil {
		n.Fatal(err)
	}
}

// Tick lets half a minute pass.
func (n *Night) Tick() {
	n.Helper()
	n.Now = n.Now.Add(30 * time.Second)
	if err := n.Daemon.Engine.Tick(n.Context(), n.Now); err != nil {
		n.Fatal(err)
	}
}
