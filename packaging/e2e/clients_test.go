package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// npm is what one package-lock.json names, installed into a cache of the user.
type npm struct{ home string }

// installing is held while npm installs: parallel tests want the same.
var installing sync.Mutex

// npmFrom installs what the lock file in a directory names, once. Where it
// cannot be had the test is skipped; in CI it fails.
func npmFrom(t *testing.T, dir, name string) npm {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	home, err := "", wantNode(22)
	if err == nil {
		home, err = install(dir, name)
	}
	switch {
	case err == nil:
		return npm{home}
	case os.Getenv("CI") == "true":
		t.Fatalf("npm packages of %s: %v", dir, err)
	default:
		t.Skipf("npm packages of %s cannot be had: %v", dir, err)
	}
	return npm{}
}

// wantNode refuses an older node than that. packaging/test.sh brings one.
func wantNode(version int) error {
	out, err := exec.Command("node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	var major int
	if _, err := fmt.Sscanf(string(out), "v%d", &major); err != nil || major < version {
		return fmt.Errorf("node is %s, and %d or newer is needed: packaging/test.sh brings it",
			strings.TrimSpace(string(out)), version)
	}
	return nil
}

func install(dir, name string) (home string, err error) {
	cache := os.Getenv("TESTS_TOOLS")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "tocsin-test")
	}
	home = filepath.Join(cache, name)
	wanted, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	done := filepath.Join(home, "installed.json")
	if have, err := os.ReadFile(done); err == nil && bytes.Equal(have, wanted) {
		return home, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	for _, file := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(home, file), text, 0o644); err != nil {
			return "", err
		}
	}
	ci := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	ci.Dir = home
	if out, err := ci.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return home, os.WriteFile(done, wanted, 0o644)
}

// clients are the MCP clients and tools that others make.
func clients(t *testing.T) npm { return npmFrom(t, "app/mcp/testdata/clients", "clients") }

// command is a program of the packages, run by the machine's node.
func (n npm) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(n.home, "node_modules", ".bin", name), args...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// ways are how a client reaches tocsin.
var ways = []string{"stdio", "http"}

// inspected is what the Inspector is made to ask, and what it must say.
var inspected = []struct {
	name  string
	args  []string
	code  int
	wants []string
}{
	{"tools", []string{"--method", "tools/list", "--strict"}, 0, []string{`"create_alert_rule"`, `"outputSchema"`}},
	{"a tool", []string{
		"--method", "tools/call", "--tool-name", "list_alerts", "--tool-args-json",
		`{"status":"resolved"}`,
	}, 0, []string{"No alerts match"}},
	{"a tool with repaired arguments", []string{
		"--method", "tools/call", "--tool-name", "list_alert_rules",
		"--tool-args-json", `{"limit":"5"}`,
	}, 0, []string{`"rules":[]`}},
	{"a tool that is refused", []string{
		"--method", "tools/call", "--tool-name", "list_alerts", "--tool-args-json",
		`{"status":"resolvd"}`,
	}, 5, []string{"did you mean", "tool_is_error"}},
	{
		"resources",
		[]string{"--method", "resources/list"},
		0,
		[]string{"tocsin://rules", "tocsin://alerts", "tocsin://reference"},
	},
	{"templates of resources", []string{"--method", "resources/templates/list"}, 0, []string{"tocsin://alerts/{id}"}},
	{"a resource", []string{"--method", "resources/read", "--uri", "tocsin://alerts"}, 0, []string{"No open alerts"}},
	{
		"no resource",
		[]string{"--method", "resources/read", "--uri", "tocsin://nothing"},
		1,
		[]string{"not found", "tocsin://reference"},
	},
	{"prompts", []string{"--method", "prompts/list"}, 0, []string{"morning_report", "why_was_i_woken"}},
	{"a prompt", []string{
		"--method", "prompts/get", "--prompt-name", "set_up_monitoring", "--prompt-args",
		"measurement=cpu",
	}, 0, []string{`measurement \"cpu\"`}},
}

