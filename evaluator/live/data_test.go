package live_test

import (
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// TestUnixTimesAreRecognised: a file's times are those of its points whatever
// they count, and are handed on as they stand.
func TestUnixTimesAreRecognised(t *testing.T) {
	first := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		file      string
		precision time.Duration
		text      string
	}{
		"lines in s":          {"m v=1 1795687200\nm v=2 1795687260\n", 0, "1795687200"},
		"lines in ms":         {"m v=1 1795687200000\nm v=2 1795687260000\n", 0, "1795687200000"},
		"lines in us":         {"m v=1 1795687200000000\nm v=2 1795687260000000\n", 0, "1795687200000000"},
		"lines in ns":         {"m v=1 1795687200000000000\nm v=2 1795687260000000000\n", 0, "1795687200000000000"},
		"lines, out of order": {"m v=2 1795687260\nm v=1 1795687200\n", 0, "1795687200"},
		"a CSV in s":          {"time,v\n1795687200,1\n1795687260,2\n", 0, "1795687200"},
		"a CSV in parts of s": {"time,v\n1795687200.0,1\n1795687260.000,2\n", 0, "1795687200.0"},
		"a CSV in ms":         {"time,v\n1795687200000,1\n1795687260000,2\n", 0, "1795687200000"},
		"a CSV of texts":      {"time,v\n2026-11-26T10:00:00Z,1\n2026-11-26 10:01:00,2\n", 0, "2026-11-26T10:00:00Z"},
		"given":               {"m v=1 29928120\nm v=2 29928121\n", time.Minute, "29928120"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := live.ReadData(strings.NewReader(tt.file), evaluator.DataForm{Measurement: "m", Precision: tt.precision})
			if err != nil {
				t.Fatal(err)
			}
			ticks := d.Ticks()
			if len(ticks) != 2 || ticks[0] != first || ticks[1] != first.Add(time.Minute) || d.Rows[0].Text != tt.text {
				t.Errorf("times %v, the first as %q, want a minute from %s as %q", ticks, d.Rows[0].Text, first, tt.text)
			}
			if got := valueOf(t, d.Source, rules.Latest, first, first.Add(time.Minute)); got != 2 {
				t.Errorf("the point in the minute is %v, want 2", got)
			}
		})
	}
}

func TestTimesThatCannotBeToldApartAreAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		file      string
		precision time.Duration
		want      string
	}{
		"two kinds in lines": {
			"m v=1 1795687200\nm v=2 1795687260000\n", 0,
			"line 2: the time 1795687260000 looks like milliseconds, and those before it like seconds; --precision",
		},
		"two kinds in a CSV": {
			"time,v\n1795687200000000000,1\n1795687200,2\n", 0,
			"line 3: the time 1795687200 looks like seconds, and those before it like nanoseconds; --precision",
		},
		"a year of no people": {
			"m v=1 95687200000\n", 0,
			"line 1: the time 95687200000 lies in no year from 1900 to 2150; --precision",
		},
		"given wrong": {"m v=1 1795687200000000000\n", time.Second, "lies in no year from 1900 to 2150"},
		"no number":   {"time,v\nNaN,1\n", 0, `line 2: "NaN" is no time`},
		"endless":     {"time,v\n+Inf,1\n", 0, `line 2: "+Inf" is no time`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := live.ReadData(strings.NewReader(tt.file), evaluator.DataForm{Measurement: "m", Precision: tt.precision})
			if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want invalid and %q", err, tt.want)
			}
		})
	}
}

// valueOf asks for one aggregation of the field v of m.
func valueOf(t *testing.T, s evaluator.Querier, how rules.Aggregation, from, to time.Time) (got float64) {
	t.Helper()
	q := evaluator.Query{Measurement: "m", Columns: []evaluator.Column{{Field: "v", Aggregation: how}}, From: from, To: to}
	if err := evaluator.Ask(t.Context(), s, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
		got = row.Values[0]
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestARowWithoutANumberIsAGap: an empty cell, or NaN, is no value, and the rest of
// the file is read.
func TestARowWithoutANumberIsAGap(t *testing.T) {
	first := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	d, err := live.ReadData(strings.NewReader("time,host,v,w\n2026-11-20T10:00:00Z,h1,20,\n2026-11-20T10:01:00Z,h1,,\n"+
		"2026-11-20T10:02:00Z,h1,NaN,\n2026-11-20T10:03:00Z,h1,36,1\n"), evaluator.DataForm{Measurement: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, d.Source, rules.Count, first.Add(-time.Second), first.Add(time.Hour)); got != 2 {
		t.Errorf("%v points, want 2", got)
	}
}
