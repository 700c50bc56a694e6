package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/9bikes/tocsin/rules"
)

// page is where an answer is printed, for people or as JSON.
type page struct {
	out    *sink
	err    io.Writer
	json   bool
	colour bool
	width  int // of the terminal that it is printed on, 0 for none
}

func (d *door) page(c *cobra.Command) page {
	p := page{out: &sink{Writer: c.OutOrStdout()}, err: c.ErrOrStderr(), json: d.json}
	p.colour = isTerminal(c.OutOrStdout()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if f, ok := c.OutOrStdout().(*os.File); ok {
		p.width, _, _ = term.GetSize(int(f.Fd())) // 0 of what is no terminal
	}
	return p
}

// isTerminal reports whether a stream is a terminal with a person before it.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sink remembers the first error of writing: an answer that a full disk cut
// short was not given.
type sink struct {
	io.Writer
	err error
}

// Write writes on and keeps the error.
func (s *sink) Write(text []byte) (int, error) {
	n, err := s.Writer.Write(text)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// answer prints subject as JSON, or lets people print it and then warns on
// standard error.
func (p page) answer(subject any, warnings []string, people func()) error {
	if p.json {
		if err := encoder(p.out).Encode(subject); err != nil {
			return fmt.Errorf("print the answer: %w", err)
		}
		return nil
	}
	people()
	if p.out.err != nil {
		return fmt.Errorf("print the answer: %w", p.out.err)
	}
	for _, w := range warnings {
		fmt.Fprintln(p.err, "warning:", clean(w))
	}
	return nil
}

func (p page) line(format string, args ...any) {
	fmt.Fprintln(p.out, clean(fmt.Sprintf(format, args...)))
}

// clean takes out what would let a tag value or a title drive the terminal.
func clean(text string) string { return rules.Defuse(text, rules.Replacement, "") }

// The colours, as terminals know them.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// colours has the words that are painted wherever a table shows them.
var colours = map[string]string{
	"firing": red, "critical": red, "failed": red, "failing": red, "down": red, "dead": red,
	"acknowledged": yellow, "pending": yellow, "high": yellow, "degraded": yellow, "held": yellow,
	"resolved": green, "ok": green, "delivered": green, "sent": green,
}

// paint colours a word that has a colour. "2 firing" has that of firing; an
// enumeration has none.
func (p page) paint(text string) string {
	code := colours[text[strings.LastIndexByte(text, ' ')+1:]]
	if !p.colour || code == "" || strings.Contains(text, ",") {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const gap = 2

// table prints rows aligned under their headings.
func (p page) table(headings []string, rows [][]string) {
	widths := make([]int, len(headings))
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			row[i] = clean(cell)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	p.fit(widths, headings)
	for n, row := range append([][]string{headings}, rows...) {
		var b strings.Builder
		for i, cell := range row {
			cell = cutTo(cell, widths[i])
			shown := cell
			if n > 0 {
				shown = p.paint(cell)
			}
			b.WriteString(shown)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
			}
		}
		fmt.Fprintln(p.out, strings.TrimRight(b.String(), " "))
	}
}

// fit makes the widest columns so narrow that no row wraps. The first is what
// people repeat in their next command, and stays; so do headings. What is not
// for a terminal is printed whole.
func (p page) fit(widths []int, headings []string) {
	for p.width > 0 {
		sum, widest := gap*(len(widths)-1), 0
		for i, w := range widths {
			sum += w
			if i > 0 && w > utf8.RuneCountInString(headings[i]) && (widest == 0 || w > widths[widest]) {
				widest = i
			}
		}
		if sum <= p.width || widest == 0 {
			return
		}
		widths[widest]--
	}
}

func cutTo(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// facts prints names and values in two columns; empty values are left out.
func (p page) facts(pairs [][2]string) {
	width := 0
	for _, pair := range pairs {
		width = max(width, len(pair[0]))
	}
	for _, pair := range pairs {
		if pair[1] != "" {
			fmt.Fprintf(p.out, "%-*s  %s\n", width, pair[0], p.paint(clean(pair[1])))
		}
	}
}

// ago says a time as people do: "12 min ago", "in 2 h".
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + rules.Roughly(-d)
	}
	if d < time.Second {
		return "now"
	}
	return rules.Roughly(d) + " ago"
}

// short is an id cut to what tells a few thousand apart.
func short(id string) string { return id[:min(len(id), 9)] }

// stamp says a time exactly, in the zone of the config or of the machine.
func stamp(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// zone is the one that times are said in.
func (c *call) zone() *time.Location { return c.Config.Location() }

func value(x *float64, text string) string {
	switch {
	case text != "":
		return text
	case x == nil:
		return "-"
	}
	return rules.FormatNumber(*x)
}

// lineWidth is how many letters a line of a text has: more than a hundred are
// hard to read.
func (p page) lineWidth() int {
	if p.width <= 0 {
		return 80
	}
	return min(p.width, 100)
}
