package evaluator_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// picky is a source that refuses some queries.
type picky struct {
	evaluator.Source
	refuse func(q evaluator.Query) error
}

func (p *picky) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	errs := p.Source.Query(ctx, queries, each)
	for i, q := range queries {
		if p.refuse != nil {
			errs[i] = errors.Join(errs[i], p.refuse(q))
		}
	}
	return errs
}

// refusing refuses the queries about these measurements.
func refusing(code rules.Code, measurements ...string) func(evaluator.Query) error {
	return func(q evaluator.Query) error {
		for _, m := range measurements {
			if q.Measurement == m {
				return rules.Errorf(code, "the query about %s is refused", m)
			}
		}
		return nil
	}
}

func pickyHouse(t *testing.T) (*house, *picky) {
	h := newHouse(t)
	source := &picky{Source: h.points}
	h.options.Operators = func() []string { return []string{"ops"} }
	h.options.Every = 30 * time.Second
	h.alive = &signs{}
	h.options.Alive = h.alive.add
	h.source = source
	h.restart()
	return h, source
}

// rooms are rules on a measurement each, so that each has a query of its own.
func (h *house) rooms(n int) (measurements, lines []string) {
	for i := range n {
		m := fmt.Sprintf("room%02d", i)
		h.rule(rules.Doc{
			"title": m, "measurement": m, "field": "celsius",
			"condition": rules.Doc{"aggregation": "mean", "window": "30s", "operator": ">", "value": 30.0},
		})
		measurements, lines = append(measurements, m), append(lines, m+" celsius=20")
	}
	return measurements, lines
}

func (h *house) health() evaluator.SourceHealth {
	return h.engine.Health()[0]
}

// TestASourceThatRefusesItsRulesIsDown: whether it does not answer or answers
// everything with an error, nobody is watched over. Errors are no silence:
// neither an absence nor no_data fires on them, and nothing resolves.
func TestASourceThatRefusesItsRulesIsDown(t *testing.T) {
	for _, code := range []rules.Code{rules.Invalid, rules.Internal, rules.NotFound, rules.Forbidden} {
		t.Run(string(code), func(t *testing.T) {
			h, source := pickyHouse(t)
			h.rule(rules.Doc{
				"title": "Hot", "measurement": "oven", "field": "celsius", "group_by": "sensor", "no_data": "alert",
				"condition": rules.Doc{"aggregation": "mean", "window": "30s", "operator": ">", "value": 90.0},
			})
			h.rule(rules.Doc{
				"title": "Silent", "measurement": "oven", "field": "celsius", "group_by": "sensor",
				"condition": rules.Doc{"type": "absence", "window": "1m"},
			})
			h.rule(rules.Doc{
				"title": "Few", "measurement": "oven", "field": "celsius", "group_by": "sensor",
				"condition": rules.Doc{"aggregation": "count", "window": "1m", "operator": "<", "value": 1.0},
			})
			lines := []string{"oven,sensor=a celsius=99", "oven,sensor=b celsius=20"}
			h.tick(lines...)
			h.wantOwed(rules.FirstNews)
			before := h.engine.Stats().Plans
			source.refuse = refusing(code, "oven")
			for i := range 8 {
				h.tick(lines...)
				if got, want := h.health().Outage, i >= 4; got != want {
					t.Errorf("%d ticks into it an outage is %v", i+1, got)
				}
				got := h.told()
				if i != 4 && got != "" || i == 4 &&
					(strings.Count(got, "\n") != 0 || !strings.HasPrefix(got, "Source live answers with errors since")) {
					t.Errorf("%d ticks into it told %q", i+1, got)
				}
			}
			source.refuse = nil
			for range 4 {
				h.tick(lines...)
				h.settled()
			}
			if got := h.told(); strings.Count(got, "\n") != 0 || !strings.HasPrefix(got, "Source live is back; it ") {
				t.Errorf("told afterwards: %q", got)
			}
			if got := h.health(); !got.OK || got.Outage || got.Error != "" {
				t.Errorf("afterwards it is %+v", got)
			}
			h.tick(lines...)
			if after := h.engine.Stats().Plans; after != before {
				t.Errorf("%d queries are planned, before the outage %d", after, before)
			}
		})
	}
}