// TestTheInspectorFindsNoFault: both transports, both eras of the protocol.
func TestTheInspectorFindsNoFault(t *testing.T) {
	tools := clients(t)
	s := newQuietSite(t)
	s.serve()
	slots := make(chan struct{}, 3)
	t.Run("all", func(t *testing.T) {
		for _, era := range []string{"legacy", "modern"} {
			for _, way := range ways {
				for _, tt := range inspected {
					t.Run(era+" "+way+" "+tt.name, func(t *testing.T) {
						t.Parallel()
						slots <- struct{}{}
						defer func() { <-slots }()
						out, code := s.inspect(t, tools, way, secret, append(tt.args, "--protocol-era", era))
						if code != tt.code {
							t.Errorf("exit code %d, want %d", code, tt.code)
						}
						for _, part := range tt.wants {
							if !strings.Contains(out, part) {
								t.Errorf("does not say %q", part)
							}
						}
						if t.Failed() {
							t.Logf("%.3000s", out)
						}
					})
				}
			}
		}
	})
	out, code := s.inspect(t, tools, "http", "wrong-token", []string{"--method", "tools/list", "--stored-auth-only"})
	if code != 3 || !strings.Contains(out, "auth_required") || !strings.Contains(out, "this token is not known") {
		t.Errorf("with a wrong token: exit code %d: %s", code, out)
	}
}

// inspect runs the Inspector's command line.
func (s *site) inspect(t *testing.T, tools npm, way, token string, args []string) (out string, code int) {
	t.Helper()
	args = append([]string{"--cli", "--format", "json"}, args...)
	if way == "stdio" {
		args = append(args, "--", binary, "mcp", "--config", s.config)
	} else {
		args = append(args, "--transport", "http", "--server-url", "http://"+s.listen+"/mcp", "--header",
			"Authorization: Bearer "+token)
	}
	cmd := tools.command(t.Context(), "mcp-inspector", args...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "RUNTIME_DIRECTORY="+s.dir)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// slowly stands before an InfluxDB. It never answers about what is called slow,
// and counts who waits for that.
type slowly struct {
	next http.Handler
	mu   sync.Mutex
	seen map[string]*patience
}

// patience says how often something slow was asked for, and how often that was
// given up.
type patience struct {
	Begun   int `json:"begun"`
	GivenUp int `json:"given_up"`
}

func newSlowly(t *testing.T, upstream string) (s *slowly, address string) {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	s = &slowly{next: httputil.NewSingleHostReverseProxy(to), seen: map[string]*patience{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *slowly) of(name string, note func(*patience)) patience {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.seen[name]
	if p == nil {
		p = &patience{}
		s.seen[name] = p
	}
	note(p)
	return *p
}

// ServeHTTP answers /slow/NAME itself.
func (s *slowly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/slow/"); ok {
		_ = json.NewEncoder(w).Encode(s.of(name, func(*patience) {})) // who asks may be gone
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		form = url.Values{}
	}
	query := r.URL.Query().Get("q") + form.Get("q")
	_, after, slow := strings.Cut(query, `FROM "slow_`)
	name, _, _ := strings.Cut(after, `"`)
	if !slow || !strings.Contains(query, "SELECT") {
		s.next.ServeHTTP(w, r)
		return
	}
	name = "slow_" + name
	s.of(name, func(p *patience) { p.Begun++ })
	<-r.Context().Done()
	s.of(name, func(p *patience) { p.GivenUp++ })
}

// TestClientsOfBothSDKsDoTheWholeJob over every transport and era that they
// have.
func TestClientsOfBothSDKsDoTheWholeJob(t *testing.T) {
	tools := clients(t)
	s := newSite(t)
	_, address := newSlowly(t, s.influx.URL)
	s.write(strings.Replace(s.read(), s.influx.URL, address, 1) + "token: " + secret + "\n")
	var history []string
	for at, end := time.Now().Add(-6*time.Hour), time.Now(); at.Before(end); at = at.Add(10 * time.Second) {
		history = append(history, fmt.Sprintf("temperature,sensor=a,room=kitchen celsius=-18 %d", at.UnixNano()))
	}
	s.influx.Write(history...)
	jobs := []struct{ script, era, way string }{
		{"v1", "legacy", "stdio"},
		{"v1", "legacy", "http"},
		{"v2", "legacy", "stdio"},
		{"v2", "legacy", "http"},
		{"v2", "modern", "stdio"},
		{"v2", "modern", "http"},
	}
	for _, j := range jobs {
		s.influx.Write(fmt.Sprintf("slow_%s_%s_%s value=1 %d", j.script, j.era, j.way, time.Now().UnixNano()))
	}
	stop := s.feed(-2)
	defer stop()
	s.serve()
	scripts := tools.scripts(t)
	slots := make(chan struct{}, 3)
	t.Run("all", func(t *testing.T) {
		for _, j := range jobs {
			name := j.script + "_" + j.era + "_" + j.way
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				task := map[string]any{
					"name": "Job of " + name, "era": j.era, "slow": "slow_" + name,
					"patience": address + "/slow/slow_" + name,
				}
				if j.way == "http" {
					task["url"] = "http://" + s.listen + "/mcp"
				} else {
					task["command"], task["args"] = binary, []string{"mcp", "--config", s.config}
				}
				text, err := json.Marshal(task)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, "node", filepath.Join(scripts, j.script+".mjs"), string(text))
				cmd.WaitDelay = 5 * time.Second
				cmd.Env = append(os.Environ(), "TOKEN="+secret, "RUNTIME_DIRECTORY="+s.dir)
				var out, errOut bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &errOut
				began := time.Now()
				if err := cmd.Run(); err != nil || !strings.HasSuffix(out.String(), "\ndone\n") {
					t.Fatalf("%v\n%s%s", err, &out, &errOut)
				}
				if errOut.Len() > 0 {
					t.Errorf("standard error: %s", &errOut)
				}
				t.Logf("%d steps in %s", strings.Count(out.String(), "\n"), time.Since(began).Round(time.Millisecond))
			})
		}
	})
	out, _ := s.run("rules", "list", "--json")
	if strings.Contains(out, "Job of") {
		t.Errorf("a job left its rule: %s", out)
	}
}

