package influx

import (
	"math"
	"time"
)

// steps adds up the positive steps between the points of one series in one
// window, which come in order of time.
type steps struct {
	first, last int64
	before      float64
	up          float64
	points      int
}

func (s *steps) add(at int64, x float64) {
	if s.points == 0 {
		s.first = at
	} else {
		s.up += max(0, x-s.before)
	}
	s.last, s.before = at, x
	s.points++
}

// rate is what the steps make per second, NaN where no time passed.
func (s *steps) rate() float64 {
	if s.last == s.first {
		return math.NaN()
	}
	return s.up / time.Duration(s.last-s.first).Seconds()
}
