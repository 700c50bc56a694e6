package influx

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// A query of many steps is answered from the points themselves where a step
// has few of them: a server spends 1.5 µs on handing out a point, and 0.3 µs on
// it and 3.3 µs on the value of each step (1.6.7).

const (
	leastSteps  = 200     // with fewer, nothing is worth a look at the data
	pointsCost  = 1.5     // of a point that is handed out
	stepCost    = 3.3     // of the value of a step
	scanCost    = 0.3     // of a point that is looked at
	partPoints  = 100_000 // points asked for at once: 3 MB of answer
	sampleSteps = 16      // looked at in each of three places
)

// fromPoints answers a query from its points, if that is cheaper. It reports
// false when nothing was done.
func (c *Client) fromPoints(ctx context.Context, q evaluator.Query, each func(evaluator.Row)) (done bool, err error) {
	if !reducible(q) {
		return false, nil
	}
	// Texts have no sums, also where a server answers the query without knowing.
	typed := q
	typed.Columns = []evaluator.Column{{Field: q.Columns[0].Field, Aggregation: rules.Mean}}
	if down := c.learn(ctx, []evaluator.Query{typed}); down != nil {
		return true, down
	}
	if holds := c.known(q.Measurement)[q.Columns[0].Field]; holds == text || holds == boolean {
		return false, nil
	}
	perStep, pays := c.sample(ctx, q)
	if !pays {
		return false, nil
	}
	return true, c.askParts(ctx, q, max(1, int(partPoints/perStep)), each)
}

// reducible reports whether the columns are such as can be added up point by
// point, exactly as the server does it.
func reducible(q evaluator.Query) bool {
	if q.Step <= 0 || int(q.To.Sub(q.From)/q.Step) < leastSteps || impossible(q) || q.Columns[0].Field == "" {
		return false
	}
	return !slices.ContainsFunc(q.Columns, func(c evaluator.Column) bool {
		return c.Field != q.Columns[0].Field || reduced[c.Aggregation] == nil
	})
}

// sample counts points in three places. It returns how many there are in the
// time of a step, and whether asking for them pays.
func (c *Client) sample(ctx context.Context, q evaluator.Query) (perStep float64, pays bool) {
	q.Columns = []evaluator.Column{{Field: q.Columns[0].Field, Aggregation: rules.Count}}
	from, steps := q.From, q.To.Sub(q.From)/q.Step
	var places []evaluator.Query
	for i := range time.Duration(3) {
		q.From = from.Add((steps - sampleSteps) * i / 2 * q.Step)
		q.To = q.From.Add(sampleSteps * q.Step)
		places = append(places, q)
	}
	points, rows := 0.0, 0.0
	for _, err := range c.Query(ctx, places, func(_ int, row evaluator.Row) {
		points, rows = points+row.Values[0], rows+1
	}) {
		if err != nil {
			return 0, false // who asks next gets to know it
		}
	}
	return points / (3 * sampleSteps), points > 0 && points*pointsCost < points*scanCost+rows*stepCost
}

// askParts asks for the points in parts of so many steps, as many parts at once
// as the server is given requests, and hands on their rows.
func (c *Client) askParts(ctx context.Context, q evaluator.Query, steps int, each func(evaluator.Row)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts []evaluator.Query
	for from := q.From; from.Before(q.To); from = from.Add(time.Duration(steps) * q.Step) {
		part := q
		part.From, part.To = from, rules.Earlier(q.To, from.Add(time.Duration(steps)*q.Step))
		parts = append(parts, part)
	}
	type share struct {
		sums *sums
		err  error
	}
	// Unbuffered: what nobody has taken yet keeps its place among the requests.
	shares, turns := make(chan share), make(chan struct{}, c.options.Concurrency)
	for _, part := range parts {
		go func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			s, err := c.askPart(ctx, part)
			shares <- share{s, err}
		}()
	}
	var failed error
	for range parts {
		s := <-shares
		switch {
		case failed != nil:
		case s.err != nil:
			failed = s.err
			cancel()
		default:
			s.sums.hand(each)
		}
	}
	return failed
}

