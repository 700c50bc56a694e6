package evaluator

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
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
	return Query{
		Measurement: n.measurement, Columns: []Column{n.Column}, Where: n.where, GroupBy: n.groupBy, From: from,
		To: to, Step: step,
	}
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
	return Ask(ctx, q, queries, func(_ int, row Row) {
		at := row.At.UnixNano()
		if t.need.step > 0 {
			t.track(row.Series).step(at, row.Values[0])
		} else if i, ok := index[at]; ok {
			t.track(row.Series).set(i, row)
		}
	})
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
	from := 0
	for part := range slices.Chunk(t.ends, batch) {
		queries := make([]Query, len(part))
		for i, end := range part {
			queries[i] = t.query(end.Add(-t.need.window), end, t.need.step)
		}
		if err := Ask(ctx, q, queries, func(i int, row Row) {
			if t.need.step > 0 {
				t.track(row.Series).step(row.At.UnixNano(), row.Values[0])
				return
			}
			t.track(row.Series).set(from+i, row)
		}); err != nil {
			return err
		}
		from += len(part)
	}
	return nil
}

// step is what one step of a window holds; steps without points are left out,
// so that memory grows with the points and not with the length of a window.
type step struct {
	at    int64 // its place
	value [2]float64
}

// readSliding asks one query whose steps are the time between ticks, and
// merges as many of them as a window has. It reports when the values are
// words, which it cannot keep.
func (t *tape) readSliding(ctx context.Context, q Querier, every time.Duration) (words bool, err error) {
	query := t.query(t.ends[0].Add(-t.need.window), t.ends[len(t.ends)-1], every)
	query.Columns = taker{asks: &t.need, merge: true}.parts()
	first := query.From.Add(every)
	steps := map[rules.Series]*[]step{}
	var last rules.Series
	var list *[]step
	err = Ask(ctx, q, []Query{query}, func(_ int, r Row) {
		words = words || r.Texts != nil
		if list == nil || r.Series != last {
			if list, last = steps[r.Series], r.Series; list == nil {
				list = new([]step)
				steps[last], t.order = list, append(t.order, last)
			}
		}
		s := step{at: int64(r.At.Sub(first) / every)}
		copy(s.value[:], r.Values)
		*list = append(*list, s)
	})
	if err != nil || words {
		t.order = nil
		return words, err
	}
	size := int64(t.need.window / every)
	for _, series := range t.order {
		list := *steps[series]
		slices.SortFunc(list, func(a, b step) int { return cmp.Compare(a.at, b.at) })
		t.tracks[series] = &track{values: slide(list, len(t.ends), size, t.need.Aggregation)}
		delete(steps, series)
	}
	return false, nil
}

var nothing = [2]float64{math.NaN(), math.NaN()}

// slide merges the steps of every window of some size, of which there is one
// for each tick. It keeps two stacks, so that each step is merged a few times
// whatever the size of the window, and nothing is ever subtracted.
func slide(steps []step, ticks int, size int64, a rules.Aggregation) []float64 {
	join := joiner(a)
	out := make([]float64, 0, ticks)
	var front []step // each merges what leaves from it on; the oldest is on top
	back, from, to := nothing, 0, 0
	for tick := range int64(ticks) {
		for ; to < len(steps) && steps[to].at < tick+size; to++ {
			back = join(back, steps[to].value)
		}
		for len(front) > 0 && front[len(front)-1].at < tick {
			front = front[:len(front)-1]
		}
		if len(front) == 0 && from < to && steps[from].at < tick {
			back = nothing
			for i, sum := to-1, nothing; steps[i].at >= tick; i-- { // the one at from has left
				sum = join(steps[i].value, sum)
				front = append(front, step{steps[i].at, sum})
			}
			from = to
		}
		whole := back
		if len(front) > 0 {
			whole = join(front[len(front)-1].value, back)
		}
		out = append(out, merged(whole, a))
	}
	return out
}

// joiner merges the two values of an older and a newer part of a window.
func joiner(a rules.Aggregation) func(older, newer [2]float64) [2]float64 {
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
	return func(x, y [2]float64) [2]float64 { return [2]float64{first(x[0], y[0]), with(x[1], y[1])} }
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

// trouble is what people are told when the past cannot be read: what was asked,
// and what may help where it was too much.
func (t *tape) trouble(err error) error {
	n, from, to := t.need, t.ends[0], t.ends[len(t.ends)-1]
	asked := fmt.Sprintf("asked was %s of %s over %s, at %d ticks from %s to %s", n.Aggregation,
		strings.Trim(n.measurement+"."+n.Field, "."),
		rules.Duration(n.window), len(t.ends), from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	switch {
	case IsTooMuch(err):
		return TooMuch(rules.Errorf(rules.CodeOf(err),
			"%s; %s; try a shorter time, a longer every, a shorter window or fewer series", rules.Sentence(err), asked))
	case rules.CodeOf(err) == rules.Invalid:
		return rules.Errorf(rules.Invalid, "%s; %s", rules.Sentence(err), asked)
	}
	return fmt.Errorf("read the past, %s: %w", asked, err)
}
