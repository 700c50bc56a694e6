package evaluator

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/9bikes/tocsin/evaluator/anomaly"
	"github.com/9bikes/tocsin/rules"
)

// Habits are what is usual for each series of an anomaly rule. They live in
// memory and are learnt from the source's history, at creation as at each start:
// so nothing can be lost or grow old on a disk, and what was missed is in them.
// They belong to one goroutine at a time.
type Habits struct {
	since       time.Time // when their rule came to be as they know it
	requirement Requirement
	condition   rules.Condition
	zone        *time.Location
	series      map[rules.Series]*habit
	learnt      time.Time // how far history is read
	counts      time.Time // from when what would have been told is counted
	told        [3]int    // of the last weeks of it, by Sensitivities
	tries       int       // that a part of history was asked for in vain
	complete    bool      // all that there was is learnt
}

// habit is one series' past, and what was made of its last point.
type habit struct {
	detector anomaly.Detector
	at       time.Time
	value    float64
	reading  anomaly.Reading
}

const (
	// HabitSpan is how far back history is read to learn from.
	HabitSpan = 28 * 24 * time.Hour
	countSpan = HabitSpan / 2
	habitPart = 24 * time.Hour // that is asked for at a time
	mostTries = 3

	// stillUnlike is the score under which what was told is over.
	stillUnlike = 0.4
)

// NewHabits returns those of an anomaly rule, with nothing learnt. The hours of
// the day are those of zone; nil is UTC.
func NewHabits(r *rules.Rule, zone *time.Location) *Habits {
	if zone == nil {
		zone = time.UTC
	}
	return &Habits{
		since: r.AsItIs(), requirement: Requirements(r)[0], condition: r.Condition, zone: zone,
		series: map[rules.Series]*habit{},
	}
}

// Learn reads the history before a time, part by part, for at least one part and
// then as long as more allows it. It reports whether all was read; called again,
// it goes on. A part that the source refuses, or does not answer three times, is
// left out.
func (h *Habits) Learn(ctx context.Context, q Querier, until time.Time, more func() bool) (done bool, err error) {
	if from := until.Add(-HabitSpan); h.learnt.Before(from) {
		h.learnt, h.counts = from, until.Add(-countSpan)
	}
	for h.learnt.Before(until) {
		to := h.learnt.Add(habitPart)
		if to.After(until) {
			to = until
		}
		err := h.learnPart(ctx, q, h.learnt, to)
		if h.tries++; err != nil && rules.CodeOf(err) == rules.Unavailable && h.tries < mostTries {
			return false, fmt.Errorf("read the history of an anomaly rule: %w", err)
		}
		if h.learnt, h.tries = to, 0; !more() {
			break
		}
	}
	return !h.learnt.Before(until), nil
}

func (h *Habits) learnPart(ctx context.Context, q Querier, from, to time.Time) error {
	req := &h.requirement
	var points []Point
	err := Ask(ctx, q, []Query{{
		Measurement: req.Measurement, Columns: []Column{req.Column}, Where: req.Where, GroupBy: req.GroupBy,
		From: from, To: to, Step: req.Window,
	}}, func(_ int, row Row) {
		points = append(points, Point{Series: row.Series, At: row.At, Value: row.Values[0]})
	})
	if err != nil {
		return err
	}
	slices.SortFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	for i := range points {
		p := &points[i]
		if b := h.of(p.Series); b.step(h, p, p.At) && !p.At.Before(h.counts) {
			for i, s := range Sensitivities {
				if b.tells(b.reading.Score, s, &h.condition) {
					h.told[i]++
				}
			}
		}
	}
	return nil
}

// PerWeek is how often a week each of Sensitivities would have told in the last
// two weeks that were learnt.
func (h *Habits) PerWeek() (out [3]float64) {
	for i, n := range h.told {
		out[i] = float64(n) / (countSpan.Hours() / 24 / 7)
	}
	return out
}

func (h *Habits) of(s rules.Series) *habit {
	in := h.series[s]
	if in == nil {
		in = &habit{}
		h.series[s] = in
	}
	return in
}

// step takes the next point, one for each window: windows that overlap would
// tell the same thing again. It reports whether there is a reading for t.
func (b *habit) step(h *Habits, p *Point, t time.Time) bool {
	if !b.at.IsZero() && t.Before(b.at.Add(h.requirement.Window)) {
		return !t.Before(b.at)
	}
	if math.IsNaN(p.Value) {
		return false
	}
	b.at, b.value = t, p.Value
	b.reading = b.detector.Step(t.In(h.zone), p.Value, seasons[h.condition.Season])
	return true
}

// seasons are the rhythms by their names; what is not among them is to be found out.
var seasons = map[string]anomaly.Season{"none": anomaly.None, "24h": anomaly.Daily, "168h": anomaly.Weekly}

// thresholds are the scores from which each sensitivity tells.
var thresholds = map[string]float64{"low": anomaly.Low, "medium": anomaly.Medium, "high": anomaly.High}

// tells reports whether a score is told at a sensitivity.
func (b *habit) tells(score float64, sensitivity string, c *rules.Condition) bool {
	r := &b.reading
	far := math.Abs(r.Outside(b.value)) >= c.MinDeviation || c.MinDeviation == 0
	return score >= thresholds[sensitivity] && far &&
		(c.Direction != "up" || r.Up) && (c.Direction != "down" || !r.Up)
}

