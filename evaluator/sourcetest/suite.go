// Package sourcetest is the contract of an evaluator.Source: one suite that
// every source runs, with points of its own and answers computed from those
// points in plain Go. What it pins, beyond the comments of the evaluator:
//
//   - A row exists where at least one of the columns has a point. Beside it, a
//     column without a point is NaN, its count 0.
//   - Booleans are the numbers 0 and 1 in every aggregation.
//   - Text has latest, first and count; any other aggregation of text is
//     refused with rules.Invalid.
//   - latest and first: of points of several series with the same time any
//     one; InfluxDB itself is not steady there.
//   - stddev is that of a sample; of one point it is NaN.
//   - pN is the value of rank (n*N+50)/100 in integers, at least 1, of the n
//     values in order. (InfluxQL's percentile, which has none for rank 0.)
//   - rate: for each series, which is one full tag set, the sum of the positive
//     differences of neighbours within the window, divided by the seconds
//     between its first and last point there. The rate of a row is the sum of
//     those of its series; one with fewer than two points adds nothing, and
//     where none adds anything it is NaN. With a Step, each step is a window by
//     itself.
//   - A column without a field counts the values of all fields together; any
//     other aggregation of it is refused with rules.Invalid.
//   - A step that ends after To counts only points up to To, and its row still
//     carries the end of the step.
//   - A tag that nobody has is "" in GroupBy and matches no value but "" in
//     Where. A filter without values keeps nothing. An unknown measurement or
//     field has no rows and is no error.
//   - A call whose context is over fails every query with rules.Unavailable.
package sourcetest

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// suite is an open source and the points in it.
type suite struct {
	source evaluator.Source
	points []point
}

// Run checks the source that open returns. open loads the points, given in
// line protocol with nanosecond stamps of March 2026, and registers its own
// teardown; it is called once.
func Run(t *testing.T, open func(t *testing.T, lines []string) evaluator.Source) {
	t.Helper()
	points := samples()
	s := suite{open(t, lines(points)), points}
	t.Run("each aggregation alone", s.aggregations)
	t.Run("all aggregations together", s.together)
	t.Run("windows exclude their start and include their end", s.bounds)
	t.Run("steps exclude their start and include their end", s.steps)
	t.Run("a long range is cut into short steps", s.long)
	t.Run("where keeps the listed values", s.where)
	t.Run("group_by makes one row for each label set", s.groups)
	t.Run("columns with other gaps do not disturb each other", s.gaps)
	t.Run("text has latest, first and count", s.text)
	t.Run("a column without a field counts the values of any", s.anyField)
	t.Run("rate adds up the rates of the series of a row", s.rate)
	t.Run("one and two points", s.few)
	t.Run("names and values that need quoting", s.quoting)
	t.Run("what does not exist has no rows", s.unknown)
	t.Run("a bad query does not disturb the others", s.bad)
	t.Run("many queries in one call", s.many)
	t.Run("a call whose context is over fails", s.cancelled)
	t.Run("scans hand out the points themselves", s.scans)
	t.Run("describe", s.describe)
	t.Run("ping tells what answers", s.ping)
}

var everyAggregation = []rules.Aggregation{
	rules.Latest, rules.Mean, rules.Min, rules.Max, rules.Sum, rules.Count, rules.First, rules.Stddev, rules.Spread,
	rules.Rate,
	"p1", "p10", "p50", "p90", "p95", "p99",
}

func (s suite) aggregations(t *testing.T) {
	var queries []evaluator.Query
	for _, field := range []string{"celsius", "turns", "open"} {
		for _, how := range everyAggregation {
			queries = append(queries,
				climateQuery([]string{"room", "sensor"}, evaluator.Column{Field: field, Aggregation: how}),
				climateQuery(nil, evaluator.Column{Field: field, Aggregation: how}))
		}
	}
	s.check(t, queries...)
}

