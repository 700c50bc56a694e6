package evaluator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// missed lists the ticks of a feed's rules between two times, neither
// included.
func (e *Engine) missed(f *feed, from, to time.Time) (out []time.Time) {
	table, plan := e.timetable.Load(), f.plan.Load()
	for t := table.Next(from); !t.IsZero() && t.Before(to); t = table.Next(t) {
		if plan.any(table.due(t)) {
			out = append(out, t)
		}
	}
	return out
}

// catchUp judges the ticks that a source missed, in order and from its
// history, through the same ledgers; then the tick of the round. It goes on
// until it has reached the present.
func (e *Engine) catchUp(ctx context.Context, r *round) {
	f := r.feed
	f.mu.Lock()
	from, leapt := f.through, slices.Clone(f.leapt)
	f.mu.Unlock()
	if oldest := r.tick.Add(-e.options.CatchUp); from.Before(oldest) {
		from = oldest
	}
	away := &absence{from: r.tick, to: r.tick, episodes: map[string]string{}}
	missed := e.missed(f, from, r.tick)
	if len(missed) > 0 {
		away.from = missed[0]
	}
	for _, t := range slices.Concat(leapt, missed) {
		if ctx.Err() != nil || !e.catchUpTick(ctx, r, t, away) {
			return // goes on from here at the next tick
		}
	}
	plan, due := f.plan.Load(), e.timetable.Load().due(r.tick)
	if !plan.any(due) {
		return // only what a jump leapt over was to be judged
	}
	again := &round{feed: f, tick: r.tick, now: r.tick, jumps: r.jumps}
	e.query(ctx, again, plan, due)
	if !again.judged {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(r) {
		return
	}
	if err := e.decide(ctx, r.tick, again.answers, nil); err != nil {
		e.log.Error("tick after a gap not saved", "source", f.name, "error", err)
		return
	}
	f.judged(r.tick, true)
	e.log.Info("caught up", "source", f.name, "from", from, "to", r.tick, "ended_inside", len(away.episodes))
	e.tellAway(ctx, f, away)
}

// catchUpTick judges one missed tick; false when the source fails again.
func (e *Engine) catchUpTick(ctx context.Context, r *round, t time.Time, away *absence) bool {
	f := r.feed
	past := &round{feed: f, tick: t, now: r.tick, jumps: r.jumps}
	e.query(ctx, past, f.plan.Load(), e.timetable.Load().due(t))
	if !past.judged {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(r) {
		return false
	}
	if err := e.decide(ctx, t, past.answers, away); err != nil {
		e.log.Error("missed tick not saved", "source", f.name, "tick", t, "error", err)
		return false
	}
	f.judged(t, true)
	return true
}

// absence is a time in which nothing was judged, and what began and ended in
// it, by alert.
type absence struct {
	from, to time.Time
	episodes map[string]string
}

// precedes reports whether a missed tick was before the last change of a rule.
// A change after the present was made while the clock was ahead: nobody knows
// when.
func (a *absence) precedes(r *rules.Rule, t time.Time) bool {
	return a != nil && t.Before(r.UpdatedAt) && !r.UpdatedAt.After(a.to)
}

// mostEpisodes bounds what one message names.
const mostEpisodes = 20

// look finds the episodes that a replayed tick ended and nobody heard of.
func (a *absence) look(l *rules.Ledger, t time.Time) {
	l.Alerts(func(alert *rules.Alert) bool {
		if alert.ResolvedAt.Equal(t) && !alert.StartedAt.Before(a.from) {
			a.episodes[alert.ID] = fmt.Sprintf("%s %s, %s to %s", alert.Title, alert.Series,
				alert.StartedAt.Format("15:04:05"), alert.ResolvedAt.Format("15:04:05"))
		}
		return true
	})
}

// text names what happened meanwhile.
func (a *absence) text() string {
	if len(a.episodes) == 0 {
		return "Nothing fired and ended meanwhile; what is still wrong is told by itself."
	}
	list := slices.Sorted(maps.Values(a.episodes))
	list = list[:min(len(list), mostEpisodes)]
	text := "Meanwhile fired and ended: " + strings.Join(list, "; ")
	if more := len(a.episodes) - len(list); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text + ". What is still wrong is told by itself."
}

// tellAway says once that nothing was judged for a while. A gap that is short
// and empty, such as a reboot, tells nobody.
func (e *Engine) tellAway(ctx context.Context, f *feed, a *absence) {
	f.mu.Lock()
	told := f.told
	f.told = false
	f.mu.Unlock()
	if !told && len(a.episodes) == 0 && a.to.Sub(a.from) < e.options.OutageAfter {
		return
	}
	title := fmt.Sprintf("Source %s was not watched from %s to %s UTC", f.name, a.from.Format("15:04:05"), a.to.Format("15:04:05"))
	if told {
		title = fmt.Sprintf("Source %s is back; it was away from %s to %s UTC", f.name, a.from.Format("15:04:05"), a.to.Format("15:04:05"))
	}
	e.Tell(ctx, title, a.text(), a.to)
}

// tellOutages says once of each source that it is down.
func (e *Engine) tellOutages(ctx context.Context, t time.Time) {
	for _, f := range e.sources {
		f.mu.Lock()
		h := f.health
		news, does := !h.OK && !f.told && t.Sub(h.DownSince) >= e.options.OutageAfter, f.does()
		f.told = f.told || news
		f.mu.Unlock()
		if news {
			e.Tell(ctx, fmt.Sprintf("Source %s %s since %s UTC", f.name, does, h.DownSince.Format("15:04:05")),
				fmt.Sprintf("%s. Its %d rules are not judged until it is back; then the time between is judged from its history.", h.Error, len(f.plan.Load().rules)), t)
		}
	}
}

// Tell books one of tocsin's own messages on the operators' channels.
func (e *Engine) Tell(ctx context.Context, title, text string, t time.Time) {
	if e.options.Operators == nil || len(e.options.Operators()) == 0 {
		e.log.Warn("message of tocsin's own", "title", title, "text", text, "told", "nobody: there is no channel")
		return
	}
	names := e.options.Operators()
	e.log.Info("message of tocsin's own", "title", title, "text", text, "told", names)
	err := e.book.Decide(ctx, t, []string{""}, func(s rules.Setting, l *rules.Ledger) error {
		for _, name := range names {
			l.Book(name, rules.Operational, rules.Facts{Title: title, Text: text}, s.Now)
		}
		return nil
	})
	if err != nil {
		e.log.Error("message to the operators not saved", "error", err)
	}
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
	if err := e.leaveFuture(ctx, now, func(l *rules.Ledger) { l.Resume(now) }); err != nil {
		return err
	}
	for _, f := range e.sources {
		plan := f.plan.Load()
		from := e.options.Since
		for _, id := range plan.ids {
			e.book.View(id, func(l *rules.Ledger) {
				if e.options.Since.IsZero() && !l.Judged.IsZero() && (from.IsZero() || l.Judged.Before(from)) {
					from = l.Judged
				}
			})
		}
		if !f.Fresh {
			f.judged(earliest(from, now), true)
			continue
		}
		if err := e.standStill(ctx, plan.ids, now); err != nil {
			return err
		}
	}
	return nil
}

// leaveFuture calls correct with each ledger that was judged after now, when
// the wall clock was ahead.
func (e *Engine) leaveFuture(ctx context.Context, now time.Time, correct func(*rules.Ledger)) error {
	var ids []string
	for _, f := range e.sources {
		for _, id := range f.plan.Load().ids {
			e.book.View(id, func(l *rules.Ledger) {
				if l.Judged.After(now) {
					ids = append(ids, id)
				}
			})
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return e.book.Decide(ctx, now, ids, func(_ rules.Setting, l *rules.Ledger) error {
		correct(l)
		return nil
	})
}

// standStill stops the running clocks of ledgers for the time until now.
func (e *Engine) standStill(ctx context.Context, ids []string, now time.Time) error {
	return e.book.Decide(ctx, now, slices.Clone(ids), func(_ rules.Setting, l *rules.Ledger) error {
		from := l.Judged
		if e.options.Since.After(from) {
			from = e.options.Since
		}
		if gap := now.Sub(from); gap > 0 && !from.IsZero() {
			l.Stand(gap)
		}
		return nil
	})
}

// Wait waits for rounds that outlive their tick: slow sources and replays.
func (e *Engine) Wait() { e.behind.Wait() }
