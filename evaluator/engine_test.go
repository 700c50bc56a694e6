package evaluator_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// house is an engine on a real database and a live source, ticked by hand.
type house struct {
	*testing.T
	path    string
	store   *sqlite.Store
	ledgers *evaluator.LedgerCache
	engine  *evaluator.Engine
	points  *live.Store
	now     time.Time

	options evaluator.EngineOptions
	alive   *signs // what the engine said of itself
	fresh   bool   // the source began with the engine
	silence func(context.Context) ([]rules.Silence, error)
	cache   int              // ledgers in memory, 0 for the usual
	source  evaluator.Source // points, unless a test puts another in its place
	meddler *meddled
}

// meddle does something between the next decision and its commit.
func (h *house) meddle(act func()) { h.meddler.before = act }

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		T: t, path: filepath.Join(t.TempDir(), "tocsin.db"), points: live.New(live.Options{}),
		now: time.Now().UTC().Truncate(time.Minute),
	}
	h.source = h.points
	h.open(true)
	return h
}

// restart makes another daemon on the same database.
func (h *house) restart() {
	h.Helper()
	h.open(true)
}

// resume does what a daemon does before its first tick.
func (h *house) resume() {
	h.Helper()
	if err := h.engine.Resume(h.Context(), h.now); err != nil {
		h.Fatal(err)
	}
}

// view calls f with each alert that lasts.
func (h *house) view(f func(*rules.Alert)) {
	h.Helper()
	rows, _, err := h.store.Alerts(h.Context(), app.AlertFilter{Status: rules.StatusOpen})
	if err != nil || len(rows) == 0 {
		h.Fatalf("no alert lasts: %v", err)
	}
	for _, row := range rows {
		f(&row.Alert)
	}
}

func (h *house) open(migrate bool) {
	h.Helper()
	store, err := sqlite.Open(h.Context(), h.path, sqlite.Options{Migrate: migrate})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if err := store.Close(); err != nil {
			h.Error(err)
		}
	})
	h.store, h.meddler = store, &meddled{Store: store}
	h.ledgers, err = evaluator.OpenLedgerCache(h.Context(), h.meddler, evaluator.LedgerCacheOptions{
		Cache: h.cache, Silences: h.silence, Route: func(rules.Severity) []string { return []string{"phone"} },
	})
	if err != nil {
		h.Fatal(err)
	}
	h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.DiscardHandler), h.options)
	h.engine.Add("live", h.source, evaluator.SourceOptions{Fresh: h.fresh})
}

func (h *house) rule(doc rules.Doc) rules.Rule {
	h.Helper()
	doc["source"] = "live"
	r, err := ruledoc.Parse(doc)
	if err != nil {
		h.Fatal(err)
	}
	r.ID = "r" + r.Name
	by := rules.Actor{Name: "test", Door: "cli"}
	if err := h.ledgers.Create(h.Context(), rules.NewLedger(r, by, h.now)); err != nil {
		h.Fatal(err)
	}
	return r
}

// tick moves on by the base interval, writes the lines stamped just before,
// and ticks.
func (h *house) tick(lines ...string) {
	h.Helper()
	h.now = h.now.Add(30 * time.Second)
	h.write(lines...)
	if err := h.engine.Tick(h.Context(), h.now); err != nil {
		h.Fatal(err)
	}
}

// write writes lines stamped just before now.
func (h *house) write(lines ...string) {
	h.Helper()
	for _, line := range lines {
		h.writeAt(line, h.now.Add(-time.Second))
	}
}

// writeAt writes a line stamped at a time.
func (h *house) writeAt(line string, at time.Time) {
	h.Helper()
	if err := h.points.Write(fmt.Appendf(nil, "%s %d", line, at.UnixNano()), time.Nanosecond, at); err != nil {
		h.Fatal(err)
	}
}

// owed lists the reasons of what is owed now, and takes and delivers it.
func (h *house) owed() (reasons []rules.Reason) {
	h.Helper()
	for _, n := range h.ledgers.Owed(h.now) {
		reasons = append(reasons, n.Reason)
		if err := h.ledgers.Decide(h.Context(), h.now, []string{n.RuleID}, func(_ rules.Setting, l *rules.Ledger) error {
			if l.Claim(n.ID, "m") {
				l.Record(n.ID, rules.Outcome{State: rules.Sent}, h.now, h.now)
			}
			return nil
		}); err != nil {
			h.Fatal(err)
		}
	}
	return reasons
}

func (h *house) wantOwed(want ...rules.Reason) {
	h.Helper()
	if got := h.owed(); fmt.Sprint(got) != fmt.Sprint(want) {
		h.Fatalf("owed = %v, want %v", got, want)
	}
}

var freezerDoc = rules.Doc{
	"title": "Freezer too warm", "measurement": "temperature", "field": "celsius", "group_by": "sensor", "for": "30s",
	"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": -15.0},
}

// TestLife is one alert from a rule to its end: each step is owed once, and
// what is quiet writes nothing.
func TestLife(t *testing.T) {
	h := newHouse(t)
	h.rule(rules.Doc(freezerDoc))
	h.tick("temperature,sensor=a celsius=-18")
	h.wantOwed()
	h.tick("temperature,sensor=a celsius=-2") // mean -10: pending
	h.wantOwed()
	h.tick("temperature,sensor=a celsius=-2") // 30 s later: firing
	h.wantOwed(rules.FirstNews)
	h.tick("temperature,sensor=a celsius=-2", "temperature,sensor=b celsius=-18")
	h.wantOwed()
	h.tick("temperature,sensor=a celsius=-40", "temperature,sensor=b celsius=-18")
	h.tick("temperature,sensor=a celsius=-18", "temperature,sensor=b celsius=-18")
	h.wantOwed(rules.Resolved)
}

// TestAnotherProcessIsSeen: a rule that another process stores is judged at
// the next tick, and its acknowledgement is not overwritten.
func TestAnotherProcessIsSeen(t *testing.T) {
	h := newHouse(t)
	daemon := *h
	h.open(false) // the other process, on the same file
	doc := rules.Doc{}
	for k, v := range freezerDoc {
		doc[k] = v
	}
	doc["for"] = "0s"
	doc["remind"] = []any{"1m"}
	r := h.rule(doc)
	daemon.tick("temperature,sensor=a celsius=-2")
	daemon.wantOwed(rules.FirstNews)
	var alert string
	daemon.ledgers.View(r.ID, func(l *rules.Ledger) {
		l.Alerts(func(a *rules.Alert) bool { alert = a.ID; return true })
	})
	err := h.ledgers.Act(context.Background(), daemon.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
		return l.Acknowledge(s, alert, rules.Acknowledgement{By: rules.Actor{Name: "anna", Door: "mcp"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		daemon.tick("temperature,sensor=a celsius=-2")
	}
	daemon.wantOwed() // acknowledged: no reminder
	daemon.tick("temperature,sensor=a celsius=-80")
	daemon.wantOwed(rules.Resolved)
}

// TestQuietTickWritesNothing: a tick without a change opens no transaction.
func TestQuietTickWritesNothing(t *testing.T) {
	h := newHouse(t)
	h.rule(rules.Doc(freezerDoc))
	h.tick("temperature,sensor=a celsius=-18")
	before := written(t)
	for range 20 {
		h.tick("temperature,sensor=a celsius=-18")
	}
	if after := written(t); after-before >= leastWrite {
		t.Errorf("20 quiet ticks wrote %d bytes, want none", after-before)
	}
}
