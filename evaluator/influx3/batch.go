package influx3

import (
	"math"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// batch is a part of the answer to one query. A tag or value that the
// measurement does not have has no array.
type batch struct {
	query  int
	rows   int
	tags   []arrow.Array // as GroupBy
	bin    arrow.Array   // the first nanosecond of the step
	values []arrow.Array // as Columns
	last   arrow.Array
	texts  bool // some of the values are texts
}

// newBatch takes the columns in the order in which the statement selects them.
func newBatch(query int, s statement, rows arrow.RecordBatch) (batch, error) {
	rest := rows.Columns()
	if want := len(s.selected()); len(rest) != want {
		return batch{}, rules.Errorf(rules.Invalid, "InfluxDB 3 answered with %d columns instead of %d", len(rest), want)
	}
	return s.arrange(query, rows, rest)
}

// arrange takes the columns of a batch: the tags and values that there are, and
// a time.
func (s statement) arrange(query int, rows arrow.RecordBatch, rest []arrow.Array) (batch, error) {
	b := batch{query: query, rows: int(rows.NumRows())}
	take := func() (column arrow.Array) {
		column, rest = rest[0], rest[1:]
		return column
	}
	for _, tag := range s.query.GroupBy {
		if s.missing[tag] {
			b.tags = append(b.tags, nil)
			continue
		}
		b.tags = append(b.tags, take())
	}
	if s.query.Step > 0 {
		b.bin = take()
	}
	for _, c := range s.query.Columns {
		if s.missing[c.Field] {
			b.values = append(b.values, nil)
			continue
		}
		b.values = append(b.values, take())
	}
	b.last = take()
	return b, b.check(rows.Schema())
}

// check refuses types that could only be read as nothing, which would look
// like silence.
func (b *batch) check(schema *arrow.Schema) error {
	for _, f := range schema.Fields() {
		if !readable(f.Type) {
			return rules.Errorf(rules.Invalid, "the column %q comes in a type that cannot be read: %s", f.Name, f.Type)
		}
	}
	for _, column := range b.values {
		b.texts = b.texts || column != nil && isText(column.DataType())
	}
	return nil
}

// read hands over the rows. The slices of a row are used again for the next.
func (b *batch) read(q evaluator.Query, each func(evaluator.Row)) {
	row := evaluator.Row{At: q.To, Values: make([]float64, len(b.values))}
	if b.texts {
		row.Texts = make([]string, len(b.values))
	}
	var name []byte
	for i := range b.rows {
		if row.Last = moment(b.last, i); row.Last.IsZero() {
			continue // without GROUP BY there is a row even when there is no point
		}
		name = name[:0]
		for n, tag := range q.GroupBy {
			name = rules.AppendLabel(name, tag, text(b.tags[n], i))
		}
		row.Series = rules.Series(name)
		if b.bin != nil {
			row.At = moment(b.bin, i).Add(q.Step - 1)
		}
		for n, column := range b.values {
			row.Values[n] = number(column, i)
			if b.texts {
				row.Texts[n] = textOrNone(column, i)
			}
		}
		each(row)
	}
}

// textOrNone copies a text, which would keep the whole batch alive.
func textOrNone(column arrow.Array, i int) string {
	if column == nil || !isText(column.DataType()) || column.IsNull(i) {
		return evaluator.NoText
	}
	return strings.Clone(text(column, i))
}

// readable reports whether number, text or moment can read a column. Null is
// the type of a column without any value.
func readable(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.BOOL, arrow.INT64, arrow.UINT64, arrow.FLOAT64, arrow.TIMESTAMP, arrow.NULL,
		arrow.INT8, arrow.INT16, arrow.INT32, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.FLOAT32, arrow.DECIMAL128:
		return true
	}
	return isText(t)
}

func isText(t arrow.DataType) bool {
	switch t := t.(type) {
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return true
	case *arrow.DictionaryType:
		return isText(t.ValueType)
	}
	return false
}

// number reads one value: NaN when it is null or no number, 0 or 1 for a
// boolean.
func number(column arrow.Array, i int) float64 {
	if column == nil || column.IsNull(i) {
		return math.NaN()
	}
	switch c := column.(type) {
	case *array.Float64:
		return c.Value(i)
	case *array.Int64:
		return float64(c.Value(i))
	case *array.Uint64:
		return float64(c.Value(i))
	case *array.Boolean:
		if c.Value(i) {
			return 1
		}
		return 0
	}
	return rareNumber(column, i)
}

// rareNumber reads what only users' own statements answer.
func rareNumber(column arrow.Array, i int) float64 {
	switch c := column.(type) {
	case *array.Float32:
		return float64(c.Value(i))
	case *array.Int32:
		return float64(c.Value(i))
	case *array.Int16:
		return float64(c.Value(i))
	case *array.Int8:
		return float64(c.Value(i))
	case *array.Uint32:
		return float64(c.Value(i))
	case *array.Uint16:
		return float64(c.Value(i))
	case *array.Uint8:
		return float64(c.Value(i))
	case *array.Decimal128:
		return c.Value(i).ToFloat64(c.DataType().(*arrow.Decimal128Type).Scale)
	}
	return math.NaN()
}

// text reads one text, "" when it is null or none.
func text(column arrow.Array, i int) string {
	if column == nil || column.IsNull(i) {
		return ""
	}
	switch c := column.(type) {
	case *array.Dictionary:
		return text(c.Dictionary(), c.GetValueIndex(i))
	case *array.String:
		return c.Value(i)
	case *array.LargeString:
		return c.Value(i)
	case *array.StringView:
		return c.Value(i)
	}
	return ""
}

// moment reads one time, zero when it is null.
func moment(column arrow.Array, i int) time.Time {
	stamps, ok := column.(*array.Timestamp)
	if !ok || column.IsNull(i) {
		return time.Time{}
	}
	return stamps.Value(i).ToTime(stamps.DataType().(*arrow.TimestampType).Unit)
}
