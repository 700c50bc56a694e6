package cli_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

func TestAScriptGivesAChannelFieldByField(t *testing.T) {
	h := newHouse(t, plain)
	h.in = "tk_s3cr3t@#?/%\n"
	topic := h.write("topic", "my-s3cr3t-topic\n")
	out := h.ok("channels", "add", "phone", "--kind", "ntfy", "--field", "server=ntfy.lan", "--field-file", "topic="+topic,
		"--field-stdin", "token")
	if !strings.HasPrefix(out, "Added channel phone (ntfy).") {
		t.Error(out)
	}
	for _, tt := range []struct{ line, want string }{
		{
			"--kind ntfy --field topic=s3cr3t",
			"--field: topic is a secret and would stay in the shell's history; use --field-file topic=FILE",
		},
		{"--kind ntfy --field tpic=s3cr3t", "--field: must be name=value with one of the names server, topic"},
		{"--kind nfty", "--kind: must be one of ntfy, smtp"},
		{"--kind ntfy", "topic: is missing"},
		{"--kind ntfy --url-stdin", "are two ways to say one thing"},
		{"--field-stdin token", "--kind: must be one of"},
		{"--kind ntfy --field-file topic=" + topic + ".none", "the file of --field-file cannot be opened"},
	} {
		_, errOut, code := h.run(append([]string{"channels", "add", "other"}, strings.Fields(tt.line)...)...)
		if code != 2 || !strings.Contains(errOut, tt.want) || strings.Contains(errOut, "s3cr3t") {
			t.Errorf("%s: exit %d: %s", tt.line, code, errOut)
		}
	}
}

func TestAPublicTopicIsWarnedAbout(t *testing.T) {
	h := newHouse(t, plain)
	h.in = "ntfy://ntfy.sh/topic"
	if _, errOut, _ := h.run("channels", "add", "open", "--url-stdin"); !strings.Contains(errOut,
		"warning: everybody who knows the topic can read") {
		t.Error(errOut)
	}
	h.in = url
	if _, errOut, _ := h.run("channels", "add", "closed", "--url-stdin"); strings.Contains(errOut, "warning") {
		t.Error(errOut)
	}
}

