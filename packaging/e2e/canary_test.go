package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	_ "modernc.org/sqlite" // to break the database with
)

// canaries are secrets by the slot that they are in. None may be found
// anywhere else.
type canaries map[string][]byte

// add makes a secret of letters and digits, which fit into every slot, and of
// what else the slot takes.
func (c canaries) add(slot, more string) string {
	c[slot] = []byte("Acnry" + strings.ToLower(rand.Text()[:16]) + more)
	return string(c[slot])
}

// shapes are the ways in which a secret may be written: as it is, escaped, in
// hex, and in base64 at each place that it can have in a longer text.
func shapes(secret []byte) map[string]string {
	quoted, _ := json.Marshal(string(secret)) // a text always can be
	plain := &bytes.Buffer{}
	encoder := json.NewEncoder(plain)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(string(secret))
	out := map[string]string{
		"plain": string(secret), "escaped for a query": url.QueryEscape(string(secret)),
		"escaped for a path": url.PathEscape(string(secret)),
		"JSON":               string(quoted[1 : len(quoted)-1]),
		"JSON for people":    strings.Trim(strings.TrimSpace(plain.String()), `"`),
		"quoted twice":       strings.Trim(fmt.Sprintf("%q", string(quoted[1:len(quoted)-1])), `"`),
		"hex":                hex.EncodeToString(secret), "HEX": strings.ToUpper(hex.EncodeToString(secret)),
	}
	for name, encoding := range map[string]*base64.Encoding{
		"base64":               base64.RawStdEncoding,
		"base64 for addresses": base64.RawURLEncoding,
	} {
		for place := range 3 {
			text := encoding.EncodeToString(append(make([]byte, place), secret...))
			// The first and last letters depend on the neighbours too.
			out[fmt.Sprintf("%s, %d bytes in", name, place)] = text[(place*8+5)/6 : len(text)-1]
		}
	}
	return out
}

// leaks lists what of the secrets is in a text.
func (c canaries) leaks(text string) (out []string) {
	for _, slot := range slices.Sorted(maps.Keys(c)) {
		for _, shape := range slices.Sorted(maps.Keys(shapes(c[slot]))) {
			if i := strings.Index(text, shapes(c[slot])[shape]); i >= 0 {
				out = append(out, fmt.Sprintf("%s (%s) after %.200q", slot, shape, text[max(0, i-150):i]))
			}
		}
	}
	return out
}

