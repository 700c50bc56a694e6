package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// first is the beginning of a text, of so many characters.
func first(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), n)])
}

// since is when an alert began.
func since(ago time.Duration) func(*rules.Notification) {
	return func(n *rules.Notification) { n.Facts.Since = noon.Add(-ago) }
}

// TestALockScreenSaysWhatMatters: the first 40 characters what and where, the
// first 120 also the value, the limit and for how long.
func TestALockScreenSaysWhatMatters(t *testing.T) {
	silents := []rules.Notification{silent("s11", 9), silent("s12", 8), silent("s13", 7)}
	came := []rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil)}
	for _, tt := range []struct {
		name        string
		list        []rules.Notification
		at40, by120 string
	}{
		{
			"firing",
			[]rules.Notification{news("a", rules.FirstNews, nil)},
			"Freezer too warm, kitchen/a",
			"Freezer too warm, kitchen/a\n-9.25 °C, limit -15 °C (5 min mean), for 12 min",
		},
		{
			"with words of its own",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) {
				n.Facts.Summary = "Shut the door, then look at the compressor."
			})},
			"Freezer too warm, kitchen/a",
			"Freezer too warm, kitchen/a\n-9.25 °C, limit -15 °C (5 min mean), for 12 min",
		},
		{
			"reminder",
			[]rules.Notification{news("a", rules.Reminder, func(n *rules.Notification) {
				since(time.Hour)(n)
				*n.Facts.Value = -9
			})},
			"Still -9 °C after 1 h: Freezer too warm,",
			"Still -9 °C after 1 h: Freezer too warm, kitchen/a\n-9 °C, limit -15 °C (5 min mean), for 1 h",
		},
		{
			"worsened",
			[]rules.Notification{news("a", rules.Worsened, func(n *rules.Notification) {
				n.Facts.Severity, n.Facts.Limit = rules.Critical, rules.Num(-10)
			})},
			"Critical: Freezer too warm, kitchen/a",
			"Critical: Freezer too warm, kitchen/a\n-9.25 °C, limit -10 °C (5 min mean), for 12 min",
		},
		{
			"escalation",
			[]rules.Notification{news("a", rules.Escalated, nil)},
			"Unanswered: Freezer too warm, kitchen/a",
			"Unanswered: Freezer too warm, kitchen/a\n-9.25 °C, limit -15 °C (5 min mean), for 12 min",
		},
		{
			"resolved",
			[]rules.Notification{news("a", rules.Resolved, nil)},
			"Resolved: Freezer too warm, kitchen/a",
			"Resolved: Freezer too warm, kitchen/a\nLasted 12 min; now -9.25 °C, worst -5.5 °C, limit -15 °C",
		},
		{
			"came and went", came, "Came and went: Freezer too warm, kitchen",
			"Came and went: Freezer too warm, kitchen/a\nLasted 12 min; now -9.25 °C, worst -5.5 °C, limit -15 °C",
		},
		{
			"silent", silents, "3 of 14 sensors silent: s11, s12, s13",
			"3 of 14 sensors silent: s11, s12, s13\nLongest for 9 min, since 11:51\nSensor silent.",
		},
		{
			"a digest of 25", disks(25, nil), "25 hosts: Disk almost full",
			"25 hosts: Disk almost full\nWorst host24 97.5 %, host23 97.4 %, host22 97.3 % and 22 more; limit 90 %; since 02:57",
		},
		{
			"beside tocsin's own",
			[]rules.Notification{own("Source home is down", -9), news("a", rules.FirstNews, nil)},
			"Freezer too warm, kitchen/a",
			"Freezer too warm, kitchen/a\n-9.25 °C, limit -15 °C (5 min mean), for 12 min",
		},
		{
			"tocsin's own",
			[]rules.Notification{own("Source home does not answer since 11:50", -9)},
			"Source home does not answer since 11:50", "Source home does not answer since 11:50\nIt is so.",
		},
	} {
		m := notify.Composer{Zone: time.UTC}.Compose(tt.list, noon)
		text := notify.Plain(m.Title + "\n" + m.Text)
		want(t, tt.name+", 40", strings.TrimSpace(first(notify.Plain(m.Title), 40)), tt.at40)
		if !strings.HasPrefix(first(text, 120), tt.by120) {
			t.Errorf("%s: in 120 it says\n%s\nwant\n%s", tt.name, first(text, 120), tt.by120)
		}
	}
}

