package app_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/rules"
)

// night is a daemon that is ticked by hand, and beside it another process on
// the same data, as the command line is one.
type night struct {
	*apptest.Night
	watch *app.SilenceWatch
}

func newNight(t *testing.T) *night {
	t.Helper()
	n := &night{Night: apptest.NewNight(t)}
	n.restart()
	doc := rules.Doc{
		"name": "fever", "title": "Too warm", "measurement": "temperature", "field": "celsius", "group_by": "room",
		"channels":  "phone",
		"condition": rules.Doc{"aggregation": "latest", "window": "5m", "operator": ">", "value": 9},
	}
	if _, err := n.Daemon.CreateRule(t.Context(), anna, doc, app.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return n
}

// tick lets half a minute pass.
func (n *night) tick() {
	n.Helper()
	n.Tick()
	n.look()
}

// restart makes the watch forget what it knows.
func (n *night) restart() {
	n.watch = app.NewSilenceWatch(n.Daemon, func() []string { return []string{"mail"} }, slog.New(slog.DiscardHandler))
}

func (n *night) look() {
	n.Helper()
	if err := n.watch.Look(n.Context(), n.Now); err != nil {
		n.Fatal(err)
	}
}

// owed says what the daemon owes, and takes it for sent.
func (n *night) owed() string {
	n.Helper()
	var out []string
	for _, m := range n.Daemon.Ledgers.Owed(n.Now) {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s: %s %s", m.Channel, m.Reason, m.Facts.Title, m.Facts.Series)))
		err := n.Daemon.Ledgers.Act(n.Context(), n.Now, m.RuleID, func(_ rules.Setting, l *rules.Ledger) error {
			l.Claim(m.ID, "m")
			l.Record(m.ID, rules.Outcome{State: rules.Sent}, n.Now, n.Now)
			return nil
		})
		if err != nil {
			n.Fatal(err)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (n *night) wantOwed(when, want string) {
	n.Helper()
	if got := n.owed(); got != want {
		n.Errorf("%s: owed %q, want %q", when, got, want)
	}
}

func (n *night) silence(req app.SilenceRequest) app.SilenceView {
	n.Helper()
	a, err := n.Beside.CreateSilence(n.Context(), anna, req)
	if err != nil {
		n.Fatal(err)
	}
	return a.Silence
}

// TestSilenceOfAnotherProcess: it hides, it is ended early, and what is still
// wrong then is told once; what came and went under it is not told.
func TestSilenceOfAnotherProcess(t *testing.T) {
	n := newNight(t)
	n.tick()
	s := n.silence(app.SilenceRequest{Rules: []string{"fever"}, For: 2 * time.Hour, Comment: "defrosting"})
	n.Write("kitchen", 12)
	n.Write("hall", 13)
	n.tick()
	n.wantOwed("while silenced", "")
	if list, err := n.Beside.ListSilences(t.Context(), false); err != nil || len(list) != 1 || list[0].Hides != 2 ||
		list[0].State != app.SilenceRunning {
		t.Errorf("silences = %+v, %v", list, err)
	}
	n.Write("hall", 4)
	n.tick()
	n.tick()
	n.wantOwed("resolved while silenced", "")
	ended, err := n.Beside.EndSilence(t.Context(), rules.Actor{Name: "bob", Door: "cli"}, s.ID)
	if err != nil || ended.Silence.State != app.SilenceOver || ended.Silence.EndedBy.Name != "bob" {
		t.Fatalf("ended = %+v, %v", ended, err)
	}
	n.tick()
	n.wantOwed("after its end", "phone first: Too warm room=kitchen")
	n.tick()
	for _, m := range n.Daemon.Ledgers.Owed(n.Now) {
		if want := "anna (" + anna.Door + ") silenced rule fever at 2026-03-14 12:00 UTC: defrosting. It held back 2 " +
			"alerts, of which 1 is still open."; m.Facts.Text != want {
			t.Errorf("text = %q, want %q", m.Facts.Text, want)
		}
	}
	n.wantOwed("later", "mail operational: A silence is over: rule fever")
	n.restart()
	n.tick()
	n.tick()
	n.wantOwed("later still", "")
	n.Write("kitchen", 4)
	n.tick()
	n.wantOwed("when it is good", "phone resolved: Too warm room=kitchen")
}

func TestSilenceThatBeginsAfterTheMessageHoldsTheResolveBack(t *testing.T) {
	n := newNight(t)
	n.Write("kitchen", 12)
	n.tick()
	n.wantOwed("first", "phone first: Too warm room=kitchen")
	n.silence(app.SilenceRequest{Match: rules.Filter{"room": {"kitchen"}}, For: time.Hour})
	n.tick()
	n.Write("kitchen", 4)
	n.tick()
	n.wantOwed("while silenced", "")
	n.Now = n.Now.Add(2 * time.Hour)
	n.Write("kitchen", 4)
	n.tick()
	n.wantOwed("at its end", "phone resolved: Too warm room=kitchen")
}

func TestSilencePreviewSaysWhatItWouldHide(t *testing.T) {
	n := newNight(t)
	n.Write("kitchen", 12)
	n.Write("hall", 12)
	n.tick()
	for _, tt := range []struct {
		name           string
		req            app.SilenceRequest
		matches, hides int
		state          string
		warns          string
	}{
		{"by rule", app.SilenceRequest{Rules: []string{"fever"}, For: time.Hour}, 2, 2, "running", ""},
		{"by label", app.SilenceRequest{Match: rules.Filter{"room": {"hall"}}, For: time.Hour}, 1, 1, "running", ""},
		{
			"by several values",
			app.SilenceRequest{Match: rules.Filter{"room": {"hall", "kitchen"}}, For: time.Hour},
			2, 2,
			"running", "",
		},
		{"everything", app.SilenceRequest{Everything: true, For: time.Hour}, 2, 2, "running", ""},
		{
			"of tomorrow",
			app.SilenceRequest{Rules: []string{"fever"}, From: noon.Add(24 * time.Hour), For: time.Hour},
			2, 0, "waiting",
			"",
		},
		{"of another time of the week", app.SilenceRequest{
			Rules:  []string{"fever"},
			Weekly: &rules.Active{Days: "mon", Hours: "22:00-23:00"},
		}, 2, 0, "waiting", ""},
		{
			"of a tag that no rule has",
			app.SilenceRequest{Match: rules.Filter{"rom": {"hall"}}, For: time.Hour},
			0, 0,
			"running", `no rule groups by "rom" or has it as a label, so this silence hides nothing now; did you mean room?`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.DryRun = true
			a, err := n.Beside.CreateSilence(t.Context(), anna, tt.req)
			if err != nil {
				t.Fatal(err)
			}
			s := a.Silence
			if s.Matches != tt.matches || s.Hides != tt.hides || s.State != tt.state || len(s.Alerts) != tt.matches ||
				!a.DryRun || strings.Join(a.Warnings, "|") != tt.warns {
				t.Errorf("answer = %+v", a)
			}
		})
	}
	if list, err := n.Beside.ListSilences(t.Context(), true); err != nil || len(list) != 0 {
		t.Errorf("dry runs saved %+v, %v", list, err)
	}
}

func TestSilenceRequestsAreRefusedWithTheCure(t *testing.T) {
	n := newNight(t)
	for _, tt := range []struct {
		name string
		req  app.SilenceRequest
		code rules.Code
		want string
	}{
		{
			"no end",
			app.SilenceRequest{Rules: []string{"fever"}},
			rules.Invalid,
			"until: is missing; give an end or a length, for example 2h",
		},
		{
			"an end and a length",
			app.SilenceRequest{Rules: []string{"fever"}, For: time.Hour, Until: noon.Add(time.Hour)},
			rules.Invalid,
			"until: is given beside a length",
		},
		{
			"an end and none",
			app.SilenceRequest{Rules: []string{"fever"}, For: time.Hour, OpenEnded: true},
			rules.Invalid,
			"until: is given, so the silence is not open-ended",
		},
		{
			"a length below zero",
			app.SilenceRequest{Rules: []string{"fever"}, For: -time.Hour},
			rules.Invalid,
			"for: must be a length of time above zero",
		},
		{
			"an end in the past",
			app.SilenceRequest{Rules: []string{"fever"}, From: noon.Add(-2 * time.Hour), Until: noon.Add(-time.Hour)},
			rules.Invalid, "until: must be in the future",
		},
		{
			"everything by mistake",
			app.SilenceRequest{For: time.Hour},
			rules.Invalid,
			"rule: is missing, and there is no match",
		},
		{"no such rule", app.SilenceRequest{Rules: []string{"fevr"}, For: time.Hour}, rules.NotFound, "did you mean fever?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := n.Beside.CreateSilence(t.Context(), anna, tt.req)
			if rules.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := n.Beside.EndSilence(t.Context(), anna, "s-none"); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("end of none: %v", err)
	}
	s := n.silence(app.SilenceRequest{Rules: []string{"fever"}, For: time.Hour})
	n.Now = n.Now.Add(time.Hour)
	if _, err := n.Beside.EndSilence(t.Context(), anna, s.ID); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("end of one that is over: %v", err)
	}
	if list, err := n.Beside.ListSilences(t.Context(), true); err != nil || len(list) != 1 ||
		list[0].State != app.SilenceOver {
		t.Errorf("all silences = %+v, %v", list, err)
	}
}

func TestSilenceIsRememberedWithItsAuthor(t *testing.T) {
	n := newNight(t)
	n.silence(app.SilenceRequest{
		Rules: []string{"fever"}, Weekly: &rules.Active{Days: "sat,sun", Hours: "22:00-07:00"},
		Comment: " the freezer is defrosted ",
	})
	list, err := n.Daemon.ListSilences(t.Context(), false)
	if err != nil || len(list) != 1 {
		t.Fatalf("silences = %+v, %v", list, err)
	}
	s := list[0]
	if s.By != anna || !s.CreatedAt.Equal(noon) || s.Rule != "fever" || s.Until != nil || s.Weekly.Zone != "UTC" ||
		s.Comment != "the freezer is defrosted" {
		t.Errorf("silence = %+v", s)
	}
	text, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(text), `"until":null`) || !strings.Contains(string(text), `"alerts":[]`) {
		t.Errorf("JSON = %s, %v", text, err)
	}
}

func TestAWeeklySilenceHidesItsTimesOnly(t *testing.T) {
	n := newNight(t)
	n.silence(app.SilenceRequest{Rules: []string{"fever"}, Weekly: &rules.Active{Hours: "12:00-12:10", Zone: "UTC"}})
	n.Write("kitchen", 12)
	n.tick()
	n.wantOwed("in its time", "")
	n.Now = n.Now.Add(10 * time.Minute)
	n.Write("kitchen", 12)
	n.tick()
	n.wantOwed("after it", "phone first: Too warm room=kitchen")
}

// TestForgottenSilence: the operators are reminded once a week, whichever
// process looks, and however often.
func TestForgottenSilence(t *testing.T) {
	n := newNight(t)
	s := n.silence(app.SilenceRequest{Rules: []string{"fever"}, OpenEnded: true, Comment: "until the new door is there"})
	n.silence(app.SilenceRequest{Rules: []string{"fever"}, Weekly: &rules.Active{Days: "sat"}})
	day := 24 * time.Hour
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{6 * day, ""},
		{7 * day, "mail operational: A silence has run for 1 week: rule fever"},
		{8 * day, ""},
		{21 * day, "mail operational: A silence has run for 3 weeks: rule fever"},
	} {
		n.Now = noon.Add(tt.after)
		n.look()
		n.restart()
		n.look()
		owed := n.Daemon.Ledgers.Owed(n.Now)
		n.wantOwed(tt.after.String(), tt.want)
		n.look()
		n.wantOwed("again", "")
		for _, m := range owed {
			for _, want := range []string{
				"anna", "silenced rule fever", "until the new door is there", "has no end",
				"hides 0 alerts", "tocsin silences end " + s.ID,
			} {
				if !strings.Contains(m.Facts.Text, want) {
					t.Errorf("text = %q, want %q in it", m.Facts.Text, want)
				}
			}
		}
	}
}
