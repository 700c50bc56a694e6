package evaluator

import (
	"maps"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// MostOwnRows is how many rows a user's statement may answer.
const MostOwnRows = 100_000

// Reading is the value of one row of a user's statement: a number, or a text.
type Reading struct {
	At     time.Time
	Number float64
	Text   string
	IsText bool
}

// LastRows keeps the last row of each label set that a user's statement answers.
// The zero value is ready.
type LastRows struct {
	rows  int
	found map[rules.Series]Reading
}

// Count counts rows and reports whether there are more than a statement may
// answer.
func (l *LastRows) Count(rows int) (tooMany bool) {
	l.rows += rows
	return l.rows > MostOwnRows
}

// Keep takes a row, unless a later one of its labels is kept already.
func (l *LastRows) Keep(labels []byte, r Reading) {
	if l.found == nil {
		l.found = map[rules.Series]Reading{}
	}
	if last, ok := l.found[rules.Series(labels)]; !ok || !r.At.Before(last.At) {
		l.found[rules.Series(labels)] = r
	}
}

// Len is how many label sets there are.
func (l *LastRows) Len() int { return len(l.found) }

// Each calls each with a row for every label set, in the order of their series;
// at is the time of all of them.
func (l *LastRows) Each(at time.Time, each func(Row)) {
	for _, series := range slices.Sorted(maps.Keys(l.found)) {
		r := l.found[series]
		row := Row{Series: series, At: at, Values: []float64{r.Number}}
		if r.IsText {
			row.Texts = []string{r.Text}
		}
		each(row)
	}
}
