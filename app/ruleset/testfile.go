package ruleset

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// TestFile holds tests of rules: made-up series, and what the rules are
// expected to make of them by a virtual clock.
type TestFile struct {
	Name      string   // as people named it
	RuleFiles []string // of the rules under test, relative to this file
	Rules     []Doc
	Tests     []Test
}

// Test is one story.
type Test struct {
	Name     string
	Start    time.Time      // of the virtual clock
	Every    rules.Duration // the base interval of the daemon
	Interval rules.Duration // between the values of a series
	Series   []TestSeries
	Expect   []Expectation
}

// TestSeries is a made-up series. Its first value stands at the start.
type TestSeries struct {
	Series string // measurement and tags as line protocol has them: temperature,sensor=a
	Field  string
	Values []TestValue
}

// TestValue is a number, or none.
type TestValue struct {
	X    float64
	None bool
}

// Expectation is what one rule is expected to be at a time after the start.
type Expectation struct {
	Rule     string
	At       rules.Duration
	Firing   []rules.Labels // exactly these; nil when nothing is said
	Pending  []rules.Labels // exactly these; nil when nothing is said
	Severity rules.Severity // of all that fire; empty when nothing is said

	at string // where it stands
}

// testStart is a Monday.
var testStart = time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)

var testFileKeys = []document.Key[TestFile]{
	{
		Name: "rule_files", Example: "[freezer.yaml]",
		Value: document.Texts(func(f *TestFile) *[]string { return &f.RuleFiles }, document.AnyText),
	},
	{Name: "rules", Example: "[]", Value: aList}, // read as those of any file
	{
		Name: "tests", Example: "[{series: [...], expect: [...]}]",
		Value: tables(func(f *TestFile) *[]Test { return &f.Tests }, testKeys, newTest, nil),
	},
}

var testKeys = []document.Key[Test]{
	{
		Name: "name", Example: "door left open",
		Value: document.Text(func(t *Test) *string { return &t.Name }, document.AnyText),
	},
	{
		Name: "start", Example: "2026-01-05T00:00:00Z",
		Value: document.Parsed(func(t *Test) *time.Time { return &t.Start }, parseStart),
	},
	{
		Name: "every", Example: "30s",
		Value: document.Duration(func(t *Test) *rules.Duration { return &t.Every }, rules.Second, rules.Hour),
	},
	{
		Name: "interval", Example: "1m",
		Value: document.Duration(func(t *Test) *rules.Duration { return &t.Interval }, rules.Second, 366*rules.Day),
	},
	{
		Name: "series", Example: `[{series: "temperature,sensor=a", field: celsius, values: -18x10}]`,
		Value: tables(func(t *Test) *[]TestSeries {
			return &t.Series
		}, seriesKeys, nil, []string{"series", "field", "values"}),
	},
	{
		Name: "expect", Example: "[{rule: freezer, at: 10m, firing: [{sensor: a}]}]",
		Value: tables(func(t *Test) *[]Expectation { return &t.Expect }, expectKeys, newExpectation, []string{"rule", "at"}),
	},
}

var seriesKeys = []document.Key[TestSeries]{
	{
		Name: "series", Example: `"temperature,sensor=a"`,
		Value: document.Text(func(s *TestSeries) *string { return &s.Series }, checkSeries),
	},
	{
		Name: "field", Example: "celsius",
		Value: document.Text(func(s *TestSeries) *string { return &s.Field }, document.AnyText),
	},
	{
		Name: "values", Example: "-18x10 -10+1x5 _x3",
		Value: document.Parsed(func(s *TestSeries) *[]TestValue { return &s.Values }, parseValues),
	},
}

var expectKeys = []document.Key[Expectation]{
	{
		Name: "rule", Example: "freezer",
		Value: document.Text(func(e *Expectation) *string { return &e.Rule }, document.AnyText),
	},
	{
		Name: "at", Example: "10m",
		Value: document.Parsed(func(e *Expectation) *rules.Duration { return &e.At }, rules.ParseDuration),
	},
	{
		Name: "firing", Example: "[{sensor: a}]",
		Value: labelSets(func(e *Expectation) *[]rules.Labels { return &e.Firing }),
	},
	{
		Name: "pending", Example: "[{sensor: a}]",
		Value: labelSets(func(e *Expectation) *[]rules.Labels { return &e.Pending }),
	},
	{
		Name: "severity", Example: "high",
		Value: document.Parsed(func(e *Expectation) *rules.Severity { return &e.Severity }, parseSeverity),
	},
}

// aList is read by another reader, if it is one.
var aList = document.Value[TestFile]{Read: func(_ *document.Faults, n *document.Node, _ string, _ *TestFile) error {
	if n.Form != document.FormList {
		return errors.New("must be a list of rules")
	}
	return nil
}}

func newTest(*document.Node) Test {
	return Test{Start: testStart, Every: app.DefaultEvery, Interval: rules.Minute}
}

func newExpectation(n *document.Node) Expectation { return Expectation{at: n.Start()} }

// tables reads a list of tables, each of which must have the needed keys.
func tables[T, V any](at func(*T) *[]V, keys []document.Key[V], fresh func(*document.Node) V,
	needed []string,
) document.Value[T] {
	return document.Value[T]{Read: func(faults *document.Faults, n *document.Node, path string, t *T) error {
		if n.Form != document.FormList {
			return errors.New("must be a list")
		}
		for i, item := range n.List {
			var v V
			if fresh != nil {
				v = fresh(item)
			}
			place := fmt.Sprintf("%s[%d]", path, i)
			document.ReadTable(faults, item, place, keys, &v)
			for _, key := range needed {
				if !item.Has(key) {
					faults.Refuse(item.Start(), document.Below(place, key), "is missing")
				}
			}
			*at(t) = append(*at(t), v)
		}
		return nil
	}}
}