func (s suite) together(t *testing.T) {
	var all []evaluator.Column
	for _, field := range []string{"celsius", "turns", "open"} {
		var columns []evaluator.Column
		for _, how := range everyAggregation {
			columns = append(columns, evaluator.Column{Field: field, Aggregation: how})
		}
		all = append(all, columns...)
		columns = append(columns, anyField)
		s.check(t, climateQuery([]string{"room", "sensor"}, columns...),
			stepped(climateQuery([]string{"room"}, columns...), time.Minute))
	}
	s.check(t, climateQuery([]string{"room"}, all...))
}

func (s suite) bounds(t *testing.T) {
	var queries []evaluator.Query
	for _, from := range []time.Duration{-2, -1, 0, 1, 30 * time.Second} {
		for _, to := range []time.Duration{30*time.Second + 1, time.Minute - 1, time.Minute, time.Minute + 1} {
			q := edgeQuery(rules.Sum, rules.Count, rules.First, rules.Latest, rules.Rate)
			q.From, q.To = start.Add(from), start.Add(to)
			queries = append(queries, q)
		}
	}
	s.check(t, queries...)
}

func (s suite) steps(t *testing.T) {
	var queries []evaluator.Query
	for _, step := range []time.Duration{
		10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute,
		7 * time.Second, 2 * time.Second / 3,
	} {
		for _, shift := range []time.Duration{0, -time.Second, 3*time.Second + 1} {
			q := stepped(edgeQuery(rules.Sum, rules.Count, rules.First, rules.Latest, rules.Rate, "p50"), step)
			q.From, q.To = start.Add(shift-time.Minute), start.Add(shift+2*time.Minute)
			queries = append(queries, q)
		}
	}
	for _, step := range []time.Duration{10 * time.Second, 25 * time.Second, 90 * time.Second, time.Hour} {
		for _, how := range []rules.Aggregation{rules.Latest, rules.Mean, rules.Count, rules.Rate} {
			queries = append(queries,
				stepped(climateQuery([]string{"room", "sensor"}, evaluator.Column{Field: "celsius", Aggregation: how}), step),
				stepped(climateQuery(nil, evaluator.Column{Field: "open", Aggregation: how}), step))
		}
		queries = append(queries,
			stepped(climateQuery([]string{"room"}, evaluator.Column{Field: "mode", Aggregation: rules.Latest}), step))
	}
	s.check(t, queries...)
}

// long is what a backtest asks: one query of hundreds of steps with few points
// in each. It is asked alone, because a source may answer it in another way.
func (s suite) long(t *testing.T) {
	for _, groupBy := range [][]string{{"room", "sensor"}, {"room"}, nil} {
		for _, field := range []string{"celsius", "turns", "open"} {
			for _, step := range []time.Duration{2 * time.Second, 1700 * time.Millisecond} {
				var columns []evaluator.Column
				for _, how := range []rules.Aggregation{rules.Count, rules.Sum, rules.Mean, rules.Min, rules.Max, rules.Spread} {
					columns = append(columns, evaluator.Column{Field: field, Aggregation: how})
				}
				q := stepped(climateQuery(groupBy, columns...), step)
				q.From, q.To = start.Add(-time.Minute), start.Add(12*time.Minute)
				s.check(t, q)
			}
		}
		for _, field := range []string{"celsius", "mode", "turns"} {
			q := stepped(climateQuery(groupBy, evaluator.Column{Field: field, Aggregation: rules.Latest},
				evaluator.Column{Field: field, Aggregation: rules.First}), 2*time.Second)
			q.Where = rules.Filter{"site": {"home"}}
			s.check(t, q)
		}
	}
	edges := evaluator.Query{
		Measurement: "edges", GroupBy: []string{"host"}, From: start.Add(-time.Minute),
		To: start.Add(2 * time.Minute), Step: time.Second / 4,
	}
	for _, how := range []rules.Aggregation{rules.First, rules.Latest, rules.Sum} {
		edges.Columns = append(edges.Columns, evaluator.Column{Field: "v", Aggregation: how})
	}
	s.check(t, edges)
}

