package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// news is a notification about a freezer; change adapts it.
func news(alert string, reason rules.Reason, change func(*rules.Notification)) rules.Notification {
	v, peak := -9.25, -5.5
	n := rules.Notification{
		ID: "n" + alert + string(reason), RuleID: "r1", AlertID: alert, Channel: "phone", Reason: reason, BookedAt: noon,
		Facts: rules.Facts{
			Title: "Freezer too warm", Rule: "freezer", Series: "sensor=a", Severity: rules.High, Measured: "temperature.celsius",
			Condition: "mean over 5m > -15", Value: &v, Peak: &peak, Since: noon.Add(-12 * time.Minute), StartedAt: noon.Add(-2 * time.Minute),
		},
	}
	if reason == rules.Resolved {
		n.Facts.ResolvedAt, n.Facts.Why = noon, rules.WhyRecovered
	}
	if change != nil {
		change(&n)
	}
	return n
}

// silent is about a sensor that has been silent for so many minutes.
func silent(sensor string, minutes int) rules.Notification {
	return news("silent-"+sensor, rules.FirstNews, func(n *rules.Notification) {
		n.RuleID = "r2"
		n.Facts = rules.Facts{
			Title: "Sensor silent", Series: rules.Series("sensor=" + sensor), Severity: rules.High, Silent: true, Known: 14, GroupBy: []string{"sensor"},
			NoDataSince: noon.Add(-time.Duration(minutes) * time.Minute), Since: noon,
		}
	})
}

func back(sensor string) rules.Notification {
	n := silent(sensor, 10)
	n.Reason, n.Facts.Why, n.Facts.ResolvedAt = rules.Resolved, rules.WhyRecovered, noon
	return n
}

// TestComposeSaysWhatAPersonNeeds holds titles and texts of each kind of news.
func TestComposeSaysWhatAPersonNeeds(t *testing.T) {
	for _, tt := range []struct {
		name        string
		list        []rules.Notification
		title, text string
		tone        notify.Tone
	}{
		{
			"a first",
			[]rules.Notification{news("a", rules.FirstNews, nil)},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).", notify.Alarm,
		},
		{"a summary comes first", []rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Summary = "{{.labels.sensor}} is at {{.value}} °C, {{.nonsense}}peak {{.peak}}"
		})}, "Freezer too warm (sensor=a)", "a is at -9.25 °C, peak -5.5\ntemperature.celsius is -9.25 (mean over 5m > -15).", notify.Alarm},
		{
			"a reminder says since when",
			[]rules.Notification{news("a", rules.Reminder, nil)},
			"Still firing: Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.", notify.Alarm,
		},
		{
			"a resolve says how long and how bad",
			[]rules.Notification{news("a", rules.Resolved, nil)},
			"Resolved: Freezer too warm (sensor=a)", "It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25.", notify.Relief,
		},
		{
			"fired and resolved while undeliverable is one message",
			[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil)},
			"Fired and resolved: Freezer too warm (sensor=a)", "It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25.", notify.Relief,
		},
		{
			"a first that is sent again when it is over",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.ResolvedAt = noon })},
			"Fired and resolved: Freezer too warm (sensor=a)", "It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5.", notify.Relief,
		},
		{
			"a late first with its reminder is still a first",
			[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Reminder, nil)},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).", notify.Alarm,
		},
		{
			"short episodes that were kept back are counted",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Untold = 2 })},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\n2 short episodes before this one were not told because of the cooldown.", notify.Alarm,
		},
		{
			"silence says since when",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Silent, n.Facts.NoDataSince = true, noon.Add(-time.Hour) })},
			"Freezer too warm (sensor=a)", "no data since 11:00:00, for 1 h 0 min.", notify.Alarm,
		},
		{
			"a series that never was",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Silent = true })},
			"Freezer too warm (sensor=a)", "no data has ever been seen.", notify.Alarm,
		},
		{"what goes bad together is one message, the worst first", []rules.Notification{
			news("b", rules.Resolved, nil), news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Severity = rules.Low }), news("c", rules.FirstNews, nil),
		}, "3 alerts, all with sensor=a: 2 firing, 1 resolved", "• high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
			"• low Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n• Resolved: Freezer too warm (sensor=a), after 12 min", notify.Alarm},
		{
			"what another channel should have told says so",
			[]rules.Notification{news("a", rules.Reminder, func(n *rules.Notification) { n.Facts.Instead = []string{"pager"} })},
			"Still firing: Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"Told here because channel pager does not work.", notify.Alarm,
		},
		{
			"sensors that fall silent together are one line",
			[]rules.Notification{silent("a", 40), silent("b", 90), silent("c", 10)},
			"Sensor silent: 3 of 14 sensors are silent, the longest since 10:30:00", "a, b, c.", notify.Alarm,
		},
		{
			"beside other news too",
			[]rules.Notification{silent("a", 40), silent("b", 90), news("x", rules.FirstNews, nil)},
			"3 alerts: 3 firing", "• Sensor silent: 2 of 14 sensors are silent, the longest since 10:30:00; a, b\n" +
				"• high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00", notify.Alarm,
		},
		{
			"and they come back together",
			[]rules.Notification{back("a"), back("b")},
			"Sensor silent: 2 sensors report again", "a, b.", notify.Relief,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := notify.Composer{Zone: time.UTC}.Compose(tt.list, noon)
			if m.Title != tt.title || m.Text != tt.text || m.Tone != tt.tone {
				t.Errorf("got  %q (%s)\n%s\nwant %q (%s)\n%s", m.Title, m.Tone, m.Text, tt.title, tt.tone, tt.text)
			}
		})
	}
}

