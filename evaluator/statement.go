package evaluator

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// mostReads is how many users' own statements a source is asked at a time.
const mostReads = 3

// CheckStatement reports what is wrong with the statement of a query rule for
// a source.
func CheckStatement(s Source, r *rules.Rule) error {
	reader, ok := s.(Reader)
	if !ok {
		return rules.FieldErrorf("condition.type",
			"this source takes no query of your own; use a threshold, absence, change, forecast or expression condition")
	}
	return reader.CheckStatement(statement(r, time.Unix(0, 0).Add(time.Hour)))
}

// TryStatement asks the statement of a query rule as of end, and counts the
// series in the answer and those with a number.
func TryStatement(ctx context.Context, s Source, r *rules.Rule, end time.Time) (series, values int, err error) {
	reader, ok := s.(Reader)
	if !ok {
		return 0, 0, CheckStatement(s, r)
	}
	err = reader.Read(ctx, statement(r, end), func(row Row) {
		series++
		if !math.IsNaN(row.Values[0]) {
			values++
		}
	})
	return series, values, err
}

func statement(r *rules.Rule, end time.Time) Statement {
	c := r.Condition
	return Statement{
		Language: c.Language, Text: c.Text, Column: c.Column, GroupBy: sortedTags(r.GroupBy),
		From: end.Add(-c.Window.Std()), To: end,
	}
}

// readOwn asks the statements of the due query rules, a few at a time. Each
// has its own error.
func readOwn(ctx context.Context, s Source, answers []*Answer, end time.Time) {
	reader, ok := s.(Reader)
	var wait sync.WaitGroup
	gate := make(chan struct{}, mostReads)
	for _, a := range answers {
		if a.Rule.Condition.Type != rules.Query {
			continue
		}
		if !ok {
			a.Err = rules.Errorf(rules.Invalid, "source %s takes no query of its users", a.Rule.Source)
			continue
		}
		gate <- struct{}{}
		wait.Go(func() {
			defer func() { <-gate }()
			a.Err = a.Read(ctx, reader, end)
		})
	}
	wait.Wait()
}

// Read fills the answer of a query rule.
func (a *Answer) Read(ctx context.Context, reader Reader, end time.Time) error {
	return reader.Read(ctx, statement(a.Rule, end), func(row Row) {
		p := Point{Series: row.Series, At: row.At, Value: row.Values[0], Last: row.Last}
		p.Text, p.IsText = row.Text(0)
		a.Points[0] = append(a.Points[0], p)
	})
}
