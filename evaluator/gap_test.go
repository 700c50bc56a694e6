package evaluator_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// flaky is a source that can be down.
type flaky struct {
	evaluator.Source
	down      atomic.Bool
	failAfter atomic.Int32 // it goes down after so many answers; 0 is never
}

func (f *flaky) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	if !f.down.Load() {
		if f.failAfter.Load() > 0 && f.failAfter.Add(-1) == 0 {
			f.down.Store(true)
		}
		return f.Source.Query(ctx, queries, each)
	}
	errs := make([]error, len(queries))
	for i := range errs {
		errs[i] = rules.Errorf(rules.Unavailable, "nobody answers")
	}
	return errs
}

// gapHouse is a house whose source can be down; settled waits for replays.
func gapHouse(t *testing.T) (*house, *flaky) {
	h := newHouse(t)
	source := &flaky{Source: h.points}
	h.options.Operators = func() []string { return []string{"ops"} }
	h.options.Every = 30 * time.Second
	h.alive = &signs{}
	h.options.Alive = h.alive.add
	h.source = source
	h.restart()
	return h, source
}

// settled ticks on until the source is judged up to the present again.
func (h *house) settled() {
	h.Helper()
	h.engine.Wait()
}

// told lists the titles of tocsin's own messages and the reasons of the others.
func (h *house) told() string {
	h.Helper()
	var out []string
	for _, n := range h.ledgers.Owed(h.now) {
		if n.Reason == rules.Operational {
			out = append(out, n.Facts.Title+": "+n.Facts.Text)
		} else {
			out = append(out, string(n.Reason)+" "+string(n.Facts.Series))
		}
	}
	h.owed()
	return strings.Join(out, "\n")
}

func hotRule() rules.Doc {
	return rules.Doc{
		"title": "Too warm", "measurement": "temperature", "field": "celsius", "group_by": "sensor", "for": "1m",
		"condition": rules.Doc{"aggregation": "mean", "window": "30s", "operator": ">", "value": -15.0},
	}
}

// TestShortFailureIsReplayedInSilence: a source that fails for less than two
// minutes loses no time of `for`, and tells nobody.
func TestShortFailureIsReplayedInSilence(t *testing.T) {
	h, source := gapHouse(t)
	h.rule(hotRule())
	h.tick("temperature,sensor=a celsius=-18")
	source.down.Store(true)
	for range 3 {
		h.tick("temperature,sensor=a celsius=-2")
	}
	if got := h.told(); got != "" {
		t.Fatalf("told during the failure: %s", got)
	}
	source.down.Store(false)
	h.tick("temperature,sensor=a celsius=-2")
	h.settled()
	if got := h.told(); got != "first sensor=a" {
		t.Errorf("told after the failure: %q, want the first message", got)
	}
	h.view(func(a *rules.Alert) {
		if want := h.now.Add(-30 * time.Second); !a.StartedAt.Equal(want) {
			t.Errorf("started at %s, want %s: `for` counts what the replay proves", a.StartedAt, want)
		}
	})
}

// TestOutageTellsTwice: a source that is down for long is told once, and once
// when it is over, with what began and ended meanwhile; what is still wrong is
// told by itself.
func TestOutageTellsTwice(t *testing.T) {
	h, source := gapHouse(t)
	h.rule(hotRule())
	h.tick("temperature,sensor=a celsius=-18", "temperature,sensor=b celsius=-18")
	source.down.Store(true)
	for i := range 20 {
		a, b := -18, -18
		if i >= 4 && i < 12 {
			a = -2
		}
		if i >= 16 {
			b = -2
		}
		h.tick(fmt.Sprintf("temperature,sensor=a celsius=%d", a), fmt.Sprintf("temperature,sensor=b celsius=%d", b))
	}
	if got := h.told(); strings.Count(got, "\n") != 0 || !strings.Contains(got, "Source live does not answer since") {
		t.Errorf("told during the outage: %q", got)
	}
	source.down.Store(false)
	for range 2 { // settles for a minute
		h.tick("temperature,sensor=a celsius=-18", "temperature,sensor=b celsius=-2")
		h.settled()
		if got := h.told(); got != "" {
			t.Errorf("told while it settles: %q", got)
		}
	}
	h.tick("temperature,sensor=a celsius=-18", "temperature,sensor=b celsius=-2")
	h.settled()
	got := h.told()
	for _, want := range []string{
		"Source live is back; it did not answer from",
		"Meanwhile fired and ended: Too warm sensor=a", "first sensor=b",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("told after the outage: %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "sensor=a\n") || strings.Contains(got, "resolved sensor=a") {
		t.Errorf("what began and ended inside is told by itself: %q", got)
	}
}

// TestDaemonDownIsReplayed: what was missed while no daemon ran is judged from
// history, from the last tick that is known to be decided.
func TestDaemonDownIsReplayed(t *testing.T) {
	h, _ := gapHouse(t)
	h.rule(hotRule())
	h.tick("temperature,sensor=a celsius=-18")
	h.options.Since = h.engine.Progress()
	for range 8 { // nobody ticks
		h.now = h.now.Add(30 * time.Second)
		h.write("temperature,sensor=a celsius=-2")
	}
	h.restart()
	h.resume()
	h.tick("temperature,sensor=a celsius=-2")
	h.settled()
	got := h.told()
	if !strings.Contains(got, "first sensor=a") || !strings.Contains(got, "was not watched from") {
		t.Errorf("told after the restart: %q", got)
	}
	h.view(func(a *rules.Alert) {
		if age := h.now.Sub(a.StartedAt); age != 3*time.Minute {
			t.Errorf("started %s ago, want 3m: a minute of `for` after the first bad tick", age)
		}
	})
}

// TestAnEditInsideAGap: one of texts, channels or timers leaves what is judged
// as it was, so the time before it is judged too; one of the condition leaves
// nothing to judge that time by.
func TestAnEditInsideAGap(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*rules.Rule)
		want time.Duration // how long ago it started, at the first tick
	}{
		{"texts", func(r *rules.Rule) { r.Summary, r.Remind = "look", []rules.Duration{rules.Minute} }, 3 * time.Minute},
		{"condition", func(r *rules.Rule) { r.Condition.Value = rules.Num(-16) }, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := gapHouse(t)
			r := h.rule(hotRule())
			h.tick("temperature,sensor=a celsius=-18")
			h.options.Since = h.engine.Progress()
			for i := range 8 { // nobody ticks
				h.now = h.now.Add(30 * time.Second)
				h.write("temperature,sensor=a celsius=-2")
				if i != 4 {
					continue
				}
				if err := h.ledgers.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
					next := l.Rule
					tt.edit(&next)
					l.Edit(s, next, rules.Actor{Name: "anna", Door: "cli"})
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			h.restart()
			h.resume()
			h.tick("temperature,sensor=a celsius=-2")
			h.settled()
			h.view(func(a *rules.Alert) {
				if age := h.now.Sub(a.StartedAt); age != tt.want {
					t.Errorf("started %s ago, want %s", age, tt.want)
				}
			})
		})
	}
}

