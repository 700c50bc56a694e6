package evaluator

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Column is one value that a query asks for: an aggregation of a field. With
// an empty Field it asks about any field and has no aggregation but
// rules.Count: how many values all fields have together, so that its row exists
// when any field has a value.
type Column struct {
	Field       string
	Aggregation rules.Aggregation
}

// Query asks a source for aggregations of the points of one measurement in the
// window (From, To], one row for each label set of the GroupBy tags. It names
// what is wanted, not how: each source writes it in its own language and quotes
// every name and value in it.
type Query struct {
	Measurement string
	Columns     []Column
	Where       rules.Filter // tag = one of the values
	GroupBy     []string     // tags, sorted
	From, To    time.Time
	Step        time.Duration // zero: one value for the window; else one for each (From+n*Step, From+(n+1)*Step]
}

// Row is the answer for one label set at one time. Its slices belong to the
// source and are only good until the callback returns.
type Row struct {
	Series rules.Series // the GroupBy tags; a missing tag is ""
	At     time.Time    // the end of the row's window: To, or the end of its step
	// Values holds a number for each column: NaN when there is none, 0 or 1
	// for a boolean, NaN for text.
	Values []float64
	// Texts holds the text of each column that is text, be it empty, and NoText
	// for the others; nil when none is.
	Texts []string
	// Last is the time of the newest point where the source told it, else zero.
	Last time.Time
}

// NoText stands in Row.Texts for a column that is no text, or has no value.
const NoText = "\x00"

// Text returns the text of a column; false where it is none.
func (r *Row) Text(column int) (string, bool) {
	if r.Texts == nil || r.Texts[column] == NoText {
		return "", false
	}
	return r.Texts[column], true
}

// Querier answers queries. Query calls each with the index of the query and a
// row, from one goroutine, in no promised order. It returns one error for each query, nil for those that were
// answered whole; rows of a failed query may have been seen and must be thrown
// away. A series without a point in the window has no row.
//
// The errors carry rules.Unavailable when the source cannot be reached or
// answers that it cannot serve now, rules.Invalid when it refuses the query.
type Querier interface {
	Query(ctx context.Context, queries []Query, each func(query int, row Row)) []error
}

// Scan asks for the points themselves of one measurement in (From, To].
type Scan struct {
	Measurement string
	Fields      []string // those wanted; "" stands for how many fields a point has
	Where       rules.Filter
	Tags        []string // of the rows, sorted
	From, To    time.Time
}

// Scanner hands out points. Scan calls each with the index of the scan and a row
// for every point that has one of the fields: Series are its Tags, At is its own
// time, Values and Texts stand for Fields. The calls come one at a time and in no
// promised order; the errors are as those of Querier.
type Scanner interface {
	Scan(ctx context.Context, scans []Scan, each func(scan int, row Row)) []error
}

// Ask asks a source and joins what it says against the queries, each sentence
// once: sixty queries that were not answered in time are one trouble.
func Ask(ctx context.Context, s Querier, queries []Query, each func(query int, row Row)) error {
	var told []error
	for _, err := range s.Query(ctx, queries, each) {
		if err != nil && !slices.ContainsFunc(told, func(have error) bool { return have.Error() == err.Error() }) {
			told = append(told, err)
		}
	}
	return errors.Join(told...)
}

// Explainer tells the text that a source would be asked, for evidence and for
// people.
type Explainer interface {
	Explain(q Query) string
}

// Describer tells what a source holds, so that typos are refused: a query for
// a name that does not exist is answered with silence, not with an error.
type Describer interface {
	// Measurements lists the measurements.
	Measurements(ctx context.Context) ([]string, error)
	// Fields lists the fields of a measurement with their types: float,
	// integer, string, boolean; float+string for one that was both.
	Fields(ctx context.Context, measurement string) (map[string]string, error)
	// Tags lists the tag names of a measurement.
	Tags(ctx context.Context, measurement string) ([]string, error)
	// TagValues lists at most limit values of a tag, in order.
	TagValues(ctx context.Context, measurement, tag string, limit int) ([]string, error)
}

// TypesBetween stands between the types of a field that had several over time.
const TypesBetween = "+"

// Pinger tells what answers: "InfluxDB 1.8.10".
type Pinger interface {
	Ping(ctx context.Context) (version string, err error)
}

// Source is a place where points come from.
type Source interface {
	Querier
	Explainer
	Describer
	Pinger
}

// Statement is a user's own query in the source's language. $from and $to in
// it stand for the window (From, To].
type Statement struct {
	Language string // influxql or sql
	Text     string
	Column   string // the column that holds the value
	GroupBy  []string
	From, To time.Time
}

// farthest is how far a statement may look back where its rule does not say.
const farthest = 31 * 24 * time.Hour

// Reach is how far from To a statement may ask for points, back or ahead: 31 days,
// or the window where that is longer.
func (s Statement) Reach() time.Duration { return max(farthest, s.To.Sub(s.From)) }

// Reader is a source that takes users' own queries.
type Reader interface {
	// CheckStatement refuses, as rules.Invalid with the cure, what is not one
	// read statement in a language of this source that uses $from and $to.
	CheckStatement(s Statement) error
	// ExplainStatement tells the text that the statement is asked as, with the
	// times of its window; as it was written where it cannot be asked.
	ExplainStatement(s Statement) string
	// Read checks the statement, asks it, and calls each with a row for every
	// label set of the GroupBy columns or tags; the last row of a set counts.
	// A missing or null value is NaN.
	Read(ctx context.Context, s Statement, each func(Row)) error
}

// tooMuch marks an error that asking for less may cure.
type tooMuch struct{ error }

func (t tooMuch) Unwrap() error { return t.error }

// TooMuch marks the error of a source that did not answer in time, or would
// have answered more than it may: asked for less at once, it may answer.
func TooMuch(err error) error { return tooMuch{err} }

// IsTooMuch reports whether all that was wrong is that too much was asked for.
func IsTooMuch(err error) bool {
	var t tooMuch
	return errors.As(err, &t)
}
