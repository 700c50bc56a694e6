package evaluator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// tape is what one need of a rule was answered at each of many ticks, read
// with a few queries instead of one for each tick.
type tape struct {
	need   need
	ends   []time.Time // where each tick's window ends
	tracks map[rules.Series]*track
	order  []rules.Series
}

// track is one series of a tape: a value for each tick, NaN for none. A need
// with steps has those of its whole window instead, by the end of the step.
type track struct {
	values []float64
	texts  []string
	steps  map[int64]float64
}

// mostOffsets is how many step queries read a tape; with more, as with ticks
// at odd times, each tick is asked by itself.
const mostOffsets = 240

// readTape asks a source what the need of a rule was at each tick. Buckets are
// the live windows exactly: (end-window, end].
func readTape(ctx context.Context, q Querier, n need, ends []time.Time) (*tape, error) {
	t := &tape{need: n, ends: ends, tracks: map[rules.Series]*track{}}
	if every, ok := t.slides(); ok {
		if words, err := t.readSliding(ctx, q, every); !words {
			return t, err
		}
	}
	step := n.window
	if n.step > 0 {
		step = n.step
	}
	offsets := map[int64][]int{}
	for i, end := range ends {
		r := end.UnixNano() % int64(step)
		offsets[r] = append(offsets[r], i)
	}
	if len(offsets) > mostOffsets && len(offsets) > len(ends)/4 {
		return t, t.readEach(ctx, q)
	}
	return t, t.readOffsets(ctx, q, step, offsets)
}

// slides reports whether the windows are made of whole steps between ticks
// that can be merged, and how long a step is.
func (t *tape) slides() (every time.Duration, ok bool) {
	if len(t.ends) < 2 || t.need.step > 0 || !mergeable(t.need.Aggregation) && !ofOnePoint(t.need.Aggregation) {
		return 0, false
	}
	every = t.ends[1].Sub(t.ends[0])
	for i := 2; i < len(t.ends); i++ {
		if t.ends[i].Sub(t.ends[i-1]) != every {
			return 0, false
		}
	}
	return every, every < t.need.window && t.need.window%every == 0
}

// ofOnePoint reports whether the steps of a window tell which of them holds the
// point that counts.
func ofOnePoint(a rules.Aggregation) bool { return a == rules.Latest || a == rules.First }

func (t *tape) track(series rules.Series) *track {
	tr := t.tracks[series]
	if tr == nil {
		tr = &track{values: make([]float64, len(t.ends))}
		for i := range tr.values {
			tr.values[i] = math.NaN()
		}
		t.tracks[series] = tr
		t.order = append(t.order, series)
	}
	return tr
}

// query is the need between two times, cut into steps.
func (t *tape) query(from, to time.Time, step time.Duration) Query {
	n := t.need
	return Query{Measurement: n.measurement, Columns: []Column{n.Column}, Where: n.where, GroupBy: n.groupBy, From: from, To: to, Step: step}
}

// readOffsets asks one query for each offset that ticks have against the
// steps.
func (t *tape) readOffsets(ctx context.Context, q Querier, step time.Duration, offsets map[int64][]int) error {
	var queries []Query
	for _, ticks := range offsets {
		first, last := t.ends[ticks[0]], t.ends[ticks[len(ticks)-1]]
		queries = append(queries, t.query(first.Add(-t.need.window), last, step))
	}
	index := make(map[int64]int, len(t.ends))
	for i, end := range t.ends {
		index[end.UnixNano()] = i
	}
	return errors.Join(q.Query(ctx, queries, func(_ int, row Row) {
		at := row.At.UnixNano()
		if t.need.step > 0 {
			t.track(row.Series).step(at, row.Values[0])
		} else if i, ok := index[at]; ok {
			t.track(row.Series).set(i, row)
		}
	})...)
}

func (tr *track) set(i int, row Row) {
	tr.values[i] = row.Values[0]
	if row.Texts != nil && row.Texts[0] != "" {
		if tr.texts == nil {
			tr.texts = make([]string, len(tr.values))
		}
		tr.texts[i] = row.Texts[0]
	}
}

func (tr *track) step(at int64, value float64) {
	if tr.steps == nil {
		tr.steps = map[int64]float64{}
	}
	tr.steps[at] = value
}

// batch is how many single ticks are asked in one call.
const batch = 500

