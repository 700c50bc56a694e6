package window

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// part is a question in steps that becomes spans of a group.
type part struct {
	ask
	first          int // of the spans
	from, to, step int64
}

// advance answers from memory and from what is new. It returns what must be
// asked in full instead.
func (c *call) advance(ctx context.Context, asks []ask) (full []ask) {
	var ready []ask
	var parts []part
	for _, a := range asks {
		g := a.group
		from := a.q.From.UnixNano()
		for _, s := range g.series {
			s.clear()
		}
		switch {
		case !g.keeps(c.options.Overlap):
			g.begin, g.cut = from, from
		case !g.goesOn(a.q) || !g.far(c.options.Overlap) && !a.q.To.Before(g.renew):
			if g.drop(); g.far(c.options.Overlap) {
				full = append(full, a)
				continue
			}
			g.renew, g.begin, g.cut = g.next(a.q.To, c.options.Renew), from, from
			g.pane = g.paneOf(int64(g.window))
		default:
			if end := g.leave(from); end != 0 {
				step := g.atMost(end - from)
				g.replace(1, from, steps(from, end, step))
				parts = append(parts, part{a, 0, from, end, step})
			}
		}
		ready = append(ready, a)
	}
	ready, refused := c.ask(ctx, parts, ready)
	return append(append(full, refused...), c.scan(ctx, ready)...)
}

func (s *series) clear() {
	for i := range s.points {
		s.points[i] = s.points[i][:0]
	}
}

// keeps reports whether anything of the window outlives a tick: not where all of
// it lies within the overlap.
func (g *group) keeps(overlap time.Duration) bool { return g.holds && g.window > overlap }

// goesOn reports whether the memory of a group goes on to a question.
func (g *group) goesOn(q evaluator.Query) bool {
	return g.cut != 0 && g.cut >= q.From.UnixNano() && q.To.After(g.to)
}

// far reports whether the window is so long that it is not scanned to be
// remembered, but asked for in steps.
func (g *group) far(overlap time.Duration) bool { return g.keeps(overlap) && g.window > 4*overlap }

// affords reports whether this call may still spend time on what is not needed
// for its answers: the first time always, then a twentieth of the time between
// ticks; and half of what a question in full takes, which that may spare soon. A
// tick that has taken half of the time until the next one is not made longer.
func (c *call) affords(a ask) bool {
	if time.Since(c.began) > a.group.every/2 {
		return false
	}
	most := a.group.every / 20
	if a.group.unit.fresh && a.group.cut == 0 {
		most += a.group.unit.inFull / 2
	}
	return c.spent < max(1, most)
}

// ask asks for parts and fills the spans of their groups. It divides the ready
// ones into those that still are and those that must be asked in full; those
// that were not answered at all are neither.
func (c *call) ask(ctx context.Context, parts []part, ready []ask) (still, full []ask) {
	if len(parts) == 0 {
		return ready, nil
	}
	out := map[*group]bool{}
	for i, err := range c.fill(ctx, parts) {
		if g := parts[i].group; err != nil || g.fault != "" {
			if out[g] = true; c.failed(parts[i].ask, err) {
				full = append(full, parts[i].ask)
			}
		}
	}
	return slices.DeleteFunc(ready, func(a ask) bool { return out[a.group] }), full
}

// fill asks for parts and fills the spans of their groups.
func (c *call) fill(ctx context.Context, parts []part) []error {
	queries := make([]evaluator.Query, len(parts))
	for i, p := range parts {
		queries[i] = p.group.partly(p.q, p.from, p.to, p.step)
	}
	return c.source.Query(ctx, queries, func(i int, row evaluator.Row) {
		if p := parts[i]; p.group.fill(&row, p.first, p.from, p.step) {
			p.group.fault = textFault
		}
	})
}

const textFault = "its field is text, of which spans hold nothing"

// failed forgets a group that was not answered. It reports whether the question
// in full may be answered all the same.
func (c *call) failed(a ask, err error) (inFull bool) {
	a.group.drop()
	if err == nil {
		return true
	}
	a.group.unit.refused(a.q.To, err, a.group.every)
	if rules.CodeOf(err) != rules.Unavailable || evaluator.IsTooMuch(err) {
		return true
	}
	c.errs[a.place] = err
	return false
}

