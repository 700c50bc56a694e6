package rules_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// stateRows is how many rows the table of states.md has, numbered from 1.
func stateRows(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("states.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(string(text), -1)
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Fatalf("row %d of states.md is numbered %s", i+1, row[1])
		}
	}
	if len(rows) < 31 {
		t.Fatalf("states.md has %d rows only", len(rows))
	}
	return len(rows)
}

func TestStatesHaveATestForEachRow(t *testing.T) {
	text, err := os.ReadFile("ledger_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tested := map[int]bool{}
	for _, name := range regexp.MustCompile(`"row (\d+): `).FindAllStringSubmatch(string(text), -1) {
		tested[number(t, name[1])] = true
	}
	rows := stateRows(t)
	for row := 1; row <= rows; row++ {
		if !tested[row] {
			t.Errorf("row %d of states.md has no test in ledger_test.go", row)
		}
		delete(tested, row)
	}
	for row := range tested {
		t.Errorf("ledger_test.go tests row %d, which states.md has not", row)
	}
}

// cited finds the rows that a comment names: "row 25", "rows 26 to 29".
var cited = regexp.MustCompile(`\b[Rr]ows? (\d+)(?: (?:to|and) (\d+))?`)

func TestStatesHaveEachRowThatACommentCites(t *testing.T) {
	rows, seen := stateRows(t), 0
	eachComment(t, "..", func(at, text string) {
		for _, found := range cited.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
			for _, row := range found[1:] {
				if row == "" {
					continue
				}
				seen++
				if n := number(t, row); n < 1 || n > rows {
					t.Errorf("%s cites row %d; states.md has rows 1 to %d", at, n, rows)
				}
			}
		}
	})
	if seen < 20 {
		t.Errorf("only %d rows are cited", seen)
	}
}

// eachComment calls f with every comment of the Go files below a folder.
func eachComment(t *testing.T, root string, f func(at, text string)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			f(files.Position(group.Pos()).String(), group.Text())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
