package evaluator

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// route leads a row of one series to a taker, under the series that its rule
// knows it by.
type route struct {
	taker  int
	series rules.Series
}

// bucket finds takers by the values of the tags that they filter on, so that
// thousands of rules cost a row one look-up.
type bucket struct {
	tags   []string
	takers map[rules.Series][]int // by the values of tags
}

// makeIndex enters takers under every combination of values they take. Tags
// that the rows do not carry were filtered by the query itself.
func makeIndex(takers []taker, groupBy []string) []bucket {
	var out []bucket
	for i, t := range takers {
		var tags []string
		for _, tag := range groupBy {
			if _, ok := t.asks.where[tag]; ok {
				tags = append(tags, tag)
			}
		}
		at := slices.IndexFunc(out, func(b bucket) bool { return slices.Equal(b.tags, tags) })
		if at < 0 {
			at = len(out)
			out = append(out, bucket{tags, map[rules.Series][]int{}})
		}
		for _, key := range combinations(tags, t.asks.where) {
			out[at].takers[key] = append(out[at].takers[key], i)
		}
	}
	return out
}

// combinations lists the label sets of tags with each of the filter's values.
func combinations(tags []string, where rules.Filter) []rules.Series {
	keys := [][]byte{nil}
	for _, tag := range tags {
		var next [][]byte
		for _, key := range keys {
			for _, v := range where[tag] {
				next = append(next, rules.AppendLabel(slices.Clone(key), tag, v))
			}
		}
		keys = next
	}
	out := make([]rules.Series, len(keys))
	for i, key := range keys {
		out[i] = rules.Series(key)
	}
	return out
}

// routesOf finds who takes the rows of a series. It is asked once for each
// series that a query returns and remembered.
func (s *shape) routesOf(series rules.Series) []route {
	if out, known := s.routes[series]; known {
		return out
	}
	own := rules.Series(strings.Clone(string(series)))
	out := []route{}
	for _, b := range s.index {
		for _, i := range b.takers[project(own, b.tags, s.GroupBy)] {
			out = append(out, route{i, project(own, s.takers[i].asks.groupBy, s.GroupBy)})
		}
	}
	s.routes[own] = out
	return out
}

// project keeps the labels of some tags; all of them need no work.
func project(series rules.Series, tags, all []string) rules.Series {
	if slices.Equal(tags, all) {
		return series
	}
	return series.Only(tags)
}

// Point is one answer to one need of one rule.
type Point struct {
	Series rules.Series
	At     time.Time
	Value  float64
	Text   string
	Last   time.Time // of the newest point behind it, where the source told
}

// deal gives a row to every due rule that takes it.
func (s *shape) deal(row Row, answers []Answer) {
	for _, r := range s.routesOf(row.Series) {
		t := &s.takers[r.taker]
		a := &answers[t.rule]
		if !a.due {
			continue
		}
		if t.merge {
			a.merge(t, r.series, row)
			continue
		}
		p := Point{Series: r.series, At: row.At, Value: row.Values[t.columns[0]], Last: row.Last}
		if row.Texts != nil {
			p.Text = row.Texts[t.columns[0]]
		}
		a.Points[t.need] = append(a.Points[t.need], p)
	}
}

// part is a group of a need that is being merged out of several rows.
type part struct {
	at, last    time.Time
	first, with float64 // the taker's columns, merged
}

// merge adds a row to the group that it belongs to.
func (a *Answer) merge(t *taker, series rules.Series, row Row) {
	if a.parts == nil {
		a.parts = map[partKey]*part{}
	}
	key := partKey{t.need, series, row.At.UnixNano()}
	p := a.parts[key]
	if p == nil {
		p = &part{at: row.At, first: math.NaN(), with: math.NaN()}
		a.parts[key] = p
	}
	if row.Last.After(p.last) {
		p.last = row.Last
	}
	first, with := combiners(t.asks.Aggregation)
	p.first = first(p.first, row.Values[t.columns[0]])
	if with != nil {
		p.with = with(p.with, row.Values[t.columns[1]])
	}
}

type partKey struct {
	need   int
	series rules.Series
	at     int64
}

// combiners merge the columns of taker.parts.
func combiners(a rules.Aggregation) (first, with func(x, y float64) float64) {
	switch a {
	case rules.Min:
		return least, nil
	case rules.Max:
		return most, nil
	case rules.Spread:
		return most, least
	case rules.Mean:
		return plus, plus
	}
	return plus, nil
}

func plus(x, y float64) float64  { return either(x, y, x+y) }
func least(x, y float64) float64 { return either(x, y, min(x, y)) }
func most(x, y float64) float64  { return either(x, y, max(x, y)) }

// either is the one that is a number, or both when both are.
func either(x, y, both float64) float64 {
	switch {
	case math.IsNaN(x):
		return y
	case math.IsNaN(y):
		return x
	}
	return both
}

// finish turns merged groups into points.
func (a *Answer) finish() {
	for key, p := range a.parts {
		value := p.first
		switch a.needs[key.need].Aggregation {
		case rules.Mean:
			value = p.first / p.with
		case rules.Spread:
			value = p.first - p.with
		}
		a.Points[key.need] = append(a.Points[key.need], Point{Series: key.series, At: p.at, Value: value, Last: p.last})
	}
	clear(a.parts)
}

// Answer is what a source said to one rule: the points for each of its needs,
// or why there are none.
type Answer struct {
	Rule   *rules.Rule
	Points [][]Point
	Query  Query // of its first need, as the rule alone would ask it
	Err    error

	due        bool
	needs      []need
	expression *expression
	parts      map[partKey]*part
}

// begin makes the answer ready for another round, keeping its memory.
func (a *Answer) begin(r *rules.Rule, needs []need, end time.Time) {
	a.Rule, a.Err, a.due, a.needs = r, nil, true, needs
	if len(a.Points) != len(needs) {
		a.Points = make([][]Point, len(needs))
	}
	a.empty()
	a.Query = needs[0].query(end)
}

func (a *Answer) empty() {
	for i := range a.Points {
		a.Points[i] = a.Points[i][:0]
	}
	clear(a.parts)
}

// Compile makes the answer ready to be evaluated by itself, outside a plan.
func (a *Answer) Compile() (err error) {
	if a.Rule.Condition.Type == rules.Expression {
		a.expression, err = compileExpression(a.Rule.Condition)
	}
	return err
}
