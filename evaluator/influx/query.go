package influx

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// mostStatements is how many statements go out in one request.
const mostStatements = 200

// Explain returns the statements that q is asked with, with times that people
// can read. They can be run as they are.
func (c *Client) Explain(q evaluator.Query) string {
	c.mu.Lock()
	known := c.fields[q.Measurement].types
	c.mu.Unlock()
	p, err := newPlan(0, q, known)
	if err != nil {
		return err.Error()
	}
	return string(p.write(nil, legible))
}

// write appends the statements of the plan.
func (p *plan) write(b []byte, at clock) []byte {
	for i, s := range p.statements {
		if i > 0 {
			b = append(b, ";\n"...)
		}
		b = s.write(b, p.q, at)
	}
	return b
}

// mostAtOnce is how many queries are worked on at a time. Plans and texts of
// thousands would fill the memory, and a server that is down must not be asked
// again for each of them.
const mostAtOnce = 500

// Query asks the queries in as few requests as the limits allow.
func (c *Client) Query(ctx context.Context, queries []evaluator.Query, each func(query int, row evaluator.Row)) []error {
	if len(queries) == 1 {
		if done, err := c.fromPoints(ctx, queries[0], func(row evaluator.Row) { each(0, row) }); done {
			return []error{err}
		}
	}
	errs := make([]error, len(queries))
	down := c.learn(ctx, queries)
	slab := make([]progress, min(len(queries), mostAtOnce))
	for from := 0; from < len(queries); from += mostAtOnce {
		to := min(from+mostAtOnce, len(queries))
		if down != nil {
			for i := from; i < to; i++ {
				errs[i] = down
			}
			continue
		}
		clear(slab)
		plans := c.prepare(ctx, queries[from:to], slab, errs[from:to])
		down = c.askAll(ctx, plans, func(query int, row evaluator.Row) { each(from+query, row) })
		for _, p := range plans {
			errs[from+p.query] = p.err
		}
	}
	return errs
}

// prepare plans the queries in a slab; those that cannot be asked get their
// error.
func (c *Client) prepare(ctx context.Context, queries []evaluator.Query, slab []progress, errs []error) []*progress {
	plans := make([]*progress, 0, len(queries))
	for i, q := range queries {
		if impossible(q) {
			errs[i] = c.alive(ctx)
			continue
		}
		p, err := newPlan(i, q, c.known(q.Measurement))
		if errs[i] = err; err == nil {
			slab[i].plan = p
			plans = append(plans, &slab[i])
		}
	}
	return plans
}

// alive is the error of a call that is over.
func (c *Client) alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return c.unavailable(err)
	}
	return nil
}

// askAll sends all requests and reads their answers as they come; what was not
// answered because of others is asked again.
func (c *Client) askAll(ctx context.Context, plans []*progress, each func(int, evaluator.Row)) (down error) {
	r := c.reader()
	defer c.release(r)
	for _, p := range plans {
		p.labels = r.books.of(p.q.GroupBy)
	}
	batches := batchesOf(plans)
	answers := make(chan answer, len(batches))
	for _, batch := range batches {
		go func() { answers <- c.send(ctx, batch) }()
	}
	for range batches {
		if err := c.read(<-answers, r, each); err != nil {
			down = err
		}
	}
	for _, batch := range batches {
		c.settle(ctx, batch, down, r, each)
	}
	return down
}

// batchesOf packs the plans into requests, never one into two.
func batchesOf(plans []*progress) [][]*progress {
	var batches [][]*progress
	from, statements := 0, 0
	for i, p := range plans {
		if n := len(p.statements); i > from && statements+n > mostStatements {
			batches = append(batches, plans[from:i])
			from, statements = i, 0
		}
		statements += len(p.statements)
	}
	if from < len(plans) {
		batches = append(batches, plans[from:])
	}
	return batches
}

// answer is what came of one request.
type answer struct {
	batch []*progress
	resp  *http.Response
	err   error
	close func()
}

