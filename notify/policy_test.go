package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func TestSettingsThatCannotBeAreRefusedWithTheCure(t *testing.T) {
	quiet := func(a rules.Active) notify.Settings { return notify.Settings{Quiet: &notify.Quiet{Active: a}} }
	text := func(s string) notify.Settings {
		return notify.Settings{Template: &notify.TemplateTexts{Text: s}}
	}
	for _, tt := range []struct {
		name string
		s    notify.Settings
		want string
	}{
		{"a rate without a time", notify.Settings{Rate: "10"}, "rate: must be a number of messages"},
		{"a rate of nothing", notify.Settings{Rate: "0/m"}, "for example 10/m"},
		{"a rate a week", notify.Settings{Rate: "10/w"}, "in a minute, an hour or a day"},
		{"quiet without hours", quiet(rules.Active{Zone: "UTC"}), "quiet: needs hours or days"},
		{"quiet hours that are none", quiet(rules.Active{Hours: "22-7"}), "quiet.hours: must be two times"},
		{"a zone that is none", quiet(rules.Active{Hours: "22:00-07:00", Zone: "Mars"}), "quiet.zone"},
		{"quiet for ever", quiet(rules.Active{Days: "mon-sun"}), "more than two days"},
		{"a severity that is none", notify.Settings{Quiet: &notify.Quiet{
			Active: rules.Active{Days: "sun"},
			Except: []rules.Severity{"loud"},
		}}, "quiet.except"},
		{"a rate of too much", notify.Settings{Rate: "1001/m"}, "from 1 to 1000"},
		{"a timeout of an instant", notify.Settings{Timeout: "999ms"}, "timeout: must be a duration from 1s to 10m"},
		{"a timeout of an age", notify.Settings{Timeout: "601s"}, "timeout: must be a duration from 1s to 10m"},
		{"a timeout that is none", notify.Settings{Timeout: "soon"}, "timeout: must be a duration from 1s to 10m"},
		{"quiet for more than two days", quiet(rules.Active{Days: "sat-mon"}), "more than two days"},
		{"a loop over a number with a name", text("{{$n := 1000000000}}{{range $n}}{{end}}"), "over the data itself"},
		{"a template that does not parse", text("{{.title"), "template.text: is no template that works"},
		{"a function that is none", text("{{nope}}"), "is no template that works"},
		{"a loop over a number", text("{{range 1000000000}}{{end}}"), "over the data itself"},
		{"a loop over a length", text("{{range len .text}}{{end}}"), "over the data itself"},
		{"loops in loops", text("{{range .alerts}}{{range .labels}}{{range $.alerts}}{{end}}{{end}}{{end}}"), "2 deep"},
		{
			"a template that calls itself", text(`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`),
			"not for these templates",
		},
		{"a method", text("{{.title.Nope}}"), "is no template that works"},
		{"a printf that writes for long", text(`{{printf "%1000000d" 1}}`), "up to 99"},
		{"a template that is too long", text(strings.Repeat("x", 5000)), "at most 4096 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.s.Policy("ntfy")
			if err == nil || !strings.Contains(err.Error(), tt.want) || rules.CodeOf(err) != rules.Invalid {
				t.Errorf("error = %v, want an invalid one with %q", err, tt.want)
			}
		})
	}
}

// TestSettingsAtTheirLimitsAreTaken, which are within.
func TestSettingsAtTheirLimitsAreTaken(t *testing.T) {
	for name, s := range map[string]notify.Settings{
		"the lowest rate":      {Rate: "1/h"},
		"the highest rate":     {Rate: "1000 / m"},
		"the shortest timeout": {Timeout: "1s"},
		"the longest timeout":  {Timeout: "10m"},
		"two quiet days": {Quiet: &notify.Quiet{
			Active: rules.Active{Days: "sat,sun"},
			Except: []rules.Severity{rules.Low},
		}},
		"the longest template": {Template: &notify.TemplateTexts{Text: strings.Repeat("x", 4096)}},
		"the deepest loops":    {Template: &notify.TemplateTexts{Text: "{{range $.alerts}}{{range .labels}}{{end}}{{end}}"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Policy("ntfy"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQuietHoursInWords(t *testing.T) {
	night := rules.Active{Hours: "22:00-07:00", Zone: "Europe/Berlin"}
	for want, q := range map[string]notify.Quiet{
		"22:00-07:00 Europe/Berlin":                  {Active: night},
		"22:00-07:00 Europe/Berlin, except critical": {Active: night, Except: []rules.Severity{rules.Critical}},
		"22:00-07:00 Europe/Berlin, except critical, high": {
			Active: night,
			Except: []rules.Severity{rules.Critical, rules.High},
		},
	} {
		if got := q.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEveryKindHasABudget(t *testing.T) {
	for _, kind := range []string{"ntfy", "smtp", "slack", "anything"} {
		p, err := notify.Settings{}.Policy(kind)
		if err != nil || p.Rate.Count == 0 {
			t.Errorf("%s: %+v, %v", kind, p, err)
		}
	}
	p, err := notify.Settings{Rate: "7/h"}.Policy("ntfy")
	if err != nil || p.Rate != (notify.Rate{Count: 7, Per: time.Hour}) || p.Rate.String() != "7/h" {
		t.Errorf("%v, %v", p.Rate, err)
	}
}

// TestATemplateSeesPlainData and writes at most 4 KB of it.
func TestATemplateSeesPlainData(t *testing.T) {
	list := []rules.Notification{news("a", rules.FirstNews, nil), news("b", rules.Resolved, nil)}
	for _, tt := range []struct{ text, want string }{
		{"{{.severity}}/{{.tone}}/{{.count}}: {{.title}}", "high/alarm/2: t"},
		{
			"{{range .alerts}}{{.reason}} {{.title}} {{.labels.sensor}} {{.value}}; {{end}}",
			"first Freezer too warm a -9.25; resolved Freezer too warm a -9.25;",
		},
		{"{{printf \"%5.1f\" 2.25}}|{{.labels.nope}}|{{.measured}}", "2.2|| temperature.celsius"},
		{"{{with .link}}see {{.}}{{end}}", "body"}, // empty: as tocsin writes it
	} {
		words, err := notify.TemplateTexts{Text: tt.text}.Parse()
		if err != nil {
			t.Fatal(err)
		}
		got := words.Word(notify.Message{Title: "t", Text: "body", Severity: rules.High, Tone: notify.Alarm}, list, time.UTC)
		if strings.ReplaceAll(notify.Plain(got.Text), " ", "") != strings.ReplaceAll(tt.want, " ", "") || got.Title != "t" {
			t.Errorf("%s = %q, want %q", tt.text, got.Text, tt.want)
		}
	}
	long, err := notify.TemplateTexts{Title: "{{range .alerts}}{{.title}}\n{{end}}"}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	var storm []rules.Notification
	for range 500 {
		storm = append(storm, news(strings.Repeat("x", len(storm)+1), rules.FirstNews, nil))
	}
	if got := long.Word(notify.Message{}, storm, time.UTC); len(got.Title) > 4096 || strings.Contains(got.Title, "\n") {
		t.Errorf("a title of %d bytes", len(got.Title))
	}
}
