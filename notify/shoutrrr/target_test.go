package shoutrrr_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

// at is a channel with one of its targets.
func at(c notify.Channel, target string) notify.Channel {
	c.Target = target
	return c
}

// several is a URL with more than one target for each service that can have
// them, what answers for a message that is refused, and what a request to each
// target has that none to another has.
var several = []struct {
	name, url, answer, refusal string
	targets, marks             []string
}{
	{
		"telegram", "telegram://123456:" + canary + "@telegram?chats=-100123,@ops,-100123:45", `{"ok":true}`,
		`{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`,
		[]string{"-100123", "@ops", "-100123:45"},
		[]string{`"chat_id":"-100123","disable_notification":false,"disable_web_page_preview":true,"link_preview_options":{"is_disabled":true},"parse_mode"`, `"chat_id":"@ops"`, `"message_thread_id":45`},
	},
	{
		"telegram pasted", "https://api.telegram.org/bot123456:" + canary + "/sendMessage?chat_id=1,2", `{"ok":true}`,
		`{"ok":false}`,
		[]string{"1", "2"},
		[]string{`"chat_id":"1"`, `"chat_id":"2"`},
	},
	{
		"matrix", "matrix://:" + canary + "@matrix.example/?rooms=!a:matrix.example,!b:matrix.example", `{"event_id":"$e"}`,
		`{"errcode":"M_FORBIDDEN"}`,
		[]string{"!a:matrix.example", "!b:matrix.example"},
		[]string{"rooms/%21a:matrix.example/", "rooms/%21b:matrix.example/"},
	},
	{
		"pushbullet", "pushbullet://" + canary + "/ujpah72o0sjAoRtnM0jc/you@home.example#news", "{}", `{"error":{}}`,
		[]string{"device …M0jc #eb34934b", "you@home.example", "#news"},
		[]string{`"device_iden":"ujpah72o0sjAoRtnM0jc"`, `"email":"you@home.example"`, `"channel_tag":"news"`},
	},
	{
		"join", "join://shoutrrr:" + canary + "@join/?devices=0123456789abcdef0123456789abcdef,d2,group.phone",
		`{"success":true}`, `{"success":false}`,
		[]string{"device …cdef #3eb1bd43", "device #e788103e", "group.phone"},
		[]string{"deviceId=0123456789abcdef", "deviceId=d2&", "deviceId=group.phone"},
	},
	{
		"join, ids that end alike", "join://shoutrrr:" + canary +
			"@join/?devices=0123456789abcdef0123456789abcdef,ffffffffffffffffffffffffffffcdef", `{"success":true}`,
		`{"success":false}`,
		[]string{"device …cdef #3eb1bd43", "device …cdef #8e64f3e9"},
		[]string{"deviceId=0123456789abcdef", "deviceId=ffff"},
	},
	{
		"pushover", "pushover://shoutrrr:" + canary +
			"@uQiRzpo4DXghDmr9QzzfQu27cmVRsG,gznej3rKEVAvPUxu9vvNnqpmZpokzF/?devices=a,b", `{"status":1}`, `{"status":0}`,
		[]string{"user …VRsG #3119f2b3", "user …okzF #a2e6c485"},
		[]string{`"user":"uQiRzpo4DXghDmr9QzzfQu27cmVRsG"`, `"user":"gznej3rKEVAvPUxu9vvNnqpmZpokzF"`},
	},
}

