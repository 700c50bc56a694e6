package rules

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Code says what kind of refusal an error is; every door maps it to its own
// dialect once.
type Code string

// The codes an error can carry.
const (
	Invalid     Code = "invalid"     // the caller's input is wrong; the text tells how to mend it
	NotFound    Code = "not_found"   // no such thing, or not visible to the caller
	Conflict    Code = "conflict"    // the state of the thing does not allow the act
	Forbidden   Code = "forbidden"   // the caller may not do this
	Unavailable Code = "unavailable" // a source, store or daemon does not answer now
	Internal    Code = "internal"    // ours; the cause is in the log
)

// Error is an error meant for the caller: a code, the field it is about (empty
// when it is about no single one) and a sentence that tells the cure. A cure
// that doors word otherwise is a hint, which the sentence leaves out.
type Error struct {
	Code  Code
	Field string
	Text  string
	Hints []Hint
}

// Error returns the sentence, with the field in front.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

// Errorf makes an Error about no single field.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// FieldErrorf makes an Invalid error about one field.
func FieldErrorf(field, format string, args ...any) error {
	return &Error{Code: Invalid, Field: field, Text: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first Error in err's tree, Internal when
// there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Joined lists the errors that errors.Join put together in err, over all layers
// of joins and without the words of the layers above them; err alone when it is
// one error, whatever its causes are, and none for nil.
func Joined(err error) []error {
	if err == nil {
		return nil
	}
	var out []error
	for e := err; e != nil; e = errors.Unwrap(e) {
		if reflect.TypeOf(e) != joinType {
			continue
		}
		for _, part := range e.(interface{ Unwrap() []error }).Unwrap() { //nolint:errorlint // the layer itself is looked at
			out = append(out, Joined(part)...)
		}
		if len(out) == 1 && e != err { //nolint:errorlint // the layer itself is looked at
			break // what stands around a single one belongs to it
		}
		return out
	}
	return []error{err}
}

// joinType tells a join, whose parts are equals, from an error with several
// causes.
var joinType = reflect.TypeOf(errors.Join(errors.ErrUnsupported))

// Nearest returns those of known that are likely meant by name, the best
// first, at most three.
func Nearest(name string, known []string) []string {
	type match struct {
		name string
		far  int
	}
	var found []match
	for _, k := range known {
		far := distance(strings.ToLower(name), strings.ToLower(k))
		if far <= 1+len(name)/3 || (len(name) > 2 && strings.Contains(strings.ToLower(k), strings.ToLower(name))) {
			at := len(found)
			for at > 0 && found[at-1].far > far {
				at--
			}
			found = append(found[:at], append([]match{{k, far}}, found[at:]...)...)
		}
	}
	var out []string
	for _, m := range found[:min(3, len(found))] {
		out = append(out, m.name)
	}
	return out
}

// distance is the Levenshtein distance, with a swap of neighbours as one step.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := []int(nil), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, append([]int(nil), last...)
	}
	return last[len(y)]
}

// Sentence is what people are told of an error: the sentences of ours in it,
// or all of it when none is.
func Sentence(err error) string {
	var ours *Error
	if errors.As(err, &ours) {
		return ours.Error()
	}
	return err.Error()
}

// Quote is a value of a document as a refusal repeats it: a text in quotes and
// cut short, of a table or a list only that it is one.
func Quote(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) > 60 {
			v = strings.ToValidUTF8(v[:60], "") + "…"
		}
		return strconv.Quote(v)
	case float64:
		return FormatNumber(v)
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return fmt.Sprint(v)
}
