package evaluator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Engine evaluates: at each tick it finds the rules that are due, asks their
// sources, and lets their ledgers decide.
type Engine struct {
	book    *Book
	sources map[string]*feed
	options EngineOptions
	log     *slog.Logger

	timetable atomic.Pointer[timetable]
	stats     statsKeeper

	mu      sync.Mutex    // one tick, one jump of the clock at a time
	planned uint64        // the Book's version that plans and timetable are made for
	unknown []*rules.Rule // rules whose source is not configured
	scratch []rules.Observation
}

// EngineOptions are what an Engine may be told; the zero value is right.
type EngineOptions struct {
	// Every is the base interval; 0 is 30 s.
	Every time.Duration
	// Grace is how long a tick waits for its slowest source before it decides
	// on what the others said; 0 is 1 s. What comes later is decided when it comes.
	Grace time.Duration
	// Heartbeat is how often what lives in memory is saved; 0 is 10 min.
	Heartbeat time.Duration
	// Alive is called with the time of each tick that was decided.
	Alive func(t time.Time)
}

// SourceOptions say how a source is asked.
type SourceOptions struct {
	// Delay shifts windows into the past so that late points are in.
	Delay time.Duration
	// Timeout bounds one round of queries; 0 is 10 s.
	Timeout time.Duration
}

// feed is a source with its plan and its health.
type feed struct {
	name string
	Source
	SourceOptions
	plan    *Plan
	busy    sync.Mutex // a round is under way, from the question to the decision
	answers []Answer   // of the last round, by rule of the plan
	out     []*Answer

	mu     sync.Mutex
	health SourceHealth
}

// SourceHealth is how a source has been doing.
type SourceHealth struct {
	Name      string    `json:"name"`
	OK        bool      `json:"ok"`
	Error     string    `json:"error,omitempty"`
	DownSince time.Time `json:"down_since,omitzero"`
	LastOK    time.Time `json:"last_ok,omitzero"`
	Asked     bool      `json:"asked"`
}

// NewEngine returns an engine that evaluates the rules of book against the
// named sources.
func NewEngine(book *Book, log *slog.Logger, o EngineOptions) *Engine {
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = time.Second
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 10 * time.Minute
	}
	e := &Engine{book: book, log: log, options: o, sources: map[string]*feed{}}
	e.timetable.Store(newTimetable(o.Every))
	return e
}

// Add makes a source known under a name. It must not be called after Run.
func (e *Engine) Add(name string, s Source, o SourceOptions) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	e.sources[name] = &feed{name: name, Source: s, SourceOptions: o, plan: NewPlan(nil), health: SourceHealth{Name: name, OK: true}}
}

// Tick judges everything that is due at the nominal time t. Its error says
// what could not be saved or read; sources that fail are in their health.
func (e *Engine) Tick(ctx context.Context, t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	began := time.Now()
	if err := e.replan(ctx); err != nil {
		return err
	}
	due := e.timetable.Load().due(t)
	rounds := e.ask(ctx, t, due)
	answers, late := e.gather(rounds)
	err := e.decide(ctx, t, answers)
	for _, r := range rounds {
		if !slices.Contains(late, r) {
			r.feed.busy.Unlock()
		}
	}
	e.stats.ticked(t, time.Since(began), len(answers))
	for _, r := range late {
		go e.decideLate(ctx, t, r)
	}
	if e.options.Alive != nil && err == nil {
		e.options.Alive(t)
	}
	return err
}

// replan makes plans and timetable anew when rules have changed.
func (e *Engine) replan(ctx context.Context) error {
	list, version, err := e.book.Watched(ctx)
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	if version == e.planned {
		return nil
	}
	bySource, unknown := map[string][]*rules.Rule{}, []*rules.Rule(nil)
	table := newTimetable(e.options.Every)
	for _, r := range list {
		table.add(r)
		if e.sources[r.Source] == nil {
			unknown = append(unknown, r)
			continue
		}
		bySource[r.Source] = append(bySource[r.Source], r)
	}
	for name, f := range e.sources {
		mine := bySource[name]
		slices.SortFunc(mine, func(a, b *rules.Rule) int { return a.CreatedAt.Compare(b.CreatedAt) })
		f.plan = NewPlan(mine)
	}
	e.unknown, e.planned = unknown, version
	e.timetable.Store(table)
	return nil
}

