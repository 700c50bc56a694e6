package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"
)

// alive is a file in memory (tmpfs) whose time is that of the last decided
// tick. It dates a crash without a write to the disk; a reboot forgets it.
type alive string

// openAlive returns the file of a data directory, "" where there is no
// directory in memory for it.
func openAlive(dataDir string) alive {
	dir := os.Getenv("RUNTIME_DIRECTORY") // systemd's
	if dir == "" {
		dir = os.Getenv("XDG_RUNTIME_DIR")
	}
	if dir == "" {
		dir = "/dev/shm"
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	if abs, err := filepath.Abs(dataDir); err == nil {
		dataDir = abs
	}
	sum := sha256.Sum256([]byte(dataDir))
	return alive(filepath.Join(dir, "tocsin-"+hex.EncodeToString(sum[:6])+".alive"))
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
	if f, err := os.OpenFile(string(a), os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = f.Close()                   // nothing was written
		_ = os.Chtimes(string(a), t, t) // see above
	}
}
