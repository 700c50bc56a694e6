package shoutrrr_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

func TestCheck(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for _, tt := range []struct{ name, url, cure string }{
		{"nothing", "", "is missing"},
		{"no URL", canary, "names no service"},
		{"an unknown scheme", canary + "://x", "known: bark"},
		{"a # in a password", "ntfy://u:" + canary + "#x@h/t", "%23"},
		{"a line break", "ntfy://h/" + canary + "%0d%0aX:y", "line breaks"},
		{"a bad escape", "ntfy://h/t?tags=%zz" + canary, "percent-encoded"},
		{"a nameless option", "generic://h/?=" + canary, "without a name"},
		{"an unknown option", "ntfy://h/t?" + canary + "=1", "known: actions"},
		{"ifttt prints to stdout", "ifttt://" + canary + "/?events=e", "IFTTT"},
		{"logger tells nobody", "logger://" + canary, "names no service"},
		{"retired Teams connectors", "teams://a@b/" + canary + "/d?host=x.webhook.office.com", "workflow"},
		{"retired Teams connectors, pasted", "https://x.webhook.office.com/webhookb2/" + canary, "workflow"},
		{"Matrix by password", "matrix://user:" + canary + "@h/?rooms=!a:h", "access token"},
		{"Matrix without rooms", "matrix://:" + canary + "@h/?rooms=", "rooms"},
		{"Matrix with an alias", "matrix://:" + canary + "@h/?rooms=%23ops:h", "begins with !"},
		{"Matrix with a hole in its rooms", "matrix://:" + canary + "@h/?rooms=!a,,b", "room id"},
		{"Telegram without a token", "telegram://" + canary + "@telegram?chats=1", "BotFather"},
		{"Telegram without chats", "telegram://1:" + canary + "@telegram", "chats"},
		{"Telegram with a bad chat", "telegram://1:A@telegram?chats=" + canary, "neither a number"},
		{"Slack of another form", "slack://hook:" + canary + "@webhook", "hooks.slack.com"},
		{"Discord without a token", "discord://" + canary, "WEBHOOK-ID"},
		{"Gotify without a token", "gotify://" + canary, "gotify://host/TOKEN"},
		{"Pushover without a user", "pushover://shoutrrr:" + canary + "@/", "USER-KEY"},
		{"an emergency without an end", "pushover://shoutrrr:" + canary + "@u/?priority=2", "expire"},
		{"Opsgenie without a key", "opsgenie://" + canary, "API-KEY"},
		{"a template that does not exist", "generic://h/x?template=" + canary, "json"},
		{"a header that is none", "generic://h/x?@2=" + canary, "header"},
		{"mail from nobody", "smtp://u:" + canary + "@h/?to=a@b", "must say who writes"},
		{"mail to nobody", "smtp://u:" + canary + "@h/?from=a@b", "must say to whom"},
		{"mail without a server", "smtp:///?from=a@b&to=c@d", "must name the mail server"},
		{"mail with a bad recipient", "smtp://h/?from=a@b&to=" + canary, "no mail address"},
		{"mail with an unknown encryption", "smtp://h/?from=a@b&to=c@d&encryption=" + canary, "ExplicitTLS"},
		{"mail to a port that is none", "smtp://" + canary + ":99999/?from=a@b&to=c@d", "from 1 to 65535"},
		{"a choice that is none", "ntfy://h/t?priority=" + canary, "none of 1 to 5, Min, Low, Default"},
		{"a yes that is none", "matrix://:t@h/?rooms=!a:h&disabletls=" + canary, "disabletls that is neither yes nor no"},
		{"a yes of ours that is none", "zulip://b:k@h/?stream=s&disabletls=" + canary, "neither yes nor no"},
		{"a number that is none", "gotify://h/T?priority=" + canary, "from 0 to 10"},
		{"a priority that is none", "pushover://x:T@u/?priority=500", "from -2 to 2"},
		{"a number out of bounds", "gotify://h/T?priority=11", "from 0 to 10"},
		{"a number of ours that is none", "pushover://x:T@u/?retry=" + canary, "from 30 to 10800"},
		{"pairs that are none", "opsgenie://h/K?details=" + canary, "key-value pairs"},
		{"a description for every alert", "opsgenie://h/K?description=" + canary, "?note="},
		{"mail with an unknown login", "smtp://h/?from=a@b&to=c@d&auth=" + canary, "CRAMMD5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind, err := s.Check(rules.NewSecret(tt.url))
			if err == nil {
				t.Fatalf("taken as %s", kind)
			}
			if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), tt.cure) {
				t.Errorf("error = %v; want %q in it", err, tt.cure)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the error repeats the URL")
			}
		})
	}
}

func TestCheckKnows(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for url, kind := range map[string]string{
		"smtp://u:p@mail.example:587/?from=a@b.c&to=d@e.f,g+h@i.j":          "smtp",
		"gotify://h:8080/gtfya.aVeryLongTokenOfGotify3?disabletls=yes":      "gotify",
		"generic+http://127.0.0.1:1/x":                                      "generic",
		"slack+http://127.0.0.1:1/x":                                        "slack",
		"hangouts://chat.googleapis.com/v1/spaces/S/messages?key=k&token=t": "googlechat",
		"slack://T00000000/B00000000/AAAAAAAA":                              "slack",
		"https://default1.02.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/w/triggers/manual/paths/invoke?sig=s": "teams",
		"https://ntfy.sh/t?priority=Urgent&auth=its-own":      "ntfy",
		"smtp://h/?From=a@b&toAddresses=c@d,,e@f":             "smtp",
		"matrix://:t@h:8008/?rooms=!a:h,!b&disableTLS=yes":    "matrix",
		"telegram://1:A-b_c@telegram/?channels=-1001,@x,-5:7": "telegram",
	} {
		if got, err := s.Check(rules.NewSecret(url)); err != nil || got != kind {
			t.Errorf("Check(%s) = %q, %v; want %q", url, got, err, kind)
		}
	}
}

// TestCheckLeavesAloneWhatIsNotUsed: nobody has to mend an option that has no
// effect.
func TestCheckLeavesAloneWhatIsNotUsed(t *testing.T) {
	s := shoutrrr.New(shoutrrr.Options{})
	for _, url := range []string{
		"discord://tok@123?color=ff0000", "discord://tok@123?colorError=red", "discord://tok@123?colorWarn=x&colorInfo=x",
		"discord://tok@123?colorDebug=x&json=x", "discord://tok@123?splitlines=on", "discord://tok@123/slack",
		"discord://tok@123/raw", "telegram://1:A@telegram?chats=1&preview=off",
		"telegram://1:A@telegram?chats=1&parsemode=html5",
		"smtp://h/?from=a@b&to=c@d&usehtml=html&subject=x&title=y", "bark://:k@h/?badge=x", "gotify://h/T?priority=08",
	} {
		if _, err := s.Check(rules.NewSecret(url)); err != nil {
			t.Errorf("Check(%s) = %v", url, err)
		}
	}
}
