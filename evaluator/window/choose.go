package window

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// unit is the groups that one scan serves, and what is known of its cost.
type unit struct {
	key    string
	groups []*group
	fresh  bool      // what is new is asked for
	due    time.Time // when both ways are tried again
	tried  bool
	turned int    // how often in a row the other way was found dearer
	why    string // it was refused; "" where the cost decides

	inFull, scanned time.Duration // what the ways took when they were tried
	warm            time.Duration // the last full look
	took            time.Duration // the last scan
	points          int           // it had
}

func (u *unit) leave(g *group) {
	u.groups = slices.DeleteFunc(u.groups, func(other *group) bool { return other == g })
}

// Between two trials of both ways lie at least the first, at most the second.
const (
	leastRest = 10 * time.Minute
	mostRest  = 24 * time.Hour
	sureFor   = time.Hour // that a way which pays goes on to

	// So many small questions in a row are tried in vain.
	mostVain    = 20
	smallRows   = 10
	smallWindow = 10 * time.Minute

	leastWait = 100 * time.Millisecond // that a scan is given to show what it takes
)

// due divides the questions that are asked in full into those that stay so and,
// by unit, those whose ways are to be tried.
func (k *Keeper) due(asks []ask) (full []ask, tries [][]ask) {
	places := map[*unit]int{}
	for _, a := range asks {
		u := a.group.unit
		if a.group.fault != "" || a.group.every == 0 || a.q.To.Before(u.due) {
			full = append(full, a)
			continue
		}
		i, known := places[u]
		if !known {
			i = len(tries)
			places[u] = i
			tries = append(tries, nil)
		}
		tries[i] = append(tries[i], a)
	}
	return full, tries
}

// hopeless puts off the trial of small questions for long, where so many of their
// kind were tried for nothing that it would only cost.
func (k *Keeper) hopeless(asks []ask) bool {
	if k.vain < mostVain || slices.ContainsFunc(asks, func(a ask) bool { return !a.group.small() }) {
		return false
	}
	g := asks[0].group
	g.unit.due = asks[0].q.To.Add(mostRest + g.spread(mostRest))
	g.unit.why = "it is small, and for others like it what is new costs no less"
	return true
}

// small reports whether a question is one of a few series over a short window.
func (g *group) small() bool { return g.rows <= smallRows && g.window <= smallWindow }

// try asks units both ways, as many as there is time for, and decides. It
// returns what was not asked.
func (c *call) try(ctx context.Context, tries [][]ask) (rest []ask) {
	for i, asks := range tries {
		if c.hopeless(asks) || i > 0 && !c.affords(asks[0]) || ctx.Err() != nil {
			rest = append(rest, asks...)
			continue
		}
		c.tryOne(ctx, asks)
	}
	return rest
}

func (c *call) tryOne(ctx context.Context, asks []ask) {
	u, to := asks[0].group.unit, asks[0].q.To
	full := time.Duration(0)
	for _, a := range asks {
		took := c.timed(func() { c.inFull(ctx, []ask{a}) })
		full += took
		if c.errs[a.place] != nil {
			u.rest(to)
			c.inFull(ctx, asks[slices.IndexFunc(asks, func(b ask) bool { return b.place == a.place })+1:])
			return
		}
	}
	recent := c.options.Overlap + asks[0].group.every
	scan := scanOf(asks, func(a ask) time.Time { return rules.Later(a.q.From, to.Add(-recent)) })
	took, err := c.tryScan(ctx, scan, full)
	if err != nil {
		u.refused(to, err, asks[0].group.every)
		return
	}
	c.decide(u, to, full, u.expect(took, to.Sub(scan.From), asks[0].group, c.options))
}

// tryScan scans once, to know what it takes. It is not waited for when it takes
// far longer than the question in full: that is enough to know.
func (c *call) tryScan(ctx context.Context, scan evaluator.Scan, full time.Duration) (took time.Duration, err error) {
	enough, cancel := context.WithTimeout(ctx, 2*full+leastWait)
	defer cancel()
	took = c.timed(func() {
		err = c.source.Scan(enough, []evaluator.Scan{scan}, func(int, evaluator.Row) {})[0]
	})
	if enough.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	return took, err
}

// timed runs what is asked alone, and learns what the least costs.
func (c *call) timed(f func()) time.Duration {
	began := time.Now()
	f()
	took := time.Since(began)
	if c.floor == 0 || took < c.floor {
		c.floor = took
	}
	c.spent += took
	return took
}

