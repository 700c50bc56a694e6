package notify

import (
	"fmt"
	"io"
	"strings"
)

// The marks around data in the texts of a message. They are noncharacters, which
// no text that comes in can hold.
const dataStart, dataEnd = "\ufdd0", "\ufdd1"

var unmarked = strings.NewReplacer(dataStart, "", dataEnd, "")

// Marks are the characters that Data puts around a text.
const Marks = dataStart + dataEnd

// Data marks a text that came out of the data, such as the value of a tag, among
// the words of a rule's author and of tocsin: a Sender keeps it from becoming a
// link or a mention, and leaves the rest as it was written.
func Data(text string) string {
	if text = unmarked.Replace(text); text == "" {
		return ""
	}
	return dataStart + text + dataEnd
}

// Plain is a text of a message without the marks of data.
func Plain(text string) string { return unmarked.Replace(text) }

// Defuse is a text without marks in which change has rewritten what is data;
// before is all that stands in front of it.
func Defuse(text string, change func(before, data string) string) string {
	var out strings.Builder
	for {
		own, rest, found := strings.Cut(text, dataStart)
		out.WriteString(unmarked.Replace(own))
		if !found {
			return out.String()
		}
		var data string
		data, text, _ = strings.Cut(rest, dataEnd)
		out.WriteString(change(out.String(), data))
	}
}

// datum is data in a template: it compares and counts as the text that it is,
// and is marked where it is written.
type datum string

// Format writes the text as the verb says.
func (d datum) Format(f fmt.State, verb rune) {
	_, _ = io.WriteString(f, Data(fmt.Sprintf(fmt.FormatString(f, verb), string(d)))) // the template's writer tells
}
