package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// disk is a small file system of its own under the data directory.
type disk struct {
	*site
	path string
}

func newDisk(s *site) disk {
	s.Helper()
	d := disk{s, filepath.Join(s.dir, "data")}
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		s.Skip("a disk to fill up is mounted by root, on Linux")
	}
	if err := os.Mkdir(d.path, 0o750); err != nil {
		s.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", d.path).CombinedOutput(); err != nil {
		s.Skipf("this machine mounts nothing: %s", out)
	}
	s.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", d.path).CombinedOutput(); err != nil {
			s.Errorf("umount: %s", out)
		}
	})
	return d
}

func (d disk) remount(mode string) {
	d.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+mode, d.path).CombinedOutput(); err != nil {
		d.Fatalf("remount: %s", out)
	}
}

// fill leaves no room, and returns what frees it.
func (d disk) fill() (free func()) {
	d.Helper()
	f, err := os.Create(filepath.Join(d.path, "ballast"))
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.Fatal(err)
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			d.Error(err)
		}
	}
}

func (s *site) statusHas(part string) func() bool {
	return func() bool { return strings.Contains(s.statusText(), part) }
}

func (s *site) statusLacks(part string) func() bool {
	return func() bool { return !strings.Contains(s.statusText(), part) }
}

// statusText is the status as the owner of the daemon asks for it.
func (s *site) statusText() string {
	text, _ := s.run("status", "--json")
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return text
	}
	return compact.String()
}

const onCopy = "works on a copy in memory"

