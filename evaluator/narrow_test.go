package evaluator_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// TestFewOfManyAreAskedForByName: a query that brings many series of which few
// are taken is replaced by some that list what is taken; each rule goes on
// seeing its own.
func TestFewOfManyAreAskedForByName(t *testing.T) {
	for _, tt := range []struct {
		name         string
		hosts, rules int
		most         int   // hosts of a rule
		want         int64 // queries after the first tick
	}{
		{"120 of 1000", 1000, 120, 2, 2},
		{"500 of 1000 share one", 1000, 500, 2, 1},
		{"120 of 300, which is little", 300, 120, 2, 1},
		{"120 of 500, which is enough", 500, 120, 2, 2},
		{"three tenths share one", 1010, 303, 2, 1},
		{"200 are two lists", 1000, 200, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			source := &counted{Source: h.points}
			h.engine.Add("live", source, evaluator.SourceOptions{})
			var ids []string
			for n := range tt.rules {
				ids = append(ids, h.rule(rules.Doc{
					"title": fmt.Sprint("Rule ", n), "measurement": "m", "field": "f",
					"where":     rules.Doc{"host": []any{fmt.Sprint("h", n), fmt.Sprint("h", n+1)}[:1+n%tt.most]},
					"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": 1e6},
				}).ID)
			}
			var lines []string
			for n := range tt.hosts {
				lines = append(lines, fmt.Sprintf("m,host=h%d f=%d", n, n))
			}
			h.tick(lines...)
			if got := source.queries.Swap(0); got != 1 {
				t.Errorf("the first tick took %d queries, want 1", got)
			}
			h.tick(lines...)
			if got := source.queries.Load(); got != tt.want {
				t.Errorf("the second tick took %d queries, want %d", got, tt.want)
			}
			for n := range tt.rules {
				want := float64(n) + float64(n%tt.most)/2
				if !h.ledgers.View(ids[n], func(l *rules.Ledger) {
					if in := l.Instance(""); in == nil || math.Abs(in.Value-want) > 1e-9 || !l.Judged.Equal(h.now) {
						t.Errorf("rule %d sees %+v, want %v", n, in, want)
					}
				}) {
					t.Errorf("no rule %d", n)
				}
			}
		})
	}
}

// TestARuleOfAWholeListIsAskedForByName: a hundred values are one list.
func TestARuleOfAWholeListIsAskedForByName(t *testing.T) {
	for most, want := range map[int]int64{100: 2, 101: 1} {
		h := newHouse(t)
		source := &counted{Source: h.points}
		h.source = source
		h.restart()
		var hosts []any
		var lines []string
		for n := range 1000 {
			lines = append(lines, fmt.Sprintf("m,host=h%d f=%d", n, n))
			if n < most {
				hosts = append(hosts, fmt.Sprint("h", n))
			}
		}
		for title, where := range map[string]any{"Many": hosts, "One": "h999"} {
			h.rule(rules.Doc{
				"title": title, "measurement": "m", "field": "f", "where": rules.Doc{"host": where},
				"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": 1e6},
			})
		}
		h.tick(lines...)
		source.queries.Store(0)
		h.tick(lines...)
		if got := source.queries.Load(); got != want {
			t.Errorf("a rule of %d hosts: the second tick took %d queries, want %d", most, got, want)
		}
	}
}
