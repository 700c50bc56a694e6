package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingHiddenReachesTheTerminal whatever command prints it, and what is
// written to be read again loses nothing.
func TestNothingHiddenReachesTheTerminal(t *testing.T) {
	h := newHouse(t, plain)
	const title = "pay\u202egnp.\u2066exe\u2069\u200b\x7f\u0085"
	args := []string{
		"rules", "create", "--name", "sly", "--title", "pay\u202egnp.\u2066exe\u2069\u200b", "--measurement",
		"temperature", "--field", "celsius", "--above", "1",
	}
	if out, errOut, code := h.run(args...); code != 0 {
		t.Fatal(out, errOut)
	}
	for _, args := range [][]string{
		{"rules", "list"},
		{"rules", "list", "--json"},
		{"rules", "show", "sly"},
		{"rules", "show", "sly", "--json"},
		{"rules", "export"},
		{"rules", "export", "--json"},
		{"rules", "show", title},
		{"rules", "show", title, "--json"},
		{title},
		{"rules", "list", "--" + title},
		{"rules", "history", "sly"},
		{"status"},
		{"doctor"},
		{"audit", "list"},
	} {
		out, errOut, _ := h.run(args...)
		if at := strings.IndexAny(out+errOut, "\u202e\u2066\u2069\u200b\x7f\u0085\x1b"); at >= 0 {
			t.Errorf("%q prints %+q", args, (out + errOut)[at:])
		}
	}
	out, _, _ := h.run("rules", "export")
	file := filepath.Join(h.dir, "rules.yaml")
	h.must(os.WriteFile(file, []byte(out), 0o600))
	if out, errOut, code := h.run("rules", "apply", file, "--adopt", "--json"); code != 0 {
		t.Errorf("the exported file is not read: %d %s %s", code, out, errOut)
	}
	if again, _, _ := h.run("rules", "export"); again != out {
		t.Errorf("the exported file is another rule: %+q, want %+q", again, out)
	}
}
