package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// TestFile holds tests of rules: made-up series, and what the rules are
// expected to make of them by a virtual clock.
type TestFile struct {
	RuleFiles []string // of the rules under test, relative to this file
	Rules     []RuleDoc
	Tests     []RuleTest
}

// RuleTest is one story.
type RuleTest struct {
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

// TestResult is what came of one test.
type TestResult struct {
	File     string   `json:"file"`
	Name     string   `json:"name"`
	Passed   bool     `json:"passed"`
	Failures []string `json:"failures"` // a sentence each, with its place
}

// testStart is a Monday.
var testStart = time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)

var testFileKeys = []document.Key[TestFile]{
	{Name: "rule_files", Example: "[freezer.yaml]", Value: document.Texts(func(f *TestFile) *[]string { return &f.RuleFiles }, document.AnyText)},
	{Name: "rules", Example: "[]", Value: aList}, // read as those of any file
	{Name: "tests", Example: "[{series: [...], expect: [...]}]", Value: tables(func(f *TestFile) *[]RuleTest { return &f.Tests }, testKeys, newTest, nil)},
}

var testKeys = []document.Key[RuleTest]{
	{Name: "name", Example: "door left open", Value: document.Text(func(t *RuleTest) *string { return &t.Name }, document.AnyText)},
	{Name: "start", Example: "2026-01-05T00:00:00Z", Value: document.Parsed(func(t *RuleTest) *time.Time { return &t.Start }, parseStart)},
	{Name: "every", Example: "30s", Value: document.Duration(func(t *RuleTest) *rules.Duration { return &t.Every }, rules.Second, rules.Hour)},
	{Name: "interval", Example: "1m", Value: document.Duration(func(t *RuleTest) *rules.Duration { return &t.Interval }, rules.Second, 366*rules.Day)},
	{Name: "series", Example: `[{series: "temperature,sensor=a", field: celsius, values: -18x10}]`, Value: tables(func(t *RuleTest) *[]TestSeries { return &t.Series }, seriesKeys, nil, []string{"series", "field", "values"})},
	{Name: "expect", Example: "[{rule: freezer, at: 10m, firing: [{sensor: a}]}]", Value: tables(func(t *RuleTest) *[]Expectation { return &t.Expect }, expectKeys, newExpectation, []string{"rule", "at"})},
}

var seriesKeys = []document.Key[TestSeries]{
	{Name: "series", Example: `"temperature,sensor=a"`, Value: document.Text(func(s *TestSeries) *string { return &s.Series }, checkSeries)},
	{Name: "field", Example: "celsius", Value: document.Text(func(s *TestSeries) *string { return &s.Field }, document.AnyText)},
	{Name: "values", Example: "-18x10 -10+1x5 _x3", Value: document.Parsed(func(s *TestSeries) *[]TestValue { return &s.Values }, parseValues)},
}

var expectKeys = []document.Key[Expectation]{
	{Name: "rule", Example: "freezer", Value: document.Text(func(e *Expectation) *string { return &e.Rule }, document.AnyText)},
	{Name: "at", Example: "10m", Value: document.Parsed(func(e *Expectation) *rules.Duration { return &e.At }, rules.ParseDuration)},
	{Name: "firing", Example: "[{sensor: a}]", Value: labelSets(func(e *Expectation) *[]rules.Labels { return &e.Firing })},
	{Name: "pending", Example: "[{sensor: a}]", Value: labelSets(func(e *Expectation) *[]rules.Labels { return &e.Pending })},
	{Name: "severity", Example: "high", Value: document.Parsed(func(e *Expectation) *rules.Severity { return &e.Severity }, parseSeverity)},
}

// aList is read by another reader, if it is one.
var aList = document.Value[TestFile]{Read: func(_ *document.Faults, n *document.Node, _ string, _ *TestFile) error {
	if n.Form != document.FormList {
		return errors.New("must be a list of rules")
	}
	return nil
}}

func newTest(*document.Node) RuleTest {
	return RuleTest{Start: testStart, Every: DefaultEvery, Interval: rules.Minute}
}

func newExpectation(n *document.Node) Expectation { return Expectation{at: n.Start()} }

// tables reads a list of tables, each of which must have the needed keys.
func tables[T, V any](at func(*T) *[]V, keys []document.Key[V], fresh func(*document.Node) V, needed []string) document.Value[T] {
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
		return fmt.Errorf("must be a measurement and its tags as line protocol has them, spaces with a backslash; got %q", text)
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
		return TestFile{}, document.Placed(file, rules.Errorf(rules.Invalid, "must hold one document with tests: and a list of tests below"))
	}
	root, err := parts[0].Node()
	if err != nil {
		return TestFile{}, err
	}
	var faults document.Faults
	var f TestFile
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
			faults.Refuse(place, fmt.Sprintf("tests[%d].expect", i), "is missing or empty; for example expect: [{rule: freezer, at: 10m, firing: []}]")
		}
		if len(t.Series) == 0 {
			faults.Refuse(place, fmt.Sprintf("tests[%d].series", i), "is missing or empty; for example series: [{series: \"temperature,sensor=a\", field: celsius, values: -18x10}]")
		}
		for _, e := range t.Expect {
			if e.Firing == nil && e.Pending == nil {
				faults.Refuse(e.at, "firing", "is missing, and so is pending; say what is expected, for example firing: [{sensor: a}], or [] for none")
			}
		}
	}
}

