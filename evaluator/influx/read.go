package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Read asks a user's statement and calls each with the last row of every label
// set, in the order of their series.
func (c *Client) Read(ctx context.Context, s evaluator.Statement, each func(evaluator.Row)) error {
	o, err := c.readOwn(s)
	if err != nil {
		return err
	}
	var l lastRows
	said, err := c.receive(ctx, []byte(o.text()), asJSON, func() receiver {
		l = lastRows{column: s.Column, groupBy: o.sorted()}
		return &l
	})
	switch {
	case err != nil:
		return err
	case said+l.refused != "":
		return c.statementError(said + l.refused)
	case !l.answer:
		return c.statementError(orNotExecuted(""))
	case l.kept.Len() > 0 && !l.told:
		return rules.FieldErrorf("condition.column", "%q is not in the answer, which has %s", s.Column,
			strings.Join(l.names, ", "))
	}
	l.kept.Each(s.To, each)
	return nil
}

// lastRows is a receiver that keeps the last row of each label set.
type lastRows struct {
	column  string
	groupBy []string // sorted

	names  []string // the columns of the series that is being read
	tags   map[string]string
	value  int   // where the value stands, -1: nowhere
	labels []int // where the labels stand that are no tags, -1: nowhere

	kept    evaluator.LastRows
	told    bool // some series has the column
	answer  bool // there is one, be it without a row
	refused string
}

var _ receiver = (*lastRows)(nil)

var errOther = errors.New("it is the answer to another statement")

func (l *lastRows) begin(statement int, _, tags, columns []byte) error {
	if statement != 0 {
		return errOther
	}
	l.names, l.tags = nil, nil
	if err := json.Unmarshal(columns, &l.names); err != nil {
		return fmt.Errorf("read the names of the columns: %w", err)
	}
	if len(tags) > 0 {
		if err := json.Unmarshal(tags, &l.tags); err != nil {
			return fmt.Errorf("read the tags of a series: %w", err)
		}
	}
	l.value = slices.Index(l.names, l.column)
	l.told = l.told || l.value >= 0
	l.labels = l.labels[:0]
	for _, label := range l.groupBy {
		l.labels = append(l.labels, slices.Index(l.names, label))
	}
	return nil
}

func (l *lastRows) row(_ int, cells []cell) error {
	if l.kept.Count(1) {
		return refuse("answers more than %d rows; aggregate, ask for a shorter time, or add LIMIT 1", evaluator.MostOwnRows)
	}
	if len(cells) != len(l.names) {
		return fmt.Errorf("a row has %d columns, named are %d", len(cells), len(l.names))
	}
	r := evaluator.Reading{Number: math.NaN()}
	if l.names[0] == "time" {
		r.At = time.Unix(0, cells[0].at)
	}
	if l.value >= 0 {
		c := cells[l.value]
		r.Number, r.IsText = c.num, c.kind == word
		if r.IsText {
			r.Text = string(c.text)
		}
	}
	l.kept.Keep(l.series(cells), r)
	return nil
}

// series is the label set of a row, from its tags or, where a subquery made
// columns of them, from those.
func (l *lastRows) series(cells []cell) []byte {
	var b []byte
	for i, label := range l.groupBy {
		value, tagged := l.tags[label]
		if at := l.labels[i]; !tagged && at >= 0 {
			value = cells[at].label()
		}
		b = rules.AppendLabel(b, label, value)
	}
	return b
}

// label is a cell as the value of a label.
func (c cell) label() string {
	switch c.kind {
	case word:
		return string(c.text)
	case number:
		return strconv.FormatFloat(c.num, 'f', -1, 64)
	case truth:
		return strconv.FormatBool(c.num == 1)
	}
	return ""
}

func (l *lastRows) failed(_ int, text string) error {
	l.refused = text
	return nil
}

func (l *lastRows) answered(int) error {
	l.answer = true
	return nil
}