// TestTheSearchForSecretsFinds: a search that finds nothing proves nothing
// unless it can.
func TestTheSearchForSecretsFinds(t *testing.T) {
	c := canaries{}
	secret := c.add("a slot", `+/&"<%x é`)
	for name, text := range map[string]string{
		"as it is": "token=" + secret + ";", "in an address": "http://h/?t=" + url.QueryEscape(secret) + "&x=1",
		"in JSON":         fmt.Sprintf(`{"error":%s}`, mustJSON(t, "no "+secret+" here")),
		"in JSON in JSON": mustJSON(t, mustJSON(t, secret+".")),
		"in hex":          fmt.Sprintf("%x", "a"+secret), "in Basic": "Basic " +
			base64.StdEncoding.EncodeToString([]byte("u:"+secret+"!")),
		"in base64":     base64.URLEncoding.EncodeToString([]byte("user:" + secret)),
		"in base64 too": base64.StdEncoding.EncodeToString([]byte("abc" + secret + "d")),
	} {
		if len(c.leaks(text)) == 0 {
			t.Errorf("%s it is not found: %s", name, text)
		}
	}
	if found := c.leaks(strings.Repeat("nothing of that kind ", 1000)); found != nil {
		t.Errorf("found %v in nothing", found)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// spiteful is an upstream that says back everything that it was told, in
// whatever way it is in the mood for.
type spiteful struct {
	mood atomic.Pointer[string]
	told atomic.Int32
}

var moods = []string{"well", "refuses", "breaks", "fails inside", "is garbage", "moves", "hangs up"}

func newSpiteful(t *testing.T) (*spiteful, string) {
	t.Helper()
	s := &spiteful{}
	s.mood.Store(&moods[0])
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, strings.TrimPrefix(server.URL, "http://")
}

// ServeHTTP answers in the present mood.
func (s *spiteful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.told.Add(1)
	user, password, _ := r.BasicAuth()
	all := fmt.Sprintf("%s %s user %s password %s header %v form %v body %s", r.Method, r.URL, user, password, r.Header,
		r.URL.Query(), body)
	inJSON, err := json.Marshal(all)
	if err != nil {
		return
	}
	w.Header().Set("X-Influxdb-Version", "1.8.10")
	switch *s.mood.Load() {
	case "well":
		_, err = w.Write([]byte(`{"results":[{"statement_id":0}]}`))
	case "refuses":
		w.WriteHeader(http.StatusUnauthorized)
		_, err = fmt.Fprintf(w, `{"error":%s}`, inJSON)
	case "breaks":
		w.WriteHeader(http.StatusInternalServerError)
		_, err = fmt.Fprintf(w, "<html>%s</html>", all)
	case "fails inside":
		_, err = fmt.Fprintf(w, `{"results":[{"statement_id":0,"error":%s}]}`, inJSON)
	case "is garbage":
		_, err = io.WriteString(w, all)
	case "moves":
		http.Redirect(w, r, "http://127.0.0.1:1/elsewhere?"+url.Values{"was": {all}}.Encode(), http.StatusFound)
	case "hangs up":
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		return // whoever asked is gone
	}
}

// recorder stands between a client and the daemon and writes down both
// directions, but for the header with which the client says who it is.
type recorder struct {
	*httputil.ReverseProxy
	wire logbook
	deaf atomic.Bool // to what clients say, while they say secrets
}

func newRecorder(t *testing.T, to string) (*recorder, string) {
	t.Helper()
	target, err := url.Parse("http://" + to)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{ReverseProxy: httputil.NewSingleHostReverseProxy(target)}
	r.FlushInterval = -1
	direct := r.Director
	r.Director = func(q *http.Request) {
		direct(q)
		q.Host = to
		head := q.Header.Clone()
		head.Del("Authorization")
		_, _ = fmt.Fprintf(&r.wire, "\n> %s %s %v\n", q.Method, q.URL, head)
		if q.Body != nil && !r.deaf.Load() {
			q.Body = both{io.TeeReader(q.Body, &r.wire), q.Body}
		}
	}
	r.ModifyResponse = func(a *http.Response) error {
		_, _ = fmt.Fprintf(&r.wire, "\n< %s %v\n", a.Status, a.Header)
		a.Body = both{io.TeeReader(a.Body, &r.wire), a.Body}
		return nil
	}
	server := httptest.NewServer(r)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return r, server.URL
}

type both struct {
	io.Reader
	io.Closer
}

// cage is a tocsin with a secret in every slot and spiteful upstreams.
type cage struct {
	*site
	secrets        canaries
	sources, hooks *spiteful
	hook           string // the address of hooks
	api            string // a token
	clients        []*client.Client
	heard          logbook // what the clients were told, and what processes print
}

func newCage(t *testing.T) *cage {
	t.Helper()
	c := &cage{site: &site{T: t, dir: t.TempDir(), listen: sourcetest.FreeAddress(t)}, secrets: canaries{}}
	var source string
	c.sources, source = newSpiteful(t)
	c.hooks, c.hook = newSpiteful(t)
	c.config = filepath.Join(c.dir, "config.yaml")
	in := func(slot, more string) string { return c.secrets.add(slot, more) }
	esc := url.PathEscape
	c.write(fmt.Sprintf(`data_dir: %[1]s/data
listen: %[2]s
every: 1s
public_url: http://%[2]s
token: %[5]q
heartbeat: {url: "http://%[4]s/ping/%[6]s", every: 10s}
sources:
  live: {kind: live}
  bearer: {kind: influxdb, url: "http://%[3]s", database: d, token: %[7]q, timeout: 2s}
  basic: {kind: influxdb, url: "http://%[3]s", database: d, username: reader, password: %[8]q, timeout: 2s}
  flight: {kind: influxdb3, url: "http://%[3]s", database: d, token: %[9]q, timeout: 2s}
channels:
  hook: {url: "generic://%[4]s/%[10]s?disabletls=yes&template=json&$key=%[11]s"}
  push: {url: "ntfy://reader:%[12]s@%[4]s/topic?scheme=http"}
  bell: {url: "gotify://%[4]s/%[13]s?disabletls=yes"}
  mail: {url: "smtp://reader:%[14]s@127.0.0.1:1/?from=a@example.org&to=b@example.org&auth=Plain"}
notify: {default: [hook, push, bell, mail, stored]}
`, c.dir, c.listen, source, c.hook,
		in("token of the config", `+/&<x`), in("address of the heartbeat", ""), in("token of a source", `+/&<x`),
		in("password of a source", `+/&<x`), in("token of a source of version 3", ""),
		in("path of a channel", ""), in("parameter of a channel", ""), esc(in("password of a channel", `+&x`)),
		gotify(c.secrets), esc(in("password of a mail server", `+&x`))))
	return c
}

// gotify makes a token in the form that gotify has.
func gotify(c canaries) string {
	c["token of gotify"] = []byte("A" + rand.Text()[:14])
	return string(c["token of gotify"])
}

func (c *cage) note(what, text string) { _, _ = fmt.Fprintf(&c.heard, "\n== %s\n%s\n", what, text) }

// fill makes the secrets that are in the database, and knows those that tocsin
// made itself.
func (c *cage) fill() {
	c.Helper()
	add := exec.Command(binary, "channels", "add", "stored", "--url-stdin", "--config", c.config)
	add.Stdin = strings.NewReader("generic://" + c.hook + "/" + c.secrets.add("address of a stored channel", "") +
		"?disabletls=yes&template=json\n")
	out, err := add.CombinedOutput()
	if err != nil {
		c.Fatalf("%v\n%s", err, out)
	}
	c.note("channels add", string(out))
	c.api = c.token("laptop", "admin")
	c.secrets["token of the API"] = []byte(c.api)
	for _, name := range []string{"channels.key", "links.key"} {
		text, err := os.ReadFile(filepath.Join(c.dir, "data", name))
		if err != nil {
			c.Fatal(err)
		}
		if len(text) < 16 {
			c.Fatalf("%s has %d bytes", name, len(text))
		}
		c.secrets["bytes of "+name] = text
	}
}

// join lets a client in, over HTTP or a process of its own.
func (c *cage) join(era string, way transport.Interface) *client.Client {
	c.Helper()
	m := client.NewClient(way, client.WithElicitationHandler(declining{c}))
	if err := m.Start(c.Context()); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = m.Close() })
	m.OnNotification(func(n mcp.JSONRPCNotification) { c.note("notification", mustJSON(c.T, n)) })
	var shake mcp.InitializeRequest
	shake.Params.ProtocolVersion = era
	shake.Params.ClientInfo = mcp.Implementation{Name: "canary", Version: "1"}
	got, err := m.Initialize(c.Context(), shake)
	c.told("initialize", got, err)
	c.clients = append(c.clients, m)
	return m
}

