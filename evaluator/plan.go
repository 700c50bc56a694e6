package evaluator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator/aggregate"
	"github.com/9bikes/tocsin/evaluator/expression"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// Requirement is one thing that a rule must know to be judged.
type Requirement struct {
	Column
	Measurement string
	Where       rules.Filter
	GroupBy     []string // sorted
	Window      time.Duration
	Back        time.Duration // how long before the tick the window ends
	Step        time.Duration // zero: one value for the window
}

// Requirements lists what a rule must know.
func Requirements(r *rules.Rule) []Requirement {
	c := &r.Condition
	base := Requirement{
		Column:      Column{r.Field, c.Aggregation},
		Measurement: r.Measurement, Where: r.Where, GroupBy: sortedTags(r.GroupBy), Window: c.Window.Std(),
	}
	switch c.Type {
	case rules.Absence:
		if base.Aggregation = rules.Latest; base.Field == "" {
			base.Aggregation = rules.Count // of any field
		}
	case rules.Change:
		before := base
		before.Back = c.Ago.Std()
		return []Requirement{base, before}
	case rules.Forecast:
		base.Aggregation, base.Step = rules.Mean, forecastStep(base.Window)
		base.Window -= base.Window % base.Step
	case rules.Expression:
		return inputRequirements(r, base.GroupBy)
	case rules.Threshold:
		return heldRequirements(base, c.StaleAfter.Std())
	}
	return []Requirement{base}
}

// heldNeeds are those of a threshold whose last value counts for a while.
func heldRequirements(base Requirement, held time.Duration) []Requirement {
	switch {
	case held == 0:
		return []Requirement{base}
	case base.Aggregation == rules.Latest:
		base.Window = held
		return []Requirement{base}
	}
	last := base
	last.Aggregation, last.Window = rules.Latest, held
	return []Requirement{base, last}
}

// inputNeeds are one for each input of an expression, by name.
func inputRequirements(r *rules.Rule, groupBy []string) (out []Requirement) {
	for _, name := range slices.Sorted(maps.Keys(r.Condition.Inputs)) {
		in := r.Condition.Inputs[name]
		where := maps.Clone(r.Where)
		if where == nil {
			where = rules.Filter{}
		}
		maps.Copy(where, in.Where)
		out = append(out, Requirement{
			Column: Column{in.Field, in.Aggregation}, Measurement: in.Measurement,
			Where: where, GroupBy: groupBy, Window: in.Window.Std(),
		})
	}
	return out
}

func sortedTags(tags []string) []string {
	out := slices.Clone(tags)
	slices.Sort(out)
	return out
}

// query is the requirement as its rule alone would ask it, for a tick at end.
func (req Requirement) query(end time.Time) Query {
	to := end.Add(-req.Back)
	return Query{
		Measurement: req.Measurement, Columns: []Column{req.Column}, Where: req.Where, GroupBy: req.GroupBy,
		From: to.Add(-req.Window), To: to, Step: req.Step,
	}
}

// tags are all the tags that the requirement looks at: with rows of this grouping,
// each row belongs to it whole or not at all.
func (req Requirement) tags() []string {
	out := slices.Concat(req.GroupBy, slices.Collect(maps.Keys(req.Where)))
	slices.Sort(out)
	return slices.Compact(out)
}

