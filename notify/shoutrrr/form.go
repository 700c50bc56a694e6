package shoutrrr

import (
	"net"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var _ notify.Builder = (*Sender)(nil)

// form is a notify.Form and what makes a URL of its answers.
type form struct {
	notify.Form
	build func(answers) (string, error)
}

// answers are the fields of a form as they were given.
type answers map[string]rules.Secret

func (a answers) text(name string) string { return strings.TrimSpace(a[name].Reveal()) }

// webhookField is the one question of services whose page shows a whole address.
func webhookField(help, example string) []notify.FormField {
	return []notify.FormField{{Name: "webhook", Help: help, Example: example, Secret: true}}
}

// forms are the services that people are asked about, the usual ones first.
var forms = []form{
	{notify.Form{Kind: "ntfy", Title: "ntfy", Fields: []notify.FormField{
		{Name: "server", Help: "the ntfy server", Example: "ntfy.sh", Otherwise: "ntfy.sh", Optional: true},
		{Name: "topic", Help: "the topic you subscribed to; one that nobody guesses", Example: "tocsin-7Hq2x9", Secret: true},
		{
			Name: "token", Help: "an access token, where the topic is protected", Example: "tk_...",
			Secret: true, Optional: true,
		},
		{Name: "user", Help: "or a user", Example: "me", Optional: true},
		{Name: "password", Help: "and its password", Example: "...", Secret: true, Optional: true},
	}}, buildNtfy},
	{notify.Form{Kind: "smtp", Title: "Mail", Fields: []notify.FormField{
		{Name: "server", Help: "your provider's server for outgoing mail", Example: "mail.example.org:587"},
		{Name: "user", Help: "the login, often your address", Example: "me@example.org", Optional: true},
		{
			Name: "password", Help: "its password; with two factors an app password", Example: "...",
			Secret: true, Optional: true,
		},
		{Name: "from", Help: "the sender's address", Example: "tocsin@example.org"},
		{Name: "to", Help: "who gets it; several with commas", Example: "me@example.org,you@example.org"},
	}}, buildMail},
	{notify.Form{Kind: "telegram", Title: "Telegram", Fields: []notify.FormField{
		{Name: "token", Help: "the token that @BotFather gave for your bot", Example: "123456:ABC-...", Secret: true},
		{Name: "chats", Help: "numbers of chats or @names of channels, with commas", Example: "-100123"},
	}}, buildTelegram},
	{notify.Form{
		Kind: "discord", Title: "Discord",
		Fields: webhookField("Edit Channel, Integrations, Webhooks: Copy Webhook URL",
			"https://discord.com/api/webhooks/..."),
	}, asPasted},
	{notify.Form{
		Kind: "slack", Title: "Slack",
		Fields: webhookField("your Slack app: Incoming Webhooks", "https://hooks.slack.com/services/..."),
	}, asPasted},
	{notify.Form{
		Kind: "teams", Title: "Microsoft Teams",
		Fields: webhookField("Workflows: Send webhook alerts to a channel", "https://....logic.azure.com/..."),
	}, asPasted},
	{notify.Form{Kind: "gotify", Title: "Gotify", Fields: []notify.FormField{
		{Name: "server", Help: "the Gotify server", Example: "https://gotify.lan"},
		{Name: "token", Help: "of an application, under Apps", Example: "A...", Secret: true},
	}}, buildGotify},
	{notify.Form{Kind: "matrix", Title: "Matrix", Fields: []notify.FormField{
		{Name: "server", Help: "the homeserver", Example: "matrix.org"},
		{Name: "token", Help: "an access token: Element, Settings, Help & About", Example: "syt_...", Secret: true},
		{Name: "rooms", Help: "ids of rooms, with commas: Room Settings, Advanced", Example: "!id:matrix.org"},
	}}, buildMatrix},
	{notify.Form{Kind: "pushover", Title: "Pushover", Fields: []notify.FormField{
		{Name: "token", Help: "the API token of an application", Example: "a...", Secret: true},
		{Name: "user", Help: "your user key", Example: "u...", Secret: true},
	}}, func(a answers) (string, error) {
		return compose("pushover", url.UserPassword("shoutrrr", a.text("token")), a.text("user"), "/", nil), nil
	}},
	{notify.Form{Kind: "pushbullet", Title: "Pushbullet", Fields: []notify.FormField{
		{Name: "token", Help: "Settings, Access Tokens", Example: "o....", Secret: true},
	}}, func(a answers) (string, error) { return compose("pushbullet", nil, a.text("token"), "", nil), nil }},
	{notify.Form{Kind: "bark", Title: "Bark", Fields: []notify.FormField{
		{Name: "server", Help: "the Bark server", Example: "api.day.app", Otherwise: "api.day.app", Optional: true},
		{Name: "key", Help: "the device key that the app shows", Example: "...", Secret: true},
	}}, buildBark},
	{notify.Form{Kind: "join", Title: "Join", Fields: []notify.FormField{
		{Name: "key", Help: "the API key of Join's web page", Example: "...", Secret: true},
		{Name: "devices", Help: "ids of devices, with commas", Example: "group.all"},
	}}, func(a answers) (string, error) {
		devices := url.Values{"devices": {a.text("devices")}}
		return compose("join", url.UserPassword("shoutrrr", a.text("key")), "join", "/", devices), nil
	}},
	{notify.Form{Kind: "opsgenie", Title: "Opsgenie", Fields: []notify.FormField{
		{
			Name: "server", Help: "in Europe api.eu.opsgenie.com", Example: "api.opsgenie.com",
			Otherwise: "api.opsgenie.com", Optional: true,
		},
		{Name: "key", Help: "the key of an API integration", Example: "...", Secret: true},
	}}, func(a answers) (string, error) {
		return compose("opsgenie", nil, a.text("server"), "/"+a.text("key"), nil), nil
	}},
	{notify.Form{
		Kind: "mattermost", Title: "Mattermost",
		Fields: webhookField("Integrations, Incoming Webhooks", "https://mattermost.lan/hooks/..."),
	}, hookedAs("mattermost")},
	{notify.Form{
		Kind: "rocketchat", Title: "Rocket.Chat",
		Fields: webhookField("Integrations, Incoming", "https://chat.lan/hooks/..."),
	}, hookedAs("rocketchat")},
	{notify.Form{
		Kind: "googlechat", Title: "Google Chat",
		Fields: webhookField("the space's Apps & integrations, Webhooks", "https://chat.googleapis.com/v1/spaces/..."),
	}, asPasted},
	{notify.Form{Kind: "zulip", Title: "Zulip", Fields: []notify.FormField{
		{Name: "server", Help: "the Zulip server", Example: "chat.zulip.org"},
		{Name: "bot", Help: "the mail address of a bot of type incoming webhook", Example: "tocsin-bot@chat.zulip.org"},
		{Name: "key", Help: "its API key", Example: "...", Secret: true},
		{Name: "stream", Help: "the channel to write to", Example: "alerts"},
		{Name: "topic", Help: "the topic; without it each alert has its own", Example: "home", Optional: true},
	}}, buildZulip},
	{notify.Form{
		Kind: "generic", Title: "Any webhook that takes JSON, Home Assistant too",
		Fields: webhookField("the whole address, http:// or https://", "http://homeassistant.lan:8123/api/webhook/..."),
	}, asPasted},
}

// Forms lists the services that people are asked about.
func (s *Sender) Forms() (out []notify.Form) {
	for _, f := range forms {
		out = append(out, f.Form)
	}
	return out
}

// Build makes a channel's URL of the fields of a form. Its error names a field
// and never shows its value.
func (s *Sender) Build(kind string, fields map[string]rules.Secret) (rules.Secret, error) {
	f, err := formOf(kind)
	if err != nil {
		return rules.Secret{}, err
	}
	a := answers{}
	for _, field := range f.Fields {
		a[field.Name] = fields[field.Name]
		if a.text(field.Name) == "" {
			a[field.Name] = rules.NewSecret(field.Otherwise)
		}
		if a.text(field.Name) == "" && !field.Optional {
			return rules.Secret{}, rules.FieldErrorf(field.Name, "is missing: %s; for example %s", field.Help, field.Example)
		}
	}
	for name := range fields {
		if _, known := a[name]; !known {
			known := strings.Join(fieldNames(f), ", ")
			return rules.Secret{}, rules.Errorf(rules.Invalid, "%s has no such field; known: %s", kind, known)
		}
	}
	built, err := f.build(a)
	if err != nil {
		return rules.Secret{}, err
	}
	got, _, err := parse(built)
	if err == nil && got != kind {
		err = rules.FieldErrorf("webhook", "is the address of another service; "+
			"choose that one, or copy the address again: %s", f.Fields[0].Help)
	}
	return rules.NewSecret(built), err
}

func formOf(kind string) (form, error) {
	var known []string
	for _, f := range forms {
		if f.Kind == kind {
			return f, nil
		}
		known = append(known, f.Kind)
	}
	return form{}, rules.FieldErrorf("kind", "is none that is known; known: %s", strings.Join(known, ", "))
}

func fieldNames(f form) (out []string) {
	for _, field := range f.Fields {
		out = append(out, field.Name)
	}
	return out
}

// Public reports whether everybody who knows a channel's topic can read it.
func (s *Sender) Public(url rules.Secret) bool {
	_, service, err := parse(url.Reveal())
	topic, ok := service.(ntfyTopic)
	return err == nil && ok && topic.authorization == ""
}

// asPasted is for services whose own address says what it is.
func asPasted(a answers) (string, error) { return a.text("webhook"), nil }

// hookedAs is for services that run on any host: the kind goes in front.
func hookedAs(kind string) func(answers) (string, error) {
	return func(a answers) (string, error) {
		text := a.text("webhook")
		if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
			return "", rules.FieldErrorf("webhook", "must be the whole address, from https:// on")
		}
		return kind + "+" + text, nil
	}
}

