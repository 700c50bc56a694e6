// Package docstest checks that the references among the documents say what the
// code says, and writes them anew.
package docstest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The part of a document that follows this comment is made by a test.
const mark = "<!-- What follows is written by `go test"

// Generated compares the generated part of a document with what it should be,
// or writes it if update is set. It is for tests of packages two folders deep.
func Generated(t *testing.T, name, want string, update bool) {
	t.Helper()
	path := filepath.Join("..", "..", "packaging", "docs", name+".md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), mark)
	command, got, closed := strings.Cut(rest, " -->\n\n")
	if !found || !closed {
		t.Fatalf("%s has no line %s PACKAGE -update` -->", path, mark)
	}
	want = strings.TrimSpace(want) + "\n"
	if got == want {
		return
	}
	if !update {
		t.Fatalf("%s is not what the code says; this writes it: go test%s\n%s", path, strings.Trim(command, "`"), want)
	}
	if err := os.WriteFile(path, []byte(head+mark+command+" -->\n\n"+want), 0o644); err != nil {
		t.Fatal(err)
	}
}
