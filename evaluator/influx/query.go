package influx

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

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
func (c *Client) Query(ctx context.Context, queries []evaluator.Query,
	each func(query int, row evaluator.Row),
) []error {
	if len(queries) == 1 {
		if done, err := c.fromPoints(ctx, queries[0], func(row evaluator.Row) { each(0, row) }); done {
			return []error{err}
		}
	}
	parts, whole := cut(queries)
	if whole == nil {
		return c.query(ctx, queries, each)
	}
	errs := make([]error, len(queries))
	for i, err := range c.query(ctx, parts, func(part int, row evaluator.Row) { each(whole[part], row) }) {
		if errs[whole[i]] == nil {
			errs[whole[i]] = err
		}
	}
	return errs
}

// mostSteps is how many steps are asked for in one statement, where it does not
// make mostParts of a query: an old server calls a series of more rows partial,
// and long statements take long.
const (
	mostSteps = 10_000
	mostParts = 200
)

// long reports whether a query has more steps than a chunk has rows.
func long(q evaluator.Query) bool { return q.Step > 0 && q.To.Sub(q.From)/q.Step > mostSteps }

// cut cuts queries of many steps into several. It returns which query each part
// is of, nil where there is nothing to cut.
func cut(queries []evaluator.Query) (parts []evaluator.Query, whole []int) {
	if !slices.ContainsFunc(queries, long) {
		return queries, nil
	}
	for i, q := range queries {
		steps := q.To.Sub(q.From)
		if q.Step > 0 {
			steps = max(mostSteps, q.To.Sub(q.From)/q.Step/mostParts) * q.Step
		}
		for end := q.To; q.From.Before(end); q.From = q.To {
			q.To = rules.Earlier(end, q.From.Add(steps))
			parts, whole = append(parts, q), append(whole, i)
		}
	}
	return parts, whole
}

func (c *Client) query(ctx context.Context, queries []evaluator.Query,
	each func(query int, row evaluator.Row),
) []error {
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
			slab[i].chunked = long(q) || c.longWhole.Load() &&
				slices.ContainsFunc(p.statements, func(s statement) bool { return s.raw })
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
	batches := batchesOf(plans, c.room())
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

// room is how many statements a request may hold.
func (c *Client) room() int { return c.pace.room(c.options.Timeout, c.options.MaxAnswer) }

// batchesOf packs the plans into requests of about so many statements, never
// one into two.
func batchesOf(plans []*progress, room int) [][]*progress {
	var batches [][]*progress
	from, statements := 0, 0
	for i, p := range plans {
		if n := len(p.statements); i > from && statements+n > room {
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
	as    form
	took  time.Duration // until it began
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
	as := form{asJSON, slices.ContainsFunc(batch, func(p *progress) bool { return p.chunked })}
	began := time.Now()
	resp, err := c.post(ctx, text, as)
	c.reuse(text)
	return answer{batch, as, time.Since(began), resp, err, func() {
		cancel()
		c.leave()
	}}
}

// statements counts those of some plans.
func statements(plans []*progress) (n int) {
	for _, p := range plans {
		n += len(p.statements)
	}
	return n
}

// read hands on the rows of an answer and marks the plans that are done. It
// returns an error when the server is down rather than the query wrong.
func (c *Client) read(a answer, r *reader, each func(int, evaluator.Row)) error {
	defer a.close()
	if a.err != nil {
		c.note(a, 0, a.err)
		return blame(a.batch, a.err)
	}
	r.start(a.batch, each)
	said, err := r.decode(a.resp.Body, c.options.MaxAnswer, a.as.chunked, &r.collector)
	size := c.options.MaxAnswer - r.limit.left
	c.note(a, size, err)
	if closeErr := a.resp.Body.Close(); err == nil {
		err = closeErr
	}
	if said != "" {
		return blame(a.batch, c.statementError(said))
	}
	if err != nil {
		r.spent = true
		c.relieve(size)
		err = c.unavailable(fmt.Errorf("read the answer: %w", err))
	}
	c.conclude(r, a, err)
	return ifDown(a.batch, err)
}

// note learns what the statements of an answer cost. One that broke off would
// have cost more, nobody knows how much.
func (c *Client) note(a answer, size int, broken error) {
	if broken != nil {
		a.took, size = 4*a.took, 4*size
	}
	c.pace.note(max(1, statements(a.batch)), a.took, size)
}

// blame gives an error about a whole request to the plans that are not done,
// unless it may be the fault of one of several. It returns the error when it is
// about the server.
func blame(batch []*progress, err error) (down error) {
	down = ifDown(batch, err)
	for _, p := range batch {
		if !p.done && p.err == nil && (down != nil || len(batch) == 1) {
			p.err = err
		}
	}
	return down
}

// ifDown returns the error when it is about the server rather than the query,
// or than how many were asked at once.
func ifDown(batch []*progress, err error) error {
	if rules.CodeOf(err) == rules.Invalid || evaluator.IsTooMuch(err) && len(batch) > 1 {
		return nil
	}
	return err
}

// conclude finishes the plans whose statements were all answered. The others
// get the error that broke the answer off, if one did. Those that are called
// partial, which may be whole, are asked again, in chunks.
func (c *Client) conclude(r *reader, a answer, broken error) {
	r.flush()
	tasks := r.tasks
	for _, p := range a.batch {
		mine := tasks[:len(p.statements)]
		tasks = tasks[len(p.statements):]
		i := slices.IndexFunc(mine, func(t task) bool { return t.failed != "" || !t.answered })
		switch {
		case i < 0:
			r.finish(p)
		case broken != nil && (p.begun || ifDown(a.batch, broken) != nil || len(a.batch) == 1):
			p.err = broken
		case broken != nil: // there was too much of it
		case mine[i].failed == partialText && !a.as.chunked && !p.begun:
			p.chunked = true
			c.longWhole.Store(true)
		case p.begun || len(a.batch) == 1:
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
// later one, and may lose its own words; or all of them took too long. The first
// of the rest is suspect and goes alone, which also shows what one costs; the
// others go together. Whatever is open when there is no answer to be had failed
// with that: left without an error it would count as silence.
func (c *Client) settle(ctx context.Context, batch []*progress, down error, r *reader, each func(int, evaluator.Row)) {
	for _, p := range batch {
		if p.err != nil && down == nil {
			down = c.mend(ctx, p, r, each)
		}
	}
	for rest := open(batch); len(rest) > 0; rest = open(rest[1:]) {
		for range 2 { // the second time, if need be, in chunks
			if down == nil && len(open(rest[:1])) > 0 {
				down = c.read(c.send(ctx, rest[:1]), r, each)
			}
		}
		if down == nil {
			down = c.mend(ctx, rest[0], r, each)
		}
		for others := rest[1:]; down == nil && len(others) > 0; {
			some := batchesOf(others, c.room())[0]
			down = c.read(c.send(ctx, some), r, each)
			others = others[len(some):]
		}
		if down != nil {
			for _, p := range open(rest) {
				p.err = down
			}
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
	if rules.CodeOf(p.err) != rules.Invalid || evaluator.IsTooMuch(p.err) || p.begun || !needsTypes(p.q) {
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