// TestEveryTargetIsSentToByItsName, and a refusal of one is not that of another.
func TestEveryTargetIsSentToByItsName(t *testing.T) {
	for _, tt := range several {
		t.Run(tt.name, func(t *testing.T) {
			quiet(t)
			in := newInbox(t, nil)
			refuses := func(w http.ResponseWriter, r *http.Request) { says(403, tt.refusal)(w, r) }
			takes := func(w http.ResponseWriter, r *http.Request) { says(200, tt.answer)(w, r) }
			s, to := toward(t, in.URL, time.Minute), channel(tt.url)
			names := s.Targets(to.URL)
			if !slices.Equal(names, tt.targets) {
				t.Fatalf("targets = %q, want %q", names, tt.targets)
			}
			noCanary(t, strings.Join(names, " "))
			for i, name := range names {
				in.next = takes
				if i == 1 {
					in.next = refuses
				}
				if out := s.Send(context.Background(), at(to, name), ordinary()); (out.State == rules.Sent) != (i != 1) {
					t.Errorf("%s: outcome = %+v", name, out)
				}
			}
			got := in.got()
			if len(got) != len(names) {
				t.Fatalf("%d requests for %d targets", len(got), len(names))
			}
			for i, g := range got {
				for j, mark := range tt.marks {
					if strings.Contains(g.String(), mark) != (i == j) {
						t.Errorf("the request to %s has %q: %v\n%s", names[i], mark, i != j, g)
					}
				}
			}
			for _, name := range []string{"", "nobody"} {
				if out := s.Send(context.Background(), at(to, name), ordinary()); out.State != rules.Owed ||
					out.Class != "invalid" {
					t.Errorf("to target %q: outcome = %+v, want owed", name, out)
				}
			}
			if n := len(in.got()); n != len(names) {
				t.Errorf("%d requests for nobody", n-len(names))
			}
		})
	}
}

// TestATargetHasItsNameWhoeverElseThereIs: what was told under it is found
// again after others came or went.
func TestATargetHasItsNameWhoeverElseThereIs(t *testing.T) {
	s := shoutrrr.New(options())
	for _, url := range []string{
		"pushover://shoutrrr:T@%s/", "join://shoutrrr:K@join/?devices=%s", "pushbullet://T/%s",
		"telegram://123456:T@telegram?chats=-100%s", "matrix://:T@matrix.example/?rooms=!%s:matrix.example",
		"smtp://mail.example/?from=t@x.example&to=%s@x.example",
	} {
		with := func(ids ...string) []string {
			apart := map[bool]string{true: "/", false: ","}[strings.HasPrefix(url, "pushbullet:")]
			before, after, _ := strings.Cut(url, "%s")
			if strings.HasPrefix(url, "telegram:") || strings.HasPrefix(url, "matrix:") || strings.HasPrefix(url, "smtp:") {
				at := strings.LastIndex(before, "=") + 1
				apart = after + "," + before[at:]
			}
			return s.Targets(rules.NewSecret(before + strings.Join(ids, apart) + after))
		}
		ids := []string{"1", "20", "0123456789012345678901234567", "9123456789012345678901234567"}
		all := with(ids...)
		if len(all) != len(ids) {
			t.Fatalf("%s has the targets %q", url, all)
		}
		for i, id := range ids {
			if got := with(id); !slices.Equal(got, all[i:i+1]) {
				t.Errorf("%s: alone a target is %q, among others %q", url, got, all[i])
			}
		}
		if got := with(ids[3], ids[1]); !slices.Equal(got, []string{all[3], all[1]}) {
			t.Errorf("%s: two are %q, of %q", url, got, all)
		}
	}
}

// TestANameFromBeforeFindsItsTarget, and one that may mean somebody else finds
// nobody.
func TestANameFromBeforeFindsItsTarget(t *testing.T) {
	s := shoutrrr.New(options())
	join := "join://shoutrrr:K@join/?devices=0123456789abcdef0123456789abcdef,d2,group.phone,ffffffffffffffff"
	alike := "join://shoutrrr:K@join/?devices=0123456789abcdef0123456789abcdef,ffffffffffffffffffffffffffffcdef"
	for _, tt := range []struct{ url, name, want string }{
		{join, "", ""},
		{join, "group.phone", "group.phone"},
		{join, "device #e788103e", "device #e788103e"},
		{join, "device …cdef", "device …cdef #3eb1bd43"},
		{join, "device 2", "device #e788103e"},
		{join, "device 1", "device 1"},
		{join, "device …0000", "device …0000"},
		{alike, "device 2", "device …cdef #8e64f3e9"},
		{alike, "device …cdef", "device …cdef"},
		{"pushover://shoutrrr:T@uQiRzpo4DXghDmr9QzzfQu27cmVRsG/", "user …VRsG", "user …VRsG #3119f2b3"},
		{"pushover://shoutrrr:T@uQiRzpo4DXghDmr9QzzfQu27cmVRsG/", "user …okzF", "user …okzF"},
		{"none", "you", "you"},
	} {
		if got := s.Renamed(rules.NewSecret(tt.url), tt.name); got != tt.want {
			t.Errorf("%q is %q now, want %q", tt.name, got, tt.want)
		}
	}
}

