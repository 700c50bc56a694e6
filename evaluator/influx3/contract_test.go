package influx3_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

func TestContractOverDataFusion(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, lines []string) evaluator.Source {
		engine := startDataFusion(t)
		engine.load(t, lines)
		return serve(t, engine.answer).client(t)
	})
}

func TestOfPointsWithTheSameTimeTheGreatestCounts(t *testing.T) {
	engine := startDataFusion(t)
	engine.load(t, []string{
		"cpu,host=a usage=2,idle=7 1772452740000000000", "cpu,host=b usage=3,idle=8 1772452740000000000",
		"cpu,host=c usage=1,idle=9 1772452740000000000",
		"cpu,host=a usage=5,idle=4 1772452770000000000", "cpu,host=b usage=6,idle=5 1772452770000000000",
		"cpu,host=c usage=4,idle=6 1772452770000000000",
	})
	q := evaluator.Query{Measurement: "cpu", From: noon.Add(-5 * time.Minute), To: noon}
	for _, field := range []string{"usage", "idle"} {
		q.Columns = append(q.Columns, evaluator.Column{Field: field, Aggregation: rules.First},
			evaluator.Column{Field: field, Aggregation: rules.Latest})
	}
	alone := q
	alone.Columns = q.Columns[:2]
	var got [2][]float64
	errs := serve(t, engine.answer).client(t).Query(t.Context(), []evaluator.Query{q, alone},
		func(i int, r evaluator.Row) { got[i] = slices.Clone(r.Values) })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0], []float64{3, 6, 9, 6}) || !slices.Equal(got[1], []float64{3, 6}) {
		t.Errorf("first and latest = %v, want 3, 6 of usage and 9, 6 of idle", got)
	}
}
