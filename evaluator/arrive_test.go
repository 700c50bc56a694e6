package evaluator_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// arrive moves on by some time, writes the lines stamped just before, and
// judges them at once.
func (h *house) arrive(after time.Duration, lines ...string) (judged bool) {
	h.Helper()
	h.now = h.now.Add(after)
	h.write(lines...)
	judged, err := h.engine.Arrive(h.Context(), "live", h.now)
	if err != nil {
		h.Fatal(err)
	}
	return judged
}

// with puts keys over a copy of a rule.
func with(doc, more rules.Doc) rules.Doc {
	out := rules.Doc{}
	for k, v := range doc {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

const (
	warm = "temperature,sensor=a celsius=-2"
	cold = "temperature,sensor=a celsius=-18"
)

// TestPointsAreJudgedAsTheyCome: an arrival is a tick like any other; `for`
// counts the time between them, and the ticks of the timetable go on.
func TestPointsAreJudgedAsTheyCome(t *testing.T) {
	h := newHouse(t)
	h.rule(with(hotRule(), rules.Doc{"for": "1m"}))
	h.tick(cold)
	h.arrive(5*time.Second, warm, warm) // the mean of 30 s is above -15
	h.arrive(7*time.Second, warm)
	h.wantOwed()
	h.now = h.now.Add(-12 * time.Second)
	h.tick(warm) // 25 s after the first
	h.tick(warm) // 55 s
	h.wantOwed()
	h.arrive(9*time.Second, warm) // 64 s
	h.wantOwed(rules.FirstNews)
	h.arrive(time.Second, cold, "temperature,sensor=a celsius=-300")
	h.wantOwed(rules.Resolved)
}

// TestALateTickDoesNotRepeatAnArrival: what was judged just after a tick is not
// judged again for that tick.
func TestALateTickDoesNotRepeatAnArrival(t *testing.T) {
	h := newHouse(t)
	r := h.rule(with(freezerDoc, rules.Doc{"for": "0s"}))
	h.tick(cold)
	at := h.now.Add(30 * time.Second)
	h.now = at.Add(-time.Second)
	if !h.arrive(time.Second, warm) {
		t.Fatal("points at the time of a tick were not judged")
	}
	h.wantOwed(rules.FirstNews)
	if err := h.engine.Tick(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	h.wantOwed()
	h.ledgers.View(r.ID, func(l *rules.Ledger) {
		if !l.Judged.Equal(at) {
			t.Errorf("judged at %s, want %s", l.Judged, at)
		}
	})
}

// TestArrivalsWaitForWhatWasMissed: ticks that were missed are judged first,
// from history; an arrival in between would hide them.
func TestArrivalsWaitForWhatWasMissed(t *testing.T) {
	h, source := gapHouse(t)
	h.rule(hotRule())
	h.tick(cold)
	source.down.Store(true)
	for range 3 {
		h.tick(warm)
	}
	source.down.Store(false)
	if h.arrive(time.Second, warm) {
		t.Error("points were judged before the ticks that were missed")
	}
	h.now = h.now.Add(-time.Second)
	h.tick(warm)
	h.settled()
	if got := h.told(); got != "first sensor=a" {
		t.Errorf("told after the failure: %q, want the first message", got)
	}
	h.view(func(a *rules.Alert) {
		if want := h.now.Add(-30 * time.Second); !a.StartedAt.Equal(want) {
			t.Errorf("started at %s, want %s", a.StartedAt, want)
		}
	})
	if !h.arrive(time.Second, warm) {
		t.Error("points were not judged after the replay")
	}
}

// TestASchedulesRuleIsNotJudgedByArrivals: who names `every` means it.
func TestASchedulesRuleIsNotJudgedByArrivals(t *testing.T) {
	for _, every := range []string{"1m", "0 7 * * *"} {
		h := newHouse(t)
		h.rule(with(freezerDoc, rules.Doc{"for": "0s", "every": every}))
		if !h.arrive(31*time.Second, warm) {
			t.Errorf("every %s: to be called again, want nothing to do", every)
		}
		h.wantOwed()
	}
}

// TestRunJudgesWhatArrives: with a base interval of an hour, a point fires its
// alert at once.
func TestRunJudgesWhatArrives(t *testing.T) {
	h := newHouse(t)
	h.rule(with(freezerDoc, rules.Doc{"for": "0s"}))
	engine := evaluator.NewEngine(h.ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{Every: time.Hour})
	engine.Add("live", h.points, evaluator.SourceOptions{Arrived: h.points.Arrived()})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	if err := h.points.Write([]byte(warm), 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.ledgers.Bell():
	case <-time.After(10 * time.Second):
		t.Error("a point that arrived was not judged for 10 s")
	}
	h.now = time.Now().Add(time.Second)
	h.wantOwed(rules.FirstNews)
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
