// Package evaluator is one tick: which rules are due, the fewest queries that
// answer them, what the answers mean, and the decision of the ledgers. It knows
// no database; sources and stores are given to it. An alert's state changes in
// the ledgers of rules alone; whom to tell is theirs to book and notify's to
// do.
package evaluator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// Engine evaluates: at each tick it finds the rules that are due, asks their
// sources, and lets their ledgers decide.
type Engine struct {
	ledgers *LedgerCache
	sources map[string]*sourceState
	options EngineOptions
	log     *slog.Logger

	timetable atomic.Pointer[schedule.Timetable]
	stats     statsKeeper
	troubles  troubles
	inPieces  atomic.Bool    // a source refused what it takes now: plans were split for nothing
	behind    sync.WaitGroup // polls that outlive their tick
	jumps     atomic.Int64   // how often the wall clock jumped; moves under mu

	mu       sync.Mutex     // one decision, one jump of the clock at a time
	before   rules.Progress // when this engine began
	exact    bool           // nothing was judged after that
	began    time.Time
	planned  uint64 // the cache's version that plans and timetable are made for
	decision decision
	judging  *Answer // what evidence is asked about
	prove    func(rules.Observation) rules.Evidence
	scratch  []rules.Observation
	seen     int // instances that the decision under way has judged
}

// EngineOptions are what an Engine may be told; the zero value is right.
type EngineOptions struct {
	// Every is the base interval; 0 is 30 s.
	Every time.Duration
	// Grace is how long a tick waits for its slowest source before it decides
	// on what the others said; 0 is 1 s. What comes later is decided when it
	// comes.
	Grace time.Duration
	// Heartbeat is how often what lives in memory is saved; 0 is 10 min.
	Heartbeat time.Duration
	// CatchUp is how far back missed ticks are judged from history; 0 is 24 h.
	CatchUp time.Duration
	// OutageAfter is after how long a source that fails is called down; 0 is
	// 2 min.
	OutageAfter time.Duration
	// Settle is how long after an outage the replay waits for points that are
	// still on their way; 0 is 1 min.
	Settle time.Duration
	// Alive is called after each tick that was decided, with how far the sources
	// are, and whether that is saved.
	Alive func(rules.Progress)
	// Since is what Alive was called with last before this start, as far as that
	// is known; how far the ledgers know the sources counts where it is newer.
	Since rules.Progress
	// Stale says that the database is a copy of one that cannot be saved: it may be
	// older than the last daemon, and ends with this one.
	Stale bool
	// Sure reports whether the wall clock is known to be right, else evidence
	// is marked; nil is always.
	Sure func() bool
	// Blind reports whether the wall clock is so doubtful that silence proves
	// nothing; nil is never.
	Blind func() bool
	// Jumped is called with each jump of the wall clock.
	Jumped func(d time.Duration)
	// Clocks reads the wall clock and how long the machine has run, the time
	// it slept included; nil is Go's clock, which may not count sleep.
	Clocks func() (wall time.Time, running time.Duration)
	// Operators names the channels for tocsin's own messages; nil is none.
	Operators func() []string
	// Zone is the one that people read those in; nil is UTC, and they say so.
	Zone *time.Location
}

// NewEngine returns an engine that evaluates the ledgers' rules against the
// named sources.
func NewEngine(ledgers *LedgerCache, log *slog.Logger, o EngineOptions) *Engine {
	for _, d := range []struct {
		at        *time.Duration
		otherwise time.Duration
	}{
		{&o.Every, 30 * time.Second},
		{&o.Grace, time.Second},
		{&o.Heartbeat, 10 * time.Minute},
		{&o.CatchUp, 24 * time.Hour},
		{&o.OutageAfter, 2 * time.Minute},
		{&o.Settle, time.Minute},
	} {
		if *d.at == 0 {
			*d.at = d.otherwise
		}
	}
	if o.Sure == nil {
		o.Sure = func() bool { return true }
	}
	if o.Blind == nil {
		o.Blind = func() bool { return false }
	}
	if o.Clocks == nil {
		start := time.Now()
		o.Clocks = func() (time.Time, time.Duration) { return time.Now(), time.Since(start) }
	}
	e := &Engine{
		ledgers: ledgers, log: log, options: o, sources: map[string]*sourceState{},
		troubles: troubles{byRule: map[string]Trouble{}},
	}
	e.timetable.Store(schedule.New(o.Every))
	e.prove = func(o rules.Observation) rules.Evidence { return e.evidence(e.judging, o.Series) }
	return e
}

// Tick judges everything that is due at the nominal time t. Its error says
// what could not be saved or read; sources that fail are in their health.
func (e *Engine) Tick(ctx context.Context, t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tick(ctx, t)
}

