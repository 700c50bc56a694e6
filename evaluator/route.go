package evaluator

import (
	"math"
	"slices"
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
		if at == -1 {
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
	out := []route{}
	for _, b := range s.index {
		for _, i := range b.takers[project(series, b.tags, s.GroupBy)] {
			out = append(out, route{i, project(series, s.takers[i].asks.groupBy, s.GroupBy)})
		}
	}
	if len(s.routes) >= mostRoutes {
		s.routes = map[rules.Series][]route{}
	}
	s.routes[series] = out
	return out
}

// mostRoutes is how many series a shape remembers the way of.
const mostRoutes = 50_000

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
func (s *shape) deal(row *Row, answers []Answer) {
	if s.plain {
		for i := range s.takers {
			answers[s.takers[i].rule].take(&s.takers[i], row.Series, row)
		}
		return
	}
	routes := s.routesOf(row.Series)
	if s.rows++; len(routes) > 0 {
		s.taken++
	}
	for _, r := range routes {
		answers[s.takers[r.taker].rule].take(&s.takers[r.taker], r.series, row)
	}
}

// take adds a row to the points of a due rule.
func (a *Answer) take(t *taker, series rules.Series, row *Row) {
	switch {
	case !a.due:
		return
	case t.merge:
		a.merge(t, series, row)
		return
	}
	p := Point{Series: series, At: row.At, Value: row.Values[t.columns[0]], Last: row.Last}
	if row.Texts != nil {
		p.Text = row.Texts[t.columns[0]]
	}
	a.Points[t.need] = append(a.Points[t.need], p)
}

// part is a group of a need that is being merged out of several rows.
type part struct {
	need        int
	series      rules.Series
	at, last    time.Time
	first, with float64 // the taker's columns, merged
}

// merge adds a row to the group that it belongs to.
func (a *Answer) merge(t *taker, series rules.Series, row *Row) {
	if a.places == nil {
		a.places = map[partKey]int{}
	}
	key := partKey{t.need, series, row.At.UnixNano()}
	i, known := a.places[key]
	if !known {
		i = len(a.parts)
		a.places[key] = i
		a.parts = append(a.parts, part{need: t.need, series: series, at: row.At, first: math.NaN(), with: math.NaN()})
	}
	p := &a.parts[i]
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

// finish turns merged groups into points. What came of a failed answer is let go
// of, with its room: it may be all that a source could send.
func (a *Answer) finish() {
	if a.Err != nil {
		a.parts, a.places = nil, nil
		clear(a.Points)
		return
	}
	for _, p := range a.parts {
		value := p.first
		switch a.needs[p.need].Aggregation {
		case rules.Mean:
			value = p.first / p.with
		case rules.Spread:
			value = p.first - p.with
		}
		a.Points[p.need] = append(a.Points[p.need], Point{Series: p.series, At: p.at, Value: value, Last: p.last})
	}
	a.forget()
}

// Answer is what a source said to one rule: the points for each of its needs,
// or why there are none.
type Answer struct {
	Rule   *rules.Rule
	Points [][]Point
	Err    error

	due        bool
	unanswered bool // by a source that answers nobody: that says nothing of the rule
	plan       *Plan
	place      int // of the rule in the plan
	end        time.Time
	needs      []need
	expression *expression
	silent     lastSeen // series that had points before
	parts      []part   // what is being merged
	places     map[partKey]int
}

// fits reports whether the answer is to what the rule asks now: an edit of its
// texts, channels or timers since it was planned changes nothing of that.
func (a *Answer) fits(r *rules.Rule) bool { return a.plan.since[a.place].Equal(r.AsItIs()) }

// begin makes the answer ready for another round, keeping its memory.
func (a *Answer) begin(r *rules.Rule, needs []need, end time.Time) {
	a.Rule, a.Err, a.due, a.unanswered, a.needs, a.end, a.silent = r, nil, true, false, needs, end, nil
	if len(a.Points) != len(needs) {
		a.Points = make([][]Point, len(needs))
	}
	a.empty()
}

func (a *Answer) empty() {
	for i := range a.Points {
		a.Points[i] = a.Points[i][:0]
	}
	a.forget()
}

// discard throws away what came for one need, which is to be asked again.
func (a *Answer) discard(need int) {
	a.Points[need] = a.Points[need][:0]
	parts := slices.DeleteFunc(slices.Clone(a.parts), func(p part) bool { return p.need == need })
	a.forget()
	for _, p := range parts {
		a.places[partKey{p.need, p.series, p.at.UnixNano()}] = len(a.parts)
		a.parts = append(a.parts, p)
	}
}

func (a *Answer) forget() {
	a.parts = a.parts[:0]
	clear(a.places)
}

// Compile makes the answer ready to be evaluated by itself, outside a plan.
func (a *Answer) Compile() (err error) {
	if a.Rule.Condition.Type == rules.Expression {
		a.expression, err = compileExpression(a.Rule.Condition)
	}
	return err
}
