package notify_test

import (
	"fmt"
	"slices"
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
			Title: "Freezer too warm", Rule: "freezer", Series: "room=kitchen,sensor=a", Severity: rules.High,
			Measured: "temperature.celsius", Condition: "mean over 5m > -15",
			Operator: rules.Above, Limit: rules.Num(-15), How: "5 min mean", Unit: "°C", Value: &v, Peak: &peak,
			Since: noon.Add(-12 * time.Minute), StartedAt: noon.Add(-2 * time.Minute),
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
			Title: "Sensor silent", Series: rules.Series("sensor=" + sensor), Severity: rules.High, Silent: true, Known: 14,
			GroupBy:     []string{"sensor"},
			NoDataSince: noon.Add(-time.Duration(minutes) * time.Minute), Since: noon,
		}
	})
}

func never(sensor string) rules.Notification {
	n := silent(sensor, 0)
	n.Facts.NoDataSince = time.Time{}
	return n
}

func back(sensor string) rules.Notification {
	n := silent(sensor, 10)
	n.Reason, n.Facts.Why, n.Facts.ResolvedAt = rules.Resolved, rules.WhyRecovered, noon
	return n
}

// because gives a reason to tell again.
func because(after rules.After, by string) func(*rules.Notification) {
	return func(n *rules.Notification) { n.Facts.After, n.Facts.AfterBy = after, by }
}

// scenes are the kinds of news that there are.
var scenes = []struct {
	name string
	list []rules.Notification
}{
	{
		"a first",
		[]rules.Notification{news("a", rules.FirstNews, nil)},
	},
	{
		"a summary comes first",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Summary = "{{.labels.sensor}} is at {{.value}} °C, peak {{.peak}}"
		})},
	},
	{
		"a reminder says since when",
		[]rules.Notification{news("a", rules.Reminder, nil)},
	},
	{
		"a resolve says how long and how bad",
		[]rules.Notification{news("a", rules.Resolved, nil)},
	},
	{
		"fired and resolved while undeliverable is one message",
		[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil)},
	},
	{
		"an end that was found before its beginning is the last word",
		[]rules.Notification{news("a", rules.Resolved, nil), news("a", rules.FirstNews, nil)},
	},
	{
		"so it is before a reminder",
		[]rules.Notification{news("a", rules.Resolved, nil), news("a", rules.Reminder, nil)},
	},
	{
		"a first that is sent again when it is over",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.ResolvedAt = noon })},
	},
	{
		"a late first with its reminder is still a first",
		[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Reminder, nil)},
	},
	{
		"a first of a minute ago says for how long",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Since = noon.Add(-time.Minute)
		})},
	},
	{
		"one of less does not",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Since = noon.Add(-59 * time.Second)
		})},
	},
	{
		"short episodes that were kept back are counted",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Untold = 2 })},
	},
	{
		"silence says since when",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Silent, n.Facts.NoDataSince = true, noon.Add(-time.Hour)
		})},
	},
	{
		"a series that never was",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Silent = true })},
	},
	{
		"what goes bad together is one message, the worst first",
		[]rules.Notification{
			news("b", rules.Resolved, nil), news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Severity = rules.Low
			}), news("c", rules.FirstNews, nil),
		},
	},
	{
		"what another channel should have told says so",
		[]rules.Notification{news("a", rules.Reminder, func(n *rules.Notification) { n.Facts.Instead = []string{"pager"} })},
	},
	{
		"what some of its receivers missed names them",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Instead, n.Facts.Missed = []string{"mail"}, []string{"me", "you"}
		})},
	},
	{
		"and the channels that failed before",
		[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Instead, n.Facts.Missed = []string{"pager", "chat", "mail"}, []string{"me"}
		})},
	},
	{
		"an escalation tells those who are called what to do",
		[]rules.Notification{news("a1b2c3d4e5f6", rules.Escalated, nil)},
	},
	{
		"several escalations too",
		[]rules.Notification{news("a", rules.Escalated, nil), news("b", rules.Escalated, nil)},
	},
	{
		"a worsening says whose acknowledgement it ends",
		[]rules.Notification{news("a", rules.Worsened, because(rules.AfterAck, "ann"))},
	},
	{
		"the end of a snooze says whose",
		[]rules.Notification{news("a", rules.Reminder, because(rules.AfterSnooze, "ann"))},
	},
	{
		"the end of a silence says so",
		[]rules.Notification{news("a", rules.Reminder, because(rules.AfterSilence, ""))},
	},
	{
		"also for what was never told before",
		[]rules.Notification{news("a", rules.FirstNews, because(rules.AfterSilence, ""))},
	},
	{
		"what depends on another says when that is over",
		[]rules.Notification{news("a", rules.FirstNews, because(rules.AfterParent, ""))},
	},
	{
		"a resolve says how severe it was when the severity had dropped",
		[]rules.Notification{news("a", rules.Resolved, func(n *rules.Notification) {
			n.Facts.Severity, n.Facts.Worst = rules.Medium, rules.Critical
		})},
	},
	{
		"sensors that fall silent together are one line",
		[]rules.Notification{silent("a", 40), silent("b", 90), silent("c", 10)},
	},
	{
		"those that were never seen are named apart",
		[]rules.Notification{silent("a", 40), never("c"), never("d")},
	},
	{
		"nothing of them was seen ever",
		[]rules.Notification{never("c"), never("d")},
	},
	{
		"beside other news too",
		[]rules.Notification{silent("a", 40), silent("b", 90), news("x", rules.FirstNews, nil)},
	},
	{
		"and they come back together",
		[]rules.Notification{back("a"), back("b")},
	},
}

