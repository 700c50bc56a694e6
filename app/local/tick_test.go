//go:build unix

package local_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/rules"
)

func TestOfTwoRuntimeDirectoriesTheFirstServes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir+":"+t.TempDir())
	if got := local.MemoryDir(); got != dir {
		t.Errorf("MemoryDir = %q, want %q", got, dir)
	}
}

func TestWhatAnotherUserLeftDatesNoCrash(t *testing.T) {
	memory := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", memory)
	t.Setenv("RUNTIME_DIRECTORY", "")
	file := local.OpenTickFile(t.TempDir())
	want := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	file.Keep(rules.Progress{At: want})
	if got := file.Since(); !got.At.Equal(want) {
		t.Fatalf("Since = %v, want %v", got, want)
	}
	kept, err := filepath.Glob(filepath.Join(memory, "*.progress"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if err := os.Chown(kept[0], 65534, -1); err != nil {
		t.Skip("only root can make another user's file: ", err)
	}
	if got := file.Since(); !got.At.IsZero() {
		t.Errorf("Since = %v of a file of another user", got)
	}
}