// judgeAnomaly takes the points of the tick. Before all is learnt, and at a tick
// that is older than what is known, nothing is said.
func judgeAnomaly(a *Answer, known Roster, t time.Time, out []rules.Observation) []rules.Observation {
	for i := range a.Points[0] {
		p := &a.Points[0][i]
		o := rules.Observation{Series: p.Series, Value: p.Value, At: p.Last}
		if a.habits != nil {
			b := a.habits.of(p.Series)
			if b.step(a.habits, p, t) {
				o.Verdict = b.verdict(&a.habits.condition, known.Instance(p.Series))
			}
		}
		if math.IsNaN(p.Value) {
			o.Verdict = rules.None
		}
		out = append(out, o)
	}
	return out
}

// verdict is bad of what is news, and lingers while the series is unlike itself.
func (b *habit) verdict(c *rules.Condition, in *rules.Instance) rules.Verdict {
	switch {
	case b.tells(b.reading.Score, c.Sensitivity, c):
		return rules.Bad
	case in != nil && in.State != rules.OK && b.reading.Unlike >= stillUnlike:
		return rules.NotRecovered
	}
	return rules.Good
}

// Score is how wrong an observation of the answer is, from 0 to 1: 1 or 0 where a
// condition only knows both.
func (a *Answer) Score(o *rules.Observation) float64 {
	switch {
	case a.habits != nil:
		return a.habits.of(o.Series).reading.Score
	case o.Verdict == rules.Bad:
		return 1
	}
	return 0
}

// Expected is the range that an anomaly rule expects of an observation, NaN of
// other rules.
func (a *Answer) Expected(o *rules.Observation) (low, high float64) {
	if a.habits == nil {
		return math.NaN(), math.NaN()
	}
	r := &a.habits.of(o.Series).reading
	return r.Low, r.High
}

// Know gives the answer to an anomaly rule what is usual for its series.
func (a *Answer) Know(h *Habits) { a.habits = h }

// Sensitivities are those of an anomaly rule, the quietest first.
var Sensitivities = []string{"low", "medium", "high"}

// Tells reports, by Sensitivities, which would tell an observation of the answer.
func (a *Answer) Tells(o *rules.Observation, t time.Time) (out [3]bool) {
	if a.habits == nil {
		return out
	}
	b := a.habits.of(o.Series)
	for i, s := range Sensitivities {
		out[i] = b.at.Equal(t) && b.tells(b.reading.Score, s, &a.habits.condition)
	}
	return out
}

// usual says in words what was expected of a series: "usual for a Tuesday at
// 14:00 is 18 to 23".
func (h *Habits) usual(s rules.Series) string {
	b := h.of(s)
	r, local := &b.reading, b.at.In(h.zone)
	when := map[anomaly.Cause]string{
		anomaly.TimeOfDay:  " at " + local.Format("15:04"),
		anomaly.TimeOfWeek: " for a " + local.Weekday().String() + " at " + local.Format("15:04"),
	}[r.Basis]
	text := fmt.Sprintf("usual%s is %s to %s", when, short(r.Low), short(r.High))
	more := map[bool]string{true: "more", false: "less"}[r.Up]
	switch r.Cause {
	case anomaly.Level, anomaly.Shift:
		higher := map[bool]string{true: "higher", false: "lower"}[r.Up]
		return text + "; it has been " + higher + " for a while"
	case anomaly.Variation:
		return text + "; it varies " + more + " than it did"
	}
	return text
}

// short is a number of three digits.
func short(x float64) string {
	if rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64); err == nil {
		x = rounded
	}
	return rules.FormatNumber(x)
}

// learn gives the answers to anomaly rules what is usual for their series. What
// is not learnt yet goes on at the next poll, so that other rules do not wait.
func (e *Engine) learn(ctx context.Context, s *sourceState, plan *Plan) {
	began := time.Now()
	more := func() bool { return time.Since(began) < learnTime }
	for _, a := range s.out {
		if a.Err != nil || a.Rule.Condition.Type != rules.Anomaly {
			continue
		}
		h := s.habits[a.Rule.ID]
		if h == nil || !h.since.Equal(plan.since[a.place]) {
			h = NewHabits(a.Rule, e.options.Zone)
			s.keepHabits(plan, a.Rule.ID, h)
		}
		if h.complete {
			a.habits = h
			continue
		}
		if !more() {
			continue
		}
		done, err := h.Learn(ctx, s, a.end.Add(-h.requirement.Window), more)
		if err != nil {
			e.log.Warn("history not read", "source", s.name, "rule", a.Rule.ID, "error", err)
		}
		if done {
			h.complete, a.habits = true, h
			e.log.Info("anomaly rule has learnt", "rule", a.Rule.ID, "series", len(h.series))
		}
	}
}

// learnTime is how much of a poll may go into learning.
const learnTime = 2 * time.Second

// keepHabits keeps those of a rule and lets go of those of rules that the plan
// has not.
func (s *sourceState) keepHabits(plan *Plan, id string, h *Habits) {
	next := map[string]*Habits{id: h}
	for _, other := range plan.ids {
		if old := s.habits[other]; old != nil && other != id {
			next[other] = old
		}
	}
	s.habits = next
}