// readEach asks every tick by itself.
func (t *tape) readEach(ctx context.Context, q Querier) error {
	for from := 0; from < len(t.ends); from += batch {
		part := t.ends[from:min(from+batch, len(t.ends))]
		queries := make([]Query, len(part))
		for i, end := range part {
			queries[i] = t.query(end.Add(-t.need.window), end, t.need.step)
		}
		if err := errors.Join(q.Query(ctx, queries, func(i int, row Row) {
			if t.need.step > 0 {
				t.track(row.Series).step(row.At.UnixNano(), row.Values[0])
				return
			}
			t.track(row.Series).set(from+i, row)
		})...); err != nil {
			return err
		}
	}
	return nil
}

// readSliding asks one query whose steps are the time between ticks, and
// merges as many of them as a window has. It reports when the values are
// words, which it cannot keep.
func (t *tape) readSliding(ctx context.Context, q Querier, every time.Duration) (words bool, err error) {
	size := int(t.need.window / every)
	query := t.query(t.ends[0].Add(-t.need.window), t.ends[len(t.ends)-1], every)
	query.Columns = taker{asks: &t.need, merge: true}.parts()
	steps := len(t.ends) + size - 1
	first := query.From.Add(every)
	cells := map[rules.Series][][2]float64{}
	var last rules.Series
	var row [][2]float64
	err = errors.Join(q.Query(ctx, []Query{query}, func(_ int, r Row) {
		words = words || r.Texts != nil
		if row == nil || r.Series != last {
			last = r.Series
			if row = cells[last]; row == nil {
				row = emptyCells(steps)
				cells[last] = row
				t.order = append(t.order, last)
			}
		}
		i := int(r.At.Sub(first) / every)
		if i < 0 || i >= steps {
			return
		}
		row[i][0] = r.Values[0]
		if len(r.Values) > 1 {
			row[i][1] = r.Values[1]
		}
	})...)
	if err != nil || words {
		t.order = nil
		return words, err
	}
	for _, series := range t.order {
		t.tracks[series] = &track{values: slide(cells[series], size, t.need.Aggregation)}
	}
	return false, nil
}

func emptyCells(n int) [][2]float64 {
	out := make([][2]float64, n)
	for i := range out {
		out[i] = [2]float64{math.NaN(), math.NaN()}
	}
	return out
}

// slide merges every run of size cells. It keeps two stacks, so that each cell
// is merged a few times whatever the size of the window, and nothing is ever
// subtracted.
func slide(cells [][2]float64, size int, a rules.Aggregation) []float64 {
	first, with := combiners(a)
	if with == nil {
		with = plus
	}
	switch a {
	case rules.Latest:
		first = func(older, newer float64) float64 { return either(older, newer, newer) }
	case rules.First:
		first = func(older, newer float64) float64 { return either(older, newer, older) }
	}
	join := func(x, y [2]float64) [2]float64 { return [2]float64{first(x[0], y[0]), with(x[1], y[1])} }
	nothing := [2]float64{math.NaN(), math.NaN()}
	out := make([]float64, 0, len(cells)-size+1)
	front := make([][2]float64, 0, size) // front[i] merges what leaves after i more
	back := nothing
	for i, cell := range cells {
		back = join(back, cell)
		if i+1 < size {
			continue
		}
		if len(front) == 0 {
			sum := nothing
			for j := i; j > i-size; j-- {
				sum = join(cells[j], sum)
				front = append(front, sum)
			}
			back = nothing
		}
		whole := join(front[len(front)-1], back)
		front = front[:len(front)-1]
		out = append(out, merged(whole, a))
	}
	return out
}

func merged(v [2]float64, a rules.Aggregation) float64 {
	switch a {
	case rules.Mean:
		return v[0] / v[1]
	case rules.Spread:
		return v[0] - v[1]
	}
	return v[0]
}

// points appends what the need was answered at tick i.
func (t *tape) points(i int, out []Point) []Point {
	for _, series := range t.order {
		tr := t.tracks[series]
		switch {
		case t.need.step > 0:
			out = t.window(i, series, tr, out)
		case tr.texts != nil && tr.texts[i] != "":
			out = append(out, Point{Series: series, At: t.ends[i], Value: tr.values[i], Text: tr.texts[i]})
		case !math.IsNaN(tr.values[i]):
			out = append(out, Point{Series: series, At: t.ends[i], Value: tr.values[i]})
		}
	}
	return out
}

// window appends the steps of tick i's window, the oldest first.
func (t *tape) window(i int, series rules.Series, tr *track, out []Point) []Point {
	end := t.ends[i]
	for at := end.Add(-t.need.window + t.need.step); !at.After(end); at = at.Add(t.need.step) {
		if v, ok := tr.steps[at.UnixNano()]; ok {
			out = append(out, Point{Series: series, At: at, Value: v})
		}
	}
	return out
}

// String names the tape in errors.
func (t *tape) String() string { return fmt.Sprintf("%s of %s", t.need.Aggregation, t.need.Field) }
