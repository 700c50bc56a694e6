package influx3

import (
	"context"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Query asks one statement for each query, several at a time.
func (c *Client) Query(ctx context.Context, queries []evaluator.Query,
	each func(query int, row evaluator.Row),
) []error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // also when each panics
	errs := make([]error, len(queries))
	if err := c.refresh(); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	batches := make(chan batch)
	go func() {
		defer close(batches)
		c.askAll(ctx, queries, errs, batches)
	}()
	for b := range batches {
		b.read(queries[b.query], func(row evaluator.Row) { each(b.query, row) })
	}
	return errs
}

// Explain returns the SQL that the query is asked as.
func (c *Client) Explain(q evaluator.Query) string {
	known, _ := c.believed(q.Measurement)
	return newStatement(q, known, nil).String()
}

// askAll works through the queries with as many workers as are allowed.
func (c *Client) askAll(ctx context.Context, queries []evaluator.Query, errs []error, to chan<- batch) {
	next := make(chan int, len(queries))
	for i := range queries {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range min(c.concurrency, len(queries)) {
		workers.Go(func() {
			for i := range next {
				errs[i] = c.askOne(ctx, i, queries[i], to)
			}
		})
	}
	workers.Wait()
}

// askOne asks for one query. When it is refused the reason may be a name that
// the database does not have, or not yet: SQL takes that for an error, a rule
// for silence. So the query is asked again without what is missing.
func (c *Client) askOne(ctx context.Context, i int, q evaluator.Query, to chan<- batch) error {
	if err := check(q); err != nil {
		return err
	}
	known, err := c.kindsFor(ctx, q)
	if err != nil || known != nil && len(known) == 0 {
		return err
	}
	first := newStatement(q, known, nil)
	sent, err := c.stream(ctx, i, first, to)
	if sent || rules.CodeOf(err) != rules.Invalid {
		return err
	}
	known, unknown := c.learn(ctx, q.Measurement)
	again := newStatement(q, known, known.missing(q))
	if unknown != nil || !again.empty() && again.String() == first.String() {
		return err
	}
	_, err = c.stream(ctx, i, again, to)
	return err
}

func check(q evaluator.Query) error {
	for _, c := range q.Columns {
		if c.Field == "" && c.Aggregation != rules.Count {
			return rules.Errorf(rules.Invalid, "%s needs a field; without one there is only count, of the values of any field",
				c.Aggregation)
		}
	}
	return nil
}

// kindsFor returns the columns of the measurement if the statement must name
// them: all tags for a rate, all fields for any. It is nil when it need not,
// and empty when there is no such measurement.
func (c *Client) kindsFor(ctx context.Context, q evaluator.Query) (kinds, error) {
	for _, column := range q.Columns {
		if column.Aggregation == rules.Rate || column.Field == "" {
			if known, fresh := c.believed(q.Measurement); fresh {
				return known, nil
			}
			return c.learn(ctx, q.Measurement)
		}
	}
	return nil, nil
}

// stream sends the batches of one statement on, and tells whether it sent any.
func (c *Client) stream(ctx context.Context, i int, s statement, to chan<- batch) (sent bool, err error) {
	if s.empty() {
		return false, nil
	}
	err = c.ask(ctx, s.String(), func(rows arrow.RecordBatch) error {
		b, err := newBatch(i, s, rows)
		if err != nil {
			return err
		}
		select {
		case to <- b:
			sent = true
			return nil
		case <-ctx.Done():
			return c.refusal(ctx, ctx.Err())
		}
	})
	return sent, err
}
