//go:build linux || darwin || freebsd

package local

import "net"

// peerUID is the user at the other end, as the kernel knows it.
func peerUID(c *net.UnixConn) (uid uint32, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	e := raw.Control(func(fd uintptr) { uid, err = socketUID(int(fd)) })
	return uid, e == nil && err == nil
}
