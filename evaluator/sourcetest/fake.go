package sourcetest

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

// Asking remembers what a source is asked, and may refuse it.
type Asking struct {
	evaluator.Source
	Asked []evaluator.Query
	Idle  int // calls without a query
	Err   error
}

// Query asks the source, unless there is an error.
func (a *Asking) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	if a.Asked = append(a.Asked, queries...); len(queries) == 0 {
		a.Idle++
	}
	if a.Err != nil {
		return slices.Repeat([]error{a.Err}, len(queries))
	}
	return a.Source.Query(ctx, queries, each)
}

// Paced is a source that takes its time.
type Paced struct {
	evaluator.Source
	Takes time.Duration
	Ahead time.Duration // of its clock, the end of a window at most
}

// Query asks the source after a while.
func (p *Paced) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	for _, q := range queries {
		p.Ahead = max(p.Ahead, time.Until(q.To))
	}
	time.Sleep(p.Takes)
	return p.Source.Query(ctx, queries, each)
}

// Speaker is a source that takes statements of its users; the value of each is the
// second of its window's end.
type Speaker struct {
	evaluator.Source
	Err error
}

// CheckStatement refuses with the error.
func (s Speaker) CheckStatement(evaluator.Statement) error { return s.Err }

// ExplainStatement is its text.
func (s Speaker) ExplainStatement(q evaluator.Statement) string { return q.Text }

// Read has a row with a value and one without.
func (s Speaker) Read(_ context.Context, q evaluator.Statement, each func(evaluator.Row)) error {
	each(evaluator.Row{Series: "host=a", At: q.To, Values: []float64{float64(q.To.Second())}})
	each(evaluator.Row{Series: "host=b", At: q.To, Values: []float64{math.NaN()}})
	return s.Err
}