// TestStormIsCounted: over twenty alerts are counted by rule, not listed.
func TestStormIsCounted(t *testing.T) {
	var list []rules.Notification
	for i := range 300 {
		list = append(list, news(strings.Repeat("x", i+1), rules.FirstNews, func(n *rules.Notification) {
			if i%3 == 0 {
				n.Facts.Title = "Disk full"
			}
		}))
	}
	m := notify.Composer{Zone: time.UTC}.Compose(list, noon)
	if m.Title != "300 alerts, all with sensor=a: 300 firing" ||
		m.Text != "• Disk full: 100 firing, the worst high\n• Freezer too warm: 200 firing, the worst high" {
		t.Errorf("%q\n%s", m.Title, m.Text)
	}
}

// TestSummaryIsHarmless: a template sees plain data, writes at most 4 KB and
// cannot fail a message.
func TestSummaryIsHarmless(t *testing.T) {
	for _, tt := range []struct{ template, want string }{
		{"{{range $i, $e := .labels}}{{$i}}={{$e}} {{end}}", "room=kitchen sensor=a "},
		{"{{.labels.nope}}-{{.nope}}", "-"},
		{"{{.value.Nope}}", "{{.value.Nope}}"},
		{"{{template \"x\"}}", "{{template \"x\"}}"},
	} {
		f := rules.Facts{Summary: tt.template, Series: "sensor=a", Labels: rules.Labels{"room": "kitchen"}}
		if got := notify.Summary(f); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.template, got, tt.want)
		}
	}
	long := rules.Facts{Summary: strings.Repeat("é{{.value}}", 3000)}
	if got := notify.Summary(long); len(got) > 4096 || !strings.HasPrefix(got, "éwithout a value") {
		t.Errorf("a long summary has %d bytes", len(got))
	}
}

// TestMorningTellsWhatTheNightBrought: in three parts, what is still wrong
// first.
func TestMorningTellsWhatTheNightBrought(t *testing.T) {
	m := notify.Composer{Zone: time.UTC}.Morning([]rules.Notification{
		news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil), news("b", rules.Resolved, nil), news("c", rules.FirstNews, nil),
	}, noon)
	if m.Title != "Quiet hours are over: 1 still wrong, 1 came and went, 1 over" {
		t.Errorf("title = %q", m.Title)
	}
	if want := "Still wrong:\n• high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
		"Came and went:\n• Fired and resolved: Freezer too warm (sensor=a), after 12 min\nOver:\n• Resolved: Freezer too warm (sensor=a), after 12 min"; m.Text != want {
		t.Errorf("text = %s\nwant %s", m.Text, want)
	}
}
