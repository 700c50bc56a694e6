package rules_test

import (
	"fmt"
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
