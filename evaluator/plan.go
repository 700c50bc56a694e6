package evaluator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// need is one thing that a rule must know to be judged.
type need struct {
	Column
	measurement string
	where       rules.Filter
	groupBy     []string // sorted
	window      time.Duration
	back        time.Duration // how long before the tick the window ends
	step        time.Duration // zero: one value for the window
}

// needs lists what a rule must know.
func needs(r *rules.Rule) []need {
	c := &r.Condition
	base := need{
		Column:      Column{r.Field, c.Aggregation},
		measurement: r.Measurement, where: r.Where, groupBy: sortedTags(r.GroupBy), window: c.Window.Std(),
	}
	switch c.Type {
	case rules.Absence:
		if base.Aggregation = rules.Latest; base.Field == "" {
			base.Aggregation = rules.Count // of any field
		}
	case rules.Change:
		before := base
		before.back = c.Ago.Std()
		return []need{base, before}
	case rules.Forecast:
		base.Aggregation, base.step = rules.Mean, forecastStep(base.window)
		base.window -= base.window % base.step
	case rules.Expression:
		return inputNeeds(r, base.groupBy)
	case rules.Threshold:
		return heldNeeds(base, c.StaleAfter.Std())
	}
	return []need{base}
}

// heldNeeds are those of a threshold whose last value counts for a while.
func heldNeeds(base need, held time.Duration) []need {
	switch {
	case held == 0:
		return []need{base}
	case base.Aggregation == rules.Latest:
		base.window = held
		return []need{base}
	}
	last := base
	last.Aggregation, last.window = rules.Latest, held
	return []need{base, last}
}

// inputNeeds are one for each input of an expression, by name.
func inputNeeds(r *rules.Rule, groupBy []string) (out []need) {
	for _, name := range slices.Sorted(maps.Keys(r.Condition.Inputs)) {
		in := r.Condition.Inputs[name]
		where := maps.Clone(r.Where)
		if where == nil {
			where = rules.Filter{}
		}
		maps.Copy(where, in.Where)
		out = append(out, need{
			Column: Column{in.Field, in.Aggregation}, measurement: in.Measurement,
			where: where, groupBy: groupBy, window: in.Window.Std(),
		})
	}
	return out
}

func sortedTags(tags []string) []string {
	out := slices.Clone(tags)
	slices.Sort(out)
	return out
}

// query is the need as its rule alone would ask it, for a tick at end.
func (n need) query(end time.Time) Query {
	to := end.Add(-n.back)
	return Query{
		Measurement: n.measurement, Columns: []Column{n.Column}, Where: n.where, GroupBy: n.groupBy,
		From: to.Add(-n.window), To: to, Step: n.step,
	}
}

// tags are all the tags that the need looks at: with rows of this grouping,
// each row belongs to it whole or not at all.
func (n need) tags() []string {
	out := slices.Concat(n.groupBy, slices.Collect(maps.Keys(n.where)))
	slices.Sort(out)
	return slices.Compact(out)
}

// merges reports whether several rows may fall into one group of the need, so
// that they must be merged.
func (n need) merges(tags []string) bool {
	for _, tag := range tags {
		if !slices.Contains(n.groupBy, tag) && len(n.where[tag]) != 1 {
			return true
		}
	}
	return false
}

// Plan is the queries that answer all rules of one source at any tick, and
// who takes which answer. It is made when rules change and used until they
// change again.
//
// An act changes a rule in place. What is read of one while a source is asked,
// which holds up no act, is kept apart.
type Plan struct {
	rules       []*rules.Rule
	ids, names  []string         // by rule, as all that follows
	since       []time.Time      // when they came to be as they were planned
	schedules   []string         // what they are in the timetable
	parents     map[int][]string // what they depend on; nil when none does
	needs       [][]need
	expressions map[int]*expression
	own         []int // rules with a statement of their own
	shapes      []*shape
}

// shape is a query without its time, grouped by every tag that one of its
// takers looks at.
type shape struct {
	Query
	window, back time.Duration
	takers       []taker
	plain        bool // every taker takes every row as it is
	rows, taken  int  // of the last answer, and those of them that had a taker
	index        []bucket
	routes       map[rules.Series][]route
}

// taker is a rule's need and the columns that answer it.
type taker struct {
	rule, need int
	asks       *need
	columns    []int
	merge      bool
}