func (s suite) where(t *testing.T) {
	var queries []evaluator.Query
	for _, filter := range []rules.Filter{
		{"room": {"kitchen"}},
		{"room": {"kitchen", "attic"}},
		{"room": {"kitchen", "cellar"}, "sensor": {"a"}},
		{"sensor": {""}},
		{"sensor": {"", "c"}},
		{"room": {"nowhere"}},
		{"room": {}},
		{"nobody": {"x"}},
		{"nobody": {""}},
	} {
		q := climateQuery([]string{"room"}, evaluator.Column{Field: "celsius", Aggregation: rules.Sum},
			evaluator.Column{Field: "open", Aggregation: rules.Mean})
		q.Where = filter
		queries = append(queries, q)
	}
	s.check(t, queries...)
}

func (s suite) groups(t *testing.T) {
	var queries []evaluator.Query
	for _, tags := range [][]string{
		nil,
		{"room"},
		{"sensor"},
		{"room", "sensor"},
		{"room", "sensor", "site"},
		{"nobody"},
		{"nobody", "room"},
	} {
		queries = append(queries, climateQuery(tags, evaluator.Column{Field: "celsius", Aggregation: rules.Mean}),
			climateQuery(tags, evaluator.Column{Field: "celsius", Aggregation: rules.Latest}))
	}
	s.check(t, queries...)
}

func (s suite) gaps(t *testing.T) {
	q := climateQuery([]string{"room", "sensor"},
		evaluator.Column{Field: "celsius", Aggregation: rules.Count},
		evaluator.Column{Field: "turns", Aggregation: rules.Count},
		evaluator.Column{Field: "open", Aggregation: rules.Count}, evaluator.Column{Field: "mode", Aggregation: rules.Count},
		evaluator.Column{Field: "turns", Aggregation: rules.Max}, evaluator.Column{Field: "open", Aggregation: rules.Mean},
		evaluator.Column{Field: "mode", Aggregation: rules.Latest},
		evaluator.Column{Field: "nothing", Aggregation: rules.Mean})
	s.check(t, q, stepped(q, 100*time.Second))
}

func (s suite) text(t *testing.T) {
	latest := climateQuery([]string{"room", "sensor"}, evaluator.Column{Field: "mode", Aggregation: rules.Latest})
	all := climateQuery([]string{"room"}, evaluator.Column{Field: "mode", Aggregation: rules.Latest},
		evaluator.Column{Field: "mode", Aggregation: rules.First},
		evaluator.Column{Field: "mode", Aggregation: rules.Count},
		evaluator.Column{Field: "celsius", Aggregation: rules.Latest})
	s.check(t, latest, all, climateQuery(nil, all.Columns...))
	for _, how := range everyAggregation {
		if how == rules.Latest || how == rules.First || how == rules.Count {
			continue
		}
		q := climateQuery(nil, evaluator.Column{Field: "mode", Aggregation: how})
		if err := s.ask(q)[0].err; rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%s of text: error = %v, want one with code invalid", how, err)
		}
	}
}

func (s suite) anyField(t *testing.T) {
	alone := climateQuery([]string{"room", "sensor"}, anyField)
	filtered := climateQuery([]string{"sensor"}, anyField)
	filtered.Where = rules.Filter{"room": {"kitchen", "attic"}}
	whole := climateQuery(nil, anyField)
	lonely := evaluator.Query{
		Measurement: "lonely", Columns: []evaluator.Column{anyField}, GroupBy: []string{"host"},
		From: start, To: start.Add(time.Minute),
	}
	mixed := lonely
	mixed.Columns = []evaluator.Column{
		{Field: "v", Aggregation: rules.Mean},
		anyField,
		{Field: "on", Aggregation: rules.Mean},
		{Field: "v", Aggregation: "p90"},
		{Field: "v", Aggregation: rules.Rate},
		{Field: "note", Aggregation: rules.Latest},
		{Field: "v", Aggregation: rules.Count},
	}
	nowhere, never := alone, alone
	nowhere.Measurement = "no such measurement"
	never.From, never.To = start.Add(-time.Hour), start.Add(-time.Minute)
	s.check(t, alone, filtered, whole, lonely, mixed, nowhere, never, weirdAny())
	s.check(t, stepped(alone, time.Minute), stepped(whole, 7*time.Second), stepped(mixed, 15*time.Second),
		stepped(nowhere, time.Minute), stepped(never, time.Minute))
	for _, how := range everyAggregation {
		if how == rules.Count {
			continue
		}
		if err := s.ask(climateQuery(nil, evaluator.Column{Aggregation: how}))[0].err; rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%s of any field: error = %v, want one with code invalid", how, err)
		}
	}
}

