package live

import (
	"cmp"
	"math"
	"slices"

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
		return float64(a.count()), ""
	case len(a.runs) == 0:
		return math.NaN(), ""
	case w.text():
		return math.NaN(), a.textAtEnd(w.how == rules.Latest)
	case w.percent > 0:
		return a.percentile(w.percent), ""
	}
	switch w.how {
	case rules.Latest, rules.First:
		return a.atEnd(w.how == rules.Latest), ""
	case rules.Rate:
		return a.rate(), ""
	case rules.Stddev:
		return a.stddev(), ""
	}
	return a.total(w.how), ""
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

// rate is the sum of the positive steps per second between the first and the
// last point.
func (a *reckoning) rate() float64 {
	up := 0.0
	samples := a.inOrder()
	for i := 1; i < len(samples); i++ {
		up += max(0, samples[i].num-samples[i-1].num)
	}
	elapsed := samples[len(samples)-1].at - samples[0].at
	if elapsed == 0 {
		return math.NaN()
	}
	return up / (float64(elapsed) / 1e9)
}

// inOrder merges the runs in order of time, then value.
func (a *reckoning) inOrder() []sample {
	a.merged = a.merged[:0]
	for _, r := range a.runs {
		for i, at := range r.at {
			a.merged = append(a.merged, sample{at, r.nums[i]})
		}
	}
	if len(a.runs) > 1 {
		slices.SortFunc(a.merged, func(x, y sample) int {
			return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.num, y.num))
		})
	}
	return a.merged
}
