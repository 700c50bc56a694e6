package evaluator

import (
	"context"
	"maps"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// mostLooked is how far back LastPoints looks.
const mostLooked = 24 * time.Hour

// LastPoints asks the source of a rule when its series had their last point. What
// is known may be minutes old, because it is saved now and then; it stays for
// series of which the source tells nothing newer.
func LastPoints(ctx context.Context, s Querier, r *rules.Rule, known map[rules.Series]time.Time,
	now time.Time,
) map[rules.Series]time.Time {
	out := maps.Clone(known)
	if r.Condition.Type == rules.Query || r.Condition.Type == rules.Expression || len(known) == 0 {
		return out // they may have several measurements
	}
	req := Requirements(r)[0]
	if req.Step, req.Aggregation = 0, rules.Latest; req.Field == "" {
		req.Aggregation = rules.Count
	}
	wide := &search{last: maps.Clone(known), q: req.query(now)}
	for _, at := range known {
		if !at.IsZero() {
			wide.q.From = rules.Earlier(wide.q.From, at.Add(-req.Window))
		}
	}
	wide.q.From = rules.Later(wide.q.From, rules.Earlier(now.Add(-mostLooked), now.Add(-req.Window)))
	for open, i := []*search{wide}, 0; len(open) > 0 && i < mostSearches && ctx.Err() == nil; i++ {
		open = look(ctx, s, open)
	}
	for series, at := range wide.last {
		if at.After(out[series]) || wide.found[series] {
			out[series] = at
		}
	}
	return out
}
