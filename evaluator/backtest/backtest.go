// Package backtest tries a rule on the past: it reads the history of what the
// rule must know with few queries, and judges tick by tick through the same
// Evaluate and the same ledger as live. It tells nobody and stores nothing.
package backtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/aggregate"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// Trial tries a rule on the past: through the same ledger as live, with a
// virtual clock, and without telling anybody.
type Trial struct {
	Rule   rules.Rule
	Source evaluator.Querier
	// From and To bound the ticks: (From, To].
	From, To time.Time
	// Every is the base interval, for a rule without a schedule of its own.
	Every time.Duration
	// Delay is the source's.
	Delay time.Duration
	// Zone is whose hours of the day series have their habits by; nil is UTC.
	Zone *time.Location
	// Ticks are judged instead of the schedule's, when given.
	Ticks []time.Time
	// Progress is told how far the trial has come, from 0 to 1; may be nil.
	Progress func(done float64)
	// Verdict is told every verdict on every series; may be nil.
	Verdict func(v Verdict)
}

// Verdict is what was made of one series at one tick.
type Verdict struct {
	At     time.Time
	Series rules.Series
	Value  float64 // NaN for none
	Score  float64 // from 0 to 1: how wrong; 1 and 0 where a condition only knows both
	Bad    bool
	// Low and High are what an anomaly rule expected, NaN of other rules.
	Low, High float64
	State     rules.State
}

// Episode is one alert that a trial had.
type Episode struct {
	Series     rules.Series
	Since      time.Time // when it went bad
	StartedAt  time.Time
	ResolvedAt time.Time // zero when it still fires at the end
	Severity   rules.Severity
	Peak       float64
}

// Result is what a trial found.
type Result struct {
	From, To time.Time
	Ticks    int
	Series   int
	Episodes []Episode // in order of their start
	Values   int       // observations with a value
	Last     float64   // the worst value at the last tick that had one
	// Quiet is the value that the condition could have had without firing, by
	// the values that held for `for`; NaN where there is no such one.
	Quiet float64
	// Told is how often an anomaly rule would have told, by
	// evaluator.Sensitivities.
	Told [3]int
}

const (
	firstSpan  = 256       // ticks that are read before the series are known
	spanValues = 1_000_000 // that are read at a time: it bounds the memory
	leastSpan  = 64

	slowSpan   = 16              // ticks that a slow source is asked for at aggregate.Least
	spanTime   = 5 * time.Second // that a span should take
	mostGrowth = 16              // from one to the next
)

// Run tries the rule.
func (t Trial) Run(ctx context.Context) (*Result, error) {
	ticks, err := t.ticks()
	if err != nil {
		return nil, err
	}
	r := &replayer{Trial: t, result: &Result{
		From: t.From, To: t.To, Ticks: len(ticks), Last: math.NaN(),
		Quiet: math.NaN(),
	}, found: map[string]int{}, seen: map[rules.Series]struct{}{}}
	if err := r.begin(); err != nil {
		return nil, err
	}
	if err := r.learn(ctx, ticks[0]); err != nil {
		return nil, err
	}
	if err := r.judgeAll(ctx, ticks); err != nil {
		return nil, err
	}
	r.end()
	return r.result, nil
}

// mostTicks bounds a trial: two years at a minute.
const mostTicks = 1_100_000

func (t Trial) ticks() ([]time.Time, error) {
	if t.Ticks != nil {
		return t.Ticks, nil
	}
	s, err := schedule.Parse(t.Rule.Every, t.Rule.Zone, t.Every)
	if err != nil {
		return nil, err
	}
	var out []time.Time
	for tick := s.Next(t.From); !tick.IsZero() && !tick.After(t.To); tick = s.Next(tick) {
		if out = append(out, tick); len(out) > mostTicks {
			return nil, rules.Errorf(rules.Invalid,
				"from %s to %s the rule has more than %d ticks; try a shorter range, or a longer every",
				t.From.Format(time.DateOnly), t.To.Format(time.DateOnly), mostTicks)
		}
	}
	if len(out) == 0 {
		return nil, rules.Errorf(rules.Invalid, "the rule is not due between %s and %s; try a longer range",
			t.From.Format(time.RFC3339), t.To.Format(time.RFC3339))
	}
	return out, nil
}

// replayer runs a trial.
type replayer struct {
	Trial
	ledger *rules.Ledger
	answer *evaluator.Answer
	needs  []evaluator.Requirement
	result *Result
	found  map[string]int // episodes by alert
	seen   map[rules.Series]struct{}
	obs    []rules.Observation
	named  map[rules.Series]bool // by obs
	quiet  map[rules.Series]*run
}

func (r *replayer) begin() error {
	r.Rule.Enabled = true
	r.ledger = rules.OpenLedger(rules.Snapshot{Rule: r.Rule})
	r.quiet, r.named = map[rules.Series]*run{}, map[rules.Series]bool{}
	var err error
	r.answer, r.needs, err = evaluator.NewAnswer(&r.Rule)
	return err
}

