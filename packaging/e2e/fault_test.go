package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

// harm is what is done to a file of the data directory.
type harm struct {
	file, name string
	do         func(path string) error
}

func harmsOf(file string) []harm {
	garbage := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(bytes.Repeat([]byte("#"), int(max(info.Size(), 10))))
		if err != nil {
			return err
		}
		return f.Close()
	}
	half := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}
	directory := func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	}
	return []harm{
		{file, "deleted", os.RemoveAll},
		{file, "emptied", func(path string) error { return os.Truncate(path, 0) }},
		{file, "halved", half},
		{file, "garbage", garbage},
		{file, "a directory", directory},
	}
}

// faults are the harms that a test tries: of the whole table when TESTS_FULL is
// set, else one of each kind.
func faults(full map[string]bool) (out []harm) {
	for _, file := range []string{
		"tocsin.db", "tocsin.db-wal", "tocsin.db-shm", "channels.key", "daemon.lock",
		"tocsin.mark", "backups",
	} {
		for _, h := range harmsOf(file) {
			if (os.Getenv("TESTS_FULL") != "" || full[file+" "+h.name]) && !(file == "backups" && h.name != "deleted") {
				out = append(out, h)
			}
		}
	}
	return out
}

// stage is a site in full use: three rules, of which one fires and is
// acknowledged and one owes a message to a receiver that is away, a
// silence, a stored channel; see play.
type stage struct {
	*site
	late *hook
}

// newStage watches an InfluxDB, or without one a live source.
func newStage(t *testing.T, influx *sourcetest.Server) *stage {
	t.Helper()
	s := &stage{
		site: &site{T: t, dir: t.TempDir(), listen: sourcetest.FreeAddress(t), influx: influx, hook: newHook(t)},
		late: newHook(t),
	}
	source := "{kind: live}"
	if influx != nil {
		source = fmt.Sprintf("{kind: influxdb, url: %q, database: %q}", influx.URL, influx.DB)
	}
	s.config = filepath.Join(s.dir, "config.yaml")
	text := fmt.Sprintf(`data_dir: %s/data
listen: %s
every: 1s
operators: [hook]
sources:
  home: %s
channels:
  hook: {url: "generic://%s/alerts?disabletls=yes&template=json"}
  late: {url: "generic://%s/late?disabletls=yes&template=json"}
`, s.dir, s.listen, source, s.hook.address, s.late.address)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.hook.come()
	return s
}

func (s *stage) must(want string, args ...string) {
	s.Helper()
	if out, code := s.run(args...); code != 0 || !strings.Contains(out, want) {
		s.Fatalf("%q: exit %d, %s; want %q", args, code, out, want)
	}
}

func (s *stage) play() {
	s.Helper()
	url := filepath.Join(s.dir, "phone.url")
	if err := os.WriteFile(url, []byte("generic://"+s.hook.address+"/phone?disabletls=yes&template=json\n"),
		0o600); err != nil {
		s.Fatal(err)
	}
	s.must("Added", "channels", "add", "phone", "--url-file", url)
	for _, r := range []struct{ title, above, channel string }{
		{"Spare", "1000", "hook"},
		{"Too warm", "-15", "hook"},
		{"Late one", "-15", "late"},
	} {
		s.must("Created", "rules", "create", "--title", r.title, "--measurement", "temperature", "--field", "celsius",
			"--above", r.above, "--channel", r.channel)
	}
	s.must("", "silences", "add", "--rule", "spare", "--for", "2h", "--comment", "kept")
	s.until("it fires", s.hook.heard("Too warm"))
	s.until("both fire", func() bool { return strings.Contains(s.get("/status"), `"firing":2`) })
}

// ack acknowledges the alert that fired, over the daemon's socket.
func (s *stage) ack() {
	s.Helper()
	c := s.claude("RUNTIME_DIRECTORY=" + s.dir)
	for _, a := range s.call(c, "list_alerts", map[string]any{"status": "open"})["alerts"].([]any) {
		if alert := a.(map[string]any); alert["title"] == "Too warm" {
			s.call(c, "acknowledge_alert", map[string]any{"id": alert["id"], "note": "seen"})
		}
	}
}

// whole says what is lost, "" for nothing.
func (s *stage) whole() string {
	for _, look := range []struct {
		args []string
		want []string
	}{
		{[]string{"rules", "list"}, []string{"too_warm", "late_one", "spare"}},
		{[]string{"alerts", "list"}, []string{"Too warm", "Late one", "acknowledged", "firing"}},
		{[]string{"silences", "list"}, []string{"kept"}},
		{[]string{"channels", "list"}, []string{"phone"}},
	} {
		out, code := s.run(look.args...)
		for _, want := range look.want {
			if code != 0 || !strings.Contains(out, want) {
				return fmt.Sprintf("%q: exit %d, %s; want %q", look.args, code, out, want)
			}
		}
	}
	return ""
}

