package config

import (
	"errors"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var quietKeys = []document.Key[notify.Quiet]{
	{Name: "hours", Example: `"22:00-07:00"`, Value: document.Text(func(q *notify.Quiet) *string { return &q.Hours }, document.AnyText)},
	{Name: "days", Example: "sat,sun", Value: document.Text(func(q *notify.Quiet) *string { return &q.Days }, document.AnyText)},
	{Name: "zone", Example: "Europe/Berlin", Value: document.Text(func(q *notify.Quiet) *string { return &q.Zone }, checkZone)},
	{Name: "except", Example: "[critical]", Value: document.Value[notify.Quiet]{Read: readExcept}},
}

var templateKeys = []document.Key[notify.TemplateTexts]{
	{Name: "title", Example: `"{{.severity}}: {{.title}}"`, Value: aTemplate(func(t *notify.TemplateTexts) *string { return &t.Title })},
	{Name: "text", Example: `"{{.text}}"`, Value: aTemplate(func(t *notify.TemplateTexts) *string { return &t.Text })},
}

func (l *loader) heartbeatKeys() []document.Key[app.HeartbeatConfig] {
	return []document.Key[app.HeartbeatConfig]{
		{Name: "url", Example: `"https://hc-ping.com/..."`, Value: aSecret(func(h *app.HeartbeatConfig) *rules.Secret { return &h.URL })},
		{Name: "url_file", Example: "/etc/tocsin/heartbeat.url", Value: aSecretFile(l, func(h *app.HeartbeatConfig) *rules.Secret { return &h.URL })},
		{Name: "every", Example: "1m", Value: document.Duration(func(h *app.HeartbeatConfig) *rules.Duration { return &h.Every }, 10*rules.Second, rules.Day)},
	}
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

func readExcept(_ *document.Faults, n *document.Node, _ string, q *notify.Quiet) error {
	names, err := document.ListOf(n, document.OneOf(rules.Severities...))
	for _, name := range names {
		q.Except = append(q.Except, rules.Severity(name))
	}
	return err
}

func readQuiet(f *document.Faults, n *document.Node, path string, c *app.ChannelConfig) error {
	var q notify.Quiet
	var own document.Faults
	document.ReadTable(&own, n, path, quietKeys, &q)
	if own.Any() {
		f.Add(own.Err())
		return nil
	}
	c.Settings.Quiet = &q
	_, err := notify.Settings{Quiet: &q}.Policy("")
	var ours *rules.Error
	if !errors.As(err, &ours) {
		return err
	}
	if key, below := strings.CutPrefix(ours.Field, "quiet."); below && n.Has(key) {
		f.Refuse(n.Table[key].At, path+"."+key, "%s", ours.Text)
		return nil
	}
	return sentence(err)
}

func readTemplate(f *document.Faults, n *document.Node, path string, c *app.ChannelConfig) error {
	var t notify.TemplateTexts
	document.ReadTable(f, n, path, templateKeys, &t)
	c.Settings.Template = &t
	return nil
}

// aTemplate reads a Go template and tries it.
func aTemplate(at func(*notify.TemplateTexts) *string) document.Value[notify.TemplateTexts] {
	return document.Value[notify.TemplateTexts]{Read: func(_ *document.Faults, n *document.Node, _ string, t *notify.TemplateTexts) error {
		if n.Form != document.FormScalar {
			return errors.New("must be text")
		}
		*at(t) = n.Text // the line breaks at its end are its own
		_, err := notify.TemplateTexts{Text: n.Text}.Parse()
		return sentence(err)
	}}
}

func (l *loader) readHeartbeat(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	h := app.HeartbeatConfig{Every: rules.Minute}
	document.ReadTable(f, n, path, l.heartbeatKeys(), &h)
	if h.URL.IsZero() {
		if l.options.skipSecrets || n.Has("url") || n.Has("url_file") {
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
func checkFallbacks(f *document.Faults, n *document.Node, path string, c *app.Config) {
	for name, channel := range c.Channels {
		at := n.Table[name]
		if channel.Settings.Fallback == "" || at == nil || !at.Has("fallback") {
			continue
		}
		if channel.Settings.Fallback == name {
			f.Refuse(at.Table["fallback"].At, document.Below(document.Below(path, name), "fallback"), "is the channel itself; name another one, such as mail")
		}
	}
}