// TestRules plays the tests of a file on rules. Neither the store nor a source
// is asked. What is wrong with the rules or the file is an error; a test that
// fails is none.
func (a *App) TestRules(ctx context.Context, file string, f TestFile, docs []RuleDoc) ([]TestResult, error) {
	known, errs := map[string]rules.Rule{}, []error(nil)
	for _, doc := range docs {
		r, err := rules.Parse(doc.Doc)
		if err == nil {
			err = evaluator.CheckCondition(r.Condition)
		}
		errs = append(errs, doc.placed(err))
		r.ID = r.Name
		known[r.Name] = r
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := []TestResult{}
	for i, t := range f.Tests {
		result := TestResult{File: file, Name: t.Name, Failures: []string{}}
		if t.Name == "" {
			result.Name = fmt.Sprintf("test %d", i+1)
		}
		var err error
		if result.Failures, err = a.playTest(ctx, t, known); err != nil {
			return nil, err
		}
		result.Passed = len(result.Failures) == 0
		out = append(out, result)
	}
	return out, nil
}

// playTest plays one story and lists what was not as expected.
func (a *App) playTest(ctx context.Context, t RuleTest, known map[string]rules.Rule) ([]string, error) {
	if a.ReadData == nil {
		return nil, rules.Errorf(rules.Unavailable, "this door has no test data; use `tocsin rules test`")
	}
	failures := []string{}
	for _, e := range t.Expect {
		r, ok := known[e.Rule]
		if !ok {
			return nil, RuleDoc{File: e.at}.placed(unknownRule(e.Rule, known))
		}
		data, err := a.ReadData(strings.NewReader(t.lines()), "", time.Nanosecond)
		if err != nil {
			return nil, RuleDoc{File: e.at}.placed(err)
		}
		got, err := t.until(ctx, r, data.Source, e.At)
		if err != nil {
			return nil, RuleDoc{File: e.at}.placed(err)
		}
		for _, wrong := range got.compare(e) {
			failures = append(failures, fmt.Sprintf("%s: %s at %s: %s", e.at, e.Rule, e.At, wrong))
		}
	}
	return failures, nil
}

func unknownRule(name string, known map[string]rules.Rule) error {
	var names []string
	for n := range known {
		names = append(names, n)
	}
	slices.Sort(names)
	if near := rules.Nearest(name, names); len(near) > 0 {
		return rules.FieldErrorf("rule", "no rule %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return rules.FieldErrorf("rule", "no rule %q in the rule files; they have: %s", name, strings.Join(names, ", "))
}

var fieldEscaper = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)

// lines writes the series as line protocol. The comment in front keeps a
// measurement called time from looking like the head of a table.
func (t RuleTest) lines() string {
	var b strings.Builder
	b.WriteString("# made up\n")
	for _, s := range t.Series {
		for i, v := range s.Values {
			if !v.None {
				at := t.Start.Add(time.Duration(i) * t.Interval.Std()).UnixNano()
				fmt.Fprintf(&b, "%s %s=%s %d\n", s.Series, fieldEscaper.Replace(s.Field), strconv.FormatFloat(v.X, 'g', -1, 64), at)
			}
		}
	}
	return b.String()
}

// standing is how a rule stands at the end of a trial.
type standing struct {
	firing, pending []string
	severities      []rules.Severity // of those that fire
}

// until tries the rule up to a time after the start.
func (t RuleTest) until(ctx context.Context, r rules.Rule, source evaluator.Querier, at rules.Duration) (standing, error) {
	pending := map[rules.Series]bool{}
	result, err := evaluator.Trial{
		Rule: r, Source: source, Every: t.Every.Std(), From: t.Start.Add(-time.Nanosecond), To: t.Start.Add(at.Std()),
		Verdict: func(v evaluator.TrialVerdict) { pending[v.Series] = v.State == rules.Pending },
	}.Run(ctx)
	if err != nil {
		return standing{}, err
	}
	var s standing
	for _, e := range result.Episodes {
		if e.ResolvedAt.IsZero() {
			s.firing, s.severities = append(s.firing, seriesName(e.Series.Labels())), append(s.severities, e.Severity)
		}
	}
	for series, waits := range pending {
		if waits {
			s.pending = append(s.pending, seriesName(series.Labels()))
		}
	}
	return s, nil
}

// seriesName is a label set in a line; a tag that is missing is as good as
// none.
func seriesName(l rules.Labels) string {
	out := rules.Labels{}
	for name, v := range l {
		if v != "" {
			out[name] = v
		}
	}
	if len(out) == 0 {
		return "{}"
	}
	return string(rules.SeriesOf(out))
}

// compare lists what is not as expected.
func (s standing) compare(e Expectation) (wrong []string) {
	look := func(what string, got []string, want []rules.Labels) {
		var names []string
		for _, l := range want {
			names = append(names, seriesName(l))
		}
		slices.Sort(names)
		slices.Sort(got)
		if want != nil && !slices.Equal(got, names) {
			wrong = append(wrong, fmt.Sprintf("%s: %s; expected %s", what, listed(got), listed(names)))
		}
	}
	for _, severity := range s.severities {
		if e.Severity != "" && severity != e.Severity {
			wrong = append(wrong, fmt.Sprintf("severity: %s; expected %s", severity, e.Severity))
			break
		}
	}
	look("firing", s.firing, e.Firing)
	look("pending", s.pending, e.Pending)
	return wrong
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, " and ")
}
