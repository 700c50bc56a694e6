package rules_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

func TestFileTroubleNamesTheReasonAndItsCure(t *testing.T) {
	at := func(reason error) error { return &fs.PathError{Op: "open", Path: "/data/x.key", Err: reason} }
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"full", at(syscall.ENOSPC), "no space left on device; free some space"},
		{
			"full, while others went well", errors.Join(nil, at(syscall.ENOSPC), nil),
			"no space left on device; free some space",
		},
		{
			"full, wrapped and joined", fmt.Errorf("write: %w", errors.Join(at(syscall.ENOSPC), at(syscall.EBADF))),
			"no space left on device; free some space",
		},
		{"not ours", at(syscall.EACCES), "permission denied; run this as the owner of /data"},
		{"read only", at(syscall.EROFS), "read-only file system; that disk can only be read"},
		{"a directory", at(syscall.EISDIR), "is a directory; a directory is in the place of the file"},
		{"below a file", at(syscall.ENOTDIR), "not a directory; a part of that path is a file"},
		{"not there", at(syscall.ENOENT), "no such file or directory; is the path right?"},
		{"another", at(syscall.EIO), "input/output error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := rules.FileTrouble("read", "/data/x.key", tt.err)
			if want := "cannot read /data/x.key: " + tt.want; !strings.HasPrefix(got.Error(), want) ||
				rules.CodeOf(got) != rules.Unavailable {
				t.Errorf("FileTrouble = %v, want %s", got, want)
			}
		})
	}
	worded := rules.Errorf(rules.Invalid, "no")
	if got := rules.FileTrouble("read", "x", worded); !errors.Is(got, worded) {
		t.Errorf("an error with words became %v", got)
	}
	if rules.FileTrouble("read", "x", nil) != nil {
		t.Error("no error became one")
	}
}
