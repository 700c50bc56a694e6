package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// deaf is a store that never hears of what others changed.
type deaf struct{ app.Store }

func (d deaf) Moved(ctx context.Context) (evaluator.Moved, error) {
	_, err := d.Store.Moved(ctx)
	return evaluator.Moved{}, err
}

// TestRulesThatNobodyJudgesAreAProblem: one that another process stored and the
// daemon never heard of is counted too.
func TestRulesThatNobodyJudgesAreAProblem(t *testing.T) {
	n := newNight(t)
	book, err := evaluator.OpenLedgerCache(t.Context(), deaf{n.Daemon.Store}, evaluator.LedgerCacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.Daemon.Ledgers = book
	n.Daemon.Engine = evaluator.NewEngine(book, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	n.Daemon.Engine.Add("home", n.Points, evaluator.SourceOptions{})
	n.tick()
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		doc := rules.Doc{
			"name": name, "measurement": "temperature", "field": "celsius",
			"condition": rules.Doc{"operator": ">", "value": 90},
		}
		if _, err := n.Beside.CreateRule(t.Context(), anna, doc, app.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	problem := func() string {
		for _, p := range n.Daemon.Status(t.Context()).Problems {
			if strings.Contains(p, "rules are not judged") {
				return p
			}
		}
		return ""
	}
	for i, want := range []string{
		"", "",
		"rules: 6 of 7 enabled rules are not judged for three of their intervals or longer, so nobody is told of what they " +
			"watch: a, b, c, d, e and 1 more",
	} {
		n.tick()
		n.Now = n.Now.Add(time.Second)
		if got := problem(); got != want {
			t.Errorf("after %d ticks the problem is %q, want %q", i+1, got, want)
		}
		n.Now = n.Now.Add(-time.Second)
	}
	n.Now = n.Now.Add(time.Second)
	s := n.Daemon.Status(t.Context())
	if s.Rules.Unjudged != 6 || s.Status != "degraded" {
		t.Errorf("status %s counts %+v", s.Status, s.Rules)
	}
	found := insight.New(n.Daemon).Doctor(t.Context())
	if !slices.ContainsFunc(found, func(f insight.Finding) bool {
		return !f.OK && strings.Contains(f.Text, "6 of 7 enabled rules are not judged")
	}) {
		t.Errorf("the doctor finds %+v", found)
	}
	n.Beside.Ask = func(context.Context) (app.Status, error) { return s, nil }
	n.Beside.Daemon = func() (int, bool) { return s.Daemon.PID, true }
	found = insight.New(n.Beside).Doctor(t.Context())
	if !slices.ContainsFunc(found, func(f insight.Finding) bool {
		return !f.OK && strings.Contains(f.Text, "6 of 7 enabled rules are not judged")
	}) {
		t.Errorf("beside the daemon the doctor finds %+v", found)
	}
}

// failing is a source whose ping is answered and whose queries are refused.
type failing struct{ evaluator.Source }

func (failing) Query(_ context.Context, queries []evaluator.Query, _ func(int, evaluator.Row)) []error {
	errs := make([]error, len(queries))
	for i := range errs {
		errs[i] = rules.Errorf(rules.Invalid, "InfluxDB refuses the query")
	}
	return errs
}

// TestManyRulesThatAreRefusedAreAFewLines: status is read by people, and by
// models that pay for each word.
func TestManyRulesThatAreRefusedAreAFewLines(t *testing.T) {
	n := newNight(t)
	for i := range 30 {
		doc := rules.Doc{
			"name": fmt.Sprintf("r%02d", i), "measurement": "temperature", "field": "celsius",
			"condition": rules.Doc{"operator": ">", "value": 90},
		}
		if _, err := n.Daemon.CreateRule(t.Context(), anna, doc, app.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	n.Daemon.Engine = evaluator.NewEngine(n.Daemon.Ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	n.Daemon.Engine.Add("home", failing{n.Points}, evaluator.SourceOptions{})
	for range 4 {
		n.tick()
	}
	problems := n.Daemon.Status(t.Context()).Problems
	if got := strings.Join(problems, "\n"); len(problems) > 8 ||
		!strings.Contains(got, "and 26 more rules cannot be judged") ||
		!strings.Contains(got, "source home: InfluxDB refuses the query") {
		t.Errorf("%d problems:\n%s", len(problems), got)
	}
}

// TestChannelsThatCannotBeReadStayKnown: who is to be told does not hang on a
// page of the database.
func TestChannelsThatCannotBeReadStayKnown(t *testing.T) {
	n := newNight(t)
	store := &forgetful{Store: n.Daemon.Store}
	if err := store.PutChannel(t.Context(),
		app.StoredChannel{ID: "c1", Name: "pager", Kind: "ntfy", Sealed: []byte("x"), CreatedAt: n.Now}); err != nil {
		t.Fatal(err)
	}
	d := app.NewDirectory(&app.Config{}, store, nil, slog.New(slog.DiscardHandler))
	for _, unreadable := range []bool{false, true, false} {
		store.unreadable = unreadable
		d.Forget()
		if got := strings.Join(d.Names(), " "); got != "pager" {
			t.Errorf("unreadable %v: channels are %q", unreadable, got)
		}
	}
	if err := store.DeleteChannel(t.Context(), "pager"); err != nil {
		t.Fatal(err)
	}
	if d.Forget(); len(d.Names()) != 0 {
		t.Errorf("a channel that was removed is known: %q", d.Names())
	}
}

// forgetful is a store whose channels cannot be read at times.
type forgetful struct {
	app.Store
	unreadable bool
}

func (f *forgetful) Channels(ctx context.Context) ([]app.StoredChannel, error) {
	if f.unreadable {
		return nil, errors.New("a page cannot be read")
	}
	return f.Store.Channels(ctx)
}

// TestNothingIsWellWhileASourceIsDown: the heartbeat to the outside stops, and
// a ping that is answered does not deceive the doctor.
func TestNothingIsWellWhileASourceIsDown(t *testing.T) {
	n := newNight(t)
	n.Daemon.Engine = evaluator.NewEngine(n.Daemon.Ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	n.Daemon.Engine.Add("home", failing{n.Points}, evaluator.SourceOptions{})
	n.Daemon.Config.Every = rules.Hour // the wall clock is not that of the ticks
	none := func() (string, time.Time) { return "", time.Time{} }
	for i := range 6 {
		n.tick()
		if err := n.Daemon.Well(t.Context(), none); (err != nil) != (i >= 4) {
			t.Errorf("%d ticks into it: %v", i+1, err)
		}
	}
	if err := n.Daemon.Well(t.Context(), none); err == nil ||
		!strings.Contains(err.Error(), "source home is down since 2026-03-14T12:") {
		t.Errorf("well: %v", err)
	}
	found := insight.New(n.Daemon).Doctor(t.Context())
	if !slices.ContainsFunc(found, func(f insight.Finding) bool {
		return f.What == "source home" && !f.OK &&
			strings.Contains(f.Text, "answers the check and fails the rules since 2026-03-14 12:00: InfluxDB refuses the query")
	}) {
		t.Errorf("the doctor finds %+v", found)
	}
}
