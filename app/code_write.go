package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// RuleCode is a rule as a file would have it: the keys that differ from their
// defaults, in their usual order, and nothing that tocsin itself keeps. It is
// written as JSON.
type RuleCode struct {
	Name string

	keys []pair
}

// MarshalJSON writes the keys in order.
func (c RuleCode) MarshalJSON() ([]byte, error) { return writePairs(c.keys) }

// ExportRules returns the named rules as files would have them, or all by
// name.
func (a *App) ExportRules(ctx context.Context, names []string) ([]RuleCode, error) {
	list, _, err := a.Store.Rules(ctx, RuleFilter{})
	if len(names) > 0 && err == nil {
		list, err = a.named(ctx, names)
	}
	if err != nil {
		return nil, err
	}
	out := []RuleCode{}
	for _, r := range list {
		code, err := codeOf(r)
		if err != nil {
			return nil, fmt.Errorf("export rule %s: %w", r.Name, err)
		}
		out = append(out, code)
	}
	return out, nil
}

// named returns rules in the order of their names, none twice.
func (a *App) named(ctx context.Context, names []string) (list []rules.Rule, err error) {
	for _, name := range names {
		r, err := a.find(ctx, name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(other rules.Rule) bool { return other.ID == r.ID }) {
			list = append(list, r)
		}
	}
	return list, nil
}

// codeOf leaves out every key whose absence means the same.
func codeOf(r rules.Rule) (RuleCode, error) {
	all, err := rulePairs(r)
	if err != nil {
		return RuleCode{}, err
	}
	keys, err := trim(all, func(keys []pair) bool { return saysRule(keys, r) })
	return RuleCode{r.Name, keys}, err
}

// rulePairs lists the keys of a rule document, in their usual order.
func rulePairs(r rules.Rule) ([]pair, error) {
	whole, err := pairsOf(r)
	if err != nil {
		return nil, err
	}
	var out []pair
	for _, key := range rules.RuleKeys() {
		if i := slices.IndexFunc(whole, func(p pair) bool { return p.key == key }); i >= 0 {
			out = append(out, whole[i])
		}
	}
	return out, nil
}

// saysRule reports whether a document of these keys is the rule.
func saysRule(keys []pair, r rules.Rule) bool {
	text, err := writePairs(keys)
	var doc rules.Doc
	if err != nil || json.Unmarshal(text, &doc) != nil {
		return false
	}
	got, err := rules.Parse(doc)
	got.ID, got.Owner, got.Managed, got.Unchecked = r.ID, r.Owner, r.Managed, r.Unchecked
	got.Version, got.CreatedAt, got.UpdatedAt, got.JudgedSince, got.CreatedBy = r.Version, r.CreatedAt, r.UpdatedAt, r.JudgedSince, r.CreatedBy
	return err == nil && reflect.DeepEqual(got, r)
}

// spoken are keys that are written even where they could be guessed: the name
// is what a file and the house know the rule by.
var spoken = []string{"name", "type"}

// trim leaves out the keys without which good still holds, deep inside too.
func trim(keys []pair, good func([]pair) bool) ([]pair, error) {
	for i := 0; i < len(keys); {
		if slices.Contains(spoken, keys[i].key) {
			i++
			continue
		}
		if without := slices.Delete(slices.Clone(keys), i, i+1); good(without) {
			keys = without
			continue
		}
		if keys[i].value[0] == '{' {
			value, err := trimInside(keys, i, good)
			if err != nil {
				return nil, err
			}
			keys[i].value = value
		}
		i++
	}
	return keys, nil
}

// trimInside trims the object that is the value of keys[i].
func trimInside(keys []pair, i int, good func([]pair) bool) (json.RawMessage, error) {
	inner, err := pairsOf(keys[i].value)
	if err != nil {
		return nil, err
	}
	inner, err = trim(inner, func(part []pair) bool {
		value, err := writePairs(part)
		with := slices.Clone(keys)
		with[i].value = value
		return err == nil && good(with)
	})
	if err != nil {
		return nil, err
	}
	return writePairs(inner)
}

// pair is a key of a JSON object with its value.
type pair struct {
	key   string
	value json.RawMessage
}

// pairsOf lists the keys of what is written as a JSON object, in the order
// they are written.
func pairsOf(v any) ([]pair, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(&text)
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out []pair
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		p := pair{key: fmt.Sprint(key)}
		if err := dec.Decode(&p.value); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func writePairs(keys []pair) ([]byte, error) {
	var b bytes.Buffer
	for i, p := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(p.key)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(p.value)
	}
	return append(append([]byte{'{'}, b.Bytes()...), '}'), nil
}
