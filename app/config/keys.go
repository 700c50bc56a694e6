package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// loader reads one configuration, and collects what is wrong with it.
type loader struct {
	document.Faults

	options Options
	dir     string // of the config file: relative paths in it begin there
	home    string
}

func (l *loader) configKeys() []document.Key[app.Config] {
	return []document.Key[app.Config]{
		{Name: "data_dir", Example: "/var/lib/tocsin", Value: aPath(l, func(c *app.Config) *string { return &c.DataDir })},
		{Name: "listen", Example: "127.0.0.1:8627", Value: document.Text(func(c *app.Config) *string { return &c.Listen }, checkListen)},
		{Name: "every", Example: "30s", Value: document.Duration(func(c *app.Config) *rules.Duration { return &c.Every }, rules.Second, rules.Hour)},
		{Name: "outage_after", Example: "2m", Value: document.Duration(func(c *app.Config) *rules.Duration { return &c.OutageAfter }, 10*rules.Second, rules.Hour)},
		{Name: "zone", Example: "Europe/Berlin", Value: document.Text(func(c *app.Config) *string { return &c.Zone }, checkZone)},
		{Name: "log", Example: "info", Value: document.Text(func(c *app.Config) *string { return &c.Log }, document.OneOf("debug", "info", "warn", "error"))},
		{Name: "token", Example: `"..."`, Value: aSecret(func(c *app.Config) *rules.Secret { return &c.Token })},
		{Name: "token_file", Example: "/etc/tocsin/token", Value: aSecretFile(l, func(c *app.Config) *rules.Secret { return &c.Token })},
		{Name: "hosts", Example: "[tocsin.lan]", Value: document.Texts(func(c *app.Config) *[]string { return &c.Hosts }, checkHost)},
		{Name: "public_url", Example: `"https://tocsin.example.org"`, Value: document.Value[app.Config]{Read: readPublicURL}},
		{Name: "sources", Example: `{home: {kind: influxdb, url: "http://127.0.0.1:8086", database: telegraf}}`, Value: document.Value[app.Config]{Read: l.readSources}},
		{Name: "channels", Example: `{phone: {url_file: /etc/tocsin/phone.url}}`, Value: document.Value[app.Config]{Read: l.readChannels}},
		{Name: "notify", Example: "{low: [mail], high: [phone], default: [phone]}", Value: document.Value[app.Config]{Read: readNotify}},
		{Name: "operators", Example: "[phone]", Value: document.Texts(func(c *app.Config) *[]string { return &c.Operators }, checkName)},
		{Name: "heartbeat", Example: "{url_file: /etc/tocsin/heartbeat.url, every: 1m}", Value: document.Value[app.Config]{Read: l.readHeartbeat}},
	}
}

func (l *loader) sourceKeys() []document.Key[app.SourceConfig] {
	return []document.Key[app.SourceConfig]{
		{Name: "kind", Example: "influxdb", Value: document.Text(func(s *app.SourceConfig) *string { return &s.Kind }, document.OneOf(app.KindInfluxDB, app.KindInfluxDB3, app.KindLive))},
		{Name: "url", Example: "http://127.0.0.1:8086", Value: document.Value[app.SourceConfig]{Read: readSourceURL}},
		{Name: "database", Example: "telegraf", Value: document.Text(func(s *app.SourceConfig) *string { return &s.Database }, document.AnyText)},
		{Name: "retention", Example: "autogen", Value: document.Text(func(s *app.SourceConfig) *string { return &s.Retention }, document.AnyText)},
		{Name: "token", Example: `"..."`, Value: aSecret(func(s *app.SourceConfig) *rules.Secret { return &s.Token })},
		{Name: "token_file", Example: "/etc/tocsin/influx.token", Value: aSecretFile(l, func(s *app.SourceConfig) *rules.Secret { return &s.Token })},
		{Name: "username", Example: "tocsin", Value: document.Text(func(s *app.SourceConfig) *string { return &s.Username }, document.AnyText)},
		{Name: "password", Example: `"..."`, Value: aSecret(func(s *app.SourceConfig) *rules.Secret { return &s.Password })},
		{Name: "password_file", Example: "/etc/tocsin/influx.password", Value: aSecretFile(l, func(s *app.SourceConfig) *rules.Secret { return &s.Password })},
		{Name: "delay", Example: "10s", Value: document.Duration(func(s *app.SourceConfig) *rules.Duration { return &s.Delay }, 0, rules.Hour)},
		{Name: "timeout", Example: "10s", Value: document.Duration(func(s *app.SourceConfig) *rules.Duration { return &s.Timeout }, rules.Second, 10*rules.Minute)},
		{Name: "max_answer", Example: "64MB", Value: document.Size(func(s *app.SourceConfig) *int { return &s.MaxAnswer }, 1<<20, 1<<30)},
		{Name: "vitals", Example: "true", Value: document.Flag(func(s *app.SourceConfig) *bool { return &s.Vitals })},
		{Name: "keep_for", Example: "1h", Value: document.Duration(func(s *app.SourceConfig) *rules.Duration { return &s.KeepFor }, rules.Minute, rules.Week)},
	}
}

