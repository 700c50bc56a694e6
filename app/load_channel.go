package app

import (
	"errors"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var quietKeys = []configKey[notify.Quiet]{
	{"hours", `"22:00-07:00"`, aText(func(q *notify.Quiet) *string { return &q.Hours }, anyText)},
	{"days", "sat,sun", aText(func(q *notify.Quiet) *string { return &q.Days }, anyText)},
	{"zone", "Europe/Berlin", aText(func(q *notify.Quiet) *string { return &q.Zone }, checkZone)},
	{"except", "[critical]", readExcept},
}

var templateKeys = []configKey[notify.TemplateTexts]{
	{"title", `"{{.severity}}: {{.title}}"`, aTemplate(func(t *notify.TemplateTexts) *string { return &t.Title })},
	{"text", `"{{.text}}"`, aTemplate(func(t *notify.TemplateTexts) *string { return &t.Text })},
}

var heartbeatKeys = []configKey[HeartbeatConfig]{
	{"url", `"https://hc-ping.com/..."`, aSecret(func(h *HeartbeatConfig) *rules.Secret { return &h.URL })},
	{"url_file", "/etc/tocsin/heartbeat.url", aSecretFile(func(h *HeartbeatConfig) *rules.Secret { return &h.URL })},
	{"every", "1m", aLength(func(h *HeartbeatConfig) *rules.Duration { return &h.Every }, 10*rules.Second, rules.Day)},
}

// checkRate and the readers below take the sentence of the settings' own
// check, without the field that it is about: the place says that.
func checkRate(text string) error {
	_, err := notify.ParseRate(text)
	return sentence(err)
}

func checkTimeout(text string) error {
	_, err := notify.ParseTimeout(text)
	return sentence(err)
}

func sentence(err error) error {
	var ours *rules.Error
	if errors.As(err, &ours) {
		text, _, _ := strings.Cut(ours.Text, "; for example")
		return errors.New(text)
	}
	return err
}

func readExcept(_ *reading, n *node, _ string, q *notify.Quiet) error {
	names, err := list(n, oneOf(rules.Severities...))
	for _, name := range names {
		q.Except = append(q.Except, rules.Severity(name))
	}
	return err
}

func readQuiet(r *reading, n *node, path string, c *ChannelConfig) error {
	var q notify.Quiet
	before := len(r.errs)
	readTable(r, n, path, quietKeys, &q)
	if len(r.errs) > before {
		return nil
	}
	c.Settings.Quiet = &q
	_, err := notify.Settings{Quiet: &q}.Policy("")
	var ours *rules.Error
	if !errors.As(err, &ours) {
		return err
	}
	if key, below := strings.CutPrefix(ours.Field, "quiet."); below && n.has(key) {
		r.errs = append(r.errs, placed(n.table[key].at, rules.FieldErrorf(path+"."+key, "%s", ours.Text)))
		return nil
	}
	return sentence(err)
}

// inZone gives quiet hours that name no zone the one of the config.
func inZone(s notify.Settings, zone string) {
	if s.Quiet != nil && s.Quiet.Zone == "" {
		s.Quiet.Zone = zone
	}
}

func readTemplate(r *reading, n *node, path string, c *ChannelConfig) error {
	var t notify.TemplateTexts
	readTable(r, n, path, templateKeys, &t)
	c.Settings.Template = &t
	return nil
}

// aTemplate reads a Go template and tries it.
func aTemplate(at func(*notify.TemplateTexts) *string) reader[notify.TemplateTexts] {
	return func(_ *reading, n *node, _ string, t *notify.TemplateTexts) error {
		if n.form != formScalar {
			return errors.New("must be text")
		}
		*at(t) = n.text // the line breaks at its end are its own
		_, err := notify.TemplateTexts{Text: n.text}.Parse()
		return sentence(err)
	}
}

func readHeartbeat(r *reading, n *node, path string, c *Config) error {
	h := HeartbeatConfig{Every: rules.Minute}
	readTable(r, n, path, heartbeatKeys, &h)
	if h.URL.IsZero() {
		if r.options.skipSecrets || n.has("url") || n.has("url_file") {
			return nil
		}
		return errors.New("has no url")
	}
	u, err := url.Parse(h.URL.Reveal())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("has a url that is no address beginning with https:// or http://")
	}
	c.Heartbeat = h
	return nil
}

// checkFallbacks refuses a fallback that leads back to its channel. A name
// that the config does not know may be a stored channel's.
func (r *reading) checkFallbacks(n *node, path string, c *Config) {
	for name, channel := range c.Channels {
		at := n.table[name]
		if channel.Settings.Fallback == "" || at == nil || !at.has("fallback") {
			continue
		}
		if channel.Settings.Fallback == name {
			r.refuse(at.table["fallback"], below(below(path, name), "fallback"), "is the channel itself; name another one, such as mail")
		}
	}
}
