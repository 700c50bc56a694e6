package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules/mysqltest"
)

// hostedSite is a site whose database is a server's.
func hostedSite(t *testing.T) (*site, *mysqltest.Server) {
	t.Helper()
	s, server := newSite(t), mysqltest.Start(t)
	address := filepath.Join(s.dir, "store")
	if err := os.WriteFile(address, []byte(server.Database("tocsin").Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, append([]byte("store_file: store\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, server
}

// TestTheMainJobIsDoneOnAServersDatabase as on a file.
func TestTheMainJobIsDoneOnAServersDatabase(t *testing.T) {
	s, server := hostedSite(t)
	mainJob(t, s)
	if got := server.Run("SELECT COUNT(*) FROM tocsin.alerts WHERE status = 'resolved'"); got != "1\n" {
		t.Errorf("the database holds %q resolved alerts", got)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "data", "tocsin.db")); err == nil {
		t.Error("there is a file as well")
	}
	for _, args := range [][]string{{"backup", filepath.Join(s.dir, "b.db")}, {"restore", "--yes", s.config}} {
		if out, code := s.run(args...); code != 2 || !strings.Contains(out, "mariadb-dump") {
			t.Errorf("%s says %q, %d", args[0], out, code)
		}
	}
}

// TestTheServerOfTheDatabaseIsAway: people are told of what fires meanwhile, and
// it is in the database afterwards. No log and no answer shows the password.
func TestTheServerOfTheDatabaseIsAway(t *testing.T) {
	s, server := hostedSite(t)
	stop := s.feed(-18)
	s.hook.come()
	d := s.serve()
	if out, code := s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--aggregation", "latest", "--window", "3s", "--above", "-15", "--cooldown", "0s"); code != 0 {
		t.Fatal(out)
	}
	s.until("ticks are judged", s.statusHas(`"rules_last_tick":1`))
	server.Kill()
	stop()
	stop = s.feed(-2)
	defer func() { stop() }()
	s.until("the message arrives", s.hook.heard("Too warm"))
	out, code := s.run("rules", "list")
	if code == 0 || !strings.Contains(out, "start its server") {
		t.Errorf("without the server, a command says %q, %d", out, code)
	}
	server.Start()
	s.until("the alert is in the database", func() bool {
		return server.Run("SELECT COUNT(*) FROM tocsin.alerts") == "1\n"
	})
	stop()
	stop = s.feed(-18)
	s.until("the resolve arrives", s.hook.heard("Resolved: Too warm"))
	if err := d.end(t, syscall.SIGTERM, 10*time.Second); err != nil {
		t.Errorf("SIGTERM ended it with %v", err)
	}
	told := s.hook.titles()
	for i, title := range told {
		if slices.Contains(told[:i], title) {
			t.Errorf("told %q, one of them twice", told)
		}
	}
	config, _ := s.run("config", "check")
	status, _ := s.run("status", "--json")
	for _, said := range []string{d.log.String(), out, config, status} {
		if strings.Contains(said, mysqltest.Password) || strings.Contains(said, "p%40ss") {
			t.Errorf("the password is shown: %s", said)
		}
	}
}

// TestASecondDaemonOnADatabaseIsRefused while the first lives, and takes its
// place within a lease once that stands still. When that goes on it ends.
func TestASecondDaemonOnADatabaseIsRefused(t *testing.T) {
	s, server := hostedSite(t)
	first := s.serve()
	other := *s
	other.dir, other.listen = t.TempDir(), s.listen
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	free := newSite(t).listen
	moved := strings.NewReplacer(s.dir+"/data", other.dir+"/data", s.listen, free,
		"store_file: store", "store_file: "+s.dir+"/store").Replace(string(text))
	other.config, other.listen = filepath.Join(other.dir, "config.yaml"), free
	if err := os.WriteFile(other.config, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "serve", "--config", other.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "works on the database") {
		t.Errorf("a second daemon says %q, %v", out, err)
	}
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	other.serve()
	if took := time.Since(began); took > 18*time.Second {
		t.Errorf("it took the place of the first after %s", took)
	}
	holder := server.Run("SELECT holder FROM tocsin.leases")
	if !strings.Contains(holder, other.dir) {
		t.Errorf("the lease is held by %q", holder)
	}
	if err := first.end(t, syscall.SIGCONT, 10*time.Second); err == nil {
		t.Error("the first ends as if all were well")
	}
	if log := first.log.String(); !strings.Contains(log, "another daemon has taken over") {
		t.Errorf("the first says:\n%s", log)
	}
}
