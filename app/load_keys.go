package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/9bikes/tocsin/rules"
)

// reading collects what is wrong with a configuration while it is read.
type reading struct {
	options LoadOptions
	dir     string // of the config file: relative paths in it begin there
	home    string
	errs    []error
}

// refuse notes that the value at path is wrong.
func (r *reading) refuse(n *node, path, format string, args ...any) {
	r.errs = append(r.errs, placed(n.at, rules.FieldErrorf(path, format, args...)))
}

// configKey is one key of a table: an example that works, and how it is read.
type configKey[T any] struct {
	name    string
	example string
	read    reader[T]
}

var configKeys = []configKey[Config]{
	{"data_dir", "/var/lib/tocsin", aPath(func(c *Config) *string { return &c.DataDir })},
	{"listen", "127.0.0.1:8627", aText(func(c *Config) *string { return &c.Listen }, checkListen)},
	{"every", "30s", aLength(func(c *Config) *rules.Duration { return &c.Every }, rules.Second, rules.Hour)},
	{"outage_after", "2m", aLength(func(c *Config) *rules.Duration { return &c.OutageAfter }, 10*rules.Second, rules.Hour)},
	{"zone", "Europe/Berlin", aText(func(c *Config) *string { return &c.Zone }, checkZone)},
	{"log", "info", aText(func(c *Config) *string { return &c.Log }, oneOf("debug", "info", "warn", "error"))},
	{"token", `"..."`, aSecret(func(c *Config) *rules.Secret { return &c.Token })},
	{"token_file", "/etc/tocsin/token", aSecretFile(func(c *Config) *rules.Secret { return &c.Token })},
	{"hosts", "[tocsin.lan]", texts(func(c *Config) *[]string { return &c.Hosts }, checkHost)},
	{"public_url", `"https://tocsin.example.org"`, aPublicURL},
	{"sources", `{home: {kind: influxdb, url: "http://127.0.0.1:8086", database: telegraf}}`, readSources},
	{"channels", `{phone: {url_file: /etc/tocsin/phone.url}}`, readChannels},
	{"notify", "{low: [mail], high: [phone], default: [phone]}", readNotify},
	{"operators", "[phone]", texts(func(c *Config) *[]string { return &c.Operators }, checkName)},
	{"heartbeat", "{url_file: /etc/tocsin/heartbeat.url, every: 1m}", readHeartbeat},
}

var sourceKeys = []configKey[SourceConfig]{
	{"kind", "influxdb", aText(func(s *SourceConfig) *string { return &s.Kind }, oneOf(KindInfluxDB, KindInfluxDB3, KindLive))},
	{"url", "http://127.0.0.1:8086", aSourceURL},
	{"database", "telegraf", aText(func(s *SourceConfig) *string { return &s.Database }, anyText)},
	{"retention", "autogen", aText(func(s *SourceConfig) *string { return &s.Retention }, anyText)},
	{"token", `"..."`, aSecret(func(s *SourceConfig) *rules.Secret { return &s.Token })},
	{"token_file", "/etc/tocsin/influx.token", aSecretFile(func(s *SourceConfig) *rules.Secret { return &s.Token })},
	{"username", "tocsin", aText(func(s *SourceConfig) *string { return &s.Username }, anyText)},
	{"password", `"..."`, aSecret(func(s *SourceConfig) *rules.Secret { return &s.Password })},
	{"password_file", "/etc/tocsin/influx.password", aSecretFile(func(s *SourceConfig) *rules.Secret { return &s.Password })},
	{"delay", "10s", aLength(func(s *SourceConfig) *rules.Duration { return &s.Delay }, 0, rules.Hour)},
	{"timeout", "10s", aLength(func(s *SourceConfig) *rules.Duration { return &s.Timeout }, rules.Second, 10*rules.Minute)},
	{"max_answer", "64MB", aSize(func(s *SourceConfig) *int { return &s.MaxAnswer }, 1<<20, 1<<30)},
	{"vitals", "true", aFlag(func(s *SourceConfig) *bool { return &s.Vitals })},
	{"keep_for", "1h", aLength(func(s *SourceConfig) *rules.Duration { return &s.KeepFor }, rules.Minute, rules.Week)},
}

