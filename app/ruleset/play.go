package ruleset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// TestResult is what came of one test.
type TestResult struct {
	File     string   `json:"file"`
	Name     string   `json:"name"`
	Passed   bool     `json:"passed"`
	Failures []string `json:"failures"` // a sentence each, with its place
}

// ReadPoints reads a file of points.
type ReadPoints func(file io.Reader, form evaluator.DataForm) (*evaluator.Data, error)

// Play plays the tests on rules. Neither the store nor a source is asked. What
// is wrong with the rules or the file is an error; a test that fails is none.
func (f TestFile) Play(ctx context.Context, docs []Doc, read ReadPoints) ([]TestResult, error) {
	known, errs := map[string]rules.Rule{}, []error(nil)
	for _, doc := range docs {
		r, err := ruledoc.Parse(doc.Doc)
		if err == nil {
			err = evaluator.CheckRule(&r, time.Minute)
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
		result := TestResult{File: f.Name, Name: t.Name, Failures: []string{}}
		if t.Name == "" {
			result.Name = fmt.Sprintf("test %d", i+1)
		}
		var err error
		if result.Failures, err = t.play(ctx, known, read); err != nil {
			return nil, err
		}
		result.Passed = len(result.Failures) == 0
		out = append(out, result)
	}
	return out, nil
}

// play plays one story and lists what was not as expected.
func (t Test) play(ctx context.Context, known map[string]rules.Rule, read ReadPoints) ([]string, error) {
	failures := []string{}
	for _, e := range t.Expect {
		r, ok := known[e.Rule]
		if !ok {
			return nil, Doc{File: e.at}.placed(unknownRule(e.Rule, known))
		}
		data, err := read(strings.NewReader(t.lines()), evaluator.DataForm{Precision: time.Nanosecond})
		if err != nil {
			return nil, Doc{File: e.at}.placed(err)
		}
		got, err := t.until(ctx, r, data.Source, e.At)
		if err != nil {
			return nil, Doc{File: e.at}.placed(err)
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
func (t Test) lines() string {
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
func (t Test) until(ctx context.Context, r rules.Rule, source evaluator.Querier, at rules.Duration) (standing, error) {
	pending := map[rules.Series]bool{}
	result, err := backtest.Trial{
		Rule: r, Source: source, Every: t.Every.Std(), From: t.Start.Add(-time.Nanosecond), To: t.Start.Add(at.Std()),
		Verdict: func(v backtest.Verdict) { pending[v.Series] = v.State == rules.Pending },
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
