package evaluator_test

import (
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// TestAnEditIsPlannedAnew: a rule that this process changed measures the new
// thing at the next tick.
func TestAnEditIsPlannedAnew(t *testing.T) {
	h := newHouse(t)
	r := h.rule(with(freezerDoc, rules.Doc{"for": "0s"}))
	h.tick("temperature,sensor=a celsius=-18", "humidity,sensor=a percent=80")
	h.wantOwed()
	err := h.ledgers.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
		next := l.Rule
		next.Measurement, next.Field = "humidity", "percent"
		l.Edit(s, next, rules.Actor{Name: "anna", Door: "web"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.tick("temperature,sensor=a celsius=-18", "humidity,sensor=a percent=80")
	h.wantOwed(rules.FirstNews)
}

// TestARenamedParentIsFollowed: a rule that depends on another by name is not
// held back by one that has given that name up.
func TestARenamedParentIsFollowed(t *testing.T) {
	h := newHouse(t)
	named := func(name string, more rules.Doc) rules.Doc {
		return with(with(freezerDoc, rules.Doc{"name": name, "title": name, "for": "0s"}), more)
	}
	parent := h.rule(named("router", nil))
	h.tick(warm)
	h.wantOwed(rules.FirstNews)
	h.rule(named("child", rules.Doc{"depends_on": []any{"router"}}))
	h.tick(warm)
	h.wantOwed() // the router is down
	err := h.ledgers.Act(t.Context(), h.now, parent.ID, func(s rules.Setting, l *rules.Ledger) error {
		next := l.Rule
		next.Name = "gateway"
		l.Edit(s, next, rules.Actor{Name: "anna", Door: "web"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.tick(warm)
	h.wantOwed(rules.FirstNews) // nobody is called router
}
