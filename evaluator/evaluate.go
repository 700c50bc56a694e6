package evaluator

import (
	"math"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Roster tells which series a rule knows, and when each last had a value.
type Roster interface {
	Instances(f func(*rules.Instance) bool)
	Instance(s rules.Series) *rules.Instance
}

// Evaluate says what the rule's condition makes of an answer at the tick t. It
// is pure, and appends to out.
func Evaluate(a *Answer, known Roster, t time.Time, out []rules.Observation) []rules.Observation {
	switch a.Rule.Condition.Type {
	case rules.Absence:
		return judgeAbsence(a, known, t, out)
	case rules.Change:
		return judgeChange(a, out)
	case rules.Forecast:
		return judgeForecast(a, t, out)
	case rules.Anomaly:
		return judgeAnomaly(a, known, t, out)
	case rules.Expression:
		if a.expression == nil {
			return out // it was refused when the plan was made
		}
		return judgeExpression(a, out)
	}
	return judgeThreshold(a, out)
}

// judgeThreshold compares each point with the condition's value. A series without
// one has that of its last point, where it counts for a while.
func judgeThreshold(a *Answer, out []rules.Observation) []rules.Observation {
	for i := range a.Points[0] {
		out = append(out, JudgeValue(a.Rule, &a.Points[0][i]))
	}
	if len(a.Points) < 2 {
		return out
	}
	came := valuesOf(a.Points[0])
	for i := range a.Points[1] {
		if _, ok := came[a.Points[1][i].Series]; !ok {
			out = append(out, JudgeValue(a.Rule, &a.Points[1][i]))
		}
	}
	return out
}

// emptyText is how people are shown a text that is empty, which is a value.
const emptyText = `""`

// JudgeValue judges one value by operator, recover and levels.
func JudgeValue(r *rules.Rule, p *Point) rules.Observation {
	o := rules.Observation{Series: p.Series, Value: p.Value, Text: p.Text, At: p.Last}
	if p.IsText && p.Text == "" {
		o.Text = emptyText
	}
	if p.IsText && r.Condition.ComparesText() {
		o.Verdict = r.Condition.JudgeText(p.Text)
		return o
	}
	o.Verdict = r.Condition.Judge(p.Value)
	if r.Levels != nil {
		if o.Level = r.LevelOf(p.Value); o.Level > 0 {
			o.Verdict = rules.Bad
		}
	}
	return o
}

// judgeAbsence: a series with a point in the window is there; one that the
// roster knows and that has none is without data, which its ledger takes as
// bad; one that was never seen, but that the rule expects, is bad. The value is
// the silence in seconds.
func judgeAbsence(a *Answer, known Roster, t time.Time, out []rules.Observation) []rules.Observation {
	here := make(map[rules.Series]bool, len(a.Points[0]))
	for _, p := range a.Points[0] {
		if here[p.Series] {
			continue
		}
		here[p.Series] = true
		o := rules.Observation{Series: p.Series, Verdict: rules.Good, At: p.Last}
		if !p.Last.IsZero() {
			o.Value = t.Sub(p.Last).Seconds()
		}
		out = append(out, o)
	}
	known.Instances(func(in *rules.Instance) bool {
		if !here[in.Series] {
			o := rules.Observation{Series: in.Series, Verdict: rules.None, Value: math.NaN()}
			if !in.Seen.IsZero() {
				o.Value = t.Sub(in.Seen).Seconds()
			}
			out = append(out, o)
		}
		return true
	})
	for _, labels := range a.Rule.Condition.Expect {
		if series := rules.SeriesOf(labels); !here[series] && known.Instance(series) == nil {
			out = append(out, rules.Observation{Series: series, Verdict: rules.Bad, Value: math.NaN()})
		}
	}
	return out
}

// judgeChange compares each series now with the same window some time ago.
func judgeChange(a *Answer, out []rules.Observation) []rules.Observation {
	before := valuesOf(a.Points[1])
	for i := range a.Points[0] {
		p := a.Points[0][i]
		was, ok := before[p.Series]
		switch {
		case !ok:
			p.Value = math.NaN()
		case a.Rule.Condition.Percent && was == 0:
			p.Value = math.NaN()
		case a.Rule.Condition.Percent:
			p.Value = (p.Value - was) / math.Abs(was) * 100
		default:
			p.Value -= was
		}
		out = append(out, JudgeValue(a.Rule, &p))
	}
	return out
}

func valuesOf(points []Point) map[rules.Series]float64 {
	out := make(map[rules.Series]float64, len(points))
	for _, p := range points {
		out[p.Series] = p.Value
	}
	return out
}