// TestAValueReadsAsItsOperatorMeans.
func TestAValueReadsAsItsOperatorMeans(t *testing.T) {
	number := func(op rules.Operator, limit rules.Value, x float64) func(*rules.Notification) {
		return func(n *rules.Notification) {
			n.Facts.Operator, n.Facts.Limit, n.Facts.Value, n.Facts.How = op, limit, &x, ""
		}
	}
	for want, change := range map[string]func(*rules.Notification){
		"-15.01 °C, limit -15 °C":           number(rules.Below, rules.Num(-15), -15.01),
		"3 °C, limits 5 and 8 °C":           number(rules.Outside, rules.Value{Kind: rules.Range, Low: 5, High: 8}, 3),
		"6.12 °C, wrong between 5 and 8 °C": number(rules.Between, rules.Value{Kind: rules.Range, Low: 5, High: 8}, 6.1234),
		"3 °C, should be 4 °C":              number(rules.Unequal, rules.Num(4), 3),
		"4 °C":                              number(rules.Equal, rules.Num(4), 4),
		"-9.25 °C (mean over 5m > -15)":     number("", rules.Value{}, -9.25),
		`open, should be "closed" (5 min max)`: func(n *rules.Notification) {
			n.Facts.Operator, n.Facts.Limit = rules.Unequal, rules.Value{Kind: rules.Text, Text: "closed"}
			n.Facts.ValueText, n.Facts.Value, n.Facts.How = "open", nil, "5 min max"
		},
		"without a value": func(n *rules.Notification) {
			n.Facts.Value, n.Facts.Operator, n.Facts.Condition = nil, rules.Equal, ""
			n.Facts.How = ""
		},
	} {
		m := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{news("a", rules.FirstNews, change)}, noon)
		if got, _, _ := strings.Cut(notify.Plain(m.Text), ", for 12 min"); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

// TestTimesNameTheirZoneWhereNobodySaidWhichIsRead.
func TestTimesNameTheirZoneWhereNobodySaidWhichIsRead(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	ago := news("a", rules.FirstNews, since(20*time.Hour))
	for zone, want := range map[*time.Location]string{
		time.UTC: "Since Sun 22 Nov 16:00.", berlin: "Since Sun 22 Nov 17:00.",
	} {
		m := notify.Composer{Zone: zone}.Compose([]rules.Notification{ago}, noon)
		if !strings.HasSuffix(m.Text, want) {
			t.Errorf("in %s it says\n%s, want %s", zone, m.Text, want)
		}
	}
	was := time.Local
	time.Local = time.FixedZone("UTC", 0)
	t.Cleanup(func() { time.Local = was })
	m := notify.Composer{}.Compose([]rules.Notification{ago}, noon)
	if !strings.HasSuffix(m.Text, "Since Sun 22 Nov 16:00 UTC.") {
		t.Error(m.Text)
	}
}

// TestOnlyDataIsMarked: a rule's own words are its author's.
func TestOnlyDataIsMarked(t *testing.T) {
	n := news("a", rules.FirstNews, func(n *rules.Notification) {
		n.Facts.Series, n.Facts.Labels = "sensor=evil.com", rules.Labels{"wiki": "https://wiki.example/x"}
		n.Facts.Summary = `{{if eq .labels.sensor "evil.com"}}{{.labels.sensor | printf "%q"}}: {{.labels.wiki}} {{len .labels.sensor}}{{end}}`
	})
	m := notify.Composer{Zone: time.UTC}.Compose([]rules.Notification{n}, noon)
	shown := func(text string) string {
		return notify.Defuse(text, func(_, data string) string { return fmt.Sprintf("<%s>", data) })
	}
	want(t, "title", shown(m.Title), "Freezer too warm, <evil.com>")
	want(t, "summary", strings.Split(shown(m.Text), "\n")[1], `<"evil.com">: https://wiki.example/x 8`)
	want(t, "a mark in the data", shown(notify.Data("a\ufdd1b")+"\ufdd0c"), "<ab><c>")
}
