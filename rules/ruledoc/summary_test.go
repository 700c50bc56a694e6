package ruledoc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules/ruledoc"
)

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
		_, err := ruledoc.Parse(document(t, fmt.Sprintf(`{"title": "x", %s"group_by": ["host"], "labels": {"team": "a"},
			"condition": %s, "summary": %q}`, keys, tt.condition, tt.summary)))
		if tt.want == "" && err == nil {
			continue
		}
		if tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v; want %q", tt.condition, tt.summary, err, tt.want)
		}
	}
}
