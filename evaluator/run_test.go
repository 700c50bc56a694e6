package evaluator_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// running runs an engine in a bubble while play goes on, and returns when it
// ticked and what it logged.
func running(t *testing.T, play func(h *house)) (ticks []time.Time, log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var said bytes.Buffer
		h.engine = evaluator.NewEngine(h.ledgers,
			slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})), evaluator.EngineOptions{
				Alive: func(p rules.Progress) { ticks = append(ticks, p.At) },
			})
		h.engine.Add("live", h.points, evaluator.SourceOptions{Arrived: h.points.Arrived()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.engine.Run(ctx) }()
		play(h)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		log = said.String()
	})
	return ticks, log
}

// TestANewScheduleIsFollowedAtOnce, also one that is shorter than all before.
func TestANewScheduleIsFollowedAtOnce(t *testing.T) {
	ticks, log := running(t, func(h *house) {
		time.Sleep(61 * time.Second) // virtual, as all that follows
		h.now = time.Now()
		h.rule(with(hotNow(), rules.Doc{"every": "5s"}))
		time.Sleep(21 * time.Second)
	})
	short := 0
	for i := 1; i < len(ticks); i++ {
		if ticks[i].Sub(ticks[i-1]) == 5*time.Second {
			short++
		}
	}
	if short < 3 || log != "" {
		t.Errorf("ticks at %v, logged %q; want several five seconds apart", ticks, log)
	}
}

// TestWhatARunCannotSaveIsLogged: at a tick, and at a heartbeat.
func TestWhatARunCannotSaveIsLogged(t *testing.T) {
	for _, failing := range []bool{true, false} {
		_, log := running(t, func(h *house) {
			h.now = time.Now()
			h.rule(hotNow())
			synctest.Wait()
			if failing {
				h.meddler.save = func() error { return errors.New("the disk is full") }
			}
			time.Sleep(25 * time.Second)
			h.now = time.Now()
			h.write(warm)
			time.Sleep(10*time.Minute + time.Second)
			synctest.Wait()
			h.meddler.save = nil
		})
		for _, want := range []string{"tick failed", "heartbeat not saved", "arrived points not judged"} {
			if got := strings.Contains(log, want); got != failing {
				t.Errorf("logged is %s, want %q in it: %t", log, want, failing)
			}
		}
	}
}

// TestAnActBesideADecisionIsPartOfIt: what a tick decides is decided again on the
// acknowledged ledger at once, and not left to the next tick.
func TestAnActBesideADecisionIsPartOfIt(t *testing.T) {
	for _, rule := range []string{"A", "B"} {
		t.Run(rule, func(t *testing.T) {
			h := newHouse(t)
			for _, name := range []string{"A", "B"} {
				h.rule(with(hotNow(), rules.Doc{"title": name}))
			}
			h.tick(warm)
			h.wantOwed(rules.FirstNews, rules.FirstNews)
			other := *h
			other.open(false)
			id, alert := "r"+strings.ToLower(rule), ""
			h.view(func(a *rules.Alert) {
				if a.RuleID == id {
					alert = a.ID
				}
			})
			h.meddle(func() {
				if err := other.ledgers.Act(t.Context(), h.now, id, func(s rules.Setting, l *rules.Ledger) error {
					return l.Acknowledge(s, alert, rules.Acknowledgement{By: rules.Actor{Name: "anna", Door: "cli"}})
				}); err != nil {
					t.Error(err)
				}
			})
			h.tick("temperature,sensor=a celsius=-80")
			h.wantOwed(rules.Resolved, rules.Resolved)
		})
	}
}

// TestWhyAnActIsRefused is told to who acts; nobody acts on what may be old.
func TestWhyAnActIsRefused(t *testing.T) {
	h := newHouse(t)
	r := h.rule(hotNow())
	acts, no := 0, rules.Errorf(rules.Conflict, "no")
	act := func(err error) error {
		return h.ledgers.Act(t.Context(), h.now, r.ID, func(rules.Setting, *rules.Ledger) error { acts++; return err })
	}
	if err := act(no); rules.CodeOf(err) != rules.Conflict || acts != 1 {
		t.Errorf("refused with %v after %d", err, acts)
	}
	unseen := rules.Errorf(rules.Unavailable, "the disk does not answer")
	h.meddler.moved = func() error { return unseen }
	if err := act(nil); !errors.Is(err, unseen) || acts != 1 {
		t.Errorf("acted on what may be old: %v, %d acts", err, acts)
	}
	h.meddler.moved = nil
	if err := act(nil); err != nil || acts != 2 {
		t.Errorf("%v, %d acts", err, acts)
	}
}

// TestClocksStandStillWhereThereIsNoHistory: time that nobody can look back on is
// no time of for.
func TestClocksStandStillWhereThereIsNoHistory(t *testing.T) {
	h, _ := gapHouse(t)
	h.fresh = true
	h.restart()
	h.rule(with(hotRule(), rules.Doc{"for": "2m"}))
	h.resume()
	h.quietly(3, warm) // for a minute
	h.end()
	h.unwatched(3, warm)
	h.begin()
	h.quietly(1, warm)
	h.tick(warm)
	h.settled()
	if got := h.told(); got != "first sensor=a" {
		t.Errorf("told %q", got)
	}
}
