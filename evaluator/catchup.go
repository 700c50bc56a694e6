package evaluator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// replay is missed ticks of a source being judged from its history.
type replay struct {
	feed *feed
	to   time.Time // the present
	over bool      // the tick that is decided on is the present one
	// ended tells of the episodes that began and ended meanwhile, by alert.
	ended map[string]string
}

// firstMissed is the first tick between two times, neither included, that is
// due for a rule of the feed; zero when there is none.
func (e *Engine) firstMissed(f *feed, from, to time.Time) (first time.Time) {
	plan := f.plan.Load()
	for key, schedule := range e.timetable.Load().schedules {
		if !slices.Contains(plan.schedules, key) {
			continue
		}
		if t := schedule.Next(from); !t.IsZero() && t.Before(to) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// owes reports whether ticks before t are to be judged first, or people to be
// told that the source is back. It is called with the feed locked.
func (e *Engine) owes(f *feed, t time.Time) bool {
	if len(f.leapt) > 0 || f.gap.Told || !f.gap.From.IsZero() {
		return true
	}
	if !f.through.IsZero() {
		f.gap.From = e.firstMissed(f, f.through, t)
	}
	return !f.gap.From.IsZero()
}

// passes reports whether a source with no rule due at t has nothing to do
// then: every tick before it is judged.
func (e *Engine) passes(f *feed, t time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.owes(f, t) {
		return false
	}
	f.judgedUntil(t)
	return true
}

// nextMissed is the next tick to judge before the present one; zero when there
// is none. What the clock leapt over comes first.
func (e *Engine) nextMissed(f *feed, present time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.leapt) > 0 {
		return f.leapt[0]
	}
	if f.gap.From.IsZero() {
		return time.Time{}
	}
	from := rules.Later(f.through, present.Add(-e.options.CatchUp))
	if f.through.IsZero() {
		from = rules.Later(from, f.gap.From.Add(-time.Nanosecond))
	}
	return e.firstMissed(f, from, present)
}

// catchUp judges the ticks that a source missed, in order and from its
// history, through the same ledgers, until it has reached the present. Where it
// is cut short it goes on at the next tick.
func (e *Engine) catchUp(ctx context.Context, r *round) {
	past := &replay{feed: r.feed, ended: map[string]string{}}
	r.feed.begin(r.now)
	for ctx.Err() == nil {
		r.tick = r.feed.present(r.tick)
		r.now, past.to = r.tick, r.tick
		t := e.nextMissed(r.feed, r.tick)
		if t.IsZero() {
			e.reachPresent(ctx, r, past)
			return
		}
		if !e.catchUpTick(ctx, r, t, past) {
			return
		}
	}
}

// catchUpTick judges one missed tick; false when that cannot be done now.
func (e *Engine) catchUpTick(ctx context.Context, r *round, t time.Time, past *replay) bool {
	f := r.feed
	missed := &round{feed: f, tick: t, now: r.tick, replay: true, jumps: r.jumps}
	e.query(ctx, missed, f.plan.Load(), e.timetable.Load().due(t))
	if !missed.judged {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(r) {
		return false
	}
	// What is not saved is kept in memory, so that it is decided all the same.
	err := e.decide(ctx, t, missed.answers, past)
	if err != nil {
		e.log.Error("missed tick not saved", "source", f.name, "tick", t, "error", err)
	}
	if !decided(err) {
		return false
	}
	f.caughtUpTo(t)
	return true
}

// reachPresent judges the present tick, and says once what the gap was.
func (e *Engine) reachPresent(ctx context.Context, r *round, past *replay) {
	f := r.feed
	now := &round{feed: f, tick: r.tick, now: r.tick, replay: true, jumps: r.jumps}
	if plan, due := f.plan.Load(), e.timetable.Load().due(r.tick); plan.any(due) {
		if e.query(ctx, now, plan, due); !now.judged {
			return
		}
	} else if f.waits(e.options.OutageAfter, e.options.Settle, r.tick) {
		return // nobody has asked it
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(r) {
		return
	}
	past.over = true
	err := e.decide(ctx, r.tick, now.answers, past)
	if err != nil {
		e.log.Error("tick after a gap not saved", "source", f.name, "error", err)
	}
	if !decided(err) {
		return
	}
	e.log.Info("caught up", "source", f.name, "from", f.missing().From, "to", r.tick, "ended_inside", len(past.ended))
	f.judged(r.tick)
	e.alive(r.tick)
}

// precedes reports whether a missed tick was before the rule became what it is.
// What it became after the present was made while the clock was ahead: nobody
// knows when.
func (p *replay) precedes(r *rules.Rule, t time.Time) bool {
	return p != nil && !r.Judges(t) && r.Judges(p.to)
}

// setting adds to what a ledger decides in whether its time is the present.
func (e *Engine) setting(s rules.Setting, l *rules.Ledger, past *replay) rules.Setting {
	s.Replay = past != nil && !past.over
	if f := e.sources[l.Rule.Source]; f != nil && l.Busy() {
		if s.Behind = f.behind.Load(); s.Behind {
			gap := f.missing()
			s.Missed, s.Down = gap.From, gap.Told
		}
	}
	return s
}

// reach ends the replay for a ledger: what it held back of the source's rules
// is told now, or named in the message about the gap.
func (e *Engine) reach(s *rules.Setting, l *rules.Ledger, past *replay) {
	switch {
	case l.Rule.ID == "":
		e.bookGap(s.Now, l, past)
	case l.Rule.Source == past.feed.name:
		s.Behind = false
		l.Ended(s.Now, func(a *rules.Alert, over time.Time) {
			name := strings.TrimSpace(a.Title + " " + string(a.Series))
			past.ended[a.ID] = fmt.Sprintf("%s, %s to %s UTC", name, rules.Clock(a.StartedAt, s.Now), rules.Clock(over, s.Now))
		})
	}
}

// everyLedger lists the ledgers that have timers; tocsin's own comes last where
// it is to say what the others did.
func (e *Engine) everyLedger(past *replay) []string {
	switch {
	case past == nil:
		return e.book.Busy()
	case !past.over:
		return nil
	}
	busy := slices.DeleteFunc(e.book.Busy(), func(id string) bool { return id == "" })
	return append(busy, "")
}

// standStill stops the running clocks of ledgers for the time until now.
func (e *Engine) standStill(ctx context.Context, ids []string, now time.Time) error {
	return e.book.Decide(ctx, now, slices.Clone(ids), func(_ rules.Setting, l *rules.Ledger) error {
		if !l.Judged.IsZero() {
			l.Stand(max(0, now.Sub(l.Judged)))
		}
		return nil
	})
}

// Wait waits for rounds that outlive their tick: slow sources and replays.
func (e *Engine) Wait() { e.behind.Wait() }
