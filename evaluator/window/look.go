package window

import (
	"context"
	"errors"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// looking is a full look at a long window under way: a group that is filled piece
// by piece, over several ticks, and then takes the place of what was remembered.
type looking struct {
	anew  *group
	parts []part        // that are to be asked still
	took  time.Duration // so far
	piece time.Duration // the longest
}

const (
	// pieces is in how many a full look is asked.
	pieces = 8
	// retry is when a look that failed is tried again.
	retry = time.Minute
)

// look goes on with the full looks whose time has come, now that all questions are
// answered.
func (c *call) look(ctx context.Context, asks []ask) {
	for _, a := range asks {
		g := a.group
		due := g.cut == 0 || !a.q.To.Before(g.renew)
		for due && g.looks(c.options.Overlap) && c.errs[a.place] == nil && c.affords(a) && g.looking.fits(ctx) {
			if over := c.lookOn(ctx, a); over {
				break
			}
		}
	}
}

// fits reports whether there is time for another piece before a tick must be over:
// the rest comes with the next one.
func (l *looking) fits(ctx context.Context) bool {
	end, bound := ctx.Deadline()
	return ctx.Err() == nil && (!bound || l == nil || time.Until(end) > 3*l.piece)
}

// looks reports whether the group has a memory that a full look fills.
func (g *group) looks(overlap time.Duration) bool {
	return g.unit.fresh && g.fault == "" && g.far(overlap)
}

// lookOn asks for the next piece; true when there is none left, or the look failed.
func (c *call) lookOn(ctx context.Context, a ask) (over bool) {
	g := a.group
	if g.looking == nil {
		g.looking = g.begun(a, a.q.To.Add(-c.options.Overlap).UnixNano())
	}
	l := g.looking
	var errs []error
	took := c.timed(func() { errs = c.fill(ctx, l.parts[:1]) })
	l.took, l.piece = l.took+took, max(l.piece, took)
	if g.fault = l.anew.fault; ctx.Err() != nil {
		return true // the piece is asked again
	}
	if err := errors.Join(errs...); err != nil || g.fault != "" {
		g.looking = nil
		switch {
		case g.fault != "":
			g.drop()
		case g.cut == 0:
			g.unit.refused(a.q.To, err, g.every)
		default:
			g.renew = a.q.To.Add(retry)
		}
		return true
	}
	if l.parts = l.parts[1:]; len(l.parts) > 0 {
		return false
	}
	for name, s := range l.anew.series {
		if old := g.series[name]; old != nil {
			s.last = old.last
		}
	}
	g.begin, g.ends, g.pane, g.cut, g.series = l.anew.begin, l.anew.ends, l.anew.pane, l.anew.cut, l.anew.series
	g.renew, g.unit.warm, g.looking = g.next(a.q.To, c.options.Renew), l.took, nil
	return true
}

// begun makes a look, whose spans end at a cut: what makes no whole span stands
// first.
func (g *group) begun(a ask, cut int64) *looking {
	n := *g
	n.series, n.ends = map[rules.Series]*series{}, nil
	from := a.q.From.UnixNano()
	n.begin, n.cut, n.pane = from, cut, g.paneOf(cut-from)
	a.group = &n
	l := &looking{anew: &n}
	whole := cut - (cut-from)/n.pane*n.pane
	if whole > from {
		step := n.atMost(whole - from)
		n.ends = steps(from, whole, step)
		l.parts = append(l.parts, part{a, 0, from, whole, step})
	}
	size := max(1, (cut-whole)/n.pane/pieces) * n.pane
	for ; whole < cut; whole += size {
		end := min(cut, whole+size)
		l.parts = append(l.parts, part{a, len(n.ends), whole, end, n.pane})
		n.ends = append(n.ends, steps(whole, end, n.pane)...)
	}
	return l
}
