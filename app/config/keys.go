package config

import (
	"slices"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Keys lists every key of a configuration, each once; what is read, suggested,
// shown and documented comes from the tables below.
func Keys() []document.Entry { return document.Describe((&loader{}).configKeys()) }

// shown lists the value of each key that a configuration has, without the
// credentials.
func shown(c *app.Config) []app.Setting {
	out := []app.Setting{}
	document.Show((&loader{}).configKeys(), c, "", func(key, value string) {
		out = append(out, app.Setting{Key: key, Value: value})
	})
	return out
}

const secretFile = "a file that holds nothing but the credential, in the place of the key before"

func (l *loader) configKeys() []document.Key[app.Config] {
	return slices.Concat(l.daemonKeys(), l.doorKeys(), l.tableKeys())
}

// daemonKeys are about the daemon as a whole.
func (l *loader) daemonKeys() []document.Key[app.Config] {
	return []document.Key[app.Config]{
		{
			Name: "data_dir", Example: DefaultDataDir, Value: aPath(l, func(c *app.Config) *string { return &c.DataDir }),
			Without: "`" + DefaultDataDir + "` for root or where it can be written, else `~/.local/share/tocsin`",
			Meaning: "the database, the keys of stored channels and of links, the daemon's lock",
		},
		{
			Name: "store", Example: `"mysql://tocsin:...@db.lan:3306/tocsin"`, Secret: true,
			Without: "a file in `data_dir`",
			Meaning: "the database of a MySQL or MariaDB server, [in the place of a file](hosted.md)",
			Value:   l.aStore(aSecret(func(c *app.Config) *rules.Secret { return &c.Store })),
		},
		{
			Name: "store_file", Example: "/etc/tocsin/store", Secret: true, Meaning: secretFile,
			Value: l.aStore(aSecretFile(l, func(c *app.Config) *rules.Secret { return &c.Store })),
		},
		{
			Name: "listen", Example: app.DefaultListen, Default: app.DefaultListen, Unit: "host:port",
			Meaning: "where probes, metrics and live points are answered",
			Value:   document.Text(func(c *app.Config) *string { return &c.Listen }, checkListen),
		},
		{
			Name: "every", Example: "30s", Default: app.DefaultEvery.String(),
			Meaning: "the base interval: rules that say nothing else are evaluated this often",
			Value: document.Duration(func(c *app.Config) *rules.Duration { return &c.Every },
				rules.Second, rules.Hour),
		},
		{
			Name: "outage_after", Example: "2m", Without: "`2m`",
			Meaning: "a source that has failed for this long is called down; once it " +
				"is back, points that are late are waited for half as long",
			Value: document.Duration(func(c *app.Config) *rules.Duration { return &c.OutageAfter },
				10*rules.Second, rules.Hour),
		},
		{
			Name: "windows_memory", Example: "64MB", Without: "`64MB`",
			Meaning: "how much the [windows](operations.md#what-a-tick-costs) may take that are remembered from tick to " +
				"tick; what does not fit is asked in full",
			Value: document.Size(func(c *app.Config) *int { return &c.WindowsMemory }, 1<<20, 1<<30),
		},
		{
			Name: "zone", Example: "Europe/Berlin", Without: "the machine's", Unit: "IANA time zone",
			Meaning: "zone of the times in messages and lists, and of those that people give",
			Value:   document.Text(func(c *app.Config) *string { return &c.Zone }, checkZone),
		},
		{
			Name: "log", Example: "info", Default: "info",
			Meaning: "how much is logged, to standard error",
			Value:   document.Choice(func(c *app.Config) *string { return &c.Log }, "debug", "info", "warn", "error"),
		},
	}
}

// aStore checks the address of a database once it is read.
func (l *loader) aStore(v document.Value[app.Config]) document.Value[app.Config] {
	read := v.Read
	v.Read = func(f *document.Faults, n *document.Node, path string, c *app.Config) error {
		if err := read(f, n, path, c); err != nil || c.Store.IsZero() || l.options.CheckStore == nil {
			return err
		}
		return l.options.CheckStore(c.Store)
	}
	return v
}

// doorKeys are about who may ask it, and where.
func (l *loader) doorKeys() []document.Key[app.Config] {
	return []document.Key[app.Config]{
		{
			Name: "token", Example: `"..."`, Secret: true,
			Meaning: "opens everything at `listen`, also to other machines; who has neither this nor one of " +
				"[`tocsin tokens add`](operations.md#tokens) gets `/health` and `/ready` alone",
			Value: aSecret(func(c *app.Config) *rules.Secret { return &c.Token }),
		},
		{
			Name: "token_file", Example: "/etc/tocsin/token", Secret: true, Meaning: secretFile,
			Value: aSecretFile(l, func(c *app.Config) *rules.Secret { return &c.Token }),
		},
		{
			Name: "hosts", Example: "[tocsin.lan]", Unit: "list of host names",
			Meaning: "further names that `listen` answers to; needed behind a proxy. With them, or with `public_url`, " +
				"everybody at `listen` needs a [token](operations.md#tokens)",
			Value: document.Texts(func(c *app.Config) *[]string { return &c.Hosts }, checkHost),
		},
		{
			Name: "public_url", Example: `"https://tocsin.example.org"`,
			Meaning: "where phones reach tocsin: messages then carry links to [answer](channels.md#answer-from-the-phone)",
			Value:   document.Plainly(func(c *app.Config) *string { return &c.PublicURL }, readPublicURL).In("address"),
		},
	}
}

// tableKeys are about what is asked and who is told.
func (l *loader) tableKeys() []document.Key[app.Config] {
	return []document.Key[app.Config]{
		{
			Name: "sources", Example: `{home: {kind: influxdb, url: "http://127.0.0.1:8086", database: telegraf}}`,
			Meaning: "where data comes from, by name",
			Value: document.Tables(func(c *app.Config) map[string]app.SourceConfig { return c.Sources },
				l.sourceKeys(), l.readSources),
		},
		{
			Name: "channels", Example: `{phone: {url_file: /etc/tocsin/phone.url}}`,
			Meaning: "where messages go, by name; more can be added with `tocsin channels add`",
			Value: document.Tables(func(c *app.Config) map[string]app.ChannelConfig { return c.Channels },
				l.channelKeys(), l.readChannels),
		},
		{
			Name: "notify", Example: "{low: [mail], high: [phone], default: [phone]}", Without: "every channel",
			Meaning: "the channels of rules that name none, by severity",
			Value:   document.Table(func(c *app.Config) *app.Config { return c }, routeKeys(), readNotify),
		},
		{
			Name: "operators", Example: "[phone]", Without: "`notify.default`, else every channel", Unit: "list of channels",
			Meaning: "the channels for tocsin's own messages: a source is down or back, " +
				"tocsin was away, another channel fails",
			Value: document.Texts(func(c *app.Config) *[]string { return &c.Operators }, checkName),
		},
		{
			Name: "heartbeat", Example: "{url_file: /etc/tocsin/heartbeat.url, every: 1m}",
			Meaning: "a dead-man service, [pinged while all is well](operations.md#probes-and-metrics)",
			Value: document.Table(func(c *app.Config) *app.HeartbeatConfig { return &c.Heartbeat },
				l.heartbeatKeys(), l.readHeartbeat),
		},
	}
}

func (l *loader) sourceKeys() []document.Key[app.SourceConfig] {
	wayThere := wayKeys(l, func(s *app.SourceConfig) *rules.Trust { return &s.Trust })
	return slices.Concat(l.loginKeys(), wayThere, askingKeys())
}

// loginKeys say where a source is and who asks it.
func (l *loader) loginKeys() []document.Key[app.SourceConfig] {
	return []document.Key[app.SourceConfig]{
		{
			Name: "kind", Example: app.KindInfluxDB, Without: "needed",
			Meaning: "`influxdb` is 1, 2 and 3 over InfluxQL, `influxdb3` is 3 over " +
				"Flight SQL, [`live`](live.md) is what is pushed here",
			Value: document.Choice(func(s *app.SourceConfig) *string { return &s.Kind },
				app.KindInfluxDB, app.KindInfluxDB3, app.KindLive),
		},
		{
			Name: "url", Example: "http://127.0.0.1:8086", Without: "needed", Meaning: "where it is; no login in it",
			Value: document.Plainly(func(s *app.SourceConfig) *string { return &s.URL }, readSourceURL).In("address"),
		},
		{
			Name: "database", Example: "telegraf", Without: "needed", Meaning: "the database; the bucket of InfluxDB 2, be it `home/telegraf`",
			Value: document.Text(func(s *app.SourceConfig) *string { return &s.Database }, document.AnyText),
		},
		{
			Name: "retention", Example: "autogen", Without: "the database's own", Meaning: "retention policy",
			Value: document.Text(func(s *app.SourceConfig) *string { return &s.Retention }, document.AnyText),
		},
		{
			Name: "token", Example: `"..."`, Secret: true, Meaning: "token of InfluxDB 2 or 3",
			Value: aSecret(func(s *app.SourceConfig) *rules.Secret { return &s.Token }),
		},
		{
			Name: "token_file", Example: "/etc/tocsin/influx.token", Secret: true, Meaning: secretFile,
			Value: aSecretFile(l, func(s *app.SourceConfig) *rules.Secret { return &s.Token }),
		},
		{
			Name: "username", Example: "tocsin", Meaning: "login of InfluxDB 1, instead of a token",
			Value: document.Text(func(s *app.SourceConfig) *string { return &s.Username }, document.AnyText),
		},
		{
			Name: "password", Example: `"..."`, Secret: true, Meaning: "password beside `username`",
			Value: aSecret(func(s *app.SourceConfig) *rules.Secret { return &s.Password }),
		},
		{
			Name: "password_file", Example: "/etc/tocsin/influx.password", Secret: true, Meaning: secretFile,
			Value: aSecretFile(l, func(s *app.SourceConfig) *rules.Secret { return &s.Password }),
		},
	}
}

// askingKeys say how a source is asked, and what a live one keeps.
func askingKeys() []document.Key[app.SourceConfig] {
	return []document.Key[app.SourceConfig]{
		{
			Name: "delay", Example: "10s", Without: "`0s`",
			Meaning: "windows end this long ago, so that late points are in",
			Value:   document.Duration(func(s *app.SourceConfig) *rules.Duration { return &s.Delay }, 0, rules.Hour),
		},
		{
			Name: "timeout", Example: "10s", Without: "`10s`", Meaning: "of one round of queries",
			Value: document.Duration(func(s *app.SourceConfig) *rules.Duration { return &s.Timeout },
				rules.Second, 10*rules.Minute),
		},
		{
			Name: "max_answer", Example: "64MB", Without: "`64MB`",
			Meaning: "how large the answer to one request may be; a larger one is refused, " +
				"so that no database fills the memory",
			Value: document.Size(func(s *app.SourceConfig) *int { return &s.MaxAnswer }, 1<<20, 1<<30),
		},
		{
			Name: "vitals", Example: "true", Without: "`false`",
			Meaning: "live only: read this machine's own CPU, memory, disks, load, network and temperatures",
			Value:   document.Flag(func(s *app.SourceConfig) *bool { return &s.Vitals }),
		},
		{
			Name: "keep_for", Example: "1h", Without: "`1h`",
			Meaning: "live only: how long points stay in memory; no window can be longer",
			Value: document.Duration(func(s *app.SourceConfig) *rules.Duration { return &s.KeepFor },
				rules.Minute, rules.Week),
		},
	}
}

func (l *loader) channelKeys() []document.Key[app.ChannelConfig] {
	trust := trustKeys(l, func(c *app.ChannelConfig) trusted {
		s := &c.Settings
		return trusted{&s.CAFile, &s.CertFile, &s.KeyFile, &s.InsecureSkipVerify}
	})
	return append(l.ownChannelKeys(), append(trust, document.Key[app.ChannelConfig]{
		Name: "proxy", Example: "http://proxy.lan:3128", Without: "`HTTPS_PROXY` and `HTTP_PROXY`",
		Meaning: "the proxy that leads to the service (http, https, socks5), without a login; `none` for none",
		Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Proxy }, func(text string) error {
			return sentence(notify.CheckProxy(text))
		}),
	})...)
}

