package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// anyCode is for the doctor, who may find fault with this machine.
const anyCode = -1

// The user and group of the daemon, and a person of the machine.
const (
	theDaemon = 64101
	aPerson   = 64102
)

// machine is a machine on which the daemon runs as a user of its own, at the
// usual places: /etc/group, /run and /var/lib are its own.
type machine struct {
	*site
	home   string // of the person
	daemon *daemon
}

// newMachine starts the daemon, with the group that it may be in.
func newMachine(t *testing.T, group int) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	m := &machine{site: newSocketSite(t)}
	m.hook.come()
	m.write(fmt.Sprintf("listen: %s\nevery: 1s\nsources:\n  live: {kind: live}\nchannels:\n  hook: {url: "+
		"\"generic://%s/alerts?disabletls=yes&template=json\"}\n", m.listen, m.hook.address))
	m.home = filepath.Join(m.dir, "home")
	groups := filepath.Join(m.dir, "group")
	for _, err := range []error{
		os.Mkdir(m.home, 0o700), os.Chown(m.home, aPerson, aPerson), os.Chmod(m.config, 0o644),
		os.WriteFile(groups, fmt.Appendf(nil, "root:x:0:\ntocsin:x:%d:\n", theDaemon), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Dir(filepath.Dir(m.dir)), filepath.Dir(m.dir), m.dir, filepath.Dir(binary)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const places = `mount --bind "$1" /etc/group && shift &&
for dir in /run /var/lib; do
	mount -t tmpfs -o mode=755 tmpfs $dir && mkdir -m 750 $dir/tocsin && chown "$1:$2" $dir/tocsin || exit 1
done
exec setpriv --reuid "$1" --regid "$2" --clear-groups "$3" serve --config "$4"`
	m.daemon = m.start(exec.Command("unshare", "--mount", "sh", "-c", places, "sh", groups, strconv.Itoa(theDaemon),
		strconv.Itoa(group), binary, m.config), "/run/tocsin")
	m.until("the socket is there", func() bool { return strings.Contains(m.daemon.log.String(), "local socket opened") })
	return m
}

// as runs a command as the person, who is in the group or not.
func (m *machine) as(group int, stdin string, args ...string) (out string, code int) {
	m.Helper()
	return m.run(aPerson, group, stdin, args...)
}

// run runs a command on that machine.
func (m *machine) run(user, group int, stdin string, args ...string) (out string, code int) {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), "nsenter", append([]string{
		"--mount", "--target", strconv.Itoa(m.daemon.Process.Pid), "--",
		"setpriv", "--reuid", strconv.Itoa(user), "--regid", strconv.Itoa(user), "--groups", strconv.Itoa(group), binary,
	}, args...)...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.home, "TOCSIN_CONFIG=" + m.config}
	cmd.Stdin = strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		m.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// TestMembersOfTheGroupAskTheRunningDaemon instead of looking into their own
// homes; who is no member is told how to become one.
func TestMembersOfTheGroupAskTheRunningDaemon(t *testing.T) {
	m := newMachine(t, theDaemon)
	m.fire()
	pid := fmt.Sprintf("running, pid %d", m.daemon.Process.Pid)
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_alerts","arguments":{}}}`
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status"}, 0, pid},
		{[]string{"alerts", "list"}, 0, "Too warm"},
		{[]string{"doctor"}, anyCode, fmt.Sprintf("runs with pid %d on /var/lib/tocsin", m.daemon.Process.Pid)},
		{[]string{"mcp"}, 0, "Too warm"},
		{[]string{"channels", "test", "hook"}, 0, "Delivered"},
		{[]string{"silences", "add", "--everything", "--for", "1h"}, 1, "sudo -u tocsin"},
	} {
		if out, code := m.as(theDaemon, call, tt.args...); code != tt.code && tt.code != anyCode ||
			!strings.Contains(out, tt.want) || strings.Contains(out, "tocsin serve") {
			t.Errorf("a member's %q: exit %d, %s; want exit %d and %q", tt.args, code, out, tt.code, tt.want)
		}
		if out, code := m.as(aPerson, call, tt.args...); code == 0 && tt.args[0] != "mcp" ||
			!strings.Contains(out, "sudo usermod -aG tocsin") || strings.Contains(out, "Too warm") {
			t.Errorf("a stranger's %q: exit %d, %s", tt.args, code, out)
		}
	}
	if left, err := os.ReadDir(m.home); err != nil || len(left) > 0 {
		t.Errorf("left in the home: %v, %v", left, err)
	}
}

// TestAnAlertOfTheDaemonIsAcknowledgedByAMember, under the member's own name.
func TestAnAlertOfTheDaemonIsAcknowledgedByAMember(t *testing.T) {
	m := newMachine(t, theDaemon)
	id := m.fire()
	if out, code := m.as(theDaemon, "", "alerts", "ack", id[:6], "--note", "seen"); code != 0 ||
		!strings.Contains(out, "Too warm is acknowledged") {
		t.Errorf("ack: exit %d, %s", code, out)
	}
	if out, code := m.as(theDaemon, "", "alerts", "show", id[:6]); code != 0 ||
		!strings.Contains(out, fmt.Sprintf("by uid %d", aPerson)) || !strings.Contains(out, "seen") {
		t.Errorf("show: exit %d, %s", code, out)
	}
	if out, code := m.as(theDaemon, "", "alerts", "show", "nothing"); code != 3 ||
		!strings.Contains(out, "there is no alert") {
		t.Errorf("no such alert: exit %d, %s", code, out)
	}
}

// TestTheServiceGoesBeforeAnOldTrialInTheHome: what lies in the home of a
// member is asked only when its own daemon runs.
func TestTheServiceGoesBeforeAnOldTrialInTheHome(t *testing.T) {
	m := newMachine(t, theDaemon)
	m.fire()
	trial := filepath.Join(m.home, ".local/share/tocsin")
	if out, err := exec.Command("mkdir", "-p", trial).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	other := newSocketSite(t)
	d := other.serve()
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(other.dir, "data", "tocsin.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(trial, "tocsin.db"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", strconv.Itoa(aPerson), m.home).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, code := m.as(theDaemon, "", "alerts", "list"); code != 0 || !strings.Contains(out, "Too warm") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestADaemonOutsideTheGroupSaysWhoCannotUseItsSocket, and the cure.
func TestADaemonOutsideTheGroupSaysWhoCannotUseItsSocket(t *testing.T) {
	m := newMachine(t, aPerson)
	log := m.daemon.log.String()
	for _, want := range []string{
		"level=WARN", "may not use the local socket", "operation not permitted", "Group=tocsin",
		"usermod -aG tocsin",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

// fire makes a rule as the daemon's user and waits for its alert.
func (m *machine) fire() (id string) {
	m.Helper()
	if out, code := m.run(theDaemon, theDaemon, "", "rules", "create", "--title", "Too warm", "--measurement", "room",
		"--field", "celsius", "--above", "20", "--allow-unknown"); code != 0 {
		m.Fatalf("rules create: exit %d, %s", code, out)
	}
	resp, err := http.Post("http://"+m.listen+"/write", "text/plain", strings.NewReader("room celsius=30"))
	if err != nil || resp.StatusCode != http.StatusNoContent {
		m.Fatalf("write: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	m.until("the alert fires", func() bool {
		out, _ := m.run(theDaemon, theDaemon, "", "alerts", "list", "--json")
		_, id, _ = strings.Cut(out, `"id": "`)
		id, _, _ = strings.Cut(id, `"`)
		return id != ""
	})
	return id
}
