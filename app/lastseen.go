package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// SeriesSeen is when a series that a rule looks at last had a point, and what
// it was.
type SeriesSeen struct {
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
func LastSeen(ctx context.Context, s evaluator.Source, r rules.Rule, now time.Time) (out []SeriesSeen, err error) {
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
			seen := SeriesSeen{Series: row.Series, At: row.Last, Value: row.Values[0]}
			if seen.At.IsZero() {
				seen.At = row.At
			}
			seen.Text, _ = row.Text(0)
			out = append(out, seen)
		})
		if err != nil || len(out) > 0 {
			slices.SortFunc(out, func(a, b SeriesSeen) int { return b.At.Compare(a.At) })
			return out, err
		}
	}
	return nil, nil
}

// seen remembers what was found of the last points of rules that match nothing:
// status is asked often, and what is silent for long seldom speaks.
type seen struct {
	mu   sync.Mutex
	list map[string]seenAt
}

type seenAt struct {
	version int
	asked   time.Time
	text    string
}

// seenFor is how long such a finding holds.
const seenFor = time.Hour

// unmatched says why no series ever matched a rule: its data is silent since
// some time, or was never there.
func (a *App) unmatched(ctx context.Context, r rules.Rule) string {
	a.seen.mu.Lock()
	was, ok := a.seen.list[r.ID]
	a.seen.mu.Unlock()
	if ok && was.version == r.Version && a.Time().Sub(was.asked) < seenFor {
		return was.text
	}
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	found, err := LastSeen(ctx, a.Sources[r.Source], r, a.Time())
	text := fmt.Sprintf("no series ever matched %s; is a name misspelt?", r.What())
	switch {
	case err != nil || a.Sources[r.Source] == nil:
		return fmt.Sprintf("no series has matched %s so far", r.What())
	case len(found) > 0:
		text = fmt.Sprintf("%s is known, and silent since %s: no point has come since the rule is there", r.What(),
			a.Stamp(found[0].At))
	}
	a.seen.mu.Lock()
	defer a.seen.mu.Unlock()
	a.seen.list[r.ID] = seenAt{r.Version, a.Time(), text}
	return text
}

// Stamp writes a time as people of this house read it.
func (a *App) Stamp(t time.Time) string {
	return t.In(a.Config.Location()).Format("2006-01-02 15:04")
}
