package evaluator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// TestEvidenceIsAllThatWasAsked: an alert shows every query that its rule was
// judged by, with the times of the tick.
func TestEvidenceIsAllThatWasAsked(t *testing.T) {
	input := func(field, window string) rules.Doc {
		return rules.Doc{"measurement": "m", "field": field, "aggregation": "mean", "window": window}
	}
	for name, tt := range map[string]struct {
		doc    rules.Doc
		want   []string
		window time.Duration // that the evidence names
	}{
		"a threshold": {
			rules.Doc{"measurement": "m", "field": "f", "condition": rules.Doc{"operator": ">", "value": 1.0, "window": "1m"}},
			[]string{`"f"`},
			time.Minute,
		},
		"a change": {
			rules.Doc{
				"measurement": "m", "field": "f",
				"condition": rules.Doc{
					"type": "change", "ago": "5m", "operator": ">", "value": 1.0, "window": "1m",
					"aggregation": "max",
				},
			},
			[]string{`"f"`, "\n", "$before"},
			time.Minute,
		},
		"an expression": {
			rules.Doc{"condition": rules.Doc{
				"expr":   "x > 1 and y > 1",
				"inputs": rules.Doc{"x": input("f", "1m"), "y": input("g", "4m")},
			}},
			[]string{`"f"`, "\n", `"g"`},
			4 * time.Minute,
		},
		"a query": {
			rules.Doc{"condition": rules.Doc{
				"type": "query", "language": "influxql", "window": "2m", "column": "v", "operator": ">", "value": 1.0,
				"text": "SELECT max(f) AS v FROM m WHERE time > $from AND time <= $to",
			}},
			[]string{"SELECT max(f) AS v FROM m WHERE time > '$from' AND time <= '$to'"},
			2 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			server := sourcetest.Influxd(t)
			client, err := influx.New(influx.Options{URL: server.URL, Database: server.DB})
			if err != nil {
				t.Fatal(err)
			}
			h.source = client
			h.restart()
			tt.doc["title"] = "Wrong"
			h.rule(tt.doc)
			tick := h.now.Add(30 * time.Second)
			for _, at := range []time.Time{tick.Add(-5*time.Minute - time.Second), tick.Add(-time.Second)} {
				server.Write(fmt.Sprintf("m f=%d,g=7 %d", map[bool]int{true: 1, false: 9}[at.Before(tick.Add(-time.Minute))],
					at.UnixNano()))
			}
			h.tick()
			h.wantOwed(rules.FirstNews)
			stamps := strings.NewReplacer("$from", tick.Add(-tt.window).Format(time.RFC3339), "$to", tick.Format(time.RFC3339),
				"$before", tick.Add(-5*time.Minute).Format(time.RFC3339))
			h.view(func(a *rules.Alert) {
				for _, want := range tt.want {
					if want = stamps.Replace(want); !strings.Contains(a.Evidence.Query, want) {
						t.Errorf("evidence lacks %q: %s", want, a.Evidence.Query)
					}
				}
				if a.Evidence.To != tick || a.Evidence.To.Sub(a.Evidence.From) != tt.window {
					t.Errorf("window from %s to %s, want %s to %s", a.Evidence.From, a.Evidence.To, tt.window, tick)
				}
			})
		})
	}
}