// NewPlan shares queries between the rules. Needs of the same measurement and
// window that look at the same tags go into one query, whatever their field,
// aggregation and filter; those that look at fewer tags join it where their
// aggregations can be merged.
func NewPlan(list []*rules.Rule) *Plan {
	n := len(list)
	p := &Plan{
		rules: slices.Clone(list), expressions: map[int]*expression{}, needs: make([][]need, 0, n),
		ids: make([]string, 0, n), names: make([]string, 0, n), since: make([]time.Time, 0, n),
		schedules: make([]string, 0, n),
	}
	byKey := map[string]*shape{}
	for i, r := range list {
		p.needs = append(p.needs, needs(r))
		p.note(i, r)
		if r.Condition.Type == rules.Expression {
			if e, err := compileExpression(r.Condition); err == nil {
				p.expressions[i] = e
			}
		}
		if r.Condition.Type == rules.Query {
			continue // asks in its own words
		}
		for j := range p.needs[i] {
			n := &p.needs[i][j]
			key, tags := n.shapeKey()
			s := byKey[key]
			if s == nil {
				s = &shape{Query: Query{Measurement: n.measurement, GroupBy: tags, Step: n.step}, window: n.window, back: n.back}
				byKey[key] = s
				p.shapes = append(p.shapes, s)
			}
			s.takers = append(s.takers, taker{rule: i, need: j, asks: n})
		}
	}
	p.join()
	for _, s := range p.shapes {
		s.takers = slices.Clip(slices.Clone(s.takers)) // a plan lasts, and what grew has room to spare
		s.settle()
	}
	return p
}

// note keeps what is read of a rule besides its needs.
func (p *Plan) note(place int, r *rules.Rule) {
	p.ids, p.names = append(p.ids, r.ID), append(p.names, r.Name)
	p.since, p.schedules = append(p.since, r.AsItIs()), append(p.schedules, scheduleKey(r))
	if r.DependsOn != nil {
		if p.parents == nil {
			p.parents = map[int][]string{}
		}
		p.parents[place] = r.DependsOn
	}
	if r.Condition.Type == rules.Query {
		own := *r
		p.rules[place], p.own = &own, append(p.own, place)
	}
}

// shapeKey says which needs share a query as they are. A need whose rows would
// have to be merged, and cannot be, asks at its own grouping.
func (n need) shapeKey() (key string, tags []string) {
	tags = n.tags()
	own := ""
	if n.merges(tags) && !mergeable(n.Aggregation) {
		tags, own = n.groupBy, n.where.String()
	}
	return fmt.Sprintf("%q %q %q %d %d %d", n.measurement, strings.Join(tags, "\x00"), own, n.window, n.back, n.step), tags
}

// mergeable reports whether the aggregation of a whole follows from those of
// its parts.
func mergeable(a rules.Aggregation) bool {
	switch a {
	case rules.Count, rules.Sum, rules.Min, rules.Max, rules.Mean, rules.Spread:
		return true
	}
	return false
}

// join moves the takers of a shape into one that is asked anyway and groups by
// more tags, if all of them can be merged and no filter is lost by it.
func (p *Plan) join() {
	slices.SortStableFunc(p.shapes, func(a, b *shape) int { return len(a.GroupBy) - len(b.GroupBy) })
	alike := map[frame][]*shape{}
	for _, s := range p.shapes {
		alike[s.frame()] = append(alike[s.frame()], s)
	}
	p.shapes = slices.DeleteFunc(p.shapes, func(small *shape) bool {
		others := alike[small.frame()][1:]
		alike[small.frame()] = others
		big := slices.IndexFunc(others, small.fits)
		if big >= 0 {
			others[big].takers = append(others[big].takers, small.takers...)
		}
		return big >= 0
	})
}

// frame is what shapes that may be joined have in common.
type frame struct {
	measurement        string
	window, back, step time.Duration
}

func (s *shape) frame() frame { return frame{s.Measurement, s.window, s.back, s.Step} }

// fits reports whether the takers of s can be answered by the rows of big,
// which has the same frame.
func (s *shape) fits(big *shape) bool {
	for _, tag := range s.GroupBy {
		if !slices.Contains(big.GroupBy, tag) {
			return false
		}
	}
	for _, t := range s.takers {
		if !mergeable(t.asks.Aggregation) {
			return false
		}
	}
	both := shape{Query: big.Query, takers: slices.Concat(s.takers, big.takers)}
	return big.whole() && len(both.filter()) == len(big.filter())
}

// whole: the rows of a need that asks at its own grouping are filtered already
// and serve nobody else.
func (s *shape) whole() bool {
	for _, t := range s.takers {
		for tag := range t.asks.where {
			if !slices.Contains(s.GroupBy, tag) {
				return false
			}
		}
	}
	return true
}

// mostValues is how many values of a tag are listed in a filter; with more the
// query goes without, and rows that nobody takes are dropped.
const mostValues = 100

