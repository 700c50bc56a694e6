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
}

// feed is a source with its plan and its health.
type feed struct {
	name string
	Source
	SourceOptions
	plan    atomic.Pointer[Plan]
	busy    sync.Mutex // held from the question to the decision
	asked   *Plan      // of the last round; under busy, as all that follows
	answers []Answer   // by rule of the plan
	out     []*Answer  // those that were due
	shapes  []*shape
	queries []Query
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
func (e *Engine) Add(name string, s Source, o SourceOptions) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	f := &feed{name: name, Source: s, SourceOptions: o, health: SourceHealth{Name: name, OK: true}, started: time.Now()}
	f.plan.Store(NewPlan(nil))
	e.sources[name] = f
}

// any reports whether a rule of the plan has one of the due schedules.
func (p *Plan) any(due map[string]bool) bool {
	return slices.ContainsFunc(p.schedules, func(key string) bool { return due[key] })
}

// query asks one source everything that its due rules need. The answers live
// in the feed and are good until the next round.
func (e *Engine) query(ctx context.Context, r *round, plan *Plan, due map[string]bool) {
	f := r.feed
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	e.pose(ctx, f, plan, due, r.tick.Add(-f.Delay))
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the program ends; that says nothing about the source
	}
	r.answers = f.out
	e.judgeHealth(r)
	if r.judged && !r.behind {
		e.dateSilence(ctx, f, plan, r.tick)
	}
}

// pose asks a source what the due rules of a plan need in windows that end at
// end; the answers are in f.out. It returns how many queries that took.
func (e *Engine) pose(ctx context.Context, f *feed, plan *Plan, due map[string]bool, end time.Time) (queries int) {
	if f.asked != plan {
		f.asked, f.answers = plan, make([]Answer, len(plan.rules))
	}
	f.out = f.out[:0]
	for i, rule := range plan.rules {
		a := &f.answers[i]
		if a.due = due[plan.schedules[i]]; a.due {
			a.begin(rule, plan.needs[i], end)
			a.plan, a.place, a.expression = plan, i, plan.expressions[i]
			f.out = append(f.out, a)
		}
	}
	f.shapes = append(f.shapes[:0], plan.shapes...)
	queries = e.put(ctx, f, plan, f.shapes, end)
	own := f.own(plan)
	e.stats.asked(len(own))
	readOwn(ctx, f.Source, own, end)
	for _, a := range f.out {
		a.finish()
	}
	return queries + len(own)
}

// own lists the answers of due rules with a statement of their own.
func (f *feed) own(plan *Plan) (out []*Answer) {
	for _, i := range plan.own {
		if f.answers[i].due {
			out = append(out, &f.answers[i])
		}
	}
	return out
}

// put asks the shapes that a due rule takes. One that is refused is split and
// asked again, so that no rule sees the error of another.
func (e *Engine) put(ctx context.Context, f *feed, plan *Plan, shapes []*shape, end time.Time) (queries int) {
	shapes = slices.DeleteFunc(shapes, func(s *shape) bool {
		return !slices.ContainsFunc(s.takers, func(t taker) bool { return f.answers[t.rule].due })
	})
	f.queries = f.queries[:0]
	for _, s := range shapes {
		s.rows, s.taken = 0, 0
		f.queries = append(f.queries, s.query(end))
	}
	e.stats.asked(len(shapes))
	errs := f.Query(ctx, f.queries, func(q int, row Row) { shapes[q].deal(&row, f.answers) })
	var again []*shape
	for i, err := range errs {
		if err == nil {
			if shapes[i].wasteful() {
				plan.narrow(shapes[i])
			}
			continue
		}
		var parts []*shape
		if rules.CodeOf(err) != rules.Unavailable {
			parts = plan.split(shapes[i])
		}
		for _, t := range shapes[i].takers {
			if a := &f.answers[t.rule]; parts == nil {
				a.Err = err
			} else {
				a.discard(t.need)
			}
		}
		again = append(again, parts...)
	}
	queries = len(shapes)
	if len(again) > 0 {
		queries += e.put(ctx, f, plan, again, end)
	}
	return queries
}

// judgeHealth keeps how the source does, and says of the round whether it
// counts and whether ticks were missed before it.
func (e *Engine) judgeHealth(r *round) {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.stale(r) {
		r.answers = nil
		return
	}
	if err := f.failure(); err != nil {
		e.fail(r, err)
		return
	}
	if !f.health.OK {
		e.log.Info("source is back", "source", f.name, "down_since", f.health.DownSince)
		e.inPieces.Store(true)
	}
	if f.answered(r.now); f.settles(e.options.OutageAfter, e.options.Settle, r.now) {
		r.answers = nil // late points are still on their way
		return
	}
	r.judged = r.replay || !e.leavesGap(r)
	r.behind = r.judged && !r.tick.Before(r.now) && e.owes(f, r.tick)
}

// young reports whether the source has not run for a window of the rule yet.
func (f *feed) young(now time.Time, r *rules.Rule) bool {
	return f.Fresh && now.Sub(f.started) < r.Condition.Window.Std()
}

// Health tells how each source has been doing, by name.
func (e *Engine) Health() []SourceHealth {
	var out []SourceHealth
	for _, f := range e.sources {
		f.mu.Lock()
		h := f.health
		h.Outage = f.gap.Told && !h.OK
		out = append(out, h)
		f.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b SourceHealth) int { return strings.Compare(a.Name, b.Name) })
	return out
}
