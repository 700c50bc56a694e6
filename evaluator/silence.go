package evaluator

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// silence is when series that have gone silent had their last point.
type silence struct {
	last  lastSeen
	found bool // false: not later than that, and to be looked for again
}

type lastSeen map[rules.Series]time.Time

// dateSilence finds out when the series that have gone silent had their last
// point, where the source did not tell while they had one: until then they
// count as seen at the tick whose window held a point. People are told that
// time.
func (e *Engine) dateSilence(ctx context.Context, f *feed, plan *Plan) {
	busy := e.book.Busy()
	for _, a := range f.out {
		if a.Err != nil || len(a.needs) != 1 || a.needs[0].step > 0 {
			continue
		}
		id := plan.ids[a.place]
		if _, owing := slices.BinarySearch(busy, id); !owing && !a.Rule.KeepsRoster() {
			continue
		}
		if seen := e.undated(id, a); len(seen) > 0 {
			a.silence = lastPoints(ctx, f, a, seen)
		}
	}
}

// undated lists the silent series of a rule that are to be dated, with when
// they count as seen.
func (e *Engine) undated(id string, a *Answer) lastSeen {
	out := lastSeen{}
	e.book.View(id, func(l *rules.Ledger) {
		if len(a.Points[0]) >= l.Size() {
			return // none is silent
		}
		l.Instances(func(in *rules.Instance) bool {
			if !in.Seen.IsZero() && !in.Dated() {
				out[in.Series] = in.Seen
			}
			return true
		})
	})
	if len(out) > 0 {
		for i := range a.Points[0] {
			delete(out, a.Points[0][i].Series)
		}
	}
	return out
}

// A time that the source does not tell is searched in so many steps, and then
// in the step that was found, so often.
const (
	searchSteps  = 128
	mostSearches = 4
)

// lastPoints finds the last points of series before the window, which has none.
// Where there is none before it either, the window is all that is known.
func lastPoints(ctx context.Context, f *feed, a *Answer, seen lastSeen) *silence {
	n := a.needs[0]
	n.Aggregation = rules.Latest
	if n.Field == "" {
		n.Aggregation = rules.Count
	}
	q := n.query(a.end)
	s := &silence{last: make(lastSeen, len(seen))}
	q.To = q.From
	for series, at := range seen {
		s.last[series] = earliest(at, q.To)
		q.From = earliest(q.From, at.Add(-f.Delay-n.window)) // of the window that it was seen in
	}
	found := lastSeen{}
	for range mostSearches {
		again, err := search(ctx, f.Source, &q, s.last, found)
		if err != nil {
			return s
		}
		if !again {
			break
		}
	}
	for series, at := range found {
		s.last[series] = at
	}
	s.found = true
	return s
}

// search asks for the last points once. Where the source does not tell their
// times it leaves q ready for another look, closer, and reports true.
func search(ctx context.Context, source Querier, q *Query, of, found lastSeen) (again bool, err error) {
	told, latestAt := true, lastSeen{}
	errs := source.Query(ctx, []Query{*q}, func(_ int, row Row) {
		at := row.Last
		if at.IsZero() {
			at, told = row.At, false
		}
		if _, asked := of[row.Series]; asked && at.After(latestAt[row.Series]) {
			latestAt[row.Series] = at
		}
	})
	if errs[0] != nil || len(latestAt) == 0 {
		return false, errs[0]
	}
	step := q.Step
	if step == 0 {
		step = q.To.Sub(q.From)
	}
	first, last := q.To, q.From
	for series, at := range latestAt {
		found[series] = at
		first, last = earliest(first, at), latest(last, at)
	}
	q.From, q.To = latest(q.From, first.Add(-step)), last
	q.Step = max(q.To.Sub(q.From)/searchSteps, time.Millisecond).Round(time.Millisecond)
	return !told && q.Step < step, nil
}

// date tells a ledger when its silent series were last seen.
func (s *silence) date(l *rules.Ledger) {
	if s == nil {
		return
	}
	for series, at := range s.last {
		if in := l.Instance(series); in != nil && !in.Dated() {
			in.Date(earliest(in.Seen, at), s.found)
		}
	}
}
