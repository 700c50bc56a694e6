package app

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
type Lock struct{ lock *flock.Flock }

func lockPath(dataDir string) string { return filepath.Join(dataDir, "daemon.lock") }

// TakeLock makes this process the daemon of the data directory, or refuses
// with the pid of the one that is. The operating system frees the lock when
// the process ends, however it ends.
func TakeLock(dataDir string) (*Lock, error) {
	path := lockPath(dataDir)
	lock := flock.New(path)
	taken, err := lock.TryLock()
	if cannotWrite(err) && readableFile(path) {
		// On a disk that cannot be written the lock of an earlier start serves.
		lock = flock.New(path, flock.SetFlag(os.O_RDONLY))
		taken, err = lock.TryLock()
	}
	if err != nil {
		return nil, rules.Errorf(rules.Unavailable, "cannot lock %s: %v; make %s writable for the user that runs tocsin, or set data_dir to one that is", path, cause(err), dataDir)
	}
	if !taken {
		return nil, rules.Errorf(rules.Conflict, "another tocsin daemon runs on %s (pid %d); stop it first, or give this one another data_dir", dataDir, lockPID(path))
	}
	err = os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o640)
	if err != nil && !cannotWrite(err) {
		return nil, errors.Join(fmt.Errorf("write the pid: %w", err), lock.Unlock())
	}
	return &Lock{lock}, nil
}

func cannotWrite(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func readableFile(path string) bool {
	f, err := os.Open(path)
	return err == nil && f.Close() == nil
}

// Release gives the right up.
func (l *Lock) Release() error { return l.lock.Unlock() }

// DaemonOf tells whether a daemon runs on the data directory, and its pid.
func DaemonOf(dataDir string) (pid int, running bool) {
	path := lockPath(dataDir)
	if _, err := os.Stat(path); err != nil {
		return 0, false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	taken, err := lock.TryRLock()
	if err != nil {
		return 0, false
	}
	if taken {
		_ = lock.Unlock()
		return 0, false
	}
	return lockPID(path), true
}

func lockPID(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// cause is the innermost reason of a file error, without the path.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