func TestHowAChannelIsUsedCanBeSaidAndChanged(t *testing.T) {
	h := newHouse(t, plain)
	h.in = url
	h.ok("channels", "add", "phone", "--url-stdin", "--fallback", "mail", "--rate", "10/m", "--quiet", "22:00-07:00",
		"--quiet-zone", "Europe/Berlin",
		"--quiet-except", "critical,high", "--title-template", "{{.severity}} {{.title}}", "--never-twice", "--timeout", "2m")
	h.ok("channels", "set", "phone", "--rate", "", "--quiet-except", "critical")
	s, err := sqlite.Open(t.Context(), h.database(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { h.must(s.Close()) }()
	list, err := s.Channels(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	got := list[0].Settings
	if got.Fallback != "mail" || got.Rate != "" || got.Quiet.Hours != "22:00-07:00" || len(got.Quiet.Except) != 1 ||
		got.Template.Title == "" || !got.NeverTwice || got.Timeout != "2m" || len(list[0].Sealed) == 0 {
		t.Errorf("settings = %+v", got)
	}
	if out := h.ok("channels", "list"); !strings.Contains(out, "FALLBACK  QUIET\n") ||
		!strings.Contains(out, "-     mail      22:00-07:00 Europe/Berlin, except critical") {
		t.Error(out)
	}
	phone := h.answer("channels", "list")["channels"].([]any)[1].(map[string]any)
	if phone["name"] != "phone" || phone["fallback"] != "mail" ||
		phone["quiet"] != "22:00-07:00 Europe/Berlin, except critical" || phone["quiet_now"] != nil {
		t.Errorf("in JSON: %v", phone)
	}
	for _, tt := range []struct {
		line, want string
		code       int
	}{
		{"phone --fallback phone", "fallback: is the channel itself", 2},
		{"phone --fallback nobody", `fallback: no channel "nobody"; known: mail, phone`, 2},
		{"phone --rate often", "rate: must be a number of messages", 2},
		{"phone --quiet 22-7", "quiet.hours: must be two times", 2},
		{"phone --quiet-except loud", "quiet.except: must be severities", 2},
		{"phone --text-template {{.title", "template.text: is no template that works", 2},
		{"nobody --rate 1/m", `no channel "nobody"`, 3},
		{"mail --rate 1/m", "is in the config file; change it there", 4},
	} {
		_, errOut, code := h.run(append([]string{"channels", "set"}, strings.Fields(tt.line)...)...)
		if code != tt.code || !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: exit %d: %s", tt.line, code, errOut)
		}
	}
}

// bury makes dead letters on a channel.
func (h *house) bury(channel string, titles ...string) {
	h.Helper()
	s, err := sqlite.Open(h.Context(), h.database(), sqlite.Options{})
	h.must(err)
	defer func() { h.must(s.Close()) }()
	list, err := s.Load(h.Context(), "")
	h.must(err)
	for _, title := range titles {
		n := list[0].Book(channel, rules.Operational, rules.Facts{Title: title}, noon)
		list[0].Claim(n.ID, "m")
		list[0].Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth", Code: 401}, noon, noon)
	}
	h.must(s.Save(h.Context(), list, func(*rules.Ledger) error { return nil }))
}

func TestADeadLetterOfOneTargetNamesIt(t *testing.T) {
	h := newHouse(t, plain)
	s, err := sqlite.Open(h.Context(), h.database(), sqlite.Options{})
	h.must(err)
	defer func() { h.must(s.Close()) }()
	list, err := s.Load(h.Context(), "")
	h.must(err)
	n := list[0].Book("mail", rules.Operational, rules.Facts{Title: "news"}, noon)
	list[0].FanOut(n.ID, []string{"me@example.org", "you@example.org"}, noon)
	list[0].Notifications(func(n *rules.Notification) bool {
		list[0].Claim(n.ID, n.ID)
		o := rules.Outcome{State: rules.Sent, Code: 250}
		if n.Target == "you@example.org" {
			o = rules.Outcome{State: rules.Dead, Class: "rejected", Code: 550}
		}
		list[0].Record(n.ID, o, noon, noon)
		return true
	})
	h.must(s.Save(h.Context(), list, func(*rules.Ledger) error { return nil }))
	if out := h.ok("channels", "dead"); !strings.Contains(out,
		"mail     you@example.org  rejected  now   nobody        operational  news") ||
		strings.Contains(out, "me@example.org") {
		t.Errorf("printed\n%s", out)
	}
	if out := h.ok("channels", "list"); !strings.Contains(out, "failing in part") ||
		!strings.Contains(out, "rejected for you@example.org  1") {
		t.Errorf("printed\n%s", out)
	}
	if out := h.ok("status"); !strings.Contains(out, "channel mail: 1 dead letter (for you@example.org)") ||
		!strings.Contains(out, "channel mail: rejected for you@example.org") {
		t.Errorf("printed\n%s", out)
	}
}

func TestDeadLettersAreListedSentAgainAndDropped(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok("channels", "dead"); out != "There are no dead letters.\n" {
		t.Error(out)
	}
	h.bury("mail", "one", "two")
	out := h.ok("channels", "dead")
	if !strings.Contains(out, "mail     -    auth   now   nobody        operational  one") {
		t.Errorf("printed\n%s", out)
	}
	if out := h.ok("status"); !strings.Contains(out, "channel mail: 2 dead letters") {
		t.Error(out)
	}
	if out, _, _ := h.run("doctor"); !strings.Contains(out, "2 dead letters") {
		t.Error(out)
	}
	if out := h.ok("channels", "list"); !strings.Contains(out, "auth        2     -") {
		t.Error(out)
	}
	letters := h.answer("channels", "dead", "mail")["dead_letters"].([]any)
	id := letters[0].(map[string]any)["id"].(string)
	h.ok("channels", "resend", id)
	if _, errOut, code := h.run("channels", "resend", id); code != 4 || !strings.Contains(errOut, "not a dead letter") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	if n := h.answer("channels", "resend", "--all", "mail")["count"]; n != 1.0 {
		t.Errorf("%v were sent again", n)
	}
	if n := h.answer("channels", "dead")["total"]; n != 0.0 {
		t.Errorf("%v are listed", n)
	}
	h.bury("mail", "three")
	if n := h.answer("channels", "dead", "--drop", "--yes")["count"]; n != 1.0 {
		t.Errorf("%v were dropped", n)
	}
	if n := h.answer("channels", "dead")["total"]; n != 0.0 {
		t.Errorf("%v are listed", n)
	}
	for _, line := range []string{"", "x --all mail", "--all nobody"} {
		if _, _, code := h.run(append([]string{"channels", "resend"}, strings.Fields(line)...)...); code == 0 {
			t.Errorf("%q was done", line)
		}
	}
}