// TestAnyFileGoesWrongUnderTheDaemon: it is told, and after a kill nothing is
// lost, because memory had it.
func TestAnyFileGoesWrongUnderTheDaemon(t *testing.T) {
	influx := sourcetest.Influxd(t)
	site := &site{T: t, influx: influx}
	defer site.feed(-2)()
	// What SQLite or the daemon mends by itself is not worth a message.
	silent := map[string]bool{"daemon.lock": true, "tocsin.mark": true, "backups": true, "tocsin.db-shm garbage": true}
	for _, h := range faults(map[string]bool{
		"tocsin.db emptied": true, "tocsin.db-wal deleted": true, "tocsin.db-wal halved": true, "channels.key deleted": true,
		"daemon.lock deleted": true,
	}) {
		t.Run(h.file+" "+h.name, func(t *testing.T) {
			s := newStage(t, influx)
			d := s.serve()
			s.play()
			// Folds the log, so that the file and the log both have something.
			if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			d = s.serve()
			s.ack()
			if err := h.do(filepath.Join(s.dir, "data", h.file)); err != nil {
				t.Skip(err) // there is no such file now
			}
			if !silent[h.file] && !silent[h.file+" "+h.name] {
				s.until("people are told", s.hook.heard("tocsin's data"))
			}
			lost := ""
			s.untilElse("all is there again", func() bool { lost = s.whole(); return lost == "" }, &lost)
			if h.file == "daemon.lock" {
				pid := strconv.Itoa(d.Process.Pid)
				s.until("the file is locked again", func() bool {
					text, err := os.ReadFile(filepath.Join(s.dir, "data", h.file))
					return err == nil && strings.TrimSpace(string(text)) == pid
				})
				if out, code := s.run("serve"); code == 0 || !strings.Contains(out, "(pid "+pid+")") {
					t.Errorf("a second daemon: exit %d, %s", code, out)
				}
			}
			if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
				t.Fatal("it survived kill -9")
			}
			s.afterwards()
		})
	}
}

// untilElse is until, and says what was wrong last.
func (s *stage) untilElse(what string, ok func() bool, wrong *string) {
	s.Helper()
	defer func() {
		if *wrong != "" {
			s.Log(*wrong)
		}
	}()
	s.until(what, ok)
}

// TestAnyFileGoesWrongBeforeTheStart: the backup takes the place of a database
// that is no good, and what is lost is told.
func TestAnyFileGoesWrongBeforeTheStart(t *testing.T) {
	influx := sourcetest.Influxd(t)
	site := &site{T: t, influx: influx}
	defer site.feed(-2)()
	for _, h := range faults(map[string]bool{
		"tocsin.db deleted": true, "tocsin.db emptied": true, "tocsin.db-wal deleted": true,
		"tocsin.db-wal a directory": true, "channels.key emptied": true,
	}) {
		t.Run(h.file+" "+h.name, func(t *testing.T) {
			s := newStage(t, influx)
			d := s.serve()
			s.play()
			if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			d = s.serve()
			s.ack()
			if err := os.Mkdir(filepath.Join(s.dir, "data", "backups"), 0o750); err != nil {
				t.Fatal(err)
			}
			s.must("Wrote", "backup", filepath.Join(s.dir, "data", "backups", "tocsin-20260101.db"))
			if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
				t.Fatal("it survived kill -9")
			}
			if err := h.do(filepath.Join(s.dir, "data", h.file)); err != nil {
				t.Skip(err) // there is no such file now
			}
			d = s.serve()
			told, lost := s.hook.heard("tocsin's data"), s.whole()
			switch {
			case h.file == "tocsin.db":
				s.until("people are told", told)
				if lost != "" {
					t.Error(lost)
				}
			case h.file == "channels.key", lost != "":
				s.until("people are told", told)
			case told():
				t.Errorf("people were told, and all is there: %q", s.hook.texts())
			}
			if out, code := s.run("rules", "list"); code != 0 || !strings.Contains(out, "too_warm") ||
				!strings.Contains(out, "late_one") {
				t.Errorf("the rules: exit %d, %s", code, out)
			}
			s.late.come()
			s.until("the message that was owed arrives", s.late.heard("Late one"))
			if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestADatabaseThatIsGoneIsNoFirstStart: only a directory that never had one is
// begun without a word.
func TestADatabaseThatIsGoneIsNoFirstStart(t *testing.T) {
	s := newStage(t, nil)
	d := s.serve()
	s.until("the mark is there", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "data", "tocsin.mark"))
		return err == nil
	})
	if got := s.get("/status"); strings.Contains(got, "storage:") {
		t.Errorf("the first start: %s", got)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.dir, "data", "tocsin.db")); err != nil {
		t.Fatal(err)
	}
	d = s.serve()
	s.until("people are told", s.hook.heard("tocsin's database"))
	s.until("status tells", s.statusHas("tocsin begins anew"))
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	d = s.serve()
	s.until("it is over", s.statusLacks("storage:"))
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

// afterwards starts the daemon again and expects all of the stage.
func (s *stage) afterwards() {
	s.Helper()
	d := s.serve()
	s.late.come()
	s.until("the message that was owed arrives", s.late.heard("Late one"))
	if lost := s.whole(); lost != "" {
		s.Error(lost)
	}
	s.must("Delivered", "channels", "test", "phone")
	if err := d.end(s.T, syscall.SIGTERM, 5*time.Second); err != nil {
		s.Error(err)
	}
	if n := strings.Count(strings.Join(s.hook.titles(), "\n"), "Too warm"); n != 1 {
		s.Errorf("the alert was told %d times: %q", n, s.hook.titles())
	}
}
