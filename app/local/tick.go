package local

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// TickFile is a file in memory (tmpfs) that says what is wrong with the daemon's
// database. Another beside it keeps how far the sources have been judged: it
// dates a crash without a write to the disk; a reboot forgets it.
type TickFile string

// OpenTickFile returns the file of a data directory, "" where there is no
// directory in memory for it.
func OpenTickFile(dataDir string) TickFile {
	dir := MemoryDir()
	if dir == "" {
		return ""
	}
	return aliveIn(dir, dataDir)
}

// MemoryDir is a directory that is in memory: systemd's for the daemon, that
// of the user, or one of the machine. It is "" where there is none.
func MemoryDir() string {
	dir := cmp.Or(os.Getenv("RUNTIME_DIRECTORY"), os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

func aliveIn(dir, dataDir string) TickFile {
	if abs, err := filepath.Abs(dataDir); err == nil {
		dataDir = abs
	}
	sum := sha256.Sum256([]byte(dataDir))
	return TickFile(filepath.Join(dir, "tocsin-"+hex.EncodeToString(sum[:6])+".alive"))
}

// Tell leaves a note for the other processes of this machine: why the database
// in the data directory is not what the daemon works on. "" takes it back.
func (f TickFile) Tell(note string) {
	was, err := os.ReadFile(string(f))
	if f == "" || string(was) == note && (err == nil || note == "") {
		return
	}
	// Without it others see old data, that is all.
	_ = os.WriteFile(string(f), []byte(note), 0o644) //nolint:gosec // others shall read it
}

// Degraded is what a running daemon says of its database, "" when all is well.
// The daemon may have had another directory than this process would.
func Degraded(dataDir string) string {
	if _, running := DaemonOf(dataDir); !running {
		return ""
	}
	for _, dir := range []string{MemoryDir(), "/run/tocsin", "/dev/shm"} {
		if note, err := os.ReadFile(string(aliveIn(dir, dataDir))); err == nil {
			return string(note)
		}
	}
	return ""
}

// progress is the file that keeps how far the sources are.
func (f TickFile) progress() string { return strings.TrimSuffix(string(f), ".alive") + ".progress" }

// Since is how far a daemon before is known to have judged.
func (f TickFile) Since() (p rules.Progress) {
	if f == "" {
		return p
	}
	text, err := os.ReadFile(f.progress())
	if err != nil || json.Unmarshal(text, &p) != nil {
		return rules.Progress{}
	}
	return p
}

// Keep writes how far the sources are. That it cannot is no reason to stop: the
// file only makes the account of a crash more exact.
func (f TickFile) Keep(p rules.Progress) {
	if f == "" {
		return
	}
	text, err := json.Marshal(p)
	if err != nil {
		return
	}
	part := f.progress() + ".new"
	_ = os.Remove(part) // of a crash
	out, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Close()); err == nil {
		_ = os.Rename(part, f.progress()) // whole, or not at all
	}
}