// rate asks for numbers that can be checked by hand.
func (s suite) rate(t *testing.T) {
	q := evaluator.Query{
		Measurement: "counters", Columns: []evaluator.Column{{Field: "total", Aggregation: rules.Rate}},
		From: start, To: start.Add(time.Minute),
	}
	byHost, halves := q, stepped(q, 30*time.Second)
	byHost.GroupBy = []string{"host"}
	for i, want := range []map[place]float64{
		{{"", q.To}: 2.5},
		{{"host=a", q.To}: 2.5, {"host=b", q.To}: math.NaN()},
		{{"", start.Add(30 * time.Second)}: 3, {"", q.To}: 2},
	} {
		got := s.ask([]evaluator.Query{q, byHost, halves}[i])[0]
		if got.err != nil || len(got.rows) != len(want) {
			t.Errorf("query %d: %d rows, %v; want %d", i, len(got.rows), got.err, len(want))
		}
		for at, x := range want {
			if r := got.rows[at]; len(r.values) != 1 || !near(r.values[0], x) {
				t.Errorf("query %d: rate of %s = %v, want %v", i, at, r.values, x)
			}
		}
	}
	s.check(t, q, byHost, halves, stepped(byHost, 20*time.Second))
}

func (s suite) few(t *testing.T) {
	var columns []evaluator.Column
	for _, how := range everyAggregation {
		columns = append(columns, evaluator.Column{Field: "v", Aggregation: how},
			evaluator.Column{Field: "on", Aggregation: how})
	}
	q := evaluator.Query{
		Measurement: "lonely", Columns: columns, GroupBy: []string{"host"}, From: start,
		To: start.Add(time.Minute),
	}
	s.check(t, q, stepped(q, 30*time.Second))
}

