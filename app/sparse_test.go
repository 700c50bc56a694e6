package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

func TestSparsePointsAreWarnedOf(t *testing.T) {
	every := func(gap time.Duration, n int) (out []time.Duration) {
		for i := range n {
			out = append(out, time.Duration(i)*gap)
		}
		return out
	}
	for name, tt := range map[string]struct {
		before []time.Duration
		over   rules.Doc
		want   string // "" for no warning
	}{
		"dense":                       {every(10*time.Second, 60), rules.Doc{"for": "10m"}, ""},
		"one point, and for is short": {every(time.Second, 1), nil, ""},
		"one point, and for is long": {
			every(time.Second, 1),
			rules.Doc{"for": "10m"},
			"for (10m) is longer than the window (5m), and the points of m.v are too few",
		},
		"rarer than the window": {
			every(8*time.Minute, 7), nil,
			"come about every 8m, more rarely than the window (5m): between them nothing is judged; with stale_after 1h ",
		},
		"rarer, and for is never reached": {
			every(8*time.Minute, 7),
			rules.Doc{"for": "20m"},
			"nothing is judged, and for (20m) is never reached; with stale_after 1h",
		},
		"too few for a line": {every(8*time.Minute, 7), rules.Doc{"condition": rules.Doc{
			"type": "forecast", "window": "30m", "operator": ">", "value": 5,
		}}, "a line needs 6 of them: the window (30m) holds fewer; make it 1h36m or longer"},
		"held": {
			every(8*time.Minute, 7),
			rules.Doc{"condition": rules.Doc{"operator": ">", "value": 5, "stale_after": "1h"}},
			"",
		},
		"a count": {
			every(8*time.Minute, 7),
			rules.Doc{"condition": rules.Doc{"operator": ">", "value": 5, "aggregation": "count"}},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			var lines []string
			for _, before := range tt.before {
				lines = append(lines, fmt.Sprintf("m,id=a v=1 %d", noon.Add(-before).UnixNano()))
			}
			h.Must(h.Points.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, noon))
			doc := rules.Doc{"title": "M", "measurement": "m", "field": "v", "condition": rules.Doc{"operator": ">", "value": 5}}
			for key, value := range tt.over {
				doc[key] = value
			}
			answer, err := h.CreateRule(t.Context(), anna, doc, app.SaveOptions{})
			h.Must(err)
			sparse := ""
			for _, w := range answer.Warnings {
				if strings.Contains(w, "window") {
					sparse = w
				}
			}
			if (tt.want == "") != (sparse == "") || !strings.Contains(sparse, tt.want) {
				t.Errorf("warned %q, want %q", sparse, tt.want)
			}
		})
	}
}
