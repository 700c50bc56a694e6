package rules

import (
	"bytes"
	"unicode/utf8"
)

// mark is what some editors write before a text that is UTF-8.
var mark = []byte("\ufeff")

// PlainText is a text that a person brought, without the mark that an editor wrote
// before it. It refuses UTF-16 and what is no text, with the cure; its errors quote
// nothing, since a text may be a secret.
func PlainText(text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, mark)
	zeros := bytes.Count(text, []byte{0})
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}), zeros > len(text)/4:
		return nil, Errorf(Invalid, "is written in UTF-16; save it as UTF-8, in Notepad at Save as, Encoding")
	case zeros > 0:
		return nil, Errorf(Invalid, "line %d: holds a NUL byte, which no text has; is it the right file?",
			lineOf(text, bytes.IndexByte(text, 0)))
	case !utf8.Valid(text):
		return nil, Errorf(Invalid, "line %d: is not UTF-8; save the file as UTF-8", lineOf(text, firstBroken(text)))
	}
	return text, nil
}

func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// firstBroken is where a text that is not valid is broken.
func firstBroken(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
	return len(text)
}
