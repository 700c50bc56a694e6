package shoutrrr_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// episode are the messages of one: it fires, and it is over.
func episode() (fires, over notify.Message) {
	place := ", " + notify.Data("kitchen") + "/" + notify.Data("a")
	fires = notify.Message{
		ID: "n1", Threads: []string{"a1"}, Title: "Freezer too warm" + place, Place: place,
		Topic: "Freezer too warm" + place, Text: "-9.25 °C, limit -15 °C (5 min mean), for 12 min",
		Severity: rules.Critical, Tone: notify.Alarm, At: noon,
		About: []notify.About{
			{ID: "a1", Reason: rules.FirstNews, Title: "Freezer too warm", Severity: "critical", Since: noon},
		},
	}
	over = fires
	over.ID, over.Tone, over.Title = "n2", notify.Relief, "Resolved: Freezer too warm"+place
	over.Text = "Lasted 1 h; now -16 °C, worst -5.5 °C, limit -15 °C"
	over.About = []notify.About{fires.About[0]}
	over.About[0].Reason, over.About[0].ResolvedAt = rules.Resolved, noon.Add(time.Hour)
	return fires, over
}

// called are answers that say what a message is called.
var called = map[string]string{
	"slack bot": `{"ok":true,"ts":"1503435956.000247"}`, "telegram": `{"ok":true,"result":{"message_id":42}}`,
	"discord": `{"id":"99"}`, "matrix": `{"event_id":"$first"}`,
}

// TestAnEpisodeIsOneThing at every service that has something for that: the golden
// files show all the requests of its beginning and its end.
func TestAnEpisodeIsOneThing(t *testing.T) {
	for _, c := range channels {
		t.Run(c.name, func(t *testing.T) {
			answer := c.answer
			if called[c.name] != "" {
				answer = called[c.name]
			}
			in := newInbox(t, says(c.status, answer))
			s := toward(t, in.URL, time.Minute)
			fires, over := episode()
			out := s.Send(context.Background(), channel(c.url), fires)
			wantSent(t, out)
			over.Answers = out.Ref
			wantSent(t, s.Send(context.Background(), channel(c.url), over))
			var all strings.Builder
			for _, g := range in.got() {
				all.WriteString(g.String() + "\n")
			}
			golden(t, t.Name(), all.String())
		})
	}
}

// TestAMailsSubjectStays, because programs keep a thread together by that.
func TestAMailsSubjectStays(t *testing.T) {
	p := openPostOffice(t, &postOffice{})
	s := toward(t, "http://127.0.0.1:1", time.Minute)
	fires, over := episode()
	c := mailChannel("127.0.0.1", p.port(), "", "")
	out := s.Send(context.Background(), c, fires)
	wantSent(t, mustCode(t, 250, out))
	over.Answers = out.Ref
	wantSent(t, mustCode(t, 250, s.Send(context.Background(), c, over)))
	first, last := parseMail(t, p.mails[0]), parseMail(t, p.mails[1])
	const subject = "[critical] Freezer too warm, kitchen/a"
	if first.Get("Subject") != subject || last.Get("Subject") != "Re: "+subject ||
		first.Get("References") != last.Get("References") {
		t.Errorf("%q and %q, %q and %q", first.Get("Subject"), last.Get("Subject"), first.Get("References"),
			last.Get("References"))
	}
	if !strings.HasPrefix(last.plain, "Resolved: Freezer too warm, kitchen/a") {
		t.Errorf("it says\n%s", last.plain)
	}
}

// TestAnAnswerToAnotherServiceIsNone: the channel may have been another then.
func TestAnAnswerToAnotherServiceIsNone(t *testing.T) {
	for _, ref := range []string{"matrix:$x", "telegram:$x", "telegram:1", "nonsense"} {
		in := newInbox(t, says(200, `{"ok":true}`))
		_, over := episode()
		over.Answers = ref
		s := toward(t, in.URL, time.Minute)
		wantSent(t, s.Send(context.Background(), channel("telegram://1:T@telegram?chats=5"), over))
		if n := strings.Count(in.got()[0].body, "reply_parameters"); (n == 1) != (ref == "telegram:1") {
			t.Errorf("to %q it went as %s", ref, in.got()[0].body)
		}
	}
}