// labelSets reads a list of label sets; an empty one is said too.
func labelSets(at func(*Expectation) *[]rules.Labels) document.Value[Expectation] {
	return document.Value[Expectation]{Read: func(_ *document.Faults, n *document.Node, _ string, e *Expectation) error {
		if n.Form != document.FormList {
			return errors.New("must be a list of label sets, [] for none, [{}] for a rule without group_by")
		}
		out := []rules.Labels{}
		for _, item := range n.List {
			if item.Form != document.FormTable {
				return errors.New("must be a list of label sets, [] for none, [{}] for a rule without group_by")
			}
			labels := rules.Labels{}
			for name, v := range item.Table {
				if v.Form != document.FormScalar {
					return fmt.Errorf("must have a text for the label %s", name)
				}
				labels[name] = v.Text
			}
			out = append(out, labels)
		}
		*at(e) = out
		return nil
	}}
}

func parseStart(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("must be a time with its zone; got %q", text)
	}
	return t.UTC(), nil
}

func parseSeverity(text string) (rules.Severity, error) {
	return rules.Severity(text), document.OneOf(rules.Severities...)(text)
}

func checkSeries(text string) error {
	if text == "" || strings.ContainsAny(strings.ReplaceAll(text, `\ `, ""), " \n\"#") {
		return fmt.Errorf("must be a measurement and its tags as line protocol has them, spaces with a backslash; got %q",
			text)
	}
	return nil
}

const mostTestValues = 1_000_000

// parseValues reads "1 2 _ 1x3 1+2x3 _x3": a number, none, and n repetitions
// of either after the first, with a step where one is given.
func parseValues(text string) (out []TestValue, err error) {
	for word := range strings.FieldsSeq(text) {
		first, times, repeated := strings.Cut(word, "x")
		n := 0
		if repeated {
			if n, err = strconv.Atoi(times); err != nil || n < 0 || n > mostTestValues {
				return nil, fmt.Errorf("must be numbers such as 5, 5x3, 5+1x3, 5-1x3, _ for none; got %q", word)
			}
		}
		if first == "_" {
			out = append(out, slices.Repeat([]TestValue{{None: true}}, max(n, 1))...)
			continue
		}
		x, step, err := parseStep(first, repeated)
		if err != nil {
			return nil, fmt.Errorf("must be numbers such as 5, 5x3, 5+1x3, 5-1x3, _ for none; got %q", word)
		}
		for i := range n + 1 {
			out = append(out, TestValue{X: x + float64(i)*step})
		}
		if len(out) > mostTestValues {
			return nil, fmt.Errorf("must be at most %d values", mostTestValues)
		}
	}
	return out, nil
}

// parseStep reads "5", or "5+1" and "5-1" where a step may stand.
func parseStep(text string, stepped bool) (x, step float64, err error) {
	at := len(text) - 1
	for at > 0 && (!strings.ContainsRune("+-", rune(text[at])) || strings.ContainsRune("eE", rune(text[at-1]))) {
		at--
	}
	if stepped && at > 0 {
		if step, err = strconv.ParseFloat(text[at:], 64); err != nil {
			return 0, 0, err
		}
		text = text[:at]
	}
	x, err = strconv.ParseFloat(text, 64)
	return x, step, err
}

// ReadTests reads a file of tests. Its errors name line and column.
func ReadTests(file string, text []byte) (TestFile, error) {
	parts, err := document.Parse(file, text, document.MostOfList)
	if err != nil {
		return TestFile{}, err
	}
	if len(parts) != 1 || parts[0].Empty() {
		return TestFile{}, document.Placed(file,
			rules.Errorf(rules.Invalid, "must hold one document with tests: and a list of tests below"))
	}
	root, err := parts[0].Node()
	if err != nil {
		return TestFile{}, err
	}
	var faults document.Faults
	f := TestFile{Name: file}
	document.ReadTable(&faults, root, "", testFileKeys, &f)
	if !faults.Any() {
		needExpectations(&faults, root, f)
	}
	if root.Has("rules") {
		docs, err := rulesBelow(file, root, parts[0])
		f.Rules = docs
		faults.Add(err)
	}
	return f, faults.Err()
}

// needExpectations refuses tests that could not fail.
func needExpectations(faults *document.Faults, root *document.Node, f TestFile) {
	if len(f.Tests) == 0 {
		faults.Refuse(root.At, "tests", "is missing or empty; for example tests: [{series: [...], expect: [...]}]")
	}
	for i, t := range f.Tests {
		place := root.Table["tests"].List[i].Start()
		if len(t.Expect) == 0 {
			faults.Refuse(place, fmt.Sprintf("tests[%d].expect", i),
				"is missing or empty; for example expect: [{rule: freezer, at: 10m, firing: []}]")
		}
		if len(t.Series) == 0 {
			faults.Refuse(place, fmt.Sprintf("tests[%d].series", i),
				"is missing or empty; for example series: [{series: \"temperature,sensor=a\", field: celsius, values: -18x10}]")
		}
		for _, e := range t.Expect {
			if e.Firing == nil && e.Pending == nil {
				faults.Refuse(e.at, "firing",
					"is missing, and so is pending; say what is expected, for example firing: [{sensor: a}], or [] for none")
			}
		}
	}
}
