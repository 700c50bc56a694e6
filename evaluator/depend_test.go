package evaluator_test

import (
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// family makes a parent that measures temperature and a child of it that
// measures humidity.
func family(h *house, child rules.Doc) {
	now := with(freezerDoc, rules.Doc{"for": "0s", "condition": rules.Doc{"operator": ">", "value": -15.0}})
	h.rule(with(now, rules.Doc{"name": "router", "title": "router"}))
	h.rule(with(now, with(rules.Doc{
		"name": "child", "title": "child", "measurement": "humidity",
		"depends_on": []any{"router"},
	}, child)))
}

const moist = "humidity,sensor=a celsius=-1"

// TestAChildIsHeldForOneOfItsTicks: after the parent is well, the child has
// one tick of its own to become well too before anybody is told (row 24).
func TestAChildIsHeldForOneOfItsTicks(t *testing.T) {
	for every, ticks := range map[string]int{"30s": 1, "2m": 4} {
		t.Run(every, func(t *testing.T) {
			h := newHouse(t)
			family(h, rules.Doc{"every": every})
			for range 5 { // the child is due within them
				h.tick(warm, moist)
			}
			h.wantOwed(rules.FirstNews)
			h.tick(cold, moist)
			h.wantOwed(rules.Resolved)
			for range ticks - 1 {
				h.tick(cold, moist)
				h.wantOwed()
			}
			h.tick(cold, moist)
			h.wantOwed(rules.FirstNews)
		})
	}
}

// TestASmallCacheForgetsNothing: what a ledger owes and holds back counts also
// when it had to leave the memory.
func TestASmallCacheForgetsNothing(t *testing.T) {
	h := newHouse(t)
	h.cache = 1
	h.restart()
	family(h, nil)
	h.tick(warm, moist)
	h.wantOwed(rules.FirstNews) // the router's
	for range 3 {
		h.tick(warm, moist)
		h.wantOwed()
	}
}

// TestWhatCoversIsReadBeforeTheDecision: while ledgers decide nobody waits for
// the store, though the parent had to leave the memory.
func TestWhatCoversIsReadBeforeTheDecision(t *testing.T) {
	h := newHouse(t)
	h.cache = 1
	h.restart()
	family(h, nil)
	h.tick(warm, moist)
	look := func() {}
	h.meddler.load = func([]string) error { look(); return nil }
	decider := func(s rules.Setting, l *rules.Ledger) error {
		look = func() { t.Error("the store is read while a ledger decides") }
		defer func() { look = func() {} }()
		if by := s.Cover(&l.Rule, l.Instance("sensor=a").Series); by == "" {
			t.Error("its parent fires, and does not cover it")
		}
		return nil
	}
	if err := h.ledgers.Act(t.Context(), h.now, "rchild", decider); err != nil {
		t.Fatal(err)
	}
}
