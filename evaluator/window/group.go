package window

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/aggregate"
	"github.com/9bikes/tocsin/rules"
)

// group is one question that is asked tick after tick, and what is remembered
// for it.
type group struct {
	key    string
	shape  evaluator.Query // its times are of no meaning
	window time.Duration
	lag    time.Duration // of its end behind the newest of a tick
	unit   *unit
	fault  string // why it is always asked in full; "" where it need not
	holds  bool   // spans can hold what its columns are made of

	fields  []string
	columns []column
	parts   []evaluator.Column // of each span
	made    [][]int            // the parts of each field
	joins   []aggregate.Merge  // how each is merged

	to, renew time.Time
	every     time.Duration // between the last two ticks
	cut       int64         // memory ends there; 0 where there is none
	begin     int64         // of the first span
	ends      []int64       // of the spans
	pane      int64         // how long a span gets
	series    map[rules.Series]*series
	looking   *looking
	young     int // points that the last tick had
	rows      int // of the last answer in full
}

// column is how one column of the answer is made.
type column struct {
	how     rules.Aggregation
	field   int
	percent int
	parts   [2]int // where spans hold it, -1 for none
}

// series is what is remembered of one label set.
type series struct {
	parts  []float64  // of all spans; those missing at the end are empty
	points [][]sample // behind the cut, by field; of the present tick
	last   int64      // the newest point that was seen
}

// sample is one point of one field.
type sample struct {
	at    int64
	value float64
	text  *string // where it is one
}

func newGroup(key string, q evaluator.Query, lag, overlap time.Duration) *group {
	g := &group{key: key, shape: q, window: q.To.Sub(q.From), lag: lag, holds: true, series: map[rules.Series]*series{}}
	for _, c := range q.Columns {
		g.add(c)
	}
	switch {
	case q.Step > 0:
		g.fault = "its window is cut into steps"
	case slices.ContainsFunc(q.Columns, func(c evaluator.Column) bool { return c.Aggregation == rules.Rate }):
		g.fault = "a rate is made of every series by itself"
	}
	g.holds = g.holds || g.window <= overlap
	return g
}

// add enters a column and what it is made of.
func (g *group) add(c evaluator.Column) {
	field := slices.Index(g.fields, c.Field)
	if field < 0 {
		field = len(g.fields)
		g.fields, g.made = append(g.fields, c.Field), append(g.made, nil)
	}
	percent, _ := c.Aggregation.Percentile()
	col := column{how: c.Aggregation, field: field, percent: percent, parts: [2]int{-1, -1}}
	if aggregate.Mergeable(c.Aggregation) || c.Aggregation == rules.Latest || c.Aggregation == rules.First {
		for i, a := range aggregate.Parts(c.Aggregation) {
			part := evaluator.Column{Field: c.Field, Aggregation: a}
			at := slices.Index(g.parts, part)
			if at < 0 {
				at = len(g.parts)
				g.parts, g.made[field] = append(g.parts, part), append(g.made[field], at)
				g.joins = append(g.joins, aggregate.Join(a))
			}
			col.parts[i] = at
		}
	} else {
		g.holds = false
	}
	g.columns = append(g.columns, col)
}

// appendKey tells questions apart by everything but their times.
func appendKey(b []byte, q evaluator.Query, lag time.Duration) []byte {
	b = append(append(b, q.Measurement...), 0)
	for _, c := range q.Columns {
		b = append(append(append(append(b, c.Field...), 1), c.Aggregation...), 1)
	}
	b = append(b, 0)
	for _, tag := range q.GroupBy {
		b = append(append(b, tag...), 1)
	}
	for _, n := range []time.Duration{q.To.Sub(q.From), q.Step, lag} {
		b = strconv.AppendInt(append(b, 0), int64(n), 36)
	}
	return appendWhere(append(b, 0), q.Where)
}

func appendWhere(b []byte, where rules.Filter) []byte {
	if len(where) == 0 {
		return b
	}
	for _, tag := range slices.Sorted(maps.Keys(where)) {
		b = append(append(b, tag...), 1)
		for _, v := range where[tag] {
			b = append(append(b, v...), 2)
		}
	}
	return b
}

// unitKey is what groups have in common that one scan serves. What is scanned
// over a long window has a scan of its own.
func (g *group) unitKey(overlap time.Duration) string {
	b := append(append([]byte(nil), g.shape.Measurement...), 0)
	b = appendWhere(b, g.shape.Where)
	b = strconv.AppendInt(append(b, 0), int64(g.lag), 36)
	if !g.holds && g.window > overlap || g.fault != "" {
		b = append(append(b, 0), g.key...)
	}
	return string(b)
}

// drop forgets the points.
func (g *group) drop() {
	g.cut, g.ends, g.looking = 0, nil, nil
	clear(g.series)
}

// spread is a share of a time that differs from group to group.
func (g *group) spread(d time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(g.key))
	return time.Duration(h.Sum32()) * d >> 32
}

// next is when the group is looked at in full again: once in each span of a time,
// at a moment of its own.
func (g *group) next(to time.Time, renew time.Duration) time.Time {
	at := to.Truncate(renew).Add(g.spread(renew))
	if !at.After(to) {
		at = at.Add(renew)
	}
	return at
}

// bytes is what the group takes in memory, nearly.
func (g *group) bytes() (n int) {
	if g.looking != nil {
		n = g.looking.anew.bytes()
	}
	return n + len(g.series)*(128+8*len(g.parts)*(len(g.ends)+len(g.ends)/4)) + g.young*int(sampleSize)
}
