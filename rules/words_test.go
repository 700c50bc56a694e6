package rules_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

func TestDurationsAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"90s": "1m30s", "1h30m": "1h30m", "2d": "2d", "14d": "2w", "1.5h": "1h30m", "5 minutes": "5m",
		"1 hour, 5 min":     "1h5m",
		"1 Day and 2 hours": "1d2h", "0": "0s", "0s": "0s", "250ms": "250ms", "3us": "3us", "3µs": "3us", "1w1d": "8d",
		" 5m ": "5m",
		// half of what an int64 holds
		"200d3ns": "200d3ns", "53375d23h53m38s427ms387us903ns": "53375d23h53m38s427ms387us903ns",
		"4611686018427387903ns": "53375d23h53m38s427ms387us903ns", "35000.5d": "35000d12h",
	} {
		d, err := rules.ParseDuration(text)
		if err != nil || d.String() != want {
			t.Errorf("%q is %s (%v), want %s", text, d, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "5", "m", "-5m", "5 years", "1mo", "5m!", "1e3s", "99999999999999999999w", "200000w",
		"9999999999999999999.5w", "30m,2h", "30m2h", "5m 5m", "1.5 years",
		"53375d23h53m38s427ms387us904ns", "4611686018427387904ns", "4611686018427387904.0ns",
	} {
		if d, err := rules.ParseDuration(text); err == nil {
			t.Errorf("%q was taken as %s", text, d)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, text := range []string{"90s", "1h30m", "1.5h", "106751d23h47m16s854ms775us807ns", "5 minutes and 3 s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := rules.ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := rules.ParseDuration(d.String()); err != nil || again != d || d < 0 {
			t.Errorf("%q is %d, printed %s, read again %d (%v)", text, d, d, again, err)
		}
	})
}

func TestSeriesText(t *testing.T) {
	for _, tt := range []struct {
		labels rules.Labels
		want   rules.Series
	}{
		{nil, ""},
		{rules.Labels{"room": "b", "host": "a"}, "host=a,room=b"},
		{rules.Labels{"a": `x,y=z\`}, `a=x\,y\=z\\`},
		{rules.Labels{"a": ""}, "a="},
		{rules.Labels{"a": "x", "b": `y\`}, `a=x,b=y\\`},
	} {
		if got := rules.SeriesOf(tt.labels); got != tt.want {
			t.Errorf("SeriesOf(%v) = %q, want %q", tt.labels, got, tt.want)
		}
	}
	s := rules.SeriesOf(rules.Labels{"a": "1,2", "b": "=", "c": ""})
	if s.Label("a") != "1,2" || s.Label("b") != "=" || s.Label("z") != "" {
		t.Errorf("labels of %q: %q %q %q", s, s.Label("a"), s.Label("b"), s.Label("z"))
	}
	if got := rules.Series(`a=b\`).Label("a"); got != `b\` {
		t.Errorf("a backslash that escapes nothing is read as %q", got)
	}
	if got := s.Only([]string{"b", "z"}); got != `b=\=` {
		t.Errorf("Only(b) = %q", got)
	}
	if got := s.Only(nil); got != "" {
		t.Errorf("Only() = %q", got)
	}
}

func FuzzSeries(f *testing.F) {
	f.Add("host", "a", "room", "b")
	f.Add(`a\,`, `=,\`, "", "")
	f.Add("a,", "=", "a", ",=")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		labels := rules.Labels{n1: v1, n2: v2}
		s := rules.SeriesOf(labels)
		if got := s.Labels(); !reflect.DeepEqual(got, labels) {
			t.Errorf("%q came back as %q by way of %q", labels, got, s)
		}
		if got := s.Label(n1); got != labels[n1] {
			t.Errorf("label %q of %q is %q, want %q", n1, s, got, labels[n1])
		}
		if got := s.Only([]string{n1, n2}); got != s {
			t.Errorf("Only of all of %q is %q", s, got)
		}
	})
}

func TestOperators(t *testing.T) {
	span := rules.Value{Kind: rules.Range, Low: 2, High: 8}
	five := rules.Num(5)
	for _, tt := range []struct {
		operator rules.Operator
		value    rules.Value
		yes, no  []float64
	}{
		{rules.Above, five, []float64{5.1}, []float64{5, 4}},
		{rules.AtLeast, five, []float64{5, 6}, []float64{4.9}},
		{rules.Below, five, []float64{4.9}, []float64{5, 6}},
		{rules.AtMost, five, []float64{5, 4}, []float64{5.1}},
		{rules.Equal, five, []float64{5}, []float64{4}},
		{rules.Unequal, five, []float64{4}, []float64{5}},
		{rules.Between, span, []float64{2, 5, 8}, []float64{1.9, 8.1}},
		{rules.Outside, span, []float64{1.9, 8.1}, []float64{2, 5, 8}},
		{rules.Equal, rules.Value{Kind: rules.Text, Text: "open"}, nil, []float64{0, 1}},
		{"~", five, nil, []float64{5}},
	} {
		for _, x := range tt.yes {
			if !tt.operator.Holds(x, tt.value) {
				t.Errorf("%v %s %s does not hold", x, tt.operator, tt.value)
			}
		}
		for _, x := range append(tt.no, math.NaN()) {
			if tt.operator.Holds(x, tt.value) {
				t.Errorf("%v %s %s holds", x, tt.operator, tt.value)
			}
		}
	}
}

func TestTextIsComparedAsText(t *testing.T) {
	text := func(o rules.Operator, v any) rules.Condition {
		r, err := ruledoc.Parse(rules.Doc{
			"title": "t", "measurement": "m", "field": "f",
			"condition": map[string]any{"operator": string(o), "value": v},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Condition
	}
	for _, tt := range []struct {
		operator rules.Operator
		value    any
		seen     string
		want     rules.Verdict
	}{
		{rules.Equal, "open", "open", rules.Bad},
		{rules.Equal, "open", "Open", rules.Good},
		{rules.Unequal, "ok", "failed", rules.Bad},
		{rules.Unequal, "ok", "ok", rules.Good},
		{rules.Equal, "404", "404", rules.Bad}, // read as a number
		{rules.Unequal, "200", "200", rules.Good},
		{rules.Unequal, "200", "none", rules.Bad},
	} {
		if got := text(tt.operator, tt.value).JudgeText(tt.seen); got != tt.want {
			t.Errorf("%q %s %v is %s, want %s", tt.seen, tt.operator, tt.value, got, tt.want)
		}
	}
}

func TestRecoverIsTheWayBack(t *testing.T) {
	c := rules.Condition{Operator: rules.Above, Value: rules.Num(-15), Recover: rules.Num(-17)}
	for x, want := range map[float64]rules.Verdict{
		-10: rules.Bad, -15: rules.NotRecovered, -16: rules.NotRecovered,
		-17: rules.Good, -20: rules.Good,
	} {
		if got := c.Judge(x); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
	if got := c.Judge(math.NaN()); got != rules.None {
		t.Errorf("null is %s, want none", got)
	}
}

func TestTheHighestLevelGivesTheSeverity(t *testing.T) {
	r := rules.Rule{
		Severity: rules.Medium, Condition: rules.Condition{Operator: rules.Above, Value: rules.Num(10)},
		Levels: []rules.Level{
			{Value: rules.Num(30), Severity: rules.Critical}, {Value: rules.Num(20), Severity: rules.High},
		},
	}
	for x, want := range map[float64]rules.Severity{15: rules.Medium, 25: rules.High, 35: rules.Critical} {
		if got := r.SeverityAt(r.LevelOf(x)); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
	if got := r.SeverityAt(9); got != rules.Medium {
		t.Errorf("a level that is gone is %s, want the rule's own", got)
	}
}

// A level may also warn before the rule's own value is reached; past that the
// rule's own severity counts, when it is the worse one.
func TestALevelBelowTheValueWarnsEarly(t *testing.T) {
	r := rules.Rule{
		Severity: rules.Critical, Condition: rules.Condition{Operator: rules.Above, Value: rules.Num(25)},
		Levels: []rules.Level{
			{Value: rules.Num(20), Severity: rules.Low},
			{Value: rules.Num(30), Severity: rules.Critical},
			{Value: rules.Num(40), Severity: rules.Low},
		},
	}
	for x, want := range map[float64]int{19: 0, 21: 1, 26: 0, 31: 2, 41: 2} {
		if got := r.LevelOf(x); got != want {
			t.Errorf("level of %v is %d (%s), want %d", x, got, r.SeverityAt(got), want)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for x, want := range map[float64]string{
		12.5: "12.5", -15: "-15", 1e6: "1000000", 1.23456789: "1.23457", 1234567.8: "1234570", 0: "0", 1e20: "1e+20",
		1e-9: "1e-09", math.Inf(1): "+Inf",
		1e15: "1e+15", 999e12: "999000000000000", 1e-6: "0.000001", -9e-7: "-9e-07",
	} {
		if got := rules.FormatNumber(x); got != want {
			t.Errorf("FormatNumber(%v) = %q, want %q", x, got, want)
		}
	}
}

func TestConditionsInWords(t *testing.T) {
	num := rules.Num(20)
	for want, c := range map[string]rules.Condition{
		"mean over 5m > 20": {
			Type: rules.Threshold, Aggregation: rules.Mean, Window: 5 * rules.Minute,
			Operator: rules.Above, Value: num,
		},
		"no point for 10m": {Type: rules.Absence, Window: 10 * rules.Minute},
		"mean over 5m against 1d ago > 20 %": {
			Type: rules.Change, Aggregation: rules.Mean, Window: 5 * rules.Minute,
			Ago: rules.Day, Percent: true, Operator: rules.Above, Value: num,
		},
		"will be >= 20 within 4h": {
			Type: rules.Forecast, Horizon: 4 * rules.Hour, Operator: rules.AtLeast,
			Value: num,
		},
		"does not fit its past (medium)": {Type: rules.Anomaly, Sensitivity: "medium"},
		"cpu > 80":                       {Type: rules.Expression, Expr: "cpu > 80"},
		`v of the query == "x"`: {
			Type: rules.Query, Column: "v", Operator: rules.Equal,
			Value: rules.Value{Kind: rules.Text, Text: "x"},
		},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestActiveTimes(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse("Mon 2006-01-02 15:04 MST", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, tt := range []struct {
		name    string
		active  *rules.Active
		yes, no []string
	}{
		{name: "none is always", yes: []string{"Mon 2026-03-02 03:00 UTC"}},
		{
			name: "days and hours, the end not included", active: &rules.Active{Days: "mon-fri", Hours: "07:00-22:00"},
			yes: []string{"Mon 2026-03-02 07:00 UTC", "Fri 2026-03-06 21:59 UTC"},
			no:  []string{"Mon 2026-03-02 06:59 UTC", "Fri 2026-03-06 22:00 UTC", "Sat 2026-03-07 12:00 UTC"},
		},
		{
			name: "a night belongs to the day on which it begins", active: &rules.Active{Days: "Friday", Hours: "22:00-06:00"},
			yes: []string{"Fri 2026-03-06 22:00 UTC", "Sat 2026-03-07 05:59 UTC"},
			no:  []string{"Fri 2026-03-06 05:00 UTC", "Sat 2026-03-07 06:00 UTC", "Sat 2026-03-07 23:00 UTC"},
		},
		{
			name: "days may go over the weekend", active: &rules.Active{Days: "sat-mon, wed"},
			yes: []string{
				"Sat 2026-03-07 00:00 UTC", "Sun 2026-03-08 12:00 UTC", "Mon 2026-03-09 23:59 UTC",
				"Wed 2026-03-11 12:00 UTC",
			},
			no: []string{"Tue 2026-03-10 12:00 UTC", "Thu 2026-03-12 12:00 UTC"},
		},
		{
			name:   "hours follow the zone through the change of the clocks",
			active: &rules.Active{Hours: "07:00-08:00", Zone: "Europe/Berlin"},
			yes:    []string{"Sat 2026-03-28 06:30 UTC", "Sun 2026-03-29 05:30 UTC"},
			no:     []string{"Sat 2026-03-28 05:30 UTC", "Sun 2026-03-29 06:30 UTC"},
		},
		{
			name: "a day ends at 24:00", active: &rules.Active{Hours: "20:00-24:00"},
			yes: []string{"Mon 2026-03-02 23:59 UTC"}, no: []string{"Tue 2026-03-03 00:00 UTC"},
		},
		{
			name: "a whole day in hours", active: &rules.Active{Days: "tue", Hours: "00:00-24:00"},
			yes: []string{"Tue 2026-03-03 00:00 UTC", "Tue 2026-03-03 23:59 UTC"},
			no:  []string{"Mon 2026-03-02 23:59 UTC", "Wed 2026-03-04 00:00 UTC"},
		},
		{
			name:   "an hour that comes twice does not begin or end it twice",
			active: &rules.Active{Hours: "01:00-02:30", Zone: "Europe/Berlin"},
			yes:    []string{"Sat 2026-10-24 23:00 UTC", "Sun 2026-10-25 00:29 UTC"},
			no:     []string{"Sat 2026-10-24 22:59 UTC", "Sun 2026-10-25 00:30 UTC", "Sun 2026-10-25 01:15 UTC"},
		},
		{
			name:   "one that begins in an hour that comes twice begins the first time",
			active: &rules.Active{Hours: "02:30-04:00", Zone: "Europe/Berlin"},
			yes:    []string{"Sun 2026-10-25 00:30 UTC", "Sun 2026-10-25 01:10 UTC", "Sun 2026-10-25 02:59 UTC"},
			no:     []string{"Sun 2026-10-25 00:29 UTC", "Sun 2026-10-25 03:00 UTC"},
		},
		{
			name:   "one that begins in an hour that is left out begins after it",
			active: &rules.Active{Hours: "02:30-04:00", Zone: "America/New_York"},
			yes:    []string{"Sun 2026-03-08 07:00 UTC", "Sun 2026-03-08 07:59 UTC"},
			no:     []string{"Sun 2026-03-08 06:59 UTC", "Sun 2026-03-08 08:00 UTC"},
		},
		{
			name:   "a night over the change of the clocks is one night",
			active: &rules.Active{Days: "sat", Hours: "22:00-07:00", Zone: "Europe/Berlin"},
			yes:    []string{"Sat 2026-03-28 21:00 UTC", "Sun 2026-03-29 01:00 UTC", "Sun 2026-03-29 04:59 UTC"},
			no:     []string{"Sat 2026-03-28 20:59 UTC", "Sun 2026-03-29 05:00 UTC", "Sun 2026-03-29 21:00 UTC"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, text := range tt.yes {
				if !tt.active.Covers(at(text)) {
					t.Errorf("%s is not covered", text)
				}
			}
			for _, text := range tt.no {
				if tt.active.Covers(at(text)) {
					t.Errorf("%s is covered", text)
				}
			}
		})
	}
}

func TestASilenceCovers(t *testing.T) {
	r := fever()
	r.Labels = rules.Labels{"team": "home"}
	whole := rules.Silence{From: noon, Until: noon.Add(time.Hour)}
	with := func(change func(*rules.Silence)) rules.Silence {
		s := whole
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name string
		s    rules.Silence
		at   time.Duration
		want bool
	}{
		{"everything without a matcher", whole, 0, true},
		{"nothing before its start", whole, -1, false},
		{"nothing at its end", whole, time.Hour, false},
		{"its rule", with(func(s *rules.Silence) { s.RuleID = "r1" }), 0, true},
		{"no other rule", with(func(s *rules.Silence) { s.RuleID = "r2" }), 0, false},
		{"a label of the series", with(func(s *rules.Silence) { s.Match = rules.Filter{"room": {"b", "a"}} }), 0, true},
		{"a label of the rule", with(func(s *rules.Silence) { s.Match = rules.Filter{"team": {"home"}} }), 0, true},
		{
			"not when one label differs",
			with(func(s *rules.Silence) { s.Match = rules.Filter{"team": {"home"}, "room": {"b"}} }), 0, false,
		},
		{
			"its times of the week",
			with(func(s *rules.Silence) { s.Weekly = &rules.Active{Days: "mon", Hours: "12:00-12:30"} }), 0, true,
		},
		{
			"no other times", with(func(s *rules.Silence) { s.Weekly = &rules.Active{Days: "mon", Hours: "12:00-12:30"} }),
			30 * time.Minute, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.s.Covers(&r, "room=a", rules.Low, noon.Add(tt.at)); got != tt.want {
				t.Errorf("covers = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	const text = "https://hooks.example/T0/abc"
	s := rules.NewSecret(text)
	holder := struct{ URL rules.Secret }{s}
	printed, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("channel", "url", s, "holder", holder)
	shown := []string{string(printed), log.String(), s.String(), s.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder))
	}
	for _, out := range shown {
		if strings.Contains(out, "hooks") || strings.Contains(out, "686f6f6b73") || !strings.Contains(out, "[set]") {
			t.Errorf("shown: %s", out)
		}
	}
	if s.Reveal() != text || s.IsZero() || !rules.NewSecret("").IsZero() || rules.NewSecret("").String() != "" {
		t.Error("Reveal must give the text, and an empty one must show nothing")
	}
}

func TestErrorsCarryTheirCode(t *testing.T) {
	err := rules.Errorf(rules.NotFound, "no rule %q", "x")
	field := rules.FieldErrorf("for", "must be %s", "short")
	for _, tt := range []struct {
		err  error
		code rules.Code
		text string
	}{
		{err, rules.NotFound, `no rule "x"`},
		{field, rules.Invalid, "for: must be short"},
		{fmt.Errorf("load: %w", err), rules.NotFound, `load: no rule "x"`},
		{errors.Join(errors.New("a"), field), rules.Invalid, "a\nfor: must be short"},
		{errors.New("disk"), rules.Internal, "disk"},
	} {
		if got := rules.CodeOf(tt.err); got != tt.code || tt.err.Error() != tt.text {
			t.Errorf("%q has code %s, want %s", tt.err, got, tt.code)
		}
	}
	if rules.CodeOf(nil) != "" {
		t.Error("nil has a code")
	}
}

func TestNearest(t *testing.T) {
	measurements := []string{"temperature", "humidity", "pressure", "temp_max"}
	for _, tt := range []struct {
		rule, name  string
		known, want []string
	}{
		{"a letter is missing", "temprature", measurements, []string{"temperature"}},
		{"two letters are swapped", "tempreature", measurements, []string{"temperature"}},
		{"case means nothing", "Humidity", measurements, []string{"humidity"}},
		{"a part is meant for the whole, the nearer first", "temp", measurements, []string{"temp_max", "temperature"}},
		{"two letters are a part of too much", "te", measurements, nil},
		{"nothing is like it", "zzz", measurements, nil},
		{"a third of the letters and one may differ", "abc", []string{"abxy"}, []string{"abxy"}},
		{"no more than that may", "abc", []string{"xyz", "axyz"}, nil},
		{"in a short one a swap is one step", "no", []string{"on", "ok"}, []string{"on"}},
		{"a swap is a step still", "no", []string{"on", "no"}, []string{"no", "on"}},
		{"of two as near the first is first", "rat", []string{"cat", "bat"}, []string{"cat", "bat"}},
		{"three are enough", "a", []string{"b", "c", "d", "e"}, []string{"b", "c", "d"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := rules.Nearest(tt.name, tt.known); !slices.Equal(got, tt.want) {
				t.Errorf("Nearest(%q) = %v, want %v", tt.name, got, tt.want)
			}
		})
	}
}

func FuzzNearest(f *testing.F) {
	f.Add("temprature", "temperature")
	f.Add("ab", "ba")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || len(a)+len(b) > 200 {
			return
		}
		if got := rules.Nearest(a, []string{b, a}); !slices.Contains(got, a) {
			t.Errorf("Nearest(%q) of itself and %q = %q", a, b, got)
		}
	})
}

func TestAFilterPrintsWhatItReads(t *testing.T) {
	f := rules.Filter{"room": {"a", "b"}, "host": {"c"}}
	text, err := json.Marshal(f)
	if err != nil || string(text) != `{"host":"c","room":["a","b"]}` {
		t.Errorf("printed %s (%v)", text, err)
	}
	var back rules.Filter
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, f) {
		t.Errorf("read %v (%v)", back, err)
	}
	if err := json.Unmarshal([]byte("null"), &back); err != nil || back != nil {
		t.Errorf("null is %v (%v)", back, err)
	}
}

func TestARuleSaysInOneLineWhatItMeasures(t *testing.T) {
	inputs := map[string]rules.Input{"b": {Measurement: "mem", Field: "free"}, "a": {Measurement: "cpu", Field: "idle"}}
	for want, r := range map[string]rules.Rule{
		"temperature.celsius": {Measurement: "temperature", Field: "celsius"},
		"heartbeat":           {Measurement: "heartbeat"},
		"temperature.celsius where host=c room=a|b by sensor, room": {
			Measurement: "temperature", Field: "celsius", Where: rules.Filter{"room": {"a", "b"}, "host": {"c"}},
			GroupBy: []string{"sensor", "room"},
		},
		"cpu.idle, mem.free by host": {Condition: rules.Condition{Inputs: inputs}, GroupBy: []string{"host"}},
	} {
		if got := r.What(); got != want {
			t.Errorf("What = %q, want %q", got, want)
		}
	}
}

func TestActiveTimesInWords(t *testing.T) {
	for want, a := range map[string]rules.Active{
		"":                                  {},
		"07:00-22:00":                       {Hours: "07:00-22:00"},
		"mon-fri 07:00-22:00 Europe/Berlin": {Days: "mon-fri", Hours: "07:00-22:00", Zone: "Europe/Berlin"},
	} {
		if got := a.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestALengthIsWrittenRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min",
		time.Hour: "1 h", 47 * time.Hour: "47 h", 48 * time.Hour: "2 days", 80 * time.Hour: "3 days",
	} {
		if got := rules.Roughly(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
