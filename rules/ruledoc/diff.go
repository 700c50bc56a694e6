package ruledoc

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// Diff lists the keys in which two versions of a rule differ, in their usual
// order, and never nil.
func Diff(was, is rules.Rule) ([]rules.KeyChange, error) {
	before, err := flatKeys(was)
	if err != nil {
		return nil, fmt.Errorf("print rule %s: %w", was.Name, err)
	}
	after, err := flatKeys(is)
	if err != nil {
		return nil, fmt.Errorf("print rule %s: %w", is.Name, err)
	}
	out := []rules.KeyChange{}
	for _, key := range union(before, after) {
		from, to := before.value(key), after.value(key)
		if !bytes.Equal(from, to) {
			out = append(out, rules.KeyChange{Key: key, From: from, To: to})
		}
	}
	return out, nil
}

// union lists the keys of both, those of a missing neighbour in its place.
func union(a, b Object) []string {
	var out []string
	for _, p := range a {
		out = append(out, p.Key)
	}
	at := 0
	for _, p := range b {
		if i := slices.Index(out, p.Key); i >= 0 {
			at = i + 1
			continue
		}
		out = slices.Insert(out, at, p.Key)
		at++
	}
	return out
}

// flatKeys are those of a rule that people set, those of the condition one by
// one.
func flatKeys(r rules.Rule) (out Object, err error) {
	whole, err := ObjectOf(r)
	if err != nil {
		return nil, err
	}
	for _, key := range append(Names(), "managed") {
		value := whole.value(key)
		switch {
		case value == nil:
		case key != "condition":
			out = append(out, Pair{key, value})
		default:
			inner, err := ObjectOf(value)
			if err != nil {
				return nil, err
			}
			for _, p := range inner {
				out = append(out, Pair{"condition." + p.Key, p.Value})
			}
		}
	}
	return out, nil
}
