package insight_test

import (
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// TestAnOutlookReadsAsPeopleWouldReadIt: without the marks that a message has
// around what is data, of texts too, and without a name where there is one series.
func TestAnOutlookReadsAsPeopleWouldReadIt(t *testing.T) {
	h := newHome(t)
	for _, tt := range []struct {
		condition   rules.Doc
		field       string
		group       []string
		says, title string
		text        string
	}{
		{
			rules.Doc{"operator": ">", "value": 3, "window": "5m"},
			"celsius",
			[]string{"sensor"},
			"2 wrong at this moment: sensor=b: 19", "19", "limit 3",
		},
		{
			rules.Doc{"operator": ">", "value": 30, "window": "5m"}, "celsius", nil, "the nearest is 19.", "warm", "limit 30",
		},
		{
			rules.Doc{"operator": "==", "value": "open", "window": "5m"},
			"door",
			[]string{"sensor"},
			"1 wrong at this moment: sensor=a, fires at the next look.", "warm", "open",
		},
	} {
		r, err := h.CreateRule(t.Context(), anna, rules.Doc{
			"title": "warm", "measurement": "temperature", "field": tt.field, "group_by": tt.group, "condition": tt.condition,
		}, app.SaveOptions{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		o := insight.New(h.App).Outlook(t.Context(), r.Rule.Rule)
		said := insight.SayOutlook(o, func(at time.Time) string { return at.Format(time.TimeOnly) })
		all := o.Sample.Title + "\n" + o.Sample.Text
		if !strings.Contains(said, tt.says) || !strings.Contains(all, tt.title) || !strings.Contains(all, tt.text) ||
			strings.Contains(all, "No data") || rules.Defuse(all, "", "\n") != all {
			t.Errorf("%v: %s\n%+q", tt.condition, said, o.Sample)
		}
	}
}