// declining is a user who wants nothing done.
type declining struct{ c *cage }

// Elicit declines.
func (d declining) Elicit(_ context.Context, q mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	d.c.note("question", mustJSON(d.c.T, q))
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{
		Action: mcp.ElicitationResponseActionDecline,
	}}, nil
}

func (c *cage) told(what string, answer any, err error) {
	c.Helper()
	text, e := json.Marshal(answer)
	if e != nil {
		c.Fatal(e)
	}
	c.note(what, fmt.Sprintf("%s %v", text, err))
}

// good is a call of every tool that works, or would if the upstreams did.
var good = map[string]string{
	"create_alert_rule":  `{"title":"Over SOURCE","source":"SOURCE","measurement":"m","field":"f","allow_unknown":true,"every":"1s","condition":{"operator":">","value":1}}`,
	"list_alert_rules":   `{"detail":"full"}`,
	"update_alert_rule":  `{"rule":"hot","for":"0s","severity":"high","summary":"{{.value}} at SOURCE"}`,
	"delete_alert_rule":  `{"rule":"hot"}`,
	"list_alerts":        `{"detail":"full"}`,
	"acknowledge_alert":  `{"id":"ALERT","note":"seen over SOURCE"}`,
	"manage_silences":    `{"action":"create","rule":"hot","until":"1s","comment":"a second"}`,
	"list_channels":      `{}`,
	"test_channel":       `{"channel":"CHANNEL"}`,
	"list_changes":       `{}`,
	"undo_change":        `{"rule":"hot","version":1,"dry_run":true}`,
	"describe_data":      `{"source":"SOURCE"}`,
	"query_data":         `{"source":"SOURCE","measurement":"m","field":"f","chart":true}`,
	"preview_alert_rule": `{"source":"SOURCE","measurement":"m","field":"f","since":"1h","condition":{"operator":">","value":1}}`,
	"explain_alert":      `{"rule":"hot","detail":"full"}`,
	"get_status":         `{"detail":"full"}`,
}

