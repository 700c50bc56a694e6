//go:build !linux

package daemon

// forgetProgram is for Linux only.
func forgetProgram() error { return nil }
