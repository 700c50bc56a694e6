package influx

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// progress is a plan that is being asked.
type progress struct {
	plan
	labels  *labels
	parts   parts // where its statements meet, when there are several
	begun   bool  // rows were handed on
	chunked bool  // it is asked for in chunks
	done    bool
	err     error
}

// streams reports that a row is whole when it is read.
func (p *progress) streams() bool { return len(p.statements) == 1 && !p.statements[0].raw }

// task is one statement of a request.
type task struct {
	*progress
	statement
	answered bool
	failed   string // why it was not answered, or not whole
}

// place is where a row belongs: its series and the end of its window.
type place struct {
	series rules.Series
	at     int64
}

// parts gathers the slots of rows that several statements fill.
type parts struct {
	index  map[place]int
	places []place
	slots  [][]float64
	texts  [][]string
}

func (p *parts) of(at place, width int) int {
	if i, ok := p.index[at]; ok {
		return i
	}
	if p.index == nil {
		p.index = map[place]int{}
	}
	slots := make([]float64, width)
	for i := range slots {
		slots[i] = math.NaN()
	}
	p.index[at] = len(p.places)
	p.places, p.slots, p.texts = append(p.places, at), append(p.slots, slots), append(p.texts, nil)
	return len(p.places) - 1
}

// collector makes rows out of the answer to one request.
type collector struct {
	tasks []task
	each  func(query int, row evaluator.Row)

	series rules.Series
	rows   int   // of it
	raw    *task // whose points are being added up
	until  int64 // the end of their window
	steps  steps

	slots, values []float64
	texts, words  []string
}

// start makes c ready for the answer to the statements of the plans.
func (c *collector) start(plans []*progress, each func(int, evaluator.Row)) {
	c.tasks, c.each, c.raw = c.tasks[:0], each, nil
	for _, p := range plans {
		p.parts = parts{}
		for _, s := range p.statements {
			c.tasks = append(c.tasks, task{progress: p, statement: s})
		}
	}
}

var _ receiver = (*collector)(nil)

func (c *collector) task(statement int) (*task, error) {
	if statement >= len(c.tasks) {
		return nil, fmt.Errorf("the answer has a statement %d, asked were %d", statement, len(c.tasks))
	}
	return &c.tasks[statement], nil
}

func (c *collector) answered(statement int) error {
	t, err := c.task(statement)
	if err != nil {
		return err
	}
	t.answered = true
	return nil
}

func (c *collector) failed(statement int, text string) error {
	t, err := c.task(statement)
	if err != nil {
		return err
	}
	t.failed = text
	return nil
}

func (c *collector) begin(statement int, name, tags, _ []byte) error {
	t, err := c.task(statement)
	if err != nil {
		return err
	}
	if !names(name, t.q.Measurement) {
		return fmt.Errorf("statement %d asked about %q, and is answered about %s", statement, t.q.Measurement, name)
	}
	c.flush()
	c.rows = 0
	c.series, err = t.labels.of(tags)
	return err
}

// names reports whether a JSON text is a measurement's name, or not given at all.
func names(text []byte, measurement string) bool {
	if len(text) < 2 || string(text[1:len(text)-1]) == measurement {
		return true
	}
	var name string
	return json.Unmarshal(text, &name) == nil && name == measurement
}

func (c *collector) row(statement int, cells []cell) error {
	t := &c.tasks[statement]
	if c.rows++; c.rows > t.most() || (t.raw || t.q.Step > 0) && !t.within(cells[0].at) {
		return errNotAsked
	}
	if got, asked := len(cells)-1, len(t.slots); got < asked || got > asked && !t.everything {
		return fmt.Errorf("a row has %d columns, asked were %d", got, asked)
	}
	switch {
	case t.tellsNothing(cells):
	case t.raw:
		c.point(t, cells[0].at, cells[1])
	case t.streams():
		c.stream(t, cells)
	default:
		i := t.parts.of(place{c.series, t.end(cells[0].at)}, t.plan.slots)
		t.parts.texts[i] = fill(t.statement, cells, t.parts.slots[i], t.parts.texts[i])
	}
	return nil
}