// expect is what a tick takes that asks for what is new, by what a scan took.
func (u *unit) expect(took, scanned time.Duration, g *group, o Options) time.Duration {
	if !g.holds && g.window > scanned {
		return time.Duration(float64(took) * float64(g.window) / float64(scanned))
	}
	return took + time.Duration(float64(u.warm)*min(1, float64(g.every)/float64(o.Renew)))
}

// decide chooses the way of a unit by what both have taken.
func (c *call) decide(u *unit, to time.Time, full, fresh time.Duration) {
	u.tried, u.inFull, u.scanned, u.why = true, full, fresh, ""
	pays := c.options.Pays(full, fresh)
	if u.groups[0].small() {
		if c.vain++; pays {
			c.vain = 0
		}
	}
	switch {
	case !pays:
		u.giveUp(to)
	case c.bytes+u.need() > c.options.Memory:
		u.tooLarge(to, c.options.Memory)
	default:
		u.fresh, u.turned, u.due = true, 0, to.Add(sureFor+u.groups[0].spread(sureFor))
	}
}

// giveUp asks all groups in full from now on, for a while.
func (u *unit) giveUp(to time.Time) {
	u.fresh = false
	for _, g := range u.groups {
		g.drop()
	}
	u.rest(to)
}

// tooLarge gives up a unit for which there is no memory.
func (u *unit) tooLarge(to time.Time, memory int) {
	u.giveUp(to)
	u.why = fmt.Sprintf("windows_memory (%d MB) does not hold it", memory>>20)
}

// need is what the memory of a unit would take that has none yet.
func (u *unit) need() (bytes int) {
	for _, g := range u.groups {
		if g.holds && g.cut == 0 {
			bytes += g.rows * (128 + mostBytes)
		}
	}
	return bytes
}

// pays reports whether asking for what is new is less. In full, many questions
// share a request, so what the least of them costs is nobody's.
func (k *Keeper) pays(full, fresh time.Duration) bool {
	return float64(fresh) < 0.8*float64(full-k.floor)
}

// rest puts off the next trial, longer each time.
func (u *unit) rest(to time.Time) {
	u.due = to.Add(min(mostRest, time.Duration(float64(leastRest)*math.Exp2(float64(min(u.turned, 20))))))
	u.turned++
}

// refused notes that what is new cannot be had. Where the source was only away it
// may be the next time.
func (u *unit) refused(to time.Time, err error, every time.Duration) {
	u.fresh, u.why = false, rules.Sentence(err)
	if u.rest(to); rules.CodeOf(err) == rules.Unavailable && !evaluator.IsTooMuch(err) {
		u.due = to.Add(every)
	}
}

// Ways tells how each question is asked, the dearest first; while a tick is under
// way, as it was before.
func (k *Keeper) Ways() []evaluator.Way {
	if k.asking.TryLock() {
		k.note()
		k.asking.Unlock()
	}
	if told := k.ways.Load(); told != nil {
		return *told
	}
	return nil
}

// note keeps how each question is asked, to be told.
func (k *Keeper) note() {
	out := make([]evaluator.Way, 0, len(k.groups))
	for _, g := range k.groups {
		out = append(out, g.way())
	}
	slices.SortFunc(out, func(a, b evaluator.Way) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), strings.Compare(a.Measurement, b.Measurement),
			cmp.Compare(a.Window, b.Window))
	})
	k.ways.Store(&out)
}

// way tells how a group is asked, and why.
func (g *group) way() evaluator.Way {
	u := g.unit
	w := evaluator.Way{
		Measurement: g.shape.Measurement, Window: rules.Duration(g.window), Fresh: u.fresh && g.fault == "",
		Took: rules.Duration(u.inFull), Why: u.why,
	}
	for _, field := range g.fields {
		w.Fields = append(w.Fields, cmp.Or(field, "*"))
	}
	switch {
	case g.fault != "":
		w.Why = g.fault
	case w.Why != "":
	case !u.tried:
		w.Why = "what is new was not asked for yet"
	default:
		w.Why = fmt.Sprintf("in full it took %s, what is new %s", brief(u.inFull), brief(u.scanned))
	}
	if w.Fresh {
		w.Took, w.Points = rules.Duration(u.took), u.points
	}
	return w
}

// brief rounds a time as people read it.
func brief(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
