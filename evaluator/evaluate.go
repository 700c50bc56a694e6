package evaluator

import (
	"github.com/9bikes/tocsin/rules"
)

// Evaluate turns the answer of a source into observations: what the rule's
// condition says of each series. It is pure; known is the ledger whose roster tells
// which series ought to be there.
func Evaluate(a *Answer, known *rules.Ledger, out []rules.Observation) []rules.Observation {
	c := &a.Rule.Condition
	points := a.Points[0]
	for i := range points {
		out = append(out, observe(a.Rule, &points[i]))
	}
	if c.Aggregation == rules.Count {
		out = countMissing(a, known, out)
	}
	return out
}

// observe judges one point.
func observe(r *rules.Rule, p *Point) rules.Observation {
	o := rules.Observation{Series: p.Series, Value: p.Value, Text: p.Text, At: p.Last}
	if r.Condition.Value.Kind == rules.Text {
		o.Verdict = rules.None
		if p.Text != "" || p.Value == p.Value {
			o.Verdict = r.Condition.JudgeText(p.Text)
		}
		return o
	}
	o.Verdict = r.Condition.Judge(p.Value)
	if len(r.Levels) > 0 {
		if o.Level = r.LevelOf(p.Value); o.Level > 0 {
			o.Verdict = rules.Bad
		}
	}
	return o
}

// countMissing: the count of a known series without points is 0, not none.
func countMissing(a *Answer, known *rules.Ledger, out []rules.Observation) []rules.Observation {
	seen := make(map[rules.Series]bool, len(out))
	for _, o := range out {
		seen[o.Series] = true
	}
	known.Instances(func(in *rules.Instance) bool {
		if !seen[in.Series] {
			o := observe(a.Rule, &Point{Series: in.Series})
			o.At = in.Seen
			out = append(out, o)
		}
		return true
	})
	return out
}
