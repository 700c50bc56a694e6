package evaluator

import (
	"errors"
	"math"
	"time"

	"github.com/9bikes/tocsin/evaluator/expression"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// CheckCondition refuses what cannot be judged: an expression over named inputs
// that says nothing.
func CheckCondition(c rules.Condition) error {
	if c.Type == rules.Expression {
		_, err := expression.Compile(c)
		return err
	}
	return nil
}

// CheckRule reports what the engine cannot do with a rule that is well formed: its
// condition, or its schedule; base is the interval of rules without one. Whatever
// takes or tries a rule asks it, so that all give one verdict.
func CheckRule(r *rules.Rule, base time.Duration) error {
	_, err := schedule.Parse(r.Every, r.Zone, base)
	return errors.Join(CheckCondition(r.Condition), err)
}

// judgeExpression joins the inputs on their labels and asks the expression of
// each label set. A set that lacks an input has no value.
func judgeExpression(a *Answer, out []rules.Observation) []rules.Observation {
	p := a.expression
	inputs := make([]map[rules.Series]float64, len(p.Inputs()))
	seen := map[rules.Series]bool{}
	var order []rules.Series
	for i := range p.Inputs() {
		inputs[i] = valuesOf(a.Points[i])
		for _, point := range a.Points[i] {
			if !seen[point.Series] && !broadcast(point.Series, a.Points, i) {
				seen[point.Series] = true
				order = append(order, point.Series)
			}
		}
	}
	env := map[string]any{}
	for _, series := range order {
		out = append(out, observeInputs(p, series, inputs, env))
	}
	return out
}

// broadcast reports whether a series is a value for many: it lacks labels that
// the series of another input have.
func broadcast(s rules.Series, points [][]Point, own int) bool {
	for i := range points {
		for _, p := range points[i] {
			if i != own && p.Series != s && covers(s, p.Series) {
				return true
			}
		}
	}
	return false
}

// covers reports whether every label of general, but those without a value, is
// one of special.
func covers(general, special rules.Series) bool {
	ok := true
	general.Each(func(name, value string) bool {
		ok = value == "" || special.Label(name) == value
		return ok
	})
	return ok
}

func observeInputs(p *expression.Program, series rules.Series, inputs []map[rules.Series]float64,
	env map[string]any,
) rules.Observation {
	o := rules.Observation{Series: series, Verdict: rules.None, Value: math.NaN()}
	for i, name := range p.Inputs() {
		v, ok := inputs[i][series]
		if !ok {
			v, ok = general(inputs[i], series)
		}
		if !ok || math.IsNaN(v) {
			return o
		}
		env[name] = v
	}
	o.Verdict, o.Value = p.Judge(env)
	return o
}

// general finds the one value of an input that stands for many series.
func general(input map[rules.Series]float64, series rules.Series) (value float64, ok bool) {
	for s, v := range input {
		if covers(s, series) {
			if ok {
				return 0, false
			}
			value, ok = v, true
		}
	}
	return value, ok
}
