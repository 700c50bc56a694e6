package document

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/9bikes/tocsin/rules"
)

// ScalarOf returns the text of a value that is no list and no table.
func ScalarOf(n *Node) (string, error) {
	if n.Form != FormScalar {
		return "", errors.New("must be one value, not a list or a table")
	}
	return strings.TrimSpace(n.Text), nil
}

// Quoted shows a value in an error. With spaces in it, it may be lines that
// the YAML parser ran together, a secret among them.
func Quoted(text string) string {
	if text == "" || len(text) > 60 || strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	}) {
		return "something else"
	}
	return strconv.Quote(text)
}

// Plainly is a value that a function reads, and that is shown as it prints.
func Plainly[T, V any](at func(*T) *V, read Read[T]) Value[T] {
	return Value[T]{Read: read, Show: func(t *T, path string, each Each) {
		if v := reflect.ValueOf(at(t)).Elem(); !v.IsZero() {
			each(path, fmt.Sprint(v.Interface()))
		}
	}}
}

// Parsed is one value that a function makes of a text.
func Parsed[T, V any](at func(*T) *V, parse func(string) (V, error)) Value[T] {
	return Plainly(at, func(_ *Faults, n *Node, _ string, t *T) error {
		text, err := ScalarOf(n)
		if err != nil {
			return err
		}
		v, err := parse(text)
		if err == nil {
			*at(t) = v
		}
		return err
	})
}

// In says what is written.
func (v Value[T]) In(unit string) Value[T] {
	v.Unit = unit
	return v
}

// Text is a text that a function checks.
func Text[T any](at func(*T) *string, check func(string) error) Value[T] {
	return Parsed(at, func(text string) (string, error) { return text, check(text) }).In("text")
}

// Choice is one of some texts.
func Choice[T any](at func(*T) *string, allowed ...string) Value[T] {
	return Text(at, OneOf(allowed...)).In("`" + strings.Join(allowed, "`, `") + "`")
}

// Duration is a duration within bounds.
func Duration[T any](at func(*T) *rules.Duration, least, most rules.Duration) Value[T] {
	return Parsed(at, func(text string) (rules.Duration, error) {
		d, err := rules.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("must be a duration with a unit, such as 30s, 5m or 2h; got %s", Quoted(text))
		}
		if d < least || d > most {
			return 0, fmt.Errorf("must be between %s and %s; got %s", least, most, d)
		}
		return d, nil
	}).In(fmt.Sprintf("duration, %s to %s", least, most))
}

// Flag is true or false.
func Flag[T any](at func(*T) *bool) Value[T] {
	return Parsed(at, func(text string) (bool, error) {
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return false, fmt.Errorf("must be true or false; got %s", Quoted(text))
	}).In("`true` or `false`")
}

// Texts is a list of texts that a function checks.
func Texts[T any](at func(*T) *[]string, check func(string) error) Value[T] {
	return Value[T]{
		Unit: "list",
		Read: func(_ *Faults, n *Node, _ string, t *T) (err error) {
			*at(t), err = ListOf(n, check)
			return err
		},
		Show: func(t *T, path string, each Each) { each.List(path, *at(t)) },
	}
}

// List tells a list, if anything is in it.
func (each Each) List(path string, names []string) {
	if len(names) > 0 {
		each(path, strings.Join(names, ", "))
	}
}

// Table is a table of its own below a key. What at returns is shown; nil is none.
func Table[T, V any](at func(*T) *V, keys []Key[V], read Read[T]) Value[T] {
	return Value[T]{
		Unit: "table", Read: read, Below: Describe(keys),
		Show: func(t *T, path string, each Each) {
			if v := at(t); v != nil {
				Show(keys, v, path, each)
			}
		},
	}
}

// Tables is a table of tables, each with a name that people gave.
func Tables[T, V any](at func(*T) map[string]V, keys []Key[V], read Read[T]) Value[T] {
	var below []Entry
	for _, e := range Describe(keys) {
		e.Path = Below("NAME", e.Path)
		below = append(below, e)
	}
	return Value[T]{
		Unit: "table of names", Read: read, Below: below,
		Show: func(t *T, path string, each Each) {
			names := slices.Sorted(maps.Keys(at(t)))
			each.List(path, names)
			for _, name := range names {
				v := at(t)[name]
				Show(keys, &v, Below(path, name), each)
			}
		},
	}
}

// ListOf reads a list of texts. One text with commas is a list too: that is how
// an environment variable gives one.
func ListOf(n *Node, check func(string) error) ([]string, error) {
	if n.Form == FormTable {
		return nil, errors.New("must be a list of names")
	}
	items := n.List
	if n.Form == FormScalar {
		for part := range strings.SplitSeq(n.Text, ",") {
			items = append(items, &Node{Form: FormScalar, Text: part})
		}
	}
	out := []string{}
	for _, item := range items {
		text, err := ScalarOf(item)
		if err != nil {
			return nil, errors.New("must be a list of names")
		}
		if err := check(text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// AnyText takes every text on one line.
func AnyText(text string) error {
	if text == "" || strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("must be text on one line")
	}
	return nil
}

// OneOf takes one of some texts.
func OneOf(allowed ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(allowed, text) {
			return fmt.Errorf("must be one of %s; got %s", strings.Join(allowed, ", "), Quoted(text))
		}
		return nil
	}
}