// scan asks for the points behind the memory of all groups, once for each unit,
// and answers.
func (c *call) scan(ctx context.Context, asks []ask) (full []ask) {
	units, order := map[*unit][]ask{}, []*unit{}
	for _, a := range asks {
		if units[a.group.unit] == nil {
			order = append(order, a.group.unit)
		}
		units[a.group.unit] = append(units[a.group.unit], a)
	}
	scans, takes := make([]evaluator.Scan, len(order)), make([][]taker, len(order))
	for i, u := range order {
		scans[i] = scanOf(units[u], func(a ask) time.Time { return time.Unix(0, a.group.cut).UTC() })
		takes[i] = takersOf(units[u], scans[i])
		u.points = 0
	}
	began := time.Now()
	errs := c.source.Scan(ctx, scans, func(i int, row evaluator.Row) {
		order[i].points++
		for j := range takes[i] {
			takes[i][j].take(&row)
		}
	})
	took := time.Since(began)
	for i, u := range order {
		u.took = took / time.Duration(len(order))
		for _, a := range units[u] {
			switch {
			case errs[i] != nil || a.group.fault != "":
				if c.failed(a, errs[i]) {
					full = append(full, a)
				}
			default:
				c.tell(a)
			}
		}
	}
	return full
}

// tell answers a question from its group, and moves the cut on.
func (c *call) tell(a ask) {
	g := a.group
	for _, s := range g.series {
		s.order()
	}
	g.answer(a.q, func(row evaluator.Row) { c.each(a.place, row) })
	if g.keeps(c.options.Overlap) {
		g.settle(a.q.To.Add(-c.options.Overlap).UnixNano())
	}
	g.to = a.q.To
}

// scanOf is the one scan that serves some questions, from the earliest of their
// times on.
func scanOf(asks []ask, since func(ask) time.Time) evaluator.Scan {
	q := asks[0].q
	s := evaluator.Scan{Measurement: q.Measurement, Where: q.Where, From: q.To, To: q.To}
	for _, a := range asks {
		s.From = rules.Earlier(s.From, since(a))
		s.Fields, s.Tags = append(s.Fields, a.group.fields...), append(s.Tags, a.q.GroupBy...)
	}
	slices.Sort(s.Fields)
	slices.Sort(s.Tags)
	s.Fields, s.Tags = slices.Compact(s.Fields), slices.Compact(s.Tags)
	return s
}

// taker takes of a scan what is one group's.
type taker struct {
	group  *group
	fields []int // where its fields stand
	same   bool  // the rows have its own labels
	names  map[rules.Series]rules.Series
}

func takersOf(asks []ask, s evaluator.Scan) (out []taker) {
	for _, a := range asks {
		t := taker{group: a.group, same: slices.Equal(a.q.GroupBy, s.Tags), names: map[rules.Series]rules.Series{}}
		for _, field := range a.group.fields {
			t.fields = append(t.fields, slices.Index(s.Fields, field))
		}
		a.group.young = 0
		out = append(out, t)
	}
	return out
}

// take keeps a point until the next tick.
func (t *taker) take(row *evaluator.Row) {
	g, at := t.group, row.At.UnixNano()
	if at <= g.cut {
		return
	}
	var s *series
	for field, i := range t.fields {
		text, isText := row.Text(i)
		if x := row.Values[i]; x != x && !isText {
			continue
		}
		if s == nil {
			s = g.at(t.name(row.Series))
		}
		p := sample{at: at, value: row.Values[i]}
		if isText {
			p.text = new(string)
			*p.text = text
			g.refuseText(field)
		}
		s.points[field] = append(s.points[field], p)
		s.last = max(s.last, at)
		g.young++
	}
}

func (t *taker) name(series rules.Series) rules.Series {
	if t.same {
		return series
	}
	name, known := t.names[series]
	if !known {
		name = series.Only(t.group.shape.GroupBy)
		t.names[series] = name
	}
	return name
}

// refuseText notes that a field is text where its columns cannot be: in spans,
// and in all but latest, first and count.
func (g *group) refuseText(field int) {
	for _, c := range g.columns {
		if c.field != field {
			continue
		}
		if len(g.ends) > 0 || c.how != rules.Latest && c.how != rules.First && c.how != rules.Count {
			g.fault = textFault
		}
	}
}
