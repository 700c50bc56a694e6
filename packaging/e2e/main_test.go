package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

// binary is tocsin as it is built for people; TestMain builds it once.
var binary string

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // where the paths of the tests begin
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "tocsin-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "tocsin")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// site is a tocsin as a user has it: a config, a data directory, an InfluxDB
// and a webhook.
type site struct {
	*testing.T
	dir, config, listen string
	influx              *sourcetest.Server
	hook                *hook
	env                 []string // of the daemon, besides the test's own
}

func newSite(t *testing.T) *site {
	s := &site{T: t, dir: t.TempDir(), listen: sourcetest.FreeAddress(t), influx: sourcetest.Influxd(t), hook: newHook(t)}
	s.config = filepath.Join(s.dir, "config.yaml")
	text := fmt.Sprintf(`data_dir: %s/data
listen: %s
every: 1s
sources:
  home: {kind: influxdb, url: "%s", database: "%s"}
channels:
  hook: {url: "generic://%s/alerts?disabletls=yes&template=json"}
`, s.dir, s.listen, s.influx.URL, s.influx.DB, s.hook.address)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// daemon is a running `tocsin serve`.
type daemon struct {
	*exec.Cmd
	log  *logbook
	done chan error
}

// serve starts the daemon and waits until it is ready.
func (s *site) serve() *daemon {
	s.Helper()
	return s.start(exec.Command(binary, "serve", "--config", s.config), s.dir)
}

// start starts a daemon whose socket has a place, and waits until it is ready.
func (s *site) start(cmd *exec.Cmd, runtime string) *daemon {
	s.Helper()
	d := &daemon{Cmd: cmd, log: &logbook{}, done: make(chan error, 1)}
	d.Stderr, d.Stdout = d.log, d.log
	d.Env = slices.Concat(os.Environ(), cmd.Env, []string{"RUNTIME_DIRECTORY=" + runtime}, s.env)
	if err := d.Start(); err != nil {
		s.Fatal(err)
	}
	go func() { d.done <- d.Wait() }()
	s.Cleanup(func() {
		_ = d.Process.Kill() // it may have ended already
		if s.Failed() {
			s.Logf("daemon:\n%s", d.log)
		}
	})
	s.until("the daemon is ready", func() bool {
		resp, err := http.Get("http://" + s.listen + "/ready")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == http.StatusOK
	})
	return d
}

// end sends a signal and waits for the end.
func (d *daemon) end(t *testing.T, signal os.Signal, within time.Duration) error {
	t.Helper()
	if err := d.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-d.done:
		return err
	case <-time.After(within):
		t.Fatalf("still alive %s after %s", within, signal)
		return nil
	}
}

// until waits for something to become true.
func (s *site) until(what string, ok func() bool) {
	s.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if ok() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("waited in vain until %s", what)
		}
	}
}

// run runs the command line and returns what it printed.
func (s *site) run(args ...string) (out string, code int) {
	s.Helper()
	cmd := exec.Command(binary, append(args, "--config", s.config)...)
	cmd.Env = append(append(os.Environ(), "RUNTIME_DIRECTORY="+s.dir), s.env...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		s.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// feed writes a value for each second of the last few and goes on every 200 ms
// until it is stopped.
func (s *site) feed(value float64) (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			s.influx.Write(fmt.Sprintf("temperature,sensor=a,room=kitchen celsius=%g %d", value, time.Now().UnixNano()))
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() { cancel(); wait.Wait() }
}

// hook is a webhook receiver that can be away.
type hook struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	got     []map[string]any
	server  *http.Server
}

func newHook(t *testing.T) *hook {
	h := &hook{t: t, address: sourcetest.FreeAddress(t)}
	t.Cleanup(h.leave)
	return h
}

func (h *hook) come() {
	h.t.Helper()
	l, err := net.Listen("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.server = &http.Server{Handler: h}
	go func() { _ = h.server.Serve(l) }() // ends with leave
}

func (h *hook) leave() {
	if h.server != nil {
		_ = h.server.Close() // what is under way does not matter any more
	}
}

func (h *hook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		h.t.Errorf("the webhook got no JSON: %s", body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, doc)
}

// titles lists what the webhook was told.
func (h *hook) titles() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, doc := range h.got {
		out = append(out, fmt.Sprint(doc["title"]))
	}
	return out
}

func (h *hook) heard(part string) func() bool {
	return func() bool { return strings.Contains(strings.Join(h.titles(), "\n"), part) }
}

// claude is an MCP client that talks to `tocsin mcp`.
func (s *site) claude(env ...string) *client.Client {
	s.Helper()
	c, err := client.NewStdioMCPClient(binary, env, "mcp", "--config", s.config)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	var init mcp.InitializeRequest
	init.Params.ProtocolVersion = "2025-11-25"
	init.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "1"}
	if _, err := c.Initialize(s.Context(), init); err != nil {
		s.Fatal(err)
	}
	return c
}

