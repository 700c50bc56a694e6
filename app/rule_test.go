package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// past puts a point into each of the ten minutes before noon; the text of a
// minute is its line without the measurement and the time.
func (h *home) past(measurement string, line func(minute int) string) {
	h.Helper()
	for minute := 1; minute <= 10; minute++ {
		at := noon.Add(time.Duration(minute-10) * time.Minute)
		h.Must(h.Points.Write(fmt.Appendf(nil, "%s%s %d\n", measurement, line(minute), at.UnixNano()), 0, noon))
	}
}

func TestTextAndNumbersAreNotCompared(t *testing.T) {
	h := newHome(t)
	h.past("gate", func(int) string { return " open=true,text=\"open\",v=1,n=2i" })
	for _, tt := range []struct {
		field string
		value any
		want  string
	}{
		{"text", "open", ""},
		{"open", true, ""},
		{"v", 5, ""},
		{"v", "5", ""},
		{"open", "true", ""},
		{"text", "01", ""},
		{"text", "", ""},
		{"text", true, ""},
		{"text", 5, ""},
		{"open", "open", `condition.value: is text, and field "open" is true or false; got "open"; for example true`},
		{"v", "hot", `condition.value: is text, and field "v" holds numbers; got "hot"; for example 25`},
		{"n", "hot", `condition.value: is text, and field "n" holds numbers; got "hot"; for example 25`},
	} {
		_, err := h.CreateRule(t.Context(), anna,
			rules.Doc{
				"title": "Gate", "measurement": "gate", "field": tt.field,
				"condition": rules.Doc{"operator": "==", "value": tt.value},
			}, app.SaveOptions{DryRun: true})
		got := ""
		if err != nil {
			got = err.Error()
		}
		h.Say(tt.field, got, tt.want)
	}
}

// TestTextIsComparedWithAnyText: what is written in quotes stays as it was written,
// and is what fires; a number, true and false are the text that they are.
func TestTextIsComparedWithAnyText(t *testing.T) {
	h := newHome(t)
	h.past("lock", func(int) string { return ` state="01"` })
	for _, tt := range []struct {
		value any
		want  string // as it is shown
	}{
		{"01", `latest over 5m == "01"`},
		{"100.00", `latest over 5m == "100.00"`},
		{"", `latest over 5m == ""`},
		{"true", `latest over 5m == "true"`},
		{true, `latest over 5m == "true"`},
		{5, `latest over 5m == "5"`},
		{"1e3", `latest over 5m == "1e3"`},
		{"open", `latest over 5m == "open"`},
	} {
		got, err := h.CreateRule(t.Context(), anna, rules.Doc{
			"title": "Lock", "measurement": "lock", "field": "state",
			"condition": rules.Doc{"operator": "==", "value": tt.value},
		}, app.SaveOptions{DryRun: true})
		if err != nil {
			t.Errorf("%#v: %v", tt.value, err)
			continue
		}
		h.Say(fmt.Sprintf("%#v", tt.value), got.Rule.Condition.String(), tt.want)
		text, err := json.Marshal(got.Rule.Condition.Value)
		var back rules.Value
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || !rules.Equal.HoldsText(got.Rule.Condition.Value.Text, back) {
			t.Errorf("%#v: stored as %s, it is %+v (%v)", tt.value, text, back, err)
		}
	}
}