// scripts are the clients, in a directory from which node finds the packages.
func (n npm) scripts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	found, err := fs.Glob(os.DirFS("app/mcp/testdata/clients"), "*.mjs")
	if err != nil || len(found) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range found {
		text, err := os.ReadFile(filepath.Join("app/mcp/testdata/clients", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(n.home, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPipedSessionsOfTheBinaryLoseNoAnswer: the shortest way to use it, with
// and without a daemon.
func TestPipedSessionsOfTheBinaryLoseNoAnswer(t *testing.T) {
	s := newQuietSite(t)
	d := s.serve()
	in := strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"pipe","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_alerts","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":"three","method":"tools/call","params":{"name":"get_status","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":4,"method":"tools/list"}`,
	}, "\n") // the last line has no end
	s.pipe(t, in, "with a daemon")
	if err := d.end(t, os.Interrupt, 5*time.Second); err != nil {
		t.Error(err)
	}
	s.pipe(t, in, "without one")
}

// pipe runs many one-shot sessions, four at a time.
func (s *site) pipe(t *testing.T, in, name string) {
	t.Helper()
	const sessions, atOnce = 300, 4
	began := time.Now()
	todo := make(chan int)
	errs := make(chan error, sessions)
	var wait sync.WaitGroup
	for range atOnce {
		wait.Go(func() {
			for range todo {
				errs <- s.oneShot(in)
			}
		})
	}
	for i := range sessions {
		todo <- i
	}
	close(todo)
	wait.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	t.Logf("%s: %d sessions in %s", name, sessions, time.Since(began).Round(time.Millisecond))
}

func (s *site) oneShot(in string) error {
	cmd := exec.CommandContext(s.Context(), binary, "mcp", "--config", s.config)
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+s.dir)
	cmd.Stdin = strings.NewReader(in)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, &errOut)
	}
	text := out.String()
	if strings.Count(text, `"result"`) != 4 || strings.Count(text, "\n") != 4 ||
		!strings.HasPrefix(text, `{"jsonrpc":"2.0","id":1,`) || errOut.Len() > 0 {
		return fmt.Errorf("answered %.2000s\n%s", text, &errOut)
	}
	return nil
}

// TestTheBundlePacks: what Claude Desktop installs is valid, and has the binary
// in it.
func TestTheBundlePacks(t *testing.T) {
	tools := npmFrom(t, "packaging/mcpb", "mcpb")
	mcpb := func(args ...string) *exec.Cmd { return tools.command(t.Context(), "mcpb", args...) }
	dir := t.TempDir()
	run := func(cmd *exec.Cmd) {
		t.Helper()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	run(exec.CommandContext(t.Context(), "node", "packaging/mcpb/fill.mjs", "manifest", "packaging/mcpb/manifest.json",
		filepath.Join(dir, "manifest.json"), "1.2.3", "linux"))
	if err := os.Mkdir(filepath.Join(dir, "server"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(binary, filepath.Join(dir, "server", "tocsin")); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "tocsin.mcpb")
	run(mcpb("validate", filepath.Join(dir, "manifest.json")))
	run(mcpb("pack", dir, bundle))
	packed, err := zip.OpenReader(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	found := map[string]fs.FileMode{}
	for _, f := range packed.File {
		found[f.Name] = f.Mode()
	}
	if found["manifest.json"] == 0 || found["server/tocsin"]&0o111 == 0 {
		t.Errorf("packed are %v", found)
	}
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte(`{"manifest_version":"0.3","name":"tocsin"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := mcpb("validate", broken).CombinedOutput(); err == nil {
		t.Errorf("a manifest without a server is valid: %s", out)
	}
}
