package shoutrrr_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// freezer is a notification about one; change adapts it.
func freezer(alert string, reason rules.Reason, change func(*rules.Notification)) rules.Notification {
	v, peak := -9.25, -5.5
	n := rules.Notification{
		ID: "n" + alert + string(reason), RuleID: "r1", AlertID: alert, Channel: "ops", Reason: reason, BookedAt: noon,
		Facts: rules.Facts{
			Title: "Freezer too warm", Rule: "freezer", Series: "room=kitchen,sensor=a", Severity: rules.High,
			Measured: "temperature.celsius", Condition: "mean over 5m > -15", Operator: rules.Above, Limit: rules.Num(-15),
			How: "5 min mean", Unit: "°C", Value: &v, Peak: &peak, Since: noon.Add(-12 * time.Minute),
			Recent:  []float64{-18, -15, -9.25},
			Summary: "Shut the door: https://wiki.example/freezer_door", Runbook: "https://wiki.example/freezer",
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

// many are so many of a kind.
func many(n int, one func(i int) rules.Notification) (list []rules.Notification) {
	for i := range n {
		list = append(list, one(i))
	}
	return list
}

func fullDisk(i int) rules.Notification {
	used := 97.5 - float64(i)/10
	return freezer(fmt.Sprint("disk", i), rules.FirstNews, func(n *rules.Notification) {
		n.Facts = rules.Facts{
			Title: "Disk almost full", Rule: "disk", Series: rules.Series(fmt.Sprintf("host=host%02d", i)), Severity: rules.High,
			Operator: rules.Above, Limit: rules.Num(90), Unit: "%", Value: &used, Since: noon.Add(-time.Hour),
		}
	})
}

func silentSensor(i int) rules.Notification {
	return freezer(fmt.Sprint("silent", i), rules.FirstNews, func(n *rules.Notification) {
		n.Facts = rules.Facts{
			Title: "Sensor silent", Rule: "silent", Series: rules.Series(fmt.Sprintf("sensor=s1%d", i+1)), Severity: rules.High,
			Silent: true, Known: 14, GroupBy: []string{"sensor"}, NoDataSince: noon.Add(-time.Duration(9-i) * time.Minute),
			Since: noon,
		}
	})
}

func ours(title, text string) []rules.Notification {
	return []rules.Notification{{
		ID: "own1", Reason: rules.Operational, BookedAt: noon, Channel: "ops", Facts: rules.Facts{Title: title, Text: text},
	}}
}

func named(title string) func(*rules.Notification) {
	return func(n *rules.Notification) { n.Facts.Title = title }
}

// nasty is a tag with mark-up of every service.
const nasty = "x</b>*s*_e_`c`[l](https://evil.com)<!channel>@everyone"

// scenes are the kinds of messages that there are.
var scenes = []struct {
	name   string
	list   []rules.Notification
	linked bool
}{
	{"firing", []rules.Notification{freezer("a1", rules.FirstNews, nil)}, false},
	{"firing, with links", []rules.Notification{freezer("a1", rules.FirstNews, nil)}, true},
	{"reminder", []rules.Notification{freezer("a1", rules.Reminder, nil)}, false},
	{"worsened", []rules.Notification{freezer("a1", rules.Worsened, func(n *rules.Notification) {
		n.Facts.Severity = rules.Critical
	})}, false},
	{"resolved", []rules.Notification{freezer("a1", rules.Resolved, nil)}, false},
	{"low", []rules.Notification{freezer("a1", rules.FirstNews, func(n *rules.Notification) {
		n.Facts.Severity = rules.Low
	})}, false},
	{"digest of 25", many(25, fullDisk), false},
	{"digest of 18, with links", many(18, fullDisk), true},
	{"3 of 14 silent", many(3, silentSensor), false},
	{
		"away", ours("Source home is back; it did not answer from 11:40 to 11:58", "Meanwhile fired and ended: Freezer too "+
			"warm sensor=a, 11:42 to 11:50. What is still wrong is told by itself."), false,
	},
	{"storm over", ours("Storm over: 25 alerts in 2 min, all resolved", "Nothing of it is still wrong."), false},
	{"hostile tag", []rules.Notification{freezer("a1", rules.FirstNews, func(n *rules.Notification) {
		n.Facts.Series = rules.SeriesOf(rules.Labels{"room": nasty})
	})}, false},
	{"200 Latin letters", []rules.Notification{freezer("a1", rules.FirstNews, named(strings.Repeat("warm ", 40)))}, false},
	{"200 Cyrillic letters", []rules.Notification{freezer("a1", rules.FirstNews, named(strings.Repeat("тепло", 40)))}, false},
	{"200 emoji", []rules.Notification{freezer("a1", rules.FirstNews, named(strings.Repeat("🔥", 200)))}, false},
}

// TestEverySceneAtEveryService: what each gets is golden, and none is refused by
// the rules of its service.
func TestEverySceneAtEveryService(t *testing.T) {
	for _, c := range channels {
		t.Run(c.name, func(t *testing.T) {
			valid := validators[c.kind]
			in := newInbox(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if valid != nil {
					// An author's link is meant to be one.
					harmless := bytes.ReplaceAll(body, []byte("https://wiki.example/freezer_door"), []byte("there"))
					if err := valid(r, harmless); err != nil {
						t.Errorf("%v\n%.2000s", err, body)
					}
				}
				says(c.status, c.answer)(w, r)
			})
			s := toward(t, in.URL, time.Minute)
			var all strings.Builder
			for _, scene := range scenes {
				before := in.count()
				wantSent(t, s.Send(context.Background(), channel(c.url), composed(scene.list, scene.linked)))
				fmt.Fprintf(&all, "== %s\n", scene.name)
				for _, g := range in.got()[before:] {
					all.WriteString(g.String())
				}
			}
			golden(t, t.Name(), all.String())
		})
	}
	t.Run("mail", func(t *testing.T) {
		p := openPostOffice(t, &postOffice{})
		s := toward(t, "http://127.0.0.1:1", time.Minute)
		var all strings.Builder
		for i, scene := range scenes {
			m := composed(scene.list, scene.linked)
			wantSent(t, mustCode(t, 250, s.Send(context.Background(), mailChannel("127.0.0.1", p.port(), "", ""), m)))
			fmt.Fprintf(&all, "== %s\n%s\n", scene.name, parseMail(t, p.mails[i]))
		}
		golden(t, t.Name(), all.String())
	})
}

func composed(list []rules.Notification, linked bool) notify.Message {
	m := notify.Composer{Zone: time.UTC, Linked: linked}.Compose(list, noon)
	if linked {
		m.Actions = answerable().Actions
	}
	return m
}