// An edit is checked as a new rule is, wherever the names in it stand.
func TestAnEditOfWhatIsLookedAtIsChecked(t *testing.T) {
	h := newHome(t)
	h.past("gate", func(int) string { return " text=\"open\",v=1" })
	h.create("text",
		rules.Doc{"measurement": "gate", "field": "text", "condition": rules.Doc{"operator": "==", "value": "open"}})
	input := func(field string) rules.Doc {
		return rules.Doc{"inputs": rules.Doc{"a": rules.Doc{"measurement": "gate", "field": field}}, "expr": "a > 1"}
	}
	_, err := h.CreateRule(t.Context(), anna, rules.Doc{"name": "sum", "condition": input("v")}, app.SaveOptions{})
	h.Must(err)
	for name, tt := range map[string]struct {
		condition rules.Doc
		want      string
	}{
		"text": {rules.Doc{"operator": ">", "value": 3}, "holds text"},
		"sum":  {input("w"), `condition.inputs.a.field: "w" does not exist`},
	} {
		if _, err := h.UpdateRule(t.Context(), anna, name, rules.Doc{"condition": tt.condition},
			app.SaveOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARuleThatItsSourceRefusesIsToldOf(t *testing.T) {
	n := newNight(t)
	own := rules.Doc{
		"name":      "own",
		"condition": rules.Doc{"type": "query", "text": "SELECT 1 AS v", "column": "v", "operator": ">", "value": 1},
	}
	_, err := n.Daemon.CreateRule(t.Context(), anna, own, app.SaveOptions{AllowUnknown: true})
	if err != nil {
		t.Fatal(err)
	}
	const refused = "source home takes no query of its users"
	told := func() bool {
		return slices.ContainsFunc(n.Daemon.Status(t.Context()).Problems, func(p string) bool {
			return strings.HasPrefix(p, "rule own: cannot be judged since 2026-03-14 12:00") && strings.HasSuffix(p, refused)
		})
	}
	n.tick()
	if told() {
		t.Error("told of at once")
	}
	n.tick()
	n.tick()
	if !told() {
		t.Errorf("problems = %q", n.Daemon.Status(t.Context()).Problems)
	}
	x, err := insight.New(n.Daemon).Explain(t.Context(), insight.ExplainRequest{Rule: "own"})
	if err != nil || !strings.Contains(x.Why, "no series has had a value for its query yet") ||
		!strings.Contains(x.Why, "takes no query of") {
		t.Errorf("explained as %q (%v)", x.Why, err)
	}
	above := rules.Doc{
		"measurement": "temperature", "field": "celsius",
		"condition": rules.Doc{"type": "threshold", "operator": ">", "value": 90},
	}
	if _, err := n.Daemon.UpdateRule(t.Context(), anna, "own", above, app.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	n.tick()
	if p := n.Daemon.Status(t.Context()).Problems; len(p) > 0 {
		t.Errorf("after the cure: %q", p)
	}
}

func TestTimesOfDayAreThoseOfTheHouse(t *testing.T) {
	h := newHome(t)
	for _, tt := range []struct {
		house string
		doc   rules.Doc
		want  string
	}{
		{
			"Europe/Berlin",
			rules.Doc{"active": rules.Doc{"hours": "07:00-22:00"}},
			`active is in Europe/Berlin, as no zone was given`,
		},
		{
			"Europe/Berlin",
			rules.Doc{"every": "0 7 * * mon"},
			`every is in Europe/Berlin, as no zone was given`,
		},
		{
			"Europe/London",
			rules.Doc{"every": "0 7 * * mon"},
			`every is in Europe/London, as no zone was given`,
		},
		{"UTC", rules.Doc{"every": "0 7 * * mon", "active": rules.Doc{"hours": "07:00-22:00"}}, ""},
		{
			"Europe/Berlin",
			rules.Doc{"zone": "Asia/Tokyo", "active": rules.Doc{"days": "mon"}},
			`active is in Asia/Tokyo, as no zone was given`,
		},
		{"Europe/Berlin", rules.Doc{
			"every": "0 7 * * mon", "zone": "UTC",
			"active": rules.Doc{"hours": "07:00-22:00", "zone": "UTC"},
		}, ""},
	} {
		h.Config.Zone = tt.house
		doc := rules.Doc{
			"title": "Warm", "measurement": "temperature", "field": "celsius",
			"condition": rules.Doc{"operator": ">", "value": 9},
		}
		maps.Copy(doc, tt.doc)
		got, err := h.CreateRule(t.Context(), anna, doc, app.SaveOptions{DryRun: true})
		h.Must(err)
		h.Say(tt.house, strings.Join(got.Warnings, "; "), tt.want)
	}
}

// readable is a source that takes queries of its users, and answers each with
// the same.
type readable struct {
	evaluator.Source
	rows []evaluator.Row
	err  error
}

func (r *readable) CheckStatement(evaluator.Statement) error { return nil }

func (r *readable) ExplainStatement(s evaluator.Statement) string { return s.Text }

func (r *readable) Read(_ context.Context, _ evaluator.Statement, each func(evaluator.Row)) error {
	for _, row := range r.rows {
		each(row)
	}
	return r.err
}

var _ evaluator.Reader = (*readable)(nil)

func TestAQueryThatAnswersNothingIsToldOf(t *testing.T) {
	h := newHome(t)
	for want, source := range map[string]*readable{
		"": {rows: []evaluator.Row{{Values: []float64{1}}}},
		"the query was asked just now and answers nothing; is a name in it misspelt?":                    {},
		`the query was asked just now and answers no number in column "v", so there is nothing to judge`: {rows: []evaluator.Row{{Values: []float64{math.NaN()}}}},
		"the query was asked just now, and refused: condition.text: mean() of text":                      {err: rules.FieldErrorf("condition.text", "mean() of text")},
	} {
		source.Source = h.Points
		h.Sources["home"] = source
		own := rules.Doc{
			"name":      "own",
			"condition": rules.Doc{"type": "query", "text": "SELECT 1 AS v", "column": "v", "operator": ">", "value": 1},
		}
		got, err := h.CreateRule(t.Context(), anna, own, app.SaveOptions{DryRun: true})
		h.Must(err)
		h.Say("warnings", strings.Join(got.Warnings, "; "), want)
	}
}

// An anomaly rule is saved with how often it would have told, and refused for nothing.
func TestAnAnomalyRuleSaysHowOftenItWouldTell(t *testing.T) {
	h := newHome(t)
	h.Sources["home"] = loaded{h.Points}
	got, err := h.CreateRule(t.Context(), anna, rules.Doc{
		"name": "odd", "measurement": "temperature", "field": "celsius", "condition": rules.Doc{"type": "anomaly"},
	}, app.SaveOptions{})
	h.Must(err)
	h.Say("warnings", strings.Join(got.Warnings, "; "),
		"by the last two weeks it would tell this often a week: 0.5 at sensitivity low, "+
			"0.5 at sensitivity medium, 0.5 at sensitivity high")
}

// loaded is a source with a peak some days ago.
type loaded struct{ evaluator.Source }

func (loaded) Query(_ context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	for i, q := range queries {
		for at := q.From.Add(q.Step); q.Step > 0 && !at.After(q.To); at = at.Add(q.Step) {
			v := float64(at.Unix() / 300 % 7)
			if at.Sub(noon.Add(-5*24*time.Hour)).Abs() < 5*time.Minute {
				v += 500
			}
			each(i, evaluator.Row{At: at, Values: []float64{v}})
		}
	}
	return make([]error, len(queries))
}
