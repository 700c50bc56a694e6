package lookup

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Seen is when a series that a rule looks at last had a point, and what
// it was.
type Seen struct {
	Series rules.Series
	At     time.Time
	Value  float64 // NaN of text
	Text   string
}

// farBack are how far back last points are looked for: near first, because far
// is work for the source.
var farBack = []rules.Duration{2 * rules.Week, 52 * rules.Week}

// LastSeen finds the series of a rule in the data, also those that are silent,
// the newest point first. A rule without a field, or with inputs or a query of
// its own, has none that can be looked up.
func LastSeen(ctx context.Context, s evaluator.Source, r rules.Rule, now time.Time) (out []Seen, err error) {
	if s == nil || r.Measurement == "" {
		return nil, nil
	}
	field := r.Field
	if field == "" {
		fields, err := s.Fields(ctx, r.Measurement)
		if err != nil || len(fields) == 0 {
			return nil, err
		}
		for name := range fields {
			field = max(field, name)
		}
	}
	for _, back := range farBack {
		q := evaluator.Query{
			Measurement: r.Measurement, Columns: []evaluator.Column{{Field: field, Aggregation: rules.Latest}}, Where: r.Where,
			GroupBy: r.GroupBy, From: now.Add(-back.Std()), To: now,
		}
		err := evaluator.Ask(ctx, s, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
			seen := Seen{Series: row.Series, At: row.Last, Value: row.Values[0]}
			if seen.At.IsZero() {
				seen.At = row.At
			}
			seen.Text, _ = row.Text(0)
			out = append(out, seen)
		})
		if err != nil || len(out) > 0 {
			slices.SortFunc(out, func(a, b Seen) int { return b.At.Compare(a.At) })
			return out, err
		}
	}
	return nil, nil
}