// TestComposeSaysWhatAPersonNeeds holds titles and texts of each kind of news.
func TestComposeSaysWhatAPersonNeeds(t *testing.T) {
	var all strings.Builder
	for _, s := range scenes {
		m := notify.Composer{Zone: time.UTC}.Compose(s.list, noon)
		fmt.Fprintf(&all, "== %s (%s)\n%s\n%s\n\n", s.name, m.Tone, notify.Plain(m.Title), notify.Plain(m.Text))
	}
	golden(t, "scenes", all.String())
}

func TestLengthsAreRoundedToWhatMatters(t *testing.T) {
	for lasted, want := range map[time.Duration]string{
		59*time.Second + 900*time.Millisecond: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min",
		time.Hour:                     "1 h",
		47*time.Hour + 59*time.Minute: "47 h 59 min", 48 * time.Hour: "2 days", 5*24*time.Hour + 23*time.Hour: "5 days",
	} {
		m := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{
			news("a", rules.Resolved, func(n *rules.Notification) { n.Facts.Since = noon.Add(-lasted) }),
		}, noon)
		if !strings.HasPrefix(m.Text, "Lasted "+want+"; ") {
			t.Errorf("%s is told as %q, want %s", lasted, m.Text, want)
		}
	}
}

func TestSparkline(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   string
	}{
		{[]float64{1, 2}, ""},
		{[]float64{0, 7, 3}, "▁█▄"},
		{[]float64{5, 5, 5}, "▁▁▁"},
		{[]float64{-1, 6, 5.9, 0}, "▁█▇▂"},
	} {
		if got := notify.Sparkline(tt.values); got != tt.want {
			t.Errorf("%v is drawn as %q, want %q", tt.values, got, tt.want)
		}
	}
}

// TestATitleNamesThreeSilentSeries, the text up to twenty, and both count the
// others.
func TestATitleNamesThreeSilentSeries(t *testing.T) {
	for n, want := range map[int][2]string{
		3: {"a, b, c", "Longest for 10 min, since 11:50\nSensor silent."},
		14: {
			"a, b, c and 11 more",
			"Longest for 10 min, since 11:50\nAll: a, b, c, d, e, f, g, h, i, j, k, l, m, n\nSensor silent.",
		},
		21: {
			"a, b, c and 18 more",
			"Longest for 10 min, since 11:50\nAll: a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t and 1 more\nSensor silent.",
		},
	} {
		var list []rules.Notification
		for i := range n {
			list = append(list, silent(string(rune('a'+i)), 10))
		}
		m := (notify.Composer{Zone: time.UTC}).Compose(list, noon)
		if title, text := notify.Plain(m.Title), notify.Plain(m.Text); !strings.HasSuffix(title, "silent: "+want[0]) ||
			text != want[1] {
			t.Errorf("of %d it says %q\n%s", n, title, text)
		}
	}
}