// TestLessThanATenthIsAnOutage, a tenth is not: then the rules are told of that
// cannot be judged, in one message, and once that they are judged again.
func TestLessThanATenthIsAnOutage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		code    rules.Code
		refused int
		told    string
		over    string
	}{
		{"one of twenty answered", rules.Invalid, 19, "Source live answers with errors since", "Source live is back"},
		{
			"two of twenty answered", rules.Invalid, 18, "18 rules: cannot be judged: room00, not judged since",
			"18 rules: judged again",
		},
		{"none answered", rules.Unavailable, 20, "Source live does not answer since", "Source live is back"},
		{
			"two of twenty answered, the others not", rules.Unavailable, 18,
			"18 rules: cannot be judged: room00, not judged since", "18 rules: judged again",
		},
		{
			"one refused", rules.Invalid, 1, "Rule room00: cannot be judged: room00, not judged since",
			"Rule room00: judged again",
		},
		{
			"one never answered in time", rules.Unavailable, 1, "Rule room00: cannot be judged: room00, not judged since",
			"Rule room00: judged again",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, source := pickyHouse(t)
			measurements, lines := h.rooms(20)
			h.tick(lines...)
			source.refuse = refusing(tt.code, measurements[:tt.refused]...)
			var told []string
			for range 12 {
				h.tick(lines...)
				h.settled()
				if got := h.told(); got != "" {
					told = append(told, got)
				}
			}
			if len(told) != 1 || !strings.HasPrefix(told[0], tt.told) {
				t.Errorf("told of it: %q, want once %q", told, tt.told)
			}
			if got, want := h.health().Outage, strings.HasPrefix(tt.told, "Source"); got != want {
				t.Errorf("an outage is %v", got)
			}
			source.refuse, told = nil, nil
			for range 6 {
				h.tick(lines...)
				h.settled()
				if got := h.told(); got != "" {
					told = append(told, got)
				}
			}
			if len(told) != 1 || !strings.HasPrefix(told[0], tt.over) {
				t.Errorf("told afterwards: %q, want once %q", told, tt.over)
			}
		})
	}
}

