package cli_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/packaging/docs"
)

func TestHelpShowsTheDocuments(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok("help"); !strings.Contains(out, "\nsilences ") ||
		!strings.Contains(out, "`tocsin help TOPIC` shows one") {
		t.Errorf("help lists\n%s", out)
	}
	if got := len(h.answer("help")["topics"].([]any)); got != len(docs.Pages()) {
		t.Errorf("%d topics are listed, want %d", got, len(docs.Pages()))
	}
	out := h.ok("help", "silences")
	for _, want := range []string{
		"SILENCES: HOLD", "\n    tocsin silences list\n", "\n  `--open-ended`\n      until somebody ends it\n",
		"\n`tocsin silences --help` tells of the command.\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	page, _ := docs.Find("silences")
	if got := h.answer("help", "silences")["topic"].(map[string]any)["text"]; got != page.Text {
		t.Errorf("--json answers %q", got)
	}
}

func TestHelpKnowsCommandsToo(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok("help", "rules", "create"); !strings.Contains(out, "tocsin rules create [flags]") {
		t.Errorf("help of a command is\n%s", out)
	}
	for word, want := range map[string]string{
		"chanels":     "did you mean channels?",
		"rules.creat": "`tocsin help` lists the topics",
	} {
		if _, errOut, code := h.run("help", word); code != 3 || !strings.Contains(errOut, want) {
			t.Errorf("help %s: exit %d: %s", word, code, errOut)
		}
	}
}

// TestDocumentsAreSetForATerminal looks at what a person sees of every page: no
// mark of Markdown, and no line of prose that the terminal would break.
func TestDocumentsAreSetForATerminal(t *testing.T) {
	h := newHouse(t, plain)
	for _, p := range docs.Pages() {
		for line := range strings.Lines(h.ok("help", p.Name)) {
			line = strings.TrimRight(line, "\n")
			code := strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "      ") || strings.HasPrefix(line, "     ")
			long := utf8.RuneCountInString(line) > 80 && strings.Contains(strings.TrimSpace(line), " ")
			if !code && (long || strings.Contains(line, "**") || strings.Contains(line, "](") || strings.HasPrefix(line, "|")) {
				t.Errorf("%s: %s", p.Name, line)
			}
		}
	}
}

// TestHelpFitsATerminal of 80 columns. An example is as long as it is.
func TestHelpFitsATerminal(t *testing.T) {
	var fits func(c *cobra.Command)
	fits = func(c *cobra.Command) {
		for line := range strings.SplitSeq(c.Long+"\n"+c.UsageString(), "\n") {
			example := strings.Contains(c.Example, strings.TrimSpace(line))
			if n := utf8.RuneCountInString(line); n > 80 && !example {
				t.Errorf("%s --help has %d columns: %s", c.CommandPath(), n, line)
			}
		}
		for _, sub := range c.Commands() {
			if sub.Name() != "completion" {
				fits(sub)
			}
		}
	}
	fits(commands())
}