// TestAChannelMayHaveTheEndAsAChangeAlone, and as a message where that is refused.
func TestAChannelMayHaveTheEndAsAChangeAlone(t *testing.T) {
	for name, urls := range map[string][]string{
		"telegram": {"editMessageText"}, "discord": {"messages/99"}, "matrix": {"n2-edit"},
		"slack bot": {"chat.postMessage", "reactions.add"},
	} {
		for _, refused := range []bool{false, true} {
			in := newInbox(t, nil)
			in.next = func(w http.ResponseWriter, r *http.Request) {
				if refused && strings.HasSuffix(in.last().path, urls[0]) && name != "slack bot" {
					w.WriteHeader(400)
					return
				}
				says(200, called[name])(w, r)
			}
			s := toward(t, in.URL, time.Minute)
			var c notify.Channel
			for _, known := range channels {
				if known.name == name {
					c = channel(known.url)
				}
			}
			c.Edit = true
			fires, over := episode()
			out := s.Send(context.Background(), c, fires)
			wantSent(t, out)
			over.Answers = out.Ref
			wantSent(t, s.Send(context.Background(), c, over))
			got := in.got()[1:]
			want := len(urls)
			if refused && name != "slack bot" {
				want++
			}
			if len(got) != want || !strings.HasSuffix(got[0].path, urls[0]) {
				t.Errorf("%s, refused %t: %d requests, the first %s", name, refused, len(got), got[0].path)
			}
		}
	}
}

// TestADigestIsNotChangedByTheEndOfOne of the alerts that it told of.
func TestADigestIsNotChangedByTheEndOfOne(t *testing.T) {
	for _, c := range channels {
		if called[c.name] == "" {
			continue
		}
		in := newInbox(t, says(200, called[c.name]))
		s := toward(t, in.URL, time.Minute)
		fires, over := episode()
		fires.Threads = []string{"a1", "a2"}
		out := s.Send(context.Background(), channel(c.url), fires)
		wantSent(t, out)
		over.Answers = out.Ref
		wantSent(t, s.Send(context.Background(), channel(c.url), over))
		if in.count() != 2 {
			t.Errorf("%s: %d requests, the last %s", c.name, in.count(), in.last())
		}
		if c.name == "telegram" && !strings.Contains(in.last().body, `"message_id":42`) {
			t.Errorf("it answers to nothing: %s", in.last().body)
		}
	}
}

// TestWhatIsNiceToHaveMayFail: what became of the message does not hang on it.
func TestWhatIsNiceToHaveMayFail(t *testing.T) {
	in := newInbox(t, nil)
	in.next = says(200, `{"ok":true,"result":{"message_id":43}}`)
	_, over := episode()
	over.Answers = "telegram:42"
	failing := newInbox(t, nil)
	failing.next = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "editMessageText") {
			w.WriteHeader(400)
			return
		}
		in.next(w, r)
	}
	out := toward(t, failing.URL, time.Minute).Send(context.Background(), channel("telegram://1:T@telegram?chats=5"), over)
	wantSent(t, out)
	if out.Ref != "telegram:43" || failing.count() != 2 {
		t.Errorf("outcome = %+v, %d requests", out, failing.count())
	}
}

// TestOpsgenieHasAnAlertForEach that a folded message tells of, and closes each.
func TestOpsgenieHasAnAlertForEach(t *testing.T) {
	in := newInbox(t, says(202, `{"result":"Request will be processed"}`))
	fires, over := episode()
	fires.Threads = []string{"a1", "a2", "a3"}
	other := fires.About[0]
	other.ID = "a2"
	fires.About = append(fires.About, other, over.About[0])
	fires.About[2].ID = "a3"
	s := toward(t, in.URL, time.Minute)
	wantSent(t, s.Send(context.Background(), channel("opsgenie://api.atlassian.com/K"), fires))
	var got []string
	for _, g := range in.got() {
		alias := ""
		if _, rest, ok := strings.Cut(g.body, `"alias":"`); ok {
			alias, _, _ = strings.Cut(rest, `"`)
		}
		got = append(got, g.path+" "+alias)
	}
	const path = "/jsm/ops/integration/v2/alerts"
	if want := path + " a1," + path + " a2," + path + "/a3/close "; strings.Join(got, ",") != want {
		t.Errorf("went as %q, want %s", got, want)
	}
}
