package evaluator

import (
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Data is a file of points to try rules on.
type Data struct {
	Source Source
	Rows   []DataRow // in order of time
	// Fields and Tags name the columns, for refusals; none of a file of lines.
	Fields, Tags []string
	Measurements []string
}

// DataForm is what is known of a file of points before it is read.
type DataForm struct {
	Measurement  string        // of points that name none
	Fields, Tags []string      // columns that are asked for as such
	Text         bool          // the fields may be text
	Precision    time.Duration // what unix times count; zero is recognised
}

// DataRow is one row of the file: its time as it stands there, and its tags.
type DataRow struct {
	Text   string
	At     time.Time
	Labels rules.Labels
}

// Ticks are the times of the rows, each once.
func (d *Data) Ticks() (out []time.Time) {
	for _, row := range d.Rows {
		if len(out) == 0 || row.At.After(out[len(out)-1]) {
			out = append(out, row.At)
		}
	}
	return out
}