// call calls a tool and returns what it answered.
func (s *site) call(c *client.Client, tool string, args map[string]any) map[string]any {
	s.Helper()
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, args
	res, err := c.CallTool(s.Context(), req)
	if err != nil {
		s.Fatalf("%s: %v", tool, err)
	}
	text, err := json.Marshal(res.StructuredContent)
	if err != nil || res.IsError {
		s.Fatalf("%s: %v %+v", tool, err, res.Content)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		s.Fatal(err)
	}
	return doc
}

// TestScripts plays the command line as a user types it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "app/cli/testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("LISTEN", sourcetest.FreeAddress(t))
		e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
		return nil
	}})
}

// TestMainJob is the whole job on real parts: a rule made by an MCP client, an
// InfluxDB that turns bad, a daemon killed between firing and delivery, the
// message, an acknowledgement, the resolve.
func TestMainJob(t *testing.T) { mainJob(t, newSite(t)) }

func mainJob(t *testing.T, s *site) {
	t.Helper()
	stop := s.feed(-18)
	d := s.serve()
	claude := s.claude()
	made := s.call(claude, "create_alert_rule", map[string]any{
		"title": "Freezer too warm", "measurement": "temperature", "field": "celsius", "group_by": "sensor",
		"condition":        map[string]any{"aggregation": "avg", "window": "3s", "operator": ">", "value": "-15"},
		"cooldown_minutes": 0,
	})
	rule := made["rule"].(map[string]any)["id"].(string)
	stop()
	stop = s.feed(-2)
	var alert map[string]any
	s.until("the alert fires", func() bool {
		list := s.call(claude, "list_alerts", map[string]any{"rule": rule})["alerts"].([]any)
		if len(list) == 0 {
			return false
		}
		alert = list[0].(map[string]any)
		return true
	})
	if alert["status"] != "firing" {
		t.Fatalf("alert = %v", alert)
	}
	if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
		t.Fatal("the daemon survived kill -9")
	}
	s.hook.come()
	d = s.serve()
	s.until("the message arrives", s.hook.heard("Freezer too warm"))
	acked := s.call(claude, "acknowledge_alert",
		map[string]any{"id": alert["id"], "note": "door was open"})["alert"].(map[string]any)
	if acked["status"] != "acknowledged" {
		t.Fatalf("acknowledged alert = %v", acked)
	}
	stop()
	stop = s.feed(-18)
	defer stop()
	s.until("the resolve arrives", s.hook.heard("Resolved: Freezer too warm"))
	s.until("the alert is resolved", func() bool {
		list := s.call(claude, "list_alerts", map[string]any{"status": "resolved"})["alerts"].([]any)
		return len(list) == 1
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Errorf("SIGTERM ended it with %v", err)
	}
	if got := s.hook.titles(); len(got) != 2 {
		t.Errorf("the webhook was told %q, want one message and one resolve", got)
	}
}

