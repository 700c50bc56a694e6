// Package forecast lays a robust line through the values of a series and says
// where it leads. It is pure. What a condition makes of that does not belong here.
package forecast

import (
	"math"
	"slices"
	"time"
)

// LeastPoints is how many values a line needs to mean something.
const LeastPoints = 6

// Point is a value at a time.
type Point struct {
	At    time.Time
	Value float64
}

// Line is a value now and its change per second.
type Line struct{ Now, Slope float64 }

// At is where the line is in so long.
func (l Line) At(horizon time.Duration) float64 { return l.Now + l.Slope*horizon.Seconds() }

// Through is the Theil-Sen estimator: the median of the slopes between all
// pairs of points, so that a third of them may be nonsense. Its Now is at t; false
// where there are too few points.
func Through(points []Point, t time.Time) (Line, bool) {
	if len(points) < LeastPoints {
		return Line{}, false
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
		return Line{}, false
	}
	slope := median(slopes)
	at := make([]float64, len(points))
	for i, p := range points {
		at[i] = p.Value + slope*t.Sub(p.At).Seconds()
	}
	return Line{median(at), slope}, true
}

// median sorts x.
func median(x []float64) float64 {
	slices.Sort(x)
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}

// Farther is of two values the one that is farther from the middle of a range.
func Farther(x, y, low, high float64) float64 {
	middle := (low + high) / 2
	if math.Abs(x-middle) > math.Abs(y-middle) {
		return x
	}
	return y
}
