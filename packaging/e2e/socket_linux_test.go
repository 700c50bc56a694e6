package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWhoMayUseTheSocketNeedsNoSudo and who may not is told the cure.
func TestWhoMayUseTheSocketNeedsNoSudo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	s := newSocketSite(t)
	s.hook.come()
	d := s.serve()
	url := s.credential()
	for _, path := range []string{filepath.Dir(filepath.Dir(s.dir)), filepath.Dir(s.dir), s.dir, filepath.Dir(binary)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(s.config, 0o644); err != nil {
		t.Fatal(err)
	}
	asNobody := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--config", s.config)...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "RUNTIME_DIRECTORY="+s.dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := asNobody("channels", "add", "phone", "--url-file", url); err == nil ||
		!strings.Contains(out, "sudo usermod -aG tocsin nobody") {
		t.Errorf("who may use nothing: %v, %s", err, out)
	}
	if err := os.Chmod(filepath.Join(s.dir, "tocsin.sock"), 0o666); err != nil { // as for a member of the group
		t.Fatal(err)
	}
	if out, err := asNobody("channels", "add", "phone", "--url-file", url); err != nil ||
		!strings.Contains(out, "Added channel phone") {
		t.Errorf("%v, %s", err, out)
	}
	if out, err := asNobody("channels", "test", "phone"); err != nil || !strings.Contains(out, "Delivered") {
		t.Errorf("%v, %s", err, out)
	}
	if !strings.Contains(d.log.String(), "channel=phone kind=generic by=nobody") {
		t.Error("the log does not say who it was")
	}
}
