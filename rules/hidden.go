package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Replacement stands where something was taken out of a text.
const Replacement = "\uFFFD"

// Defuse puts replace, or nothing, in the place of everything in a text that
// could steer a terminal or deceive a reader: control characters, marks that
// turn the writing direction, what cannot be seen, and broken UTF-8. The
// characters of keep, such as a line break, stay. Every text that data or
// people brought goes through here before it is shown.
func Defuse(text, replace, keep string) string {
	if !hides(text) {
		return text
	}
	var b strings.Builder
	last, before := ' ', ' '
	for i, r := range text {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], Replacement) {
			size = 1 // broken
		}
		after, _ := utf8.DecodeRuneInString(text[min(len(text), i+max(size, 1)):])
		switch whole := size == utf8.RuneLen(r); {
		case whole && (!hidden(r) || strings.ContainsRune(keep, r)), joins(r, before, after) &&
			!(selector(r) && selector(last)):
			b.WriteRune(r)
		default:
			b.WriteString(replace)
		}
		if last = r; !selector(r) {
			before = r // an emoji with its selector is one
		}
	}
	return b.String()
}

// hides reports whether there is anything in a text to look at twice.
func hides(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, hidden)
}

// hidden reports whether a character does something else than be seen.
func hidden(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) { // signs before Arabic numbers, which are seen
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Bidi_Control,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}

// selector reports whether a character says how the emoji before it looks.
func selector(r rune) bool { return r == '\ufe0e' || r == '\ufe0f' }

// joins reports whether a joiner stands where writing needs it: within emoji,
// and between letters of the scripts that join them.
func joins(r, before, after rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	seen := func(r rune) bool { return r > 0xff && !hidden(r) && unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	if selector(r) {
		return seen(before) || strings.ContainsRune("0123456789#*©®", before)
	}
	return (r == joiner || r == nonJoiner) && seen(before) && seen(after)
}

// EscapeJSON writes what Defuse would take out of the texts of a JSON document
// as escapes, which mean the same and do nothing.
func EscapeJSON(document []byte) []byte {
	if !hides(strings.NewReplacer("\n", "", "\t", "", "\r", "").Replace(string(document))) {
		return document
	}
	var out []byte
	for _, r := range string(document) {
		switch {
		case r < ' ' || !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
