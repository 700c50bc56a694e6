package e2e_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTheAuthorIsThePeer: who acts over the socket is who the operating system
// says, whatever runs as whom.
func TestTheAuthorIsThePeer(t *testing.T) {
	s := newQuietSite(t)
	s.serve()
	m := s.model("2025-11-25", nil, "--config", s.config)
	m.ask("create_alert_rule", aRule)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := s.run("rules", "history", "too_warm"); !strings.Contains(out, me.Username+" via test") {
		t.Errorf("the author is not %s:\n%s", me.Username, out)
	}
	nobody, err := user.LookupId("65534")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("only root can be somebody else")
	}
	socket := filepath.Join(s.dir, "tocsin.sock")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("others may use the socket: %v, %v", info, err)
	}
	for _, path := range []string{filepath.Dir(filepath.Dir(s.dir)), filepath.Dir(s.dir), s.dir, filepath.Dir(binary)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() string {
		cmd := exec.CommandContext(t.Context(), binary, "mcp", "--connect", "unix:"+socket)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Stdin = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"update_alert_rule","arguments":{"rule":"too_warm","severity":"low"}}}`)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if out := ask(); !strings.Contains(out, "permission denied; is the daemon running") {
		t.Errorf("who is not in the group: %s", out)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if out := ask(); strings.Contains(out, `"isError":true`) {
		t.Errorf("answered %s", out)
	}
	if out, _ := s.run("rules", "history", "too_warm"); !strings.Contains(out, nobody.Username) {
		t.Errorf("the author is not %s:\n%s", nobody.Username, out)
	}
}
