package rules_test

import (
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// TestARuleIsMeasuredIn what it says, or what the names of its data tell.
func TestARuleIsMeasuredIn(t *testing.T) {
	celsius := rules.Rule{Measurement: "temperature", Field: "celsius"}
	for _, tt := range []struct {
		name   string
		change func(*rules.Rule)
		want   string
	}{
		{"by its field", func(*rules.Rule) {}, "°C"},
		{"by its measurement", func(r *rules.Rule) { r.Measurement, r.Field = "kWh", "value" }, "kWh"},
		{"as it says", func(r *rules.Rule) { r.Unit = "K" }, "K"},
		{"in percent of a change", func(r *rules.Rule) {
			r.Unit, r.Condition = "K", rules.Condition{Type: rules.Change, Percent: true}
		}, "%"},
		{"for each second of a rate", func(r *rules.Rule) { r.Condition.Aggregation = rules.Rate }, "°C/s"},
		{"not at all of a count", func(r *rules.Rule) { r.Condition.Aggregation = rules.Count }, ""},
		{"an expression in what it says", func(r *rules.Rule) {
			r.Unit, r.Condition.Type = "W", rules.Expression
		}, "W"},
	} {
		r := celsius
		tt.change(&r)
		if got := r.MeasuredIn(); got != tt.want {
			t.Errorf("%s: in %q, want %q", tt.name, got, tt.want)
		}
	}
}
