package jsonrpc

import "fmt"

// The bounds of a JSON text.
const (
	maxDepth  = 64
	maxValues = 100_000
)

// CheckSize refuses JSON that is nested too deep or holds too much to be taken
// apart: each value costs some dozens of bytes, however short it is written. It
// does not look whether it is JSON.
func CheckSize(text []byte) error {
	open, marks, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			open++
			marks++
		case c == ']' || c == '}':
			open--
		case c == ',':
			marks++
		}
		if open > maxDepth {
			return fmt.Errorf("the JSON is nested deeper than %d levels", maxDepth)
		}
		if marks > maxValues {
			return fmt.Errorf("the JSON holds more than %d values", maxValues)
		}
	}
	return nil
}
