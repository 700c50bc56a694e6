package app_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// TestTheLastPointOfASeriesIsTheSources: another process than the daemon knows
// what was saved, which is minutes old.
func TestTheLastPointOfASeriesIsTheSources(t *testing.T) {
	for name, field := range map[string]string{"a field": "celsius", "any field": ""} {
		t.Run(name, func(t *testing.T) {
			n := newNight(t)
			doc := rules.Doc{
				"name": "silent", "measurement": "temperature", "group_by": "room",
				"condition": rules.Doc{"type": "absence", "window": "5m"},
			}
			if field != "" {
				doc["field"] = field
			}
			if _, err := n.Daemon.CreateRule(t.Context(), anna, doc, app.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			last := map[string]time.Time{}
			for i := range 10 {
				n.Write("kitchen", 4)
				if last["kitchen"] = n.Now; i == 5 {
					n.Write("hall", 4)
					last["hall"] = n.Now
				}
				n.tick()
			}
			list, err := n.Beside.RuleSeries(t.Context(), "silent")
			if err != nil || len(list) != 2 {
				t.Fatalf("%+v, %v", list, err)
			}
			for _, v := range list {
				if want := last[v.Series["room"]]; v.Seen == nil || v.Seen.Sub(want).Abs() > time.Second {
					t.Errorf("%v was last seen %v, want %s", v.Series, v.Seen, want)
				}
			}
		})
	}
}
