package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDaemonsFindingsAreTheCommands: a credential that systemd gives the
// daemon alone is missing in no command beside it, and what degrades the status
// shows in the doctor.
func TestTheDaemonsFindingsAreTheCommands(t *testing.T) {
	s := newSocketSite(t)
	credentials := filepath.Join(s.dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	url := "generic://" + s.hook.address + "/phone?disabletls=yes&@Authorization=Bearer+" + socketCanary
	if err := os.WriteFile(filepath.Join(credentials, "channels.phone.url"), []byte(url), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\nsources:\n  live: {kind: live}\nchannels:\n  "+
		"phone: {}\n", s.dir, s.listen)
	s.write(config)
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	s.serve()
	if err := os.Unsetenv("CREDENTIALS_DIRECTORY"); err != nil {
		t.Fatal(err)
	}
	s.wants(0, "is good.", "config", "check")
	s.wants(0, "phone  generic  config", "channels", "list")
	s.wants(1, "ok    channel phone", "doctor")
	status, _ := s.run("status")
	doctor, _ := s.run("doctor")
	for line := range strings.Lines(status) {
		if problem, ok := strings.CutPrefix(strings.TrimSpace(line), "! clock: "); ok &&
			!strings.Contains(doctor, problem[:30]) {
			t.Errorf("status says %q, the doctor\n%s", problem, doctor)
		}
	}
	s.write(config + "nonsense: 1\nzone: Mars\n")
	if out, code := s.run("config", "check"); code != 1 || !strings.Contains(out, "nonsense: no such key") ||
		!strings.Contains(out, "zone: must be") || strings.Contains(out, "phone.url") {
		t.Errorf("config check: exit %d, %s", code, out)
	}
}

// TestAProxyIsNotThisMachine: commands work beside a listener that answers
// nobody without a token.
func TestAProxyIsNotThisMachine(t *testing.T) {
	s := newSocketSite(t)
	s.write(fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\nsources:\n  live: {kind: live, vitals: "+
		"true}\npublic_url: https://tocsin.example.org\n", s.dir, s.listen))
	s.serve()
	for _, path := range []string{"/status", "/metrics", "/write", "/mcp", "/live/live"} {
		resp, err := http.Post("http://"+s.listen+path, "text/plain", strings.NewReader("m v=1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s, want 403", path, resp.Status)
		}
	}
	s.wants(0, "last tick", "status")
	s.wants(0, "live  live  ok", "sources", "check")
	s.wants(0, "Created rule", "rules", "create", "--title", "Full", "--measurement", "disk", "--field", "used_percent",
		"--above", "99", "--allow-unknown")
}
