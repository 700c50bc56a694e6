package shoutrrr_test

import (
	"context"
	"encoding/pem"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// nobodys is the transport that the whole process shares. Nothing may use it.
type nobodys struct{}

func (nobodys) RoundTrip(*http.Request) (*http.Response, error) {
	panic("a request went over http.DefaultTransport")
}

// TestMain makes the certificate of the test servers one that the system
// trusts, so that TLS is checked as in earnest.
func TestMain(m *testing.M) {
	flag.Parse()
	http.DefaultTransport = nobodys{}
	server := httptest.NewTLSServer(nil)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	dir, err := os.MkdirTemp("", "shoutrrr")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, block, 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", file)
	os.Setenv("SSL_CERT_DIR", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// astray sends every request to one server, whatever host it is for.
type astray struct {
	to   *url.URL
	base http.RoundTripper
}

func (a astray) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("X-Meant-For", req.URL.Scheme+"://"+req.URL.Host)
	out.URL.Scheme, out.URL.Host = a.to.Scheme, a.to.Host
	return a.base.RoundTrip(out)
}

// toward returns a Sender all of whose requests go to the server at address.
func toward(t *testing.T, address string, timeout time.Duration) *shoutrrr.Sender {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return shoutrrr.New(shoutrrr.Options{
		Timeout:   timeout,
		Transport: astray{to, &http.Transport{DisableKeepAlives: true}},
	})
}

// got is a request as it arrived.
type got struct {
	method, path, meant string
	query               url.Values
	header              http.Header
	body                string
}

// inbox is a server that keeps what it gets.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex
	all  []got
	next http.HandlerFunc
}

func newInbox(t *testing.T, answer http.HandlerFunc) *inbox {
	t.Helper()
	in := &inbox{next: answer}
	in.Server = httptest.NewServer(in)
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "short", http.StatusBadRequest)
		return
	}
	in.mu.Lock()
	in.all = append(in.all,
		got{r.Method, r.URL.EscapedPath(), r.Header.Get("X-Meant-For"), r.URL.Query(), r.Header.Clone(), string(body)})
	in.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	in.next(w, r)
}

func (in *inbox) got() []got {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]got(nil), in.all...)
}

func (in *inbox) last() got { all := in.got(); return all[len(all)-1] }

func (in *inbox) count() int { return len(in.got()) }