// TestARuleThatIsTakenAwayIsNotToldOf: who deletes it knows.
func TestARuleThatIsTakenAwayIsNotToldOf(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(3)
	source.refuse = refusing(rules.Invalid, measurements[0])
	for range 6 {
		h.tick(lines...)
	}
	if got := h.told(); !strings.HasPrefix(got, "Rule room00: cannot be judged") {
		t.Errorf("told %q", got)
	}
	if err := h.ledgers.Act(t.Context(), h.now, "rroom00", func(s rules.Setting, l *rules.Ledger) error {
		l.Delete(s, rules.Actor{Name: "test", Door: "cli"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		h.tick(lines...)
	}
	if got := h.told(); got != "" {
		t.Errorf("told after it was deleted: %q", got)
	}
	if _, troubled := h.engine.Trouble("rroom00"); troubled {
		t.Error("its trouble is remembered")
	}
}

// TestOneRuleThatFailsHoldsUpNobody: the others are judged at each tick, and
// what one did not get is no gap of theirs.
func TestOneRuleThatFailsHoldsUpNobody(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(3)
	h.tick(lines...)
	source.refuse = refusing(rules.Unavailable, measurements[0])
	for range 10 {
		h.tick(lines...)
		h.settled()
	}
	h.told()
	before := h.engine.Stats().QueriesTotal
	h.tick(lines...)
	h.settled()
	if got := h.engine.Stats().QueriesTotal - before; got != 3 {
		t.Errorf("a tick took %d queries, want one for each rule: nothing is to be judged again", got)
	}
	h.tick("room00 celsius=20", "room01 celsius=99", "room02 celsius=20")
	h.settled()
	if got := h.told(); got != "first " {
		t.Errorf("told %q, want the first message about room01", got)
	}
}

// TestAnErrorAboutOneInputIsNoSilenceOfAnother: what is asked again after a
// refusal must not cost what was answered.
func TestAnErrorAboutOneInputIsNoSilenceOfAnother(t *testing.T) {
	h, source := pickyHouse(t)
	h.rule(rules.Doc{"title": "Sum", "no_data": "alert", "condition": rules.Doc{
		"type": "expression", "expr": "a + b > 90",
		"inputs": rules.Doc{
			"a": rules.Doc{"measurement": "alpha", "field": "v", "aggregation": "mean", "window": "30s"},
			"b": rules.Doc{"measurement": "beta", "field": "v", "aggregation": "mean", "window": "30s"},
		},
	}})
	h.rule(rules.Doc{
		"title": "Beta", "measurement": "beta", "field": "w",
		"condition": rules.Doc{"aggregation": "mean", "window": "30s", "operator": ">", "value": 90.0},
	})
	lines := []string{"alpha v=1", "beta v=2,w=3"}
	h.tick(lines...)
	source.refuse = func(q evaluator.Query) error {
		if q.Measurement == "beta" && len(q.Columns) > 1 {
			return rules.Errorf(rules.Invalid, "two at once are refused")
		}
		return nil
	}
	for range 2 {
		h.tick(lines...)
	}
	h.wantOwed()
	if x, troubled := h.engine.Trouble("rsum"); troubled {
		t.Errorf("it is not judged: %v", x.Err)
	}
	h.tick("alpha v=50", "beta v=50,w=3")
	h.wantOwed(rules.FirstNews)
}

// TestAWeeklyRuleDoesNotDecideOnItsSource: what was judged just now says more
// than what failed at a tick long ago.
func TestAWeeklyRuleDoesNotDecideOnItsSource(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(12)
	for _, m := range measurements[1:] {
		err := h.ledgers.Act(t.Context(), h.now, "r"+m, func(s rules.Setting, l *rules.Ledger) error {
			next := l.Rule
			next.Every = "1h"
			l.Edit(s, next, rules.Actor{Name: "test", Door: "cli"})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	nextHour := func() { h.now = h.now.Truncate(time.Hour).Add(time.Hour - 30*time.Second) }
	nextHour()
	h.tick(lines...) // all are due
	h.settled()
	h.told()
	source.refuse = refusing(rules.Invalid, measurements[0])
	for range 8 { // one of them
		h.tick(lines...)
	}
	if got := h.told(); !strings.HasPrefix(got, "Rule room00: cannot be judged") {
		t.Errorf("told %q", got)
	}
	nextHour()
	source.refuse = refusing(rules.Invalid, measurements...)
	h.tick(lines...)
	h.settled()
	if h.health().OK {
		t.Error("a source that refuses all is well")
	}
	source.refuse = nil
	h.tick(lines...)
	h.settled()
	if got := h.health(); !got.OK {
		t.Errorf("a source that answers all it is asked: %+v", got)
	}
}

// TestOneRuleOffTheBeatDoesNotDecideOnItsSource: at the ticks that are its alone
// it is all that was asked, and still it is one of many.
func TestOneRuleOffTheBeatDoesNotDecideOnItsSource(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(12)
	err := h.ledgers.Act(t.Context(), h.now, "r"+measurements[0], func(s rules.Setting, l *rules.Ledger) error {
		next := l.Rule
		next.Every = "10s"
		l.Edit(s, next, rules.Actor{Name: "test", Door: "cli"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	step := func(lines ...string) {
		h.now = h.now.Add(10 * time.Second)
		h.write(lines...)
		if err := h.engine.Tick(t.Context(), h.now); err != nil {
			t.Error(err)
		}
		h.settled()
	}
	for range 6 {
		step(lines...)
	}
	source.refuse = refusing(rules.Unavailable, measurements[0])
	for range 60 {
		step(lines...)
	}
	if got := h.told(); strings.Contains(got, "\n") || !strings.HasPrefix(got, "Rule room00: cannot be judged") {
		t.Errorf("told of it: %q", got)
	}
	if got := h.health(); !got.OK {
		t.Errorf("the source is %+v", got)
	}
	for range 6 {
		step(append(lines[:5:5], "room05 celsius=99")...)
	}
	if got := h.told(); got != "first " {
		t.Errorf("told %q, want the first message about room05", got)
	}
}

// TestOneRuleThatFailsNowAndThenHoldsUpNobody: whatever of it is to be judged
// again, the others are never behind.
func TestOneRuleThatFailsNowAndThenHoldsUpNobody(t *testing.T) {
	for _, share := range []float64{0.3, 0.5, 0.7} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			h, source := pickyHouse(t)
			measurements, lines := h.rooms(12)
			h.tick(lines...)
			chance := rand.New(rand.NewPCG(1, 2))
			source.refuse = func(q evaluator.Query) error {
				if q.Measurement == measurements[0] && chance.Float64() < share {
					return rules.Errorf(rules.Unavailable, "it takes too long")
				}
				return nil
			}
			for range 100 {
				h.tick(lines...)
				h.settled()
				h.ledgers.View("r"+measurements[5], func(l *rules.Ledger) {
					if lag := h.now.Sub(l.Judged); lag > 0 {
						t.Errorf("another rule is %s behind", lag)
					}
				})
			}
			if got := h.health(); !got.OK {
				t.Errorf("the source is %+v", got)
			}
		})
	}
}

// TestWhatCouldNotBeBookedIsToldLater: that a source is down, and that a rule
// cannot be judged, each once, whatever the database does when it is time.
func TestWhatCouldNotBeBookedIsToldLater(t *testing.T) {
	gone := errors.New("the disk does not answer")
	for name, fault := range map[string]func(*meddled){
		"what others changed cannot be seen": func(m *meddled) { m.moved = func() error { return gone } },
		"a ledger cannot be read": func(m *meddled) {
			m.load = func(ids []string) error {
				if slices.Contains(ids, "") {
					return gone
				}
				return nil
			}
		},
	} {
		for refused, want := range map[int]string{1: "Rule room00: cannot be judged", 2: "Source live answers with errors"} {
			t.Run(name+", "+want, func(t *testing.T) {
				h, source := pickyHouse(t)
				h.cache = 2
				h.restart()
				measurements, lines := h.rooms(2)
				tick := func() {
					h.now = h.now.Add(30 * time.Second)
					h.write(lines...)
					if err := h.engine.Tick(t.Context(), h.now); err != nil && !errors.Is(err, gone) {
						t.Error(err)
					}
					h.settled()
				}
				tick()
				source.refuse = refusing(rules.Invalid, measurements[:refused]...)
				for range 4 {
					tick()
				}
				fault(h.meddler)
				for range 3 {
					tick()
				}
				h.meddler.moved, h.meddler.load = nil, nil
				for range 3 {
					tick()
				}
				if got := h.told(); strings.Contains(got, "\n") || !strings.HasPrefix(got, want) {
					t.Errorf("told %q", got)
				}
				source.refuse = nil
				fault(h.meddler)
				tick()
				h.meddler.moved, h.meddler.load = nil, nil
				for range 6 {
					tick()
				}
				if got := h.told(); strings.Contains(got, "\n") || got == "" {
					t.Errorf("told of the end: %q", got)
				}
			})
		}
	}
}

// TestATroubleOfYesterdayHasItsDate: a time alone would be today's.
func TestATroubleOfYesterdayHasItsDate(t *testing.T) {
	h, source := pickyHouse(t)
	h.now = h.now.Truncate(24 * time.Hour).Add(24*time.Hour - time.Minute)
	measurements, lines := h.rooms(3)
	source.refuse = refusing(rules.Invalid, measurements[0])
	since := h.now.Add(30 * time.Second).Format("2006-01-02 15:04:05")
	for range 6 {
		h.tick(lines...)
	}
	if got := h.told(); !strings.Contains(got, "not judged since "+since+" UTC") {
		t.Errorf("told %q, want since %s", got, since)
	}
	source.refuse = nil
	h.tick(lines...)
	if got := h.told(); !strings.Contains(got, "not judged from "+since+" to 0") {
		t.Errorf("told afterwards %q", got)
	}
}

// TestATroubleOutlivesAReloadAndARestart: a rule that its source refuses is told
// of once, and once that it is over, however often tocsin begins anew meanwhile.
func TestATroubleOutlivesAReloadAndARestart(t *testing.T) {
	for name, again := range map[string]func(h *house){
		"a reload":  func(h *house) { h.options.Since = h.engine.Progress(); h.begin() },
		"a restart": func(h *house) { h.end(); h.begin() },
		"a kill":    func(h *house) { h.killed(false); h.begin() },
		"a loss of power": func(h *house) {
			if err := h.engine.Beat(h.Context()); err != nil {
				h.Fatal(err)
			}
			h.killed(true)
			h.begin()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, source := pickyHouse(t)
			measurements, lines := h.rooms(3)
			h.resume()
			source.refuse = refusing(rules.Invalid, measurements[0])
			since := hms(h.now.Add(30 * time.Second))
			for range 6 {
				h.tick(lines...)
			}
			if got := h.told(); !strings.HasPrefix(got, "Rule room00: cannot be judged") {
				t.Fatalf("told %q", got)
			}
			again(h)
			if x, troubled := h.engine.Trouble("rroom00"); !troubled || hms(x.Since) != since ||
				!strings.Contains(x.Text(), "is refused") {
				t.Errorf("its trouble is %+v, %t", x, troubled)
			}
			h.quietly(8, lines...)
			again(h)
			source.refuse = nil
			h.tick(lines...)
			h.settled()
			if got := h.told(); !strings.HasPrefix(got, "Rule room00: judged again: room00, not judged from "+since) ||
				strings.Contains(got, "\n") {
				t.Errorf("told of the end: %q", got)
			}
			again(h)
			h.quietly(8, lines...)
		})
	}
}

// TestATroubleThatNobodyWasToldOf counts from its beginning, also over a reload.
func TestATroubleThatNobodyWasToldOf(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(3)
	h.resume()
	source.refuse = refusing(rules.Invalid, measurements[0])
	h.quietly(3, lines...)
	h.options.Since = h.engine.Progress()
	h.begin()
	h.quietly(1, lines...)
	h.tick(lines...)
	if got := h.told(); !strings.HasPrefix(got, "Rule room00: cannot be judged") {
		t.Errorf("told %q two minutes after its beginning", got)
	}
	h.jump(-time.Hour)
	if x, _ := h.engine.Trouble("rroom00"); h.now.Sub(x.Since) != 2*time.Minute {
		t.Errorf("after a jump of the clock it began %s ago", h.now.Sub(x.Since))
	}
	h.delete("rroom00")
	h.options.Since = h.engine.Progress()
	h.begin()
	if _, troubled := h.engine.Trouble("rroom00"); troubled {
		t.Error("a rule that is gone is troubled")
	}
	h.quietly(6, lines...)
}
