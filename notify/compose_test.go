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
			Title: "Freezer too warm", Rule: "freezer", Series: "sensor=a", Severity: rules.High,
			Measured:  "temperature.celsius",
			Condition: "mean over 5m > -15", Value: &v, Peak: &peak, Since: noon.Add(-12 * time.Minute),
			StartedAt: noon.Add(-2 * time.Minute),
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

// answer is the last line of what is told again.
const answer = "To stop reminders, acknowledge it: tocsin alerts ack a, or ask Claude to."

// because gives a reason to tell again.
func because(after rules.After, by string) func(*rules.Notification) {
	return func(n *rules.Notification) { n.Facts.After, n.Facts.AfterBy = after, by }
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
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.",
			notify.Alarm,
		},
		{
			"a summary comes first",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Summary = "{{.labels.sensor}} is at {{.value}} °C, peak {{.peak}}"
			})},
			"Freezer too warm (sensor=a)",
			"a is at -9.25 °C, peak -5.5\ntemperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.",
			notify.Alarm,
		},
		{
			"a reminder says since when",
			[]rules.Notification{news("a", rules.Reminder, nil)},
			"Still firing: Freezer too warm (sensor=a)",
			"temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" + answer, notify.Alarm,
		},
		{
			"a resolve says how long and how bad",
			[]rules.Notification{news("a", rules.Resolved, nil)},
			"Resolved: Freezer too warm (sensor=a)",
			"It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25.", notify.Relief,
		},
		{
			"fired and resolved while undeliverable is one message",
			[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil)},
			"Fired and resolved: Freezer too warm (sensor=a)",
			"It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25.", notify.Relief,
		},
		{
			"an end that was found before its beginning is the last word",
			[]rules.Notification{news("a", rules.Resolved, nil), news("a", rules.FirstNews, nil)},
			"Fired and resolved: Freezer too warm (sensor=a)",
			"It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25.", notify.Relief,
		},
		{
			"so it is before a reminder",
			[]rules.Notification{news("a", rules.Resolved, nil), news("a", rules.Reminder, nil)},
			"Fired and resolved: Freezer too warm (sensor=a)",
			"It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25.", notify.Relief,
		},
		{
			"a first that is sent again when it is over",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.ResolvedAt = noon })},
			"Fired and resolved: Freezer too warm (sensor=a)", "It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5.",
			notify.Relief,
		},
		{
			"a late first with its reminder is still a first",
			[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Reminder, nil)},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.",
			notify.Alarm,
		},
		{
			"a first of a minute ago says for how long",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Since = noon.Add(-time.Minute)
			})},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:59:00, for 1 min.",
			notify.Alarm,
		},
		{
			"one of less does not",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Since = noon.Add(-59 * time.Second)
			})},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:59:01.", notify.Alarm,
		},
		{
			"short episodes that were kept back are counted",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Untold = 2 })},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 " +
				"min.\n2 short episodes before this one were not told because of the cooldown.", notify.Alarm,
		},
		{
			"silence says since when",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Silent, n.Facts.NoDataSince = true, noon.Add(-time.Hour)
			})},
			"Freezer too warm (sensor=a)", "No data since 11:00:00, for 1 h 0 min.", notify.Alarm,
		},
		{
			"a series that never was",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Silent = true })},
			"Freezer too warm (sensor=a)", "No data has ever been seen.", notify.Alarm,
		},
		{
			"what goes bad together is one message, the worst first",
			[]rules.Notification{
				news("b", rules.Resolved, nil), news("a", rules.FirstNews, func(n *rules.Notification) {
					n.Facts.Severity = rules.Low
				}), news("c", rules.FirstNews, nil),
			},
			"Freezer too warm (sensor=a), and 2 more, all with sensor=a: 2 firing, 1 resolved",
			"• high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
				"• low Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n• Resolved: Freezer too warm " +
				"(sensor=a) at 12:00:00, after 12 min", notify.Alarm,
		},
		{
			"what another channel should have told says so",
			[]rules.Notification{news("a", rules.Reminder, func(n *rules.Notification) { n.Facts.Instead = []string{"pager"} })},
			"Still firing: Freezer too warm (sensor=a)",
			"temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"Told here because channel pager does not work.\n" + answer, notify.Alarm,
		},
		{
			"what some of its receivers missed names them",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Instead, n.Facts.Missed = []string{"mail"}, []string{"me", "you"}
			})},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"Told here because channel mail did not reach me, you.", notify.Alarm,
		},
		{
			"and the channels that failed before",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Instead, n.Facts.Missed = []string{"pager", "chat", "mail"}, []string{"me"}
			})},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"Told here because channel mail did not reach me; channels chat, pager do not work.", notify.Alarm,
		},
		{
			"an escalation tells those who are called what to do",
			[]rules.Notification{news("a1b2c3d4e5f6", rules.Escalated, nil)},
			"Nobody has acknowledged: Freezer too warm (sensor=a)",
			"temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"To stop reminders, acknowledge it: tocsin alerts ack a1b2c3d4e, or ask Claude to.", notify.Alarm,
		},
		{
			"several escalations too",
			[]rules.Notification{news("a", rules.Escalated, nil), news("b", rules.Escalated, nil)},
			"Nobody has acknowledged: Freezer too warm (sensor=a), and 1 more, all with sensor=a: 2 firing",
			"• Nobody has acknowledged: high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
				"• Nobody has acknowledged: high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
				"To stop reminders, acknowledge them: tocsin alerts list --status firing names them, or ask Claude to.",
			notify.Alarm,
		},
		{
			"a worsening says whose acknowledgement it ends",
			[]rules.Notification{news("a", rules.Worsened, because(rules.AfterAck, "ann"))},
			"Worse, now high: Freezer too warm (sensor=a)",
			"temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"ann had acknowledged it; because it got worse, it is open again.\n" + answer, notify.Alarm,
		},
		{
			"the end of a snooze says whose",
			[]rules.Notification{news("a", rules.Reminder, because(rules.AfterSnooze, "ann"))},
			"Snooze over, still firing: Freezer too warm (sensor=a)",
			"temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"ann had snoozed it; the snooze is over.\n" + answer, notify.Alarm,
		},
		{
			"the end of a silence says so",
			[]rules.Notification{news("a", rules.Reminder, because(rules.AfterSilence, ""))},
			"Silence over, still firing: Freezer too warm (sensor=a)",
			"temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"It was silenced until now.\n" + answer, notify.Alarm,
		},
		{
			"also for what was never told before",
			[]rules.Notification{news("a", rules.FirstNews, because(rules.AfterSilence, ""))},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 " +
				"min.\nIt was silenced until now.", notify.Alarm,
		},
		{
			"what depends on another says when that is over",
			[]rules.Notification{news("a", rules.FirstNews, because(rules.AfterParent, ""))},
			"Freezer too warm (sensor=a)", "temperature.celsius is -9.25 (mean over 5m > -15).\nSince 11:48:00, for 12 min.\n" +
				"It was not told before because what it depends on was wrong too; that is over.", notify.Alarm,
		},
		{
			"a resolve says how severe it was when the severity had dropped",
			[]rules.Notification{news("a", rules.Resolved, func(n *rules.Notification) {
				n.Facts.Severity, n.Facts.Worst = rules.Medium, rules.Critical
			})},
			"Resolved: Freezer too warm (sensor=a)",
			"It lasted 12 min, from 11:48:00 to 12:00:00; the peak was -5.5, now it is -9.25. It was critical at its worst.",
			notify.Relief,
		},
		{
			"sensors that fall silent together are one line",
			[]rules.Notification{silent("a", 40), silent("b", 90), silent("c", 10)},
			"Sensor silent: 3 of 14 sensors are silent, the longest since 10:30:00", "a, b, c.", notify.Alarm,
		},
		{
			"those that were never seen are named apart",
			[]rules.Notification{silent("a", 40), never("c"), never("d")},
			"Sensor silent: 3 of 14 sensors are silent, the longest since 11:20:00", "a; never seen: c, d.", notify.Alarm,
		},
		{
			"nothing of them was seen ever",
			[]rules.Notification{never("c"), never("d")},
			"Sensor silent: 2 of 14 sensors are silent", "never seen: c, d.", notify.Alarm,
		},
		{
			"beside other news too",
			[]rules.Notification{silent("a", 40), silent("b", 90), news("x", rules.FirstNews, nil)},
			"Freezer too warm (sensor=a), and 2 more: 3 firing",
			"• high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
				"• Sensor silent: 2 of 14 sensors are silent, the longest since 10:30:00; a, b", notify.Alarm,
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

func TestLengthsAreRoundedToWhatMatters(t *testing.T) {
	for lasted, want := range map[time.Duration]string{
		59*time.Second + 900*time.Millisecond: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min",
		time.Hour:                     "1 h 0 min",
		47*time.Hour + 59*time.Minute: "47 h 59 min", 48 * time.Hour: "2 days", 5*24*time.Hour + 23*time.Hour: "5 days",
	} {
		m := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{
			news("a", rules.Resolved, func(n *rules.Notification) { n.Facts.Since = noon.Add(-lasted) }),
		}, noon)
		if !strings.HasPrefix(m.Text, "It lasted "+want+", from") {
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

// TestALineNamesAtMostTenSilentSeries, and counts the others.
func TestALineNamesAtMostTenSilentSeries(t *testing.T) {
	for n, want := range map[int]string{
		10: "a, b, c, d, e, f, g, h, i, j.",
		11: "a, b, c, d, e, f, g, h, i, j, and 1 more.",
	} {
		var list []rules.Notification
		for i := range n {
			list = append(list, silent(string(rune('a'+i)), 10))
		}
		if m := (notify.Composer{Zone: time.UTC}).Compose(list, noon); m.Text != want {
			t.Errorf("of %d it says %q, want %q", n, m.Text, want)
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
			"critical fire, and 2 more: 1 firing, 2 of tocsin's own", notify.Alarm, "critical",
		},
		{
			"the worst of several",
			[]rules.Notification{first(rules.Low), down, first(rules.Critical), first(rules.High)},
			"critical fire, and 3 more: 3 firing, 1 of tocsin's own", notify.Alarm, "critical high low",
		},
		{
			"what fires before what is over",
			[]rules.Notification{over(rules.Critical), first(rules.Low)},
			"low fire, and 1 more: 1 firing, 1 resolved", notify.Alarm, "low critical",
		},
		{
			"the worst of what is over",
			[]rules.Notification{down, over(rules.Low), over(rules.High)},
			"Resolved: high fire, and 2 more: 2 resolved, 1 of tocsin's own", notify.Relief, "high low",
		},
		{
			"tocsin's own alone",
			[]rules.Notification{away, down},
			"Source home is down, and 1 more: 2 of tocsin's own",
			notify.Notice, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := notify.Composer{Zone: time.UTC}
			m := c.Compose(tt.list, noon)
			if m.Title != tt.title || m.Tone != tt.tone || strings.Join(m.Threads, " ") != tt.threads {
				t.Errorf("title %q, tone %s, threads %v", m.Title, m.Tone, m.Threads)
			}
			if m.Tone != notify.Notice && m.Link != "https://x" {
				t.Errorf("runbook %q", m.Link)
			}
			if morning := c.Morning(tt.list, noon); !strings.Contains(morning.Title, tt.title[:strings.Index(tt.title, ":")+1]) {
				t.Errorf("in the morning %q", morning.Title)
			}
		})
	}
}

// TestADigestTellsWhatTocsinHasToSay in its own words, not as alerts.
func TestADigestTellsWhatTocsinHasToSay(t *testing.T) {
	list := []rules.Notification{own("Source home is down", -9)}
	for i := range 21 {
		list = append(list, news(strings.Repeat("x", i+1), rules.FirstNews, func(n *rules.Notification) {
			n.Facts.Title = fmt.Sprint("rule ", i)
		}))
	}
	m := notify.Composer{Zone: time.UTC}.Compose(list, noon)
	if !strings.HasSuffix(m.Text, "\nand 1 more rule\n• Source home is down: It is so.") {
		t.Errorf("%q\n%s", m.Title, m.Text)
	}
	if len(m.Threads) != 20 {
		t.Errorf("%d threads", len(m.Threads))
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
	if m.Title != "Disk full (sensor=a), and 299 more, all with sensor=a: 300 firing" ||
		m.Text != "• Disk full: 100 firing, the worst high\n• Freezer too warm: 200 firing, the worst high" {
		t.Errorf("%q\n%s", m.Title, m.Text)
	}
}

// TestADigestCountsByRule what fires and how bad the worst is, and what is over.
func TestADigestCountsByRule(t *testing.T) {
	about := func(i int, title string, reason rules.Reason, s rules.Severity) rules.Notification {
		return news(fmt.Sprint("alert", i), reason, func(n *rules.Notification) {
			n.Facts.Title, n.Facts.Severity = title, s
		})
	}
	var list []rules.Notification
	for i := range 12 {
		list = append(list,
			about(i, "Disk full", rules.FirstNews, []rules.Severity{rules.Low, rules.Critical, rules.High}[i%3]))
	}
	for i := range 10 {
		list = append(list, about(20+i, []string{"Disk full", "Door open"}[i%2], rules.Resolved, rules.High))
	}
	digest := func(list []rules.Notification) string {
		return notify.Composer{Zone: time.UTC}.Compose(list, noon).Text
	}
	want(t, "digest", digest(list), "• Disk full: 12 firing, the worst critical; 5 resolved\n• Door open: 5 resolved")
	want(t, "first line of twenty", strings.SplitN(digest(list[:20]), "\n", 2)[0],
		"• critical Disk full (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00")

	var rulesOf20 []rules.Notification
	for i := range 21 {
		rulesOf20 = append(rulesOf20, about(i, fmt.Sprintf("rule %02d", i%20), rules.FirstNews, rules.High))
	}
	if lines := strings.Split(digest(rulesOf20), "\n"); len(lines) != 20 ||
		!strings.HasPrefix(lines[19], "• rule 19: 1 firing") {
		t.Errorf("of twenty rules %d lines are told, the last %q", len(lines), lines[len(lines)-1])
	}
}

// TestASummaryThatFailsIsSaid: the message is as without it, and says why.
func TestASummaryThatFailsIsSaid(t *testing.T) {
	n := news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.Summary = `{{if gt .title 3}}hot{{end}}` })
	text := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{n}, noon).Text
	if !strings.HasPrefix(text, "temperature.celsius is ") ||
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
	if m.Title != "Quiet hours are over: Freezer too warm (sensor=a), and 2 more: 1 still wrong, 1 came and went, 1 over" {
		t.Errorf("title = %q", m.Title)
	}
	if want := "Still wrong:\n• high Freezer too warm (sensor=a): -9.25 (mean over 5m > -15), since 11:48:00\n" +
		"Came and went:\n• Fired and resolved: Freezer too warm (sensor=a) at 12:00:00, after 12 min\nOver:\n• " +
		"Resolved: Freezer too warm (sensor=a) at 12:00:00, after 12 min"; m.Text != want {
		t.Errorf("text = %s\nwant %s", m.Text, want)
	}
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
		{Name: "Recent", Value: "-18 to -9.25", Graph: "▁▃█"},
		{Name: "Rule", Value: "freezer"},
		{Name: "Alert", Value: "a"},
		{Name: "team", Value: "home"},
		{Name: "Clock", Value: "not proven right, so times may be wrong"},
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
