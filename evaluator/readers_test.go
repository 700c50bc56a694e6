package evaluator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// duringSave calls act while the store is at the next save, and fails where act
// waits for the end of it.
func (h *house) duringSave(act func()) {
	h.meddle(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			act()
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			h.Error("who only looks waits for the save")
		}
	})
}

// looks is what readers are told of the only rule: its state, who acknowledged
// it, and how many messages are owed.
func (h *house) looks(id string) string {
	out := "none"
	h.ledgers.View(id, func(l *rules.Ledger) {
		if in := l.Instance("sensor=a"); in != nil && in.State != rules.OK {
			out = in.State.String()
			if in.Alert != nil && in.Alert.Ack != nil {
				out += " acknowledged"
			}
		}
	})
	if _, err := h.ledgers.Version(h.Context()); err != nil {
		h.Error(err)
	}
	judged := 0
	h.ledgers.Judged(func(*rules.Rule, time.Time, bool) { judged++ })
	h.ledgers.NextDue(h.now)
	return fmt.Sprint(out, ", owed ", len(h.ledgers.Owed(h.now)), ", unsaved ", h.ledgers.Unsaved(), h.ledgers.Trouble(),
		", rules ", judged)
}

// TestReadersDoNotWaitForASave: what they see meanwhile is what was committed last.
func TestReadersDoNotWaitForASave(t *testing.T) {
	h := newHouse(t)
	r := h.rule(hotNow())
	h.tick("temperature,sensor=a celsius=-18")
	meanwhile := ""
	look := func() { meanwhile = h.looks(r.ID) }
	want := func(step, during, after string) {
		t.Helper()
		if meanwhile != during {
			t.Errorf("%s, during the save: %s, want %s", step, meanwhile, during)
		}
		if got := h.looks(r.ID); got != after {
			t.Errorf("%s, after the save: %s, want %s", step, got, after)
		}
	}
	h.duringSave(look)
	h.tick("temperature,sensor=a celsius=-5")
	want("fired", "none, owed 0, unsaved 0 <nil>, rules 1", "firing, owed 1, unsaved 0 <nil>, rules 1")

	h.duringSave(look)
	if err := h.ledgers.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
		return l.Acknowledge(s, l.Instance("sensor=a").Alert.ID, rules.Acknowledgement{By: rules.Actor{Name: "anna"}})
	}); err != nil {
		t.Fatal(err)
	}
	want("acknowledged", "firing, owed 1, unsaved 0 <nil>, rules 1",
		"firing acknowledged, owed 1, unsaved 0 <nil>, rules 1")
}

// TestAnActWaitsForASave: it decides on what was saved, not on what was before.
func TestAnActWaitsForASave(t *testing.T) {
	h := newHouse(t)
	r := h.rule(hotNow())
	acted := make(chan string, 1)
	h.meddle(func() {
		go func() {
			state := ""
			if err := h.ledgers.Act(t.Context(), h.now, r.ID, func(_ rules.Setting, l *rules.Ledger) error {
				state = l.Instance("sensor=a").State.String()
				return nil
			}); err != nil {
				state = err.Error()
			}
			acted <- state
		}()
		select {
		case state := <-acted:
			t.Errorf("an act decided during a save, on %s", state)
		case <-time.After(50 * time.Millisecond):
		}
	})
	h.tick("temperature,sensor=a celsius=-5")
	if state := <-acted; state != "firing" {
		t.Errorf("it decided on %s", state)
	}
}