// meddler is a source at which something happens once, before its answer.
type meddler struct {
	evaluator.Source
	queries int // that are answered before
	act     func()
}

func (m *meddler) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	if m.queries--; m.queries == -1 {
		m.act()
	}
	return m.Source.Query(ctx, queries, each)
}

// TestAnEditWhileAGapIsJudged: what was asked for the rule as it was planned
// counts for the rule as it is, unless that judges otherwise.
func TestAnEditWhileAGapIsJudged(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*rules.Rule)
		want string
	}{
		{"texts", func(r *rules.Rule) { r.Summary = "look" }, "Meanwhile fired and ended: Too warm sensor=a"},
		{"timers", func(r *rules.Rule) {
			r.Remind = []rules.Duration{rules.Minute}
		}, "Meanwhile fired and ended: Too warm sensor=a"},
		{"condition", func(r *rules.Rule) { r.Condition.Value = rules.Num(-16) }, "Nothing is known to have fired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := gapHouse(t)
			r := h.rule(hotNow())
			h.tick("temperature,sensor=a celsius=-18")
			h.options.Since = h.engine.Progress()
			for i := range 10 { // nobody ticks
				h.now = h.now.Add(30 * time.Second)
				h.write(map[bool]string{true: "temperature,sensor=a celsius=5", false: "temperature,sensor=a celsius=-18"}[i == 5 ||
					i == 6])
			}
			h.source = &meddler{h.source, 3, func() {
				if err := h.ledgers.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
					next := l.Rule
					tt.edit(&next)
					l.Edit(s, next, rules.Actor{Name: "anna", Door: "web"})
					return nil
				}); err != nil {
					t.Error(err)
				}
			}}
			h.restart()
			h.resume()
			h.tick("temperature,sensor=a celsius=-18")
			h.settled()
			if got := h.told(); !strings.Contains(got, tt.want) {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}

// TestASilenceThatEndsInAReplay tells nobody of what began in the gap and may be
// over: that is known when the gap is judged.
func TestASilenceThatEndsInAReplay(t *testing.T) {
	h, source := gapHouse(t)
	until := h.now.Add(14*30*time.Second + time.Second)
	h.silence = func(context.Context) ([]rules.Silence, error) {
		return []rules.Silence{{ID: "s1", From: h.now.Add(-time.Hour), Until: until}}, nil
	}
	h.restart()
	h.rule(hotNow())
	h.resume()
	cold, hot := "temperature,sensor=a celsius=-20", "temperature,sensor=a celsius=5"
	h.tick(cold)
	source.down.Store(true)
	for i := range 10 {
		h.tick(map[bool]string{true: hot, false: cold}[i == 1 || i == 2])
	}
	if got := h.told(); !strings.HasPrefix(got, "Source live does not answer") {
		t.Errorf("told of the outage: %q", got)
	}
	source.failAfter.Store(6) // in the midst of the replay
	source.down.Store(false)
	for range 6 {
		h.tick(cold)
		h.settled()
		if got := h.told(); got != "" {
			t.Errorf("told while it is not known: %q", got)
		}
	}
	if !h.now.After(until) || !source.down.Load() {
		t.Fatal("the silence has not ended in the replay")
	}
	source.failAfter.Store(0)
	source.down.Store(false)
	for range 5 {
		h.tick(cold)
		h.settled()
	}
	if got := h.told(); strings.Contains(got, "\n") ||
		!strings.Contains(got, "Meanwhile fired and ended: Too warm sensor=a") {
		t.Errorf("told when all is known: %q", got)
	}
}
