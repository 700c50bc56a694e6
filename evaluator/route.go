package evaluator

import (
	"math"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator/aggregate"
	"github.com/9bikes/tocsin/evaluator/expression"
	"github.com/9bikes/tocsin/rules"
)

// route leads a row of one series to a consumer, under the series that its rule
// knows it by.
type route struct {
	consumer int
	series   rules.Series
}

// bucket finds consumers by the values of the tags that they filter on, so that
// thousands of rules cost a row one look-up.
type bucket struct {
	tags      []string
	consumers map[rules.Series][]int // by the values of tags
}

// makeIndex enters consumers under every combination of values they take. Tags
// that the rows do not carry were filtered by the query itself.
func makeIndex(consumers []consumer, groupBy []string) []bucket {
	var out []bucket
	for i, c := range consumers {
		var tags []string
		for _, tag := range groupBy {
			if _, ok := c.asks.Where[tag]; ok {
				tags = append(tags, tag)
			}
		}
		at := slices.IndexFunc(out, func(b bucket) bool { return slices.Equal(b.tags, tags) })
		if at == -1 {
			at = len(out)
			out = append(out, bucket{tags, map[rules.Series][]int{}})
		}
		for _, key := range combinations(tags, c.asks.Where) {
			out[at].consumers[key] = append(out[at].consumers[key], i)
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
func (g *queryGroup) routesOf(series rules.Series) []route {
	if out, known := g.routes[series]; known {
		return out
	}
	out := []route{}
	for _, b := range g.index {
		for _, i := range b.consumers[project(series, b.tags, g.GroupBy)] {
			out = append(out, route{i, project(series, g.consumers[i].asks.GroupBy, g.GroupBy)})
		}
	}
	if len(g.routes) >= mostRoutes {
		g.routes = map[rules.Series][]route{}
	}
	g.routes[series] = out
	return out
}

// mostRoutes is how many series a query group remembers the way of.
const mostRoutes = 50_000

// project keeps the labels of some tags; all of them need no work.
func project(series rules.Series, tags, all []string) rules.Series {
	if slices.Equal(tags, all) {
		return series
	}
	return series.Only(tags)
}

// Point is one answer to one requirement of one rule.
type Point struct {
	Series rules.Series
	At     time.Time
	Value  float64
	Text   string
	IsText bool      // and Text counts, be it empty
	Last   time.Time // of the newest point behind it, where the source told
}

// deal gives a row to every due rule that takes it.
func (g *queryGroup) deal(row *Row, answers []Answer) {
	if g.plain {
		for i := range g.consumers {
			answers[g.consumers[i].rule].take(&g.consumers[i], row.Series, row)
		}
		return
	}
	routes := g.routesOf(row.Series)
	if g.rows++; len(routes) > 0 {
		g.consumed++
	}
	for _, r := range routes {
		answers[g.consumers[r.consumer].rule].take(&g.consumers[r.consumer], r.series, row)
	}
}

// take adds a row to the points of a due rule.
func (a *Answer) take(c *consumer, series rules.Series, row *Row) {
	switch {
	case !a.due:
		return
	case c.merge:
		a.merge(c, series, row)
		return
	}
	p := Point{Series: series, At: row.At, Value: row.Values[c.columns[0]], Last: row.Last}
	p.Text, p.IsText = row.Text(c.columns[0])
	a.Points[c.requirement] = append(a.Points[c.requirement], p)
}

// part is a group of a requirement that is being merged out of several rows.
type part struct {
	requirement int
	series      rules.Series
	at, last    time.Time
	first, with float64 // the consumer's columns, merged
}

// merge adds a row to the group that it belongs to.
func (a *Answer) merge(c *consumer, series rules.Series, row *Row) {
	if a.places == nil {
		a.places = map[partKey]int{}
	}
	key := partKey{c.requirement, series, row.At.UnixNano()}
	i, known := a.places[key]
	if !known {
		i = len(a.parts)
		a.places[key] = i
		a.parts = append(a.parts,
			part{requirement: c.requirement, series: series, at: row.At, first: math.NaN(), with: math.NaN()})
	}
	p := &a.parts[i]
	if row.Last.After(p.last) {
		p.last = row.Last
	}
	first, with := aggregate.Merges(c.asks.Aggregation)
	p.first = first(p.first, row.Values[c.columns[0]])
	if with != nil {
		p.with = with(p.with, row.Values[c.columns[1]])
	}
}

type partKey struct {
	requirement int
	series      rules.Series
	at          int64
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
		value := aggregate.Whole(a.requirements[p.requirement].Aggregation, p.first, p.with)
		points := &a.Points[p.requirement]
		*points = append(*points, Point{Series: p.series, At: p.at, Value: value, Last: p.last})
	}
	a.forget()
}

// Answer is what a source said to one rule: the points for each of its requirements,
// or why there are none.
type Answer struct {
	Rule   *rules.Rule
	Points [][]Point
	Err    error

	due          bool
	unanswered   bool // by a source that answers nobody: that says nothing of the rule
	plan         *Plan
	place        int // of the rule in the plan
	end          time.Time
	requirements []Requirement
	expression   *expression.Program
	silent       lastSeen // series that had points before
	habits       *Habits  // of an anomaly rule; nil while they are not learnt
	parts        []part   // what is being merged
	places       map[partKey]int
}

// fits reports whether the answer is to what the rule asks now: an edit of its
// texts, channels or timers since it was planned changes nothing of that.
func (a *Answer) fits(r *rules.Rule) bool { return a.plan.since[a.place].Equal(r.AsItIs()) }

// begin makes the answer ready for another poll, keeping its memory.
func (a *Answer) begin(r *rules.Rule, list []Requirement, end time.Time) {
	a.Rule, a.Err, a.due, a.unanswered, a.requirements, a.end, a.silent = r, nil, true, false, list, end, nil
	a.habits = nil
	if len(a.Points) != len(list) {
		a.Points = make([][]Point, len(list))
	}
	a.Clear()
}

// Clear empties the answer for the next tick, keeping its memory.
func (a *Answer) Clear() {
	for i := range a.Points {
		a.Points[i] = a.Points[i][:0]
	}
	a.forget()
}

// discard throws away what came for one requirement, which is to be asked again.
func (a *Answer) discard(requirement int) {
	a.Points[requirement] = a.Points[requirement][:0]
	parts := slices.DeleteFunc(slices.Clone(a.parts), func(p part) bool { return p.requirement == requirement })
	a.forget()
	for _, p := range parts {
		a.places[partKey{p.requirement, p.series, p.at.UnixNano()}] = len(a.parts)
		a.parts = append(a.parts, p)
	}
}

func (a *Answer) forget() {
	a.parts = a.parts[:0]
	clear(a.places)
}

// NewAnswer returns an empty answer for one rule that is asked alone, and what
// must be known for it: its Points are to hold those of each requirement. A
// rule whose expression cannot be compiled is refused as rules.Invalid.
func NewAnswer(r *rules.Rule) (*Answer, []Requirement, error) {
	a, list := &Answer{}, Requirements(r)
	a.begin(r, list, time.Time{})
	return a, list, a.Compile()
}

// Compile makes the answer ready to be evaluated by itself, outside a plan.
func (a *Answer) Compile() (err error) {
	if a.Rule.Condition.Type == rules.Expression {
		a.expression, err = expression.Compile(a.Rule.Condition)
	}
	return err
}