// send sends one request. Its place among the requests on their way is free
// again when the answer is closed.
func (c *Client) send(ctx context.Context, batch []*progress) answer {
	if err := c.enter(ctx); err != nil {
		return answer{batch: batch, err: err, close: func() {}}
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	text := c.text()
	for i, p := range batch {
		if i > 0 {
			text = append(text, ';')
		}
		text = p.write(text, exact)
	}
	resp, err := c.post(ctx, text, asJSON)
	c.reuse(text)
	return answer{batch, resp, err, func() {
		cancel()
		c.leave()
	}}
}

// read hands on the rows of an answer and marks the plans that are done. It
// returns an error when the server is down rather than the query wrong.
func (c *Client) read(a answer, r *reader, each func(int, evaluator.Row)) error {
	defer a.close()
	if a.err != nil {
		blame(a.batch, a.err)
		return ifDown(a.err)
	}
	r.start(a.batch, each)
	said, err := r.decode(a.resp.Body, largest, &r.collector)
	if closeErr := a.resp.Body.Close(); err == nil {
		err = closeErr
	}
	if said != "" {
		err = c.statementError(said)
		blame(a.batch, err)
		return ifDown(err)
	}
	if err != nil {
		err = c.unavailable(fmt.Errorf("read the answer: %w", err))
	}
	c.conclude(r, a.batch, err)
	return err
}

// blame gives an error about a whole request to the plans that are not done,
// unless it may be the fault of one of several.
func blame(batch []*progress, err error) {
	for _, p := range batch {
		if !p.done && p.err == nil && (ifDown(err) != nil || len(batch) == 1) {
			p.err = err
		}
	}
}

// ifDown returns the error when it is about the server rather than the query.
func ifDown(err error) error {
	if rules.CodeOf(err) == rules.Invalid {
		return nil
	}
	return err
}

// conclude finishes the plans whose statements were all answered. The others
// get the error that broke the answer off, if one did.
func (c *Client) conclude(r *reader, batch []*progress, broken error) {
	tasks := r.tasks
	for _, p := range batch {
		mine := tasks[:len(p.statements)]
		tasks = tasks[len(p.statements):]
		i := slices.IndexFunc(mine, func(t task) bool { return t.failed != "" || !t.answered })
		switch {
		case i < 0:
			r.finish(p)
		case broken != nil:
			p.err = broken
		case p.begun || len(batch) == 1:
			// Its rows are out and cannot be taken back, or nobody else is to blame.
			p.err = c.statementError(orNotExecuted(mine[i].failed))
		}
	}
}

func orNotExecuted(said string) string {
	if said == "" {
		return "not executed"
	}
	return said
}

// settle asks again what a batch left open: one failing statement blanks every
// later one, and may lose its own words. The first of the rest is suspect and
// goes alone, the others go together.
func (c *Client) settle(ctx context.Context, batch []*progress, down error, r *reader, each func(int, evaluator.Row)) {
	for _, p := range batch {
		if p.err != nil && down == nil {
			down = c.mend(ctx, p, r, each)
		}
	}
	for rest := open(batch); len(rest) > 0; rest = open(rest[1:]) {
		if down == nil {
			down = c.read(c.send(ctx, rest[:1]), r, each)
		}
		if down == nil {
			down = c.mend(ctx, rest[0], r, each)
		}
		if down == nil && len(rest) > 1 {
			down = c.read(c.send(ctx, rest[1:]), r, each)
		}
		if down != nil {
			blame(rest, down)
			return
		}
	}
}

// open returns the plans that are neither done nor failed.
func open(plans []*progress) []*progress {
	var out []*progress
	for _, p := range plans {
		if !p.done && p.err == nil {
			out = append(out, p)
		}
	}
	return out
}

// mend asks a refused query once more, if its fields turn out to hold
// something else than was believed.
func (c *Client) mend(ctx context.Context, p *progress, r *reader, each func(int, evaluator.Row)) (down error) {
	if rules.CodeOf(p.err) != rules.Invalid || p.begun || !needsTypes(p.q) {
		return nil
	}
	c.unlearn(p.q.Measurement)
	if down := c.learn(ctx, []evaluator.Query{p.q}); down != nil {
		return down
	}
	again, err := newPlan(p.query, p.q, c.known(p.q.Measurement))
	switch {
	case err != nil:
		p.err = err
		return nil
	case bytes.Equal(again.write(nil, exact), p.write(nil, exact)):
		return nil
	}
	p.plan, p.err = again, nil
	return c.read(c.send(ctx, []*progress{p}), r, each)
}
