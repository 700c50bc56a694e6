//go:build darwin || freebsd

package local

import "golang.org/x/sys/unix"

func socketUID(fd int) (uint32, error) {
	const solLocal = 0 // the level of options of local sockets
	cred, err := unix.GetsockoptXucred(fd, solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
