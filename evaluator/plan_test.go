package evaluator_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// counted counts the queries that a source is asked.
type counted struct {
	evaluator.Source
	queries atomic.Int64
}

func (c *counted) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	c.queries.Add(int64(len(queries)))
	return c.Source.Query(ctx, queries, each)
}

// pick returns a random one of list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// some returns a random subset of list.
func some(r *rand.Rand, list ...string) (out []any) {
	for _, s := range list {
		if r.IntN(2) == 0 {
			out = append(out, s)
		}
	}
	return out
}

var tagValues = map[string][]string{
	"host": {"a", "b", "c", "d", "it's \"e\""}, "dc": {"x", "y", "z"},
	"rack": {"1", "2"},
}

// randomRule makes a rule over the random data, of any shape that shares.
func randomRule(r *rand.Rand, n int) rules.Doc {
	where := rules.Doc{}
	for _, tag := range some(r, "host", "dc", "rack") {
		if values := some(r, tagValues[tag.(string)]...); len(values) > 0 && r.IntN(3) > 0 {
			where[tag.(string)] = values
		} else {
			where[tag.(string)] = pick(r, tagValues[tag.(string)]...)
		}
	}
	doc := rules.Doc{
		"title": fmt.Sprintf("Rule %d", n), "measurement": pick(r, "m", "n"), "field": pick(r, "f", "g", "text", "on"),
		"condition": rules.Doc{
			"aggregation": pick(r, "latest", "mean", "min", "max", "sum", "count", "first", "stddev", "spread", "rate", "p50",
				"p95"),
			"window": pick(r, "1m", "5m"), "operator": ">", "value": 1e12,
		},
	}
	if r.IntN(3) > 0 {
		doc["where"] = where
	}
	if tags := some(r, "host", "dc", "rack"); len(tags) > 0 {
		doc["group_by"] = tags
	}
	return doc
}

// randomPoints makes points with gaps, missing tags and fields that are not in
// every point.
func randomPoints(r *rand.Rand, end time.Time) (lines []string) {
	escape := strings.NewReplacer(" ", `\ `, ",", `\,`, "=", `\=`)
	for i := range 1500 {
		line := pick(r, "m", "n")
		for _, tag := range []string{"dc", "host", "rack"} {
			if r.IntN(10) > 0 {
				line += "," + tag + "=" + escape.Replace(pick(r, tagValues[tag]...))
			}
		}
		fields := []string{fmt.Sprintf("f=%v", r.NormFloat64()*100)}
		if r.IntN(2) == 0 {
			fields = append(fields, fmt.Sprintf("g=%di", r.IntN(1000)))
		}
		if r.IntN(4) == 0 {
			fields = append(fields, fmt.Sprintf("text=\"%c\"", 'a'+rune(r.IntN(3))), fmt.Sprintf("on=%v", r.IntN(2) == 0))
		}
		stamp := end.Add(-time.Duration(i) * 200 * time.Millisecond)
		lines = append(lines, fmt.Sprintf("%s %s %d", line, strings.Join(fields, ","), stamp.UnixNano()))
	}
	return lines
}

// TestPlanAnswersAsEachRuleAlone: whatever the planner shares, merges and
// splits, each rule sees what it would have been answered alone.
func TestPlanAnswersAsEachRuleAlone(t *testing.T) {
	rounds := 3
	if os.Getenv("TESTS_FULL") != "" {
		rounds = 40
	}
	for _, kind := range []string{"live", "influxd"} {
		t.Run(kind, func(t *testing.T) {
			for seed := range rounds {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { comparePlan(t, kind, uint64(seed)) })
			}
		})
	}
}