func (l *loader) ownChannelKeys() []document.Key[app.ChannelConfig] {
	return []document.Key[app.ChannelConfig]{
		{
			Name: "url", Example: `"ntfy://ntfy.sh/my-topic"`, Secret: true, Without: "needed",
			Meaning: "[where to send](channels.md), with the credential",
			Value:   aSecret(func(c *app.ChannelConfig) *rules.Secret { return &c.URL }),
		},
		{
			Name: "url_file", Example: "/etc/tocsin/phone.url", Secret: true, Meaning: secretFile,
			Value: aSecretFile(l, func(c *app.ChannelConfig) *rules.Secret { return &c.URL }),
		},
		{
			Name: "fallback", Example: "mail", Unit: "channel", Meaning: "is told when this one fails",
			Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Fallback }, checkName),
		},
		{
			Name: "rate", Example: "10/m", Without: "what the service bears", Unit: "number in a minute, an hour or a day",
			Meaning: "the most messages in a time; what is over it waits and is folded",
			Value:   document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Rate }, checkRate),
		},
		{
			Name: "quiet", Example: `{hours: "22:00-07:00", zone: Europe/Berlin, except: [critical]}`,
			Meaning: "messages wait until the quiet hours are over",
			Value: document.Table(func(c *app.ChannelConfig) *notify.Quiet { return c.Settings.Quiet },
				quietKeys(), readQuiet),
		},
		{
			Name: "template", Example: `{title: "{{.severity}}: {{.title}}"}`, Without: "tocsin's own words",
			Meaning: "[Go templates](channels.md#your-own-words) of the messages",
			Value: document.Table(func(c *app.ChannelConfig) *notify.TemplateTexts { return c.Settings.Template },
				templateKeys(), readTemplate),
		},
		{
			Name: "never_twice", Example: "true", Without: "`false`",
			Meaning: "a message that may have arrived, because no answer came in time, is not sent there again but is a " +
				"dead letter at once: rather a loss than a duplicate",
			Value: document.Flag(func(c *app.ChannelConfig) *bool { return &c.Settings.NeverTwice }),
		},
		{
			Name: "group_by", Example: "[site]", Without: "all together", Unit: "list of tags or labels",
			Meaning: "alerts whose values of these differ are never in one message",
			Value:   document.Texts(func(c *app.ChannelConfig) *[]string { return &c.Settings.GroupBy }, document.AnyText),
		},
		{
			Name: "group_wait", Example: "30s", Without: "`0s`", Unit: "duration up to 1h",
			Meaning: "how long the first alert of a group waits for others",
			Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.GroupWait },
				checkGroup("group_wait")),
		},
		{
			Name: "group_every", Example: "5m", Without: "`10s`", Unit: "duration up to 1h",
			Meaning: "how often a group is told of at most; what comes between is told together",
			Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.GroupEvery },
				checkGroup("group_every")),
		},
		{
			Name: "edit", Example: "true", Without: "`false`",
			Meaning: "the end of an alert only changes its first message, so that nothing rings: at Telegram, Discord and " +
				"Matrix; without it, it is told by a message of its own too",
			Value: document.Flag(func(c *app.ChannelConfig) *bool { return &c.Settings.Edit }),
		},
		{
			Name: "timeout", Example: "60s", Without: "`60s`", Unit: "duration, 1s to 10m",
			Meaning: "how long an answer is awaited before a message counts as unanswered and is sent again: an answer " +
				"that comes late, but within it, makes no duplicate",
			Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Timeout }, checkTimeout),
		},
	}
}

