package shoutrrr_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

func secrets(fields map[string]string) map[string]rules.Secret {
	out := map[string]rules.Secret{}
	for name, value := range fields {
		out[name] = rules.NewSecret(value)
	}
	return out
}

// TestNoSpecialCharacterBreaksABuiltURL: what a person types arrives, whatever
// characters are in it.
func TestNoSpecialCharacterBreaksABuiltURL(t *testing.T) {
	const odd = `p@ss:w/o#r?d%41&x=1;é +\"`
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me@home:"+odd))
	for _, tt := range []struct {
		kind   string
		fields map[string]string
		answer string
		want   func(g got) bool
	}{
		{
			"ntfy",
			map[string]string{"topic": "my topic?#%", "user": "me@home", "password": odd},
			"{}",
			func(g got) bool {
				return g.meant == "https://ntfy.sh" && g.path == "/my%20topic%3F%23%25" && g.header.Get("Authorization") == basic
			},
		},
		{
			"ntfy",
			map[string]string{"server": "http://ntfy.lan:8080", "topic": "t", "token": "tk_" + odd},
			"{}",
			func(g got) bool {
				return g.meant == "http://ntfy.lan:8080" && g.header.Get("Authorization") == "Bearer tk_"+odd
			},
		},
		{
			"gotify",
			map[string]string{"server": "http://gotify.lan/below", "token": "A-" + strings.ReplaceAll(odd, "/", "")},
			"{}",
			func(g got) bool {
				return g.meant == "http://gotify.lan" && g.path == "/below/message" && g.header.Get("X-Gotify-Key") == "A-"+
					strings.ReplaceAll(odd, "/", "")
			},
		},
		{
			"telegram",
			map[string]string{"token": "123:AbC-d_e", "chats": "-100123, @news"},
			`{"ok":true}`,
			func(g got) bool { return strings.Contains(g.body, `"-100123"`) || strings.Contains(g.body, "@news") },
		},
		{
			"matrix",
			map[string]string{"server": "matrix.lan", "token": odd, "rooms": "!id+x:matrix.lan"},
			`{"event_id":"$1"}`,
			func(g got) bool {
				return g.header.Get("Authorization") == "Bearer "+odd &&
					strings.Contains(g.path, url.PathEscape("!id+x:matrix.lan"))
			},
		},
		{
			"pushover",
			map[string]string{"token": odd, "user": "ukey"},
			`{"status":1}`,
			func(g got) bool {
				return strings.Contains(g.body, `"user":"ukey"`) && strings.Contains(g.body, "p@ss:w/o#r?d%41")
			},
		},
		{"pushbullet", map[string]string{"token": "o.abc"}, "{}", func(g got) bool {
			return g.header.Get("Access-Token") == "o.abc"
		}},
		{"bark", map[string]string{"key": odd}, `{"code":200}`, func(g got) bool {
			return strings.Contains(g.body, "p@ss:w/o#r?d%41")
		}},
		{"join", map[string]string{"key": odd, "devices": "a,b"}, `{"success":true}`, func(g got) bool {
			return g.query.Get("apikey") == odd
		}},
		{"opsgenie", map[string]string{"key": "k-1"}, "{}", func(g got) bool {
			return g.header.Get("Authorization") == "GenieKey k-1" && g.meant == "https://api.opsgenie.com"
		}},
		{
			"zulip",
			map[string]string{"server": "zulip.lan", "bot": "me@home", "key": odd, "stream": "a & b"},
			`{"result":"success"}`,
			func(g got) bool {
				return g.header.Get("Authorization") == basic && strings.Contains(g.body, "to=a+%26+b")
			},
		},
		{"mattermost", map[string]string{"webhook": "https://mm.lan:8065/hooks/abc"}, "ok", func(g got) bool {
			return g.meant == "https://mm.lan:8065" && g.path == "/hooks/abc"
		}},
		{"rocketchat", map[string]string{"webhook": "http://rc.lan/hooks/a/b"}, "{}", func(g got) bool {
			return g.path == "/hooks/a/b"
		}},
		{
			"googlechat",
			map[string]string{"webhook": "https://chat.googleapis.com/v1/spaces/x/messages?key=k&token=t"},
			"{}",
			func(g got) bool { return g.query.Get("token") == "t" },
		},
		{"discord", map[string]string{"webhook": "https://discord.com/api/webhooks/1/abc"}, "", func(g got) bool {
			return g.path == "/api/webhooks/1/abc"
		}},
		{"slack", map[string]string{"webhook": "https://hooks.slack.com/services/T/B/X"}, "ok", func(g got) bool {
			return g.path == "/services/T/B/X"
		}},
		{
			"teams",
			map[string]string{"webhook": "https://prod-1.logic.azure.com/workflows/1?sig=a%2Fb"},
			"",
			func(g got) bool { return g.query.Get("sig") == "a/b" },
		},
		{"generic", map[string]string{"webhook": "http://ha.lan:8123/api/webhook/x"}, "", func(g got) bool {
			return g.meant == "http://ha.lan:8123" && g.path == "/api/webhook/x"
		}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			in := newInbox(t, says(http.StatusOK, tt.answer))
			s := toward(t, in.URL, time.Minute)
			built, err := s.Build(tt.kind, secrets(tt.fields))
			if err != nil {
				t.Fatal(err)
			}
			if kind, err := s.Check(built); err != nil || kind != tt.kind {
				t.Errorf("Check = %s, %v", kind, err)
			}
			for _, target := range s.Targets(built) {
				if out := s.Send(t.Context(), at(channel(built.Reveal()), target), ordinary()); out.State != rules.Sent {
					t.Errorf("outcome = %+v", out)
				}
			}
			if g := in.got(); len(g) == 0 || !tt.want(g[0]) {
				t.Errorf("arrived: %+v", g)
			}
		})
	}
}