// askPart asks for the points of one part and adds them up.
func (c *Client) askPart(ctx context.Context, q evaluator.Query) (*sums, error) {
	r := c.reader()
	defer c.release(r)
	var s *sums
	points := q
	points.Step = 0
	b := selection{expressions: []string{name(q.Columns[0].Field)}}.write(c.text(), points, exact)
	said, err := c.receive(ctx, b, asPack, func() receiver {
		s = newSums(q, r.books.of(q.GroupBy))
		return s
	})
	c.reuse(b)
	if err == nil && said+s.refused != "" {
		err = c.statementError(said + s.refused)
	}
	if err == nil && !s.answer {
		err = c.statementError(orNotExecuted(""))
	}
	s.close()
	return s, err
}

// sums is a receiver that adds up the points of each step.
type sums struct {
	q       evaluator.Query
	from    int64 // of q, with to
	to      int64
	reduce  []func(*sum) float64 // for each column
	labels  *labels
	series  []rules.Series
	sum     sum
	until   int64 // the end of the step that is added up
	rows    []reducedRow
	values  []float64 // of all rows
	refused string
	answer  bool // there is one, be it without a row
}

type reducedRow struct {
	at     int64
	series int32
}

func newSums(q evaluator.Query, l *labels) *sums {
	s := &sums{
		q: q, from: q.From.UnixNano(), to: q.To.UnixNano(), labels: l, rows: make([]reducedRow, 0, partPoints),
		values: make([]float64, 0, partPoints*len(q.Columns)),
	}
	for _, c := range q.Columns {
		s.reduce = append(s.reduce, reduced[c.Aggregation])
	}
	return s
}

var _ receiver = (*sums)(nil)

func (s *sums) begin(statement int, _, tags, _ []byte) error {
	if statement != 0 {
		return errOther
	}
	s.close()
	series, err := s.labels.of(tags)
	s.series = append(s.series, series)
	return err
}

func (s *sums) row(_ int, cells []cell) error {
	if at := cells[0].at; at <= s.from || at > s.to {
		return errNotAsked
	}
	if len(cells) != 2 || cells[1].kind == word {
		return rules.Errorf(rules.Invalid, "the field %q of %q is not a number everywhere", s.q.Columns[0].Field,
			s.q.Measurement)
	}
	if cells[1].kind == null {
		return nil
	}
	if at := cells[0].at; s.sum.count == 0 || at > s.until {
		s.close()
		step := s.q.Step.Nanoseconds()
		s.until = s.from + ((at-s.from-1)/step+1)*step
	}
	s.sum.add(cells[1].num)
	return nil
}

// close ends the step that is added up.
func (s *sums) close() {
	if s.sum.count == 0 {
		return
	}
	s.rows = append(s.rows, reducedRow{s.until, int32(len(s.series) - 1)}) //nolint:gosec // a server has fewer series
	for _, reduce := range s.reduce {
		s.values = append(s.values, reduce(&s.sum))
	}
	s.sum.count = 0
}

func (s *sums) answered(int) error {
	s.answer = true
	return nil
}

func (s *sums) failed(_ int, text string) error {
	s.refused = text
	return nil
}

// hand hands on the rows.
func (s *sums) hand(each func(evaluator.Row)) {
	width := len(s.reduce)
	for i, row := range s.rows {
		each(evaluator.Row{
			Series: s.series[row.series], At: time.Unix(0, row.at).UTC(),
			Values: s.values[i*width : (i+1)*width],
		})
	}
}

// sum is what is kept of the points of a step.
type sum struct{ count, sum, min, max, first, last float64 }

func (s *sum) add(x float64) {
	if s.count == 0 {
		*s = sum{count: 1, sum: x, min: x, max: x, first: x, last: x}
		return
	}
	s.count++
	s.sum += x
	s.min, s.max, s.last = min(s.min, x), max(s.max, x), x
}

// reduced are the aggregations that can be had from a sum.
var reduced = map[rules.Aggregation]func(*sum) float64{
	rules.Count:  func(s *sum) float64 { return s.count },
	rules.Sum:    func(s *sum) float64 { return s.sum },
	rules.Mean:   func(s *sum) float64 { return s.sum / s.count },
	rules.Min:    func(s *sum) float64 { return s.min },
	rules.Max:    func(s *sum) float64 { return s.max },
	rules.Spread: func(s *sum) float64 { return s.max - s.min },
	rules.First:  func(s *sum) float64 { return s.first },
	rules.Latest: func(s *sum) float64 { return s.last },
}
