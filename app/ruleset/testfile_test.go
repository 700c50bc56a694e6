package ruleset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/ruleset"
	"github.com/9bikes/tocsin/evaluator/live"
)

// story is a test file with one series and one expectation.
func story(values, expect string) string {
	return "rules:\n" + one("hot", ", group_by: sensor, for: 2m") +
		"tests:\n- series:\n  - {series: \"temperature,sensor=a\", field: celsius, values: \"" + values +
		"\"}\n  expect:\n  - " + expect + "\n"
}

func TestValuesOfATestAreWrittenShort(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"5", "5"},
		{"1 2 3", "1 2 3"},
		{"5x3", "5 5 5 5"},
		{"5+1x3", "5 6 7 8"},
		{"-5-1.5x2", "-5 -6.5 -8"},
		{"1e3+1e-1x1", "1000 1000.1"},
		{"1e-3x1", "0.001 0.001"},
		{"_", "_"},
		{"_x3 1", "_ _ _ 1"},
		{"5x0", "5"},
	} {
		f, err := ruleset.ReadTests("t.yaml", []byte(story(tt.text, "{rule: hot, at: 1m, firing: []}")))
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		var got []string
		for _, v := range f.Tests[0].Series[0].Values {
			if v.None {
				got = append(got, "_")
			} else {
				got = append(got, fmt.Sprint(v.X))
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q is %s, want %s", tt.text, s, tt.want)
		}
	}
	for _, text := range []string{"x", "5x", "5x-1", "5+x3", "five", "5+1", "1x9999999", "__"} {
		if _, err := ruleset.ReadTests("t.yaml", []byte(story(text, "{rule: hot, at: 1m, firing: []}"))); err == nil ||
			!strings.Contains(err.Error(), "t.yaml: line 5, column 62: tests[0].series[0].values: must be numbers") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestExpectationsAreComparedExactly(t *testing.T) {
	for _, tt := range []struct{ values, expect, want string }{
		{"4x9", "{rule: hot, at: 9m, firing: []}", ""},
		{"4 9x9", "{rule: hot, at: 2m, pending: [{sensor: a}], firing: []}", ""},
		{"4 9x9", "{rule: hot, at: 2m, firing: [{sensor: a}]}", "firing: nothing; expected sensor=a"},
		{"4 9x9", "{rule: hot, at: 3m, firing: [{sensor: a}], pending: [], severity: medium}", ""},
		{
			"4 9x9", "{rule: hot, at: 3m, firing: [{sensor: b}, {sensor: a}]}",
			"firing: sensor=a; expected sensor=a and sensor=b",
		},
		{"4 9x9", "{rule: hot, at: 3m, pending: [{sensor: a}]}", "pending: nothing; expected sensor=a"},
		{"4 9x3 4", "{rule: hot, at: 5m, firing: [{sensor: a}]}", "firing: nothing; expected sensor=a"},
	} {
		f, err := ruleset.ReadTests("t.yaml", []byte(story(tt.values, tt.expect)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Play(t.Context(), f.Rules, live.ReadData)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got[0].Failures, ", "); !strings.HasSuffix(text, tt.want) ||
			(text == "") != (tt.want == "") || got[0].Passed != (tt.want == "") {
			t.Errorf("%s, %s: %q, want %q", tt.values, tt.expect, text, tt.want)
		}
	}
}

func TestATestFileThatCannotFailIsRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "must hold one document"},
		{"rules: []\n", "tests: is missing or empty"},
		{"tests: []\n", "tests: is missing or empty"},
		{"tests: {a: 1}\n", "tests: must be a list"},
		{"tests:\n- name: a\n", "line 2, column 3: tests[0].expect: is missing or empty"},
		{story("1", "{rule: hot, at: 1m}"), "line 7, column 6: firing: is missing, and so is pending"},
		{story("1", "{rule: hot, at: 1m, firing: all}"), "tests[0].expect[0].firing: must be a list of label sets"},
		{
			story("1", "{rule: hot, at: 1m, firing: [], severity: hgh}"),
			"severity: must be one of low, medium, high, critical",
		},
		{story("1", "{rule: hot, at: 1, firing: []}"), "at: "},
		{"rules: {}\ntests: []\n", "rules: must be a list of rules"},
	} {
		if _, err := ruleset.ReadTests("t.yaml", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v\nwant %s", tt.text, err, tt.want)
		}
	}
}
