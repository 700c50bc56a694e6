package influx

import (
	"math"
	"slices"
	"time"
)

// steps adds up the positive steps between the points of one row, which come
// in order of time. Points with the same time count in order of value.
type steps struct {
	tied        []float64 // the values at the time last
	first, last int64
	before      float64
	up          float64
	points      int
}

func (s *steps) begin() { *s = steps{tied: s.tied[:0]} }

func (s *steps) add(at int64, x float64) {
	if len(s.tied) > 0 && at != s.last {
		s.settle()
	}
	if s.points == 0 && len(s.tied) == 0 {
		s.first = at
	}
	s.last = at
	s.tied = append(s.tied, x)
}

func (s *steps) settle() {
	slices.Sort(s.tied)
	for _, x := range s.tied {
		if s.points > 0 {
			s.up += max(0, x-s.before)
		}
		s.before = x
		s.points++
	}
	s.tied = s.tied[:0]
}

// rate is what the steps make per second, NaN where no time passed.
func (s *steps) rate() float64 {
	s.settle()
	if s.last == s.first {
		return math.NaN()
	}
	return s.up / time.Duration(s.last-s.first).Seconds()
}
