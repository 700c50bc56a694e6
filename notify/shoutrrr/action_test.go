package shoutrrr_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
)

const (
	ackURL    = "https://bell.example/tocsin/a/ACK_token-1"
	snoozeURL = "https://bell.example/tocsin/a/SNOOZE_token-2"
)

// answerable is a message that can be answered from where it is read.
func answerable() notify.Message {
	m := ordinary()
	m.Actions = []notify.Action{
		{Label: "Acknowledge", URL: ackURL, POST: true},
		{Label: "Snooze 1 h", URL: snoozeURL, POST: true},
	}
	return m
}

// TestEveryServiceShowsWhatCanBeDone: as a button where the service has some
// that open a page, else as a link.
func TestEveryServiceShowsWhatCanBeDone(t *testing.T) {
	shows := map[string][]string{
		"slack":   {`"text":"<` + ackURL + `|Acknowledge>"`, `"text":"<` + snoozeURL + `|Snooze 1 h>"`},
		"discord": {`{"label":"Acknowledge","style":5,"type":2,"url":"` + ackURL + `"}`, `"url":"` + snoozeURL + `"`},
		"teams": {
			`{"title":"Acknowledge","type":"Action.OpenUrl","url":"` + ackURL + `"}`, `"url":"` + snoozeURL + `"`,
			`"title":"Runbook"`,
		},
		"telegram": {
			`"inline_keyboard":[[{"text":"Acknowledge","url":"` + ackURL + `"},{"text":"Snooze 1 h","url":"` + snoozeURL + `"}]]`,
		},
		"matrix": {`<a href=\"` + ackURL + `\">Acknowledge</a>`, "Acknowledge: " + ackURL},
		"gotify": {"Acknowledge: " + ackURL + `\nSnooze 1 h: ` + snoozeURL},
		"pushover": {
			`"url":"` + ackURL + `","url_title":"Acknowledge"`, "Snooze 1 h: " + snoozeURL,
			"Runbook: https://wiki.example/",
		},
		"generic": {`"actions":[{"label":"Acknowledge","url":"` + ackURL + `"},{"label":"Snooze 1 h","url":"` + snoozeURL +
			`"}]`},
		"mattermost": {"[Acknowledge](" + ackURL + ")"},
		"rocketchat": {"[Acknowledge](" + ackURL + ")"},
		"googlechat": {`{"onClick":{"openLink":{"url":"` + ackURL + `"}},"text":"Acknowledge"}`},
		"opsgenie":   {"Acknowledge: " + ackURL},
		"bark":       {"Acknowledge: " + ackURL},
	}
	seen := map[string]bool{}
	for _, c := range channels {
		if shows[c.kind] == nil {
			continue
		}
		seen[c.kind] = true
		t.Run(c.name, func(t *testing.T) {
			in := newInbox(t, says(c.status, c.answer))
			wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel(c.url), answerable()))
			body := in.one(t).body
			for _, want := range shows[c.kind] {
				if !strings.Contains(body, want) {
					t.Errorf("body = %s; want %s in it", body, want)
				}
			}
		})
	}
	if len(seen) != len(shows) {
		t.Errorf("only %v were tried", seen)
	}
}

// TestAHostWithoutADotHasLinks: services refuse a whole message for a button to it.
func TestAHostWithoutADotHasLinks(t *testing.T) {
	m := answerable()
	for i := range m.Actions {
		m.Actions[i].URL = "http://nas:8627/a/x"
	}
	for address, want := range map[string]string{
		"telegram://1:T@telegram?chats=5": `<a href=\"http://nas:8627/a/x\">Acknowledge</a>`,
		"discord://T@1":                   `[Acknowledge](http://nas:8627/a/x)`,
		"https://chat.googleapis.com/v1/spaces/S/messages?key=k&token=t": "<http://nas:8627/a/x|Acknowledge>",
	} {
		in := newInbox(t, says(200, `{"ok":true,"id":"1"}`))
		wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel(address), m))
		if body := in.one(t).body; !strings.Contains(body, want) || strings.Contains(body, "openLink") ||
			strings.Contains(body, "inline_keyboard") || strings.Contains(body, "components") {
			t.Errorf("body = %s; want %s in it", body, want)
		}
	}
}

func TestNtfyActsAtAPress(t *testing.T) {
	in := newInbox(t, says(200, "{}"))
	wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel("ntfy://ntfy.sh/topic"), answerable()))
	want := "http, Acknowledge, '" + ackURL + "', method=POST, clear=true; http, Snooze 1 h, '" + snoozeURL +
		"', method=POST, clear=true"
	if got := in.one(t).header.Get("Actions"); got != want {
		t.Errorf("Actions = %q, want %q", got, want)
	}
	in = newInbox(t, says(200, "{}"))
	wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(),
		channel("ntfy://ntfy.sh/topic?actions=view,+Camera,+http://cam.lan"), answerable()))
	if got := in.one(t).header.Get("Actions"); got != "view, Camera, http://cam.lan" {
		t.Errorf("a channel's own actions became %q", got)
	}
	page := answerable()
	page.Actions = []notify.Action{{Label: "Look", URL: ackURL}}
	in = newInbox(t, says(200, "{}"))
	wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel("ntfy://ntfy.sh/topic"), page))
	if got := in.one(t).header.Get("Actions"); got != "view, Look, '"+ackURL+"'" {
		t.Errorf("an action that is a page became %q", got)
	}
}

func TestActionsThatAreNoLinksAreLeftOut(t *testing.T) {
	m := ordinary()
	m.Actions = []notify.Action{
		{Label: "Evil", URL: "javascript:alert(1)"},
		{Label: "Quoted", URL: "https://bell.example/a/x', method=GET"},
	}
	in := newInbox(t, says(200, "{}"))
	wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel("ntfy://ntfy.sh/topic"), m))
	got := in.one(t).header.Get("Actions")
	if strings.Contains(got, "Evil") || strings.Count(got, "'") != 2 {
		t.Errorf("Actions = %q", got)
	}
}