// round is one source being asked at one tick.
type round struct {
	feed    *feed
	done    chan struct{}
	answers []*Answer
}

// ask starts a round at every source that has due rules. A source whose last
// round is still under way is skipped: its tick is missed, not queued.
func (e *Engine) ask(ctx context.Context, t time.Time, due map[string]bool) []*round {
	var out []*round
	for _, f := range e.sources {
		wanted := func(r *rules.Rule) bool { return due[scheduleKey(r)] }
		if !slices.ContainsFunc(f.plan.rules, wanted) {
			continue
		}
		if !f.busy.TryLock() {
			e.stats.missed()
			e.log.Warn("tick missed: the source still answers the last one", "source", f.name, "tick", t)
			continue
		}
		r := &round{feed: f, done: make(chan struct{})}
		out = append(out, r)
		plan := f.plan
		go func() {
			defer close(r.done)
			r.answers = e.query(ctx, f, plan, wanted, t)
		}()
	}
	return out
}

// query asks one source everything that its due rules need. The answers live
// in the feed and are good until the next round.
func (e *Engine) query(ctx context.Context, f *feed, plan *Plan, due func(*rules.Rule) bool, t time.Time) []*Answer {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	end := t.Add(-f.Delay)
	if len(f.answers) != len(plan.rules) {
		f.answers = make([]Answer, len(plan.rules))
	}
	out := f.out[:0]
	for i, r := range plan.rules {
		a := &f.answers[i]
		if a.due = due(r); a.due {
			a.begin(r, plan.needs[i], end)
			out = append(out, a)
		}
	}
	errs := e.put(ctx, f, plan, slices.Clone(plan.shapes), end)
	for _, a := range out {
		a.finish()
	}
	if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.judgeHealth(f, errs, t)
	}
	f.out = out
	return out
}

// put asks the shapes that a due rule takes. One that is refused is split and
// asked again, so that no rule sees the error of another.
func (e *Engine) put(ctx context.Context, f *feed, plan *Plan, shapes []*shape, end time.Time) []error {
	shapes = slices.DeleteFunc(shapes, func(s *shape) bool {
		return !slices.ContainsFunc(s.takers, func(t taker) bool { return f.answers[t.rule].due })
	})
	queries := make([]Query, len(shapes))
	for i, s := range shapes {
		queries[i] = s.query(end)
	}
	began := time.Now()
	errs := f.Query(ctx, queries, func(q int, row Row) { shapes[q].deal(row, f.answers) })
	e.stats.asked(len(queries), time.Since(began))
	var again []*shape
	for i, err := range errs {
		if err == nil {
			continue
		}
		for _, t := range shapes[i].takers {
			f.answers[t.rule].Err = err
		}
		if rules.CodeOf(err) == rules.Unavailable {
			continue
		}
		parts := plan.split(shapes[i])
		for _, t := range shapes[i].takers {
			if parts != nil {
				f.answers[t.rule].empty()
				f.answers[t.rule].Err = nil
			}
		}
		again = append(again, parts...)
	}
	if len(again) > 0 {
		errs = append(errs, e.put(ctx, f, plan, again, end)...)
	}
	return errs
}

// judgeHealth: a source is down when it answers nothing at all.
func (e *Engine) judgeHealth(f *feed, errs []error, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, h := f.health.OK, &f.health
	h.Asked = true
	down := slices.IndexFunc(errs, func(err error) bool { return rules.CodeOf(err) == rules.Unavailable })
	if down < 0 {
		*h = SourceHealth{Name: f.name, OK: true, LastOK: t, Asked: true}
		if !was {
			e.log.Info("source is back", "source", f.name)
		}
		return
	}
	h.OK, h.Error = false, errs[down].Error()
	if was {
		h.DownSince = t
		e.log.Warn("source does not answer", "source", f.name, "error", errs[down])
	}
}

