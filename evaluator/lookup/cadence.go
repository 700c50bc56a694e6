package lookup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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

// Cadence is how often the points of a query's groups come.
type Cadence struct {
	Series int            // that had a point where it was looked at
	Gap    rules.Duration // between two points of the series in the middle; zero: not known
}

// FindCadence finds the usual gap between the points of the series in the middle:
// of those that came, however long ago it began and whatever is missing. The query
// names a field, a filter and the tags that tell series apart; last is where to
// look back from.
func FindCadence(ctx context.Context, s evaluator.Source, q evaluator.Query, last time.Time) (c Cadence, err error) {
	field := q.Columns[0].Field
	for _, look := range looks {
		q.Columns = []evaluator.Column{{Field: field, Aggregation: rules.Count}}
		q.From, q.To = last.Add(-look.back), last
		all, err := countPoints(ctx, s, q)
		if err != nil {
			return c, err
		}
		if c.Series = len(all); c.Series == 0 || all[len(all)/2].points < enoughPoints {
			continue
		}
		one := q
		one.GroupBy, one.Step, one.Where = nil, look.step, maps.Clone(q.Where)
		if one.Where == nil {
			one.Where = rules.Filter{}
		}
		for tag, value := range all[len(all)/2].name.Labels() {
			one.Where[tag] = []string{value}
		}
		gap, err := usualGap(ctx, s, one)
		c.Gap = rules.Duration(gap)
		return c, err
	}
	return c, nil
}

// pointsOf is how many points a series has.
type pointsOf struct {
	name   rules.Series
	points float64
}

// countPoints counts the points of each series, the fewest first.
func countPoints(ctx context.Context, s evaluator.Source, q evaluator.Query) (all []pointsOf, err error) {
	err = evaluator.Ask(ctx, s, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
		if n := row.Values[0]; n > 0 {
			all = append(all, pointsOf{row.Series, n})
		}
	})
	slices.SortFunc(all, func(a, b pointsOf) int {
		return cmp.Or(cmp.Compare(a.points, b.points), cmp.Compare(a.name, b.name))
	})
	return all, err
}

// mostCadence bounds the look for the cadence of a rule.
const mostCadence = 5 * time.Second

// SparseWarning says that the points of a rule come more rarely than its window
// is long, so that between them it judges nothing; nothing when they do not, or
// when the source does not tell.
func SparseWarning(ctx context.Context, s evaluator.Source, r rules.Rule, now time.Time) []string {
	c := r.Condition
	held := c.Type == rules.Threshold && c.HoldsLast() && c.StaleAfter == 0
	if r.Unchecked || s == nil || !held && c.Type != rules.Forecast {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mostCadence)
	defer cancel()
	found, err := FindCadence(ctx, s, evaluator.Query{
		Measurement: r.Measurement, Columns: []evaluator.Column{{Field: r.Field}}, Where: r.Where, GroupBy: r.GroupBy,
	}, now)
	never := ""
	if r.For > c.Window {
		never = fmt.Sprintf(", and for (%s) is never reached", r.For)
	}
	switch {
	case err != nil || found.Series == 0:
		return nil
	case c.Type == rules.Forecast:
		return fewForALine(r, found)
	case found.Gap > c.Window:
		return []string{fmt.Sprintf("the points of %s come about every %s, more rarely than the window (%s): between them "+
			"nothing is judged%s; with stale_after %s in the condition the last value counts until the next",
			r.What(), found.Gap, c.Window, never, holdFor(found.Gap))}
	case found.Gap == 0 && never != "":
		return []string{fmt.Sprintf("for (%s) is longer than the window (%s), and the points of %s are too few to tell how "+
			"often they come: where they come more rarely than the window nothing is judged between them%s; with "+
			"stale_after 1d in the condition the last value counts until the next", r.For, c.Window, r.What(), never)}
	}
	return nil
}

// fewForALine says that a forecast's window rarely holds what makes a line.
func fewForALine(r rules.Rule, found Cadence) []string {
	least := evaluator.LinePoints * found.Gap
	if least <= r.Condition.Window {
		return nil
	}
	return []string{fmt.Sprintf("the points of %s come about every %s, and a line needs %d of them: the window (%s) "+
		"holds fewer; make it %s or longer", r.What(), found.Gap, evaluator.LinePoints, r.Condition.Window, 2*least)}
}

// holdFor proposes how long a value counts whose next one usually comes after
// gap: a few of them, in whole hours or days.
func holdFor(gap rules.Duration) rules.Duration {
	for _, d := range []rules.Duration{rules.Hour, 6 * rules.Hour, rules.Day, 3 * rules.Day, rules.Week} {
		if d >= 4*gap {
			return d
		}
	}
	return min((4*gap+rules.Day-1)/rules.Day*rules.Day, 366*rules.Day)
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
