//go:build unix

package local

import (
	"os"
	"slices"
	"syscall"
)

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

// ownedBy reports whether a file is root's, this user's or the owner's of a
// directory: in a directory of everybody's anybody could have put it there.
func ownedBy(file, dir string) bool {
	info, err := os.Lstat(file)
	if err != nil {
		return false
	}
	owners := []int{0, os.Geteuid()}
	if home, err := os.Stat(dir); err == nil {
		owners = append(owners, ownerOf(home))
	}
	return slices.Contains(owners, ownerOf(info))
}

func ownerOf(info os.FileInfo) int {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(owner.Uid)
	}
	return -1
}
