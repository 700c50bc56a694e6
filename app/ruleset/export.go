package ruleset

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// Code is a rule as a file would have it: the keys that differ from their
// defaults, in their usual order, and nothing that tocsin itself keeps. It is
// written as JSON.
type Code struct {
	Name string

	keys ruledoc.Object
}

// MarshalJSON writes the keys in order.
func (c Code) MarshalJSON() ([]byte, error) { return c.keys.MarshalJSON() }

// Export returns the named rules as files would have them, or all by
// name.
func (p *Planner) Export(ctx context.Context, names []string) ([]Code, error) {
	list, _, err := p.app.Store.Rules(ctx, app.RuleFilter{})
	if len(names) > 0 && err == nil {
		list, err = p.named(ctx, names)
	}
	if err != nil {
		return nil, err
	}
	out := []Code{}
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
func (p *Planner) named(ctx context.Context, names []string) (list []rules.Rule, err error) {
	for _, name := range names {
		r, err := p.app.Rule(ctx, name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(other rules.Rule) bool { return other.ID == r.ID }) {
			list = append(list, r.Rule)
		}
	}
	return list, nil
}

// codeOf leaves out every key whose absence means the same.
func codeOf(r rules.Rule) (Code, error) {
	all, err := rulePairs(r)
	if err != nil {
		return Code{}, err
	}
	keys, err := trim(all, func(keys ruledoc.Object) bool { return saysRule(keys, r) })
	return Code{r.Name, keys}, err
}

// rulePairs lists the keys of a rule document, in their usual order.
func rulePairs(r rules.Rule) (ruledoc.Object, error) {
	whole, err := ruledoc.ObjectOf(r)
	if err != nil {
		return nil, err
	}
	var out ruledoc.Object
	for _, key := range ruledoc.Names() {
		if i := slices.IndexFunc(whole, func(p ruledoc.Pair) bool { return p.Key == key }); i >= 0 {
			out = append(out, whole[i])
		}
	}
	return out, nil
}

// saysRule reports whether a document of these keys is the rule.
func saysRule(keys ruledoc.Object, r rules.Rule) bool {
	text, err := keys.MarshalJSON()
	var doc rules.Doc
	if err != nil || json.Unmarshal(text, &doc) != nil {
		return false
	}
	got, err := ruledoc.Parse(doc)
	got.ID, got.Owner, got.Managed, got.Unchecked = r.ID, r.Owner, r.Managed, r.Unchecked
	got.Version, got.CreatedAt, got.UpdatedAt, got.JudgedSince, got.CreatedBy = r.Version, r.CreatedAt, r.UpdatedAt,
		r.JudgedSince, r.CreatedBy
	return err == nil && reflect.DeepEqual(got, r)
}

// spoken are keys that are written even where they could be guessed: the name
// is what a file and the house know the rule by.
var spoken = []string{"name", "type"}

// trim leaves out the keys without which good still holds, deep inside too.
func trim(keys ruledoc.Object, good func(ruledoc.Object) bool) (ruledoc.Object, error) {
	for i := 0; i < len(keys); {
		if slices.Contains(spoken, keys[i].Key) {
			i++
			continue
		}
		if without := slices.Delete(slices.Clone(keys), i, i+1); good(without) {
			keys = without
			continue
		}
		if keys[i].Value[0] == '{' {
			value, err := trimInside(keys, i, good)
			if err != nil {
				return nil, err
			}
			keys[i].Value = value
		}
		i++
	}
	return keys, nil
}

// trimInside trims the object that is the value of keys[i].
func trimInside(keys ruledoc.Object, i int, good func(ruledoc.Object) bool) (json.RawMessage, error) {
	inner, err := ruledoc.ObjectOf(keys[i].Value)
	if err != nil {
		return nil, err
	}
	inner, err = trim(inner, func(part ruledoc.Object) bool {
		value, err := part.MarshalJSON()
		with := slices.Clone(keys)
		with[i].Value = value
		return err == nil && good(with)
	})
	if err != nil {
		return nil, err
	}
	return inner.MarshalJSON()
}
