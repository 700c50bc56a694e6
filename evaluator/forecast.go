package evaluator

import (
	"math"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// forecastSteps is into how many means a forecast's window is cut.
const forecastSteps = 48

// LinePoints is how many of the means of a forecast's window must have a point for
// a line to mean something.
const LinePoints = 6

// forecastStep is the length of one mean: whole seconds, so that windows cut
// well.
func forecastStep(window time.Duration) time.Duration {
	return max(time.Second, (window / forecastSteps).Truncate(time.Second))
}

// judgeForecast lays a robust line through the window of each series. The
// value is what the line reaches at the worse of now and the horizon.
func judgeForecast(a *Answer, t time.Time, out []rules.Observation) []rules.Observation {
	bySeries := map[rules.Series][]Point{}
	var order []rules.Series
	for _, p := range a.Points[0] {
		if math.IsNaN(p.Value) {
			continue
		}
		if _, ok := bySeries[p.Series]; !ok {
			order = append(order, p.Series)
		}
		bySeries[p.Series] = append(bySeries[p.Series], p)
	}
	for _, series := range order {
		p := Point{Series: series, Value: math.NaN()}
		if line, ok := robustLine(bySeries[series], t); ok {
			p.Value = line.worst(a.Rule.Condition)
		}
		out = append(out, JudgeValue(a.Rule, &p))
	}
	return out
}

// line is a value now and its change per second.
type line struct{ now, slope float64 }

// worst is the value, now or at the horizon, that is further on the side that
// the operator calls bad.
func (l line) worst(c rules.Condition) float64 {
	then := l.now + l.slope*c.Horizon.Std().Seconds()
	switch c.Operator {
	case rules.Below, rules.AtMost:
		return min(l.now, then)
	case rules.Above, rules.AtLeast:
		return max(l.now, then)
	case rules.Outside:
		if middle := (c.Value.Low + c.Value.High) / 2; math.Abs(l.now-middle) > math.Abs(then-middle) {
			return l.now
		}
	case rules.Between:
		if c.Operator.Holds(l.now, c.Value) {
			return l.now
		}
	}
	return then
}

// robustLine is the Theil-Sen estimator: the median of the slopes between all
// pairs of points, so that a third of them may be nonsense.
func robustLine(points []Point, t time.Time) (line, bool) {
	if len(points) < LinePoints {
		return line{}, false
	}
	var slopes []float64
	for i, p := range points {
		for _, q := range points[i+1:] {
			if dt := q.At.Sub(p.At).Seconds(); dt != 0 {
				slopes = append(slopes, (q.Value-p.Value)/dt)
			}
		}
	}
	if len(slopes) == 0 {
		return line{}, false
	}
	slope := median(slopes)
	at := make([]float64, len(points))
	for i, p := range points {
		at[i] = p.Value + slope*t.Sub(p.At).Seconds()
	}
	return line{median(at), slope}, true
}

// median sorts x.
func median(x []float64) float64 {
	slices.Sort(x)
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}
