package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// KnownSeries is one series that a rule knows.
type KnownSeries struct {
	Series rules.Labels `json:"series"`
	State  string       `json:"state"`
	Seen   *time.Time   `json:"seen"` // its last point, null for never
	Value  *float64     `json:"value"`
}

// RuleSeries lists the series that a rule knows, those that are not ok first
// and then the silent ones.
func (a *App) RuleSeries(ctx context.Context, nameOrID string) ([]KnownSeries, error) {
	r, err := a.find(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	if _, err := a.Ledgers.Version(ctx); err != nil { // sees what others did
		return nil, err
	}
	seen := a.lastPoints(ctx, r)
	type known struct {
		KnownSeries
		state rules.State
		key   rules.Series
		seen  time.Time
	}
	var list []known
	a.Ledgers.View(r.ID, func(l *rules.Ledger) {
		l.Instances(func(in *rules.Instance) bool {
			last, asked := seen[in.Series]
			if !asked {
				last = in.Seen // it is new
			}
			list = append(list, known{KnownSeries{
				in.Series.Labels(), in.State.String(), rules.Given(last),
				rules.Finite(in.Value),
			}, in.State, in.Series, last})
			return true
		})
	})
	slices.SortFunc(list, func(x, y known) int {
		if d := int(y.state) - int(x.state); d != 0 {
			return d
		}
		if d := x.seen.Compare(y.seen); d != 0 {
			return d
		}
		return strings.Compare(string(x.key), string(y.key))
	})
	out := []KnownSeries{}
	for _, k := range list {
		out = append(out, k.KnownSeries)
	}
	return out, nil
}

// lastPoints asks the source when the series of a rule had their last point; what
// is stored of that is up to ten minutes old.
func (a *App) lastPoints(ctx context.Context, r rules.Rule) map[rules.Series]time.Time {
	source := a.Sources[r.Source]
	known := map[rules.Series]time.Time{}
	a.Ledgers.View(r.ID, func(l *rules.Ledger) {
		l.Instances(func(in *rules.Instance) bool {
			known[in.Series] = in.Seen
			return true
		})
	})
	if source == nil {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	return evaluator.LastPoints(ctx, source, &r, known, a.Time())
}

// Retire lets go of a series that nobody expects any more: its alert ends, and
// who heard of it is told. It comes back with its next point.
func (a *App) Retire(ctx context.Context, nameOrID string, series rules.Labels) (warnings []string, err error) {
	r, err := a.find(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	key := rules.SeriesOf(series)
	for _, labels := range r.Condition.Expect {
		if rules.SeriesOf(labels) == key {
			return nil, rules.Errorf(rules.Conflict, "rule %q expects series %s; take it out of condition.expect", r.Name, key)
		}
	}
	err = a.Ledgers.Act(ctx, a.Time(), r.ID, func(s rules.Setting, l *rules.Ledger) error { return l.Forget(s, key) })
	return a.Warnings(), err
}
