package evaluator_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

// begin is when the tests of single parts take place.
var begin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// asking remembers what a source is asked, and may refuse it.
type asking struct {
	evaluator.Source
	asked []evaluator.Query
	idle  int // calls without a query
	err   error
}

func (a *asking) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	if a.asked = append(a.asked, queries...); len(queries) == 0 {
		a.idle++
	}
	if a.err != nil {
		return slices.Repeat([]error{a.err}, len(queries))
	}
	return a.Source.Query(ctx, queries, each)
}

// speaker is a source that takes statements of its users; the value of each is the
// second of its window's end.
type speaker struct {
	evaluator.Source
	err error
}

func (s speaker) CheckStatement(evaluator.Statement) error { return s.err }

func (s speaker) ExplainStatement(q evaluator.Statement) string { return q.Text }

func (s speaker) Read(_ context.Context, q evaluator.Statement, each func(evaluator.Row)) error {
	each(evaluator.Row{Series: "host=a", At: q.To, Values: []float64{float64(q.To.Second())}})
	each(evaluator.Row{Series: "host=b", At: q.To, Values: []float64{math.NaN()}})
	return s.err
}

// paced is a source that takes its time.
type paced struct {
	evaluator.Source
	takes time.Duration
	ahead time.Duration // of its clock, the end of a window at most
}

func (p *paced) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	for _, q := range queries {
		p.ahead = max(p.ahead, time.Until(q.To))
	}
	time.Sleep(p.takes)
	return p.Source.Query(ctx, queries, each)
}

// TestHowFarAStatementReaches: 31 days, or its window.
func TestHowFarAStatementReaches(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Hour:        744 * time.Hour,
		1000 * time.Hour: 1000 * time.Hour,
	} {
		s := evaluator.Statement{From: begin.Add(-window), To: begin}
		if got := s.Reach(); got != want {
			t.Errorf("%s reaches %s, want %s", window, got, want)
		}
	}
}