var channelKeys = []configKey[ChannelConfig]{
	{"url", `"ntfy://ntfy.sh/my-topic"`, aSecret(func(c *ChannelConfig) *rules.Secret { return &c.URL })},
	{"url_file", "/etc/tocsin/phone.url", aSecretFile(func(c *ChannelConfig) *rules.Secret { return &c.URL })},
	{"fallback", "mail", aText(func(c *ChannelConfig) *string { return &c.Settings.Fallback }, checkName)},
	{"rate", "10/m", aText(func(c *ChannelConfig) *string { return &c.Settings.Rate }, checkRate)},
	{"quiet", `{hours: "22:00-07:00", zone: Europe/Berlin, except: [critical]}`, readQuiet},
	{"template", `{title: "{{.severity}}: {{.title}}"}`, readTemplate},
	{"never_twice", "true", aFlag(func(c *ChannelConfig) *bool { return &c.Settings.NeverTwice })},
	{"timeout", "60s", aText(func(c *ChannelConfig) *string { return &c.Settings.Timeout }, checkTimeout)},
}

func keyNames[T any](keys []configKey[T]) (out []string) {
	for _, k := range keys {
		out = append(out, k.name)
	}
	return out
}

// readTable reads the keys of a table into t; what is wrong goes to r.
func readTable[T any](r *reading, n *node, path string, keys []configKey[T], t *T) {
	known := keyNames(keys)
	if n.form != formTable {
		if n.form != formEmpty {
			r.refuse(n, path, "must have keys below it; known: %s", strings.Join(known, ", "))
		}
		return
	}
	for _, name := range n.order {
		v := n.table[name]
		i := slices.Index(known, name)
		switch {
		case i < 0:
			r.errs = append(r.errs, placed(v.keyAt, unknownKey(path, name, known)))
		case v.form == formEmpty: // a key without a value is as good as none
		case strings.HasSuffix(name, "_file") && n.has(strings.TrimSuffix(name, "_file")):
			r.refuse(v, below(path, name), "is given beside %s; keep one of them", strings.TrimSuffix(name, "_file"))
		default:
			r.note(v, below(path, name), keys[i].example, keys[i].read(r, v, below(path, name), t))
		}
	}
}

// note turns the error of a reader into a refusal with an example.
func (r *reading) note(n *node, path, example string, err error) {
	if err != nil {
		r.refuse(n, path, "%v; for example %s: %s", err, path[strings.LastIndexByte(path, '.')+1:], example)
	}
}

func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func unknownKey(path, name string, known []string) error {
	if !looksLikeName(name) {
		return rules.FieldErrorf(path, "holds something that is no key; a colon needs a space after it; known: %s", strings.Join(known, ", "))
	}
	if near := rules.Nearest(name, known); len(near) > 0 {
		return rules.FieldErrorf(below(path, name), "no such key; did you mean %s?", strings.Join(near, " or "))
	}
	return rules.FieldErrorf(below(path, name), "no such key; known: %s", strings.Join(known, ", "))
}

