package influx

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// function is the InfluxQL of the aggregations that the server computes.
var function = map[rules.Aggregation]string{
	rules.Latest: "last", rules.First: "first", rules.Count: "count", rules.Mean: "mean", rules.Min: "min",
	rules.Max: "max",
	rules.Sum: "sum", rules.Stddev: "stddev", rules.Spread: "spread",
}

// onText lists the aggregations that text has.
var onText = []rules.Aggregation{rules.Latest, rules.First, rules.Count}

// onTruth lists the aggregations that the server has for booleans; the others
// follow from how many there were and how many were true.
var onTruth = []rules.Aggregation{rules.Latest, rules.First, rules.Count, rules.Rate}

// plan is how one query is asked: its statements, and how its columns come out
// of the slots that their results fill.
type plan struct {
	query      int
	q          evaluator.Query
	statements []statement
	columns    []column
	slots      int
	tellsTime  bool // the time of a row is that of its newest point
}

// statement is one statement and the slots that its result columns fill.
type statement struct {
	selection
	slots []int
	total int // the slot of the counts of everything
}

// column is one column of the answer.
type column struct {
	slot, other int
	from        func(a, b float64) float64 // of the two slots; nil: the slot as it is
}

// newPlan plans one query. What is known to be refused is refused here, with a
// sentence that says why.
func newPlan(query int, q evaluator.Query, known types) (plan, error) {
	p := plan{query: query, q: q}
	for _, c := range q.Columns {
		if known[c.Field] == text && !slices.Contains(onText, c.Aggregation) {
			return p, rules.Errorf(rules.Invalid, "the field %q of %q is text, which has no %s; use latest, first or count",
				c.Field, q.Measurement, c.Aggregation)
		}
	}
	var main statement
	for _, c := range q.Columns {
		column, err := p.column(&main, c, known[c.Field])
		if err != nil {
			return p, err
		}
		p.columns = append(p.columns, column)
	}
	if len(main.slots) > 0 || main.everything {
		p.statements = slices.Insert(p.statements, 0, main)
	}
	p.tellsTime = q.Step == 0 && len(p.statements) == 1 && len(main.slots) == 1 && !main.everything &&
		strings.HasPrefix(main.expressions[0], "last(")
	return p, nil
}

// column adds what c needs to the statements of the plan.
func (p *plan) column(main *statement, c evaluator.Column, holds string) (column, error) {
	if c.Field == "" {
		return p.anyField(main, c)
	}
	field := name(c.Field)
	percent, ranked := c.Aggregation.Percentile()
	if holds == boolean && !slices.Contains(onTruth, c.Aggregation) {
		if !ranked && function[c.Aggregation] == "" {
			return column{}, noSuch(c)
		}
		all, yes := p.slot(main, "count("+field+")"),
			p.beside(selection{expressions: []string{"count(" + field + ")"}, condition: field + " = true"})
		return column{all, yes, share(c.Aggregation)}, nil
	}
	switch {
	case c.Aggregation == rules.Rate:
		return column{slot: p.beside(selection{expressions: []string{field}, raw: true})}, nil
	case c.Aggregation == rules.Count:
		return column{slot: p.slot(main, "count("+field+")"), from: zeroForNone}, nil
	case ranked:
		// The server rounds the rank of a low percentile of few points down to
		// none; the lowest value is meant then.
		low := 0
		from := func(a, _ float64) float64 { return a }
		if percent < 50 {
			low, from = p.slot(main, "min("+field+")"), firstKnown
		}
		return column{p.slot(main, fmt.Sprintf("percentile(%s, %d)", field, percent)), low, from}, nil
	case function[c.Aggregation] == "":
		return column{}, noSuch(c)
	}
	return column{slot: p.slot(main, function[c.Aggregation]+"("+field+")")}, nil
}

// anyField counts what all fields have. The server expands the star, so that
// a field counts from its first value on.
func (p *plan) anyField(main *statement, c evaluator.Column) (column, error) {
	if c.Aggregation != rules.Count {
		return column{}, rules.Errorf(rules.Invalid,
			"%s needs a field; without one there is only count, of the values of any field", c.Aggregation)
	}
	if !main.everything {
		main.everything, main.total = true, p.slots
		p.slots++
	}
	return column{slot: main.total, from: zeroForNone}, nil
}

func noSuch(c evaluator.Column) error {
	return rules.Errorf(rules.Invalid, "there is no aggregation %q; one of %s", c.Aggregation,
		strings.Join(rules.Aggregations, ", "))
}

// slot has the main statement compute an expression, once.
func (p *plan) slot(main *statement, expression string) int {
	if i := slices.Index(main.expressions, expression); i >= 0 {
		return main.slots[i]
	}
	main.expressions = append(main.expressions, expression)
	main.slots = append(main.slots, p.slots)
	p.slots++
	return p.slots - 1
}

// beside adds a statement of its own for one expression, once.
func (p *plan) beside(s selection) int {
	for _, have := range p.statements {
		if have.raw == s.raw && have.condition == s.condition && have.expressions[0] == s.expressions[0] {
			return have.slots[0]
		}
	}
	p.statements = append(p.statements, statement{selection: s, slots: []int{p.slots}})
	p.slots++
	return p.slots - 1
}

// value computes a column from the slots.
func (c column) value(slots []float64) float64 {
	if c.from == nil {
		return slots[c.slot]
	}
	return c.from(slots[c.slot], slots[c.other])
}

// impossible reports that nothing can match the query, so that it need not be
// asked.
func impossible(q evaluator.Query) bool {
	for values := range maps.Values(q.Where) {
		if len(values) == 0 {
			return true
		}
	}
	return len(q.Columns) == 0 || !q.To.After(q.From)
}

// needsTypes reports whether the plan depends on what the fields hold.
func needsTypes(q evaluator.Query) bool {
	return slices.ContainsFunc(q.Columns, func(c evaluator.Column) bool {
		return !slices.Contains(onText, c.Aggregation)
	})
}

func zeroForNone(n, _ float64) float64 {
	if math.IsNaN(n) {
		return 0
	}
	return n
}

func firstKnown(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return a
}

// share returns how an aggregation of booleans, as 0 and 1, follows from how
// many there were and how many of them were true.
func share(how rules.Aggregation) func(all, yes float64) float64 {
	return func(all, yes float64) float64 {
		if all = zeroForNone(all, 0); all == 0 {
			return math.NaN()
		}
		return shareOf(how, all, zeroForNone(yes, 0))
	}
}

func shareOf(how rules.Aggregation, all, yes float64) float64 {
	switch how {
	case rules.Mean:
		return yes / all
	case rules.Sum:
		return yes
	case rules.Min:
		return fact(yes == all)
	case rules.Max:
		return fact(yes > 0)
	case rules.Spread:
		return fact(yes > 0 && yes < all)
	case rules.Stddev:
		return math.Sqrt((yes - yes*yes/all) / (all - 1)) // NaN for one
	}
	percent, _ := how.Percentile()
	rank := max(1, (int(all)*percent+50)/100)
	return fact(rank > int(all-yes))
}

func fact(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
