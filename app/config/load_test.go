package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/rules"
)

const secret = "hunter2-S3CR3T"

// write puts files into a fresh directory and returns the path of the first.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

const house = `# the house
data_dir: /var/lib/tocsin
listen: 127.0.0.1:8627
every: 30s
zone: Europe/Berlin
log: debug
token: door
hosts: [tocsin.lan, bell]
public_url: "https://bell.example/tocsin/"
sources:
  home: {kind: influxdb, url: "http://127.0.0.1:8086/", database: telegraf, token_file: influx.token, delay: 10s}
  tsdb: {kind: influxdb3, url: "http://127.0.0.1:8181", database: home, token: "three", max_answer: 8 mb}
  old:
    kind: influxdb
    url: https://influx.lan
    database: db
    retention: autogen
    username: me
    password_file: influx.token
    timeout: 20s
    max_answer: 1GB
  live: {kind: live, vitals: true, keep_for: 2h}
channels:
  hook: {url: "generic://127.0.0.1:9999/alerts?disabletls=yes&template=json"}
  phone:
    url_file: phone.url
notify: {low: [hook], high: phone, default: [phone]}
operators: [phone]
`

func TestWholeFileIsRead(t *testing.T) {
	path := write(t, "config.yaml", house, "influx.token", "one\n", "phone.url", " ntfy://ntfy.sh/x \n")
	got, err := config.Load(path, config.Options{CheckChannel: func(url rules.Secret) (string, error) {
		kind, _, _ := strings.Cut(url.Reveal(), ":")
		return kind, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	got.Settings = nil // TestAKeyIsFoundAtEveryDoor looks at these
	want := &app.Config{
		DataDir: "/var/lib/tocsin", Listen: "127.0.0.1:8627", Every: 30 * rules.Second, Zone: "Europe/Berlin", Log: "debug",
		Token: rules.NewSecret("door"), Hosts: []string{"tocsin.lan", "bell"}, PublicURL: "https://bell.example/tocsin",
		Sources: map[string]app.SourceConfig{
			"home": {
				Kind: "influxdb", URL: "http://127.0.0.1:8086", Database: "telegraf", Token: rules.NewSecret("one"),
				Delay: 10 * rules.Second,
			},
			"tsdb": {
				Kind: "influxdb3", URL: "http://127.0.0.1:8181", Database: "home", Token: rules.NewSecret("three"),
				MaxAnswer: 8 << 20,
			},
			"old": {
				Kind: "influxdb", URL: "https://influx.lan", Database: "db", Retention: "autogen",
				Username: "me", Password: rules.NewSecret("one"), Timeout: 20 * rules.Second, MaxAnswer: 1 << 30,
			},
			"live": {Kind: "live", Vitals: true, KeepFor: 2 * rules.Hour},
		},
		Channels: map[string]app.ChannelConfig{
			"hook":  {Kind: "generic", URL: rules.NewSecret("generic://127.0.0.1:9999/alerts?disabletls=yes&template=json")},
			"phone": {Kind: "ntfy", URL: rules.NewSecret("ntfy://ntfy.sh/x")},
		},
		Notify:    map[string][]string{"low": {"hook"}, "high": {"phone"}, "default": {"phone"}},
		Operators: []string{"phone"},
		Path:      path,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("config = %+v\nwant     %+v", got, want)
	}
}

func TestNoFileAtAllIsTheDefaults(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	got, err := config.Load("", config.Options{Env: []string{"HOME=/home/me", "XDG_DATA_HOME=/data"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen != "127.0.0.1:8627" || got.Every != 30*rules.Second || len(got.Sources) != 0 || got.Sources == nil {
		t.Errorf("config = %+v", got)
	}
	want := "/var/lib/tocsin"
	if os.Geteuid() != 0 && got.DataDir != want {
		want = "/data/tocsin"
	}
	if got.DataDir != want {
		t.Errorf("data_dir = %s, want %s", got.DataDir, want)
	}
}

func TestEnvironmentGoesBeforeTheFileAndAddsToIt(t *testing.T) {
	path := write(t, "config.yaml", house, "influx.token", "one", "phone.url", "ntfy://ntfy.sh/x", "other", "from a file")
	got, err := config.Load(path, config.Options{Env: []string{
		"TOCSIN_LISTEN=0.0.0.0:80",
		"TOCSIN_DATA_DIR=/data",
		"TOCSIN_EVERY=", // as good as not set
		"TOCSIN_CONFIG=/elsewhere",
		"TOCSIN_SOURCES__HOME__TOKEN=two", // in place of token_file
		"TOCSIN_SOURCES__TSDB__TOKEN_FILE=" + filepath.Join(filepath.Dir(path), "other"),
		"TOCSIN_SOURCES__NEW__KIND=influxdb",
		"TOCSIN_SOURCES__NEW__URL=http://new:8086",
		"TOCSIN_SOURCES__NEW__DATABASE=d",
		"TOCSIN_CHANNELS__HOOK__URL=ntfy://ntfy.sh/hook",
		"TOCSIN_NOTIFY__HIGH=phone, hook",
		"TOCSIN_OPERATORS=hook",
		"TOCSIN_SERVICE_HOST=10.0.0.1", // Kubernetes
		"TOCSIN_PORT=tcp://10.0.0.1:8627",
		"TOCSIN_PORT_8627_TCP_ADDR=10.0.0.1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, got, want string }{
		{"listen", got.Listen, "0.0.0.0:80"},
		{"data_dir", got.DataDir, "/data"},
		{"every", got.Every.String(), "30s"},
		{"token over token_file", got.Sources["home"].Token.Reveal(), "two"},
		{"token_file over token", got.Sources["tsdb"].Token.Reveal(), "from a file"},
		{"a new source", got.Sources["new"].URL, "http://new:8086"},
		{"a channel", got.Channels["hook"].URL.Reveal(), "ntfy://ntfy.sh/hook"},
		{"a list", strings.Join(got.Notify["high"], "|"), "phone|hook"},
		{"operators", strings.Join(got.Operators, "|"), "hook"},
		{"the rest of the file", got.Sources["home"].Database, "telegraf"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestEnvironmentNamesKeysWithDashes(t *testing.T) {
	path := write(t, "config.yaml", "channels:\n  my-phone.2: {url: ntfy://a/b}\n")
	got, err := config.Load(path, config.Options{Env: []string{"TOCSIN_CHANNELS__MY_PHONE_2__URL=ntfy://c/d"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Channels) != 1 || got.Channels["my-phone.2"].URL.Reveal() != "ntfy://c/d" {
		t.Errorf("channels = %d, want the one of the file with the URL of the environment", len(got.Channels))
	}
}

func TestCredentialsFillInWhatNobodyGives(t *testing.T) {
	path := write(t, "config.yaml", `
sources:
  home: {kind: influxdb, url: http://a, database: d}
  mine: {kind: influxdb, url: http://a, database: d, token: mine}
channels:
  hook: {}
`)
	dir := filepath.Dir(write(t, "sources.home.token", "cred\n", "sources.mine.token", "other", "channels.hook.url",
		"ntfy://a/b",
		"channels.new.one.url", "ntfy://c/d", "token", "door", "unrelated", "x"))
	got, err := config.Load(path, config.Options{CredentialsDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		got  rules.Secret
		want string
	}{
		{"a source's token", got.Sources["home"].Token, "cred"},
		{"the file's own", got.Sources["mine"].Token, "mine"},
		{"a channel's URL", got.Channels["hook"].URL, "ntfy://a/b"},
		{"a channel that the file lacks", got.Channels["new.one"].URL, "ntfy://c/d"},
		{"the token", got.Token, "door"},
	} {
		if tt.got.Reveal() != tt.want {
			t.Errorf("%s is not the right one", tt.name)
		}
	}
}

func TestChannelSecretsAreLeftAloneWhenSkipped(t *testing.T) {
	path := write(t, "config.yaml", "channels:\n  hook: {url: ntfy://a/b}\n  phone: {url_file: /does/not/exist}\n")
	dir := filepath.Dir(write(t, "channels.cred.url", ""))
	got, err := config.Load(path, config.Options{
		SkipChannelSecrets: true, CredentialsDir: dir, Env: []string{"TOCSIN_CHANNELS__ENV__URL=ntfy://e/f"},
		CheckChannel: func(rules.Secret) (string, error) {
			t.Error("a channel's URL was looked at")
			return "", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hook", "phone", "cred", "env"} {
		if c, ok := got.Channels[name]; !ok || !c.URL.IsZero() {
			t.Errorf("channel %s: known = %v, want its name alone", name, ok)
		}
	}
}

func TestRefusalsNamePlaceAndCure(t *testing.T) {
	source := "sources:\n  home: {kind: influxdb, url: http://a, database: d, "
	for _, tt := range []struct{ name, file, want string }{
		{
			"a mistyped key", "sources:\n  home:\n    kind: influxdb\n    databse: x\n    url: http://a\n    database: d\n",
			"line 4, column 5: sources.home.databse: no such key; did you mean database?",
		},
		{"a foreign key", "smtp: x\n", "line 1, column 1: smtp: no such key; known: data_dir, store, store_file, listen, "},
		{
			"a wrong kind", "sources:\n  home: {kind: influx, url: http://a, database: d}\n",
			`line 2, column 16: sources.home.kind: must be one of influxdb, influxdb3, live; got "influx"; for example kind: influxdb`,
		},
		{
			"no kind", "sources:\n  home: {url: http://a, database: d}\n",
			"line 2, column 3: sources.home.kind: is missing; one of influxdb, influxdb3, live; for example kind: influxdb",
		},
		{
			"no url", "sources:\n  home: {kind: influxdb3, database: d}\n",
			"line 2, column 3: sources.home.url: is missing; for example url: http://127.0.0.1:8086",
		},
		{
			"no database", "sources:\n  home: {kind: influxdb, url: http://a}\n",
			"sources.home.database: is missing; for example database: telegraf",
		},
		{
			"no scheme", "sources:\n  home: {kind: influxdb, url: 127.0.0.1:8086, database: d}\n",
			"sources.home.url: must be an address that begins with http:// or https://; for example url: http://127.0.0.1:8086",
		},
		{
			"two kinds of login", source + "token: a, username: b, password: c}\n",
			"sources.home.token: is given beside username and password; keep one of the two ways",
		},
		{
			"a user alone", source + "username: b}\n",
			"sources.home.password: is missing beside username; for example password_file: ",
		},
		{
			"a secret twice", source + "token: a, token_file: /b}\n",
			"sources.home.token_file: is given beside token; keep one of them",
		},
		{
			"a missing secret file", source + "token_file: nowhere}\n",
			"line 2, column 66: sources.home.token_file: names a file that does not exist; it must be the path of a file that " +
				"holds the secret; for example token_file: /etc/tocsin/influx.token",
		},
		{
			"a live source with a url", "sources:\n  live: {kind: live, url: http://a}\n",
			"line 2, column 22: sources.live.url: does not belong to a source of kind live; leave it out",
		},
		{
			"vitals elsewhere", source + "vitals: true}\n",
			"sources.home.vitals: does not belong to a source of kind influxdb; leave it out",
		},
		{
			"a bad source name", "sources:\n  My Home: {kind: live}\n",
			"line 2, column 3: sources: a name in it cannot be a name: small letters, digits, _ . and -, at most 63; for " +
				"example home",
		},
		{
			"a scalar for a table", "sources:\n  home: x\n",
			"line 2, column 9: sources.home: must have keys below it; known: kind, url, ",
		},
		{
			"sources as a list", "sources: [a]\n",
			"sources: must be a table of names; for example sources: {home: {kind: influxdb, ",
		},
		{
			"no unit", "every: 30\n",
			`line 1, column 8: every: must be a duration with a unit, such as 30s, 5m or 2h; got "30"; for example every: 30s`,
		},
		{
			"too small an answer", source + "max_answer: 1KB}\n",
			"sources.home.max_answer: must be a size with a unit, from 1MB to 1GB; got \"1KB\"; for example max_answer: 64MB",
		},
		{
			"too large an answer", source + "max_answer: 9999999999999GB}\n",
			"sources.home.max_answer: must be a size with a unit, from 1MB to 1GB",
		},
		{
			"an answer of what", source + "max_answer: 64}\n",
			"sources.home.max_answer: must be a size with a unit, from 1MB to 1GB; got \"64\"",
		},
		{
			"a live answer", "sources:\n  live: {kind: live, max_answer: 64MB}\n",
			"sources.live.max_answer: does not belong to a source of kind live; leave it out",
		},
		{"too short", "every: 10ms\n", "every: must be between 1s and 1h; got 10ms; for example every: 30s"},
		{
			"a port alone", "listen: 8627\n",
			`listen: must be host:port, with a port up to 65535; got "8627"; for example listen: 127.0.0.1:8627`,
		},
		{"a port too high", "listen: a:70000\n", "listen: must be host:port, with a port up to 65535"},
		{
			"no such zone", "zone: Mars/Base\n",
			`zone: must be an IANA time zone; got "Mars/Base"; for example zone: Europe/Berlin`,
		},
		{
			"no such log level", "log: loud\n",
			`log: must be one of debug, info, warn, error; got "loud"; for example log: info`,
		},
		{
			"a flag that is none", "sources:\n  live: {kind: live, vitals: maybe}\n",
			`sources.live.vitals: must be true or false; got "maybe"`,
		},
		{
			"a list for a text", "listen: [a]\n",
			"listen: must be one value, not a list or a table; for example listen: 127.0.0.1:8627",
		},
		{
			"a host with a scheme", "hosts: [http://a]\n",
			"hosts: must be a list of host names without scheme and path; got \"http://a\"; for example hosts: [tocsin.lan]",
		},
		{
			"a public address without a scheme", "public_url: bell.example\n",
			"line 1, column 13: public_url: must be an address that begins with https:// or http://; for example public_url: " +
				"\"https://tocsin.example.org\"",
		},
		{
			"a public address with a user", "public_url: https://me:pw@bell.example\n",
			"public_url: must be a host, and a path where a proxy needs one, without a user, ? or #",
		},
		{
			"a public address with a query", "public_url: https://bell.example/?a=b\n",
			"public_url: must be a host, and a path where a proxy needs one, without a user, ? or #",
		},
		{
			"a severity that is none", "notify: {hihg: [a]}\n",
			"line 1, column 10: notify.hihg: no such key; did you mean high?",
		},
		{
			"no channels in notify", "notify: {high: {a: b}}\n",
			"notify.high: must be a list of names; for example high: [phone]",
		},
		{
			"a channel without url", "channels:\n  hook: {}\n",
			"line 2, column 3: channels.hook.url: is missing; for example url_file: /etc/tocsin/phone.url, a file",
		},
		{
			"a channel that cannot be", "channels:\n  hook: {url: 'bad://x'}\n",
			"line 2, column 15: channels.hook.url: begins with no known service",
		},
		{"two documents", "listen: a:1\n---\nlisten: b:2\n", "a second document begins; write one, without ---"},
		{"text alone", "hello\n", "must have keys below it; known: data_dir, "},
		{"a key twice", "log: info\nlog: warn\n", "line 2, column 1: the same key stands twice; keep one of them"},
		{"a tab", "sources:\n\thome: {}\n", "line 2, column 1: a tab or a special character; indent with spaces"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "config.yaml", tt.file)
			_, err := config.Load(path, config.Options{CheckChannel: refuseURL})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v\nwant     %s", err, tt.want)
			}
			if rules.CodeOf(err) != rules.Invalid || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("error = %v (%s), want an invalid one that begins with the file", err, rules.CodeOf(err))
			}
		})
	}
}

func refuseURL(rules.Secret) (string, error) {
	return "", rules.FieldErrorf("url", "begins with no known service")
}

func TestEveryRefusalIsReported(t *testing.T) {
	path := write(t, "config.yaml", "listen: x\nevery: y\nlgo: info\n")
	_, err := config.Load(path, config.Options{Env: []string{"TOCSIN_ZONE=Mars/Base", "TOCSIN_SOURCES__HOME__DATABSE=x"}})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{
		"line 1, column 9: listen: ", "line 2, column 8: every: ", "line 3, column 1: lgo: no such key; did you mean log?",
		"environment variable TOCSIN_ZONE: zone: must be an IANA time zone",
		"environment variable TOCSIN_SOURCES__HOME__DATABSE: sources.home.databse: no such key; did you mean database?",
		"environment variable TOCSIN_SOURCES__HOME__DATABSE: sources.home.kind: is missing",
	} {
		if !containsIn(lines, want) {
			t.Errorf("no line says %q in:\n%s", want, err)
		}
	}
	var first *rules.Error
	if !errors.As(err, &first) || first.Field != "listen" {
		t.Errorf("first field = %v, want listen", first)
	}
}

func containsIn(lines []string, part string) bool {
	for _, line := range lines {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}

// TestNoSecretIsEverInAnError breaks a file around a secret in every way that
// people break files.
func TestNoSecretIsEverInAnError(t *testing.T) {
	for _, file := range []string{
		"sources:\n  home:\n    token:S\n    url: http://x\n",
		"sources:\n  home:\n    token:S\n",
		"sources:\n  home: token:S\n",
		"sources:\n  home:\n    token: \"S\n    url: http://x\n",
		"sources:\n  home:\n    token: S: foo\n",
		"sources:\n  home:\n    token: foo: S\n",
		"sources:\n  home:\n    token: @S\n",
		"sources:\n  home:\n    token: *S\n",
		"sources:\n  home:\n    token: &S\n",
		"sources:\n  home:\n    token: !S x\n",
		"sources:\n  home:\n    token: [S]\n",
		"sources:\n  home:\n    token: {S: 1}\n",
		"sources:\n  home:\n    token: \"\\q S\"\n",
		"sources:\n  home: {token: S\n",
		"sources:\n  home:\n    kind: influxdb\n      token:S\n",
		"sources:\n  home:\n    kind: influxdb\n     S\n",
		"sources:\n  home:\n    S: x y\n    'S S': x\n",
		"sources:\n  home: {kind: influxdb, database: d, url: http://me:S@host}\n",
		"sources:\n  home: {kind: influxdb, database: d, url: 'http://me:S%zz@host'}\n",
		"sources:\n  home: {kind: influxdb, database: d, url: http://host?p=S}\n",
		"sources:\n  home: {kind: influxdb, database: d, url: http://host, token_file: S}\n",
		"sources:\n  home: {kind: influxdb, database: d, url: http://host, token_file: /S}\n",
		"sources: {home: {kind: influxdb, database: d, url: http://host, token_file: [S]}}\n",
		"channels:\n  hook: {url: 'bad://S'}\n",
		"channels:\n  hook: bad://S\n",
		"channels:\n  hook:\n    url:bad://S\n",
		"channels:\n  hook: {bad://S}\n",
		"channels:\n  'bad://S': {}\n",
		"channels:\n- bad://S\n",
		"token: [S, S]\n",
		"token:S\n",
		"S\n",
		"log: info\n  S\n",
		"operators: [a, 'ntfy://S/x y']\n",
		"token: |\n S\nlisten: x\n",
		"every: 1s\ntoken: S\nbad\n",
	} {
		t.Run(strings.ReplaceAll(file, "S", "secret"), func(t *testing.T) {
			// As a key, a word that looks like one may be shown; a secret is longer than any.
			value := secret + strings.Repeat("x", 20)
			path := write(t, "config.yaml", strings.ReplaceAll(file, "S", value))
			_, err := config.Load(path, config.Options{CheckChannel: refuseURL})
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "S3CR3T") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
	for _, env := range []string{
		"TOCSIN_SOURCES__HOME__URL=http://a:" + secret + "@b",
		"TOCSIN_SOURCES__HOME__TOKEN_FILE=" + secret, "TOCSIN_CHANNELS__HOOK__URL=" + secret,
	} {
		_, err := config.Load("", config.Options{Env: []string{env}, CheckChannel: refuseURL})
		name, _, _ := strings.Cut(env, "=")
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error = %v, want one with the variable's name and without its value", name, err)
		}
	}
}

func TestConfigFileThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, path, want string
	}{
		{"missing", filepath.Join(dir, "none.yaml"), "there is no config file"},
		{"a directory", dir, "is a directory"},
	} {
		if _, err := config.Load(tt.path, config.Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestEmptyFileIsTheDefaults(t *testing.T) {
	for _, file := range []string{"", "# nothing\n", "sources:\nchannels:\n", "---\n"} {
		if c, err := config.Load(write(t, "config.yaml", file), config.Options{}); err != nil ||
			c.Listen != app.DefaultListen {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestDefaultPathIsTheFirstThatIsThere(t *testing.T) {
	home := t.TempDir()
	if got := config.DefaultPath([]string{"TOCSIN_CONFIG=/a/b.yaml", "HOME=" + home}); got != "/a/b.yaml" {
		t.Errorf("with TOCSIN_CONFIG: %s", got)
	}
	own := filepath.Join(home, ".config", "tocsin", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := config.DefaultPath([]string{"HOME=" + home}); got == own {
		t.Errorf("without a file: %s", got)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := config.DefaultPath([]string{"HOME=" + home}); got != own {
		t.Errorf("with a file: %s, want %s", got, own)
	}
}
