//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// GiveTo gives a file to the owner of a directory: what root restores has to be
// the daemon's.
func GiveTo(file, dir string) error {
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
