package evaluator_test

import (
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// TestAnEditIsPlannedAnew: a rule that this process changed measures the new
// thing at the next tick.
func TestAnEditIsPlannedAnew(t *testing.T) {
	h := newHouse(t)
	doc := rules.Doc{}
	for k, v := range freezerDoc {
		doc[k] = v
	}
	doc["for"] = "0s"
	r := h.rule(doc)
	h.tick("temperature,sensor=a celsius=-18", "humidity,sensor=a percent=80")
	h.wantOwed()
	err := h.book.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
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

// TestARenamedParentIsFollowed: a rule that depends on another by name finds
// it under its new name, and nobody under the old one.
func TestARenamedParentIsFollowed(t *testing.T) {
	h := newHouse(t)
	doc := func(name string, more rules.Doc) rules.Doc {
		out := rules.Doc{"name": name, "title": name, "for": "0s"}
		for k, v := range freezerDoc {
			if out[k] == nil {
				out[k] = v
			}
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	parent := h.rule(doc("router", nil))
	h.rule(doc("child", rules.Doc{"depends_on": []any{"router"}}))
	err := h.book.Act(t.Context(), h.now, parent.ID, func(s rules.Setting, l *rules.Ledger) error {
		next := l.Rule
		next.Name = "gateway"
		l.Edit(s, next, rules.Actor{Name: "anna", Door: "web"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.tick("temperature,sensor=a celsius=-2")
	h.wantOwed(rules.FirstNews, rules.FirstNews) // nobody is called router
}
