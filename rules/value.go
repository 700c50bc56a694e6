package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Operator compares a measured value with the one of a condition.
type Operator string

// The operators. Between and Outside take a range and include its ends.
const (
	Above   Operator = ">"
	AtLeast Operator = ">="
	Below   Operator = "<"
	AtMost  Operator = "<="
	Equal   Operator = "=="
	Unequal Operator = "!="
	Between Operator = "between"
	Outside Operator = "outside"
)

// Operators lists them all, as they are written.
var Operators = []string{">", ">=", "<", "<=", "==", "!=", "between", "outside"}

// Value is what a condition compares with: a number, a text, or for between
// and outside a range. The zero Value is none at all. A number that was written
// as a text, such as "01", has that too: a field of text is compared with it.
type Value struct {
	Kind      ValueKind
	Low, High float64 // a number is in Low
	Text      string
}

// ValueKind tells the forms of a Value apart.
type ValueKind uint8

// The forms of a Value.
const (
	NoValue ValueKind = iota
	Number
	Text
	Range
)

// Num makes a number Value.
func Num(n float64) Value { return Value{Kind: Number, Low: n} }

// IsZero reports whether v is no value at all.
func (v Value) IsZero() bool { return v.Kind == NoValue }

// String writes v as a person would: 12.5, "open", 10 and 20.
func (v Value) String() string {
	switch v.Kind {
	case Number:
		if v.Text != "" && v.Text != FormatNumber(v.Low) {
			return strconv.Quote(v.Text)
		}
		return FormatNumber(v.Low)
	case Text:
		return strconv.Quote(v.Text)
	case Range:
		return FormatNumber(v.Low) + " and " + FormatNumber(v.High)
	}
	return ""
}

// Holds reports whether x stands in relation o to v. Outside means below the
// low end or above the high one. NaN holds in no relation, and a number equals
// no text.
func (o Operator) Holds(x float64, v Value) bool {
	if v.Kind == Text {
		return o == Unequal && !math.IsNaN(x)
	}
	switch o {
	case Above:
		return x > v.Low
	case AtLeast:
		return x >= v.Low
	case Below:
		return x < v.Low
	case AtMost:
		return x <= v.Low
	case Equal:
		return x == v.Low
	case Unequal:
		return x != v.Low && !math.IsNaN(x)
	case Between:
		return x >= v.Low && x <= v.High
	case Outside:
		return x < v.Low || x > v.High
	}
	return false
}

// AsText is a value to compare text with: as it was written, where that is known.
func (v Value) AsText() Value {
	if v.Kind == Number {
		return Value{Kind: Text, Text: cmp.Or(v.Text, FormatNumber(v.Low))}
	}
	return v
}

// AsNumber is a value to compare numbers with, however it was written.
func (v Value) AsNumber() Value {
	if v.Kind == Number {
		v.Text = ""
	}
	return v
}

// HoldsText is Holds for text, which knows only == and !=. A text that is the
// number of v equals it, unless v was written as another text.
func (o Operator) HoldsText(x string, v Value) bool {
	same := x == v.Text
	if v.Kind == Number && v.Text == "" {
		n, err := strconv.ParseFloat(x, 64)
		same = err == nil && n == v.Low
	}
	return o == Equal && same || o == Unequal && !same
}

// MarshalJSON writes a number, a string or a pair.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Kind {
	case Number:
		if v.Text != "" && v.Text != FormatNumber(v.Low) {
			return json.Marshal(v.Text)
		}
		return json.Marshal(v.Low)
	case Text:
		return json.Marshal(v.Text)
	case Range:
		return json.Marshal([]float64{v.Low, v.High})
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Value) UnmarshalJSON(data []byte) error {
	var got any
	if err := json.Unmarshal(data, &got); err != nil {
		return err
	}
	switch got := got.(type) {
	case nil:
		*v = Value{}
	case string:
		*v = ParseValue(got)
	case float64:
		*v = Num(got)
	default:
		var ends [2]float64
		if err := json.Unmarshal(data, &ends); err != nil {
			return err
		}
		*v = Value{Kind: Range, Low: ends[0], High: ends[1]}
	}
	return nil
}

// ParseValue reads a text. One that is a number, and true and false, are both: what
// the field holds decides.
func ParseValue(text string) Value {
	if n, err := ParseNumber(text); err == nil {
		return Value{Kind: Number, Low: n, Text: text}
	}
	switch {
	case strings.EqualFold(text, "true"):
		return Value{Kind: Number, Low: 1, Text: text}
	case strings.EqualFold(text, "false"):
		return Value{Kind: Number, Text: text}
	}
	return Value{Kind: Text, Text: text}
}

// ParseNumber reads a number as YAML and JSON write them: 010 is ten, 0x1F and
// 1_000 are numbers too, what is not finite is none.
func ParseNumber(text string) (float64, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		whole, wrong := strconv.ParseInt(text, 0, 64)
		n, err = float64(whole), wrong
	}
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}

// FormatNumber writes x with at most six significant digits and no exponent
// where a person would use none.
func FormatNumber(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprint(x)
	}
	if a := math.Abs(x); a < 1e-6 || a >= 1e15 {
		return strconv.FormatFloat(x, 'g', 6, 64)
	}
	if x == math.Trunc(x) {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	if err != nil {
		return fmt.Sprint(x)
	}
	return strconv.FormatFloat(short, 'f', -1, 64)
}