// tick is Tick under the lock.
func (e *Engine) tick(ctx context.Context, t time.Time) error {
	began := time.Now()
	e.proven()
	unread := e.replan(ctx) // then the rules are judged as they were
	done, late := e.gather(e.startPolls(ctx, t))
	var answers []*Answer
	for _, p := range done {
		answers = append(answers, p.answers...)
	}
	err := e.decide(ctx, t, answers, nil)
	e.tellOutages(ctx, t)
	e.tellTroubles(ctx, t)
	for _, p := range done {
		if p.judged && decided(err) {
			p.source.judged(t)
		}
		p.release()
	}
	for _, p := range late {
		e.behind.Go(func() { e.finish(ctx, p) })
	}
	e.stats.ticked(t, time.Since(began), len(answers))
	if decided(err) {
		e.alive(t)
	}
	return errors.Join(unread, err)
}

// alive tells how far the sources are after a tick.
func (e *Engine) alive(t time.Time) {
	if e.options.Alive != nil {
		p := e.progress(t, nil)
		p.Unsaved = e.options.Stale || e.ledgers.Unsaved() > 0
		e.options.Alive(p)
	}
}

// replan makes plans and timetable anew when rules have changed, or when a
// source has refused whole queries and their plan is in pieces. Its error says
// that not every change could be read.
func (e *Engine) replan(ctx context.Context) error {
	planned := e.planned
	if e.inPieces.Swap(false) {
		planned = 0
	}
	version, err := e.ledgers.Watched(ctx, planned, e.plan)
	e.planned = version
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	return nil
}

// plan makes plans and timetable for the rules.
func (e *Engine) plan(list []*rules.Rule) {
	bySource := map[string][]*rules.Rule{}
	table := schedule.New(e.options.Every)
	for _, r := range list {
		table.Add(r)
		bySource[r.Source] = append(bySource[r.Source], r)
	}
	for name, s := range e.sources {
		mine := bySource[name]
		slices.SortFunc(mine, func(a, b *rules.Rule) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
		})
		s.plan.Store(NewPlan(mine))
	}
	e.timetable.Store(table)
	e.troubles.keep(list)
}

// poll is one source being asked at one tick.
type poll struct {
	source  *sourceState
	tick    time.Time
	now     time.Time // the present tick; later than tick in a replay
	replay  bool      // of ticks that were missed, up to the present one
	jumps   int64     // of the wall clock before it
	done    chan struct{}
	answers []*Answer
	judged  bool // the source answered, so the tick counts as judged
	behind  bool // ticks before this one are to be judged first
}

// startPolls starts a poll at every source that has due rules. A source whose last
// poll is still under way is left alone: the tick becomes a gap.
func (e *Engine) startPolls(ctx context.Context, t time.Time) []*poll {
	due := e.timetable.Load().Due(t)
	var out []*poll
	for _, s := range e.sources {
		plan := s.plan.Load()
		asks := plan.any(due)
		if !asks && e.passes(s, t) {
			continue
		}
		p := &poll{source: s, tick: t, now: t, jumps: e.jumps.Load(), done: make(chan struct{})}
		if !s.take(p) {
			if asks && !s.replaying(t) {
				e.stats.missed()
				e.log.Warn("tick missed: the source still answers an earlier one", "source", s.name, "tick", t)
			}
			continue
		}
		out = append(out, p)
		if !asks {
			p.behind = true
			close(p.done)
			continue
		}
		go func() {
			defer close(p.done)
			e.query(ctx, p, plan, due)
		}()
	}
	return out
}

// gather waits for the polls, for the slow ones no longer than the grace.
// Polls that must catch up are late by nature.
func (e *Engine) gather(rounds []*poll) (done, late []*poll) {
	grace := time.NewTimer(e.options.Grace)
	defer grace.Stop()
	over := false
	for _, p := range rounds {
		if !over {
			select {
			case <-p.done:
			case <-grace.C:
				over = true
			}
		}
		select {
		case <-p.done:
			if p.behind {
				late = append(late, p)
			} else {
				done = append(done, p)
			}
		default:
			late = append(late, p)
		}
	}
	return done, late
}

