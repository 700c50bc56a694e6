//go:build linux

package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// written returns how many bytes this process has written.
func written(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^wchar: (\d+)$`).FindSubmatch(text)
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// leastWrite is what a database writes at least: the runtime wakes its poller with
// a few bytes, which count too.
const leastWrite = 512

func TestATickThatChangesNothingWritesNothing(t *testing.T) {
	s, path := fresh(t)
	batch := fill(t, s, 100)
	info := func() (size int64, changed time.Time) {
		for _, suffix := range []string{"", "-wal"} {
			i, err := os.Stat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			size += i.Size()
			if i.ModTime().After(changed) {
				changed = i.ModTime()
			}
		}
		return size, changed
	}
	size, changed := info()
	before := written(t)
	for i := range 20 {
		for _, l := range batch {
			l.Observe(rules.Setting{Now: noon.Add(time.Duration(i+1) * time.Second)},
				[]rules.Observation{{Verdict: rules.Bad, Value: 5}}, nil)
		}
		if _, err := s.Moved(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(t.Context(), batch, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// When go test may cache, it writes down each file that is looked at.
	if n := written(t) - before; n >= leastWrite && flag.Lookup("test.testlogfile").Value.String() == "" {
		t.Errorf("the process wrote %d bytes", n)
	}
	if again, at := info(); again != size || !at.Equal(changed) {
		t.Errorf("the files have %d bytes, changed %v; before %d, %v", again, at, size, changed)
	}
}

func TestADecisionThatBecameMootWritesNothing(t *testing.T) {
	s, path := fresh(t)
	batch := fill(t, s, 1)
	other := open(t, path, sqlite.Options{})
	theirs, err := other.Load(t.Context(), batch[0].Rule.ID)
	if err != nil {
		t.Fatal(err)
	}
	theirs[0].Book("phone", rules.Test, rules.Facts{}, noon)
	if err := other.Save(t.Context(), theirs, nil); err != nil {
		t.Fatal(err)
	}
	batch[0].Book("phone", rules.Test, rules.Facts{}, noon)
	before := written(t)
	asked := false
	if err := s.Save(t.Context(), batch, func(*rules.Ledger) error { asked = true; return nil }); err != nil || !asked {
		t.Fatalf("Save: %v, asked again: %t", err, asked)
	}
	if n := written(t) - before; n >= leastWrite {
		t.Errorf("the process wrote %d bytes", n)
	}
}

// role and roleArg tell a copy of the test binary what to do in the place of
// the tests.
const role, roleArg = "SQLITE_TEST_ROLE", "SQLITE_TEST_PATH"

func TestMain(m *testing.M) {
	roles := map[string]func(path string) error{
		"commit": commitForever, "start": startFirst, "denied": openDenied, "full": fillDisk,
	}
	if play := roles[os.Getenv(role)]; play != nil {
		if err := play(os.Getenv(roleArg)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is the test binary in another role.
func child(t *testing.T, binary, name, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), role+"="+name, roleArg+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// commitForever books a message in each commit and prints how many are stored.
func commitForever(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, serve)
	if err != nil {
		return err
	}
	list, err := s.Load(ctx, "")
	if err != nil {
		return err
	}
	for l := list[0]; ; {
		l.Book("phone", rules.Test, rules.Facts{Text: time.Now().String()}, time.Now())
		if err := s.Save(ctx, list, nil); err != nil {
			return err
		}
		n := 0
		l.Notifications(func(*rules.Notification) bool { n++; return true })
		fmt.Println(n)
	}
}

func TestKillInACommitLoopLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tocsin.db")
	for turn := range 15 {
		acknowledged := killAfter(t, path, time.Duration(20+turn*7)*time.Millisecond)
		s := open(t, path, serve)
		list, err := s.Load(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		stored := 0
		list[0].Notifications(func(*rules.Notification) bool { stored++; return true })
		if stored < acknowledged {
			t.Fatalf("%d of %d messages are stored", stored, acknowledged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var verdict string
	if err := raw(t, path).QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check says %s, %v", verdict, err)
	}
}

// killAfter runs a commit loop, kills it some time after its first commit, and
// returns the last count that it printed.
func killAfter(t *testing.T, path string, d time.Duration) (last int) {
	t.Helper()
	cmd := child(t, os.Args[0], "commit", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if last == 0 {
			time.AfterFunc(d, func() { _ = cmd.Process.Kill() })
		}
		last = n
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || last == 0 {
		t.Fatalf("the child ended by itself after %d commits: %v", last, err)
	}
	return last
}

// startFirst waits for a line, so that all begin together, and opens.
func startFirst(path string) error {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	s, err := sqlite.Open(context.Background(), path, serve)
	if err != nil {
		return err
	}
	return s.Close()
}

func TestProcessesThatMakeTheSameDatabaseTogetherAllSucceed(t *testing.T) {
	for range 3 {
		path := filepath.Join(t.TempDir(), "tocsin.db")
		var cmds []*exec.Cmd
		var starts []io.WriteCloser
		for range 6 {
			cmd := child(t, os.Args[0], "start", path)
			cmd.Stdout = os.Stdout
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			cmds, starts = append(cmds, cmd), append(starts, in)
		}
		for _, in := range starts {
			if _, err := io.WriteString(in, "go\n"); err != nil {
				t.Fatal(err)
			}
		}
		for _, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Errorf("one process could not open it: %v", err)
			}
		}
		open(t, path, sqlite.Options{})
	}
}

// openDenied opens and prints the kind of refusal.
func openDenied(path string) error {
	_, err := sqlite.Open(context.Background(), path, serve)
	var person *rules.Error
	if !errors.Is(err, sqlite.ErrReadOnly) || !errors.As(err, &person) {
		return fmt.Errorf("Open returned %w", err)
	}
	fmt.Println(person.Text)
	return nil
}

func TestADirectoryThatCannotBeWrittenIsRefusedWithTheCure(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	dir, err := os.MkdirTemp("", "readonly")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := open(t, filepath.Join(dir, "there.db"), serve)
	fill(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "child")
	copyFile(t, os.Args[0], binary, 0o755)
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "there.db"): 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"there.db", "new.db"} {
		cmd := child(t, binary, "denied", filepath.Join(dir, name))
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), dir) {
			t.Errorf("%s: the sentence is %q, %v", name, out, err)
		}
	}
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		t.Fatal(err)
	}
}

// fillDisk mounts a small disk, fills it, and goes on once there is room.
func fillDisk(dir string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("tocsin", dir, "tmpfs", 0, "size=2m"); err != nil {
		return err
	}
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "tocsin.db"), serve)
	if err != nil {
		return err
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		return err
	}
	list, err := s.Load(context.Background(), "")
	if err != nil {
		return err
	}
	for i := range 10_000 {
		list[0].Book("phone", rules.Test, rules.Facts{Text: fmt.Sprint(i, strings.Repeat("x", 1000))}, noon)
	}
	var person *rules.Error
	err = s.Save(context.Background(), list, nil)
	if !errors.Is(err, sqlite.ErrFull) || !errors.As(err, &person) || !strings.Contains(person.Text, "free some space") {
		return fmt.Errorf("Save on a full disk returned %w", err)
	}
	if stored, err := s.Load(context.Background(), ""); err != nil || stored[0].Owing() {
		return fmt.Errorf("half of it was stored: %w", err)
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	l, err := s.Load(context.Background(), "")
	if err != nil {
		return err
	}
	l[0].Book("phone", rules.Test, rules.Facts{}, noon)
	if err := s.Save(context.Background(), l, nil); err != nil {
		return fmt.Errorf("Save once there is room: %w", err)
	}
	return s.Close()
}

func TestAFullDiskIsNamedAndLosesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	cmd := child(t, os.Args[0], "full", t.TempDir())
	cmd.Stderr = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || strings.Contains(string(out), "operation not permitted") {
		t.Skip("may not mount")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