// place is where a server of one's own is: a host, perhaps with a port, a
// folder, and without TLS.
type place struct {
	host, path string
	plain      bool
}

func placeOf(a answers) (place, error) {
	text := a.text("server")
	wrong := rules.FieldErrorf("server", "must be a host such as gotify.lan, gotify.lan:8080 or http://gotify.lan")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return place{}, wrong
	}
	return place{host: u.Host, path: strings.TrimRight(u.Path, "/"), plain: u.Scheme == "http"}, nil
}

// compose writes a channel's URL; what is special in any part is escaped.
func compose(scheme string, user *url.Userinfo, host, path string, q url.Values) string {
	u := url.URL{Scheme: scheme, User: user, Host: host, Path: path, RawQuery: q.Encode()}
	return u.String()
}

func buildNtfy(a answers) (string, error) {
	p, err := placeOf(a)
	if err != nil {
		return "", err
	}
	if strings.Contains(a.text("topic"), "/") {
		return "", rules.FieldErrorf("topic", "must be the name of the topic alone, without the server")
	}
	var user *url.Userinfo
	switch {
	case a.text("token") != "" && a.text("user")+a.text("password") != "":
		return "", rules.FieldErrorf("token", "is given beside user and password; one of the two is enough")
	case a.text("token") != "" && !strings.HasPrefix(a.text("token"), "tk_"):
		return "", rules.FieldErrorf("token", "must be an access token of ntfy, which begins with tk_")
	case a.text("token") != "":
		user = url.UserPassword("", a.text("token"))
	case a.text("user") != "":
		user = url.UserPassword(a.text("user"), a.text("password"))
	}
	q := url.Values{}
	if p.plain {
		q.Set("scheme", "http")
	}
	return compose("ntfy", user, p.host, p.path+"/"+a.text("topic"), q), nil
}