func (s suite) quoting(t *testing.T) {
	queries := []evaluator.Query{weirdQuery(nil)}
	for i, value := range weirdValues {
		queries = append(queries, weirdQuery(rules.Filter{weirdTag: {value}}),
			weirdQuery(rules.Filter{weirdTag: {value, weirdValues[(i+3)%len(weirdValues)]}}))
	}
	s.check(t, queries...)
	s.check(t, weirdQuery(rules.Filter{weirdTag: {"line\nbreak", "tab\t", "nul", `\`, `'`, `"`}}))
}

func (s suite) unknown(t *testing.T) {
	noMeasurement := edgeQuery(rules.Mean)
	noMeasurement.Measurement = "no such measurement"
	noField := edgeQuery(rules.Mean, rules.Latest)
	for i := range noField.Columns {
		noField.Columns[i].Field = "no such field"
	}
	noPoints := edgeQuery(rules.Mean, rules.Count)
	noPoints.From, noPoints.To = start.Add(-time.Hour), start.Add(-time.Minute)
	s.check(t, noMeasurement, noField, noPoints, stepped(noMeasurement, time.Minute), stepped(noField, time.Minute),
		stepped(noPoints, time.Minute))
}

func (s suite) bad(t *testing.T) {
	good := climateQuery([]string{"room"}, evaluator.Column{Field: "celsius", Aggregation: rules.Mean})
	bad := climateQuery([]string{"room"}, evaluator.Column{Field: "mode", Aggregation: rules.Mean})
	queries := []evaluator.Query{good, bad, good, edgeQuery(rules.Sum), bad, edgeQuery(rules.Latest)}
	for i, got := range s.ask(queries...) {
		if i == 1 || i == 4 {
			if rules.CodeOf(got.err) != rules.Invalid {
				t.Errorf("query %d: error = %v, want one with code invalid", i, got.err)
			}
			continue
		}
		s.compare(t, queries[i], got)
	}
}

func (s suite) many(t *testing.T) {
	var queries []evaluator.Query
	for i := range 130 {
		q := climateQuery([]string{"room", "sensor"}, evaluator.Column{Field: "celsius", Aggregation: rules.Max},
			evaluator.Column{Field: "celsius", Aggregation: rules.Count})
		q.To = q.From.Add(time.Duration(i) * 3 * time.Second)
		queries = append(queries, q)
	}
	s.check(t, queries...)
}

func (s suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := s.source.Query(ctx, []evaluator.Query{edgeQuery(rules.Mean), edgeQuery(rules.Latest)},
		func(int, evaluator.Row) {})
	if len(errs) != 2 {
		t.Fatalf("got %d errors for 2 queries", len(errs))
	}
	for i, err := range errs {
		if rules.CodeOf(err) != rules.Unavailable {
			t.Errorf("query %d: error = %v, want one with code unavailable", i, err)
		}
	}
	if errs := s.source.Query(t.Context(), nil, nil); errors.Join(errs...) != nil || len(errs) != 0 {
		t.Errorf("no queries gave errors %v", errs)
	}
}

func (s suite) describe(t *testing.T) {
	ctx := t.Context()
	same := func(what string, got, want []string, err error) {
		t.Helper()
		slices.Sort(want)
		if got = slices.Sorted(slices.Values(got)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s = %q, %v; want %q", what, got, err, want)
		}
	}
	got, err := s.source.Measurements(ctx)
	same("measurements", got, []string{"climate", "counters", "edges", "lonely", weirdMeasurement}, err)
	got, err = s.source.Tags(ctx, "climate")
	same("tags", got, []string{"room", "sensor", "site"}, err)
	got, err = s.source.Tags(ctx, weirdMeasurement)
	same("weird tags", got, []string{weirdTag}, err)
	got, err = s.source.Tags(ctx, "no such measurement")
	same("tags of an unknown measurement", got, nil, err)
	got, err = s.source.TagValues(ctx, weirdMeasurement, weirdTag, 100)
	same("weird tag values", got, slices.Clone(weirdValues), err)
	s.describeFields(t)
	s.describeValues(t)
}

func (s suite) describeFields(t *testing.T) {
	for measurement, want := range map[string]map[string]string{
		"climate":             {"celsius": "float", "turns": "integer", "open": "boolean", "mode": "string"},
		weirdMeasurement:      {weirdField: "float", "text": "string"},
		"no such measurement": {},
	} {
		got, err := s.source.Fields(t.Context(), measurement)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("fields of %q = %q, %v; want %q", measurement, got, err, want)
		}
	}
}

func (s suite) describeValues(t *testing.T) {
	for _, tt := range []struct {
		measurement, tag string
		limit            int
		want             []string
	}{
		{"climate", "room", 10, []string{"attic", "cellar", "kitchen"}},
		{"climate", "room", 2, []string{"attic", "cellar"}},
		{"climate", "sensor", 10, []string{"a", "b", "c"}},
		{"climate", "nobody", 10, nil},
		{"no such measurement", "room", 10, nil},
	} {
		got, err := s.source.TagValues(t.Context(), tt.measurement, tt.tag, tt.limit)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("at most %d values of %s of %s = %q, %v; want %q", tt.limit, tt.tag, tt.measurement, got, err, tt.want)
		}
	}
}

func (s suite) ping(t *testing.T) {
	version, err := s.source.Ping(t.Context())
	if err != nil || version == "" {
		t.Errorf("ping = %q, %v; want what answers", version, err)
	}
}