func (in *inbox) one(t *testing.T) got {
	t.Helper()
	all := in.got()
	if len(all) != 1 {
		t.Fatalf("%d requests arrived, want 1", len(all))
	}
	return all[0]
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func channel(address string) notify.Channel {
	return notify.Channel{Name: "ops", URL: rules.NewSecret(address)}
}

func wantSent(t *testing.T, out rules.Outcome) {
	t.Helper()
	if out.State != rules.Sent || out.Class != "" {
		t.Fatalf("outcome = %+v, want sent", out)
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ordinary is what most messages are like.
func ordinary() notify.Message {
	return notify.Message{
		ID: "n1", Threads: []string{"a1"}, Title: "Freezer too warm", Text: "kitchen is at -9 °C\nshould be below -15 °C",
		Fields: []notify.Field{
			{Name: "sensor", Value: "kitchen"},
			{Name: "Recent", Value: "-18 to -9", Graph: "▁▃█"},
		},
		Severity: rules.Critical, Tone: notify.Alarm, Link: "https://wiki.example/freezer?a=1&b=2", At: noon,
	}
}

// hostile tries to break out of its text in every way that a tag value could.
func hostile() notify.Message {
	nasty := "x\r\nBcc: eve@evil.example\r\n\r\n@everyone @here <!channel> <b>bold</b> </b> &amp; *s* _e_ ~t~ `c` " +
		"```\n[click](https://evil.example/x) <https://evil.example|ok> |a| # h {{.title}} \x00\x1b[31m \u202edrawkcab é " +
		"🔥 \xff\xfe"
	m := ordinary()
	m.Place = ", " + notify.Data("kitchen"+nasty)
	m.Title = "Too warm" + strings.Repeat("é", 10<<10) + m.Place
	m.Text = notify.Data(nasty + strings.Repeat("🔥<&>\"*é\n", 1<<10))
	for range 40 {
		m.Fields = append(m.Fields, notify.Field{
			Name: notify.Data(nasty), Value: notify.Data(nasty + strings.Repeat("&", 2000)),
		},
			notify.Field{Value: "nameless"})
	}
	return m
}

// canary is in the URL of every channel of this list.
const canary = "caNary7Q9x"

// channels is a URL for each service, with the answer of the real one.
var channels = []struct {
	name, kind, url, answer string
	status                  int
}{
	{"slack webhook", "slack", "slack://hook:T12345678-B12345678-" + canary + "@webhook", "ok", 200},
	{"slack bot", "slack", "slack://xoxb:123456789012-123456789012-" + canary + "@C0123", `{"ok":true,"ts":"1.2"}`, 200},
	{"slack pasted", "slack", "https://hooks.slack.com/services/T1/B1/" + canary, "ok", 200},
	{"discord", "discord", "discord://" + canary + "@1234", `{"id":"99"}`, 200},
	{"discord pasted", "discord", "https://discordapp.com/api/webhooks/1234/" + canary, "", 204},
	{
		"teams pasted", "teams",
		"https://prod-01.westeurope.logic.azure.com:443/workflows/w/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + canary, "", 202,
	},
	{"teams own host", "teams", "teams+https://flow.example/workflows/w?sig=" + canary, "", 202},
	{"telegram", "telegram", "telegram://123456:" + canary + "@telegram?chats=-100123", `{"ok":true,"result":{}}`, 200},
	{
		"telegram pasted", "telegram", "https://api.telegram.org/bot123456:" + canary + "/sendMessage?chat_id=@ops",
		`{"ok":true,"result":{}}`, 200,
	},
	{"ntfy", "ntfy", "ntfy://:tk_" + canary + "@ntfy.example/alerts", `{"id":"a","event":"message"}`, 200},
	{"ntfy pasted", "ntfy", "https://ntfy.sh/" + canary, `{"id":"a","event":"message"}`, 200},
	{"gotify", "gotify", "gotify://push.example/sub/" + canary, `{"id":1}`, 200},
	{"pushover", "pushover", "pushover://shoutrrr:" + canary + "@user1/?devices=phone", `{"status":1}`, 200},
	{"matrix", "matrix", "matrix://:" + canary + "@matrix.example/?rooms=!room:matrix.example", `{"event_id":"$e"}`, 200},
	{"generic", "generic", "generic://hooks.example/alerts?template=json&@Authorization=Bearer+" + canary, "", 200},
	{"generic pasted", "generic", "https://user:" + canary + "@hooks.example/alerts?title=keep", "", 204},
	{"mattermost", "mattermost", "mattermost://bot@chat.example:8443/" + canary + "/town", "ok", 200},
	{"rocketchat", "rocketchat", "rocketchat://chat.example/tokA/" + canary + "/general", `{"success":true}`, 200},
	{
		"googlechat", "googlechat", "googlechat://chat.googleapis.com/v1/spaces/S/messages?key=k&token=" + canary,
		`{"name":"x"}`, 200,
	},
	{
		"zulip", "zulip", "zulip://bot%40z.example:" + canary + "@z.example/?stream=ops&topic=alerts", `{"result":"success"}`,
		200,
	},
	{"bark", "bark", "bark://:" + canary + "@bark.example/", `{"code":200}`, 200},
	{"join", "join", "join://shoutrrr:" + canary + "@join/?devices=d1", `{"success":true}`, 200},
	{"pushbullet", "pushbullet", "pushbullet://" + canary + "/device1", `{"iden":"x"}`, 200},
	{"opsgenie", "opsgenie", "opsgenie://api.eu.opsgenie.com/" + canary, `{"result":"Request will be processed"}`, 202},
}

// TestArrives sends both messages to every service. What arrives of the
// ordinary one is golden; the hostile one must be taken as well.
func TestArrives(t *testing.T) {
	for _, c := range channels {
		t.Run(c.name, func(t *testing.T) {
			in := newInbox(t, says(c.status, c.answer))
			s := toward(t, in.URL, time.Minute)
			kind, err := s.Check(rules.NewSecret(c.url))
			if err != nil || kind != c.kind {
				t.Fatalf("Check = %q, %v; want %q", kind, err, c.kind)
			}
			wantSent(t, s.Send(context.Background(), channel(c.url), ordinary()))
			first := in.one(t)
			golden(t, t.Name(), first.String())
			wantSent(t, s.Send(context.Background(), channel(c.url), hostile()))
			checkTame(t, in.got()[1])
		})
	}
}

// String is the request for a golden file.
func (g got) String() string {
	var b strings.Builder
	b.WriteString(g.method + " " + g.meant + g.path + "?" + g.query.Encode() + "\n")
	for _, name := range []string{
		"Accept", "Authorization", "Content-Type", "User-Agent", "X-Gotify-Key", "Access-Token",
		"Title", "Priority", "Tags", "Click", "Actions", "X-Sequence-Id",
	} {
		if v := g.header.Get(name); v != "" {
			b.WriteString(name + ": " + v + "\n")
		}
	}
	return b.String() + "\n" + g.body + "\n"
}

// checkTame looks for what no service should be handed.
func checkTame(t *testing.T, g got) {
	t.Helper()
	all := g.body
	for name, values := range g.header {
		all += "\n" + name + ": " + strings.Join(values, " ")
	}
	for _, bad := range []string{"\x00", `\u0000`, "\x1b", `\u001b`, "\u202e", `\u202e`, "\xff"} {
		if strings.Contains(all, bad) {
			t.Errorf("%q went out", bad)
		}
	}
	if g.header.Get("Bcc") != "" {
		t.Error("a title made a header")
	}
	if len(all) > 160<<10 {
		t.Errorf("%d bytes went out", len(all))
	}
}

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(name, "/", "-")+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s differs; run with -update to see what changed\nhave:\n%s", file, have)
	}
}