func buildMail(a answers) (string, error) {
	host := a.text("server")
	if strings.Contains(host, "/") {
		return "", rules.FieldErrorf("server", "must be a host, with its port: "+
			"mail.example.org:587, or 465 for TLS from the start")
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "587")
	}
	var user *url.Userinfo
	if a.text("user") != "" {
		user = url.UserPassword(a.text("user"), a["password"].Reveal())
	}
	return compose("smtp", user, host, "/", url.Values{"from": {a.text("from")}, "to": {a.text("to")}}), nil
}

func buildTelegram(a answers) (string, error) {
	bot, key, ok := strings.Cut(a.text("token"), ":")
	if !ok || !botToken.MatchString(a.text("token")) {
		return "", rules.FieldErrorf("token", "must be what @BotFather gave: digits, a colon, letters")
	}
	return compose("telegram", url.UserPassword(bot, key), "telegram", "", url.Values{"chats": {a.text("chats")}}), nil
}

func buildGotify(a answers) (string, error) {
	p, err := placeOf(a)
	return compose("gotify", nil, p.host, p.path+"/"+a.text("token"), noTLS(p)), err
}

func noTLS(p place) url.Values {
	q := url.Values{}
	if p.plain {
		q.Set("disabletls", "yes")
	}
	return q
}

func buildMatrix(a answers) (string, error) {
	p, err := placeOf(a)
	q := noTLS(p)
	q.Set("rooms", a.text("rooms"))
	return compose("matrix", url.UserPassword("", a.text("token")), p.host, "/", q), err
}

func buildBark(a answers) (string, error) {
	p, err := placeOf(a)
	q := url.Values{}
	if p.plain {
		q.Set("scheme", "http")
	}
	return compose("bark", url.UserPassword("", a.text("key")), p.host, p.path+"/", q), err
}

func buildZulip(a answers) (string, error) {
	p, err := placeOf(a)
	q := noTLS(p)
	q.Set("stream", a.text("stream"))
	if a.text("topic") != "" {
		q.Set("topic", a.text("topic"))
	}
	return compose("zulip", url.UserPassword(a.text("bot"), a.text("key")), p.host, "/", q), err
}
