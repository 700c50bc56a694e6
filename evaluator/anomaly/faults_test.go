package anomaly_test

import (
	"math"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/anomaly"
)

var sensitivities = []struct {
	name  string
	score float64
}{{"low", anomaly.Low}, {"medium", anomaly.Medium}, {"high", anomaly.High}}

func TestPlainSeriesRingAtMostOnceAWeek(t *testing.T) {
	zone := berlin(t)
	for _, p := range plain {
		t.Run(p.name, func(t *testing.T) {
			const seeds, days, warm = 4, 63, 3
			count := map[string]float64{}
			for seed := range uint64(seeds) {
				run(p.make(), seed, zone, days, nil, func(at time.Time, _ float64, r anomaly.Reading) {
					for _, s := range sensitivities {
						if at.Sub(from) >= warm*day && r.Score >= s.score {
							count[s.name]++
						}
					}
				})
			}
			for name := range count {
				count[name] /= seeds * (days - warm) / 7.0
			}
			t.Logf("a week: low %.2f, medium %.2f, high %.2f", count["low"], count["medium"], count["high"])
			if count["medium"] > 1 {
				t.Errorf("it rings %.2f times a week", count["medium"])
			}
		})
	}
}

// faultDay is when faults begin: noon of the fiftieth day.
var faultDay = from.Add(50*day + 12*time.Hour)

// planted is a fault in a series, from faultDay on for some time.
type planted struct {
	name  string
	of    func() series
	lasts time.Duration // and is looked for, and an hour more
	do    func(since time.Duration, v float64) float64
}

var faults = []planted{
	{"stuck value", noise, day, func(time.Duration, float64) float64 { return 50 }},
	{"stuck value of a daily rhythm", sineWithNoise, day, func(time.Duration, float64) float64 { return 20 }},
	{"drift of 1 % a day", noise, 14 * day, func(s time.Duration, v float64) float64 {
		return v + 0.5*s.Hours()/24
	}},
	{"drift of 1 % a day in a daily rhythm", sineWithNoise, 14 * day, func(s time.Duration, v float64) float64 {
		return v + 0.2*s.Hours()/24
	}},
	{"spike", noise, step, func(_ time.Duration, v float64) float64 { return v + 20 }},
	{"spike in a daily rhythm", sineWithNoise, step, func(_ time.Duration, v float64) float64 { return v + 10 }},
	{"missing cycle", heating, day, func(_ time.Duration, v float64) float64 {
		if v > 40 {
			return v - 35
		}
		return v
	}},
	{"doubled cycle", heating, day, func(s time.Duration, v float64) float64 {
		if s < 4*time.Hour {
			return v + 35
		}
		return v
	}},
	{"step", noise, day, func(_ time.Duration, v float64) float64 { return v + 8 }},
	{"step in a daily rhythm", sineWithNoise, day, func(_ time.Duration, v float64) float64 { return v + 4 }},
}

func TestPlantedFaults(t *testing.T) {
	zone := berlin(t)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			const seeds = 10
			found, late := make([]int, len(sensitivities)), make([]time.Duration, len(sensitivities))
			for seed := range uint64(seeds) {
				for i, after := range f.told(seed, zone) {
					if after >= 0 {
						found[i]++
						late[i] += after
					}
				}
			}
			for i, s := range sensitivities {
				t.Logf("%s: %d of %d, on average after %v", s.name, found[i], seeds,
					(late[i] / time.Duration(max(found[i], 1))).Round(time.Minute))
			}
			if found[1] < 8 {
				t.Errorf("found in %d of %d", found[1], seeds)
			}
		})
	}
}

// told is after what time each sensitivity told the fault, or less than zero.
func (f *planted) told(seed uint64, zone *time.Location) []time.Duration {
	after := []time.Duration{-1, -1, -1}
	fault := func(at time.Time, v float64) float64 {
		if since := at.Sub(faultDay); since >= 0 && since < f.lasts {
			return f.do(since, v)
		}
		return v
	}
	run(f.of(), seed, zone, 66, fault, func(at time.Time, _ float64, r anomaly.Reading) {
		since := at.Sub(faultDay)
		for i, s := range sensitivities {
			if since >= 0 && since <= f.lasts+time.Hour && r.Score >= s.score && after[i] < 0 {
				after[i] = since
			}
		}
	})
	return after
}

// rings counts what medium tells of a fault in ten runs, from when it begins.
func rings(of func() series, zone *time.Location, fault func(since time.Duration, v float64) float64) (count int) {
	for seed := range uint64(10) {
		run(of(), seed, zone, 57, func(at time.Time, v float64) float64 {
			if since := at.Sub(faultDay); since >= 0 {
				return fault(since, v)
			}
			return v
		}, func(at time.Time, _ float64, r anomaly.Reading) {
			if !at.Before(faultDay) && r.Score >= anomaly.Medium {
				count++
			}
		})
	}
	return count
}

func TestANewLevelIsToldAndLearnt(t *testing.T) {
	got := rings(noise, berlin(t), func(_ time.Duration, v float64) float64 { return v + 8 })
	if t.Logf("told %d times in ten runs", got); got < 10 || got > 25 {
		t.Errorf("a step is told %d times in ten runs", got)
	}
}

func TestAnOutageMakesNeitherBlindNorLoud(t *testing.T) {
	for _, of := range []func() series{noise, sineWithNoise, heating} {
		outage := func(since time.Duration, v float64) float64 {
			if since < 55*time.Hour {
				return math.NaN()
			}
			return v
		}
		if got := rings(of, berlin(t), outage); got > 2 {
			t.Errorf("an outage is told %d times in ten runs", got)
		}
		got := rings(of, berlin(t), func(since time.Duration, v float64) float64 {
			if v = outage(since, v); since > 60*time.Hour && since < 61*time.Hour {
				v += 60
			}
			return v
		})
		if got < 10 {
			t.Errorf("a fault after an outage is told %d times in ten runs", got)
		}
	}
}