// filter is what every taker filters on: the values of all of them.
func (s *shape) filter() rules.Filter {
	if len(s.takers) == 0 || len(s.takers[0].asks.where) == 0 {
		return nil
	}
	out := rules.Filter{}
	for tag := range s.takers[0].asks.where {
		var values []string
		for _, t := range s.takers {
			mine, ok := t.asks.where[tag]
			if !ok {
				values = nil
				break
			}
			values = append(values, mine...)
		}
		slices.Sort(values)
		values = slices.Compact(values)
		if len(values) > 0 && (len(values) <= mostValues || !slices.Contains(s.GroupBy, tag)) {
			out[tag] = values
		}
	}
	return out
}

// wasteful reports whether most of the rows that came had no taker, so that
// asking for the values of the takers pays: a database spends on a value that
// is asked for about what it spends on any.
func (s *shape) wasteful() bool { return s.rows >= leastRows && s.taken*10 < s.rows*3 }

const leastRows = 500

// narrow replaces a wasteful shape by several that list the values of their
// takers. Long lists are slow, so there are mostValues in each. It does nothing
// where a taker alone has more.
func (p *Plan) narrow(s *shape) {
	tag := s.unlisted()
	if tag == "" {
		return
	}
	takers := slices.Clone(s.takers)
	slices.SortStableFunc(takers, func(a, b taker) int { return slices.Compare(a.asks.where[tag], b.asks.where[tag]) })
	var out []*shape
	room := 0
	for _, t := range takers {
		if room < len(t.asks.where[tag]) {
			out = append(out, s.part())
			room = mostValues
		}
		room -= len(t.asks.where[tag])
		out[len(out)-1].takers = append(out[len(out)-1].takers, t)
	}
	p.replace(s, out)
}

// unlisted finds a tag that all takers filter on and the query does not.
func (s *shape) unlisted() string {
	for _, tag := range s.GroupBy {
		_, listed := s.Where[tag]
		if !listed && !slices.ContainsFunc(s.takers, func(t taker) bool {
			n := len(t.asks.where[tag])
			return n == 0 || n > mostValues
		}) {
			return tag
		}
	}
	return ""
}

// part is a shape that asks as s does, of nobody yet.
func (s *shape) part() *shape {
	return &shape{
		Query: Query{Measurement: s.Measurement, GroupBy: s.GroupBy, Step: s.Step}, window: s.window,
		back: s.back,
	}
}

// replace puts shapes in the place of one.
func (p *Plan) replace(s *shape, parts []*shape) {
	for _, part := range parts {
		part.settle()
	}
	p.shapes = append(slices.DeleteFunc(p.shapes, func(other *shape) bool { return other == s }), parts...)
}

// settle fixes the columns and the filter when all takers are known.
func (s *shape) settle() {
	s.Where, s.Columns, s.plain, s.index, s.routes = s.filter(), nil, true, nil, nil
	for i := range s.takers {
		t := &s.takers[i]
		t.merge = t.asks.merges(s.GroupBy)
		t.columns = nil
		for _, c := range t.parts() {
			at := slices.Index(s.Columns, c)
			if at < 0 {
				at = len(s.Columns)
				s.Columns = append(s.Columns, c)
			}
			t.columns = append(t.columns, at)
		}
		s.plain = s.plain && !t.merge && t.takesAll(s.GroupBy)
	}
	if !s.plain {
		s.index = makeIndex(s.takers, s.GroupBy)
		s.routes = map[rules.Series][]route{}
	}
}

// takesAll reports whether the rows of a grouping are the taker's own, each of
// them.
func (t taker) takesAll(groupBy []string) bool {
	for _, tag := range groupBy {
		if _, ok := t.asks.where[tag]; ok {
			return false
		}
	}
	return slices.Equal(t.asks.groupBy, groupBy)
}

// parts are the columns that a taker reads: what a merge is made of, or the
// aggregation itself.
func (t taker) parts() []Column {
	f := t.asks.Field
	switch {
	case t.merge && t.asks.Aggregation == rules.Mean:
		return []Column{{f, rules.Sum}, {f, rules.Count}}
	case t.merge && t.asks.Aggregation == rules.Spread:
		return []Column{{f, rules.Max}, {f, rules.Min}}
	}
	return []Column{t.asks.Column}
}

// query is the shape for a tick whose windows end at end.
func (s *shape) query(end time.Time) Query {
	q := s.Query
	q.To = end.Add(-s.back)
	q.From = q.To.Add(-s.window)
	return q
}

// split replaces a shape whose query was refused by one for each column, so
// that no rule sees the error of another. It returns nil when there is nothing
// to split.
func (p *Plan) split(s *shape) []*shape {
	byField := map[string]*shape{}
	var out []*shape
	for _, t := range s.takers {
		key := fmt.Sprintf("%q %s", t.asks.Field, t.asks.Aggregation)
		part := byField[key]
		if part == nil {
			part = s.part()
			byField[key] = part
			out = append(out, part)
		}
		part.takers = append(part.takers, t)
	}
	if len(out) < 2 {
		return nil
	}
	p.replace(s, out)
	return out
}
