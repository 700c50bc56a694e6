package evaluator_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// written is how many bytes this process has handed to write(2) so far.
func written(t *testing.T) (bytes int) {
	t.Helper()
	f, err := os.Open("/proc/self/io")
	if err != nil {
		t.Skip("this system does not count written bytes: " + err.Error())
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "wchar: "); ok {
			if _, err := fmt.Sscan(rest, &bytes); err != nil {
				t.Fatal(err)
			}
		}
	}
	return bytes
}

// leastWrite is what a database writes at least: the runtime wakes its poller with
// a few bytes, which count too.
const leastWrite = 512