func TestAMailURLIsBuilt(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for _, server := range []string{"mail.example.org", "mail.example.org:465"} {
		built, err := s.Build("smtp", secrets(map[string]string{
			"server": server, "user": "me@example.org", "password": "a:b/c@d#e", "from": "me+tocsin@example.org",
			"to": "a@example.org, b+c@example.org",
		}))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(built.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		if kind, err := s.Check(built); err != nil || kind != "smtp" || password != "a:b/c@d#e" ||
			u.Query().Get("from") != "me+tocsin@example.org" || u.Port() == "" {
			t.Errorf("%s: %s, %v, %v", server, kind, err, u)
		}
	}
}

// TestEveryFormCanBeAnswered by its own examples, where they are whole.
func TestEveryFormCanBeAnswered(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for _, f := range s.Forms() {
		if f.Title == "" || len(f.Fields) == 0 {
			t.Errorf("%s has no title or no field", f.Kind)
		}
		for _, field := range f.Fields {
			if field.Name == "" || field.Help == "" || field.Example == "" || field.Optional && field.Otherwise == "" &&
				field.Name == "server" {
				t.Errorf("%s: %+v is not whole", f.Kind, field)
			}
		}
		if _, err := s.Build(f.Kind, nil); err == nil || !strings.Contains(err.Error(), "is missing") ||
			!strings.Contains(err.Error(), "for example") {
			t.Errorf("%s without fields: %v", f.Kind, err)
		}
	}
}

// TestBuildShowsNoSecret in any of its errors.
func TestBuildShowsNoSecret(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for _, tt := range []struct {
		kind   string
		fields map[string]string
		want   string
	}{
		{canary, nil, "kind: is none that is known"},
		{"ntfy", map[string]string{"topic": "t/" + canary}, "topic: must be the name of the topic alone"},
		{"ntfy", map[string]string{"topic": "t", "token": canary}, "token: must be an access token"},
		{"ntfy", map[string]string{"topic": "t", "server": "http://u:" + canary + "@h"}, "server: must be a host"},
		{"ntfy", map[string]string{"topic": "t", canary: "x"}, "no such field; known: server, topic"},
		{"ntfy", map[string]string{"topic": "t\x00" + canary}, "control characters"},
		{"telegram", map[string]string{"token": canary, "chats": "1"}, "token: must be what @BotFather gave"},
		{"slack", map[string]string{"webhook": "https://discord.com/api/webhooks/1/" + canary}, "address of another service"},
		{"slack", map[string]string{"webhook": canary}, ""},
		{"mattermost", map[string]string{"webhook": canary}, "must be the whole address"},
		{"smtp", map[string]string{"server": "smtp://" + canary, "from": "a@b", "to": "c@d"}, "server: must be a host"},
		{"smtp", map[string]string{"server": "h", "from": canary, "to": "c@d"}, "must say who writes"},
	} {
		_, err := s.Build(tt.kind, secrets(tt.fields))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) ||
			rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%s %v: error = %v, want %q", tt.kind, tt.want, err, tt.want)
		}
	}
}

func TestATopicWithoutALoginIsPublic(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for address, want := range map[string]bool{
		"ntfy://ntfy.sh/t": true, "ntfy://u:p@ntfy.sh/t": false, "ntfy://:tk_x@ntfy.sh/t": false,
		"https://example.org/hook": false, "nonsense": false,
	} {
		if got := s.Public(rules.NewSecret(address)); got != want {
			t.Errorf("%s: public = %v", address, got)
		}
	}
}

func TestTelegramTellsWhoWroteToTheBot(t *testing.T) {
	in := newInbox(t, says(http.StatusOK, `{"ok":true,"result":[
		{"message":{"chat":{"id":42,"first_name":"Ann"}}},{"message":{"chat":{"id":42,"first_name":"Ann"}}},
		{"channel_post":{"chat":{"id":-1001,"title":"Alarms"}}},{"my_chat_member":{"chat":{"id":-7,"title":"Home"}}},{"poll":{}}]}`))
	chats, err := toward(t, in.URL, time.Minute).Chats(t.Context(), rules.NewSecret("123:abc"))
	if err != nil || len(chats) != 3 || chats[0].ID != "42" || chats[0].Name != "Ann" || chats[1].ID != "-1001" ||
		chats[2].Name != "Home" {
		t.Errorf("chats = %+v, %v", chats, err)
	}
	if g := in.one(t); g.path != "/bot123:abc/getUpdates" && g.path != "/bot123%3Aabc/getUpdates" ||
		g.meant != "https://api.telegram.org" {
		t.Errorf("asked %+v", g)
	}
}

func TestTelegramsRefusalsShowNoToken(t *testing.T) {
	const token = "123:" + canary
	for _, tt := range []struct {
		status int
		body   string
		want   string
	}{
		{401, "{}", "none that Telegram knows"},
		{409, "{}", "@userinfobot"},
		{502, "<html>", "try again later"},
		{200, "<html>", "try again later"},
	} {
		in := newInbox(t, says(tt.status, tt.body))
		_, err := toward(t, in.URL, time.Minute).Chats(t.Context(), rules.NewSecret(token))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%d: %v", tt.status, err)
		}
	}
	gone := newInbox(t, nil)
	gone.Close()
	for _, text := range []string{token, canary} {
		_, err := toward(t, gone.URL, time.Minute).Chats(t.Context(), rules.NewSecret(text))
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%v", err)
		}
	}
}
