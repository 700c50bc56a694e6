package rules_test

import (
	"testing"
	"unicode/utf16"

	"github.com/9bikes/tocsin/rules"
)

func TestPlainText(t *testing.T) {
	wide := func(text string) (out string) {
		for _, c := range utf16.Encode([]rune(text)) {
			out += string([]byte{byte(c), byte(c >> 8)})
		}
		return out
	}
	const utf16Cure = "is written in UTF-16; save it as UTF-8, in Notepad at Save as, Encoding"
	for text, want := range map[string]struct{ text, err string }{
		"a: é\r\n":              {"a: é\r\n", ""},
		"\ufeffa: 1":            {"a: 1", ""},
		"\ufeff":                {"", ""},
		"":                      {"", ""},
		"\xff\xfe" + wide("a:"): {"", utf16Cure},
		"\xfe\xff\x00a\x00:":    {"", utf16Cure},
		wide("a: 1\n"):          {"", utf16Cure},
		"a\nb\nlonger: \x00":    {"", "line 3: holds a NUL byte, which no text has; is it the right file?"},
		"a\nb: caf\xe9":         {"", "line 2: is not UTF-8; save the file as UTF-8"},
	} {
		got, err := rules.PlainText([]byte(text))
		if string(got) != want.text || (err == nil) != (want.err == "") || err != nil && err.Error() != want.err {
			t.Errorf("%q = %q, %v; want %+v", text, got, err, want)
		}
	}
}