func (l *loader) channelKeys() []document.Key[app.ChannelConfig] {
	return []document.Key[app.ChannelConfig]{
		{Name: "url", Example: `"ntfy://ntfy.sh/my-topic"`, Value: aSecret(func(c *app.ChannelConfig) *rules.Secret { return &c.URL })},
		{Name: "url_file", Example: "/etc/tocsin/phone.url", Value: aSecretFile(l, func(c *app.ChannelConfig) *rules.Secret { return &c.URL })},
		{Name: "fallback", Example: "mail", Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Fallback }, checkName)},
		{Name: "rate", Example: "10/m", Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Rate }, checkRate)},
		{Name: "quiet", Example: `{hours: "22:00-07:00", zone: Europe/Berlin, except: [critical]}`, Value: document.Value[app.ChannelConfig]{Read: readQuiet}},
		{Name: "template", Example: `{title: "{{.severity}}: {{.title}}"}`, Value: document.Value[app.ChannelConfig]{Read: readTemplate}},
		{Name: "never_twice", Example: "true", Value: document.Flag(func(c *app.ChannelConfig) *bool { return &c.Settings.NeverTwice })},
		{Name: "timeout", Example: "60s", Value: document.Text(func(c *app.ChannelConfig) *string { return &c.Settings.Timeout }, checkTimeout)},
	}
}

// aSecret reads a credential that stands in the configuration itself.
func aSecret[T any](at func(*T) *rules.Secret) document.Value[T] {
	return document.Parsed(at, func(text string) (rules.Secret, error) { return rules.NewSecret(text), nil })
}

// aSecretFile reads a credential from the file that the value names. No error
// shows that name: people put the secret itself there.
func aSecretFile[T any](l *loader, at func(*T) *rules.Secret) document.Value[T] {
	return document.Value[T]{Read: func(_ *document.Faults, n *document.Node, _ string, t *T) error {
		text, err := document.ScalarOf(n)
		if err != nil {
			return err
		}
		if l.options.skipSecrets {
			return nil
		}
		*at(t), err = readSecret(l.resolve(n, text))
		return err
	}}
}

const maxSecret = 64 << 10

func readSecret(path string) (rules.Secret, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSecret) {
		return rules.Secret{}, errors.New("must be the path of a small file that holds the secret alone")
	}
	content, err := os.ReadFile(path)
	text := strings.TrimSpace(string(content))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return rules.Secret{}, errors.New("names a file that this user may not read; run as the daemon's user, or change its owner")
	case errors.Is(err, fs.ErrNotExist):
		return rules.Secret{}, errors.New("names a file that does not exist; it must be the path of a file that holds the secret")
	case err != nil:
		return rules.Secret{}, errors.New("names a file that cannot be read; it must be the path of a file that holds the secret")
	case text == "":
		return rules.Secret{}, errors.New("names a file that is empty; write the secret into it")
	}
	return rules.NewSecret(text), nil
}

// resolve makes a path absolute: in a file it begins at the file's folder.
func (l *loader) resolve(n *document.Node, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && l.home != "" {
		return filepath.Join(l.home, rest)
	}
	if !filepath.IsAbs(path) && !n.Env {
		path = filepath.Join(l.dir, path)
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

func aPath[T any](l *loader, at func(*T) *string) document.Value[T] {
	return document.Value[T]{Read: func(_ *document.Faults, n *document.Node, _ string, t *T) error {
		text, err := document.ScalarOf(n)
		if err != nil || text == "" {
			return errors.New("must be the path of a directory")
		}
		*at(t) = l.resolve(n, text)
		return nil
	}}
}

func checkListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 && port != "0" {
		return fmt.Errorf("must be host:port, with a port up to 65535; got %s", document.Quoted(text))
	}
	return nil
}

func checkZone(text string) error {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" || text == "" {
		return fmt.Errorf("must be an IANA time zone; got %s", document.Quoted(text))
	}
	return nil
}

func checkHost(text string) error {
	if text == "" || strings.ContainsAny(text, "/ \t@?#") || strings.Contains(text, "://") {
		return fmt.Errorf("must be a list of host names without scheme and path; got %s", document.Quoted(text))
	}
	return nil
}

func checkName(text string) error {
	if !app.ValidName(text) {
		return fmt.Errorf("must be names of small letters, digits, _ . and -, at most 63; got %s", document.Quoted(text))
	}
	return nil
}

// readSourceURL refuses credentials in the URL, where logs and errors would show
// them, and never shows the URL itself.
func readSourceURL(_ *document.Faults, n *document.Node, _ string, s *app.SourceConfig) error {
	text, err := document.ScalarOf(n)
	if err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"):
		return errors.New("must not hold a user or password; write them under username and password, or password_file")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("must be an address that begins with http:// or https://")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must end before ? and #; the database goes under database, a token under token or token_file")
	}
	s.URL = strings.TrimRight(text, "/")
	return nil
}

