package influx3_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx3"
	"github.com/9bikes/tocsin/rules"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// cpu is a query for aggregations of usage over five minutes.
func cpu(hows ...rules.Aggregation) evaluator.Query {
	q := evaluator.Query{Measurement: "cpu", GroupBy: []string{"host"}, From: noon.Add(-5 * time.Minute), To: noon}
	for _, how := range hows {
		q.Columns = append(q.Columns, evaluator.Column{Field: "usage", Aggregation: how})
	}
	return q
}

func with(q evaluator.Query, change func(*evaluator.Query)) evaluator.Query {
	change(&q)
	return q
}

func TestStatements(t *testing.T) {
	c, err := influx3.New(influx3.Options{URL: "http://localhost:8181", Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b strings.Builder
	for _, tt := range []struct {
		name  string
		query evaluator.Query
	}{
		{"plain aggregates", cpu(rules.Mean, rules.Min, rules.Max, rules.Sum, rules.Count, rules.Stddev, rules.Spread)},
		{"latest and first of one field", cpu(rules.Latest, rules.First)},
		{"latest of fields with other gaps", with(cpu(rules.Latest), func(q *evaluator.Query) {
			q.Columns = append(q.Columns, evaluator.Column{Field: "idle", Aggregation: rules.Latest},
				evaluator.Column{Field: "idle", Aggregation: rules.First})
		})},
		{"percentile", cpu("p95", "p50")},
		{"rate", cpu(rules.Rate)},
		{"steps", with(cpu(rules.Mean), func(q *evaluator.Query) { q.Step = 30 * time.Second })},
		{
			"steps of less than a second, in order",
			with(cpu(rules.Rate, "p1"), func(q *evaluator.Query) { q.Step = 1500 * time.Millisecond }),
		},
		{"no group", with(cpu(rules.Mean), func(q *evaluator.Query) { q.GroupBy = nil })},
		{"several tags", with(cpu("p99"), func(q *evaluator.Query) { q.GroupBy = []string{"dc", "host"} })},
		{"where", with(cpu(rules.Mean), func(q *evaluator.Query) {
			q.Where = rules.Filter{"host": {"a", "b"}, "dc": {"west"}, "rack": {""}, "role": {"", "db"}, "zone": {}}
		})},
		{"names that need quoting", evaluator.Query{
			Measurement: `we"ird; DROP`, Columns: []evaluator.Column{{Field: `a"b`, Aggregation: rules.Mean}},
			GroupBy: []string{`mean(a"b)`}, Where: rules.Filter{"it's": {`o'clock" \`}}, From: noon, To: noon.Add(1),
		}},
	} {
		fmt.Fprintf(&b, "-- %s\n%s\n\n", tt.name, c.Explain(tt.query))
	}
	golden(t, "testdata/statements.sql", b.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with -update and git diff. Got:\n%s", file, got)
	}
}
