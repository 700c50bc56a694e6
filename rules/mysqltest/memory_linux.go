package mysqltest

import "syscall"

// memory is a directory in memory with room for a server, "" for none: a new
// table costs ten times as much on a disk.
func memory() string {
	const dir, room = "/dev/shm", 512 << 20
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Bavail*uint64(s.Bsize) < room {
		return ""
	}
	return dir
}
