//go:build unix

package daemon

import (
	"os"
	"syscall"
)

// giveTo gives a file to the owner of a directory: what root restores has to be
// the daemon's.
func giveTo(file, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(file, int(owner.Uid), int(owner.Gid))
}

// giveToGroup gives a file to a group. It asks the system for nothing where the
// file is the group's already: a sandbox may forbid to change any owner.
func giveToGroup(file string, group int) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Gid) == group {
		return nil
	}
	return os.Chown(file, -1, group)
}