func quietKeys() []document.Key[notify.Quiet] {
	return []document.Key[notify.Quiet]{
		{
			Name: "hours", Example: `"22:00-07:00"`, Without: "all day", Unit: "two times of the day",
			Meaning: "from when until when",
			Value:   document.Text(func(q *notify.Quiet) *string { return &q.Hours }, document.AnyText),
		},
		{
			Name: "days", Example: "sat,sun", Without: "every day", Unit: "days of the week",
			Meaning: "on which days they begin",
			Value:   document.Text(func(q *notify.Quiet) *string { return &q.Days }, document.AnyText),
		},
		{
			Name: "zone", Example: "Europe/Berlin", Without: "`zone` of the config, else the machine's", Unit: "IANA time zone",
			Meaning: "the zone of the hours",
			Value:   document.Text(func(q *notify.Quiet) *string { return &q.Zone }, checkZone),
		},
		{
			Name: "except", Example: "[critical]", Meaning: "alerts of these severities do not wait",
			Value: document.Value[notify.Quiet]{
				Unit: "list of severities", Read: readExcept,
				Show: func(q *notify.Quiet, path string, each document.Each) { each.List(path, texts(q.Except)) },
			},
		},
	}
}

func templateKeys() []document.Key[notify.TemplateTexts] {
	return []document.Key[notify.TemplateTexts]{
		{
			Name: "title", Example: `"{{.severity}}: {{.title}}"`, Meaning: "the headline",
			Value: aTemplate(func(t *notify.TemplateTexts) *string { return &t.Title }),
		},
		{
			Name: "text", Example: `"{{.text}}"`, Meaning: "what stands below it",
			Value: aTemplate(func(t *notify.TemplateTexts) *string { return &t.Text }),
		},
	}
}

