package evaluator

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Progress is how far the sources have been judged by the last tick.
func (e *Engine) Progress() rules.Progress {
	return e.progress(e.before.At, nil)
}

// progress is that after a tick; one source may have reached it.
func (e *Engine) progress(t time.Time, reached *sourceState) rules.Progress {
	p := rules.Progress{At: rules.Later(t, e.stats.last()), Sure: e.options.Sure(), Troubles: e.troubles.progress()}
	for _, name := range slices.Sorted(maps.Keys(e.sources)) {
		s := e.sources[name]
		one := rules.SourceProgress{Name: name, Judged: t}
		if s != reached {
			s.mu.Lock()
			one.Judged, one.Gap = s.through, s.gap
			s.mu.Unlock()
		}
		p.Sources = append(p.Sources, one)
	}
	return p
}

// flush saves what lives in memory, and how far the sources are by then.
func (e *Engine) flush(ctx context.Context, final bool) error {
	return e.ledgers.Flush(ctx, func(own *rules.Ledger) {
		p := e.Progress()
		p.Final = final
		own.Advance(p)
	})
}

// Resume finds out, at the start, up to where the daemon before has judged:
// what it missed since is caught up. A source that began with this process has
// no history: there the clocks stand still for the gap.
func (e *Engine) Resume(ctx context.Context, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.replan(ctx); err != nil {
		return err
	}
	var stored rules.Progress
	e.ledgers.View("", func(l *rules.Ledger) {
		if l.Progress != nil {
			stored = *l.Progress
		}
	})
	e.before, e.exact = e.left(stored)
	for _, one := range e.before.Troubles {
		e.ledgers.View(one.Rule, func(l *rules.Ledger) { e.troubles.resume(one, l) })
	}
	e.began = now
	if err := e.leaveFuture(ctx, now, func(l *rules.Ledger) {
		l.Resume(now)
	}); err != nil {
		return err
	}
	for name, s := range e.sources {
		was, known := e.before.Of(name)
		saved, _ := stored.Of(name)
		s.resume(was, known, e.exact, now)
		s.unproven = known && e.before.Sure
		if err := e.trust(ctx, s, rules.Earlier(was.Judged, now), saved.Judged); err != nil {
			return err
		}
		if s.Fresh {
			if err := e.standStill(ctx, s.plan.Load().ids, now); err != nil {
				return err
			}
			e.tellUnknown(ctx, s, was.Judged, now)
		}
	}
	if !stored.Final {
		return nil
	}
	// From here on ticks are decided that a crash may leave unsaid.
	e.own(ctx, now, func(l *rules.Ledger) {
		stored.Final = false
		l.Advance(stored)
	})
	return nil
}

// left is how far the daemon before has left the sources, and whether it judged
// nothing after that. What it noted last at one tick is in the ledger cache. One that
// could not save leaves what it saved before, and nobody knows how it ended.
func (e *Engine) left(stored rules.Progress) (p rules.Progress, exact bool) {
	switch since := e.options.Since; {
	case since.At.After(stored.At) && since.Unsaved:
		return stored, false
	case since.At.After(stored.At):
		return since, true
	case since.At.Equal(stored.At):
		return stored, true
	}
	return stored, stored.Final && !e.options.Stale
}

// trust lets the ledgers of a source count as judged until t, up to which the
// daemon before has judged them without a change, as far as they were judged
// when it last saved how far it was. One that was not could not be judged.
func (e *Engine) trust(ctx context.Context, s *sourceState, t, saved time.Time) error {
	if saved.IsZero() || !t.After(saved) {
		return nil
	}
	table := e.timetable.Load()
	return e.ledgers.Decide(ctx, t, slices.Clone(s.plan.Load().ids), func(_ rules.Setting, l *rules.Ledger) error {
		if !l.Judged.Before(saved.Add(-table.Gap(&l.Rule, saved))) {
			l.Trust(t)
		}
		return nil
	})
}

// resume takes over how far the source was. After a stop that was not clean
// ticks may have been judged that nobody has noted, and what was not told of an
// outage may be long over.
func (s *sourceState) resume(was rules.SourceProgress, known, exact bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fresh {
		return
	}
	s.behind.Store(true) // until a tick is judged
	if !known || was.Judged.IsZero() && was.Gap.From.IsZero() {
		s.through = now
		return
	}
	s.through, s.gap = rules.Earlier(was.Judged, now), was.Gap
	if !exact && !s.gap.Told {
		s.gap = rules.Gap{From: s.gap.From, AtMost: true}
	}
	for _, t := range []*time.Time{&s.gap.From, &s.gap.Failed, &s.gap.Back} {
		*t = rules.Earlier(*t, now)
	}
	if s.gap.Down() {
		s.health = SourceHealth{Name: s.name, DownSince: s.gap.Failed, Error: s.gap.Error}
	}
}

// proven notes that the wall clock is right, so that how far the sources were
// before this start is no later than it says.
func (e *Engine) proven() {
	if e.options.Sure() {
		for _, s := range e.sources {
			s.unproven = false
		}
	}
}

// recall puts on the list of each source what it missed before this start, when
// the clock stood still until it leapt ahead by d: a machine without a battery
// for it does not know how long it was off. The daemon before had a right clock.
func (e *Engine) recall(ctx context.Context, now time.Time, d time.Duration) {
	for _, s := range e.sources {
		was, _ := e.before.Of(s.name)
		if !s.unproven || s.Fresh || was.Judged.IsZero() {
			continue
		}
		s.unproven = false
		if !e.recalled(s, was, now, e.began.Add(d)) {
			continue
		}
		ids := slices.Clone(s.plan.Load().ids)
		if err := e.ledgers.Decide(ctx, now, ids, func(_ rules.Setting, l *rules.Ledger) error {
			l.Judged = rules.Earlier(l.Judged, was.Judged)
			return nil
		}); err != nil {
			e.log.Error("how far a source was judged is not saved", "source", s.name, "error", err)
		}
	}
}

// recalled lists what a source missed until this start.
func (e *Engine) recalled(s *sourceState, was rules.SourceProgress, now, began time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := rules.Later(was.Judged, now.Add(-e.options.CatchUp))
	first := e.firstMissed(s, was.Judged, began)
	for t := e.firstMissed(s, from, began); !t.IsZero(); t = e.firstMissed(s, t, began) {
		if !slices.ContainsFunc(s.leapt, t.Equal) {
			s.leapt = append(s.leapt, t)
		}
	}
	slices.SortFunc(s.leapt, time.Time.Compare)
	if g := &s.gap; !first.IsZero() {
		g.From, g.AtMost = first, !e.exact
		if g.Failed.IsZero() {
			g.Back = began
		} else if !was.Gap.Failed.IsZero() {
			g.Failed = was.Gap.Failed
		}
		s.behind.Store(true)
	}
	return !first.IsZero()
}

// leaveFuture calls correct with each ledger that was judged after now, when
// the wall clock was ahead.
func (e *Engine) leaveFuture(ctx context.Context, now time.Time, correct func(*rules.Ledger)) error {
	var ids []string
	for _, s := range e.sources {
		for _, id := range s.plan.Load().ids {
			e.ledgers.View(id, func(l *rules.Ledger) {
				if l.Judged.After(now) {
					ids = append(ids, id)
				}
			})
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return e.ledgers.Decide(ctx, now, ids, func(_ rules.Setting, l *rules.Ledger) error {
		correct(l)
		return nil
	})
}
