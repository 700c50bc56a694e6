package influx3

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

var _ evaluator.Scanner = (*Client)(nil)

// Scan asks one statement for each scan, several at a time.
func (c *Client) Scan(ctx context.Context, scans []evaluator.Scan, each func(scan int, row evaluator.Row)) []error {
	errs := make([]error, len(scans))
	if err := c.refresh(); err != nil {
		return slices.Repeat([]error{err}, len(scans))
	}
	turns := make(chan struct{}, c.concurrency)
	var one sync.Mutex
	var wait sync.WaitGroup
	for i, s := range scans {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			errs[i] = c.scan(ctx, s, func(row evaluator.Row) {
				one.Lock()
				defer one.Unlock()
				each(i, row)
			})
		})
	}
	wait.Wait()
	return errs
}

// scan asks for points, of what the measurement is known to have: SQL takes a
// name that does not exist for an error.
func (c *Client) scan(ctx context.Context, s evaluator.Scan, each func(evaluator.Row)) error {
	q := evaluator.Query{Measurement: s.Measurement, Where: s.Where, GroupBy: s.Tags, From: s.From, To: s.To}
	for _, field := range s.Fields {
		q.Columns = append(q.Columns, evaluator.Column{Field: field, Aggregation: rules.Count})
	}
	known, fresh := c.believed(s.Measurement)
	for range 2 {
		if !fresh {
			var err error
			if known, err = c.learn(ctx, s.Measurement); err != nil {
				return err
			}
		}
		points := newStatement(q, known, known.missing(q))
		if points.empty() || len(known) == 0 || !s.To.After(s.From) {
			return nil
		}
		err := c.ask(ctx, points.flat(), func(rows arrow.RecordBatch) error { return points.hand(rows, each) })
		if !fresh || rules.CodeOf(err) != rules.Invalid {
			return err
		}
		fresh = false // a name may be gone, or new
	}
	return nil
}

// flat is the SQL that asks for the points themselves: tags, values, time.
func (s statement) flat() string {
	var columns []string
	add := func(expression string) {
		columns = append(columns, expression+" AS c"+strconv.Itoa(len(columns)))
	}
	for _, tag := range s.tags() {
		add(quoted(tag))
	}
	for _, c := range s.query.Columns {
		switch {
		case s.missing[c.Field]:
		case c.Field == "":
			add(s.filled())
		default:
			add(quoted(c.Field))
		}
	}
	add("time")
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + quoted(s.query.Measurement) + " WHERE " + s.condition()
}

// hand hands on the points of a batch.
func (s statement) hand(rows arrow.RecordBatch, each func(evaluator.Row)) error {
	defer rows.Release()
	if want := 1 + len(s.tags()) + len(s.query.Columns) - s.lacks(); int(rows.NumCols()) != want {
		return rules.Errorf(rules.Invalid, "InfluxDB 3 answered with %d columns instead of %d", rows.NumCols(), want)
	}
	b, err := s.arrange(0, rows, rows.Columns())
	if err != nil {
		return err
	}
	b.read(s.query, func(row evaluator.Row) {
		row.At = row.Last
		each(row)
	})
	return nil
}

// lacks counts the fields asked for that do not exist.
func (s statement) lacks() (n int) {
	for _, c := range s.query.Columns {
		if s.missing[c.Field] {
			n++
		}
	}
	return n
}
