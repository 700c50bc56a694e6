package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func (l *loader) readChannels(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	defer func() { checkFallbacks(f, n, path, c) }()
	return named(f, n, path, func(name string, v *document.Node) {
		var channel app.ChannelConfig
		if !l.options.SkipChannelSecrets && !l.options.skipSecrets {
			channel = l.readChannel(v, document.Below(path, name))
		}
		c.Channels[name] = channel
	})
}

func (l *loader) readChannel(n *document.Node, path string) (c app.ChannelConfig) {
	document.ReadTable(&l.Faults, n, path, l.channelKeys(), &c)
	l.checkTrust(n, path, c.Settings.Trust())
	if c.URL.IsZero() {
		if !n.Has("url") && !n.Has("url_file") {
			l.Refuse(n.KeyAt, path+".url",
				"is missing; for example url_file: /etc/tocsin/phone.url, a file that holds ntfy://ntfy.sh/my-topic")
		}
		return c
	}
	if l.options.CheckChannel == nil {
		return c
	}
	kind, err := l.options.CheckChannel(c.URL)
	if err == nil {
		c.Kind = kind
		return c
	}
	place, key := n.Table["url"], "url"
	if !n.Has("url") {
		place, key = n.Table["url_file"], "url_file"
	}
	text := err.Error()
	if ours := (*rules.Error)(nil); errors.As(err, &ours) {
		text = ours.Text
	}
	l.Refuse(place.At, path+"."+key, "%s", text)
	return c
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

// checkGroup reads one of the durations of grouping.
func checkGroup(key string) func(string) error {
	return func(text string) error {
		s := notify.Settings{GroupWait: text}
		if key == "group_every" {
			s = notify.Settings{GroupEvery: text}
		}
		_, err := s.Policy("")
		return sentence(err)
	}
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
	document.ReadTable(&own, n, path, quietKeys(), &q)
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
	document.ReadTable(f, n, path, templateKeys(), &t)
	c.Settings.Template = &t
	return nil
}

// aTemplate reads a Go template and tries it.
func aTemplate(at func(*notify.TemplateTexts) *string) document.Value[notify.TemplateTexts] {
	return document.Plainly(at, func(_ *document.Faults, n *document.Node, _ string, t *notify.TemplateTexts) error {
		if n.Form != document.FormScalar {
			return errors.New("must be text")
		}
		*at(t) = n.Text // the line breaks at its end are its own
		_, err := notify.TemplateTexts{Text: n.Text}.Parse()
		return sentence(err)
	}).In("template")
}

func (l *loader) readHeartbeat(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	var h app.HeartbeatConfig
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
	l.checkTrust(n, path, h.Trust)
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
			f.Refuse(at.Table["fallback"].At, document.Below(document.Below(path, name), "fallback"),
				"is the channel itself; name another one, such as mail")
		}
	}
}

func readNotify(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	keys := routeKeys()
	if n.Form != document.FormTable {
		return fmt.Errorf("must be a table with some of %s", strings.Join(document.Names(keys), ", "))
	}
	c.Notify = map[string][]string{}
	for _, severity := range n.Order {
		v, i := n.Table[severity], slices.Index(document.Names(keys), severity)
		if i < 0 {
			f.Add(document.Placed(v.KeyAt, document.UnknownKey(path, severity, document.Names(keys))))
			continue
		}
		below := document.Below(path, severity)
		f.Note(v, below, keys[i].Example, keys[i].Value.Read(f, v, below, c))
	}
	return nil
}

func texts(severities []rules.Severity) (out []string) {
	for _, s := range severities {
		out = append(out, string(s))
	}
	return out
}