// merges reports whether several rows may fall into one group of the requirement, so
// that they must be merged.
func (req Requirement) merges(tags []string) bool {
	for _, tag := range tags {
		if !slices.Contains(req.GroupBy, tag) && len(req.Where[tag]) != 1 {
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
	rules        []*rules.Rule
	ids, names   []string         // by rule, as all that follows
	since        []time.Time      // when they came to be as they were planned
	schedules    []string         // what they are in the timetable
	parents      map[int][]string // what they depend on; nil when none does
	requirements [][]Requirement
	expressions  map[int]*expression.Program
	own          []int // rules with a statement of their own
	groups       []*queryGroup
}

// queryGroup is a query without its time, grouped by every tag that one of its
// consumers looks at.
type queryGroup struct {
	Query
	window, back   time.Duration
	consumers      []consumer
	plain          bool // every consumer takes every row as it is
	rows, consumed int  // of the last answer, and those of them that had a consumer
	index          []bucket
	routes         map[rules.Series][]route
}

// consumer is a rule's requirement and the columns that answer it.
type consumer struct {
	rule, requirement int
	asks              *Requirement
	columns           []int
	merge             bool
}

// NewPlan shares queries between the rules. Requirements of the same measurement and
// window that look at the same tags go into one query, whatever their field,
// aggregation and filter; those that look at fewer tags join it where their
// aggregations can be merged.
func NewPlan(list []*rules.Rule) *Plan {
	n := len(list)
	p := &Plan{
		rules: slices.Clone(list), expressions: map[int]*expression.Program{}, requirements: make([][]Requirement, 0, n),
		ids: make([]string, 0, n), names: make([]string, 0, n), since: make([]time.Time, 0, n),
		schedules: make([]string, 0, n),
	}
	byKey := map[string]*queryGroup{}
	for i, r := range list {
		p.requirements = append(p.requirements, Requirements(r))
		p.note(i, r)
		if r.Condition.Type == rules.Expression {
			if e, err := expression.Compile(r.Condition); err == nil {
				p.expressions[i] = e
			}
		}
		if r.Condition.Type == rules.Query {
			continue // asks in its own words
		}
		for j := range p.requirements[i] {
			req := &p.requirements[i][j]
			key, tags := req.groupKey()
			g := byKey[key]
			if g == nil {
				g = &queryGroup{
					Query:  Query{Measurement: req.Measurement, GroupBy: tags, Step: req.Step},
					window: req.Window, back: req.Back,
				}
				byKey[key] = g
				p.groups = append(p.groups, g)
			}
			g.consumers = append(g.consumers, consumer{rule: i, requirement: j, asks: req})
		}
	}
	p.join()
	for _, g := range p.groups {
		g.consumers = slices.Clip(slices.Clone(g.consumers)) // a plan lasts, and what grew has room to spare
		g.settle()
	}
	return p
}

// note keeps what is read of a rule besides its requirements.
func (p *Plan) note(place int, r *rules.Rule) {
	p.ids, p.names = append(p.ids, r.ID), append(p.names, r.Name)
	p.since, p.schedules = append(p.since, r.AsItIs()), append(p.schedules, schedule.Key(r))
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

// groupKey says which requirements share a query as they are. A requirement whose rows would
// have to be merged, and cannot be, asks at its own grouping.
func (req Requirement) groupKey() (key string, tags []string) {
	tags = req.tags()
	own := ""
	if req.merges(tags) && !aggregate.Mergeable(req.Aggregation) {
		tags, own = req.GroupBy, req.Where.String()
	}
	key = fmt.Sprintf("%q %q %q %d %d %d",
		req.Measurement, strings.Join(tags, "\x00"), own, req.Window, req.Back, req.Step)
	return key, tags
}

// join moves the consumers of a query group into one that is asked anyway and groups by
// more tags, if all of them can be merged and no filter is lost by it.
func (p *Plan) join() {
	slices.SortStableFunc(p.groups, func(a, b *queryGroup) int { return len(a.GroupBy) - len(b.GroupBy) })
	alike := map[frame][]*queryGroup{}
	for _, g := range p.groups {
		alike[g.frame()] = append(alike[g.frame()], g)
	}
	p.groups = slices.DeleteFunc(p.groups, func(small *queryGroup) bool {
		others := alike[small.frame()][1:]
		alike[small.frame()] = others
		big := slices.IndexFunc(others, small.fits)
		if big >= 0 {
			others[big].consumers = append(others[big].consumers, small.consumers...)
		}
		return big >= 0
	})
}

// frame is what query groups that may be joined have in common.
type frame struct {
	measurement        string
	window, back, step time.Duration
}

func (g *queryGroup) frame() frame { return frame{g.Measurement, g.window, g.back, g.Step} }

// fits reports whether the consumers of g can be answered by the rows of big,
// which has the same frame.
func (g *queryGroup) fits(big *queryGroup) bool {
	for _, tag := range g.GroupBy {
		if !slices.Contains(big.GroupBy, tag) {
			return false
		}
	}
	for _, c := range g.consumers {
		if !aggregate.Mergeable(c.asks.Aggregation) {
			return false
		}
	}
	both := queryGroup{Query: big.Query, consumers: slices.Concat(g.consumers, big.consumers)}
	return big.whole() && len(both.filter()) == len(big.filter())
}

// whole: the rows of a requirement that asks at its own grouping are filtered already
// and serve nobody else.
func (g *queryGroup) whole() bool {
	for _, c := range g.consumers {
		for tag := range c.asks.Where {
			if !slices.Contains(g.GroupBy, tag) {
				return false
			}
		}
	}
	return true
}

// mostValues is how many values of a tag are listed in a filter; with more the
// query goes without, and rows that nobody takes are dropped.
const mostValues = 100

// filter is what every consumer filters on: the values of all of them.
func (g *queryGroup) filter() rules.Filter {
	if len(g.consumers) == 0 || len(g.consumers[0].asks.Where) == 0 {
		return nil
	}
	out := rules.Filter{}
	for tag := range g.consumers[0].asks.Where {
		var values []string
		for _, c := range g.consumers {
			mine, ok := c.asks.Where[tag]
			if !ok {
				values = nil
				break
			}
			values = append(values, mine...)
		}
		slices.Sort(values)
		values = slices.Compact(values)
		if len(values) > 0 && (len(values) <= mostValues || !slices.Contains(g.GroupBy, tag)) {
			out[tag] = values
		}
	}
	return out
}

// wasteful reports whether most of the rows that came had no consumer, so that
// asking for the values of the consumers pays: a database spends on a value that
// is asked for about what it spends on any.
func (g *queryGroup) wasteful() bool { return g.rows >= leastRows && g.consumed*10 < g.rows*3 }

const leastRows = 500

// narrow replaces a wasteful query group by several that list the values of their
// consumers. Long lists are slow, so there are mostValues in each. It does nothing
// where a consumer alone has more.
func (p *Plan) narrow(g *queryGroup) {
	tag := g.unlisted()
	if tag == "" {
		return
	}
	consumers := slices.Clone(g.consumers)
	slices.SortStableFunc(consumers, func(a, b consumer) int {
		return slices.Compare(a.asks.Where[tag], b.asks.Where[tag])
	})
	var out []*queryGroup
	room := 0
	for _, c := range consumers {
		if room < len(c.asks.Where[tag]) {
			out = append(out, g.part())
			room = mostValues
		}
		room -= len(c.asks.Where[tag])
		out[len(out)-1].consumers = append(out[len(out)-1].consumers, c)
	}
	p.replace(g, out)
}

// unlisted finds a tag that all consumers filter on and the query does not.
func (g *queryGroup) unlisted() string {
	for _, tag := range g.GroupBy {
		_, listed := g.Where[tag]
		if !listed && !slices.ContainsFunc(g.consumers, func(c consumer) bool {
			n := len(c.asks.Where[tag])
			return n == 0 || n > mostValues
		}) {
			return tag
		}
	}
	return ""
}

// part is a query group that asks as g does, of nobody yet.
func (g *queryGroup) part() *queryGroup {
	return &queryGroup{
		Query: Query{Measurement: g.Measurement, GroupBy: g.GroupBy, Step: g.Step}, window: g.window,
		back: g.back,
	}
}

// replace puts query groups in the place of one.
func (p *Plan) replace(g *queryGroup, parts []*queryGroup) {
	for _, part := range parts {
		part.settle()
	}
	p.groups = append(slices.DeleteFunc(p.groups, func(other *queryGroup) bool { return other == g }), parts...)
}

// settle fixes the columns and the filter when all consumers are known.
func (g *queryGroup) settle() {
	g.Where, g.Columns, g.plain, g.index, g.routes = g.filter(), nil, true, nil, nil
	for i := range g.consumers {
		c := &g.consumers[i]
		c.merge = c.asks.merges(g.GroupBy)
		c.columns = nil
		for _, column := range c.parts() {
			at := slices.Index(g.Columns, column)
			if at < 0 {
				at = len(g.Columns)
				g.Columns = append(g.Columns, column)
			}
			c.columns = append(c.columns, at)
		}
		g.plain = g.plain && !c.merge && c.consumesAll(g.GroupBy)
	}
	if !g.plain {
		g.index = makeIndex(g.consumers, g.GroupBy)
		g.routes = map[rules.Series][]route{}
	}
}

// consumesAll reports whether the rows of a grouping are the consumer's own, each of
// them.
func (c consumer) consumesAll(groupBy []string) bool {
	for _, tag := range groupBy {
		if _, ok := c.asks.Where[tag]; ok {
			return false
		}
	}
	return slices.Equal(c.asks.GroupBy, groupBy)
}

// parts are the columns that a consumer reads: what a merge is made of, or the
// aggregation itself.
func (c consumer) parts() (out []Column) {
	if !c.merge {
		return []Column{c.asks.Column}
	}
	for _, a := range aggregate.Parts(c.asks.Aggregation) {
		out = append(out, Column{c.asks.Field, a})
	}
	return out
}

// query is the query group for a tick whose windows end at end.
func (g *queryGroup) query(end time.Time) Query {
	q := g.Query
	q.To = end.Add(-g.back)
	q.From = q.To.Add(-g.window)
	return q
}

// split replaces a query group whose query was refused by one for each column, so
// that no rule sees the error of another. It returns nil when there is nothing
// to split.
func (p *Plan) split(g *queryGroup) []*queryGroup {
	byField := map[string]*queryGroup{}
	var out []*queryGroup
	for _, c := range g.consumers {
		key := fmt.Sprintf("%q %s", c.asks.Field, c.asks.Aggregation)
		part := byField[key]
		if part == nil {
			part = g.part()
			byField[key] = part
			out = append(out, part)
		}
		part.consumers = append(part.consumers, c)
	}
	if len(out) < 2 {
		return nil
	}
	p.replace(g, out)
	return out
}
