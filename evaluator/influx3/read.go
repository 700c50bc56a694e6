package influx3

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Read asks a user's statement and calls each with the last row of every label
// set, in the order of their series.
func (c *Client) Read(ctx context.Context, s evaluator.Statement, each func(evaluator.Row)) error {
	o, err := readOwn(s)
	if err != nil {
		return err
	}
	if err := c.refresh(); err != nil {
		return err
	}
	l := lastRows{column: s.Column, groupBy: slices.Sorted(slices.Values(s.GroupBy))}
	if err := c.ask(ctx, o.text(s.From, s.To), l.add); err != nil {
		return err
	}
	l.kept.Each(s.To, each)
	return nil
}

// lastRows keeps the last row of each label set.
type lastRows struct {
	column  string
	groupBy []string // sorted
	kept    evaluator.LastRows
}

// ownBatch is a part of the answer to a user's statement.
type ownBatch struct {
	value  arrow.Array
	time   arrow.Array // nil when the answer has none
	labels []arrow.Array
}

func (l *lastRows) add(rows arrow.RecordBatch) error {
	if l.kept.Count(int(rows.NumRows())) {
		return refuse("answers more than %d rows; aggregate, ask for a shorter time, or add LIMIT", evaluator.MostOwnRows)
	}
	b, err := l.columns(rows)
	if err != nil {
		return err
	}
	var name []byte
	for i := range int(rows.NumRows()) {
		name = name[:0]
		for n, tag := range l.groupBy {
			name = rules.AppendLabel(name, tag, label(b.labels[n], i))
		}
		l.kept.Keep(name, b.reading(i))
	}
	return nil
}

func (l *lastRows) columns(rows arrow.RecordBatch) (ownBatch, error) {
	b := ownBatch{value: byName(rows, l.column), time: clockOf(rows)}
	if b.value == nil {
		return b, rules.FieldErrorf("condition.column",
			"%q is not in the answer, which has %s; name it in the text: avg(x) AS %s", l.column, names(rows), quoted(l.column))
	}
	if kind := b.value.DataType(); !readable(kind) || kind.ID() == arrow.TIMESTAMP {
		return b, rules.FieldErrorf("condition.column", "%q is of a type that is no value: %s; write CAST(... AS DOUBLE)",
			l.column, kind)
	}
	for _, tag := range l.groupBy {
		column := byName(rows, tag)
		if column == nil {
			return b, rules.FieldErrorf("group_by",
				"%q is not in the answer of the query, which has %s; select it and add it to its GROUP BY", tag, names(rows))
		}
		b.labels = append(b.labels, column)
	}
	return b, nil
}

func byName(rows arrow.RecordBatch, name string) arrow.Array {
	if at := rows.Schema().FieldIndices(name); len(at) > 0 {
		return rows.Column(at[0])
	}
	return nil
}

func names(rows arrow.RecordBatch) string {
	var out []string
	for _, f := range rows.Schema().Fields() {
		out = append(out, f.Name)
	}
	return strings.Join(out, ", ")
}

// clockOf returns the column that says which row is the last: time, or else
// the first that holds times.
func clockOf(rows arrow.RecordBatch) arrow.Array {
	columns := rows.Columns()
	if named := byName(rows, "time"); named != nil {
		columns = slices.Insert(slices.Clone(columns), 0, named)
	}
	for _, column := range columns {
		if column.DataType().ID() == arrow.TIMESTAMP {
			return column
		}
	}
	return nil
}

func (b ownBatch) reading(i int) evaluator.Reading {
	r := evaluator.Reading{Number: number(b.value, i)}
	if isText(b.value.DataType()) && !b.value.IsNull(i) {
		r.Number, r.IsText, r.Text = math.NaN(), true, strings.Clone(text(b.value, i))
	}
	if b.time != nil {
		r.At = moment(b.time, i)
	}
	return r
}

// label is a cell as the value of a label, "" when it is null.
func label(column arrow.Array, i int) string {
	if column.IsNull(i) || isText(column.DataType()) {
		return text(column, i)
	}
	return column.ValueStr(i)
}
