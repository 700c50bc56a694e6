package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestATableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{0, 40, 80} {
		var out bytes.Buffer
		p := page{out: &sink{Writer: &out}, width: width}
		title := strings.Repeat("Größe ", 12)
		p.table([]string{"ID", "TITLE", "SERIES"}, [][]string{{"a123456789", title, strings.Repeat("s", 30)}})
		text := out.String()
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); width > 0 && n > width {
				t.Errorf("at %d a line is %d wide: %s", width, n, line)
			}
		}
		if !strings.Contains(text, "a123456789") || strings.Contains(text, title[:70]) != (width == 0) {
			t.Errorf("at %d:\n%s", width, text)
		}
	}
}
