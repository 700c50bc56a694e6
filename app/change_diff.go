package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// KeyChange is a key of a rule whose value became another. A value that is
// left out is the key's default; keys inside the condition are dotted.
type KeyChange struct {
	Key  string          `json:"key"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// DiffRules lists the keys in which two versions of a rule differ, in their
// usual order, and never nil.
func DiffRules(was, is rules.Rule) ([]KeyChange, error) {
	return diffKeys(was, is, append(rules.RuleKeys(), "managed"))
}

// diffKeys is DiffRules for some keys.
func diffKeys(was, is rules.Rule, keys []string) ([]KeyChange, error) {
	before, err := flatPairs(was, keys)
	if err != nil {
		return nil, fmt.Errorf("print rule %s: %w", was.Name, err)
	}
	after, err := flatPairs(is, keys)
	if err != nil {
		return nil, fmt.Errorf("print rule %s: %w", is.Name, err)
	}
	out := []KeyChange{}
	for _, p := range union(before, after) {
		from, to := valueOf(before, p), valueOf(after, p)
		if !bytes.Equal(from, to) {
			out = append(out, KeyChange{p, from, to})
		}
	}
	return out, nil
}

// union lists the keys of both, those of a missing neighbour in its place.
func union(a, b []pair) []string {
	var out []string
	for _, p := range a {
		out = append(out, p.key)
	}
	at := 0
	for _, p := range b {
		if i := slices.Index(out, p.key); i >= 0 {
			at = i + 1
			continue
		}
		out = slices.Insert(out, at, p.key)
		at++
	}
	return out
}

func valueOf(list []pair, key string) json.RawMessage {
	if i := slices.IndexFunc(list, func(p pair) bool { return p.key == key }); i >= 0 {
		return list[i].value
	}
	return nil
}

// flatPairs lists keys of a rule, those of the condition one by one.
func flatPairs(r rules.Rule, keys []string) (out []pair, err error) {
	whole, err := pairsOf(r)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		value := valueOf(whole, key)
		switch {
		case value == nil:
		case key != "condition":
			out = append(out, pair{key, value})
		default:
			inner, err := pairsOf(value)
			if err != nil {
				return nil, err
			}
			for _, p := range inner {
				out = append(out, pair{"condition." + p.key, p.value})
			}
		}
	}
	return out, nil
}