// keyLike is what a mistyped key looks like. Anything else may be a secret
// that slipped to the left of a colon, and is not repeated.
var keyLike = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,30}$`)

func looksLikeName(s string) bool { return keyLike.MatchString(s) }

// scalar returns the text of a value that is no list and no table.
func scalar(n *node) (string, error) {
	if n.form != formScalar {
		return "", errors.New("must be one value, not a list or a table")
	}
	return strings.TrimSpace(n.text), nil
}

// quoted shows a value in an error. With spaces in it, it may be lines that
// the YAML parser ran together, a secret among them.
func quoted(text string) string {
	if text == "" || len(text) > 60 || strings.ContainsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
		return "something else"
	}
	return strconv.Quote(text)
}

// reader reads one value into t.
type reader[T any] = func(r *reading, n *node, path string, t *T) error

func parsed[T, V any](at func(*T) *V, parse func(string) (V, error)) reader[T] {
	return func(_ *reading, n *node, _ string, t *T) error {
		text, err := scalar(n)
		if err != nil {
			return err
		}
		v, err := parse(text)
		if err == nil {
			*at(t) = v
		}
		return err
	}
}

func aText[T any](at func(*T) *string, check func(string) error) reader[T] {
	return parsed(at, func(text string) (string, error) { return text, check(text) })
}

func aLength[T any](at func(*T) *rules.Duration, least, most rules.Duration) reader[T] {
	return parsed(at, func(text string) (rules.Duration, error) {
		d, err := rules.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("must be a duration with a unit, such as 30s, 5m or 2h; got %s", quoted(text))
		}
		if d < least || d > most {
			return 0, fmt.Errorf("must be between %s and %s; got %s", least, most, d)
		}
		return d, nil
	})
}

func aFlag[T any](at func(*T) *bool) reader[T] {
	return parsed(at, func(text string) (bool, error) {
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return false, fmt.Errorf("must be true or false; got %s", quoted(text))
	})
}

// texts reads a list. One text with commas is a list too: that is how an
// environment variable gives one.
func texts[T any](at func(*T) *[]string, check func(string) error) reader[T] {
	return func(_ *reading, n *node, _ string, t *T) (err error) {
		*at(t), err = list(n, check)
		return err
	}
}

func list(n *node, check func(string) error) ([]string, error) {
	if n.form == formTable {
		return nil, errors.New("must be a list of names")
	}
	items := n.list
	if n.form == formScalar {
		for part := range strings.SplitSeq(n.text, ",") {
			items = append(items, &node{form: formScalar, text: part})
		}
	}
	out := []string{}
	for _, item := range items {
		text, err := scalar(item)
		if err != nil {
			return nil, errors.New("must be a list of names")
		}
		if err := check(text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// aSecret reads a credential that stands in the configuration itself.
func aSecret[T any](at func(*T) *rules.Secret) reader[T] {
	return parsed(at, func(text string) (rules.Secret, error) { return rules.NewSecret(text), nil })
}

// aSecretFile reads a credential from the file that the value names. No error
// shows that name: people put the secret itself there.
func aSecretFile[T any](at func(*T) *rules.Secret) reader[T] {
	return func(r *reading, n *node, _ string, t *T) error {
		text, err := scalar(n)
		if err != nil {
			return err
		}
		if r.options.skipSecrets {
			return nil
		}
		*at(t), err = readSecret(r.resolve(n, text))
		return err
	}
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
func (r *reading) resolve(n *node, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && r.home != "" {
		return filepath.Join(r.home, rest)
	}
	if !filepath.IsAbs(path) && !n.env {
		path = filepath.Join(r.dir, path)
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

func aPath[T any](at func(*T) *string) reader[T] {
	return func(r *reading, n *node, _ string, t *T) error {
		text, err := scalar(n)
		if err != nil || text == "" {
			return errors.New("must be the path of a directory")
		}
		*at(t) = r.resolve(n, text)
		return nil
	}
}

func anyText(text string) error {
	if text == "" || strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("must be text on one line")
	}
	return nil
}

func oneOf(allowed ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(allowed, text) {
			return fmt.Errorf("must be one of %s; got %s", strings.Join(allowed, ", "), quoted(text))
		}
		return nil
	}
}

func checkListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 && port != "0" {
		return fmt.Errorf("must be host:port, with a port up to 65535; got %s", quoted(text))
	}
	return nil
}

func checkZone(text string) error {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" || text == "" {
		return fmt.Errorf("must be an IANA time zone; got %s", quoted(text))
	}
	return nil
}

func checkHost(text string) error {
	if text == "" || strings.ContainsAny(text, "/ \t@?#") || strings.Contains(text, "://") {
		return fmt.Errorf("must be a list of host names without scheme and path; got %s", quoted(text))
	}
	return nil
}

func checkName(text string) error {
	if !channelName.MatchString(text) {
		return fmt.Errorf("must be names of small letters, digits, _ . and -, at most 63; got %s", quoted(text))
	}
	return nil
}

// aSourceURL refuses credentials in the URL, where logs and errors would show
// them, and never shows the URL itself.
func aSourceURL(_ *reading, n *node, _ string, s *SourceConfig) error {
	text, err := scalar(n)
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

// aPublicURL reads the address that people reach the daemon at.
func aPublicURL(_ *reading, n *node, _ string, c *Config) error {
	text, err := scalar(n)
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
func named(r *reading, n *node, path string, each func(name string, v *node)) error {
	if n.form != formTable {
		return errors.New("must be a table of names")
	}
	for _, name := range n.order {
		v := n.table[name]
		if channelName.MatchString(name) {
			each(name, v)
			continue
		}
		shown := "a name in it"
		if looksLikeName(name) {
			shown = strconv.Quote(name)
		}
		r.errs = append(r.errs, placed(v.keyAt, rules.FieldErrorf(path, "%s cannot be a name: small letters, digits, _ . and -, at most 63; for example home", shown)))
	}
	return nil
}

func readSources(r *reading, n *node, path string, c *Config) error {
	return named(r, n, path, func(name string, v *node) {
		var s SourceConfig
		readTable(r, v, below(path, name), sourceKeys, &s)
		r.checkSource(v, below(path, name))
		c.Sources[name] = s
	})
}

// ownKeys lists the keys that only the live source has.
var ownKeys = []string{"vitals", "keep_for"}

// sharedKeys lists the keys that the live source has too.
var sharedKeys = []string{"kind", "delay"}

// checkSource checks the keys of a source against its kind.
func (r *reading) checkSource(n *node, path string) {
	place := &node{at: n.keyAt}
	kind := ""
	if n.has("kind") {
		kind = strings.TrimSpace(n.table["kind"].text)
	}
	switch {
	case kind == "":
		r.refuse(place, path+".kind", "is missing; one of %s, %s, %s; for example kind: %s", KindInfluxDB, KindInfluxDB3, KindLive, KindInfluxDB)
	case kind == KindLive:
		r.refuseKeys(n, path, kind, func(key string) bool { return !slices.Contains(ownKeys, key) && !slices.Contains(sharedKeys, key) })
	case oneOf(KindInfluxDB, KindInfluxDB3)(kind) == nil:
		r.refuseKeys(n, path, kind, func(key string) bool { return slices.Contains(ownKeys, key) })
		r.needKeys(n, path)
	}
}

func (r *reading) refuseKeys(n *node, path, kind string, wrong func(key string) bool) {
	for _, key := range n.order {
		if n.has(key) && wrong(key) && slices.Contains(keyNames(sourceKeys), key) {
			r.refuse(&node{at: n.table[key].keyAt}, path+"."+key, "does not belong to a source of kind %s; leave it out", kind)
		}
	}
}

func (r *reading) needKeys(n *node, path string) {
	place := &node{at: n.keyAt}
	for _, k := range sourceKeys {
		if (k.name == "url" || k.name == "database") && !n.has(k.name) {
			r.refuse(place, path+"."+k.name, "is missing; for example %s: %s", k.name, k.example)
		}
	}
	password := n.has("password") || n.has("password_file")
	switch {
	case n.has("username") && !password && !r.options.skipSecrets:
		r.refuse(place, path+".password", "is missing beside username; for example password_file: /etc/tocsin/influx.password")
	case password && !n.has("username"):
		r.refuse(place, path+".username", "is missing beside password; for example username: tocsin")
	case password && (n.has("token") || n.has("token_file")):
		r.refuse(place, path+".token", "is given beside username and password; keep one of the two ways")
	}
}

func readChannels(r *reading, n *node, path string, c *Config) error {
	defer func() { r.checkFallbacks(n, path, c) }()
	return named(r, n, path, func(name string, v *node) {
		var channel ChannelConfig
		if !r.options.SkipChannelSecrets && !r.options.skipSecrets {
			channel = r.readChannel(v, below(path, name))
		}
		c.Channels[name] = channel
	})
}

func (r *reading) readChannel(n *node, path string) (c ChannelConfig) {
	readTable(r, n, path, channelKeys, &c)
	if c.URL.IsZero() {
		if !n.has("url") && !n.has("url_file") {
			r.refuse(&node{at: n.keyAt}, path+".url", "is missing; for example url_file: /etc/tocsin/phone.url, a file that holds ntfy://ntfy.sh/my-topic")
		}
		return c
	}
	if r.options.CheckChannel == nil {
		return c
	}
	kind, err := r.options.CheckChannel(c.URL)
	if err == nil {
		c.Kind = kind
		return c
	}
	place, key := n.table["url"], "url"
	if !n.has("url") {
		place, key = n.table["url_file"], "url_file"
	}
	text := err.Error()
	if ours := (*rules.Error)(nil); errors.As(err, &ours) {
		text = ours.Text
	}
	r.refuse(place, path+"."+key, "%s", text)
	return c
}

func readNotify(r *reading, n *node, path string, c *Config) error {
	known := append(slices.Clone(rules.Severities), "default")
	if n.form != formTable {
		return fmt.Errorf("must be a table with some of %s", strings.Join(known, ", "))
	}
	c.Notify = map[string][]string{}
	for _, severity := range n.order {
		v := n.table[severity]
		if !slices.Contains(known, severity) {
			r.errs = append(r.errs, placed(v.keyAt, unknownKey(path, severity, known)))
			continue
		}
		names, err := list(v, checkName)
		r.note(v, below(path, severity), "[phone]", err)
		c.Notify[severity] = names
	}
	return nil
}
