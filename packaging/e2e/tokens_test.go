package e2e_test

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// token makes a token with the command line, as a script does.
func (s *site) token(name, scope string) string {
	s.Helper()
	out, err := exec.Command(binary, "tokens", "add", name, "--scope", scope, "--config", s.config).Output()
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// asked is the status that the daemon answers to a token.
func (s *site) asked(method, path, token string) int {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, "http://"+s.listen+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode
}

// TestTokensAtTheDaemon: what the command line makes and revokes counts at once
// in the daemon, and no token is in what it logs.
func TestTokensAtTheDaemon(t *testing.T) {
	s := newSite(t)
	s.hook.come()
	d := s.serve()
	reader, sensor := s.token("laptop", "read"), s.token("sensor", "points")
	for _, tt := range []struct {
		name, path, token string
		want              int
	}{
		{"a reader reads", "/status", reader, 200},
		{"a sensor does not", "/status", sensor, 403},
		{"a sensor is heard where points go", "/ping", sensor, 404}, // there is no live source
		{"a reader sends no points", "/ping", reader, 403},
		{"a wrong token is refused on this machine too", "/status", sensor + "x", 401},
	} {
		if got := s.asked("GET", tt.path, tt.token); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if out, _ := s.run("tokens", "list"); strings.Count(out, "never") != 2 {
		t.Errorf("both were used, and neither ends:\n%s", out)
	}
	if out, code := s.run("tokens", "revoke", "laptop"); code != 0 {
		t.Fatal(out)
	}
	if got := s.asked("GET", "/status", reader); got != 401 {
		t.Errorf("a revoked token: %d, want 401", got)
	}
	for _, secret := range []string{reader, sensor} {
		if strings.Contains(d.log.String(), secret) {
			t.Error("the log holds a token")
		}
	}
}
