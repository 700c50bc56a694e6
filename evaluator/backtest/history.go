package backtest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/aggregate"
	"github.com/9bikes/tocsin/rules"
)

// history is what one requirement of a rule was answered at each of many ticks, read
// with a few queries instead of one for each tick.
type history struct {
	requirement evaluator.Requirement
	ends        []time.Time // where each tick's window ends
	series      map[rules.Series]*seriesHistory
	order       []rules.Series
}

// seriesHistory is one series of a history: a value for each tick, NaN for none. A requirement
// with steps has those of its whole window instead, by the end of the step.
type seriesHistory struct {
	values []float64
	texts  []string
	steps  map[int64]float64
}

// mostOffsets is how many step queries read a history; with more, as with ticks
// at odd times, each tick is asked by itself.
const mostOffsets = 240

// readHistory asks a source what the requirement of a rule was at each tick. Buckets are
// the live windows exactly: (end-window, end].
func readHistory(ctx context.Context, q evaluator.Querier, req evaluator.Requirement,
	ends []time.Time,
) (*history, error) {
	h := &history{requirement: req, ends: ends, series: map[rules.Series]*seriesHistory{}}
	if every, ok := h.slides(); ok {
		if words, err := h.readSliding(ctx, q, every); !words {
			return h, err
		}
	}
	step := req.Window
	if req.Step > 0 {
		step = req.Step
	}
	offsets := map[int64][]int{}
	for i, end := range ends {
		r := end.UnixNano() % int64(step)
		offsets[r] = append(offsets[r], i)
	}
	if len(offsets) > mostOffsets && len(offsets) > len(ends)/4 {
		return h, h.readEach(ctx, q)
	}
	return h, h.readOffsets(ctx, q, step, offsets)
}

// slides reports whether the windows are made of whole steps between ticks
// that can be merged, and how long a step is.
func (h *history) slides() (every time.Duration, ok bool) {
	a := h.requirement.Aggregation
	if len(h.ends) < 2 || h.requirement.Step > 0 || !aggregate.Mergeable(a) && !ofOnePoint(a) {
		return 0, false
	}
	every = h.ends[1].Sub(h.ends[0])
	for i := 2; i < len(h.ends); i++ {
		if h.ends[i].Sub(h.ends[i-1]) != every {
			return 0, false
		}
	}
	return every, every < h.requirement.Window && h.requirement.Window%every == 0
}

// ofOnePoint reports whether the steps of a window tell which of them holds the
// point that counts.
func ofOnePoint(a rules.Aggregation) bool { return a == rules.Latest || a == rules.First }

func (h *history) at(series rules.Series) *seriesHistory {
	s := h.series[series]
	if s == nil {
		s = &seriesHistory{values: make([]float64, len(h.ends))}
		for i := range s.values {
			s.values[i] = math.NaN()
		}
		h.series[series] = s
		h.order = append(h.order, series)
	}
	return s
}

// query is the requirement between two times, cut into steps.
func (h *history) query(from, to time.Time, step time.Duration) evaluator.Query {
	req := h.requirement
	return evaluator.Query{
		Measurement: req.Measurement, Columns: []evaluator.Column{req.Column}, Where: req.Where, GroupBy: req.GroupBy,
		From: from, To: to, Step: step,
	}
}

// readOffsets asks one query for each offset that ticks have against the
// steps.
func (h *history) readOffsets(ctx context.Context, q evaluator.Querier, step time.Duration,
	offsets map[int64][]int,
) error {
	var queries []evaluator.Query
	for _, ticks := range offsets {
		first, last := h.ends[ticks[0]], h.ends[ticks[len(ticks)-1]]
		queries = append(queries, h.query(first.Add(-h.requirement.Window), last, step))
	}
	index := make(map[int64]int, len(h.ends))
	for i, end := range h.ends {
		index[end.UnixNano()] = i
	}
	return evaluator.Ask(ctx, q, queries, func(_ int, row evaluator.Row) {
		at := row.At.UnixNano()
		if h.requirement.Step > 0 {
			h.at(row.Series).step(at, row.Values[0])
		} else if i, ok := index[at]; ok {
			h.at(row.Series).set(i, row)
		}
	})
}

func (s *seriesHistory) set(i int, row evaluator.Row) {
	s.values[i] = row.Values[0]
	if text, ok := row.Text(0); ok {
		if s.texts == nil {
			s.texts = slices.Repeat([]string{evaluator.NoText}, len(s.values))
		}
		s.texts[i] = text
	}
}

func (s *seriesHistory) step(at int64, value float64) {
	if s.steps == nil {
		s.steps = map[int64]float64{}
	}
	s.steps[at] = value
}

// batch is how many single ticks are asked in one call.
const batch = 500

