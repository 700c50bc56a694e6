package ruleflags_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/ruleflags"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// given is the document that arguments make.
func given(t *testing.T, args ...string) rules.Doc {
	t.Helper()
	var f ruleflags.Flags
	cmd := &cobra.Command{Use: "create"}
	f.Register(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	doc, err := f.Doc(cmd)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return doc
}

// at is the value at a dotted path.
func at(doc rules.Doc, path string) any {
	name, rest, deeper := strings.Cut(path, ".")
	if inner, ok := doc[name].(rules.Doc); deeper && ok {
		return at(inner, rest)
	}
	return doc[path]
}

// shell is how an example is written for a flag: a list with commas, a table as
// name=value.
func shell(k ruledoc.Key) string {
	switch k.Form {
	case ruledoc.TextsForm, ruledoc.DurationsForm, ruledoc.FilterForm, ruledoc.LabelsForm:
		return strings.NewReplacer("[", "", "]", "", "{", "", "}", "", `"`, "", ": ", "=", ", ", ",").Replace(k.Example)
	}
	return k.Example
}

// TestEveryKeyHasItsFlag, and is reached by --set and in a file, to the same effect.
func TestEveryKeyHasItsFlag(t *testing.T) {
	seen := 0
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		if k.Form == ruledoc.TableForm || strings.ContainsAny(k.Path, "[N") {
			return // its parts have flags; or it is a part of what one flag gives
		}
		if k.Flag == "" {
			t.Errorf("%s has no flag", k.Path)
			return
		}
		seen++
		file := filepath.Join(t.TempDir(), "rule.yaml")
		if err := os.WriteFile(file, []byte(nestedYAML(k)), 0o600); err != nil {
			t.Fatal(err)
		}
		for door, doc := range map[string]rules.Doc{
			"flag": given(t, "--"+k.Flag, shell(k)),
			"set":  given(t, "--set", k.Path+"="+k.Example),
			"file": given(t, "--file", file),
		} {
			want, got := plain(t, decoded(k)), plain(t, at(doc, k.Path))
			if got != want {
				t.Errorf("%s by %s is %s, want %s", k.Path, door, got, want)
			}
		}
	})
	if seen < 40 {
		t.Errorf("only %d flags", seen)
	}
}

// nestedYAML is the example of a key at its path.
func nestedYAML(k ruledoc.Key) string {
	text, depth := "", 0
	for part := range strings.SplitSeq(k.Path, ".") {
		text += fmt.Sprintf("\n%s%s:", strings.Repeat("  ", depth), part)
		depth++
	}
	example := k.Example
	if !strings.HasPrefix(example, "{\"") && !strings.HasPrefix(example, "[") {
		example = "'" + example + "'"
	}
	return text + " " + example + "\n"
}

func decoded(k ruledoc.Key) any {
	var v any
	if json.Unmarshal([]byte(k.Example), &v) != nil {
		return k.Example
	}
	return v
}

// plain is a value without quotes: a number is the text of it.
func plain(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `"`, "")
}

// TestHelpHasTheFlagsInGroups that fit a terminal.
func TestHelpHasTheFlagsInGroups(t *testing.T) {
	var f ruleflags.Flags
	cmd := &cobra.Command{Use: "create", Example: "tocsin rules create --file freezer.yaml"}
	f.Register(cmd)
	cmd.Flags().Bool("dry-run", false, "check it and save nothing")
	var out bytes.Buffer
	cmd.SetOut(&out)
	if err := cmd.Usage(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, title := range []string{"What to measure:", "When it is wrong:", "Whom to tell:", "All of it:", "Others:"} {
		where := strings.Index(out.String(), "\n"+title+"\n")
		if where <= last {
			t.Errorf("%s stands at %d, behind %d", title, where, last)
		}
		last = where
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		if k.Flag != "" && !strings.Contains(out.String(), " --"+k.Flag+" ") {
			t.Errorf("--%s is not in the help", k.Flag)
		}
	})
}

// TestALimitThatIsMissingIsShownAsAFlag where flags alone were given.
func TestALimitThatIsMissingIsShownAsAFlag(t *testing.T) {
	const flag = "as a flag: --above 25"
	for _, tt := range []struct {
		name string
		args []string
		says bool
	}{
		{"no condition", []string{"--title", "T", "--measurement", "m", "--field", "f"}, true},
		{"a type alone", []string{"--title", "T", "--measurement", "m", "--field", "f", "--type", "threshold"}, true},
		{"no value", []string{"--title", "T", "--measurement", "m", "--field", "f", "--operator", ">"}, true},
		{"something else", []string{"--title", "T", "--field", "f", "--above", "5"}, false},
	} {
		var f ruleflags.Flags
		cmd := &cobra.Command{Use: "create"}
		f.Register(cmd)
		if err := cmd.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		doc, err := f.Doc(cmd)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ruledoc.Parse(doc)
		if err == nil {
			t.Fatalf("%s is taken", tt.name)
		}
		if err = f.Advise(doc, err); strings.Contains(err.Error(), flag) != tt.says || rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
