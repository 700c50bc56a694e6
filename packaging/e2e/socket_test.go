package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// socketCanary is a credential that must show nowhere.
const socketCanary = "caNary7Q9x"

// newSocketSite is a tocsin without an InfluxDB, whose webhook listens.
func newSocketSite(t *testing.T) *site {
	t.Helper()
	s := newQuietSite(t)
	s.hook = newHook(t)
	s.write(fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\nsources:\n  live: {kind: live}\nchannels:\n  hook: "+
		"{url: \"generic://%s/alerts?disabletls=yes&template=json\"}\n",
		s.dir, s.listen, s.hook.address))
	return s
}

// wants runs a command and wants a part of what it prints.
func (s *site) wants(code int, want string, args ...string) {
	s.Helper()
	if out, got := s.run(args...); got != code || !strings.Contains(out, want) || strings.Contains(out, socketCanary) {
		s.Errorf("%q: exit %d, %s; want exit %d and %q", args, got, out, code, want)
	}
}

// credential writes a URL of the webhook with a canary in it to a file.
func (s *site) credential() string {
	s.Helper()
	file := filepath.Join(s.dir, "phone.url")
	url := "generic://" + s.hook.address + "/phone?disabletls=yes&template=json&@Authorization=Bearer+" + socketCanary
	if err := os.WriteFile(file, []byte(url+"\n"), 0o644); err != nil {
		s.Fatal(err)
	}
	return file
}

// TestTheDaemonStoresChannelsForThoseWhoMayAsk: a credential goes over the
// socket once, and what is wrong is said as it is without a daemon.
func TestTheDaemonStoresChannelsForThoseWhoMayAsk(t *testing.T) {
	s := newSocketSite(t)
	s.hook.come()
	url := s.credential()
	d := s.serve()
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
	s.wants(0, "Added channel before (generic).", "channels", "add", "before", "--url-file", url)
	d = s.serve()
	s.wants(0, "Added channel phone (generic). Test it with: tocsin channels test phone", "channels", "add", "phone",
		"--url-file", url, "--fallback", "hook", "--quiet", "22:00-07:00", "--quiet-zone", "Europe/Berlin")
	if !strings.Contains(d.log.String(), `msg="channel added" channel=phone kind=generic by=`) {
		t.Error("the daemon did not store it")
	}
	s.wants(0, "Delivered: the service took the message with status 200.", "channels", "test", "phone")
	s.wants(0, "Delivered", "channels", "test", "before")
	s.wants(0, "22:00-07:00 Europe/Berlin", "channels", "list")
	s.wants(0, "Replaced the credential of channel phone", "channels", "add", "--replace", "phone", "--url-file", url)
	for _, tt := range []struct {
		line, want string
		code       int
	}{
		{"add phone", "tocsin channels add --replace phone", 4},
		{"add hook", "is in the config file", 4},
		{"add Phone", "name: must be small letters", 2},
		{"add other --rate often --quiet 22-7", "error: quiet.hours: must be two times", 2},
		{"add other --rate often --quiet 22-7", "error: rate: must be a number of messages", 2},
		{"add other --fallback nobody", `fallback: no channel "nobody"; known: before, hook, phone`, 2},
		{"add --replace nobody", `no channel "nobody"`, 3},
	} {
		s.wants(tt.code, tt.want, append([]string{"channels", "--url-file", url}, strings.Fields(tt.line)...)...)
	}
	s.wants(3, `no channel "nobody"`, "channels", "test", "nobody")
	s.hook.leave()
	s.wants(1, "Not delivered yet: it cannot be reached. tocsin goes on trying.", "channels", "test", "phone")
	if strings.Contains(d.log.String(), socketCanary) {
		t.Error("the log shows a credential")
	}
	stored, err := filepath.Glob(filepath.Join(s.dir, "data", "*"))
	if err != nil || len(stored) == 0 {
		t.Fatalf("stored files: %v, %v", stored, err)
	}
	for _, name := range stored {
		if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), socketCanary) {
			t.Errorf("%s shows a credential", name)
		}
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
	s.wants(1, "was not tested and nothing was booked", "channels", "test", "phone")
}

// TestAChannelIsNotGivenToAnotherDaemon: a socket on the way may be that of a
// daemon with other data.
func TestAChannelIsNotGivenToAnotherDaemon(t *testing.T) {
	s := newSocketSite(t)
	d := s.serve()
	url := s.credential()
	mine := filepath.Join(s.dir, "mine")
	cmd := exec.Command(binary, "channels", "add", "phone", "--url-file", url, "--config", s.config)
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+s.dir, "TOCSIN_DATA_DIR="+mine)
	if err := os.Mkdir(mine, 0o750); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(d.log.String(), "channel added") {
		t.Errorf("the other daemon has it: %v, %s", err, out)
	}
	if list, _ := s.run("channels", "list"); strings.Contains(list, "phone") {
		t.Errorf("the other daemon lists it:\n%s", list)
	}
}

// TestWhatTheDaemonHasFromSystemdIsMissedByNobody: a credential that only the
// daemon was given refuses no command and no model.
func TestWhatTheDaemonHasFromSystemdIsMissedByNobody(t *testing.T) {
	s := newQuietSite(t)
	s.write(s.read() + "  home: {kind: influxdb, url: \"http://127.0.0.1:9\", database: home, username: tocsin}\n")
	given := filepath.Join(s.dir, "credentials")
	if err := os.Mkdir(given, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(given, "sources.home.password"), []byte(socketCanary), 0o600); err != nil {
		t.Fatal(err)
	}
	s.wants(1, "sources.home.password: is missing", "rules", "list")
	cmd := exec.Command(binary, "serve", "--config", s.config)
	cmd.Env = []string{"CREDENTIALS_DIRECTORY=" + given}
	s.start(cmd, s.dir)
	s.wants(0, "No rules", "rules", "list")
	s.wants(0, "No alerts", "alerts", "list")
	s.wants(0, "running, pid", "status")
	m := s.model("2025-11-25", nil, "--config", s.config)
	if got := m.ask("list_alert_rules", nil); strings.Contains(got, "is missing") {
		t.Errorf("a model is told %s", got)
	}
}
