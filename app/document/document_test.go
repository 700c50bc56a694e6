package document_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/app/ruleset"
)

// hostile are documents that a parser would pay for.
func hostile() map[string]struct{ text, says string } {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 8), c-1)
	}
	steps := ""
	for i := range 700 {
		steps += strings.Repeat(" ", i) + "a:\n"
	}
	const deep = "nested deeper than 64 levels"
	return map[string]struct{ text, says string }{
		"lists in lists":         {strings.Repeat("[", 200_000), deep},
		"tables in tables":       {strings.Repeat("{a:", 50_000), deep},
		"closed ones":            {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), deep},
		"lists below lists":      {strings.Repeat("- ", 200_000) + "a", deep},
		"keys below keys":        {strings.Repeat("? ", 200_000) + "a", deep},
		"steps":                  {steps, deep},
		"inside a rule":          {"rules:\n- title: a\n  where: " + strings.Repeat("[", 200_000), deep},
		"in JSON":                {`{"rules":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `}`, deep},
		"after a text":           {`a: "` + strings.Repeat("[", 1000) + `"` + "\nb: " + strings.Repeat("[", 100_000), deep},
		"anchors on anchors":     {"a: " + strings.Repeat("&a ", 100_000) + "b", deep},
		"tags on tags":           {"a: " + strings.Repeat("!!x ", 100_000) + "b", deep},
		"aliases that multiply":  {bomb, "anchors, aliases, merges and tags are not used here"},
		"more than anybody says": {"rules: [" + strings.Repeat("a,", 60_000) + "a]", "holds more than"},
	}
}

// TestHostileDocumentsCostLittle whoever reads them.
func TestHostileDocumentsCostLittle(t *testing.T) {
	readers := map[string]func(text string) error{
		"a rule": func(text string) error { return document.Check("f.yaml", []byte(text)) },
		"rules":  func(text string) error { _, err := ruleset.Read("f.yaml", []byte(text)); return err },
		"tests":  func(text string) error { _, err := ruleset.ReadTests("f.yaml", []byte(text)); return err },
		"config": func(text string) error {
			file := filepath.Join(t.TempDir(), "f.yaml")
			if err := os.WriteFile(file, []byte(text[:min(len(text), 1<<20)]), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := config.Load(file, config.Options{})
			return err
		},
	}
	for reader, read := range readers {
		for name, d := range hostile() {
			if name == "more than anybody says" && (reader == "rules" || reader == "tests") {
				continue // they may be ten times as long
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read(d.text)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), d.says) || !strings.Contains(err.Error(), "line ") ||
				len(err.Error()) > 20_000 {
				t.Errorf("%s, %s: %.300v, want %q", reader, name, err, d.says)
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 600 {
				t.Errorf("%s, %s: took %d MB in all", reader, name, took)
			}
		}
	}
}

// TestWhatPeopleWriteIsNotRefused though it has brackets in texts, or many
// lines.
func TestWhatPeopleWriteIsNotRefused(t *testing.T) {
	rules := "rules:\n"
	for i := range 500 {
		rules += fmt.Sprintf("- name: r%d\n  title: \"[warn {%d\"\n  measurement: m\n  where: {a: [b, c], d: '[[['}\n  "+
			"levels: [{value: 1, severity: high}]\n  condition: {value: 3} # [ [ [\n", i, i)
	}
	if _, err := ruleset.Read("f.yaml", []byte(rules)); err != nil {
		t.Error(err)
	}
	nested := "a: " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\n"
	if err := document.Check("f.yaml", []byte(nested)); err != nil {
		t.Error(err)
	}
}