// finish decides on a source that answered after the grace, or that has missed
// ticks to judge first.
func (e *Engine) finish(ctx context.Context, p *poll) {
	<-p.done
	defer p.release()
	if p.behind {
		e.catchUp(ctx, p)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale(p) {
		return
	}
	err := e.decide(ctx, p.tick, p.answers, nil)
	if err != nil {
		e.log.Error("late answer not saved", "source", p.source.name, "error", err)
	}
	e.stats.late(len(p.answers))
	if p.judged && decided(err) {
		p.source.judged(p.tick)
	}
}

// decide lets the ledgers of the answers, and those with timers, decide, and
// commits all of it at once. While a replay has not reached the present the
// timers stand.
func (e *Engine) decide(ctx context.Context, t time.Time, answers []*Answer, past *replay) error {
	d := &e.decision
	d.enter(answers)
	d.add(e.everyLedger(past))
	defer func() {
		e.stats.judged(e.seen)
		e.seen = 0
	}()
	return e.ledgers.decide(ctx, t, &d.ledgerSet, func(s rules.Setting, place int, l *rules.Ledger) error {
		s = e.setting(s, l, past)
		if place < len(d.answers) && d.answers[place].fits(&l.Rule) && l.Watched() && !past.precedes(&l.Rule, t) {
			e.observe(s, l, d.answers[place])
		}
		if s.Replay {
			return nil
		}
		if past != nil {
			e.reach(&s, l, past)
		}
		l.RunTimers(s)
		return nil
	})
}

// observe judges one rule. An answer that failed is no verdict at all: the
// tick counts as not judged.
func (e *Engine) observe(s rules.Setting, l *rules.Ledger, a *Answer) {
	if !s.Now.After(l.Judged) {
		return
	}
	switch news := e.troubles.note(&l.Rule, s.Now, a.Err, a.unanswered); {
	case news && a.Err != nil:
		e.log.Warn("rule cannot be judged", "rule", l.Rule.ID, "error", a.Err)
	case news:
		e.log.Info("rule is judged again", "rule", l.Rule.ID)
	}
	if a.Err != nil {
		e.stats.failed()
		e.log.Debug("rule not judged", "rule", l.Rule.ID, "error", a.Err)
		return
	}
	s.Blind = e.options.Blind() || e.sources[a.Rule.Source].young(s.Now, a.Rule)
	a.silent.date(l)
	e.scratch = Evaluate(a, l, s.Now, e.scratch[:0])
	if s.Blind {
		e.scratch = overlookSilence(l, e.scratch)
	}
	if missed := s.Now.Sub(l.Judged) - e.timetable.Load().Gap(&l.Rule, l.Judged); !l.Judged.IsZero() && missed > 0 {
		l.PauseTimers(missed)
	}
	e.judging = a
	l.Observe(s, e.scratch, e.prove)
	e.seen += len(e.scratch)
}

// overlookSilence takes back the verdicts that rest on silence: of an absence,
// and of a count of nothing. A series that is left out here is unknown to a
// blind ledger, but to a count it would be zero.
func overlookSilence(l *rules.Ledger, obs []rules.Observation) []rules.Observation {
	c := &l.Rule.Condition
	count := c.Type == rules.Threshold && c.Aggregation == rules.Count
	if c.Type != rules.Absence && !count {
		return obs
	}
	obs = slices.DeleteFunc(obs, func(o rules.Observation) bool {
		return c.Type == rules.Absence && o.Verdict == rules.Bad || count && o.Value == 0
	})
	if !count {
		return obs
	}
	seen := make(map[rules.Series]bool, len(obs))
	for i := range obs {
		seen[obs[i].Series] = true
	}
	l.Instances(func(in *rules.Instance) bool {
		if !seen[in.Series] {
			obs = append(obs, rules.Observation{Series: in.Series, Verdict: rules.Unknown, Value: math.NaN()})
		}
		return true
	})
	return obs
}

func (e *Engine) evidence(a *Answer, series rules.Series) rules.Evidence {
	out := a.evidence(e.sources[a.Rule.Source].Source)
	if a.habits != nil {
		out.Usual = a.habits.usual(series)
	}
	if out.Clock = "sure"; !e.options.Sure() {
		out.Clock = "unsure"
	}
	return out
}

// decision is what is decided at once: ledgers, those that were answered
// first. It is used again, because mostly it is the same tick after tick.
type decision struct {
	ledgerSet
	given    []*Answer       // as they came
	answers  []*Answer       // of the first ledgers of the set
	answered map[string]bool // their rules; nil until asked
}

// enter puts the answered rules into the decision, parents first.
func (d *decision) enter(answers []*Answer) {
	if slices.Equal(d.given, answers) {
		return
	}
	d.given = append(d.given[:0], answers...)
	d.answers = parentsFirst(d.given)
	d.ledgerSet, d.answered = ledgerSet{ids: make([]string, len(answers))}, nil
	for i, a := range d.answers {
		d.ids[i] = a.plan.ids[a.place]
	}
}

// add puts further rules on it, unless they are there, and takes off those
// that an earlier decision added.
func (d *decision) add(ids []string) {
	if d.answered == nil && ids != nil {
		d.answered = make(map[string]bool, len(d.answers))
		for _, id := range d.ids[:len(d.answers)] {
			d.answered[id] = true
		}
	}
	place := len(d.answers)
	for _, id := range ids {
		switch {
		case d.answered[id]:
			continue
		case place == len(d.ids):
			d.ids = append(d.ids, id)
		case d.ids[place] != id:
			d.ids[place], d.ledgers = id, d.ledgers[:0]
		}
		place++
	}
	d.ids, d.ledgers = d.ids[:place], d.ledgers[:min(place, len(d.ledgers))]
}

// parentsFirst orders answers so that a rule comes after those it depends on.
func parentsFirst(answers []*Answer) []*Answer {
	if !slices.ContainsFunc(answers, func(a *Answer) bool { return a.plan.parents != nil }) {
		return answers
	}
	byName := map[string]*Answer{}
	for _, a := range answers {
		byName[a.plan.names[a.place]], byName[a.plan.ids[a.place]] = a, a
	}
	out, seen := make([]*Answer, 0, len(answers)), map[*Answer]bool{}
	var visit func(a *Answer)
	visit = func(a *Answer) {
		if a == nil || seen[a] {
			return
		}
		seen[a] = true
		for _, parent := range a.plan.parents[a.place] {
			visit(byName[parent])
		}
		out = append(out, a)
	}
	for _, a := range answers {
		visit(a)
	}
	return out
}
