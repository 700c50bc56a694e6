package sourcetest

import (
	"math"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

// Own is a statement over the five minutes to a time, its value in v.
func Own(language string, to time.Time, text string, groupBy []string) evaluator.Statement {
	return evaluator.Statement{
		Language: language, Text: text, Column: "v", GroupBy: groupBy, From: to.Add(-5 * time.Minute), To: to,
	}
}

// ReadAll returns the value or text that a statement has for each series, "NaN"
// for none.
func ReadAll(t testing.TB, r evaluator.Reader, s evaluator.Statement) (map[string]any, error) {
	t.Helper()
	got := map[string]any{}
	err := r.Read(t.Context(), s, func(r evaluator.Row) {
		if _, twice := got[string(r.Series)]; twice || len(r.Values) != 1 || !r.At.Equal(s.To) {
			t.Errorf("row %+v: want one for each series, with one value, at %s", r, s.To)
		}
		switch {
		case r.Texts != nil:
			got[string(r.Series)] = r.Texts[0]
		case math.IsNaN(r.Values[0]):
			got[string(r.Series)] = "NaN"
		default:
			got[string(r.Series)] = r.Values[0]
		}
	})
	return got, err
}