func comparePlan(t *testing.T, kind string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	end := time.Now().UTC().Truncate(time.Minute)
	lines := randomPoints(r, end)
	source := &counted{Source: loaded(t, kind, lines, end)}
	_, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	engine := evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{Grace: time.Minute})
	engine.Add("s", source, evaluator.SourceOptions{Timeout: time.Minute})
	var list []rules.Rule
	for n := range 80 {
		rule, err := ruledoc.Parse(randomRule(r, n))
		if err != nil {
			t.Fatal(err)
		}
		rule.ID, rule.Source = fmt.Sprintf("r%d", n), "s"
		list = append(list, rule)
		if err := ledgers.Create(t.Context(), rules.NewLedger(rule, rules.Actor{}, end.Add(-time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Tick(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	first := source.queries.Swap(0)
	if err := engine.Tick(t.Context(), end.Add(time.Millisecond*30000)); err != nil {
		t.Fatal(err)
	}
	if settled := source.queries.Load(); settled > first || settled > int64(len(list)*9/10) {
		t.Errorf("%d rules took %d queries at first and %d after that", len(list), first, settled)
	}
	for _, rule := range list {
		compareRule(t, source.Source, ledgers, rule, end.Add(30*time.Second))
	}
}

func loaded(t *testing.T, kind string, lines []string, now time.Time) evaluator.Source {
	if kind == "live" {
		s := live.New(live.Options{})
		if err := s.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, now); err != nil {
			t.Fatal(err)
		}
		return s
	}
	server := sourcetest.Influxd(t)
	server.Write(lines...)
	client, err := influx.New(influx.Options{URL: server.URL, Database: server.DB})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// compareRule asks the source what the rule alone would ask, and compares with
// what its instances saw.
func compareRule(t *testing.T, source evaluator.Source, ledgers *evaluator.LedgerCache, rule rules.Rule,
	end time.Time,
) {
	t.Helper()
	tags := slices.Sorted(slices.Values(rule.GroupBy))
	want := map[rules.Series]float64{}
	errs := source.Query(t.Context(), []evaluator.Query{{
		Measurement: rule.Measurement,
		Columns:     []evaluator.Column{{Field: rule.Field, Aggregation: rule.Condition.Aggregation}},
		Where:       rule.Where, GroupBy: tags, From: end.Add(-rule.Condition.Window.Std()), To: end,
	}}, func(_ int, row evaluator.Row) {
		if !math.IsNaN(row.Values[0]) {
			want[row.Series] = row.Values[0]
		}
	})
	got := map[rules.Series]float64{}
	ledgers.View(rule.ID, func(l *rules.Ledger) {
		if judged := l.Judged.Equal(end); judged != (errs[0] == nil) {
			t.Errorf("%s %s of %s: judged = %v, alone the error is %v", rule.Name, rule.Condition, rule.What(), judged, errs[0])
		}
		l.Instances(func(in *rules.Instance) bool {
			if !math.IsNaN(in.Value) {
				got[in.Series] = in.Value
			}
			return true
		})
	})
	if errs[0] != nil {
		return
	}
	for series, w := range want {
		if g, ok := got[series]; !ok || math.Abs(g-w) > 1e-9*math.Max(1, math.Abs(w)) {
			t.Errorf("%s: %s of %s, series %q = %v, alone it is %v", rule.Name, rule.Condition, rule.What(), series, g, w)
		}
	}
	if rule.Condition.Aggregation != rules.Count && len(got) != len(want) {
		t.Errorf("%s: %s of %s has series %v, alone %v", rule.Name, rule.Condition, rule.What(),
			slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// TestSharing holds how few queries the common shapes take.
func TestSharing(t *testing.T) {
	threshold := func(aggregation string, value float64) rules.Doc {
		return rules.Doc{"aggregation": aggregation, "window": "5m", "operator": ">", "value": value}
	}
	for _, tt := range []struct {
		name string
		want int64
		rule func(n int) rules.Doc
	}{
		{"one rule per host, three thresholds", 1, func(n int) rules.Doc {
			return rules.Doc{
				"measurement": "m", "field": "f", "where": rules.Doc{"host": fmt.Sprint("h", n)},
				"condition": threshold("mean", float64(n%3)),
			}
		}},
		{"ten fields and five aggregations", 1, func(n int) rules.Doc {
			return rules.Doc{
				"measurement": "m", "field": fmt.Sprint("f", n%10), "group_by": "host",
				"condition": threshold([]string{"mean", "max", "p95", "latest", "stddev"}[n%5], 1),
			}
		}},
		{"per host, per rack and overall, in what merges", 1, func(n int) rules.Doc {
			return rules.Doc{
				"measurement": "m", "field": "f", "group_by": [][]any{{"host", "rack"}, {"host"}, {}}[n%3],
				"condition": threshold([]string{"mean", "max", "count"}[n%3], 1),
			}
		}},
		{"percentiles of a whole do not follow from those of its parts", 2, func(n int) rules.Doc {
			return rules.Doc{
				"measurement": "m", "field": "f", "group_by": [][]any{{"host"}, {}}[n%2],
				"condition": threshold("p95", 1),
			}
		}},
		{"two windows", 2, func(n int) rules.Doc {
			c := threshold("mean", 1)
			c["window"] = []string{"5m", "10m"}[n%2]
			return rules.Doc{"measurement": "m", "field": "f", "condition": c}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			source := &counted{Source: h.points}
			h.engine.Add("live", source, evaluator.SourceOptions{})
			for n := range 60 {
				doc := tt.rule(n)
				doc["title"] = fmt.Sprint("Rule ", n)
				h.rule(doc)
			}
			h.tick()
			if got := source.queries.Load(); got != tt.want {
				t.Errorf("60 rules took %d queries, want %d", got, tt.want)
			}
		})
	}
}