func (l *loader) heartbeatKeys() []document.Key[app.HeartbeatConfig] {
	return append([]document.Key[app.HeartbeatConfig]{
		{
			Name: "url", Example: `"https://hc-ping.com/..."`, Secret: true, Without: "needed",
			Meaning: "the address that is pinged",
			Value:   aSecret(func(h *app.HeartbeatConfig) *rules.Secret { return &h.URL }),
		},
		{
			Name: "url_file", Example: "/etc/tocsin/heartbeat.url", Secret: true, Meaning: secretFile,
			Value: aSecretFile(l, func(h *app.HeartbeatConfig) *rules.Secret { return &h.URL }),
		},
		{
			Name: "every", Example: "1m", Default: "1m", Meaning: "how often",
			Value: document.Duration(func(h *app.HeartbeatConfig) *rules.Duration { return &h.Every },
				10*rules.Second, rules.Day),
		},
	}, wayKeys(l, func(h *app.HeartbeatConfig) *rules.Trust { return &h.Trust })...)
}

// routeKeys are the severities, and what holds for those that are not there.
func routeKeys() (out []document.Key[app.Config]) {
	for _, name := range append(slices.Clone(rules.Severities), "default") {
		k := document.Key[app.Config]{Name: name, Example: "[phone]", Without: "`notify.default`", Unit: "list of channels"}
		k.Meaning = "where alerts of this severity are told"
		if name == "default" {
			k.Meaning, k.Without = "where alerts of every other severity are told", "every channel"
		}
		k.Value = document.Value[app.Config]{
			Read: func(_ *document.Faults, n *document.Node, _ string, c *app.Config) (err error) {
				c.Notify[name], err = document.ListOf(n, checkName)
				return err
			},
			Show: func(c *app.Config, path string, each document.Each) { each.List(path, c.Notify[name]) },
		}
		out = append(out, k)
	}
	return out
}
