package evaluator_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// verdicts evaluates a condition once over given points and writes what it
// says: "host=a bad 85" for each series.
func verdicts(t *testing.T, doc rules.Doc, known []rules.Series, points ...[]evaluator.Point) string {
	t.Helper()
	doc["title"], doc["measurement"], doc["field"], doc["group_by"] = "Test", "m", "f", "host"
	r, err := ruledoc.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	l := rules.OpenLedger(rules.Snapshot{Rule: r})
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var seen []rules.Observation
	for _, s := range known {
		seen = append(seen, rules.Observation{Series: s, Verdict: rules.Good, Value: 1})
	}
	l.Observe(rules.Setting{Now: now.Add(-10 * time.Minute)}, seen, nil)
	a := evaluator.Answer{Rule: &r, Points: points}
	if err := a.Compile(); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range evaluator.Evaluate(&a, l, now, nil) {
		out = append(out, fmt.Sprintf("%s %s %s", o.Series, o.Verdict, rules.FormatNumber(o.Value)))
	}
	return strings.Join(out, "; ")
}

func pt(series string, value float64) evaluator.Point {
	return evaluator.Point{Series: rules.Series(series), Value: value}
}

// TestTheLastValueCountsUntilItIsStale: where the window of a series is empty.
func TestTheLastValueCountsUntilItIsStale(t *testing.T) {
	doc := rules.Doc{"condition": rules.Doc{"operator": ">", "value": 80.0, "aggregation": "mean", "stale_after": "1d"}}
	got := verdicts(t, doc, nil, []evaluator.Point{pt("host=a", 70)},
		[]evaluator.Point{pt("host=a", 90), pt("host=b", 91), pt("host=c", 9)})
	if want := "host=a good 70; host=b bad 91; host=c good 9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestVerdicts(t *testing.T) {
	nan := math.NaN()
	above := func(more rules.Doc) rules.Doc {
		c := rules.Doc{"operator": ">", "value": 80.0, "aggregation": "mean"}
		for k, v := range more {
			c[k] = v
		}
		return rules.Doc{"condition": c}
	}
	input := rules.Doc{"measurement": "m", "field": "f"}
	expression := func(expr string) rules.Doc {
		return rules.Doc{"condition": rules.Doc{"expr": expr, "inputs": rules.Doc{"cpu": input, "idle": input}}}
	}
	for _, tt := range []struct {
		name   string
		doc    rules.Doc
		known  []rules.Series
		points [][]evaluator.Point
		want   string
	}{
		{
			"a threshold compares", above(nil), nil,
			[][]evaluator.Point{{pt("host=a", 85), pt("host=b", 80), pt("host=c", nan)}},
			"host=a bad 85; host=b good 80; host=c none NaN",
		},
		{
			"between recover and value it lingers", above(rules.Doc{"recover": 70.0}), nil,
			[][]evaluator.Point{{pt("host=a", 75), pt("host=b", 70)}},
			"host=a lingering 75; host=b good 70",
		},
		{
			"change is the difference", above(rules.Doc{"type": "change", "ago": "1d"}), nil,
			[][]evaluator.Point{{pt("host=a", 100), pt("host=b", 100)}, {pt("host=a", 10), pt("host=b", 90)}},
			"host=a bad 90; host=b good 10",
		},
		{
			"change in percent of what was", above(rules.Doc{"type": "change", "ago": "1d", "percent": true}), nil,
			[][]evaluator.Point{{pt("host=a", 20), pt("host=b", -5)}, {pt("host=a", 10), pt("host=b", -10)}},
			"host=a bad 100; host=b good 50",
		},
		{
			"percent of 0, and without a past, is no value", above(rules.Doc{"type": "change", "ago": "1d", "percent": true}),
			nil,
			[][]evaluator.Point{{pt("host=a", 20), pt("host=b", 1)}, {pt("host=a", 0)}},
			"host=a none NaN; host=b none NaN",
		},
		{
			"absence: who is here is good, who is known and not here is without data, who is expected is bad",
			rules.Doc{"condition": rules.Doc{"type": "absence", "window": "5m", "expect": []any{rules.Doc{"host": "c"}}}},
			[]rules.Series{"host=a", "host=b"},
			[][]evaluator.Point{{pt("host=a", 1)}},
			"host=a good 0; host=b none 600; host=c bad NaN",
		},
		{
			"an expression joins on labels", expression("cpu > 80 and idle < 5"), nil,
			[][]evaluator.Point{{pt("host=a", 90), pt("host=b", 90)}, {pt("host=a", 1), pt("host=b", 50)}},
			"host=a bad 90; host=b good 90",
		},
		{
			"a missing input is no value", expression("cpu > 80 or idle < 5"), nil,
			[][]evaluator.Point{{pt("host=a", 90)}, {pt("host=b", 1)}},
			"host=a none NaN; host=b none NaN",
		},
		{
			"an input without labels stands for all", expression("cpu > idle"), nil,
			[][]evaluator.Point{{pt("host=a", 90), pt("host=b", 10)}, {pt("host=", 50)}},
			"host=a bad 90; host=b good 10",
		},
		{
			"division by zero is no value", expression("cpu / idle > 1 or cpu % idle > 1"), nil,
			[][]evaluator.Point{{pt("host=a", 90), pt("host=b", 90)}, {pt("host=a", 0), pt("host=b", 10)}},
			"host=a none NaN; host=b bad 9",
		},
		{
			"not even where it would not matter", expression("true or 1 / (idle - 1) > 0"), nil,
			[][]evaluator.Point{{pt("host=a", 1)}, {pt("host=a", 2)}},
			"host=a bad NaN",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := verdicts(t, tt.doc, tt.known, tt.points...); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestForecastSeesThroughNonsense: a disk that fills is foreseen although a
// fifth of its points are nonsense; one that does not is not.
func TestForecastSeesThroughNonsense(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	series := func(host string, at func(i int) float64) (out []evaluator.Point) {
		for i := range 48 {
			v := at(i)
			if i%5 == 0 {
				v = 1000 * float64(i%2*2-1)
			}
			out = append(out, evaluator.Point{
				Series: rules.Series("host=" + host), Value: v,
				At: now.Add(-time.Duration(47-i) * 450 * time.Second),
			})
		}
		return out
	}
	fills := series("fills", func(i int) float64 { return 50 + 40*float64(i)/47 }) // 6.7 an hour, now 90
	still := series("still", func(i int) float64 { return 90 + float64(i%3) })
	doc := rules.Doc{"condition": rules.Doc{
		"type": "forecast", "window": "6h", "horizon": "4h", "operator": ">=",
		"value": 95.0,
	}}
	got := verdicts(t, doc, nil, append(append(fills, still...), pt("host=young", 99)))
	if !strings.HasPrefix(got, "host=fills bad 117") || !strings.Contains(got, "host=still good 9") ||
		!strings.Contains(got, "host=young none NaN") {
		t.Errorf("got %s", got)
	}
	// What has reached its value already counts, wherever the line leads.
	falls := series("falls", func(i int) float64 { return 130 - 20*float64(i)/47 }) // now 110, in 4 h 97
	for operator, value := range map[string][]any{"outside": {0.0, 105.0}, "between": {105.0, 120.0}} {
		doc := rules.Doc{"condition": rules.Doc{
			"type": "forecast", "window": "6h", "horizon": "4h", "operator": operator,
			"value": value,
		}}
		if got := verdicts(t, doc, nil, falls); !strings.HasPrefix(got, "host=falls bad 110") {
			t.Errorf("%s: got %s", operator, got)
		}
	}
}

// TestExpressionsSeeOnlyTheirInputs: what is not arithmetic over the inputs is
// refused, and names what is possible.
func TestExpressionsSeeOnlyTheirInputs(t *testing.T) {
	for _, text := range []string{
		"env > 1", "now() > 1", "cpu.x > 1", "[1,2][0] > cpu", "map(1..1000000000, # * cpu)[0] > 1", "1..2 == cpu",
		"cpu in [1]",
		`"a" + "b" == "ab"`, "cpu > 80; cpu > 1", "let x = 1; x > cpu", "cpu", "cpu >", strings.Repeat("cpu + ", 300) +
			"1 > 2", "repeat(\"a\", 100000000) == \"\"", "cpu matches \"a\"",
	} {
		c := rules.Condition{Type: rules.Expression, Expr: text, Inputs: map[string]rules.Input{"cpu": {}}}
		if err := evaluator.CheckCondition(c); rules.CodeOf(err) != rules.Invalid ||
			!strings.Contains(err.Error(), "for example") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"cpu > 80", "cpu * 2 - 1 >= abs(-3) and not (cpu == 4)", "(cpu > 1 ? cpu : 0) != 2",
		"cpu ^ 2 < 3 || !(cpu > 1)", "round(cpu / 3) > 1",
	} {
		c := rules.Condition{Type: rules.Expression, Expr: text, Inputs: map[string]rules.Input{"cpu": {}}}
		if err := evaluator.CheckCondition(c); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// meddled is a store in which somebody else acts between decision and commit.
type meddled struct {
	evaluator.Store
	before func()
	moved  func() error             // nil is no error
	load   func(ids []string) error // likewise
	save   func() error             // likewise
}

func (m *meddled) Moved(ctx context.Context) (evaluator.Moved, error) {
	if m.moved != nil {
		if err := m.moved(); err != nil {
			return evaluator.Moved{}, err
		}
	}
	return m.Store.Moved(ctx)
}

func (m *meddled) Load(ctx context.Context, ids ...string) ([]*rules.Ledger, error) {
	if m.load != nil {
		if err := m.load(ids); err != nil {
			return nil, err
		}
	}
	return m.Store.Load(ctx, ids...)
}

func (m *meddled) Save(ctx context.Context, batch []*rules.Ledger, again func(*rules.Ledger) error) error {
	if act := m.before; act != nil {
		m.before = nil
		act()
	}
	if m.save != nil {
		if err := m.save(); err != nil {
			return err
		}
	}
	return m.Store.Save(ctx, batch, again)
}

// TestAnAckBetweenDecideAndCommit: the tick's decision is made again on the
// acknowledged ledger, so neither act is lost.
func TestAnAckBetweenDecideAndCommit(t *testing.T) {
	h := newHouse(t)
	doc := hotRule()
	doc["for"], doc["remind"] = "0s", "1m"
	r := h.rule(doc)
	h.tick("temperature,sensor=a celsius=-2")
	h.wantOwed(rules.FirstNews)
	other := *h
	other.open(false)
	var alert string
	h.view(func(a *rules.Alert) { alert = a.ID })
	h.meddle(func() {
		err := other.ledgers.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
			return l.Acknowledge(s, alert, rules.Acknowledgement{By: rules.Actor{Name: "anna", Door: "mcp"}})
		})
		if err != nil {
			t.Error(err)
		}
	})
	h.tick("temperature,sensor=a celsius=-2")
	h.tick("temperature,sensor=a celsius=-2") // a reminder would be due: it is decided, then refused by the ack
	h.view(func(a *rules.Alert) {
		if a.Status() != rules.StatusAcknowledged || a.Ack.By.Name != "anna" {
			t.Errorf("the alert is %s by %+v", a.Status(), a.Ack)
		}
	})
	h.wantOwed()
}

// TestLatePoints: a point that arrives after its tick neither fires nor
// resolves twice; with a delay it is in time.
func TestLatePoints(t *testing.T) {
	h := newHouse(t)
	doc := hotRule()
	doc["for"] = "0s"
	h.rule(doc)
	h.tick("temperature,sensor=a celsius=-2")
	h.wantOwed(rules.FirstNews)
	h.tick("temperature,sensor=a celsius=-18")
	h.wantOwed(rules.Resolved)
	late := fmt.Appendf(nil, "temperature,sensor=a celsius=90 %d", h.now.Add(-45*time.Second).UnixNano())
	if err := h.points.Write(late, time.Nanosecond, h.now); err != nil {
		t.Fatal(err)
	}
	h.tick("temperature,sensor=a celsius=-18")
	h.wantOwed()
}

// TestVerdictsOfLevelsAndTexts: a level that is reached is bad, whatever the
// operator says; a series without text has no value.
func TestVerdictsOfLevelsAndTexts(t *testing.T) {
	levels := rules.Doc{
		"condition": rules.Doc{"operator": ">", "value": 80.0, "aggregation": "mean"},
		"levels":    []any{rules.Doc{"value": 90.0, "severity": "critical"}},
	}
	if got, want := verdicts(t, levels, nil, []evaluator.Point{pt("host=a", 95), pt("host=b", 85), pt("host=c", 80)}),
		"host=a bad 95; host=b bad 85; host=c good 80"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h := newHouse(t)
	h.rule(with(hotNow(), rules.Doc{"severity": "low", "levels": []any{rules.Doc{"value": 0.0, "severity": "critical"}}}))
	h.tick(warm)
	h.wantOwed(rules.FirstNews)
	h.view(func(a *rules.Alert) {
		if a.Level != 0 || a.Severity != "low" {
			t.Errorf("at -2 its level is %d, %s", a.Level, a.Severity)
		}
	})
	h.tick("temperature,sensor=a celsius=20")
	h.wantOwed(rules.Worsened)
	texts := rules.Doc{"condition": rules.Doc{"operator": "==", "value": "open", "aggregation": "latest"}}
	open := evaluator.Point{Series: "host=a", Value: math.NaN(), Text: "open", IsText: true}
	if got, want := verdicts(t, texts, nil, []evaluator.Point{open, pt("host=b", 1)}),
		"host=a bad NaN; host=b good 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// An empty text is a value, and a number is none of the texts.
	empty := evaluator.Point{Series: "host=c", Value: math.NaN(), IsText: true}
	null := evaluator.Point{Series: "host=d", Value: math.NaN()}
	for _, tt := range []struct{ operator, value, want string }{
		{"==", "open", "host=c good NaN; host=d none NaN; host=e good 1"},
		{"!=", "open", "host=c bad NaN; host=d none NaN; host=e bad 1"},
		{"==", "", "host=c bad NaN; host=d none NaN; host=e good 1"},
		{"!=", "", "host=c good NaN; host=d none NaN; host=e bad 1"},
		{"==", "01", "host=c good NaN; host=d none NaN; host=e bad 1"},
	} {
		doc := rules.Doc{"condition": rules.Doc{"operator": tt.operator, "value": tt.value, "aggregation": "latest"}}
		if got := verdicts(t, doc, nil, []evaluator.Point{empty, null, pt("host=e", 1)}); got != tt.want {
			t.Errorf("%s %q: got %s, want %s", tt.operator, tt.value, got, tt.want)
		}
	}
	modulo := rules.Doc{"condition": rules.Doc{"expr": "cpu % idle > 1", "inputs": rules.Doc{
		"cpu": rules.Doc{"measurement": "m", "field": "f"}, "idle": rules.Doc{"measurement": "m", "field": "f"},
	}}}
	if got, want := verdicts(t, modulo, nil, []evaluator.Point{pt("host=a", 90)}, []evaluator.Point{pt("host=a", 0)}),
		"host=a none NaN"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestALineNeedsSixPoints, and is laid through the middle of them.
func TestALineNeedsSixPoints(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	line := func(values ...float64) (out []evaluator.Point) {
		for i, v := range values {
			out = append(out,
				evaluator.Point{Series: "host=a", Value: v, At: now.Add(-time.Duration(len(values)-1-i) * time.Hour)})
		}
		return out
	}
	for _, tt := range []struct {
		operator string
		value    any
		points   []evaluator.Point
		want     string
	}{
		{">=", 100.0, line(1, 2, 3, 4, 5), "host=a none NaN"},
		{">=", 100.0, line(1, 2, 3, 4, 5, 6), "host=a good 10"},
		{"<=", -100.0, line(1, 2, 3, 4, 5, 6), "host=a good 6"},
		{">=", 100.0, line(1, 2, 3, math.NaN(), 5, 6, 7), "host=a good 11"},
		{">=", 100.0, line(0, 4, 0, 4, 0, 4), "host=a good 2"}, // level, between its middle two
		{">=", 100.0, line(1, 5, 2, 6, 3, 8), "host=a good 9.125"},
		// Which of now, 80, and then, 104, is farther from the middle, 97.5.
		{"outside", []any{90.0, 105.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 80"},
		{"outside", []any{90.0, 95.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 80"},
		{"outside", []any{60.0, 85.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 104"},
		{"outside", []any{90.0, 94.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 104"}, // both are as far
	} {
		doc := rules.Doc{"condition": rules.Doc{
			"type": "forecast", "window": "6h", "horizon": "4h", "operator": tt.operator,
			"value": tt.value,
		}}
		if got := verdicts(t, doc, nil, tt.points); got != tt.want {
			t.Errorf("%s %v of %v: got %s, want %s", tt.operator, tt.value, tt.points, got, tt.want)
		}
	}
}

// TestAForecastAsksForWholeSeconds: 48 means of its window, each a second long at
// least.
func TestAForecastAsksForWholeSeconds(t *testing.T) {
	for window, want := range map[string]time.Duration{
		"6h": 450 * time.Second, "30s": time.Second,
		"5m": 6 * time.Second,
	} {
		h := newHouse(t)
		source := &sourcetest.Asking{Source: h.points}
		h.source = source
		h.restart()
		h.rule(rules.Doc{
			"title": "Full", "measurement": "m", "field": "f",
			"condition": rules.Doc{"type": "forecast", "window": window, "horizon": "4h", "operator": ">=", "value": 95.0},
		})
		h.tick()
		if q := source.Asked[0]; q.Step != want || q.To.Sub(q.From)%q.Step != 0 {
			t.Errorf("%s is asked for in steps of %s over %s, want %s", window, q.Step, q.To.Sub(q.From), want)
		}
	}
}

// TestInputsAreFilteredAsTheirRule, and by what they say themselves.
func TestInputsAreFilteredAsTheirRule(t *testing.T) {
	h := newHouse(t)
	input := func(more rules.Doc) rules.Doc {
		return with(rules.Doc{"measurement": "m", "field": "f", "aggregation": "max", "window": "1m"}, more)
	}
	h.rule(rules.Doc{"title": "Both", "where": rules.Doc{"host": "a"}, "condition": rules.Doc{
		"expr": "x > 5 and y > 5", "inputs": rules.Doc{
			"x": input(nil),
			"y": input(rules.Doc{"where": rules.Doc{"dc": "d1"}}),
		},
	}})
	h.tick("m,host=b,dc=d1 f=9", "m,host=a,dc=d1 f=1", "m,host=a,dc=d2 f=9")
	h.wantOwed()
	h.tick("m,host=a,dc=d1 f=9")
	h.wantOwed(rules.FirstNews)
}
