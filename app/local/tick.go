package local

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/9bikes/tocsin/rules"
)

// MemoryDir is a directory that is in memory: systemd's for the daemon, that
// of the user, or one of the machine. It is "" where there is none.
func MemoryDir() string {
	dir := cmp.Or(runtimeDir(), os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// InMemory is the path of a file in memory about a data directory, "" where
// there is no directory for it.
func InMemory(dataDir, suffix string) string {
	dir := MemoryDir()
	if dir == "" {
		return ""
	}
	return fileIn(dir, dataDir, suffix)
}

// fileIn is the path of a file in dir that no other data directory has.
func fileIn(dir, dataDir, suffix string) string {
	sum := sha256.Sum256([]byte(absolute(dataDir)))
	return filepath.Join(dir, "tocsin-"+hex.EncodeToString(sum[:6])+suffix)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// TickFile is a file in memory that keeps how far the sources have been judged:
// it dates a crash without a write to the disk; a reboot forgets it.
type TickFile struct{ path, dataDir string }

// OpenTickFile returns the file of a data directory. Like the zero value it keeps
// nothing where there is no directory in memory for it.
func OpenTickFile(dataDir string) TickFile {
	return TickFile{InMemory(dataDir, ".progress"), dataDir}
}

// Since is how far a daemon before is known to have judged. In a directory of
// everybody's a file that another user left says nothing.
func (f TickFile) Since() (p rules.Progress) {
	if f.path == "" || !ownedBy(f.path, f.dataDir) {
		return p
	}
	text, err := os.ReadFile(f.path)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return rules.Progress{}
	}
	return p
}

// Keep writes how far the sources are. That it cannot is no reason to stop: the
// file only makes the account of a crash more exact.
func (f TickFile) Keep(p rules.Progress) {
	if f.path == "" {
		return
	}
	text, err := json.Marshal(p)
	if err != nil {
		return
	}
	part := f.path + ".new"
	_ = os.Remove(part) // of a crash
	out, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Close()); err == nil {
		_ = os.Rename(part, f.path) // whole, or not at all
	}
}
