package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func anyKind(rules.Secret) (string, error) { return "ntfy", nil }

func TestHowAChannelIsUsedIsRead(t *testing.T) {
	path := write(t, "config.yaml", `zone: Europe/Berlin
channels:
  phone:
    url: ntfy://ntfy.sh/x
    fallback: mail
    rate: 10/m
    never_twice: true
    timeout: 90s
    quiet: {hours: "22:00-07:00", days: mon-fri, except: [critical, high]}
    template:
      title: "{{.severity}}: {{.title}}"
      text: |
        {{.text}}
        {{range .alerts}}{{.title}}{{end}}
  mail: {url: ntfy://ntfy.sh/y, quiet: {days: sun, zone: UTC}}
heartbeat: {url: "https://hc-ping.com/s3cr3t", every: 5m}
`)
	c, err := config.Load(path,
		config.Options{CheckChannel: anyKind, Env: []string{"TOCSIN_CHANNELS__MAIL__QUIET__EXCEPT=critical"}})
	if err != nil {
		t.Fatal(err)
	}
	want := notify.Settings{
		Fallback: "mail", Rate: "10/m", NeverTwice: true, Timeout: "90s",
		Quiet: &notify.Quiet{
			Active: rules.Active{Hours: "22:00-07:00", Days: "mon-fri", Zone: "Europe/Berlin"},
			Except: []rules.Severity{rules.Critical, rules.High},
		},
		Template: &notify.TemplateTexts{
			Title: "{{.severity}}: {{.title}}",
			Text:  "{{.text}}\n{{range .alerts}}{{.title}}{{end}}\n",
		},
	}
	if got := c.Channels["phone"].Settings; !reflect.DeepEqual(got, want) {
		t.Errorf("settings = %+v\nwant       %+v", got, want)
	}
	if q := c.Channels["mail"].Settings.Quiet; q.Zone != "UTC" || len(q.Except) != 1 {
		t.Errorf("quiet = %+v", q)
	}
	if c.Heartbeat.URL.Reveal() != "https://hc-ping.com/s3cr3t" || c.Heartbeat.Every != 5*rules.Minute {
		t.Errorf("heartbeat every %s", c.Heartbeat.Every)
	}
}

func TestChannelSettingsThatCannotBeHaveTheirLine(t *testing.T) {
	const head = "channels:\n  phone:\n    url: ntfy://ntfy.sh/x\n"
	for _, tt := range []struct{ name, file, want string }{
		{
			"an unknown key", head + "    falback: mail\n",
			"line 4, column 5: channels.phone.falback: no such key; did you mean fallback?",
		},
		{"itself", head + "    fallback: phone\n", "line 4, column 15: channels.phone.fallback: is the channel itself"},
		{
			"a timeout", head + "    timeout: 1h\n",
			"line 4, column 14: channels.phone.timeout: must be a duration from 1s to 10m; for example timeout: 60s",
		},
		{
			"a rate", head + "    rate: 10\n",
			"line 4, column 11: channels.phone.rate: must be a number of messages from 1 to 1000 in a minute, an hour or a " +
				"day; for example rate: 10/m",
		},
		{
			"quiet hours", head + "    quiet: {hours: 22-7}\n",
			"line 4, column 20: channels.phone.quiet.hours: must be two times such as 07:00-22:00",
		},
		{
			"an unknown key of quiet", head + "    quiet: {hour: 22-7}\n",
			"line 4, column 13: channels.phone.quiet.hour: no such key; did you mean hours?",
		},
		{"no hours", head + "    quiet: {zone: UTC}\n", "channels.phone.quiet: needs hours or days; for example quiet:"},
		{"quiet for ever", head + "    quiet: {days: mon-sun}\n", "channels.phone.quiet: lasts more than two days at a time"},
		{
			"a severity", head + "    quiet: {days: sun, except: [loud]}\n",
			"channels.phone.quiet.except: must be one of low, medium, high, critical",
		},
		{
			"a template", head + "    template: {title: '{{.title'}\n",
			"line 4, column 23: channels.phone.template.title: is no template that works",
		},
		{
			"a template that never ends", head + "    template: {text: '{{range 1000000000}}{{end}}'}\n",
			"channels.phone.template.text: is no template that works: range must be over the data itself",
		},
		{
			"a heartbeat without url", "heartbeat: {every: 1m}\n",
			"line 1, column 12: heartbeat: has no url; for example heartbeat: {url_file:",
		},
		{"a heartbeat to nowhere", "heartbeat: {url: s3cr3t}\n", "heartbeat: has a url that is no address"},
		{
			"a heartbeat too often", "heartbeat: {url: 'https://x/s3cr3t', every: 1s}\n",
			"heartbeat.every: must be between 10s and 1d",
		},
		{
			"an unknown key of heartbeat", "heartbeat: {uri: 'https://x/s3cr3t'}\n",
			"heartbeat.uri: no such key; did you mean url?",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", tt.file), config.Options{CheckChannel: anyKind})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cr3t") ||
				rules.CodeOf(err) != rules.Invalid {
				t.Errorf("error = %v\nwant     %s", err, tt.want)
			}
		})
	}
}

func TestAHeartbeatCanBeASystemdCredential(t *testing.T) {
	path := write(t, "heartbeat.url", "https://hc-ping.com/x\n")
	c, err := config.Load("", config.Options{CredentialsDir: strings.TrimSuffix(path, "/heartbeat.url")})
	if err != nil || c.Heartbeat.URL.Reveal() != "https://hc-ping.com/x" || c.Heartbeat.Every != rules.Minute {
		t.Errorf("%v, %v", c, err)
	}
}
