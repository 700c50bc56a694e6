package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/9bikes/tocsin/rules"
)

// Lock is the right to be the one daemon of a data directory.
type Lock struct {
	dir  string
	lock *flock.Flock
	file fs.FileInfo // that is locked
}

func lockPath(dataDir string) string { return filepath.Join(dataDir, "daemon.lock") }

// TakeLock makes this process the daemon of the data directory, or refuses
// with the pid of the one that is. The operating system frees the lock when
// the process ends, however it ends.
func TakeLock(dataDir string) (*Lock, error) {
	path := lockPath(dataDir)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		_ = os.Rename(path, rules.Aside(path, "before")) // locking it fails otherwise
	}
	lock := flock.New(path)
	taken, err := lock.TryLock()
	if cannotWrite(err) && readableFile(path) {
		// On a disk that cannot be written the lock of an earlier start serves.
		lock = flock.New(path, flock.SetFlag(os.O_RDONLY))
		taken, err = lock.TryLock()
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, rules.Errorf(rules.Unavailable,
			"cannot lock %s: %v; make %s writable for the user that runs tocsin, or set data_dir to one that is", path,
			rules.Cause(err), dataDir)
	}
	if err != nil {
		return nil, rules.FileTrouble("lock", path, err)
	}
	if !taken {
		return nil, rules.Errorf(rules.Conflict,
			"another tocsin daemon runs on %s%s; stop it first, or give this one another data_dir", dataDir, lockOwner(path))
	}
	l := &Lock{dir: dataDir, lock: lock}
	if err := l.sign(path); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return l, nil
}

// lockOwner names the process that has the lock, where the file says it.
func lockOwner(path string) string {
	if pid := lockPID(path); pid > 0 {
		return fmt.Sprintf(" (pid %d)", pid)
	}
	return ""
}

// sign writes the pid into the file, where the disk takes it.
func (l *Lock) sign(path string) (err error) {
	err = os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o640)
	if err != nil && !cannotWrite(err) {
		return rules.FileTrouble("write the pid to", path, err)
	}
	if l.file, err = os.Stat(path); err != nil {
		return rules.FileTrouble("look at", path, err)
	}
	return nil
}

// Look sees to it that the file is still the one that is locked: one that was
// removed or replaced keeps no second daemon away, so that the new one is
// locked as well. It fails when another daemon was faster.
func (l *Lock) Look() error {
	path := lockPath(l.dir)
	if info, err := os.Stat(path); err == nil && os.SameFile(info, l.file) {
		if lockPID(path) != os.Getpid() {
			return l.sign(path)
		}
		return nil
	}
	next, err := TakeLock(l.dir)
	if err != nil {
		return err
	}
	old := l.lock
	l.lock, l.file = next.lock, next.file
	return old.Unlock()
}

// locked reports whether a daemon has the lock of a data directory. It counts as
// taken where this user may not look.
func locked(dataDir string) bool {
	lock := flock.New(lockPath(dataDir), flock.SetFlag(os.O_RDONLY)) // makes no file
	taken, err := lock.TryRLock()
	if taken {
		_ = lock.Unlock() // closing the file does it as well
	}
	return !taken && (err == nil || errors.Is(err, fs.ErrPermission))
}

func cannotWrite(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC)
}

func readableFile(path string) bool {
	f, err := os.Open(path)
	return err == nil && f.Close() == nil
}

// Release gives the right up.
func (l *Lock) Release() error { return l.lock.Unlock() }

func lockPID(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}
