package anomaly_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/anomaly"
)

// series makes a value of a time, step by step; NaN is no point.
type series func(r *rand.Rand, at time.Time) float64

const (
	step = 5 * time.Minute
	day  = 24 * time.Hour
	week = 7 * day
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// hourOf is the hour of the day by the wall clock, with its part.
func hourOf(at time.Time) float64 {
	h, m, s := at.Clock()
	return float64(h) + float64(m)/60 + float64(s)/3600
}

// plain are series with nothing unusual in them.
var plain = []struct {
	name string
	make func() series
}{
	{"load of a host", func() series {
		x := 0.5
		return func(r *rand.Rand, _ time.Time) float64 {
			x += 0.1*(0.5-x) + 0.05*r.NormFloat64()
			return max(0, x) + 0.02*r.ExpFloat64()
		}
	}},
	{"cpu with bursts", func() series {
		return func(r *rand.Rand, _ time.Time) float64 {
			v := 4 + r.NormFloat64()
			if r.Float64() < 0.02 {
				v += 30 + 20*r.Float64()
			}
			return v
		}
	}},
	{"memory that is freed now and then", func() series {
		x := 40.0
		return func(r *rand.Rand, _ time.Time) float64 {
			if x += 0.1 * r.Float64(); x > 60 {
				x = 40 + r.Float64()
			}
			return x
		}
	}},
	{"square wave", func() series {
		return func(_ *rand.Rand, at time.Time) float64 { return 20 + 60*float64(at.Hour()/6%2) }
	}},
	{"flat line", func() series { return func(*rand.Rand, time.Time) float64 { return 45 } }},
	{"daily sine with noise", sineWithNoise},
	{"plain noise", func() series { return func(r *rand.Rand, _ time.Time) float64 { return r.NormFloat64() } }},
	{"sawtooth counter", func() series {
		x := 0.0
		return func(r *rand.Rand, _ time.Time) float64 {
			if x += 10 + r.Float64(); x > 5000 {
				x = 0
			}
			return x
		}
	}},
	{"counter that only rises", func() series {
		x := 1e6
		return func(r *rand.Rand, _ time.Time) float64 { x += 10 + r.Float64(); return x }
	}},
	{"heating that runs at night", heating},
	{"power on weekdays and weekends", func() series {
		return func(r *rand.Rand, at time.Time) float64 {
			h, v := hourOf(at), 200.0
			if d := at.Weekday(); d != time.Saturday && d != time.Sunday && h >= 7 && h < 18 {
				v = 1200
			}
			return v + 40*r.NormFloat64()
		}
	}},
	{"sensor that writes on change", func() series {
		x, last := 21.0, math.NaN()
		return func(r *rand.Rand, at time.Time) float64 {
			x = 21 + math.Sin(2*math.Pi*hourOf(at)/24)
			if now := math.Round(x*5+0.3*r.NormFloat64()) / 5; now != last {
				last = now
				return now
			}
			return math.NaN()
		}
	}},
	{"door that opens some times a day", func() series {
		left := 0
		return func(r *rand.Rand, at time.Time) float64 {
			if h := at.Hour(); left == 0 && h >= 7 && h < 22 && r.Float64() < 0.03 {
				left = 1 + r.IntN(4)
			}
			if left > 0 {
				left--
				return 1
			}
			return 0
		}
	}},
}

func sineWithNoise() series {
	return func(r *rand.Rand, at time.Time) float64 {
		return 20 + 5*math.Sin(2*math.Pi*hourOf(at)/24) + 0.5*r.NormFloat64()
	}
}

func heating() series {
	return func(r *rand.Rand, at time.Time) float64 {
		if h := hourOf(at); h >= 22 || h < 5.5 {
			return 55 + 2*r.NormFloat64()
		}
		return 20 + r.NormFloat64()
	}
}

func noise() series { return func(r *rand.Rand, _ time.Time) float64 { return 50 + 2*r.NormFloat64() } }

// from begins two months before the hour that does not exist, and ends after it.
var from = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

// run gives a detector a series, with a fault where one is planted, and tells
// every point.
func run(s series, seed uint64, zone *time.Location, days int, fault func(at time.Time, v float64) float64,
	tell func(at time.Time, v float64, r anomaly.Reading),
) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var d anomaly.Detector
	for at := from; at.Before(from.Add(time.Duration(days) * day)); at = at.Add(step) {
		local := at.In(zone)
		v := s(rnd, local)
		if fault != nil {
			v = fault(at, v)
		}
		if !math.IsNaN(v) {
			tell(at, v, d.Step(local, v, anomaly.Auto))
		}
	}
}
