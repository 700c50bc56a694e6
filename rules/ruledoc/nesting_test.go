package ruledoc_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// TestProgramsAreMeasuredBeforeTheyAreParsed: a parser calls itself for each
// bracket.
func TestProgramsAreMeasuredBeforeTheyAreParsed(t *testing.T) {
	deep := strings.Repeat("(", 65) + "cpu > 1" + strings.Repeat(")", 65)
	for _, tt := range []struct {
		name, key, text, says string
	}{
		{"expression", "expr", strings.Repeat("(", 64) + "cpu > 1" + strings.Repeat(")", 64), ""},
		{"wide expression", "expr", strings.Repeat("(1)+", 65) + "cpu > 1", ""},
		{"expression that closes more than it opens", "expr", strings.Repeat(")", 65) + strings.Repeat("(", 64), ""},
		{"long expression", "expr", "cpu > 1" + strings.Repeat(" ", 1993), ""},
		{"deep expression", "expr", deep, "condition.expr: must not nest brackets deeper than 64 levels; got 65"},
		{
			"endless expression", "expr", strings.Repeat("not ", 500) + "cpu > 1",
			"condition.expr: must be at most 2000 bytes; got 2007",
		},
		{"deep query", "text", "SELECT " + deep, "condition.text: must not nest brackets deeper than 64 levels; got 65"},
		{"endless query", "text", "SELECT " + strings.Repeat("-", 17_000), "condition.text: must be at most 16384 bytes"},
		{"summary", "summary", "{{" + strings.Repeat("(", 1_000_000), "summary: must be at most 2000 bytes; got 1000002"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			condition := rules.Doc{
				"type":   "expression",
				"inputs": rules.Doc{"cpu": rules.Doc{"measurement": "cpu", "field": "v", "window": "1m"}}, "expr": "cpu > 1",
			}
			doc := rules.Doc{"title": "A", "condition": condition}
			switch tt.key {
			case "expr":
				condition["expr"] = tt.text
			case "text":
				doc["condition"] = rules.Doc{"type": "query", "text": tt.text, "column": "v", "operator": ">", "value": 1}
			default:
				doc[tt.key] = tt.text
			}
			_, err := ruledoc.Parse(doc)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error = %v, want %q", err, tt.says)
			}
		})
	}
}
