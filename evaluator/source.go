package evaluator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// SourceOptions say how a source is asked.
type SourceOptions struct {
	// Delay shifts windows into the past so that late points are in.
	Delay time.Duration
	// Timeout bounds one round of queries; 0 is 10 s.
	Timeout time.Duration
	// Fresh says that the source began with this process and cannot be asked
	// about the time before: its silence proves nothing until it has run for a
	// window.
	Fresh bool
	// Arrived signals that points have come: rules without a schedule of their
	// own are then judged at once, besides the ticks of the base interval. Nil
	// is never.
	Arrived <-chan struct{}
	// Windows answers the ticks of the present in place of the source; nil is the
	// source itself.
	Windows Windows
}

// Windows answers the same queries tick after tick from what it remembers.
type Windows interface {
	Querier
	// Forget makes every next answer rest on a full look at the source.
	Forget()
	// Ways tells how each query is asked, the dearest first.
	Ways() []Way
}

// Way is how a query is asked: in full, or for what is new since the last tick.
type Way struct {
	Measurement string         `json:"measurement"`
	Fields      []string       `json:"fields"` // "*" for any
	Window      rules.Duration `json:"window"`
	Fresh       bool           `json:"fresh"`            // only what is new is asked for
	Took        rules.Duration `json:"took"`             // the last time
	Points      int            `json:"points,omitempty"` // that were new
	Why         string         `json:"why"`
}

// sourceState is a source with its plan and its health.
type sourceState struct {
	name string
	Source
	SourceOptions
	plan    atomic.Pointer[Plan]
	owner   atomic.Pointer[poll] // the poll under way, from the question to the decision
	asked   *Plan                // of the last poll; its owner's, as all that follows
	answers []Answer             // by rule of the plan
	out     []*Answer            // those that were due
	groups  []*queryGroup
	queries []Query
	from    Querier            // what the poll under way asks
	habits  map[string]*Habits // by anomaly rule
	started time.Time

	unproven bool // the clock is not known to be right since the start; under the engine's mu

	behind atomic.Bool // ticks before the present one are not judged, or may not be

	mu      sync.Mutex
	health  SourceHealth
	fails   bool        // it did when it was last asked
	through time.Time   // every tick that was due until then is judged
	gap     rules.Gap   // what is not
	newest  time.Time   // the last tick that came while missed ones were judged
	leapt   []time.Time // wall-clock ticks that a jump leapt over
}

// SourceHealth is how a source has been doing.
type SourceHealth struct {
	Name      string    `json:"name"`
	OK        bool      `json:"ok"`
	Error     string    `json:"error,omitempty"`
	DownSince time.Time `json:"down_since,omitzero"` // the first tick that it failed
	Outage    bool      `json:"outage,omitempty"`    // it has failed for so long that people are told
	LastOK    time.Time `json:"last_ok,omitzero"`    // the last tick that it answered
}

// Add makes a source known under a name. It must not be called after Run.
func (e *Engine) Add(name string, source Source, o SourceOptions) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	s := &sourceState{
		name: name, Source: source, SourceOptions: o, health: SourceHealth{Name: name, OK: true}, started: time.Now(),
	}
	s.plan.Store(NewPlan(nil))
	e.sources[name] = s
}

// take makes a poll the owner of the source; false while another one is.
func (s *sourceState) take(p *poll) bool { return s.owner.CompareAndSwap(nil, p) }

// release lets the next poll have the source that this one owns.
func (p *poll) release() {
	if !p.source.owner.CompareAndSwap(p, nil) {
		panic("a poll gives back a source that it does not own")
	}
}

// asks is what a poll asks: what remembers, at a tick of the present. After a
// replay that has to look anew, since points were late.
func (s *sourceState) asks(replay bool) Querier {
	switch {
	case s.Windows == nil:
		return s.Source
	case replay:
		s.Windows.Forget()
		return s.Source
	}
	return s.Windows
}

// any reports whether a rule of the plan has one of the due schedules.
func (p *Plan) any(due map[string]bool) bool {
	return slices.ContainsFunc(p.schedules, func(key string) bool { return due[key] })
}

// query asks one source everything that its due rules need. The answers live
// in the source and are good until the next poll.
func (e *Engine) query(ctx context.Context, p *poll, plan *Plan, due map[string]bool) {
	s := p.source
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	s.from = s.asks(p.replay)
	e.askAll(ctx, s, plan, due, p.tick.Add(-s.Delay))
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the program ends; that says nothing about the source
	}
	p.answers = s.out
	e.judgeHealth(p)
	if p.judged && !p.behind {
		e.learn(ctx, s, plan)
		e.dateSilence(ctx, s, plan, p.tick)
	}
}