// own is a message of tocsin's own that was booked at the minute.
func own(title string, minute int) rules.Notification {
	return rules.Notification{
		ID: title, Reason: rules.Operational, BookedAt: noon.Add(time.Duration(minute) * time.Minute),
		Facts: rules.Facts{Title: title, Text: "It is so."},
	}
}

// TestTheWorstAlertNamesTheMessage, whatever came first, and tocsin's own never
// do where there is an alert.
func TestTheWorstAlertNamesTheMessage(t *testing.T) {
	severe := func(s rules.Severity) func(*rules.Notification) {
		return func(n *rules.Notification) {
			n.Facts.Severity, n.Facts.Title, n.Facts.Series, n.Facts.Runbook = s, string(s)+" fire", "", "https://x"
		}
	}
	first := func(s rules.Severity) rules.Notification { return news(string(s), rules.FirstNews, severe(s)) }
	over := func(s rules.Severity) rules.Notification { return news(string(s), rules.Resolved, severe(s)) }
	down, away := own("Source home is down", -9), own("tocsin was away", -8)
	for _, tt := range []struct {
		name    string
		list    []rules.Notification
		title   string
		tone    notify.Tone
		threads string
	}{
		{
			"one beside two of tocsin's own",
			[]rules.Notification{down, away, first(rules.Critical)},
			"critical fire", notify.Alarm, "critical",
		},
		{
			"the worst of several",
			[]rules.Notification{first(rules.Low), down, first(rules.Critical), first(rules.High)},
			"critical fire, and 2 more", notify.Alarm, "critical high low",
		},
		{
			"what fires before what is over",
			[]rules.Notification{over(rules.Critical), first(rules.Low)},
			"low fire, and 1 more", notify.Alarm, "low critical",
		},
		{
			"the worst of what is over",
			[]rules.Notification{down, over(rules.Low), over(rules.High)},
			"Resolved: high fire, and 1 more", notify.Relief, "high low",
		},
		{
			"tocsin's own alone",
			[]rules.Notification{away, down},
			"Source home is down, and 1 more",
			notify.Notice, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := notify.Composer{Zone: time.UTC}
			m := c.Compose(tt.list, noon)
			if notify.Plain(m.Title) != tt.title || m.Tone != tt.tone || strings.Join(m.Threads, " ") != tt.threads {
				t.Errorf("title %q, tone %s, threads %v", m.Title, m.Tone, m.Threads)
			}
			if m.Tone != notify.Notice && m.Link != "https://x" {
				t.Errorf("runbook %q", m.Link)
			}
			if morning := c.Morning(tt.list, noon); notify.Plain(morning.Title) != tt.title {
				t.Errorf("in the morning %q", morning.Title)
			}
		})
	}
}

// TestADigestTellsWhatTocsinHasToSay in its own words, not as alerts.
func TestADigestTellsWhatTocsinHasToSay(t *testing.T) {
	list := []rules.Notification{own("Source home is down", -9)}
	for i := range 22 {
		list = append(list, news(strings.Repeat("x", i+1), rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Title = fmt.Sprint("rule ", i)
		}))
	}
	m := notify.Composer{Zone: time.UTC}.Compose(list, noon)
	if !strings.HasSuffix(notify.Plain(m.Text), "\nand 2 more rules\nFrom tocsin:\n• Source home is down: It is so.") {
		t.Errorf("%q\n%s", m.Title, m.Text)
	}
	if len(m.Threads) != 20 {
		t.Errorf("%d threads", len(m.Threads))
	}
}

// disk is about a disk of a host that is so full.
func disk(i int, used float64, change func(*rules.Notification)) rules.Notification {
	return news(fmt.Sprint("disk", i), rules.FirstNews, func(n *rules.Notification) {
		n.Facts = rules.Facts{
			Title: "Disk almost full", Rule: "disk", Series: rules.Series(fmt.Sprintf("host=host%02d", i)), Severity: rules.High,
			Operator: rules.Above, Limit: rules.Num(90), Unit: "%", Value: &used, Peak: &used,
			Since: time.Date(2026, 11, 23, 2, 57, 0, 0, time.UTC),
		}
		if change != nil {
			change(n)
		}
	})
}

