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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// secret is the token of the config, which nothing may show.
const secret = "hunter2-and-sixteen-more"

// newQuietSite is a site without an InfluxDB.
func newQuietSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, dir: t.TempDir(), listen: sourcetest.FreeAddress(t)}
	s.config = filepath.Join(s.dir, "config.yaml")
	s.write(fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\ntoken: %s\nsources:\n  live: {kind: live}\n", s.dir,
		s.listen, secret))
	return s
}

func (s *site) write(config string) {
	s.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		s.Fatal(err)
	}
}

type agreeing struct{ asked *int }

func (a agreeing) Elicit(context.Context, mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	*a.asked++
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{
		Action:  mcp.ElicitationResponseActionAccept,
		Content: map[string]any{"agree": true},
	}}, nil
}

// model is a client of a revision of the protocol, on a `tocsin mcp` with these
// arguments, whose user agrees to everything.
type model struct {
	*client.Client
	s      *site
	asked  int
	stderr *logbook
}

func (s *site) model(version string, env []string, args ...string) *model {
	s.Helper()
	m := &model{s: s, stderr: &logbook{}}
	stdio := transport.NewStdioWithOptions(binary, append(env, "RUNTIME_DIRECTORY="+s.dir),
		append([]string{"mcp"}, args...), transport.WithCommandStderrWriter(m.stderr))
	m.Client = client.NewClient(stdio, client.WithElicitationHandler(agreeing{&m.asked}))
	if err := m.Start(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = m.Close() })
	var shake mcp.InitializeRequest
	shake.Params.ProtocolVersion = version
	shake.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "1"}
	result, err := m.Initialize(s.Context(), shake)
	if err != nil || result.ProtocolVersion != version {
		s.Fatalf("shook hands as %+v, %v", result, err)
	}
	return m
}

func (m *model) ask(tool string, args map[string]any) string {
	m.s.Helper()
	text, err := json.Marshal(m.s.call(m.Client, tool, args))
	if err != nil {
		m.s.Fatal(err)
	}
	return string(text)
}

var aRule = map[string]any{
	"title": "Too warm", "measurement": "temperature", "field": "celsius", "allow_unknown": true,
	"condition": map[string]any{"operator": ">", "value": 8},
}

const noDaemon = "no daemon runs"

// TestAModelsSessionOutlivesTheDaemon: one session of `tocsin mcp` while the
// daemon is started, killed, and started again.
func TestAModelsSessionOutlivesTheDaemon(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			s := newQuietSite(t)
			m := s.model(version, nil, "--config", s.config)
			var list mcp.CallToolRequest
			list.Params.Name = "list_alert_rules"
			result, err := m.CallTool(t.Context(), list)
			if err != nil || !result.IsError || !strings.Contains(fmt.Sprint(result.Content), "tocsin serve") {
				t.Fatalf("without a database: %+v, %v", result, err)
			}
			d := s.serve()
			m.ask("create_alert_rule", aRule)
			if got := m.ask("list_alert_rules", nil); !strings.Contains(got, "Too warm") || strings.Contains(got, noDaemon) {
				t.Errorf("by the daemon: %s", got)
			}
			if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
				t.Fatal("the daemon survived kill -9")
			}
			for range 3 {
				if got := m.ask("list_alert_rules", nil); !strings.Contains(got, "Too warm") || !strings.Contains(got, noDaemon) {
					t.Errorf("without the daemon: %s", got)
				}
			}
			d = s.serve()
			if got := m.ask("list_alert_rules", nil); !strings.Contains(got, "Too warm") || strings.Contains(got, noDaemon) {
				t.Errorf("by the next daemon: %s", got)
			}
			s.write(strings.Replace(s.read(), "every: 1s", "every: 2s", 1))
			if err := d.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			s.until("the config is read again", func() bool { return strings.Contains(d.log.String(), "config reloaded") })
			m.ask("delete_alert_rule", map[string]any{"rule": "too_warm"})
			if m.asked != 1 {
				t.Errorf("the user was asked %d times", m.asked)
			}
			if got := m.ask("list_alert_rules", nil); strings.Contains(got, "Too warm") || strings.Contains(got, noDaemon) {
				t.Errorf("after the reload: %s", got)
			}
			if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(filepath.Join(s.dir, "tocsin.sock")); !os.IsNotExist(err) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

