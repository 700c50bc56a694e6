package backtest_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

var figuresBegin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// recorded holds points for a trial, ten seconds apart, as fields of m by host;
// "-" is none.
func recorded(t *testing.T, hosts map[string]string) *evaluator.Data {
	t.Helper()
	var lines strings.Builder
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		for i, value := range strings.Fields(hosts[host]) {
			if value != "-" {
				fmt.Fprintf(&lines, "m,host=%s f=%s %d\n", host, value,
					figuresBegin.Add(time.Duration(i+1)*10*time.Second).UnixNano())
			}
		}
	}
	data, err := live.ReadData(strings.NewReader(lines.String()), evaluator.DataForm{Measurement: "m"})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func recordedRule(t *testing.T, condition, more rules.Doc) rules.Rule {
	t.Helper()
	doc := rules.Doc{
		"title": "t", "measurement": "m", "field": "f", "group_by": "host",
		"every": "10s", "condition": condition,
	}
	maps.Copy(doc, more)
	r, err := ruledoc.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ticksOf are n ticks ten seconds apart.
func ticksOf(n int) (out []time.Time) {
	for i := range n {
		out = append(out, figuresBegin.Add(time.Duration(i+1)*10*time.Second))
	}
	return out
}

// TestATrialsFigures: how many values there were, the worst at the last tick, and
// the value that the condition could have had without firing.
func TestATrialsFigures(t *testing.T) {
	data := recorded(t, map[string]string{"a": "3 9 5 7", "b": "4 4 4 4"})
	nan := math.NaN()
	for _, tt := range []struct {
		operator    string
		value       any
		wait        string
		last, quiet float64
	}{
		{">", 100.0, "0s", 7, 9},
		{">=", 100.0, "0s", 7, 9},
		{"<", -100.0, "0s", 4, 3},
		{"<=", -100.0, "0s", 4, 3},
		{">", 100.0, "10s", 7, 5},
		{">=", 100.0, "10s", 7, 5},
		{"<", -100.0, "10s", 4, 4},
		{"<=", -100.0, "10s", 4, 4},
		{">", 100.0, "1h", 7, nan},
		{"==", 100.0, "0s", 7, nan},
		{"!=", 4.0, "0s", 7, nan},
		{"outside", []any{-100.0, 100.0}, "0s", 7, nan},
	} {
		t.Run(tt.operator+" for "+tt.wait, func(t *testing.T) {
			r := recordedRule(t, rules.Doc{"aggregation": "max", "window": "10s", "operator": tt.operator, "value": tt.value},
				rules.Doc{"for": tt.wait})
			got, err := backtest.Trial{Rule: r, Source: data.Source, Ticks: ticksOf(4)}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Values != 8 || got.Series != 2 || got.Last != tt.last || fmt.Sprint(got.Quiet) != fmt.Sprint(tt.quiet) {
				t.Errorf("got %+v, want last %v, quiet %v", *got, tt.last, tt.quiet)
			}
		})
	}
}

// seen lists what a trial made of each tick: the value of the first host and its
// state.
func seen(t *testing.T, trial backtest.Trial) string {
	t.Helper()
	var out []string
	trial.Verdict = func(v backtest.Verdict) {
		text := rules.FormatNumber(v.Value)
		if v.Score == 1 {
			text += "!"
		}
		if v.State == rules.Firing {
			text += "*"
		}
		out = append(out, text)
	}
	if _, err := trial.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// TestATrialsWindows: every aggregation is that of the points in (tick-window,
// tick], however the past is read.
func TestATrialsWindows(t *testing.T) {
	odd := ticksOf(6)
	odd[3] = odd[3].Add(5 * time.Second)
	for _, tt := range []struct {
		name, how, window, points, want string
		ticks                           []time.Time
		delay                           time.Duration
	}{
		{"windows of whole steps", "mean", "20s", "1 3 5 9 17 33", "1 2 4 7!* 13!* 25!*", nil, 0},
		{"with holes", "sum", "20s", "1 - - 9 - 33", "1 1 9!* 9!* 33!*", nil, 0},
		{"longer ones", "sum", "30s", "1 2 4 8 16 32 64", "1 3 7!* 14!* 28!* 56!* 112!*", nil, 0},
		{"no whole steps", "sum", "25s", "1 2 4 8 16 32", "1 3 7!* 14!* 28!* 56!*", nil, 0},
		{"not mergeable", "p50", "20s", "1 3 5 9 17 33", "1 1 3 5 9!* 17!*", nil, 0},
		{"one step", "sum", "10s", "1 2 4 8 16 32", "1 2 4 8!* 16!* 32!*", nil, 0},
		{"ticks at odd times", "sum", "20s", "1 2 4 8 16 32", "1 3 6!* 12!* 24!*", odd[:5], 0},
		{"the first", "first", "20s", "1 2 4 8 16 32", "1 1 2 4 8!* 16!*", nil, 0},
		{"a delay", "sum", "20s", "1 2 4 8 16 32", "1 3 6!* 12!* 24!*", nil, 10 * time.Second},
		{"a count of nothing", "count", "10s", "1 - 1 - 1 1", "1 0 1 0 1 1", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := recorded(t, map[string]string{"a": tt.points})
			r := recordedRule(t, rules.Doc{"aggregation": tt.how, "window": tt.window, "operator": ">", "value": 5.0}, nil)
			ticks := tt.ticks
			if ticks == nil {
				ticks = ticksOf(len(strings.Fields(tt.points)))
			}
			got := seen(t, backtest.Trial{Rule: r, Source: data.Source, Ticks: ticks, Delay: tt.delay})
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestATrialOfText judges texts as live, and tells how far it is.
func TestATrialOfText(t *testing.T) {
	data := recorded(t, map[string]string{"a": `"ok" "open" "open" "ok"`})
	r := recordedRule(t, rules.Doc{"aggregation": "latest", "window": "20s", "operator": "==", "value": "open"}, nil)
	var far []float64
	trial := backtest.Trial{Rule: r, Source: data.Source, Ticks: ticksOf(4), Progress: func(done float64) {
		far = append(far, done)
	}}
	got, err := trial.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Values != 4 || len(got.Episodes) != 1 || !got.Episodes[0].StartedAt.Equal(ticksOf(2)[1]) ||
		!got.Episodes[0].ResolvedAt.Equal(ticksOf(4)[3]) {
		t.Errorf("got %+v", *got)
	}
	if len(far) == 0 || far[len(far)-1] != 1 {
		t.Errorf("progress %v, want it to end at 1", far)
	}
	source := &sourcetest.Asking{Source: data.Source}
	r.Condition.Window = rules.Duration(10 * time.Second)
	if _, err := (backtest.Trial{Rule: r, Source: source, Ticks: ticksOf(4)}).Run(t.Context()); err != nil ||
		len(source.Asked) != 1 {
		t.Errorf("texts of one step took %d queries, %v", len(source.Asked), err)
	}
}

// TestHowMuchATrialReadsAtATime: sixteen times as much as before, or what a slow
// source answers in five seconds, or a million values.
func TestHowMuchATrialReadsAtATime(t *testing.T) {
	many := map[string]string{}
	for i := range 2000 {
		many[fmt.Sprint(i)] = "1"
	}
	for _, tt := range []struct {
		name  string
		hosts map[string]string
		takes time.Duration
		want  []int
	}{
		{"a quick source", map[string]string{"a": "1 2"}, 0, []int{256, 4096, 9}},
		{"a slow source", map[string]string{"a": "1 2"}, 10 * time.Second, []int{256, 128, 64, 9}},
		{"many series", many, 0, []int{256, 499, 9}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, n := recorded(t, tt.hosts), 0
			for _, part := range tt.want {
				n += part
			}
			r := recordedRule(t, rules.Doc{"aggregation": "max", "window": "10s", "operator": ">", "value": 5.0}, nil)
			var got []int
			before := 0.0
			synctest.Test(t, func(t *testing.T) {
				source := &sourcetest.Paced{Source: data.Source, Takes: tt.takes}
				trial := backtest.Trial{Rule: r, Source: source, Ticks: ticksOf(n), Progress: func(done float64) {
					got, before = append(got, int(math.Round((done-before)*float64(n)))), done
				}}
				if _, err := trial.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
			if !slices.Equal(got, tt.want) {
				t.Errorf("read %v ticks at a time, want %v", got, tt.want)
			}
		})
	}
}

// TestTheMostTicksOfATrial is 1,100,000.
func TestTheMostTicksOfATrial(t *testing.T) {
	for n, many := range map[int]bool{1_100_000: false, 1_100_001: true} {
		refused := rules.Condition{Type: rules.Expression, Expr: "("} // once the ticks are known
		trial := backtest.Trial{
			Rule: rules.Rule{Every: "1s", Condition: refused},
			From: figuresBegin, To: figuresBegin.Add(time.Duration(n) * time.Second),
		}
		_, err := trial.Run(t.Context())
		if got := strings.Contains(fmt.Sprint(err), "more than 1100000 ticks"); err == nil || got != many {
			t.Errorf("%d ticks: %v", n, err)
		}
	}
}

// gauged are n ticks of which each lies against the hour in one of some ways.
func gauged(n, ways int) (out []time.Time) {
	for i := range n {
		out = append(out, figuresBegin.Add(time.Duration(i/ways)*time.Hour+time.Duration(i%ways)*10*time.Second))
	}
	return out
}

// TestAPastIsReadWithFewQueries: what can be merged in one, else one for each
// offset of the ticks against the windows, and only ticks without a rhythm each by
// itself.
func TestAPastIsReadWithFewQueries(t *testing.T) {
	odd := ticksOf(4)
	odd[1], odd[2] = odd[1].Add(time.Second), odd[2].Add(3*time.Second)
	for _, tt := range []struct {
		how, window string
		ticks       []time.Time
		want        int
	}{
		{"mean", "1m", ticksOf(200), 1},
		{"latest", "1m", ticksOf(200), 1},
		{"p95", "1m", ticksOf(200), 6},
		{"p95", "20s", ticksOf(4), 2},
		{"mean", "25s", ticksOf(200), 5},
		{"mean", "20s", odd, 4},
		{"mean", "20s", ticksOf(2), 1},
		{"p95", "1h", gauged(256, 240), 240},
		{"p95", "1h", gauged(256, 241), 256},
		{"p95", "1h", slices.Concat(gauged(256, 1), gauged(964, 241)), 1 + 241},
		{"p95", "1h", slices.Concat(gauged(256, 1), gauged(963, 241)), 1 + 963},
	} {
		data := recorded(t, map[string]string{"a": "1 2 3 4"})
		source := &sourcetest.Asking{Source: data.Source}
		r := recordedRule(t, rules.Doc{"aggregation": tt.how, "window": tt.window, "operator": ">", "value": 5.0}, nil)
		synctest.Test(t, func(t *testing.T) { // the source takes no time
			if _, err := (backtest.Trial{Rule: r, Source: source, Ticks: tt.ticks}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		if got := len(source.Asked); got != tt.want {
			t.Errorf("%s over %s at %d ticks took %d queries, want %d", tt.how, tt.window, len(tt.ticks), got, tt.want)
		}
		if source.Idle > 0 {
			t.Errorf("%s over %s at %d ticks: asked for nothing %d times", tt.how, tt.window, len(tt.ticks), source.Idle)
		}
	}
}

// TestATrialThatIsRefused says what was asked, and tries nothing smaller.
func TestATrialThatIsRefused(t *testing.T) {
	data := recorded(t, map[string]string{"a": "1 2 3 4"})
	for code, want := range map[rules.Code]string{
		rules.Invalid: "no such field; asked was p95 of m.f over 1m, at 4 ticks from 2026-03-02T12:00:10Z to " +
			"2026-03-02T12:00:40Z",
		rules.Internal: "read the past, asked was p95 of m.f over 1m",
	} {
		source := &sourcetest.Asking{Source: data.Source, Err: rules.Errorf(code, "no such field")}
		r := recordedRule(t, rules.Doc{"aggregation": "p95", "window": "1m", "operator": ">", "value": 5.0}, nil)
		_, err := backtest.Trial{Rule: r, Source: source, Ticks: ticksOf(4)}.Run(t.Context())
		if rules.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %q", code, err, want)
		}
		if len(source.Asked) > 6 {
			t.Errorf("%s: asked %d queries", code, len(source.Asked))
		}
	}
}

// TestATrialOfAStatement asks it at each tick, less the source's delay.
func TestATrialOfAStatement(t *testing.T) {
	r := recordedRule(t, rules.Doc{
		"type": "query", "language": "influxql",
		"text": "SELECT v FROM m WHERE time > $from AND time <= $to", "column": "v", "operator": ">", "value": 15.0,
		"window": "1m",
	}, rules.Doc{"measurement": nil, "field": nil})
	source := sourcetest.Speaker{Source: live.New(live.Options{})}
	trial := backtest.Trial{Rule: r, Source: source, Ticks: ticksOf(3)}
	if got, want := seen(t, trial), "10 NaN 20!* NaN 30!* NaN"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	trial.Delay = 5 * time.Second
	if got, want := seen(t, trial), "5 NaN 15 NaN 25!* NaN"; got != want {
		t.Errorf("with a delay: got %s, want %s", got, want)
	}
	trial.Source = sourcetest.Speaker{Err: rules.Errorf(rules.Invalid, "no such table")}
	if _, err := trial.Run(t.Context()); rules.CodeOf(err) != rules.Invalid ||
		!strings.Contains(fmt.Sprint(err), "2026-03-02T12:00:10Z") {
		t.Errorf("refused with %v", err)
	}
	trial.Source = live.New(live.Options{})
	if _, err := trial.Run(t.Context()); rules.CodeOf(err) != rules.Invalid {
		t.Errorf("a source that takes none: %v", err)
	}
	series, values, err := evaluator.TryStatement(t.Context(), source, &r, figuresBegin)
	if series != 2 || values != 1 || err != nil {
		t.Errorf("tried: %d series, %d values, %v; want 2, 1", series, values, err)
	}
	if _, _, err := evaluator.TryStatement(t.Context(), live.New(live.Options{}), &r,
		figuresBegin); rules.CodeOf(err) != rules.Invalid {
		t.Errorf("tried on a source that takes none: %v", err)
	}
}
