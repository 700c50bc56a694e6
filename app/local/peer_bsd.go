//go:build darwin || freebsd

package local

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUID is the user at the other end, as the kernel knows it.
func peerUID(c *net.UnixConn) (uid uint32, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	const solLocal = 0 // the level of options of local sockets
	var cred *unix.Xucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptXucred(int(fd), solLocal, unix.LOCAL_PEERCRED)
	}); e != nil || err != nil {
		return 0, false
	}
	return cred.Uid, true
}
