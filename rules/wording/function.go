package wording

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template"
)

// functions replace those of the library that people stumble over: numbers
// compare whatever their kind, and a verb that does not fit is an error and not
// a text.
var functions = template.FuncMap{
	"printf": printf,
	"eq":     equal,
	"ne":     func(a, b any) (bool, error) { same, err := equal(a, b); return !same, err },
	"lt":     ordered(func(c int) bool { return c < 0 }),
	"le":     ordered(func(c int) bool { return c <= 0 }),
	"gt":     ordered(func(c int) bool { return c > 0 }),
	"ge":     ordered(func(c int) bool { return c >= 0 }),
}

// wide matches a width that would make a printf write for long.
var wide = regexp.MustCompile(`%[^%a-zA-Z]*([0-9]{3}|\*)`)

// misfit is how the library writes an argument that its verb does not take.
var misfit = regexp.MustCompile(`%!(.?\(|\()`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("printf takes widths up to 99")
	}
	shown := make([]any, len(args))
	for i, arg := range args {
		if shown[i] = arg; arg == nil {
			shown[i] = nothing{}
		}
	}
	text := fmt.Sprintf(format, shown...)
	if misfit.MatchString(text) && !misfit.MatchString(fmt.Sprint(args...)) {
		return "", fmt.Errorf("printf %q does not fit what it is given", format)
	}
	return text, nil
}

// nothing is what is not known, for every verb.
type nothing struct{}

// Format writes a question mark.
func (nothing) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("?")) }

func equal(a any, others ...any) (bool, error) {
	if len(others) == 0 {
		return false, errors.New("eq takes two or more")
	}
	for _, b := range others {
		if a == nil || b == nil {
			continue
		}
		c, err := compare(a, b)
		if err != nil || c == 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// ordered is a comparison that is false where one side is not known.
func ordered(holds func(int) bool) func(a, b any) (bool, error) {
	return func(a, b any) (bool, error) {
		if a == nil || b == nil {
			return false, nil
		}
		c, err := compare(a, b)
		return err == nil && holds(c), err
	}
}

func compare(a, b any) (int, error) {
	x, numeric := number(a)
	y, numericToo := number(b)
	switch v, w := reflect.ValueOf(a), reflect.ValueOf(b); {
	case numeric && numericToo:
		return cmp.Compare(x, y), nil
	case v.Kind() == reflect.String && w.Kind() == reflect.String:
		return strings.Compare(v.String(), w.String()), nil
	case v.Kind() == reflect.Bool && w.Kind() == reflect.Bool && v.Bool() == w.Bool():
		return 0, nil
	case v.Kind() == reflect.Bool && w.Kind() == reflect.Bool:
		return 1, nil
	}
	return 0, fmt.Errorf("%s cannot be compared with %s", kind(a), kind(b))
}

func number(v any) (float64, bool) {
	switch r := reflect.ValueOf(v); {
	case r.CanFloat():
		return r.Float(), true
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	}
	return 0, false
}

// kind names what a value is.
func kind(v any) string {
	if _, ok := number(v); ok {
		return "a number"
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	}
	return "a list"
}
