package sourcetest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// place says which row of an answer is meant.
type place struct {
	series rules.Series
	at     time.Time
}

// row is one row of an answer, kept.
type row struct {
	values []float64
	texts  []string
	last   time.Time
	ties   [][]sample // for each column, what latest or first may be instead
}

// sample is one value of a column.
type sample struct {
	at     time.Time
	num    float64
	text   string
	series rules.Series // the full tag set
}

// answer computes what a source must say to q, from the points themselves.
func answer(points []point, q evaluator.Query) map[place]row {
	found := map[place][][]sample{}
	for _, p := range points {
		if p.measurement != q.Measurement || !p.at.After(q.From) || p.at.After(q.To) ||
			!q.Where.Keeps(func(tag string) string { return p.tags[tag] }) {
			continue
		}
		for i, c := range q.Columns {
			for _, value := range p.values(c.Field) {
				where := placeOf(q, p)
				if found[where] == nil {
					found[where] = make([][]sample, len(q.Columns))
				}
				s := sampleOf(p.at, value)
				s.series = rules.SeriesOf(p.tags)
				found[where][i] = append(found[where][i], s)
			}
		}
	}
	out := map[place]row{}
	for where, columns := range found {
		out[where] = reduceAll(q, columns)
	}
	return out
}

// values lists those of one field, or of all when none is named.
func (p point) values(field string) []any {
	if field == "" {
		return slices.Collect(maps.Values(p.fields))
	}
	if value, ok := p.fields[field]; ok {
		return []any{value}
	}
	return nil
}

func placeOf(q evaluator.Query, p point) place {
	labels := rules.Labels{}
	for _, tag := range q.GroupBy {
		labels[tag] = p.tags[tag]
	}
	at := q.To
	if q.Step > 0 {
		steps := (p.at.Sub(q.From) + q.Step - 1) / q.Step
		at = q.From.Add(steps * q.Step)
	}
	return place{rules.SeriesOf(labels), at}
}

func sampleOf(at time.Time, value any) sample {
	switch v := value.(type) {
	case float64:
		return sample{at: at, num: v}
	case int64:
		return sample{at: at, num: float64(v)}
	case bool:
		if v {
			return sample{at: at, num: 1}
		}
		return sample{at: at}
	}
	return sample{at: at, num: math.NaN(), text: value.(string)}
}

func reduceAll(q evaluator.Query, columns [][]sample) row {
	r := row{
		values: make([]float64, len(columns)), texts: make([]string, len(columns)),
		ties: make([][]sample, len(columns)),
	}
	for i, samples := range columns {
		slices.SortFunc(samples, func(a, b sample) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.num, b.num), cmp.Compare(a.text, b.text))
		})
		r.values[i], r.texts[i] = reduce(q.Columns[i].Aggregation, samples)
		r.ties[i] = tied(q.Columns[i].Aggregation, samples)
		if n := len(samples); n > 0 && samples[n-1].at.After(r.last) {
			r.last = samples[n-1].at
		}
	}
	return r
}

// tied lists the samples that are as late as the latest, or as early as the
// first.
func tied(how rules.Aggregation, samples []sample) []sample {
	if len(samples) == 0 || how != rules.Latest && how != rules.First {
		return nil
	}
	at := samples[0].at
	if how == rules.Latest {
		at = samples[len(samples)-1].at
	}
	return slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !s.at.Equal(at) })
}

// reduce computes one aggregation of the samples, which are in order of time,
// then value.
func reduce(how rules.Aggregation, samples []sample) (value float64, text string) {
	if how == rules.Count {
		return float64(len(samples)), ""
	}
	if len(samples) == 0 {
		return math.NaN(), ""
	}
	switch how {
	case rules.Latest:
		last := samples[len(samples)-1]
		return last.num, last.text
	case rules.First:
		return samples[0].num, samples[0].text
	case rules.Rate:
		return rate(samples), ""
	}
	var numbers []float64
	for _, s := range samples {
		numbers = append(numbers, s.num)
	}
	slices.Sort(numbers)
	return reduceNumbers(how, numbers), ""
}

func reduceNumbers(how rules.Aggregation, sorted []float64) float64 {
	n := len(sorted)
	var sum, squares float64
	for _, x := range sorted {
		sum += x
	}
	mean := sum / float64(n)
	for _, x := range sorted {
		squares += (x - mean) * (x - mean)
	}
	switch how {
	case rules.Mean:
		return mean
	case rules.Sum:
		return sum
	case rules.Min:
		return sorted[0]
	case rules.Max:
		return sorted[n-1]
	case rules.Spread:
		return sorted[n-1] - sorted[0]
	case rules.Stddev:
		return math.Sqrt(squares / float64(n-1)) // NaN for one
	}
	percent, _ := how.Percentile()
	return sorted[max(1, (n*percent+50)/100)-1]
}

// rate adds up the rates of the series; samples are in order of time.
func rate(samples []sample) float64 {
	bySeries := map[rules.Series][]sample{}
	for _, s := range samples {
		bySeries[s.series] = append(bySeries[s.series], s)
	}
	sum, known := 0.0, false
	for _, one := range bySeries {
		if len(one) > 1 {
			sum, known = sum+rateOfOne(one), true
		}
	}
	if !known {
		return math.NaN()
	}
	return sum
}

func rateOfOne(samples []sample) float64 {
	var up float64
	for i := 1; i < len(samples); i++ {
		up += max(0, samples[i].num-samples[i-1].num)
	}
	return up / samples[len(samples)-1].at.Sub(samples[0].at).Seconds()
}

// String names the row for people.
func (p place) String() string {
	return "{" + string(p.series) + "} at " + p.at.Format(time.RFC3339Nano)
}

// differs says how r is not the wanted row, "" when it is.
func (r row) differs(q evaluator.Query, want row) string {
	if len(r.values) != len(want.values) || r.texts != nil && len(r.texts) != len(want.texts) {
		return fmt.Sprintf("%d values and %d texts for %d columns", len(r.values), len(r.texts), len(want.values))
	}
	for i, c := range q.Columns {
		got := sample{num: r.values[i], text: append(r.texts, make([]string, len(want.texts))...)[i]}
		if got.text == evaluator.NoText {
			got.text = ""
		}
		right := got.same(sample{num: want.values[i], text: want.texts[i]}) || slices.ContainsFunc(want.ties[i], got.same)
		if !right {
			return fmt.Sprintf("%s of %s = %v %q, want %v %q", c.Aggregation, c.Field, got.num, got.text, want.values[i],
				want.texts[i])
		}
	}
	if !r.last.IsZero() && !r.last.Equal(want.last) {
		return fmt.Sprintf("newest point at %v, want %v", r.last, want.last)
	}
	return ""
}

func (s sample) same(other sample) bool { return near(s.num, other.num) && s.text == other.text }
