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
	source *sourceState
	to     time.Time // the present
	over   bool      // the tick that is decided on is the present one
	// ended tells of the episodes that began and ended meanwhile, by alert.
	ended map[string]string
}

// firstMissed is the first tick between two times, neither included, that is
// due for a rule of the source; zero when there is none.
func (e *Engine) firstMissed(s *sourceState, from, to time.Time) time.Time {
	return e.timetable.Load().First(s.plan.Load().schedules, from, to)
}

// owes reports whether ticks before t are to be judged first, or people to be
// told that the source is back. It is called with the source locked.
func (e *Engine) owes(s *sourceState, t time.Time) bool {
	if len(s.leapt) > 0 || s.gap.Told || !s.gap.From.IsZero() {
		return true
	}
	if !s.through.IsZero() {
		s.gap.From = e.firstMissed(s, s.through, t)
	}
	return !s.gap.From.IsZero()
}

// passes reports whether a source with no rule due at t has nothing to do
// then: every tick before it is judged.
func (e *Engine) passes(s *sourceState, t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.owes(s, t) {
		return false
	}
	s.judgedUntil(t)
	return true
}

// nextMissed is the next tick to judge before the present one; zero when there
// is none. What the clock leapt over comes first.
func (e *Engine) nextMissed(s *sourceState, present time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.leapt) > 0 {
		return s.leapt[0]
	}
	if s.gap.From.IsZero() {
		return time.Time{}
	}
	from := rules.Later(s.through, present.Add(-e.options.CatchUp))
	if s.through.IsZero() {
		from = rules.Later(from, s.gap.From.Add(-time.Nanosecond))
	}
	return e.firstMissed(s, from, present)
}

// catchUp judges the ticks that a source missed, in order and from its
// history, through the same ledgers, until it has reached the present. Where it
// is cut short it goes on at the next tick.
func (e *Engine) catchUp(ctx context.Context, p *poll) {
	past := &replay{source: p.source, ended: map[string]string{}}
	p.source.begin(p.now)
	for ctx.Err() == nil {
		p.tick = p.source.present(p.tick)
		p.now, past.to = p.tick, p.tick
		t := e.nextMissed(p.source, p.tick)
		if t.IsZero() {
			e.reachPresent(ctx, p, past)
			return
		}
		if !e.catchUpTick(ctx, p, t, past) {
			return
		}
	}
}

// catchUpTick judges one missed tick; false when that cannot be done now.
func (e *Engine) catchUpTick(ctx context.Context, p *poll, t time.Time, past *replay) bool {
	s := p.source
	missed := &poll{source: s, tick: t, now: p.tick, replay: true, jumps: p.jumps}
	e.query(ctx, missed, s.plan.Load(), e.timetable.Load().Due(t))
	if !missed.judged {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(p) {
		return false
	}
	// What is not saved is kept in memory, so that it is decided all the same.
	err := e.decide(ctx, t, missed.answers, past)
	if err != nil {
		e.log.Error("missed tick not saved", "source", s.name, "tick", t, "error", err)
	}
	if !decided(err) {
		return false
	}
	s.caughtUpTo(t)
	return true
}

// reachPresent judges the present tick, and says once what the gap was.
func (e *Engine) reachPresent(ctx context.Context, p *poll, past *replay) {
	s := p.source
	now := &poll{source: s, tick: p.tick, now: p.tick, replay: true, jumps: p.jumps}
	if plan, due := s.plan.Load(), e.timetable.Load().Due(p.tick); plan.any(due) {
		if e.query(ctx, now, plan, due); !now.judged {
			return
		}
	} else if s.waits(e.options.OutageAfter, e.options.Settle, p.tick) {
		return // nobody has asked it
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(p) {
		return
	}
	past.over = true
	err := e.decide(ctx, p.tick, now.answers, past)
	if err != nil {
		e.log.Error("tick after a gap not saved", "source", s.name, "error", err)
	}
	if !decided(err) {
		return
	}
	e.log.Info("caught up", "source", s.name, "from", s.missing().From, "to", p.tick, "ended_inside", len(past.ended))
	s.judged(p.tick)
	e.alive(p.tick)
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
	if source := e.sources[l.Rule.Source]; source != nil && l.Busy() {
		if s.Behind = source.behind.Load(); s.Behind {
			gap := source.missing()
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
	case l.Rule.Source == past.source.name:
		s.Behind = false
		l.Ended(s.Now, func(a *rules.Alert, over time.Time) {
			name := strings.TrimSpace(a.Title + " " + string(a.Series))
			now, zone := rules.InZone(s.Now, e.options.Zone)
			past.ended[a.ID] = fmt.Sprintf("%s, %s to %s%s", name, rules.Clock(a.StartedAt, now), rules.Clock(over, now), zone)
		})
	}
}

// everyLedger lists the ledgers that have timers; tocsin's own comes last where
// it is to say what the others did.
func (e *Engine) everyLedger(past *replay) []string {
	switch {
	case past == nil:
		return e.ledgers.Busy()
	case !past.over:
		return nil
	}
	busy := slices.DeleteFunc(e.ledgers.Busy(), func(id string) bool { return id == "" })
	return append(busy, "")
}

// standStill stops the running clocks of ledgers for the time until now.
func (e *Engine) standStill(ctx context.Context, ids []string, now time.Time) error {
	return e.ledgers.Decide(ctx, now, slices.Clone(ids), func(_ rules.Setting, l *rules.Ledger) error {
		if !l.Judged.IsZero() {
			l.PauseTimers(max(0, now.Sub(l.Judged)))
		}
		return nil
	})
}

// Wait waits for polls that outlive their tick: slow sources and replays.
func (e *Engine) Wait() { e.behind.Wait() }
