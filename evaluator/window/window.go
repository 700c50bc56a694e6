// Package window answers the questions that a plan asks at every tick from what
// it remembers of the ticks before, and asks its source only for what is new.
//
// A question is a window (From, To] of one measurement. Its points up to a cut,
// which lies the overlap before To, are kept merged in spans: count, sum, least,
// greatest, first and last, whichever its columns are made of. A tick scans the
// points behind the cut, once for all windows of a measurement, answers with
// spans and points together, and moves the cut on. A point that comes within the
// overlap, or is written again, counts at the next tick; a later one at the next
// full look, when the spans are asked for anew. Nothing is ever subtracted: spans
// that lie before From are dropped, and one that From cuts is asked for again in
// finer ones. So the memory of a series is bounded, whatever the window.
//
// What spans cannot hold (percentiles, stddev, text) is scanned over its whole
// window. Rates and steps are asked in full, and so is everything for which that
// has been measured to be cheaper on this source. The package does no input or
// output but through its source.
package window

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Source is what questions are put to.
type Source interface {
	evaluator.Querier
	evaluator.Scanner
}

// What holds where the options say nothing.
const (
	Overlap = 2 * time.Minute
	Memory  = 64 << 20
)

// Options are what a Keeper may be told; the zero value is right.
type Options struct {
	// Overlap is how late a point may come and count at the next tick; 0 is 2 min.
	Overlap time.Duration
	// Renew is how often a window is looked at in full; 0 is 10 min.
	Renew time.Duration
	// Memory bounds what all windows take, in bytes; 0 is 64 MB.
	Memory int
	// Pays decides whether asking for what is new pays, by what it and the
	// question in full have taken; nil decides by what is less.
	Pays func(full, fresh time.Duration) bool
}

// Keeper keeps the windows of one source. Its Query is for the ticks of the
// present, in order; whatever else is asked goes to the source itself.
type Keeper struct {
	source  Source
	options Options

	asking sync.Mutex // one Query at a time; it guards all that follows
	groups map[string]*group
	units  map[string]*unit
	asks   []ask         // of the last call, for its memory
	calls  int           // so far
	bytes  int           // that all groups take, as of late
	floor  time.Duration // the least that any question took
	vain   int           // small questions that were tried in vain, in a row

	ways atomic.Pointer[[]evaluator.Way] // as last told
}

var _ evaluator.Windows = (*Keeper)(nil)

// New keeps windows for a source.
func New(source Source, o Options) *Keeper {
	if o.Overlap <= 0 {
		o.Overlap = Overlap
	}
	if o.Renew <= 0 {
		o.Renew = 10 * time.Minute
	}
	if o.Memory <= 0 {
		o.Memory = Memory
	}
	k := &Keeper{source: source, options: o, groups: map[string]*group{}, units: map[string]*unit{}}
	if k.options.Pays == nil {
		k.options.Pays = k.pays
	}
	return k
}

// ask is one question of a call.
type ask struct {
	place int
	q     evaluator.Query
	group *group
}

// call is one Query under way.
type call struct {
	*Keeper
	each  func(int, evaluator.Row)
	errs  []error
	began time.Time
	spent time.Duration // on what its answers did not need
}

// Query answers the queries of a tick.
func (k *Keeper) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	k.asking.Lock()
	defer k.asking.Unlock()
	c := &call{k, each, make([]error, len(queries)), time.Now(), 0}
	var full, fresh []ask
	asks := k.find(queries)
	for _, a := range asks {
		if u := a.group.unit; u.fresh && a.group.fault == "" && a.q.To.Before(u.due) {
			fresh = append(fresh, a)
		} else {
			full = append(full, a)
		}
	}
	full = append(full, c.advance(ctx, fresh)...)
	full, tries := k.due(full)
	c.inFull(ctx, append(full, c.try(ctx, tries)...))
	c.look(ctx, asks)
	if k.calls++; k.calls%sweeps == 0 && len(queries) > 0 {
		k.sweep(queries[0].To)
	}
	if k.ways.Load() == nil {
		k.note()
	}
	return c.errs
}

// Forget makes every next answer rest on a full look.
func (k *Keeper) Forget() {
	k.asking.Lock()
	defer k.asking.Unlock()
	for _, g := range k.groups {
		g.drop()
	}
}

// inFull asks as if nothing were remembered.
func (c *call) inFull(ctx context.Context, asks []ask) {
	if len(asks) == 0 {
		return
	}
	queries := make([]evaluator.Query, len(asks))
	for i, a := range asks {
		queries[i], a.group.rows = a.q, 0
	}
	errs := c.source.Query(ctx, queries, func(i int, row evaluator.Row) {
		asks[i].group.rows++
		c.each(asks[i].place, row)
	})
	for i, a := range asks {
		c.errs[a.place] = errs[i]
		a.group.to = a.q.To
	}
}

// find finds or makes the group of each query. How far the window lies back is
// part of what tells them apart, so the newest of a call is looked for first.
func (k *Keeper) find(queries []evaluator.Query) []ask {
	var newest time.Time
	for _, q := range queries {
		newest = rules.Later(newest, q.To)
	}
	out := slices.Grow(k.asks[:0], len(queries))[:len(queries)]
	k.asks = out
	var key []byte
	for i, q := range queries {
		key = appendKey(key[:0], q, newest.Sub(q.To))
		g := k.groups[string(key)]
		if g == nil {
			g = newGroup(string(key), q, newest.Sub(q.To), k.options.Overlap)
			k.groups[g.key] = g
			k.enter(g)
		}
		if !g.to.IsZero() && q.To.After(g.to) {
			g.every = q.To.Sub(g.to)
		}
		out[i] = ask{i, q, g}
	}
	return out
}

// enter puts a group into the unit that is scanned at once.
func (k *Keeper) enter(g *group) {
	key := g.unitKey(k.options.Overlap)
	u := k.units[key]
	if u == nil {
		u = &unit{key: key}
		k.units[key] = u
	}
	u.due = time.Time{} // what it costs is another now
	g.unit, u.groups = u, append(u.groups, g)
}

const (
	// forgotten is for how long a window is kept that nobody asks for.
	forgotten = time.Hour
	// sweeps is once in how many calls that is looked for.
	sweeps = 8
)

// sweep lets go of what is not asked for any more, and of the largest windows
// where all take more than they may.
func (k *Keeper) sweep(now time.Time) {
	k.bytes = 0
	for key, g := range k.groups {
		if now.Sub(g.to) > forgotten+10*g.every {
			delete(k.groups, key)
			if g.unit.leave(g); len(g.unit.groups) == 0 {
				delete(k.units, g.unit.key)
			}
			continue
		}
		k.bytes += g.bytes()
	}
	for k.bytes > k.options.Memory {
		largest := k.largest()
		k.bytes -= largest.bytes()
		largest.unit.tooLarge(now, k.options.Memory)
	}
}

// largest is the group that takes most.
func (k *Keeper) largest() (found *group) {
	for _, g := range k.groups {
		if found == nil || g.bytes() > found.bytes() {
			found = g
		}
	}
	return found
}
