package insight

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// enoughPoints is how many points a series needs for a cadence.
const enoughPoints = 6

// looks are how far before the last point a cadence is looked for, and how finely
// points are told apart there.
var looks = []struct{ back, step time.Duration }{
	{10 * time.Minute, time.Second},
	{2 * time.Hour, 10 * time.Second},
	{24 * time.Hour, time.Minute},
	{14 * 24 * time.Hour, 10 * time.Minute},
}

// cadence finds the usual gap between the points of the series in the middle: of
// those that came, however long ago it began and whatever is missing.
func cadence(ctx context.Context, s evaluator.Source, v *MeasurementView, tags []string, field string,
	last time.Time,
) error {
	for _, look := range looks {
		type series struct {
			name   rules.Series
			points float64
		}
		var all []series
		q := evaluator.Query{
			Measurement: v.Name, Columns: []evaluator.Column{{Field: field, Aggregation: rules.Count}}, GroupBy: tags,
			From: last.Add(-look.back), To: last,
		}
		if err := evaluator.Ask(ctx, s, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
			if n := row.Values[0]; n > 0 {
				all = append(all, series{row.Series, n})
			}
		}); err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b series) int {
			return cmp.Or(cmp.Compare(a.points, b.points), cmp.Compare(a.name, b.name))
		})
		if v.Series = len(all); v.Series == 0 || all[len(all)/2].points < enoughPoints {
			continue
		}
		q.GroupBy, q.Step, q.Where = nil, look.step, rules.Filter{}
		for tag, value := range all[len(all)/2].name.Labels() {
			q.Where[tag] = []string{value}
		}
		gap, err := usualGap(ctx, s, q)
		v.Cadence = rules.Duration(gap)
		return err
	}
	return nil
}

// usualGap is the one in the middle of those between the steps that have points;
// where they have several, their share of a step.
func usualGap(ctx context.Context, s evaluator.Source, q evaluator.Query) (time.Duration, error) {
	var at []time.Time
	points := 0.0
	if err := evaluator.Ask(ctx, s, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
		if n := row.Values[0]; n > 0 {
			at, points = append(at, row.At), points+n
		}
	}); err != nil || len(at) == 0 {
		return 0, err
	}
	slices.SortFunc(at, time.Time.Compare)
	var gaps []time.Duration
	for i := range at[1:] {
		gaps = append(gaps, at[i+1].Sub(at[i]))
	}
	slices.Sort(gaps)
	usual := q.Step
	if len(gaps) > 0 {
		usual = gaps[len(gaps)/2]
	}
	perStep := points / float64(len(at))
	if perStep < 1.5 {
		return usual, nil
	}
	gap := time.Duration(math.Round(float64(min(usual, q.Step)) / perStep))
	return cmp.Or(gap.Round(10*time.Millisecond), gap), nil
}