// readEach asks every tick by itself.
func (h *history) readEach(ctx context.Context, q evaluator.Querier) error {
	from := 0
	for part := range slices.Chunk(h.ends, batch) {
		queries := make([]evaluator.Query, len(part))
		for i, end := range part {
			queries[i] = h.query(end.Add(-h.requirement.Window), end, h.requirement.Step)
		}
		if err := evaluator.Ask(ctx, q, queries, func(i int, row evaluator.Row) {
			if h.requirement.Step > 0 {
				h.at(row.Series).step(row.At.UnixNano(), row.Values[0])
				return
			}
			h.at(row.Series).set(from+i, row)
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
func (h *history) readSliding(ctx context.Context, q evaluator.Querier, every time.Duration) (words bool, err error) {
	query := h.query(h.ends[0].Add(-h.requirement.Window), h.ends[len(h.ends)-1], every)
	query.Columns = nil
	for _, part := range aggregate.Parts(h.requirement.Aggregation) {
		query.Columns = append(query.Columns, evaluator.Column{Field: h.requirement.Field, Aggregation: part})
	}
	first := query.From.Add(every)
	steps := map[rules.Series]*[]step{}
	var last rules.Series
	var list *[]step
	err = evaluator.Ask(ctx, q, []evaluator.Query{query}, func(_ int, r evaluator.Row) {
		words = words || r.Texts != nil
		if list == nil || r.Series != last {
			if list, last = steps[r.Series], r.Series; list == nil {
				list = new([]step)
				steps[last], h.order = list, append(h.order, last)
			}
		}
		s := step{at: int64(r.At.Sub(first) / every)}
		copy(s.value[:], r.Values)
		*list = append(*list, s)
	})
	if err != nil || words {
		h.order = nil
		return words, err
	}
	size := int64(h.requirement.Window / every)
	for _, series := range h.order {
		list := *steps[series]
		slices.SortFunc(list, func(a, b step) int { return cmp.Compare(a.at, b.at) })
		h.series[series] = &seriesHistory{values: slide(list, len(h.ends), size, h.requirement.Aggregation)}
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
		out = append(out, aggregate.Whole(a, whole[0], whole[1]))
	}
	return out
}

// joiner merges the two values of an older and a newer part of a window.
func joiner(a rules.Aggregation) func(older, newer [2]float64) [2]float64 {
	parts := aggregate.Parts(a)
	first, with := aggregate.Join(parts[0]), aggregate.Join(parts[len(parts)-1])
	return func(x, y [2]float64) [2]float64 { return [2]float64{first(x[0], y[0]), with(x[1], y[1])} }
}

// points appends what the requirement was answered at tick i.
func (h *history) points(i int, out []evaluator.Point) []evaluator.Point {
	for _, series := range h.order {
		s := h.series[series]
		switch {
		case h.requirement.Step > 0:
			out = h.window(i, series, s, out)
		case s.texts != nil && s.texts[i] != evaluator.NoText:
			out = append(out, evaluator.Point{
				Series: series, At: h.ends[i], Value: s.values[i], Text: s.texts[i], IsText: true,
			})
		case !math.IsNaN(s.values[i]):
			out = append(out, evaluator.Point{Series: series, At: h.ends[i], Value: s.values[i]})
		}
	}
	return out
}

// window appends the steps of tick i's window, the oldest first.
func (h *history) window(i int, series rules.Series, s *seriesHistory, out []evaluator.Point) []evaluator.Point {
	end := h.ends[i]
	for at := end.Add(-h.requirement.Window + h.requirement.Step); !at.After(end); at = at.Add(h.requirement.Step) {
		if v, ok := s.steps[at.UnixNano()]; ok {
			out = append(out, evaluator.Point{Series: series, At: at, Value: v})
		}
	}
	return out
}

// trouble is what people are told when the past cannot be read: what was asked,
// and what may help where it was too much.
func (h *history) trouble(err error) error {
	req, from, to := h.requirement, h.ends[0], h.ends[len(h.ends)-1]
	asked := fmt.Sprintf("asked was %s of %s over %s, at %d ticks from %s to %s", req.Aggregation,
		strings.Trim(req.Measurement+"."+req.Field, "."),
		rules.Duration(req.Window), len(h.ends), from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	switch {
	case evaluator.IsTooMuch(err):
		return evaluator.TooMuch(rules.Errorf(rules.CodeOf(err),
			"%s; %s; try a shorter time, a longer every, a shorter window or fewer series", rules.Sentence(err), asked))
	case rules.CodeOf(err) == rules.Invalid:
		return rules.Errorf(rules.Invalid, "%s; %s", rules.Sentence(err), asked)
	}
	return fmt.Errorf("read the past, %s: %w", asked, err)
}