// readPublicURL reads the address that people reach the daemon at.
func readPublicURL(_ *document.Faults, n *document.Node, _ string, c *app.Config) error {
	text, err := document.ScalarOf(n)
	if err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(text) > 300:
		return errors.New("must be an address that begins with https:// or http://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, " \t'\"<>?#"):
		return errors.New("must be a host, and a path where a proxy needs one, without a user, ? or #")
	}
	c.PublicURL = strings.TrimRight(text, "/")
	return nil
}

// named reads a table whose keys are names that people gave.
func named(f *document.Faults, n *document.Node, path string, each func(name string, v *document.Node)) error {
	if n.Form != document.FormTable {
		return errors.New("must be a table of names")
	}
	for _, name := range n.Order {
		v := n.Table[name]
		if app.ValidName(name) {
			each(name, v)
			continue
		}
		shown := "a name in it"
		if document.LooksLikeKey(name) {
			shown = strconv.Quote(name)
		}
		f.Refuse(v.KeyAt, path, "%s cannot be a name: small letters, digits, _ . and -, at most 63; for example home", shown)
	}
	return nil
}

func (l *loader) readSources(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	return named(f, n, path, func(name string, v *document.Node) {
		var s app.SourceConfig
		document.ReadTable(f, v, document.Below(path, name), l.sourceKeys(), &s)
		l.checkSource(v, document.Below(path, name))
		c.Sources[name] = s
	})
}

// ownKeys lists the keys that only the live source has.
var ownKeys = []string{"vitals", "keep_for"}

// sharedKeys lists the keys that the live source has too.
var sharedKeys = []string{"kind", "delay"}

// checkSource checks the keys of a source against its kind.
func (l *loader) checkSource(n *document.Node, path string) {
	kind := ""
	if n.Has("kind") {
		kind = strings.TrimSpace(n.Table["kind"].Text)
	}
	switch {
	case kind == "":
		l.Refuse(n.KeyAt, path+".kind", "is missing; one of %s, %s, %s; for example kind: %s", app.KindInfluxDB, app.KindInfluxDB3, app.KindLive, app.KindInfluxDB)
	case kind == app.KindLive:
		l.refuseKeys(n, path, kind, func(key string) bool { return !slices.Contains(ownKeys, key) && !slices.Contains(sharedKeys, key) })
	case document.OneOf(app.KindInfluxDB, app.KindInfluxDB3)(kind) == nil:
		l.refuseKeys(n, path, kind, func(key string) bool { return slices.Contains(ownKeys, key) })
		l.needKeys(n, path)
	}
}

func (l *loader) refuseKeys(n *document.Node, path, kind string, wrong func(key string) bool) {
	for _, key := range n.Order {
		if n.Has(key) && wrong(key) && slices.Contains(document.Names(l.sourceKeys()), key) {
			l.Refuse(n.Table[key].KeyAt, path+"."+key, "does not belong to a source of kind %s; leave it out", kind)
		}
	}
}

func (l *loader) needKeys(n *document.Node, path string) {
	for _, k := range l.sourceKeys() {
		if (k.Name == "url" || k.Name == "database") && !n.Has(k.Name) {
			l.Refuse(n.KeyAt, path+"."+k.Name, "is missing; for example %s: %s", k.Name, k.Example)
		}
	}
	password := n.Has("password") || n.Has("password_file")
	switch {
	case n.Has("username") && !password && !l.options.skipSecrets:
		l.Refuse(n.KeyAt, path+".password", "is missing beside username; for example password_file: /etc/tocsin/influx.password")
	case password && !n.Has("username"):
		l.Refuse(n.KeyAt, path+".username", "is missing beside password; for example username: tocsin")
	case password && (n.Has("token") || n.Has("token_file")):
		l.Refuse(n.KeyAt, path+".token", "is given beside username and password; keep one of the two ways")
	}
}

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
	if c.URL.IsZero() {
		if !n.Has("url") && !n.Has("url_file") {
			l.Refuse(n.KeyAt, path+".url", "is missing; for example url_file: /etc/tocsin/phone.url, a file that holds ntfy://ntfy.sh/my-topic")
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

func readNotify(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	known := append(slices.Clone(rules.Severities), "default")
	if n.Form != document.FormTable {
		return fmt.Errorf("must be a table with some of %s", strings.Join(known, ", "))
	}
	c.Notify = map[string][]string{}
	for _, severity := range n.Order {
		v := n.Table[severity]
		if !slices.Contains(known, severity) {
			f.Add(document.Placed(v.KeyAt, document.UnknownKey(path, severity, known)))
			continue
		}
		names, err := document.ListOf(v, checkName)
		f.Note(v, document.Below(path, severity), "[phone]", err)
		c.Notify[severity] = names
	}
	return nil
}
