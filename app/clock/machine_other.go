//go:build !linux

package clock

import "time"

const kernelProof = "assumed: this system does not tell"

// kernelSynchronised takes the clock for right: machines with these systems
// have a battery.
func kernelSynchronised() (bool, error) { return true, nil }

// inside is not asked where the clock is taken for right.
func inside(string) bool { return false }

// MachineClocks returns what reads the wall clock and how long the machine has
// run since it started, the time it slept included; nil where the system does
// not tell.
func MachineClocks() func() (wall time.Time, running time.Duration) { return nil }