func (s *site) read() string {
	s.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func TestConnectToADaemonElsewhere(t *testing.T) {
	s := newQuietSite(t)
	s.serve()
	file := filepath.Join(s.dir, "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://" + s.listen
	for _, tt := range []struct {
		name string
		env  []string
		args []string
	}{
		{"by file", nil, []string{"--connect", url, "--token-file", file}},
		{"by environment", []string{"TOCSIN_TOKEN=" + secret}, []string{"--connect", url + "/mcp"}},
		{"over the socket", nil, []string{"--connect", "unix:" + s.dir + "/tocsin.sock"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []string{"2025-11-25", "2026-07-28"} {
				m := s.model(version, tt.env, tt.args...)
				if got := m.ask("list_alert_rules", nil); strings.Contains(got, noDaemon) {
					t.Errorf("answered %s", got)
				}
				if text := m.stderr.String(); text != "" {
					t.Errorf("standard error: %s", text)
				}
			}
		})
	}
	for _, args := range [][]string{
		{"--connect", url, "--token-file", file},
		{"--connect", "unix:" + s.dir + "/tocsin.sock"},
		{"--config", s.config},
	} {
		m := s.model("2025-11-25", nil, append(args, "--read-only")...)
		list, err := m.ListTools(t.Context(), mcp.ListToolsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tool := range list.Tools {
			names = append(names, tool.Name)
		}
		if text := strings.Join(names, " "); strings.Contains(text, "create_alert_rule") ||
			!strings.Contains(text, "list_alerts") {
			t.Errorf("%v --read-only lists %s", args, text)
		}
	}
}

// TestWhatIsWrongWithConnect: the model is told as well as whoever looks at
// standard error, once, and no token is shown.
func TestWhatIsWrongWithConnect(t *testing.T) {
	s := newQuietSite(t)
	s.serve()
	const asks = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}` + "\n" +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_alerts"}}`
	for _, tt := range []struct {
		name, url, want string
	}{
		{"a wrong token", "http://" + s.listen, "this token is not known"},
		{"nobody there", "http://" + sourcetest.FreeAddress(t), "connection refused; is the daemon running"},
		{"no socket", "unix:" + s.dir + "/none.sock", "no such file or directory; is the daemon running"},
		{"no tocsin", "http://" + s.listen + "/elsewhere", "there is no MCP at"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), binary, "mcp", "--connect", tt.url)
			token := "wrong-" + secret
			if tt.name == "no tocsin" {
				token = secret
			}
			cmd.Env = append(os.Environ(), "TOCSIN_TOKEN="+token)
			cmd.Stdin = strings.NewReader(asks)
			var out, errOut bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errOut
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, &errOut)
			}
			if n := strings.Count(out.String(), tt.want); n != 2 {
				t.Errorf("the model is told %d times:\n%s", n, &out)
			}
			if n := strings.Count(errOut.String(), tt.want); n != 1 {
				t.Errorf("standard error tells it %d times:\n%s", n, &errOut)
			}
			if strings.Contains(out.String()+errOut.String(), "hunter2") {
				t.Errorf("the token is shown:\n%s%s", &out, &errOut)
			}
		})
	}
}

// TestASocketThatIsNoProblem: what stands in the place of the socket keeps no
// daemon from running.
func TestASocketThatIsNoProblem(t *testing.T) {
	s := newQuietSite(t)
	socket := filepath.Join(s.dir, "tocsin.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil { // as a daemon leaves it that was killed
		t.Fatal(err)
	}
	d := s.serve()
	s.until("the daemon answers in its place", func() bool {
		c, err := net.Dial("unix", socket)
		return err == nil && c.Close() == nil
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}

	other, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	d = s.serve()
	s.until("the daemon opens another one", func() bool {
		return strings.Contains(d.log.String(), `msg="local socket opened" path=`+filepath.Join(s.dir, "data", "tocsin.sock"))
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}

	long := filepath.Join(s.dir, strings.Repeat("long", 30))
	s.write(strings.Replace(s.read(), s.dir+"/data", long, 1))
	if err := os.WriteFile(socket, nil, 0o600); err != nil { // no socket: it is not removed
		t.Fatal(err)
	}
	d = s.serve()
	s.until("a warning tells why there is none", func() bool {
		return strings.Contains(d.log.String(), "too long for a socket")
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("somebody's file was removed: %v", err)
	}
}

// TestASocketOfAnotherDirectory: a daemon answers only for its own data.
func TestASocketOfAnotherDirectory(t *testing.T) {
	s := newQuietSite(t)
	s.serve()
	other := filepath.Join(s.dir, "other.yaml")
	if err := os.WriteFile(other, []byte("data_dir: "+s.dir+"/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "mcp", "--config", other)
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+s.dir)
	cmd.Stdin = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_alerts"}}`)
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "no database at "+s.dir+"/other") {
		t.Errorf("answered %s, %v", out, err)
	}
}

func TestSIGTERMEndsAModelsServerWell(t *testing.T) {
	s := newQuietSite(t)
	cmd := exec.CommandContext(t.Context(), binary, "mcp", "--config", s.config)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// TestMCPOverHTTPOnlyReadsWithoutAToken: the client that changes something has
// a token, or comes over the socket.
func TestMCPOverHTTPOnlyReadsWithoutAToken(t *testing.T) {
	s := newQuietSite(t)
	s.write(fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\nsources:\n  live: {kind: live}\n", s.dir, s.listen))
	s.serve()
	c, err := client.NewStreamableHttpClient("http://" + s.listen + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var shake mcp.InitializeRequest
	shake.Params.ProtocolVersion = "2026-07-28"
	shake.Params.ClientInfo = mcp.Implementation{Name: "browserless", Version: "1"}
	if _, err := c.Initialize(t.Context(), shake); err != nil {
		t.Fatal(err)
	}
	s.call(c, "list_alert_rules", nil)
	var create mcp.CallToolRequest
	create.Params.Name, create.Params.Arguments = "create_alert_rule", aRule
	if made, err := c.CallTool(t.Context(), create); err != nil || !made.IsError ||
		!strings.Contains(fmt.Sprint(made.Content), "may only read") {
		t.Errorf("a rule was made: %v, %v", made, err)
	}
	if out, code := s.run("rules", "show", "too_warm"); code != 3 {
		t.Errorf("exit %d, %s", code, out)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.listen+"/mcp", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://evil.example")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: %d", resp.StatusCode)
	}
}
