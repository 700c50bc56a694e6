package live

import (
	"math"
	"slices"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// sample is a number with its time.
type sample struct {
	at  int64
	num float64
}

// reduce makes one value of the points in a.runs.
func (a *reckoning) reduce(w *wanted) (num float64, text string) {
	switch {
	case w.how == rules.Count:
		return float64(a.count()), evaluator.NoText
	case len(a.runs) == 0:
		return math.NaN(), evaluator.NoText
	case w.text():
		return math.NaN(), a.textAtEnd(w.how == rules.Latest)
	case w.percent > 0:
		return a.percentile(w.percent), evaluator.NoText
	}
	switch w.how {
	case rules.Latest, rules.First:
		return a.atEnd(w.how == rules.Latest), evaluator.NoText
	case rules.Rate:
		return a.rate(), evaluator.NoText
	case rules.Stddev:
		return a.stddev(), evaluator.NoText
	}
	return a.total(w.how), evaluator.NoText
}

func (a *reckoning) count() int {
	n := 0
	for _, r := range a.runs {
		n += len(r.at)
	}
	return n
}

// total makes what one pass over the numbers gives.
func (a *reckoning) total(how rules.Aggregation) float64 {
	sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for _, r := range a.runs {
		for _, x := range r.nums {
			sum += x
			low, high = min(low, x), max(high, x)
		}
	}
	switch how {
	case rules.Mean:
		return sum / float64(a.count())
	case rules.Min:
		return low
	case rules.Max:
		return high
	case rules.Spread:
		return high - low
	}
	return sum
}

// stddev is that of a sample, NaN for one point.
func (a *reckoning) stddev() float64 {
	mean, squares, n := 0.0, 0.0, 0.0
	for _, r := range a.runs {
		for _, x := range r.nums {
			n++
			step := x - mean
			mean += step / n
			squares += step * (x - mean)
		}
	}
	return math.Sqrt(squares / (n - 1))
}

// atEnd returns the newest value, or the oldest; of several at that time the
// greatest.
func (a *reckoning) atEnd(newest bool) float64 {
	best := a.runs[0].endpoint(newest)
	for _, r := range a.runs[1:] {
		s := r.endpoint(newest)
		if s.at == best.at && s.num > best.num || s.at != best.at && (s.at > best.at) == newest {
			best = s
		}
	}
	return best.num
}

func (r run) end(newest bool) int {
	if newest {
		return len(r.at) - 1
	}
	return 0
}

func (r run) endpoint(newest bool) sample {
	i := r.end(newest)
	return sample{r.at[i], r.nums[i]}
}

// textAtEnd is atEnd for text.
func (a *reckoning) textAtEnd(newest bool) string {
	var at int64
	var best string
	for n, r := range a.runs {
		i := r.end(newest)
		t, s := r.at[i], r.texts[i]
		if n == 0 || t == at && s > best || t != at && (t > at) == newest {
			at, best = t, s
		}
	}
	return best
}

// percentile is the value of the nearest rank, as InfluxQL rounds it.
func (a *reckoning) percentile(percent int) float64 {
	a.sorted = a.sorted[:0]
	for _, r := range a.runs {
		a.sorted = append(a.sorted, r.nums...)
	}
	slices.Sort(a.sorted)
	return a.sorted[max(1, (len(a.sorted)*percent+50)/100)-1]
}

// rate adds up the rates of the series, NaN when none of them has two points.
func (a *reckoning) rate() float64 {
	sum := math.NaN()
	for _, r := range a.runs {
		if one := r.rate(); sum != sum {
			sum = one
		} else if one == one {
			sum += one
		}
	}
	return sum
}

// rate is the sum of the positive steps per second between the first and the
// last point, NaN where there is no time between them.
func (r run) rate() float64 {
	last := len(r.at) - 1
	if last < 1 {
		return math.NaN()
	}
	up := 0.0
	for i, x := range r.nums[1:] {
		up += max(0, x-r.nums[i])
	}
	return up / (float64(r.at[last]-r.at[0]) / 1e9)
}