// disks are those of so many hosts, the last the fullest.
func disks(n int, change func(*rules.Notification)) (list []rules.Notification) {
	for i := range n {
		list = append(list, disk(i, 97.5-float64(n-1-i)/10, change))
	}
	return list
}

// TestADigestNamesTheWorst with their values, and counts by rule.
func TestADigestNamesTheWorst(t *testing.T) {
	text := func(list []rules.Notification) string {
		m := notify.Composer{Zone: time.UTC}.Compose(list, noon)
		return notify.Plain(m.Title + "\n" + m.Text)
	}
	want(t, "25", text(disks(25, nil)), "25 hosts: Disk almost full\n"+
		"Worst host24 97.5 %, host23 97.4 %, host22 97.3 % and 22 more; limit 90 %; since 02:57")
	want(t, "5", text(disks(5, nil)), "5 hosts: Disk almost full\n"+
		"Worst host04 97.5 %, host03 97.4 %, host02 97.3 % and 2 more; limit 90 %; since 02:57\n"+
		"Then host01 97.2 %, host00 97.1 %")
	want(t, "3", text(disks(3, nil)), "3 hosts: Disk almost full\n"+
		"host02 97.5 %, host01 97.4 %, host00 97.3 %; limit 90 %; since 02:57")
	severe := disks(4, nil)
	severe[0].Facts.Severity = rules.Critical
	want(t, "by severity", text(severe), "4 hosts: Disk almost full\n"+
		"Worst host00 97.2 %, host03 97.5 %, host02 97.4 % and 1 more; limit 90 %; since 02:57\nThen host01 97.3 %")
	low := disks(25, func(n *rules.Notification) {
		n.Facts.Operator, n.Facts.Limit, n.Facts.Title = rules.Below, rules.Num(99), "Battery low"
	})
	want(t, "the lowest are the worst", text(low), "25 hosts: Battery low\n"+
		"Worst host00 95.1 %, host01 95.2 %, host02 95.3 % and 22 more; limit 99 %; since 02:57")
	shared := disks(2, func(n *rules.Notification) { n.Facts.Series += ",room=attic" })
	want(t, "what they share", text(shared), "2 hosts: Disk almost full, attic\n"+
		"host01 97.5 %, host00 97.4 %; limit 90 %; since 02:57")
}

// TestEveryRulesOwnSummarySurvivesFolding, of the worst where they are many.
func TestEveryRulesOwnSummarySurvivesFolding(t *testing.T) {
	full := func(n *rules.Notification) { n.Facts.Summary = "Clean {{.labels.host}}: df -h" }
	m := notify.Composer{Zone: time.UTC}.Compose(append(disks(25, full), news("a", rules.FirstNews,
		func(n *rules.Notification) { n.Facts.Severity, n.Facts.Summary = rules.Low, "Shut the door" })), noon)
	want(t, "text", notify.Plain(m.Text),
		"Worst host24 97.5 %, host23 97.4 %, host22 97.3 % and 22 more; limit 90 %; since 02:57\n"+
			"• Clean host24: df -h\n• Clean host23: df -h\n• Clean host22: df -h\nAlso:\n"+
			"• Freezer too warm, kitchen/a: -9.25 °C, limit -15 °C (5 min mean), for 12 min\n  Shut the door")
}

// TestASummaryThatFailsIsSaid: the message is as without it, and says why.
func TestASummaryThatFailsIsSaid(t *testing.T) {
	n := news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Summary = `{{if gt .title 3}}hot{{end}}` })
	text := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{n}, noon).Text
	if !strings.HasPrefix(text, "-9.25 °C, limit") ||
		!strings.Contains(text, "The rule's own summary could not be written: <gt .title 3>: text cannot be compared") {
		t.Errorf("the message is %q", text)
	}
}

