package clock

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const kernelProof = "kernel"

// kernelSynchronised asks the kernel, which is told by whatever sets its
// clock. It believes this until its own estimate of the error is too large.
func kernelSynchronised() (bool, error) {
	const most = 16 * time.Second // what the NTP protocol calls too far off
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("ask the kernel about its clock: %w", err)
	}
	return state != unix.TIME_ERROR && time.Duration(t.Maxerror)*time.Microsecond < most, nil
}

// inside reports whether a network interface leads to what runs on this
// machine: a bridge does, and from within a container the only one there is.
func inside(name string) bool {
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return true
	}
	for _, path := range []string{filepath.Join("/sys/class/net", name, "bridge"), "/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// MachineClocks returns what reads the wall clock and how long the machine has
// run since it started, the time it slept included; nil where the system does
// not tell.
func MachineClocks() func() (wall time.Time, running time.Duration) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return nil
	}
	return func() (time.Time, time.Duration) {
		var t unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // it answered before
		return time.Now(), time.Duration(t.Nano())
	}
}
