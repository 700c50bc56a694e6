package live

import (
	"context"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Query answers from memory. Between two label sets it lets writers in, so an
// answer over many of them is not one instant.
func (s *Store) Query(ctx context.Context, queries []evaluator.Query, each func(query int, row evaluator.Row)) []error {
	errs := make([]error, len(queries))
	a := reckoning{index: map[string]int{}}
	for i, q := range queries {
		errs[i] = s.answer(ctx, &a, q, func(r evaluator.Row) { each(i, r) })
	}
	return errs
}

// reckoning is one query being answered. Its memory is used again for the next.
type reckoning struct {
	wanted   []wanted
	from, to int64
	step     int64
	groups   []group
	index    map[string]int // of the groups, by their series

	runs   []run // of one column in one window, of all members of a group
	sorted []float64

	rows   []bucket // the rows of one group
	values []float64
	texts  []string
}

// wanted is a column of the query with the field that it means.
type wanted struct {
	how     rules.Aggregation
	percent int
	any     bool // every field
	field   int  // 0: nobody has it
	kind    kind
	left    []run // what no step has counted yet
}

// group is the series that share the labels of one row.
type group struct {
	series  rules.Series
	members []*series
}

// bucket is a window that has points.
type bucket struct{ end, last int64 }

func (s *Store) answer(ctx context.Context, a *reckoning, q evaluator.Query, each func(evaluator.Row)) error {
	if err := a.begin(q); err != nil {
		return err
	}
	if err := s.find(a, q); err != nil {
		return err
	}
	for i := 0; ctx.Err() == nil; i++ {
		if i == len(a.groups) {
			return nil
		}
		s.mu.RLock()
		a.reckon(&a.groups[i])
		s.mu.RUnlock()
		a.tell(a.groups[i].series, each)
	}
	return rules.Errorf(rules.Unavailable, "the query was given up before its end: %v", context.Cause(ctx))
}

// begin checks the query by itself.
func (a *reckoning) begin(q evaluator.Query) error {
	if len(q.Columns) == 0 || q.Measurement == "" {
		return rules.Errorf(rules.Invalid, "a query needs a measurement and at least one field with an aggregation")
	}
	// So that no sum of them overflows.
	if q.From.Year() < firstYear || q.To.Year() > lastYear || q.Step < 0 || q.Step > 36500*24*time.Hour {
		return rules.Errorf(rules.Invalid, "the window must lie between the years %d and %d, and the step must be from 0 "+
			"to 100 years", firstYear, lastYear)
	}
	a.from, a.to, a.step = q.From.UnixNano(), q.To.UnixNano(), int64(q.Step)
	a.wanted = a.wanted[:0]
	for _, c := range q.Columns {
		how, ok := rules.ParseAggregation(string(c.Aggregation))
		if !ok {
			return rules.Errorf(rules.Invalid, "%q is no aggregation; one of %v", c.Aggregation, rules.Aggregations)
		}
		if c.Field == "" && how != rules.Count {
			return rules.Errorf(rules.Invalid, "%s needs a field; without one there is only count, of the values of any field",
				how)
		}
		percent, _ := how.Percentile()
		a.wanted = append(a.wanted, wanted{how: how, percent: percent, any: c.Field == ""})
	}
	return nil
}

// find looks up the fields of the query and sorts the series it keeps into
// groups.
func (s *Store) find(a *reckoning, q evaluator.Query) error {
	a.groups = a.groups[:0]
	clear(a.index)
	s.mu.RLock()
	defer s.mu.RUnlock()
	m := s.measurements[q.Measurement]
	if m == nil {
		return nil
	}
	for i, c := range q.Columns {
		f := m.fields[c.Field]
		w := &a.wanted[i]
		w.field, w.kind = f.id, f.kind
		if f.kind == kindText && w.how != rules.Latest && w.how != rules.First && w.how != rules.Count {
			return rules.Errorf(rules.Invalid, "field %q of %q is text, which has no %s; text has latest, first and count",
				c.Field, q.Measurement, w.how)
		}
	}
	var key []byte
	for _, sr := range m.order {
		if len(q.Where) == 0 || q.Where.Keeps(sr.key.Label) {
			key = appendGroup(key[:0], sr.key, q.GroupBy)
			a.join(key, sr)
		}
	}
	return nil
}

// appendGroup writes the labels of a series that names, which are sorted, list;
// a missing one is "".
func appendGroup(b []byte, key rules.Series, names []string) []byte {
	if len(names) == 0 {
		return b
	}
	i := 0
	key.Each(func(name, value string) bool {
		for i < len(names) && names[i] < name {
			b = rules.AppendLabel(b, names[i], "")
			i++
		}
		if i < len(names) && names[i] == name {
			b = rules.AppendLabel(b, name, value)
			i++
		}
		return i < len(names)
	})
	for ; i < len(names); i++ {
		b = rules.AppendLabel(b, names[i], "")
	}
	return b
}

func (a *reckoning) join(key []byte, sr *series) {
	i, known := a.index[string(key)]
	if !known {
		i = len(a.groups)
		g := next(&a.groups)
		g.members = g.members[:0]
		if g.series = sr.key; string(sr.key) != string(key) {
			g.series = rules.Series(key)
		}
		a.index[string(g.series)] = i
	}
	a.groups[i].members = append(a.groups[i].members, sr)
}

// reckon makes the rows of one group. What it leaves behind shares no memory
// with the store.
func (a *reckoning) reckon(g *group) {
	a.rows, a.values, a.texts = a.rows[:0], a.values[:0], a.texts[:0]
	for i := range a.wanted {
		a.wanted[i].open(g, a.from, a.to)
	}
	for {
		end, ok := a.nextEnd()
		if !ok {
			return
		}
		a.reckonRow(end)
	}
}

// open finds the points of the column in the window.
func (w *wanted) open(g *group, from, to int64) {
	w.left = w.left[:0]
	for _, sr := range g.members {
		if w.any {
			for i := range sr.columns {
				w.add(&sr.columns[i], from, to)
			}
		} else if c := sr.column(w.field); c != nil {
			w.add(c, from, to)
		}
	}
}

func (w *wanted) add(c *column, from, to int64) {
	r := run{c.at, c.nums, c.texts}
	_, r = r.cut(from)
	if r, _ = r.cut(to); len(r.at) > 0 {
		w.left = append(w.left, r)
	}
}

// nextEnd returns the end of the next window that has a point.
func (a *reckoning) nextEnd() (end int64, ok bool) {
	first := int64(math.MaxInt64)
	for i := range a.wanted {
		for _, r := range a.wanted[i].left {
			if len(r.at) > 0 {
				first, ok = min(first, r.at[0]), true
			}
		}
	}
	if a.step == 0 {
		return a.to, ok
	}
	return a.from + (first-a.from-1)/a.step*a.step + a.step, ok
}

func (a *reckoning) reckonRow(end int64) {
	last := int64(math.MinInt64)
	for i := range a.wanted {
		w := &a.wanted[i]
		a.runs = a.runs[:0]
		for j, r := range w.left {
			var part run
			if part, w.left[j] = r.cut(end); len(part.at) > 0 {
				a.runs = append(a.runs, part)
				last = max(last, part.at[len(part.at)-1])
			}
		}
		num, text := a.reduce(w)
		a.values, a.texts = append(a.values, num), append(a.texts, text)
	}
	a.rows = append(a.rows, bucket{end, last})
}

// tell calls each with the rows of a group.
func (a *reckoning) tell(series rules.Series, each func(evaluator.Row)) {
	n := len(a.wanted)
	text := slices.ContainsFunc(a.wanted, func(w wanted) bool { return w.text() })
	for i, b := range a.rows {
		row := evaluator.Row{
			Series: series, At: time.Unix(0, b.end).UTC(), Last: time.Unix(0, b.last).UTC(),
			Values: a.values[i*n : (i+1)*n],
		}
		if text {
			row.Texts = a.texts[i*n : (i+1)*n]
		}
		each(row)
	}
}

// text reports whether the column's value is text.
func (w *wanted) text() bool { return w.kind == kindText && w.how != rules.Count }

// run is points of one column of one series, in time order.
type run struct {
	at    []int64
	nums  []float64
	texts []string
}

// cut splits the run into the points up to and including t and those after.
func (r run) cut(t int64) (upTo, after run) {
	i := len(r.at)
	if i == 0 || r.at[i-1] <= t {
		return r, run{}
	}
	i = sort.Search(i, func(i int) bool { return r.at[i] > t })
	if r.texts != nil {
		return run{at: r.at[:i], texts: r.texts[:i]}, run{at: r.at[i:], texts: r.texts[i:]}
	}
	return run{at: r.at[:i], nums: r.nums[:i]}, run{at: r.at[i:], nums: r.nums[i:]}
}
