package evaluator

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// lastSeen is when series had their last point.
type lastSeen map[rules.Series]time.Time

// dateSilence finds out when the series that have gone silent had their last
// point, where the source did not tell while they had one: until then they
// count as seen at the tick whose window held a point. Only what people are told of
// now is looked for, and once. They do not wait for it: all are looked for at once,
// and not for long; what is not found by then is not later than its window.
func (e *Engine) dateSilence(ctx context.Context, s *sourceState, plan *Plan, tick time.Time) {
	busy := e.ledgers.Busy()
	var open []*search
	for _, a := range s.out {
		if a.Err != nil || len(a.requirements) != 1 || a.requirements[0].Step > 0 {
			continue
		}
		id := plan.ids[a.place]
		if _, owing := slices.BinarySearch(busy, id); !owing && !a.Rule.KeepsRoster() {
			continue
		}
		if seen := e.undated(id, a, tick); len(seen) > 0 {
			s := newSearch(s, a, seen)
			a.silent = s.last
			open = append(open, s)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, mostDating)
	defer cancel()
	for range mostSearches {
		if len(open) == 0 {
			return
		}
		e.stats.asked(len(open))
		open = look(ctx, s.Source, open)
	}
}

// undated lists the silent series of a rule that people are told of at a tick and
// that are to be dated, with when they count as seen.
func (e *Engine) undated(id string, a *Answer, tick time.Time) lastSeen {
	out := lastSeen{}
	e.ledgers.View(id, func(l *rules.Ledger) {
		if len(a.Points[0]) >= l.Size() {
			return // none is silent
		}
		l.Instances(func(in *rules.Instance) bool {
			if !in.Seen.IsZero() && !in.Dated() && l.TellsSilence(in, tick) {
				out[in.Series] = in.Seen
			}
			return true
		})
	})
	for i := range a.Points[0] {
		delete(out, a.Points[0][i].Series)
	}
	return out
}

// A time that the source does not tell is searched in so many steps, and then
// in the step that was found, so often; all of it may take mostDating.
const (
	searchSteps  = 128
	mostSearches = 4
	mostDating   = time.Second
)

// search is a look for the last points of a rule's series.
type search struct {
	last   lastSeen // what is known: not later than that
	q      Query
	latest lastSeen // of the present look
	told   bool     // the source tells their times
	found  map[rules.Series]bool
}

// newSearch looks for last points before the window of an answer, which has
// none. Where there is none before it either, the window is all that is known.
func newSearch(source *sourceState, a *Answer, seen lastSeen) *search {
	req := a.requirements[0]
	req.Aggregation = rules.Latest
	if req.Field == "" {
		req.Aggregation = rules.Count
	}
	s := &search{last: make(lastSeen, len(seen)), q: req.query(a.end)}
	s.q.To = s.q.From
	for series, at := range seen {
		s.last[series] = rules.Earlier(at, s.q.To)
		s.q.From = rules.Earlier(s.q.From, at.Add(-source.Delay-req.Window)) // of the window that it was seen in
	}
	return s
}

// look asks once for all, and returns those that are to be looked for closer.
func look(ctx context.Context, source Querier, open []*search) (closer []*search) {
	queries := make([]Query, len(open))
	for i, s := range open {
		queries[i], s.told, s.latest = s.q, true, lastSeen{}
	}
	for i, err := range source.Query(ctx, queries, func(i int, row Row) { open[i].take(row) }) {
		if err == nil && open[i].narrow() {
			closer = append(closer, open[i])
		}
	}
	return closer
}

func (s *search) take(row Row) {
	at := row.Last
	if at.IsZero() {
		at, s.told = row.At, false
	}
	if _, asked := s.last[row.Series]; asked && at.After(s.latest[row.Series]) {
		s.latest[row.Series] = at
	}
}

// narrow keeps what was found. Where the source does not tell the times it makes
// the query ready for another look, closer, and reports true.
func (s *search) narrow() bool {
	if len(s.latest) == 0 {
		return false
	}
	q := &s.q
	step := q.Step
	if step == 0 {
		step = q.To.Sub(q.From)
	}
	first, last := q.To, q.From
	if s.found == nil {
		s.found = map[rules.Series]bool{}
	}
	for series, at := range s.latest {
		s.last[series], s.found[series] = at, true
		first, last = rules.Earlier(first, at), rules.Later(last, at)
	}
	q.From, q.To = rules.Later(q.From, first.Add(-step)), last
	q.Step = max(q.To.Sub(q.From)/searchSteps, time.Millisecond).Round(time.Millisecond)
	return !s.told && q.Step < step
}

// date tells a ledger when its silent series were last seen.
func (last lastSeen) date(l *rules.Ledger) {
	for series, at := range last {
		if in := l.Instance(series); in != nil && !in.Dated() {
			in.Date(rules.Earlier(in.Seen, at))
		}
	}
}
