package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/app"
)

// alive is a file in memory (tmpfs) whose time is that of the last decided
// tick. It dates a crash without a write to the disk; a reboot forgets it.
type alive string

// openAlive returns the file of a data directory, "" where there is no
// directory in memory for it.
func openAlive(dataDir string) alive {
	dir := memoryDir()
	if dir == "" {
		return ""
	}
	return aliveIn(dir, dataDir)
}

// memoryDir is a directory that is in memory: systemd's for the daemon, that
// of the user, or one of the machine. It is "" where there is none.
func memoryDir() string {
	dir := cmp.Or(os.Getenv("RUNTIME_DIRECTORY"), os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

func aliveIn(dir, dataDir string) alive {
	if abs, err := filepath.Abs(dataDir); err == nil {
		dataDir = abs
	}
	sum := sha256.Sum256([]byte(dataDir))
	return alive(filepath.Join(dir, "tocsin-"+hex.EncodeToString(sum[:6])+".alive"))
}

// tell leaves a note for the other processes of this machine: why the database
// in the data directory is not what the daemon works on. "" takes it back.
func (a alive) tell(note string) {
	was, err := os.ReadFile(string(a))
	if a == "" || string(was) == note && (err == nil || note == "") {
		return
	}
	last := a.since()
	// Without it others see old data, that is all.
	_ = os.WriteFile(string(a), []byte(note), 0o644) //nolint:gosec // others shall read it
	if !last.IsZero() {
		_ = os.Chtimes(string(a), last, last) // that is the time of the last tick
	}
}

// degraded is what a running daemon says of its database, "" when all is well.
// The daemon may have had another directory than this process would.
func degraded(dataDir string) string {
	if _, running := app.DaemonOf(dataDir); !running {
		return ""
	}
	for _, dir := range []string{memoryDir(), "/run/tocsin", "/dev/shm"} {
		if note, err := os.ReadFile(string(aliveIn(dir, dataDir))); err == nil {
			return string(note)
		}
	}
	return ""
}

// since is the last tick that a daemon before is known to have decided.
func (a alive) since() time.Time {
	info, err := os.Stat(string(a))
	if err != nil || info.ModTime().After(time.Now()) {
		return time.Time{}
	}
	return info.ModTime().UTC()
}

// touch sets the time. That it cannot is no reason to stop: the file only
// makes the account of a crash more exact.
func (a alive) touch(t time.Time) {
	if a == "" || os.Chtimes(string(a), t, t) == nil {
		return
	}
	if f, err := os.OpenFile(string(a), os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		_ = f.Close()                   // nothing was written
		_ = os.Chtimes(string(a), t, t) // see above
	}
}
