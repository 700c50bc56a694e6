package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/rules"
)

// TestALockFileThatGoesWrongKeepsASecondDaemonAway: whatever becomes of the
// file, the next Look locks the one that is there.
func TestALockFileThatGoesWrongKeepsASecondDaemonAway(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"deleted": os.Remove,
		"garbage": func(path string) error { return os.WriteFile(path, []byte("garbage"), 0o640) },
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"a directory": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		},
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("1\n"), 0o640); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lock, err := local.TakeLock(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := harm(filepath.Join(dir, "daemon.lock")); err != nil {
				t.Fatal(err)
			}
			if err := lock.Look(); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("another tocsin daemon runs on %s (pid %d)", dir, os.Getpid())
			if _, err := local.TakeLock(dir); rules.CodeOf(err) != rules.Conflict || !strings.Contains(err.Error(), want) {
				t.Errorf("a second daemon: %v, want %s", err, want)
			}
			if err := lock.Release(); err != nil {
				t.Fatal(err)
			}
			again, err := local.TakeLock(dir)
			if err != nil {
				t.Fatalf("after the end: %v", err)
			}
			if err := again.Release(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestADaemonThatLostItsLockGivesWay(t *testing.T) {
	dir := t.TempDir()
	first, err := local.TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "daemon.lock")); err != nil {
		t.Fatal(err)
	}
	second, err := local.TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Look(); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("Look = %v, want a conflict", err)
	}
	if err := second.Look(); err != nil {
		t.Errorf("the other one's Look = %v", err)
	}
	for _, l := range []*local.Lock{first, second} {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
}

func TestALockThatCannotBeTakenSaysWhy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.TakeLock(dir); err == nil || !strings.Contains(err.Error(), "a part of that path is a file") {
		t.Errorf("below a file: %v", err)
	}
}