// learn makes known what was usual before the first tick. A file begins with it.
func (r *replayer) learn(ctx context.Context, first time.Time) error {
	if r.Rule.Condition.Type != rules.Anomaly {
		return nil
	}
	h := evaluator.NewHabits(&r.Rule, r.Zone)
	r.answer.Know(h)
	for done := r.Ticks != nil; !done; {
		var err error
		done, err = h.Learn(ctx, r.Source, first.Add(-r.Delay-r.Rule.Condition.Window.Std()), func() bool {
			return ctx.Err() == nil
		})
		if ctx.Err() != nil {
			return fmt.Errorf("trial stopped: %w", ctx.Err())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// chunk is a span of ticks with what the requirements were at each.
type chunk struct {
	ticks     []time.Time
	histories []*history
	err       error
}

// judgeAll reads and judges one span after the other. While one is judged, the
// next is read: the source has something to do meanwhile.
func (r *replayer) judgeAll(ctx context.Context, ticks []time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	reels := make(chan chunk)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() { r.readAll(ctx, ticks, reels) })
	for done := 0; done < len(ticks); {
		var c chunk
		select {
		case c = <-reels:
		case <-ctx.Done():
			return fmt.Errorf("trial stopped: %w", ctx.Err())
		}
		if err := r.judgeChunk(ctx, c); err != nil {
			return err
		}
		if done += len(c.ticks); r.Progress != nil {
			r.Progress(float64(done) / float64(len(ticks)))
		}
	}
	return nil
}

// readAll reads span by span, until ctx ends at the latest. A span that was too
// much for the source is read again in parts.
func (r *replayer) readAll(ctx context.Context, ticks []time.Time, reels chan<- chunk) {
	for size := firstSpan; len(ticks) > 0; {
		c := chunk{ticks: ticks[:min(size, len(ticks))]}
		began := time.Now()
		if r.Rule.Condition.Type != rules.Query {
			c.histories, c.err = r.read(ctx, c.ticks)
		}
		if least := leastAfter(c.err); len(c.ticks) > least && ctx.Err() == nil {
			size = max(least, len(c.ticks)/16)
			continue
		}
		ticks = ticks[len(c.ticks):]
		size = c.next(time.Since(began))
		select {
		case reels <- c:
		case <-ctx.Done():
			return
		}
	}
}

// leastAfter is how few ticks may be read where an error says that it was too
// much. A source that hangs is not waited for again and again.
func leastAfter(err error) int {
	switch {
	case !evaluator.IsTooMuch(err):
		return math.MaxInt
	case rules.CodeOf(err) == rules.Unavailable:
		return slowSpan
	}
	return 1
}

// next is how many ticks are read after a chunk that took so long to read: as
// many as fit into the memory, and are read in a few seconds.
func (c *chunk) next(took time.Duration) int {
	series := 1
	for _, h := range c.histories {
		series += len(h.order)
	}
	size := max(leastSpan, spanValues/series)
	grown := float64(len(c.ticks)) * min(mostGrowth, float64(spanTime)/float64(max(took, 1)))
	return min(size, max(1, int(grown)))
}

// read reads what the requirements were at some ticks.
func (r *replayer) read(ctx context.Context, ticks []time.Time) ([]*history, error) {
	histories := make([]*history, len(r.needs))
	for i, req := range r.needs {
		ends := make([]time.Time, len(ticks))
		for j, t := range ticks {
			ends[j] = t.Add(-r.Delay - req.Back)
		}
		var err error
		if histories[i], err = readHistory(ctx, r.Source, req, ends); err != nil {
			return nil, histories[i].trouble(err)
		}
	}
	return histories, nil
}

// judgeChunk judges the ticks of a chunk.
func (r *replayer) judgeChunk(ctx context.Context, c chunk) error {
	if c.err != nil {
		return c.err
	}
	if r.Rule.Condition.Type == rules.Query {
		return r.judgeOwn(ctx, c.ticks)
	}
	for i, tick := range c.ticks {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("trial stopped: %w", err)
		}
		r.answer.Clear()
		for j, history := range c.histories {
			r.answer.Points[j] = history.points(i, r.answer.Points[j])
		}
		r.judge(tick)
	}
	return nil
}

// judgeOwn asks a user's own statement at each tick: nobody else can cut it
// into steps.
func (r *replayer) judgeOwn(ctx context.Context, ticks []time.Time) error {
	reader, ok := r.Source.(evaluator.Reader)
	if !ok {
		return rules.FieldErrorf("condition.type", "this source takes no query of your own")
	}
	for _, tick := range ticks {
		r.answer.Clear()
		if err := r.answer.Read(ctx, reader, tick.Add(-r.Delay)); err != nil {
			return fmt.Errorf("ask the statement at %s: %w", tick.Format(time.RFC3339), err)
		}
		r.judge(tick)
	}
	return nil
}

// judge is one tick, as the engine does it.
func (r *replayer) judge(tick time.Time) {
	r.obs = evaluator.Evaluate(r.answer, r.ledger, tick, r.obs[:0])
	r.countNothing()
	r.ledger.Observe(rules.Setting{Now: tick}, r.obs, nil)
	r.note(tick)
	if !r.ledger.Changed() {
		return
	}
	for _, a := range r.ledger.Changes().Alerts {
		e := Episode{
			Series: a.Series, Since: a.Since, StartedAt: a.StartedAt, ResolvedAt: a.ResolvedAt, Severity: a.Severity,
			Peak: a.Peak,
		}
		i, known := r.found[a.ID]
		if !known {
			i = len(r.result.Episodes)
			r.found[a.ID] = i
			r.result.Episodes = append(r.result.Episodes, e)
		}
		r.result.Episodes[i] = e
	}
	r.ledger.Saved(1)
}

// countNothing says what the ledger takes for granted: that the count of a
// known series without points is zero. The figures are made of it.
func (r *replayer) countNothing() {
	if c := &r.Rule.Condition; c.Type != rules.Threshold || c.Aggregation != rules.Count {
		return
	}
	clear(r.named)
	for i := range r.obs {
		r.named[r.obs[i].Series] = true
	}
	r.ledger.Instances(func(in *rules.Instance) bool {
		if !r.named[in.Series] {
			r.obs = append(r.obs, evaluator.JudgeValue(&r.Rule, &evaluator.Point{Series: in.Series}))
		}
		return true
	})
}

// note keeps the figures that a tick adds to.
func (r *replayer) note(tick time.Time) {
	last, worst := math.NaN(), worseOf(r.Rule.Condition.Operator)
	for i := range r.obs {
		o := &r.obs[i]
		if !math.IsNaN(o.Value) {
			r.result.Values++
			r.seen[o.Series] = struct{}{}
			last = worst(last, o.Value)
			r.lull(tick, o)
		} else if o.Text != "" {
			r.result.Values++
		}
		if r.Verdict != nil {
			r.tell(tick, o)
		}
		for j, told := range r.answer.Tells(o, tick) {
			if told {
				r.result.Told[j]++
			}
		}
	}
	if !math.IsNaN(last) {
		r.result.Last = last
	}
}

func (r *replayer) tell(tick time.Time, o *rules.Observation) {
	v := Verdict{At: tick, Series: o.Series, Value: o.Value, Score: r.answer.Score(o), Bad: o.Verdict == rules.Bad}
	v.Low, v.High = r.answer.Expected(o)
	if in := r.ledger.Instance(o.Series); in != nil {
		v.State = in.State
	}
	r.Verdict(v)
}

// run is the last values of a series, as far back as `for` reaches.
type run struct {
	at     []time.Time
	values []float64
}

// add keeps a value and says whether the run now spans `for`.
func (r *run) add(at time.Time, value float64, span time.Duration) bool {
	r.at, r.values = append(r.at, at), append(r.values, value)
	begin := at.Add(-span)
	for len(r.at) > 1 && !r.at[1].After(begin) {
		r.at, r.values = slices.Delete(r.at, 0, 1), slices.Delete(r.values, 0, 1)
	}
	return !r.at[0].After(begin)
}

// lull finds the value that held for as long as `for` asks: a threshold there
// would not have fired.
func (r *replayer) lull(tick time.Time, o *rules.Observation) {
	op := r.Rule.Condition.Operator
	if op != rules.Above && op != rules.AtLeast && op != rules.Below && op != rules.AtMost {
		return
	}
	recent := r.quiet[o.Series]
	if recent == nil {
		recent = &run{}
		r.quiet[o.Series] = recent
	}
	if !recent.add(tick, o.Value, r.Rule.For.Std()) {
		return
	}
	held := slices.Min(recent.values)
	if op == rules.Below || op == rules.AtMost {
		held = slices.Max(recent.values)
	}
	r.result.Quiet = worseOf(op)(r.result.Quiet, held)
}

// worseOf picks of two values the one that is further on the bad side of an
// operator, or the one that is a number.
func worseOf(o rules.Operator) func(x, y float64) float64 {
	if o == rules.Below || o == rules.AtMost {
		return aggregate.Least
	}
	return aggregate.Most
}

// end takes the last state of the alerts that still fire.
func (r *replayer) end() {
	r.ledger.Alerts(func(a *rules.Alert) bool {
		if i, ok := r.found[a.ID]; ok && a.ResolvedAt.IsZero() {
			r.result.Episodes[i].Peak = a.Peak
		}
		return true
	})
	r.result.Series = max(len(r.seen), r.ledger.Size()) // expected ones were perhaps never seen
	slices.SortStableFunc(r.result.Episodes, func(a, b Episode) int { return a.StartedAt.Compare(b.StartedAt) })
}