// bad are arguments that no tool takes, most with a credential in them.
func (c *cage) bad(tool string) []string {
	all := []string{
		`{"nonsense":1}`,
		`{"rule":["hot"],"id":{},"limit":"many","detail":7,"condition":"x","measurement":{}}`, `"text"`,
	}
	for _, slot := range slices.Sorted(maps.Keys(c.secrets)) {
		if strings.HasPrefix(slot, "bytes of") {
			continue
		}
		all = append(all, fmt.Sprintf(`{"rule":"hot","id":"x","token":%s}`, mustJSON(c.T, string(c.secrets[slot]))),
			fmt.Sprintf(`{"rule":"hot","id":"x","summary":%s}`,
				mustJSON(c.T, "https://reader:"+url.QueryEscape(string(c.secrets[slot]))+"@example.org/")))
	}
	return all
}

// ask makes every call that there is, by each client.
func (c *cage) ask(alert, source string) {
	c.Helper()
	for _, m := range c.clients {
		list, err := m.ListTools(c.Context(), mcp.ListToolsRequest{})
		c.told("tools/list", list, err)
		for _, tool := range slices.Sorted(maps.Keys(good)) {
			if tool != "test_channel" { // askUpstreams does
				c.do(m, tool, filled(tool, source, alert, ""))
			}
		}
		c.read(m, alert)
	}
}

// filled are the good arguments of a tool.
func filled(tool, source, alert, channel string) string {
	return strings.NewReplacer("SOURCE", source, "ALERT", alert, "CHANNEL", channel).Replace(good[tool])
}

// askWrongly makes every call that is refused, in turn by each client. What is
// wrong with a call does not depend on upstreams.
func (c *cage) askWrongly() {
	c.Helper()
	turn := 0
	for _, tool := range slices.Sorted(maps.Keys(good)) {
		for _, arguments := range c.bad(tool) {
			c.do(c.clients[turn%len(c.clients)], tool, arguments)
			turn++
		}
	}
}

func (c *cage) do(m *client.Client, tool, arguments string) {
	c.Helper()
	var request mcp.CallToolRequest
	request.Params.Name = tool
	if err := json.Unmarshal([]byte(arguments), &request.Params.Arguments); err != nil {
		c.Fatalf("%s: %v", arguments, err)
	}
	patience := 30 * time.Second
	if tool == "test_channel" {
		patience = time.Second // it waits for what comes of it, and that may be long
	}
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	result, err := m.CallTool(ctx, request)
	c.told(tool, result, err)
}

// read reads all resources and prompts, and completes.
func (c *cage) read(m *client.Client, alert string) {
	c.Helper()
	ctx := c.Context()
	list, err := m.ListResources(ctx, mcp.ListResourcesRequest{})
	c.told("resources/list", list, err)
	for _, uri := range []string{
		"tocsin://rules", "tocsin://alerts", "tocsin://alerts/" + alert, "tocsin://reference",
		"tocsin://alerts/none", "file:///etc/passwd",
	} {
		var request mcp.ReadResourceRequest
		request.Params.URI = uri
		got, err := m.ReadResource(ctx, request)
		c.told("resources/read", got, err)
	}
	for _, name := range []string{"set_up_monitoring", "morning_report", "why_was_i_woken", "none"} {
		var request mcp.GetPromptRequest
		request.Params.Name, request.Params.Arguments = name,
			map[string]string{"measurement": "m", "alert": alert, "channel": "hook"}
		got, err := m.GetPrompt(ctx, request)
		c.told("prompts/get", got, err)
	}
	for _, argument := range []string{"measurement", "field", "tag", "channel"} {
		var request mcp.CompleteRequest
		request.Params.Ref = mcp.PromptReference{Type: "ref/prompt", Name: "set_up_monitoring"}
		request.Params.Argument = mcp.CompleteArgument{Name: argument}
		got, err := m.Complete(ctx, request)
		c.told("completion/complete", got, err)
	}
}

