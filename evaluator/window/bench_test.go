package window_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/window"
	"github.com/9bikes/tocsin/rules"
)

// canned is a source that costs nothing: 1,000 hosts with points of ten fields,
// 10 s apart.
type canned struct{ rows []evaluator.Row }

func (c *canned) Query(_ context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	for i, q := range queries {
		row := evaluator.Row{At: q.To, Values: make([]float64, len(q.Columns))}
		for _, r := range c.rows {
			row.Series = r.Series
			for end := q.From.Add(q.Step); q.Step > 0 && end.Before(q.To); end = end.Add(q.Step) {
				row.At = end
				each(i, row)
			}
			row.At = q.To
			each(i, row)
		}
	}
	return make([]error, len(queries))
}

func (c *canned) Scan(_ context.Context, scans []evaluator.Scan, each func(int, evaluator.Row)) []error {
	for i, s := range scans {
		for at := s.From.Truncate(10 * time.Second).Add(10 * time.Second); !at.After(s.To); at = at.Add(10 * time.Second) {
			for _, row := range c.rows {
				row.At, row.Values = at, row.Values[:len(s.Fields)]
				each(i, row)
			}
		}
	}
	return make([]error, len(scans))
}

// BenchmarkTick is a tick of ten fields over windows of several lengths, without
// what the source takes.
func BenchmarkTick(b *testing.B) {
	for _, length := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		b.Run(length.String(), func(b *testing.B) {
			source := &canned{}
			for i := range 1000 {
				source.rows = append(source.rows, evaluator.Row{
					Series: rules.Series(fmt.Sprint("host=h", i)), Values: []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
				})
			}
			k := window.New(source, window.Options{Pays: always, Renew: 1000 * time.Hour, Memory: 1 << 30})
			q := evaluator.Query{Measurement: "m", GroupBy: []string{"host"}}
			for i := range 10 {
				q.Columns = append(q.Columns, evaluator.Column{Field: fmt.Sprint("f", i), Aggregation: rules.Mean})
			}
			q.To = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
			tick := func() {
				q.To = q.To.Add(10 * time.Second)
				q.From = q.To.Add(-length)
				rows := 0
				k.Query(b.Context(), []evaluator.Query{q}, func(int, evaluator.Row) { rows++ })
				if rows != 1000 {
					b.Fatalf("%d rows", rows)
				}
			}
			for range 4 {
				tick()
			}
			b.ReportAllocs()
			for b.Loop() {
				tick()
			}
		})
	}
}

// slow is a source whose questions take a while, and its scans no less.
type slow struct {
	*canned
	scans int
}

func (s *slow) Scan(ctx context.Context, scans []evaluator.Scan, each func(int, evaluator.Row)) []error {
	s.scans += len(scans)
	return s.canned.Scan(ctx, scans, each)
}

// TestSmallQuestionsAreNotTriedForEver: thousands of questions about a series each
// are asked in full, of which a few were tried to know that it is cheaper.
func TestSmallQuestionsAreNotTriedForEver(t *testing.T) {
	source := &slow{canned: &canned{rows: []evaluator.Row{{Values: []float64{1}}}}}
	never := func(_, _ time.Duration) bool { return false }
	k := window.New(source, window.Options{Pays: never})
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for range 30 {
		at = at.Add(30 * time.Second)
		queries := make([]evaluator.Query, 1000)
		for i := range queries {
			queries[i] = evaluator.Query{
				Measurement: fmt.Sprint("m", i), From: at.Add(-time.Minute), To: at,
				Columns: []evaluator.Column{{Field: "f", Aggregation: rules.Mean}},
			}
		}
		rows := 0
		for _, err := range k.Query(t.Context(), queries, func(int, evaluator.Row) { rows++ }) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if rows != len(queries) {
			t.Fatalf("%d rows of %d questions", rows, len(queries))
		}
	}
	if source.scans > 25 {
		t.Errorf("%d of 1000 questions were tried, want some 20", source.scans)
	}
}
