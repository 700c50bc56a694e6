package sourcetest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is an influxd of the test's own, on a free loopback port with private
// directories. Its data survives Stop and Start.
type Server struct {
	URL string
	DB  string

	t        testing.TB
	dir      string
	auth     bool
	user     string
	password string
	process  *exec.Cmd
	ended    chan error
	output   bytes.Buffer
}

// Influxd starts an influxd with an empty database and stops it when the test
// is over. Where there is no influxd the test is skipped; in CI it fails. With
// -short no server is started.
func Influxd(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs influxd, and -short starts no server")
	}
	if _, err := exec.LookPath("influxd"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("influxd is missing: %v", err)
		}
		t.Skipf("influxd is missing (apt-get install influxdb): %v", err)
	}
	s := &Server{DB: "test", URL: "http://" + FreeAddress(t), t: t, dir: t.TempDir()}
	t.Cleanup(s.Stop)
	s.Start()
	s.Do("CREATE DATABASE " + s.DB)
	return s
}

// Write loads points in line protocol with nanosecond stamps.
func (s *Server) Write(lines ...string) {
	s.t.Helper()
	s.post("/write", url.Values{"db": {s.DB}}, strings.NewReader(strings.Join(lines, "\n")))
}

// Do runs one InfluxQL statement and returns the answer.
func (s *Server) Do(statement string) string {
	s.t.Helper()
	body := s.post("/query", url.Values{"db": {s.DB}, "q": {statement}, "epoch": {"ns"}}, nil)
	if strings.Contains(body, `"error"`) {
		s.t.Fatalf("influxd answers %q: %s", statement, body)
	}
	return body
}

// Secure makes an administrator and starts the server again so that it asks
// everybody for a password.
func (s *Server) Secure(user, password string) {
	s.t.Helper()
	s.Do(fmt.Sprintf("CREATE USER %q WITH PASSWORD '%s' WITH ALL PRIVILEGES", user, password))
	s.Stop()
	s.auth, s.user, s.password = true, user, password
	s.Start()
}

// Stop ends the server, as an outage would; its data stays. It does nothing
// when the server does not run.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(os.Interrupt); err != nil {
		s.t.Logf("interrupt influxd: %v", err)
	}
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		if err := s.process.Process.Kill(); err != nil {
			s.t.Logf("kill influxd: %v", err)
		}
		<-s.ended
	}
	s.process = nil
}

// Start runs the server again and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.output.Reset()
	s.process = exec.Command("influxd", "-config", s.config())
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		s.process = nil
		s.t.Fatalf("start influxd: %v", err)
	}
	s.ended = make(chan error, 1)
	go func(process *exec.Cmd, ended chan<- error) { ended <- process.Wait() }(s.process, s.ended)
	s.await()
}

func (s *Server) await() {
	s.t.Helper()
	every, late := time.NewTicker(10*time.Millisecond), time.After(30*time.Second)
	defer every.Stop()
	for {
		select {
		case err := <-s.ended:
			s.process = nil
			s.t.Fatalf("influxd ended: %v\n%s", err, s.output.String())
		case <-late:
			s.t.Fatal("influxd does not answer after 30s")
		case <-every.C:
			if resp, err := http.Get(s.URL + "/ping"); err == nil {
				s.close(resp.Body)
				return
			}
		}
	}
}

func (s *Server) config() string {
	path := filepath.Join(s.dir, "influxdb.conf")
	text := fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = %q
[data]
dir = %q
wal-dir = %q
query-log-enabled = false
[http]
bind-address = %q
auth-enabled = %t
log-enabled = false
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
[subscriber]
enabled = false
`, filepath.Join(s.dir, "meta"), filepath.Join(s.dir, "data"), filepath.Join(s.dir, "wal"),
		strings.TrimPrefix(s.URL, "http://"), s.auth)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatalf("write the configuration of influxd: %v", err)
	}
	return path
}

func (s *Server) post(path string, params url.Values, body io.Reader) string {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+path+"?"+params.Encode(), body)
	if err != nil {
		s.t.Fatalf("ask influxd: %v", err)
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("ask influxd: %v", err)
	}
	defer s.close(resp.Body)
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		s.t.Fatalf("influxd answers %s: %s (%v)", resp.Status, text, err)
	}
	return string(text)
}

func (s *Server) close(body io.Closer) {
	if err := body.Close(); err != nil {
		s.t.Logf("close the answer of influxd: %v", err)
	}
}

// FreeAddress finds a loopback port that nobody uses now, below those that the
// system gives to outgoing connections: one of those may be taken again before
// it is used.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const lowest, ports = 10_000, 20_000
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(ports))); err != nil {
			continue
		}
		if err = l.Close(); err == nil {
			return l.Addr().String()
		}
	}
	t.Fatalf("find a free port: %v", err)
	return ""
}