// askAll asks a source what the due rules of a plan need in windows that end at
// end; the answers are in f.out. It returns how many queries that took.
func (e *Engine) askAll(ctx context.Context, s *sourceState, plan *Plan, due map[string]bool,
	end time.Time,
) (queries int) {
	if s.asked != plan {
		s.asked, s.answers = plan, make([]Answer, len(plan.rules))
	}
	s.out = s.out[:0]
	for i, rule := range plan.rules {
		a := &s.answers[i]
		if a.due = due[plan.schedules[i]]; a.due {
			a.begin(rule, plan.requirements[i], end)
			a.plan, a.place, a.expression = plan, i, plan.expressions[i]
			s.out = append(s.out, a)
		}
	}
	s.groups = append(s.groups[:0], plan.groups...)
	queries = e.ask(ctx, s, plan, s.groups, end)
	own := s.own(plan)
	e.stats.asked(len(own))
	readOwn(ctx, s.Source, own, end)
	for _, a := range s.out {
		a.finish()
	}
	return queries + len(own)
}

// own lists the answers of due rules with a statement of their own.
func (s *sourceState) own(plan *Plan) (out []*Answer) {
	for _, i := range plan.own {
		if s.answers[i].due {
			out = append(out, &s.answers[i])
		}
	}
	return out
}

// ask asks the query groups that a due rule takes. One that is refused is split and
// asked again, so that no rule sees the error of another.
func (e *Engine) ask(ctx context.Context, s *sourceState, plan *Plan, groups []*queryGroup,
	end time.Time,
) (queries int) {
	groups = slices.DeleteFunc(groups, func(g *queryGroup) bool {
		return !slices.ContainsFunc(g.consumers, func(c consumer) bool { return s.answers[c.rule].due })
	})
	s.queries = s.queries[:0]
	for _, g := range groups {
		g.rows, g.consumed = 0, 0
		s.queries = append(s.queries, g.query(end))
	}
	e.stats.asked(len(groups))
	errs := s.from.Query(ctx, s.queries, func(q int, row Row) { groups[q].deal(&row, s.answers) })
	var again []*queryGroup
	for i, err := range errs {
		if err == nil {
			if groups[i].wasteful() {
				plan.narrow(groups[i])
			}
			continue
		}
		var parts []*queryGroup
		if rules.CodeOf(err) != rules.Unavailable {
			parts = plan.split(groups[i])
		}
		for _, c := range groups[i].consumers {
			if a := &s.answers[c.rule]; parts == nil {
				a.Err = err
			} else {
				a.discard(c.requirement)
			}
		}
		again = append(again, parts...)
	}
	queries = len(groups)
	if len(again) > 0 {
		queries += e.ask(ctx, s, plan, again, end)
	}
	return queries
}

// judgeHealth keeps how the source does, and says of the poll whether it
// counts and whether ticks were missed before it.
func (e *Engine) judgeHealth(p *poll) {
	s := p.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.stale(p) {
		p.answers = nil
		return
	}
	if err := s.failure(); err != nil {
		e.fail(p, err)
		return
	}
	if !s.health.OK {
		e.log.Info("source is back", "source", s.name, "down_since", s.health.DownSince)
		e.inPieces.Store(true)
	}
	if s.answered(p.now); s.settles(e.options.OutageAfter, e.options.Settle, p.now) {
		p.answers = nil // late points are still on their way
		return
	}
	p.judged = p.replay || !e.leavesGap(p)
	p.behind = p.judged && !p.tick.Before(p.now) && e.owes(s, p.tick)
}

// young reports whether the source has not run for a window of the rule yet.
func (s *sourceState) young(now time.Time, r *rules.Rule) bool {
	return s.Fresh && now.Sub(s.started) < r.Condition.Window.Std()
}

// Ways tells how the queries of a source are asked, the dearest first; nothing of
// one that is always asked in full.
func (e *Engine) Ways(source string) []Way {
	if s := e.sources[source]; s != nil && s.Windows != nil {
		return s.Windows.Ways()
	}
	return nil
}

// Health tells how each source has been doing, by name.
func (e *Engine) Health() []SourceHealth {
	var out []SourceHealth
	for _, s := range e.sources {
		s.mu.Lock()
		h := s.health
		h.Outage = s.gap.Told && !h.OK
		out = append(out, h)
		s.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b SourceHealth) int { return strings.Compare(a.Name, b.Name) })
	return out
}
