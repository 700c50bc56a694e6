package evaluator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// mute is a source that does not tell the times of its points.
type mute struct{ evaluator.Source }

func (m mute) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	return m.Source.Query(ctx, queries, func(i int, r evaluator.Row) {
		r.Last = time.Time{}
		each(i, r)
	})
}

// TestSilenceIsDatedByTheLastPoint, not by the tick whose window held one last,
// whether or not the source tells the times of its points.
func TestSilenceIsDatedByTheLastPoint(t *testing.T) {
	const before = 13700 * time.Millisecond
	for _, tt := range []struct {
		name string
		doc  rules.Doc
	}{
		{"absence of any field", rules.Doc{"condition": rules.Doc{"type": "absence", "window": "10m"}}},
		{"absence of a field", rules.Doc{"field": "celsius", "condition": rules.Doc{"type": "absence", "window": "1m"}}},
		{
			"a window shorter than a tick",
			rules.Doc{"field": "celsius", "condition": rules.Doc{"type": "absence", "window": "20s"}},
		},
		{"no data", rules.Doc{
			"field": "celsius", "no_data": "alert",
			"condition": rules.Doc{"aggregation": "mean", "window": "2m", "operator": ">", "value": 50.0},
		}},
	} {
		for name, told := range map[string]bool{"told": true, "not told": false} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				h := newHouse(t)
				if !told {
					h.source = mute{h.points}
				}
				h.restart()
				tt.doc["title"], tt.doc["measurement"], tt.doc["group_by"] = "Silent", "temperature", "sensor"
				h.rule(tt.doc)
				h.tick(cold, "temperature,sensor=b celsius=1")
				last := h.now.Add(30*time.Second - before)
				for line, at := range map[string]time.Time{
					cold:                             last,
					"temperature,sensor=b celsius=1": h.now.Add(29 * time.Second),
				} {
					h.writeAt(line, at)
				}
				for range 30 {
					h.tick("temperature,sensor=b celsius=1")
					for _, n := range h.ledgers.Owed(h.now) {
						if d := n.Facts.NoDataSince.Sub(last); n.Facts.Series != "sensor=a" || d < 0 || d > 2*time.Millisecond {
							t.Errorf("%s has no data since %s, want %s", n.Facts.Series, n.Facts.NoDataSince, last)
						}
						return
					}
				}
				t.Error("nobody was told")
			})
		}
	}
}

// called counts how often a source is called.
type called struct {
	evaluator.Source
	calls int
}

func (c *called) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	c.calls++
	return c.Source.Query(ctx, queries, each)
}

// TestManyThatGoSilentAreDatedAtOnce: people who are told of one must not wait
// until each of the others was looked for.
func TestManyThatGoSilentAreDatedAtOnce(t *testing.T) {
	h := newHouse(t)
	source := &called{Source: mute{h.points}}
	h.source = source
	h.restart()
	var lines []string
	for i := range 50 {
		m := fmt.Sprintf("beat%02d", i)
		h.rule(rules.Doc{"title": m, "measurement": m, "condition": rules.Doc{"type": "absence", "window": "1m"}})
		lines = append(lines, m+" n=1")
	}
	h.tick(lines...)
	told := 0
	for range 3 {
		source.calls = 0
		h.tick()
		if source.calls > 5 {
			t.Errorf("a tick took %d calls", source.calls)
		}
		for _, n := range h.ledgers.Owed(h.now) {
			if told++; n.Facts.NoDataSince.Sub(h.now.Add(-time.Minute-time.Second)).Abs() > 31*time.Second {
				t.Errorf("%s has no data since %s, at %s", n.Facts.Title, n.Facts.NoDataSince, h.now)
			}
		}
		h.owed()
	}
	if told != 50 {
		t.Errorf("told of %d", told)
	}
}

// counting counts the queries of a source that does not tell the times of its
// points, and may refuse those that look for one.
type counting struct {
	mute
	asked   int
	refuses bool
}

func (c *counting) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	c.asked += len(queries)
	errs := c.mute.Query(ctx, queries, each)
	for i, q := range queries {
		if c.refuses && q.To.Sub(q.From) != time.Minute {
			errs[i] = rules.Errorf(rules.Unavailable, "that takes too long")
		}
	}
	return errs
}

// TestASilenceIsDatedWhenItIsTold: not while it waits for that, nor where nobody
// is told of it, and once only, also if the source does not say when. All that is
// asked is counted.
func TestASilenceIsDatedWhenItIsTold(t *testing.T) {
	absent := rules.Doc{"condition": rules.Doc{"type": "absence", "window": "1m"}}
	hot := rules.Doc{
		"field": "celsius", "no_data": "alert",
		"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": 50.0},
	}
	for _, tt := range []struct {
		name    string
		doc     rules.Doc
		refuses bool
		at      int // the tick after the last point at which it is dated, 0 for none
		told    bool
	}{
		{"at once", absent, false, 2, true},
		{"after its for", with(absent, rules.Doc{"for": "2m"}), false, 6, true},
		{"no data", with(hot, rules.Doc{"for": "1m"}), false, 4, true},
		{"the source does not say", absent, true, 2, true},
		{"nobody minds", with(hot, rules.Doc{"no_data": "keep"}), false, 0, false},
		{"a count", rules.Doc{
			"field":     "celsius",
			"condition": rules.Doc{"aggregation": "count", "window": "1m", "operator": "<", "value": 1.0},
		}, false, 0, true},
		{
			"not in its hours", with(absent, rules.Doc{"active": rules.Doc{"hours": "00:00-00:01", "zone": "UTC"}}), false, 0,
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			source := &counting{mute: mute{h.points}, refuses: tt.refuses}
			h.source = source
			h.now = h.now.Truncate(24 * time.Hour).Add(12 * time.Hour)
			h.restart()
			h.rule(with(tt.doc, rules.Doc{"title": "Silent", "measurement": "temperature", "group_by": "sensor"}))
			h.tick(cold)
			told := false
			for i := range 12 {
				source.asked = 0
				before := h.engine.Stats().QueriesTotal
				h.tick()
				if dated := source.asked > 1; dated != (i+1 == tt.at) {
					t.Errorf("tick %d after the last point asked %d queries", i+1, source.asked)
				}
				if got := h.engine.Stats().QueriesTotal - before; got != source.asked {
					t.Errorf("counted are %d queries of %d", got, source.asked)
				}
				told = told || len(h.owed()) > 0
			}
			if told != tt.told {
				t.Errorf("told: %t", told)
			}
		})
	}
}
