package rules_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/9bikes/tocsin/rules"
)

// TestNothingHiddenIsShown: every character that turns the direction, cannot be
// seen or steers a terminal.
func TestNothingHiddenIsShown(t *testing.T) {
	var hidden []rune
	for r := range rune(unicode.MaxRune + 1) {
		if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point) ||
			unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
			hidden = append(hidden, r)
		}
	}
	hidden = append(hidden, '\u2028', '\u2029', '\ufffe', '\uffff')
	for _, r := range hidden {
		text := "a" + string(r) + "b"
		if got := rules.Defuse(text, "", ""); got != "ab" {
			t.Errorf("%U: %+q", r, got)
		}
		if r < ' ' { // which every encoder of JSON escapes
			continue
		}
		document := rules.EscapeJSON([]byte(`{"a":"` + text + `"}`))
		var back map[string]string
		if strings.ContainsRune(string(document), r) || json.Unmarshal(document, &back) != nil || back["a"] != text {
			t.Errorf("%U as JSON: %+q, %q", r, document, back)
		}
	}
	for _, r := range []rune{
		'\u202a', '\u202b', '\u202c', '\u202d', '\u202e', '\u2066', '\u2067', '\u2068', '\u2069',
		'\u200e', '\u200f', '\u061c', '\u200b', '\u2060', '\ufeff', '\u00ad', '\u3164', '\U000e0041', 0x1b, 0x7f, 0x9b,
	} {
		if !strings.ContainsRune(string(hidden), r) {
			t.Errorf("%U is not looked at", r)
		}
	}
}

func TestWhatIsSeenStays(t *testing.T) {
	for _, tt := range []struct{ text, keep, want string }{
		{
			"Freezer, 21 °C, größer, 冷蔵庫, ثلاجة, 🥶", "",
			"Freezer, 21 °C, größer, 冷蔵庫, ثلاجة, 🥶",
		},
		{"❤\ufe0f 👨\u200d👩\u200d👧", "", "❤\ufe0f 👨\u200d👩\u200d👧"},
		{"1\ufe0f\u20e3 a\ufe0f ❤\ufe0f\ufe0f\U000e0101", "", "1\ufe0f\u20e3 a\uFFFD ❤\ufe0f\uFFFD\uFFFD"},
		{"می\u200cخواهم", "", "می\u200cخواهم"},
		{"ÿ\u200dÿ Ā\u200dĀ", "", "ÿ\uFFFDÿ Ā\u200dĀ"}, // Latin-1 joins nothing
		{"pay\u200dpal pay\u200cpal \u200d", "", "pay\uFFFDpal pay\uFFFDpal \uFFFD"},
		{"two\nlines\tand \x1b[31mred", "\n\t", "two\nlines\tand \uFFFD[31mred"},
		{"two\nlines", "", "two\uFFFDlines"},
		{"broken \xff\xfe UTF-8 \uFFFD", "", "broken \uFFFD\uFFFD UTF-8 \uFFFD"},
		{"\u0600\u0661", "", "\u0600\u0661"},
	} {
		if got := rules.Defuse(tt.text, rules.Replacement, tt.keep); got != tt.want {
			t.Errorf("%+q: %+q, want %+q", tt.text, got, tt.want)
		}
	}
	plain := []byte(fmt.Sprintf("{\n  %q: 1\n}", "größer"))
	if got := rules.EscapeJSON(plain); string(got) != string(plain) {
		t.Errorf("a plain document became %s", got)
	}
}