// most is how many rows a series may have: one for each step. Of the points
// themselves there may be any number.
func (t *task) most() int {
	switch {
	case t.raw:
		return math.MaxInt
	case t.q.Step == 0:
		return 1
	}
	return int(t.q.To.Sub(t.q.From)/t.q.Step) + 2
}

// within reports whether the time of a row lies in what was asked.
func (t *task) within(at int64) bool {
	return at >= t.q.From.UnixNano()-int64(t.q.Step) && at <= t.q.To.UnixNano()
}

// tellsNothing reports a row of nulls, which some versions send where a series
// has points but none of the fields. That is no reason for a row.
func (t *task) tellsNothing(cells []cell) bool {
	for i, c := range cells[1:] {
		counts := i >= len(t.expressions) || strings.HasPrefix(t.expressions[i], "count(")
		if c.kind != null && !(counts && c.num == 0) {
			return false
		}
	}
	return true
}

// end returns where the window ends in which a row or point lies. The bucket
// of a step begins one nanosecond into it.
func (t *task) end(at int64) int64 {
	if t.q.Step == 0 {
		return t.q.To.UnixNano()
	}
	from, step := t.q.From.UnixNano(), t.q.Step.Nanoseconds()
	return from + (max(0, at-from-1)/step+1)*step
}

// stream hands on a row that one statement fills.
func (c *collector) stream(t *task, cells []cell) {
	c.slots = slices.Grow(c.slots[:0], t.plan.slots)[:t.plan.slots]
	for i := range c.slots {
		c.slots[i] = math.NaN()
	}
	c.texts = fill(t.statement, cells, c.slots, c.texts[:0])
	row := evaluator.Row{Series: c.series, At: time.Unix(0, t.end(cells[0].at)).UTC()}
	if t.tellsTime {
		row.Last = time.Unix(0, cells[0].at).UTC()
	}
	c.hand(t.progress, row, c.slots, c.texts)
}

// fill puts the cells behind the time into their slots, and returns texts with
// those that are text; it stays empty while none is.
func fill(s statement, cells []cell, slots []float64, texts []string) []string {
	for i, slot := range s.slots {
		c := &cells[i+1]
		slots[slot] = c.num
		if c.kind == word {
			if len(texts) == 0 {
				texts = append(texts, slices.Repeat([]string{evaluator.NoText}, len(slots))...)
			}
			texts[slot] = string(c.text)
		}
	}
	if s.everything {
		slots[s.total] = total(cells[len(s.slots)+1:])
	}
	return texts
}

func total(counts []cell) float64 {
	sum := 0.0
	for _, c := range counts {
		sum += zeroForNone(c.num, 0)
	}
	return sum
}

// hand completes a row and hands it on.
func (c *collector) hand(p *progress, row evaluator.Row, slots []float64, texts []string) {
	c.values = c.values[:0]
	for _, column := range p.columns {
		c.values = append(c.values, column.value(slots))
	}
	row.Values = c.values
	if len(texts) > 0 {
		c.words = c.words[:0]
		for _, column := range p.columns {
			c.words = append(c.words, texts[column.slot])
		}
		row.Texts = c.words
	}
	p.begun = true
	c.each(p.query, row)
}

// point adds one point to the steps of its window.
func (c *collector) point(t *task, at int64, value cell) {
	switch value.kind {
	case null:
		return
	case word:
		t.failed = "unsupported: the rate of text"
		return
	}
	if end := t.end(at); c.raw != t || end != c.until {
		c.flush()
		c.raw, c.until, c.steps = t, end, steps{}
	}
	c.steps.add(at, value.num)
}

// flush adds the rate of the series in the window that is over to its row.
func (c *collector) flush() {
	t := c.raw
	if t == nil {
		return
	}
	c.raw = nil
	i := t.parts.of(place{c.series, c.until}, t.plan.slots)
	if rate := c.steps.rate(); !math.IsNaN(rate) {
		sum := &t.parts.slots[i][t.slots[0]]
		*sum = zeroForNone(*sum, 0) + rate
	}
}

// finish hands on the rows of a plan whose statements met.
func (c *collector) finish(p *progress) {
	for i, at := range p.parts.places {
		c.hand(p, evaluator.Row{Series: at.series, At: time.Unix(0, at.at).UTC()}, p.parts.slots[i], p.parts.texts[i])
	}
	p.parts = parts{}
	p.done = true
}