// TestLongNamesThatBeginAlikeAreTwo, and short enough to be shown.
func TestLongNamesThatBeginAlikeAreTwo(t *testing.T) {
	s, room := shoutrrr.New(options()), "!"+strings.Repeat("r", 110)
	url := rules.NewSecret("matrix://:T@matrix.example/?rooms=" + room + "a:m.example," + room + "b:m.example")
	names := s.Targets(url)
	if len(names) != 2 || len([]rune(names[0])) > 100 || len([]rune(names[1])) > 100 {
		t.Errorf("targets = %q", names)
	}
}

func TestOtherServicesHaveOneTarget(t *testing.T) {
	s := shoutrrr.New(options())
	for _, c := range channels {
		if names := s.Targets(channel(c.url).URL); len(names) != 1 {
			t.Errorf("%s has targets %q", c.name, names)
		}
	}
	twice := "smtp://mail.example/?from=t@x.example&to=a@x.example,a@x.example"
	for _, bad := range []string{"", "x", "logger://", twice} {
		if names := s.Targets(rules.NewSecret(bad)); len(names) != 1 {
			t.Errorf("%q has targets %q", bad, names)
		}
	}
}

func TestEachRecipientOfAMailHasItsOwnOutcome(t *testing.T) {
	good := rules.Outcome{State: rules.Sent, Code: 250}
	for _, tt := range []struct {
		name    string
		answers map[string]string
		want    []rules.Outcome
	}{
		{
			"one is refused",
			map[string]string{"b@x.example": "550 5.1.1 no"},
			[]rules.Outcome{good, {State: rules.Dead, Class: "receiver", Code: 550}},
		},
		{
			"one is refused for now",
			map[string]string{"b@x.example": "450 4.2.1 later"},
			[]rules.Outcome{good, {State: rules.Owed, Class: "server", Code: 450}},
		},
		{
			"the first is refused for now",
			map[string]string{"a@x.example": "450 later"},
			[]rules.Outcome{{State: rules.Owed, Class: "server", Code: 450}, good},
		},
		{
			"all are refused",
			map[string]string{"a@x.example": "550 no", "b@x.example": "553 no"},
			[]rules.Outcome{
				{State: rules.Dead, Class: "rejected", Code: 550},
				{State: rules.Dead, Class: "rejected", Code: 553},
			},
		},
		{
			"refused after the mail",
			map[string]string{"end": "554 spam"},
			[]rules.Outcome{
				{State: rules.Dead, Class: "rejected", Code: 554},
				{State: rules.Dead, Class: "rejected", Code: 554},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := openPostOffice(t, &postOffice{answers: tt.answers})
			s := shoutrrr.New(options())
			to := channel("smtp://127.0.0.1:" + p.port() + "/?from=t@x.example&to=a@x.example,b@x.example")
			if names := fmt.Sprint(s.Targets(to.URL)); names != "[a@x.example b@x.example]" {
				t.Fatalf("targets = %s", names)
			}
			for i, name := range s.Targets(to.URL) {
				out := s.Send(context.Background(), at(to, name), ordinary())
				if out.Ref = ""; out != tt.want[i] {
					t.Errorf("%s: outcome = %+v, want %+v", name, out, tt.want[i])
				}
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, text := range p.mails {
				m := parseMail(t, text)
				if to := m.Header.Get("To"); to != "<a@x.example>" && to != "<b@x.example>" ||
					m.Header.Get("Message-Id") != "<n1@x.example>" {
					t.Errorf("a mail to %s with Message-ID %s", to, m.Header.Get("Message-Id"))
				}
			}
		})
	}
}