// TestTheDiskGoesWrong: while the disk cannot be written the daemon goes on
// telling people, its doors show what is, other processes are refused with the
// cure; afterwards everything is on the disk.
func TestTheDiskGoesWrong(t *testing.T) {
	s := newSite(t)
	disk := newDisk(s)
	stop := s.feed(-18)
	s.hook.come()
	d := s.serve()
	if out, code := s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--aggregation", "mean", "--window", "2s", "--above", "-15", "--cooldown", "0s"); code != 0 {
		t.Fatal(out)
	}

	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	disk.remount("ro") // Linux refuses it while a file is open for writing
	d = s.serve()
	s.until("status tells of the read-only disk", s.statusHas(onCopy))
	s.until("people are told of it", s.hook.heard("tocsin's database"))
	stop()
	stop = s.feed(-2)
	s.until("an alert is told from memory", s.hook.heard("Too warm"))
	s.until("the page shows it", s.statusHas(`"firing":1`))
	if out, code := s.run("rules", "list"); code == 0 || !strings.Contains(out, onCopy) ||
		!strings.Contains(out, "it alone can act now") {
		t.Errorf("another process was not refused: exit %d, %s", code, out)
	}
	if out, code := s.run("alerts", "list"); code != 0 || !strings.Contains(out, "Too warm") ||
		!strings.Contains(out, onCopy) {
		t.Errorf("the daemon's own list: exit %d, %s", code, out)
	}
	disk.remount("rw")
	s.until("it is over", s.statusLacks(onCopy))
	s.until("the alert is on the disk", func() bool {
		out, code := s.run("alerts", "list")
		return code == 0 && strings.Contains(out, "firing")
	})

	free := disk.fill()
	stop()
	stop = s.feed(-18)
	defer func() { stop() }()
	s.until("a resolve is told from memory", s.hook.heard("Resolved: Too warm"))
	s.until("status tells of the full disk", s.statusHas(onCopy))
	free()
	s.until("it is over", s.statusLacks(onCopy))
	s.until("the resolve is on the disk", func() bool {
		out, code := s.run("alerts", "list", "--status", "resolved")
		return code == 0 && strings.Contains(out, "resolved")
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(strings.Join(s.hook.titles(), "\n"), "Too warm"); got != 2 {
		t.Errorf("told %q, want the alert and its resolve once each", s.hook.titles())
	}
}

// TestAnotherDatabaseIsPutInPlace: the daemon writes neither to the file that
// it lost nor to one that is not its own.
func TestAnotherDatabaseIsPutInPlace(t *testing.T) {
	s := newSite(t)
	defer s.feed(-18)()
	s.hook.come()
	d := s.serve()
	create := func(title string) {
		t.Helper()
		if out, code := s.run("rules", "create", "--title", title, "--measurement", "temperature", "--field", "celsius",
			"--above", "-15"); code != 0 {
			t.Fatal(out)
		}
	}
	create("Mine")
	database := filepath.Join(s.dir, "data", "tocsin.db")
	stranger, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database+".other", stranger, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(database+".other", database); err != nil {
		t.Fatal(err)
	}
	s.until("status tells of it", s.statusHas("was replaced while tocsin runs"))
	s.until("status tells where changes are kept", s.statusHas("is saved as tocsin.db.new"))
	s.until("people are told of it", s.hook.heard("tocsin's database"))
	if now, err := os.ReadFile(database); err != nil || !bytes.Equal(now, stranger) {
		t.Errorf("the other file was written to: %v", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(database + suffix); err != nil && suffix == "" {
			t.Fatal(err)
		}
	}
	s.until("it takes its place again", func() bool {
		out, code := s.run("rules", "list")
		return code == 0 && strings.Contains(out, "mine")
	})
	create("Mine too")

	// Whoever restarts tocsin wants the other file; what was saved beside it is
	// no state to go on with any more.
	if out, code := s.run("backup", database+".other"); code != 0 {
		t.Fatal(out)
	}
	create("Mine as well")
	if err := os.Rename(database+".other", database); err != nil {
		t.Fatal(err)
	}
	s.until("changes are saved beside it", func() bool {
		_, err := os.Stat(database + ".new")
		return err == nil
	})
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	d = s.serve()
	s.until("status tells where they are", s.statusHas("is kept as tocsin.db.before-"))
	if _, err := os.Stat(database + ".new"); err == nil {
		t.Error("what was saved beside it can still take its place")
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestBackupAndRestore: a backup without the key brings everything back but
// the credentials, and says which; one with the key brings them too.
func TestBackupAndRestore(t *testing.T) {
	s := newSite(t)
	s.influx.Write("temperature,sensor=a celsius=-18")
	s.hook.come()
	d := s.serve()
	url := filepath.Join(s.dir, "phone.url")
	if err := os.WriteFile(url, []byte("generic://"+s.hook.address+"/phone?disabletls=yes&template=json\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	must := func(want string, args ...string) {
		t.Helper()
		if out, code := s.run(args...); code != 0 || !strings.Contains(out, want) {
			t.Fatalf("%q: exit %d, %s; want %q", args, code, out, want)
		}
	}
	must("Created", "rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--above", "-15", "--channel", "hook")
	must("Added", "channels", "add", "phone", "--url-file", url)
	plain, whole := filepath.Join(s.dir, "plain.db"), filepath.Join(s.dir, "whole.tar")
	must("It has no key", "backup", plain)
	must("as secret as", "backup", "--with-key", whole)
	if out, code := s.run("restore", plain); code == 0 || !strings.Contains(out, "another tocsin daemon runs") {
		t.Errorf("restore beside a daemon: exit %d, %s", code, out)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}

	if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil { // a new SD card
		t.Fatal(err)
	}
	must("Restored", "restore", "--yes", plain)
	d = s.serve()
	must("too_warm", "rules", "list")
	must("needs its credential", "channels", "list")
	if out, _ := s.run("doctor"); !strings.Contains(out, "tocsin channels add --replace phone") {
		t.Errorf("doctor does not tell the cure: %s", out)
	}
	must("Replaced the credential", "channels", "add", "--replace", "phone", "--url-file", url)
	must("Delivered", "channels", "test", "phone")
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}

	must("is kept as", "restore", "--yes", whole)
	d = s.serve()
	must("Delivered", "channels", "test", "phone")
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if out, code := s.run("restore", url); code == 0 || !strings.Contains(out, "is no backup of tocsin") {
		t.Errorf("a file that is no backup: exit %d, %s", code, out)
	}
}

// TestTheFirstStartOnAFullDisk: it runs in memory, says why with the cure, and
// writes all of it once there is room.
func TestTheFirstStartOnAFullDisk(t *testing.T) {
	s := newSite(t)
	disk := newDisk(s)
	defer s.feed(-2)()
	s.hook.come()
	free := disk.fill()
	d := s.serve()
	s.until("status tells of the full disk", s.statusHas("is full: free some space"))
	// Both troubles are of one moment, and may come in one message.
	const want = "cannot make the key file"
	s.until("people are told of the key", func() bool { return strings.Contains(s.hook.texts(), want) })
	if got := s.hook.texts(); !strings.Contains(got, "no space left on device; free some space") ||
		strings.Contains(got, "(<nil>)") {
		t.Errorf("told: %s", got)
	}
	free()
	s.until("it is over", s.statusLacks("storage:"))
	if out, code := s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--above", "-15"); code != 0 {
		t.Error(out)
	}
	if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
		t.Fatal("it survived kill -9")
	}
	for _, name := range []string{"tocsin.db", "tocsin.mark", "channels.key", "daemon.lock"} {
		if info, err := os.Stat(filepath.Join(disk.path, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	d = s.serve()
	if out, _ := s.run("rules", "list"); !strings.Contains(out, "too_warm") {
		t.Error(out)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
}