// look asks the doors beside MCP.
func (c *cage) look() {
	c.Helper()
	for _, path := range []string{"/", "/health", "/ready", "/status", "/metrics", "/nothing"} {
		request, err := http.NewRequestWithContext(c.Context(), http.MethodGet, "http://"+c.listen+path, nil)
		if err != nil {
			c.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+c.api)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			c.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		c.note(path, fmt.Sprint(answer.Header, string(body), err))
	}
	for _, args := range [][]string{
		{"status"},
		{"status", "--json"},
		{"channels", "list", "--json"},
		{"sources"},
		{"tokens", "list"},
		{"doctor"},
		{"alerts", "list", "--json"},
		{"config", "check"},
	} {
		out, _ := c.run(args...)
		c.note(strings.Join(args, " "), out)
	}
}

// search looks for the secrets in everything that was said and stored.
func (c *cage) search(places map[string]string) {
	c.Helper()
	files, err := filepath.Glob(filepath.Join(c.dir, "data", "*"))
	if err != nil {
		c.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); strings.HasSuffix(name, ".key") || name == "tocsin.sock" {
			continue
		}
		_ = filepath.WalkDir(file, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if text, e := os.ReadFile(path); e == nil { // it may be gone, as a journal is
					places["file "+strings.TrimPrefix(path, c.dir)] = string(text)
				}
			}
			return nil
		})
	}
	if len(places["file /data/tocsin.db"]) == 0 {
		c.Error("there is no database")
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		for _, leak := range c.secrets.leaks(places[place]) {
			c.Errorf("%s: %s", place, leak)
		}
	}
}

// TestNoSecretLeavesTocsin puts a secret into every slot, breaks every upstream
// in every way, calls every tool with good and bad arguments over every
// transport, and searches whatever was said, logged and stored.
func TestNoSecretLeavesTocsin(t *testing.T) {
	c := newCage(t)
	d := c.serve()
	c.fill()
	proxy, address := newRecorder(t, c.listen)
	header := map[string]string{"Authorization": "Bearer " + c.api}
	stderr := &logbook{}
	for _, era := range []string{"2025-11-25", "2026-07-28"} {
		remote, err := transport.NewStreamableHTTP(address+"/mcp", transport.WithHTTPHeaders(header))
		if err != nil {
			t.Fatal(err)
		}
		c.join(era, remote)
		for _, args := range [][]string{{"--config", c.config}, {"--connect", address}} {
			c.join(era, transport.NewStdioWithOptions(binary, []string{"TOCSIN_TOKEN=" + c.api, "RUNTIME_DIRECTORY=" + c.dir},
				append([]string{"mcp"}, args...), transport.WithCommandStderrWriter(stderr)))
		}
	}
	alert := c.hot()
	for i, mood := range moods {
		c.sources.mood.Store(&mood)
		c.hooks.mood.Store(&mood)
		c.ask(alert, influxes[i%3])
		c.askUpstreams(alert)
	}
	proxy.deaf.Store(true)
	c.askWrongly()
	proxy.deaf.Store(false)
	c.look()
	c.breakDatabase(alert)
	if c.sources.told.Load() < 50 || c.hooks.told.Load() < 4 {
		t.Errorf("sources were asked %d times, channels told %d times", c.sources.told.Load(), c.hooks.told.Load())
	}
	if err := d.end(t, syscall.SIGTERM, 10*time.Second); err != nil {
		t.Error(err)
	}
	c.clients = c.clients[1:2] // on its own process, without the daemon
	c.ask(alert, "bearer")
	heard := c.heard.String()
	for _, part := range []string{
		"Over bearer", "internal error", "looks like a credential", "delivered",
		"nothing was changed",
	} {
		if !strings.Contains(heard, part) {
			t.Errorf("nobody heard %q", part)
		}
	}
	c.search(map[string]string{
		"what clients heard": heard, "the wire": proxy.wire.String(), "the log": d.log.String(),
		"standard error of tocsin mcp": stderr.String(),
	})
	t.Logf("searched %d kB heard, %d kB on the wire, %d kB of log for %d secrets", len(heard)/1000,
		len(proxy.wire.String())/1000, len(d.log.String())/1000, len(c.secrets))
}