// TestMorningTellsWhatTheNightBrought: in three parts, what is still wrong
// first.
func TestMorningTellsWhatTheNightBrought(t *testing.T) {
	m := notify.Composer{Zone: time.UTC}.Morning([]rules.Notification{
		news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil), news("b", rules.Resolved, nil),
		news("c", rules.FirstNews, nil),
	}, noon)
	want(t, "message", notify.Plain(m.Title+"\n"+m.Text), "Freezer too warm, kitchen/a, and 2 more\n"+
		"-9.25 °C, limit -15 °C (5 min mean), for 12 min\n"+
		"Quiet hours are over: 1 still wrong, 1 came and went, 1 over.\n"+
		"Still wrong:\n• Freezer too warm, kitchen/a: -9.25 °C, limit -15 °C (5 min mean), for 12 min\n"+
		"Came and went:\n• Came and went: Freezer too warm, kitchen/a: Lasted 12 min; now -9.25 °C, worst -5.5 °C, limit -15 °C; "+
		"from 11:48 to 12:00\n"+
		"Over:\n• Resolved: Freezer too warm, kitchen/a: Lasted 12 min; now -9.25 °C, worst -5.5 °C, limit -15 °C; "+
		"from 11:48 to 12:00")
}

// TestALinkedMessageTellsNoCommand: its buttons are nearer.
func TestALinkedMessageTellsNoCommand(t *testing.T) {
	m := notify.Composer{Zone: time.UTC, Linked: true}.Compose([]rules.Notification{news("a", rules.Escalated, nil)}, noon)
	if strings.Contains(m.Text, "tocsin alerts") {
		t.Error(m.Text)
	}
}

// TestFieldsDrawWhatWas: how severe, the last values, and what identifies it.
func TestFieldsDrawWhatWas(t *testing.T) {
	m := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{news("a", rules.FirstNews,
		func(n *rules.Notification) {
			n.Facts.Recent, n.Facts.Worst, n.Facts.Labels = []float64{-18, -15, -9.25}, rules.Critical,
				rules.Labels{"team": "home"}
			n.Facts.Clock = "unsure"
		})}, noon)
	want := []notify.Field{
		{Name: "Severity", Value: "high, critical at its worst"},
		{Name: notify.Data("room"), Value: notify.Data("kitchen"), Tag: true},
		{Name: notify.Data("sensor"), Value: notify.Data("a"), Tag: true},
		{Name: "team", Value: "home", Tag: true},
		{Name: "Recent", Value: "-18 °C to -9.25 °C", Graph: "▁▃█"},
		{Name: "Measured", Value: "temperature.celsius mean over 5m > -15", Record: true},
		{Name: "Rule", Value: "freezer", Record: true},
		{Name: "Alert", Value: "a", Record: true},
		{Name: "Clock", Value: "not proven right, so times may be wrong", Record: true},
	}
	if !slices.Equal(m.Fields, want) {
		t.Errorf("fields = %+v, want %+v", m.Fields, want)
	}
}

// TestWhatGoesBadTogetherHasItsRunbook when all of it has the same.
func TestWhatGoesBadTogetherHasItsRunbook(t *testing.T) {
	book := func(url string) func(*rules.Notification) {
		return func(n *rules.Notification) { n.Facts.Runbook = url }
	}
	c := notify.Composer{Zone: time.UTC}
	same := []rules.Notification{
		news("a", rules.FirstNews, book("https://x")),
		news("b", rules.FirstNews, book("https://x")),
	}
	if m := c.Compose(same, noon); m.Link != "https://x" {
		t.Errorf("link = %q", m.Link)
	}
	other := []rules.Notification{
		news("a", rules.FirstNews, book("https://x")),
		news("b", rules.FirstNews, book("https://y")),
	}
	if m := c.Compose(other, noon); m.Link != "" {
		t.Errorf("link = %q", m.Link)
	}
}

func TestAnAnomalySaysWhatWasUsual(t *testing.T) {
	v := 41.2
	n := news("odd", rules.FirstNews, func(n *rules.Notification) {
		n.Facts.Operator, n.Facts.Limit, n.Facts.Value = "", rules.Value{}, &v
		n.Facts.Condition = "does not fit its past (medium)"
		n.Facts.Usual = "usual for a Tuesday at 14:00 is 18 to 23"
	})
	m := notify.Composer{}.Compose([]rules.Notification{n}, noon)
	want := "41.2 °C, usual for a Tuesday at 14:00 is 18 to 23 (5 min mean), for 12 min"
	if !strings.HasPrefix(m.Text, want) {
		t.Errorf("it says %q, want %q", m.Text, want)
	}
}
