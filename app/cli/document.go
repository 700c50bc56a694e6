package cli

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// How wide a text is set: lines of more than a hundred letters are hard to read.
const (
	usualWidth = 80
	mostWidth  = 100
)

// lineWidth is how many letters fit into a line of a stream.
func lineWidth(stream io.Writer) int {
	f, ok := stream.(*os.File)
	if !ok {
		return usualWidth
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return usualWidth
	}
	return min(width, mostWidth)
}

// document sets a text in Markdown for a terminal: paragraphs are wrapped, a row
// of a table becomes a term and what is said of it, code stays as it is.
func (p page) document(text string, width int) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for len(lines) > 0 {
		n := blockLength(lines)
		p.block(lines[:n], width)
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
	for _, w := range with {
		if strings.HasPrefix(line, w) {
			return true
		}
	}
	return false
}

func (p page) block(lines []string, width int) {
	switch first := lines[0]; {
	case starts(first, "<!--"):
	case first == "", starts(first, "    "):
		fmt.Fprintln(p.out, first)
	case starts(first, "#"):
		fmt.Fprintln(p.out, p.heading(first))
	case starts(first, "```"):
		for _, line := range lines[1 : len(lines)-1] {
			fmt.Fprintln(p.out, strings.TrimRight("    "+line, " "))
		}
	case starts(first, "|"):
		p.terms(lines, width)
	case starts(first, "- "):
		fmt.Fprintln(p.out,
			"- "+strings.TrimLeft(wrap(plainText(strings.TrimPrefix(strings.Join(lines, " "), "- ")), "  ", width), " "))
	default:
		fmt.Fprintln(p.out, wrap(plainText(strings.Join(lines, " ")), "", width))
	}
}

func (p page) heading(line string) string {
	text := plainText(strings.TrimLeft(line, "# "))
	if !starts(line, "## ", "### ") {
		text = strings.ToUpper(text)
	}
	if p.colour {
		return "\x1b[1m" + text + "\x1b[0m"
	}
	return text
}

// terms sets the rows of a table, the first two lines of which are its head.
func (p page) terms(rows []string, width int) {
	head := cells(rows[0])
	for _, row := range rows[min(2, len(rows)):] {
		for i, cell := range cells(row) {
			switch {
			case i == 0:
				fmt.Fprintln(p.out, wrap(cell, "  ", width))
			case cell != "" && len(head) > 2 && i < len(head)-1:
				fmt.Fprintln(p.out, wrap(head[i]+": "+cell, "      ", width))
			case cell != "":
				fmt.Fprintln(p.out, wrap(cell, "      ", width))
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