// influxes are the sources that ask upstream.
var influxes = []string{"bearer", "basic", "flight"}

// askUpstreams makes the few calls that reach a source or a channel, for each
// of them.
func (c *cage) askUpstreams(alert string) {
	c.Helper()
	var wait sync.WaitGroup
	for i, source := range influxes {
		wait.Go(func() {
			for _, tool := range []string{"describe_data", "query_data", "preview_alert_rule", "create_alert_rule"} {
				c.do(c.clients[i], tool, filled(tool, source, alert, ""))
			}
		})
	}
	for i, channel := range []string{"hook", "push", "bell", "mail", "stored"} {
		wait.Go(func() { c.do(c.clients[i%3], "test_channel", filled("test_channel", "", "", channel)) })
	}
	wait.Wait()
}

// hot makes a rule that fires, and returns its alert.
func (c *cage) hot() (alert string) {
	c.Helper()
	request, err := http.NewRequestWithContext(c.Context(), http.MethodPost, "http://"+c.listen+"/write",
		strings.NewReader("m,sensor=a f=9\n"))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+string(c.secrets["token of the config"]))
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusNoContent {
		c.Fatalf("points are not taken: %v %v", answer, err)
	}
	_ = answer.Body.Close()
	m := c.clients[0]
	c.call(m, "create_alert_rule", map[string]any{
		"title": "Hot", "source": "live", "measurement": "m", "field": "f", "group_by": []any{"sensor"}, "every": "1s",
		"condition": map[string]any{"operator": ">", "value": 1, "window": "1h", "aggregation": "max"},
	})
	c.until("the rule fires", func() bool {
		list := c.call(m, "list_alerts", map[string]any{"rule": "hot"})["alerts"].([]any)
		if len(list) > 0 {
			alert = list[0].(map[string]any)["id"].(string)
		}
		return len(list) > 0
	})
	return alert
}

// breakDatabase takes away one table after the other.
func (c *cage) breakDatabase(alert string) {
	c.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "data", "tocsin.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		c.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			c.Error(err)
		}
	}()
	for _, table := range []string{"rules", "alerts", "channels", "audit", "silences", "notifications"} {
		for _, change := range []string{"ALTER TABLE %s RENAME TO away_%[1]s", "ALTER TABLE away_%s RENAME TO %[1]s"} {
			c.until("the database is not busy", func() bool {
				_, err := db.ExecContext(c.Context(), fmt.Sprintf(change, table))
				return err == nil
			})
			if strings.HasSuffix(change, "away_%[1]s") {
				for _, tool := range slices.Sorted(maps.Keys(good)) {
					c.do(c.clients[0], tool, filled(tool, "live", alert, "hook"))
				}
				c.read(c.clients[0], alert)
				c.look()
			}
		}
	}
}

// TestAnAddressWithAPasswordIsRefusedWithoutShowingIt: the slot that must stay
// empty.
func TestAnAddressWithAPasswordIsRefusedWithoutShowingIt(t *testing.T) {
	s := newQuietSite(t)
	c := canaries{}
	s.write(s.read() + "  home: {kind: influxdb, url: \"http://reader:" + c.add("address of a source", "") +
		"@127.0.0.1:1\", database: d}\n")
	for _, args := range [][]string{{"config", "check"}, {"serve"}, {"mcp"}, {"doctor"}, {"status", "--json"}} {
		out, code := s.run(args...)
		if found := c.leaks(out); found != nil || code == 0 || !strings.Contains(out, "url") {
			t.Errorf("%v: exit code %d, found %v: %s", args, code, found, out)
		}
	}
}
