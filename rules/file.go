package rules

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// Aside is the name that a file is kept under when another takes its place: why
// is what it was, such as "damaged", and behind that is the time in UTC.
func Aside(path, why string) string {
	return path + "." + why + "-" + time.Now().UTC().Format("20060102-150405")
}

// Cause is the innermost reason of an error, without the path or the address
// that the layers around it name. Of errors that were joined it is the reason
// of the first.
func Cause(err error) error {
	for {
		inner := unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func unwrap(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the layer itself is looked at
		for _, e := range joined.Unwrap() {
			if e != nil {
				return e
			}
		}
	}
	return errors.Unwrap(err)
}

// FileTrouble words for people what the operating system said of a file: act is
// what was tried with it, such as "read". An error that has its words already
// stays as it is.
func FileTrouble(act, path string, err error) error {
	if err == nil || CodeOf(err) != Internal {
		return err
	}
	reason := Cause(err)
	return Errorf(Unavailable, "cannot %s %s: %v%s", act, path, reason, fileCure(reason, path))
}

func fileCure(reason error, path string) string {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(reason, syscall.ENOSPC):
		return "; free some space on that disk"
	case errors.Is(reason, syscall.EROFS):
		return "; that disk can only be read: remount it for writing, or name another place"
	case errors.Is(reason, fs.ErrPermission):
		return "; run this as the owner of " + dir + ", or let this user read and write there"
	case errors.Is(reason, syscall.EISDIR):
		return "; a directory is in the place of the file: move it away"
	case errors.Is(reason, syscall.ENOTDIR):
		return "; a part of that path is a file, not a directory: move it away, or name another place"
	case errors.Is(reason, fs.ErrNotExist):
		return "; is the path right?"
	}
	return ""
}