// gather waits for the rounds, for the slow ones no longer than the grace.
func (e *Engine) gather(rounds []*round) (answers []*Answer, late []*round) {
	grace := time.NewTimer(e.options.Grace)
	defer grace.Stop()
	over := false
	for _, r := range rounds {
		if !over {
			select {
			case <-r.done:
			case <-grace.C:
				over = true
			}
		}
		select {
		case <-r.done:
			answers = append(answers, r.answers...)
		default:
			late = append(late, r)
		}
	}
	return answers, late
}

// decideLate decides on a source that answered after the grace.
func (e *Engine) decideLate(ctx context.Context, t time.Time, r *round) {
	<-r.done
	defer r.feed.busy.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.decide(ctx, t, r.answers); err != nil {
		e.log.Error("late answer not decided", "source", r.feed.name, "error", err)
	}
}

// decide lets the ledgers of the answers, and those with timers, decide, and
// commits all of it at once.
func (e *Engine) decide(ctx context.Context, t time.Time, answers []*Answer) error {
	byRule := make(map[string]*Answer, len(answers))
	ids := make([]string, 0, len(answers))
	for _, a := range parentsFirst(answers) {
		byRule[a.Rule.ID] = a
		ids = append(ids, a.Rule.ID)
	}
	for _, id := range e.book.Busy() {
		if byRule[id] == nil {
			ids = append(ids, id)
		}
	}
	return e.book.Decide(ctx, t, ids, func(s rules.Setting, l *rules.Ledger) error {
		if a := byRule[l.Rule.ID]; a != nil && a.Rule.Version == l.Rule.Version && l.Watched() {
			e.observe(s, l, a)
		}
		l.Tend(s)
		return nil
	})
}

// observe judges one rule. An answer that failed is no verdict at all: the
// tick counts as not judged.
func (e *Engine) observe(s rules.Setting, l *rules.Ledger, a *Answer) {
	if !s.Now.After(l.Judged) {
		return
	}
	if a.Err != nil {
		e.stats.failed(a.Err)
		e.log.Debug("rule not judged", "rule", l.Rule.ID, "error", a.Err)
		return
	}
	e.scratch = Evaluate(a, l, s.Now, e.scratch[:0])
	if missed := s.Now.Sub(l.Judged) - e.timetable.Load().gap(&l.Rule, l.Judged); !l.Judged.IsZero() && missed > 0 {
		l.Stand(missed)
	}
	before := l.Size()
	l.Observe(s, e.scratch, func(rules.Observation) rules.Evidence { return e.evidence(a) })
	e.stats.judged(len(e.scratch), l.Size()-before)
}

func (e *Engine) evidence(a *Answer) rules.Evidence {
	out := rules.Evidence{From: a.Query.From, To: a.Query.To, Condition: a.Rule.Condition.String()}
	if f := e.sources[a.Rule.Source]; f != nil {
		out.Query = f.Explain(a.Query)
	}
	return out
}

// parentsFirst orders answers so that a rule comes after those it depends on.
func parentsFirst(answers []*Answer) []*Answer {
	byName := map[string]*Answer{}
	dependent := false
	for _, a := range answers {
		byName[a.Rule.Name], byName[a.Rule.ID] = a, a
		dependent = dependent || len(a.Rule.DependsOn) > 0
	}
	if !dependent {
		return answers
	}
	out, seen := make([]*Answer, 0, len(answers)), map[*Answer]bool{}
	var visit func(a *Answer)
	visit = func(a *Answer) {
		if a == nil || seen[a] {
			return
		}
		seen[a] = true
		for _, parent := range a.Rule.DependsOn {
			visit(byName[parent])
		}
		out = append(out, a)
	}
	for _, a := range answers {
		visit(a)
	}
	return out
}

// Health tells how each source has been doing, by name.
func (e *Engine) Health() []SourceHealth {
	var out []SourceHealth
	for _, f := range e.sources {
		f.mu.Lock()
		out = append(out, f.health)
		f.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b SourceHealth) int { return strings.Compare(a.Name, b.Name) })
	return out
}
