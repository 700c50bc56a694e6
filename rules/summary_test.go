package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

func TestAReadingTakesEveryVerb(t *testing.T) {
	for format, want := range map[string]string{
		"%v": "50.1235", "%s": "50.1235", "%.1f": "50.1", "%8.1f|": "    50.1|", "%-8s|": "50.1235 |", "%d": "50",
		"%+d": "+50", "%g": "50.12346789", "%.2e": "5.01e+01",
	} {
		if got := fmt.Sprintf(format, rules.Reading(50.12346789)); got != want {
			t.Errorf("%s = %q, want %q", format, got, want)
		}
	}
}

func TestSummaryText(t *testing.T) {
	value, peak := 50.123456789, 1e6
	f := rules.Facts{
		Series: "sensor=a", Labels: rules.Labels{"room": "kitchen"}, Title: "Hot", Severity: rules.High,
		Value: &value, Peak: &peak, Measured: "t.v",
	}
	for summary, want := range map[string]string{
		`{{printf "%.1f" .value}} {{if gt .value 3.0}}hot{{end}}`: "50.1 hot",
		`{{.labels.sensor}} in {{.labels.room}}: {{.value}} ({{.peak}}), {{.severity}} {{.measured}}`: "a in kitchen: " +
			"50.1235 (1000000), high t.v",
		`{{.labels.nope}}-{{.nope}}`:    "?-?",
		`{{if lt .value 3}}cold{{end}}`: "",
	} {
		f.Summary = summary
		if got, err := f.SummaryText(f.Words()); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", summary, got, err, want)
		}
	}
	f.Value, f.Summary = nil, `at {{.value}}, {{printf "%.1f" .value}} °C`
	if got, err := f.SummaryText(f.Words()); err != nil || got != "at ?, ? °C" {
		t.Errorf("without a value: %q, %v", got, err)
	}
	f.ValueText = "fault"
	if got, err := f.SummaryText(f.Words()); err == nil || got != "" {
		t.Errorf("a text as a number: %q, %v", got, err)
	}
}

func TestASummaryIsTriedWhenItIsWritten(t *testing.T) {
	const number, text = `{"operator": ">", "value": 10}`, `{"operator": "==", "value": "fault"}`
	const absence, query = `{"type": "absence"}`,
		`{"type": "query", "text": "SELECT mean(v) AS v FROM t GROUP BY host", ` +
			`"column": "v", "operator": ">", "value": 1}`
	for _, tt := range []struct{ condition, summary, want string }{
		{number, `{{printf "%.1f" .value}} {{if gt .value 3.0}}hot{{end}}`, ""},
		{number, `{{.labels.host}} {{.labels.team}} {{.peak}} {{.title}} {{.source}} {{.condition}}`, ""},
		{number, `{{.valu}}`, "summary: knows no .valu; did you mean .value?"},
		{number, `{{.labels.hosts}}`, "summary: knows no .labels.hosts; did you mean .labels.host?"},
		{
			number, `{{.labels.sensor}}`,
			"summary: knows no .labels.sensor; it knows .labels.host, .labels.team; tags are those of group_by, others come " +
				"from the rule's labels",
		},
		{number, `{{nope}}`, `summary: is no template that works: 1: function "nope" not defined; for example {{.labels`},
		{number, `{{define "x"}}{{end}}`, "define and block"},
		{text, `{{.value}}`, ""},
		{text, `{{printf "%.1f" .value}}`, "does not fit what it is given"},
		{text, `{{if gt .value 3}}{{end}}`, "text cannot be compared with a number"},
		{absence, `{{.labels.host}} is silent`, ""},
		{absence, `{{printf "%.1f" .value}}`, ""},
		{query, `{{.labels.whatever}}`, ""},
	} {
		keys := `"measurement": "t", "field": "v", `
		if tt.condition == query {
			keys = ""
		}
		_, err := rules.Parse(document(t, fmt.Sprintf(`{"title": "x", %s"group_by": ["host"], "labels": {"team": "a"},
			"condition": %s, "summary": %q}`, keys, tt.condition, tt.summary)))
		if tt.want == "" && err == nil {
			continue
		}
		if tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v; want %q", tt.condition, tt.summary, err, tt.want)
		}
	}
}
