package insight_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// A trial of an anomaly rule says what each sensitivity would have told, and a
// chart of one series shows what was expected.
func TestATrialOfAnAnomalySaysWhatEachSensitivityTells(t *testing.T) {
	h := newHome(t)
	points := live.New(live.Options{Retention: 30 * 24 * time.Hour})
	h.Sources["home"] = points
	var lines strings.Builder
	for at := noon.Add(-20 * 24 * time.Hour); at.Before(noon); at = at.Add(5 * time.Minute) {
		v := at.Unix() / 300 % 7
		if ago := noon.Sub(at); ago > 24*time.Hour && ago <= 24*time.Hour+5*time.Minute {
			v += 500
		}
		fmt.Fprintf(&lines, "odd v=%d %d\n", v, at.UnixNano())
	}
	h.Must(points.Write([]byte(lines.String()), 0, noon))
	p, err := insight.New(h.App).Preview(t.Context(), insight.PreviewRequest{Chart: true, Doc: rules.Doc{
		"source": "home", "measurement": "odd", "field": "v", "condition": rules.Doc{"type": "anomaly"},
	}})
	h.Must(err)
	if p.Count != 1 || len(p.Sensitivities) != 3 {
		t.Fatalf("fired %d times; %+v", p.Count, p.Sensitivities)
	}
	for i, want := range []string{"low", "medium", "high"} {
		if s := p.Sensitivities[i]; s.Sensitivity != want || s.Told != 1 || s.PerWeek != 1 {
			t.Errorf("%+v, want %s to tell once", s, want)
		}
	}
	if want := "told a week: 1 at low, 1 at medium, 1 at high"; !strings.Contains(p.Summary, want) {
		t.Errorf("it says %q, want %q", p.Summary, want)
	}
	if len(p.Chart.Lines) != 3 {
		t.Errorf("%d lines, want that of the series and its band", len(p.Chart.Lines))
	}
}
