// Package markdown sets the documents, which are in Markdown, for a terminal.
package markdown

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// writer is where a text goes, and how it is set.
type writer struct {
	out   io.Writer
	width int
	bold  bool // headings
}

// Write sets a text in lines of at most width letters: paragraphs are wrapped, a
// row of a table becomes a term and what is said of it, code stays as it is.
func Write(out io.Writer, text string, width int, bold bool) {
	w := writer{out, width, bold}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for len(lines) > 0 {
		n := blockLength(lines)
		w.block(lines[:n])
		lines = lines[n:]
	}
}

// blockLength is how many lines belong together at the beginning.
func blockLength(lines []string) int {
	inside := func(line string) bool { return line != "" && !starts(line, "#", "```", "|", "- ", "    ", "<!--") }
	switch first := lines[0]; {
	case starts(first, "```"):
		for i, line := range lines[1:] {
			if starts(line, "```") {
				return i + 2
			}
		}
		return len(lines)
	case starts(first, "|"):
		inside = func(line string) bool { return starts(line, "|") }
	case starts(first, "#", "    ", "<!--"), first == "":
		return 1
	}
	n := 1
	for n < len(lines) && inside(lines[n]) {
		n++
	}
	return n
}

func starts(line string, with ...string) bool {
	for _, beginning := range with {
		if strings.HasPrefix(line, beginning) {
			return true
		}
	}
	return false
}

func (w writer) block(lines []string) {
	switch first := lines[0]; {
	case starts(first, "<!--"):
	case first == "", starts(first, "    "):
		fmt.Fprintln(w.out, first)
	case starts(first, "#"):
		fmt.Fprintln(w.out, w.heading(first))
	case starts(first, "```"):
		for _, line := range lines[1 : len(lines)-1] {
			fmt.Fprintln(w.out, strings.TrimRight("    "+line, " "))
		}
	case starts(first, "|"):
		w.terms(lines)
	case starts(first, "- "):
		fmt.Fprintln(w.out,
			"- "+strings.TrimLeft(wrap(plainText(strings.TrimPrefix(strings.Join(lines, " "), "- ")), "  ", w.width), " "))
	default:
		fmt.Fprintln(w.out, wrap(plainText(strings.Join(lines, " ")), "", w.width))
	}
}

func (w writer) heading(line string) string {
	text := plainText(strings.TrimLeft(line, "# "))
	if !starts(line, "## ", "### ") {
		text = strings.ToUpper(text)
	}
	if w.bold {
		return "\x1b[1m" + text + "\x1b[0m"
	}
	return text
}

// terms sets the rows of a table, the first two lines of which are its head.
func (w writer) terms(rows []string) {
	head := cells(rows[0])
	for _, row := range rows[min(2, len(rows)):] {
		for i, cell := range cells(row) {
			switch {
			case i == 0:
				fmt.Fprintln(w.out, wrap(cell, "  ", w.width))
			case cell != "" && len(head) > 2 && i < len(head)-1:
				fmt.Fprintln(w.out, wrap(head[i]+": "+cell, "      ", w.width))
			case cell != "":
				fmt.Fprintln(w.out, wrap(cell, "      ", w.width))
			}
		}
	}
}

func cells(row string) []string {
	row = strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|")
	var out []string
	for cell := range strings.SplitSeq(strings.ReplaceAll(row, `\|`, "\x00"), "|") {
		out = append(out, strings.TrimSpace(strings.ReplaceAll(plainText(cell), "\x00", "|")))
	}
	return out
}

var link = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)

// plainText takes out what only a browser shows. An address of the web is kept;
// other documents are told by their topic.
func plainText(text string) string {
	text = strings.ReplaceAll(text, "**", "")
	return link.ReplaceAllStringFunc(text, func(found string) string {
		part := link.FindStringSubmatch(found)
		if starts(part[2], "http") {
			return part[1] + " (" + part[2] + ")"
		}
		return part[1]
	})
}

// wrap breaks a text into indented lines of at most width letters.
func wrap(text, indent string, width int) string {
	var out strings.Builder
	at := 0
	for word := range strings.FieldsSeq(text) {
		size := utf8.RuneCountInString(word)
		switch {
		case at == 0:
			out.WriteString(indent)
			at = len(indent)
		case at+1+size > width:
			out.WriteString("\n" + indent)
			at = len(indent)
		default:
			out.WriteString(" ")
			at++
		}
		out.WriteString(word)
		at += size
	}
	return out.String()
}
