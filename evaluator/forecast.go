package evaluator

import (
	"math"
	"time"

	"github.com/9bikes/tocsin/evaluator/forecast"
	"github.com/9bikes/tocsin/rules"
)

// forecastSteps is into how many means a forecast's window is cut.
const forecastSteps = 48

// LinePoints is how many of the means of a forecast's window must have a point for
// a line to mean something.
const LinePoints = forecast.LeastPoints

// forecastStep is the length of one mean: whole seconds, so that windows cut
// well.
func forecastStep(window time.Duration) time.Duration {
	return max(time.Second, (window / forecastSteps).Truncate(time.Second))
}

// judgeForecast lays a robust line through the window of each series. The
// value is what the line reaches at the worse of now and the horizon.
func judgeForecast(a *Answer, t time.Time, out []rules.Observation) []rules.Observation {
	bySeries := map[rules.Series][]forecast.Point{}
	var order []rules.Series
	for _, p := range a.Points[0] {
		if math.IsNaN(p.Value) {
			continue
		}
		if _, ok := bySeries[p.Series]; !ok {
			order = append(order, p.Series)
		}
		bySeries[p.Series] = append(bySeries[p.Series], forecast.Point{At: p.At, Value: p.Value})
	}
	for _, series := range order {
		p := Point{Series: series, Value: math.NaN()}
		if line, ok := forecast.Through(bySeries[series], t); ok {
			p.Value = worst(line, a.Rule.Condition)
		}
		out = append(out, JudgeValue(a.Rule, &p))
	}
	return out
}

// worst is the value of a line, now or at the horizon, that is further on the side
// that the operator calls bad.
func worst(l forecast.Line, c rules.Condition) float64 {
	then := l.At(c.Horizon.Std())
	switch c.Operator {
	case rules.Below, rules.AtMost:
		return min(l.Now, then)
	case rules.Above, rules.AtLeast:
		return max(l.Now, then)
	case rules.Outside:
		return forecast.Farther(l.Now, then, c.Value.Low, c.Value.High)
	case rules.Between:
		if c.Operator.Holds(l.Now, c.Value) {
			return l.Now
		}
	}
	return then
}
