package sourcetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

func climateQuery(groupBy []string, columns ...evaluator.Column) evaluator.Query {
	return evaluator.Query{
		Measurement: "climate", Columns: columns, GroupBy: groupBy, From: start.Add(time.Minute),
		To: start.Add(9 * time.Minute),
	}
}

func edgeQuery(hows ...rules.Aggregation) evaluator.Query {
	q := evaluator.Query{Measurement: "edges", GroupBy: []string{"host"}, From: start, To: start.Add(time.Minute)}
	for _, how := range hows {
		q.Columns = append(q.Columns, evaluator.Column{Field: "v", Aggregation: how},
			evaluator.Column{Field: "flag", Aggregation: how})
	}
	return q
}

func weirdQuery(where rules.Filter) evaluator.Query {
	return evaluator.Query{
		Measurement: weirdMeasurement, GroupBy: []string{weirdTag}, Where: where, From: start, To: start.Add(time.Minute),
		Columns: []evaluator.Column{{Field: weirdField, Aggregation: rules.Mean}, {Field: "text", Aggregation: rules.Latest}},
	}
}

// anyField is the column that asks about any field.
var anyField = evaluator.Column{Aggregation: rules.Count}

func weirdAny() evaluator.Query {
	q := weirdQuery(nil)
	q.Columns = append(q.Columns, anyField)
	return q
}

func stepped(q evaluator.Query, step time.Duration) evaluator.Query {
	q.Step = step
	return q
}

// said is what the source said to one query.
type said struct {
	rows    map[place]row
	doubled []place
	err     error
}

func (s suite) ask(queries ...evaluator.Query) []said {
	out := make([]said, len(queries))
	errs := s.source.Query(context.Background(), queries, func(query int, r evaluator.Row) {
		at := place{r.Series, r.At.UTC()}
		if out[query].rows == nil {
			out[query].rows = map[place]row{}
		}
		if _, again := out[query].rows[at]; again {
			out[query].doubled = append(out[query].doubled, at)
		}
		out[query].rows[at] = row{values: slices.Clone(r.Values), texts: slices.Clone(r.Texts), last: r.Last}
	})
	for i := range out {
		out[i].err = errors.New("the source returned no error entry for this query")
		if i < len(errs) {
			out[i].err = errs[i]
		}
	}
	return out
}

// check asks all queries in one call and compares every answer with that of
// the points.
func (s suite) check(t *testing.T, queries ...evaluator.Query) {
	t.Helper()
	for i, got := range s.ask(queries...) {
		s.compare(t, queries[i], got)
	}
}

func (s suite) compare(t *testing.T, q evaluator.Query, got said) {
	t.Helper()
	if text := s.source.Explain(q); text == "" {
		t.Errorf("Explain(%+v) is empty", q)
	}
	if got.err != nil {
		t.Errorf("%s\nerror = %v", s.source.Explain(q), got.err)
		return
	}
	want := answer(s.points, q)
	var wrong []string
	for _, at := range got.doubled {
		wrong = append(wrong, "twice: "+at.String())
	}
	for at, w := range want {
		if g, ok := got.rows[at]; !ok {
			wrong = append(wrong, "missing: "+at.String())
		} else if text := g.differs(q, w); text != "" {
			wrong = append(wrong, at.String()+": "+text)
		}
	}
	for at := range got.rows {
		if _, ok := want[at]; !ok {
			wrong = append(wrong, "unexpected: "+at.String())
		}
	}
	slices.Sort(wrong)
	for _, text := range wrong[:min(len(wrong), 5)] {
		t.Errorf("%s\n%s", s.source.Explain(q), text)
	}
}

// near allows for another order of adding.
func near(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b))
}
