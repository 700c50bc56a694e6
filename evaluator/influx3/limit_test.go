package influx3_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx3"
	"github.com/9bikes/tocsin/rules"
)

// TestAnAnswerThatIsTooLargeIsCutOff: one message, many of them, or one that is
// small until it is unpacked.
func TestAnAnswerThatIsTooLargeIsCutOff(t *testing.T) {
	rows := func(n int) func(string) ([]arrow.RecordBatch, error) {
		return usage(arrow.BinaryTypes.String, slices.Repeat([]string{strings.Repeat("x", 1000)}, n)...)
	}
	many := func(sql string) ([]arrow.RecordBatch, error) {
		batches, err := rows(100)(sql)
		return slices.Repeat(batches, 10_000), err // a GB
	}
	for name, tt := range map[string]struct {
		answer func(string) ([]arrow.RecordBatch, error)
		packed bool
		most   int
	}{
		"a message":                 {rows(3000), false, 1 << 20},
		"messages":                  {many, false, 1 << 20},
		"packed messages":           {many, true, 1 << 20},
		"a packed message":          {rows(3000), true, 1 << 20},
		"a packed message, default": {rows(100_000), true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.answer)
			s.packed = tt.packed
			_, err := one(s.client(t, func(o *influx3.Options) { o.MaxAnswer = tt.most }), cpu(rules.Latest))
			if rules.CodeOf(err) != rules.Invalid || !evaluator.IsTooMuch(err) ||
				!strings.Contains(err.Error(), "MB; narrow the query") || !strings.Contains(err.Error(), "raise max_answer") {
				t.Errorf("error %v, want invalid, with the cure", err)
			}
		})
	}
}
