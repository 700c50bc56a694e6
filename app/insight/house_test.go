package insight_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
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

// open makes an App on the database at path and a source of points.
func open(t *testing.T, path string, points *live.Store, now func() time.Time) *app.App {
	t.Helper()
	store, ledgers := ledgertest.Open(t, path, evaluator.LedgerCacheOptions{})
	return app.New(app.App{
		Config: &app.Config{
			Every: 30 * rules.Second, Zone: "UTC",
			Channels: map[string]app.ChannelConfig{"phone": {Kind: "ntfy"}, "mail": {Kind: "smtp"}},
		},
		Store: store, Ledgers: ledgers, Sources: map[string]evaluator.Source{"home": points}, Now: now,
	})
}

// home is an App whose source holds temperatures.
type home struct {
	*testing.T
	*app.App
	points *live.Store
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{T: t, points: live.New(live.Options{})}
	h.App = open(t, filepath.Join(t.TempDir(), "tocsin.db"), h.points, func() time.Time { return noon })
	h.must(h.points.Write([]byte("temperature,room=kitchen,sensor=a "+
		"celsius=4,door=\"open\"\ntemperature,room=hall,sensor=b,monitor_id=7 celsius=19\n"), 0, noon))
	return h
}

func (h *home) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// night is a daemon that is ticked by hand, and beside it another process on
// the same data, as the command line is one.
type night struct {
	*testing.T
	daemon, beside *app.App
	points         *live.Store
	now            time.Time
}

func newNight(t *testing.T) *night {
	t.Helper()
	n := &night{T: t, points: live.New(live.Options{Retention: 24 * time.Hour}), now: noon}
	path, now := filepath.Join(t.TempDir(), "tocsin.db"), func() time.Time { return n.now }
	n.daemon, n.beside = open(t, path, n.points, now), open(t, path, n.points, now)
	n.daemon.Engine = evaluator.NewEngine(n.daemon.Ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	n.daemon.Engine.Add("home", n.points, evaluator.SourceOptions{})
	for _, room := range []string{"kitchen", "hall"} {
		n.write(room, 4)
	}
	return n
}

func (n *night) write(room string, celsius float64) {
	n.Helper()
	line := fmt.Appendf(nil, "temperature,room=%s celsius=%g %d", room, celsius, n.now.UnixNano())
	if err := n.points.Write(line, time.Nanosecond, n.now); err != nil {
		n.Fatal(err)
	}
}

// tick lets half a minute pass.
func (n *night) tick() {
	n.Helper()
	n.now = n.now.Add(30 * time.Second)
	if err := n.daemon.Engine.Tick(n.Context(), n.now); err != nil {
		n.Fatal(err)
	}
}