// TestTheDatabaseGoesWrong: the daemon goes on telling people when its
// database is damaged, cannot be written, or is deleted under it.
func TestTheDatabaseGoesWrong(t *testing.T) {
	s := newSite(t)
	defer s.feed(-18)()
	s.hook.come()
	d := s.serve()
	s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius", "--above", "-15")
	database := filepath.Join(s.dir, "data", "tocsin.db")

	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(database + suffix); err != nil && suffix == "" {
			t.Fatal(err)
		}
	}
	s.until("a deleted database is written again", func() bool {
		out, code := s.run("rules", "list")
		return code == 0 && strings.Contains(out, "too_warm")
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}

	backups := filepath.Join(s.dir, "data", "backups")
	if err := os.Mkdir(backups, 0o750); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		filepath.Join(backups, "tocsin-20260101.db"): whole,
		database: []byte(strings.Repeat("damaged ", 1000)),
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d = s.serve()
	s.until("people are told of the restore", s.hook.heard("tocsin's database"))
	if out, _ := s.run("rules", "list"); !strings.Contains(out, "too_warm") {
		t.Errorf("after the restore: %s", out)
	}
	if kept, err := filepath.Glob(database + ".damaged-*"); err != nil || len(kept) == 0 {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestDaemonManners: one daemon for a data directory, a reload that refuses a
// broken file and takes a good one, and readiness that an InfluxDB cannot take
// away.
func TestDaemonManners(t *testing.T) {
	s := newSite(t)
	s.influx.Write(fmt.Sprintf("temperature,sensor=a celsius=-18 %d", time.Now().UnixNano()))
	s.hook.come()
	d := s.serve()
	if out, code := s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--above", "-15"); code != 0 {
		t.Fatal(out)
	}
	for _, tt := range []struct{ name, setting, want string }{
		{
			"of the same config", "TOCSIN_LOG=info",
			fmt.Sprintf("another tocsin daemon runs on %s/data (pid %d)", s.dir, d.Process.Pid),
		},
		{
			"on the same data", "TOCSIN_LISTEN=" + sourcetest.FreeAddress(t),
			fmt.Sprintf("another tocsin daemon runs on %s/data (pid %d)", s.dir, d.Process.Pid),
		},
		{"on the same port", "TOCSIN_DATA_DIR=" + t.TempDir(), "cannot listen on " + s.listen},
	} {
		second := exec.Command(binary, "serve", "--config", s.config)
		second.Env = append(os.Environ(), tt.setting)
		if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("a second daemon %s: %v, %s", tt.name, err, out)
		}
	}

	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.reload(d, string(text)+"chanels: {}\n", "did you mean channels?")
	s.reload(d, strings.Replace(string(text), "channels:",
		"channels:\n  second: {url: \"generic://127.0.0.1:9/x?disabletls=yes\"}", 1), "config reloaded")
	s.until("the new channel is there", func() bool { return strings.Contains(s.get("/status"), `"second"`) })

	s.influx.Stop()
	s.until("status tells that InfluxDB is down", func() bool {
		return strings.Contains(s.get("/status"), `"down_since"`)
	})
	if got := s.get("/ready"); !strings.Contains(got, "degraded") {
		t.Errorf("ready without InfluxDB: %s", got)
	}
	s.influx.Start()
	s.until("it is back", func() bool { return !strings.Contains(s.get("/status"), `"down_since"`) })
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
}

// reload writes the config and sends SIGHUP, until the log says what came of
// it.
func (s *site) reload(d *daemon, text, want string) {
	s.Helper()
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := d.Process.Signal(syscall.SIGHUP); err != nil {
		s.Fatal(err)
	}
	s.until("the log says "+want, func() bool { return strings.Contains(d.log.String(), want) })
}

// get reads one of the daemon's pages.
func (s *site) get(path string) string {
	s.Helper()
	resp, err := http.Get("http://" + s.listen + path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.Status, " ", err)
	}
	return string(text)
}

// logbook is what a daemon writes, to be read while it writes.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the log.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the log so far.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
