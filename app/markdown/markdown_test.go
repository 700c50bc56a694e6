package markdown_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/markdown"
)

func TestWriteSetsMarkdownForATerminal(t *testing.T) {
	var b strings.Builder
	markdown.Write(&b, "# Rules\n\nA **long** [line](rules.md) that has to be broken somewhere.\n\n"+
		"| Key | Meaning |\n|---|---|\n| `for` | wrong for so long |\n\n```sh\ntocsin rules list\n```\n"+
		"- one\n- [two](https://example.org)\n<!-- made -->\n", 30, false)
	want := `RULES

A long line that has to be
broken somewhere.

  ` + "`for`" + `
      wrong for so long

    tocsin rules list
- one
- two (https://example.org)
`
	if got := b.String(); got != want {
		t.Errorf("set as\n%s\nwant\n%s", got, want)
	}
}

func TestHeadingsAreBoldOnATerminal(t *testing.T) {
	var b strings.Builder
	markdown.Write(&b, "## Two words", 80, true)
	if got := b.String(); got != "\x1b[1mTwo words\x1b[0m\n" {
		t.Errorf("set as %q", got)
	}
}
