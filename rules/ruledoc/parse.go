// Package ruledoc reads a rule as a person or a model writes it, in YAML, JSON or
// arguments, says what is wrong with it, and lists what can be written. What only
// a source or the config knows, such as whether a channel exists, is for others
// to check.
package ruledoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// Parse reads a whole rule and returns it with the defaults filled in. Its
// error joins one Error for each thing that is wrong with the document.
func Parse(doc rules.Doc) (rules.Rule, error) {
	r, err := Patch(rules.Rule{Enabled: true}, doc)
	if err != nil {
		return rules.Rule{}, err
	}
	return r, nil
}

// Patch returns r with the keys of doc put over it: a key with null goes back
// to its default, a condition is merged key by key. What tocsin itself keeps
// of a rule (its id, version, times) may stand in doc as it is in r, so that a
// printed rule can be edited and given back; a version that is not r's any more
// is a Conflict. The error is as Parse's, and covers the rule as a whole.
func Patch(r rules.Rule, doc rules.Doc) (rules.Rule, error) {
	doc, err := unseed(doc)
	if err = errors.Join(err, takeKept(r, doc)); err != nil {
		return r, err
	}
	r.Condition.Inputs = maps.Clone(r.Condition.Inputs)
	if err := apply(&r, doc, ruleKeys, ofCondition); err != nil {
		return r, err
	}
	fill(&r)
	return r, Check(r)
}

// Rewrite returns r as doc has it whole: a key that doc leaves out goes back to its
// default, but for the name. What tocsin itself keeps stays; the error is as Patch's.
func Rewrite(r rules.Rule, doc rules.Doc) (rules.Rule, error) {
	return Patch(rules.Rule{Name: r.Name, Enabled: true, Managed: r.Managed}.Succeeding(r), doc)
}

// unseed translates the names that the system which tocsin replaces has for keys.
func unseed(doc rules.Doc) (rules.Doc, error) {
	out, errs := maps.Clone(doc), []error(nil)
	for _, k := range ruleKeys {
		v, given := doc[k.was]
		if !given || k.was == "" {
			continue
		}
		delete(out, k.was)
		if _, both := doc[k.name]; both && k.name != "where" {
			errs = append(errs, rules.FieldErrorf(k.was, "is the same as %s; give only %s", k.name, k.name))
			continue
		}
		if k.turn != nil {
			var err error
			if v, err = k.turn(doc, v); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		out[k.name] = v
	}
	return out, errors.Join(errs...)
}

// minutes turns a number of them into a duration.
func minutes(_ rules.Doc, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	n, err := asNumber(v)
	if err != nil || n < 0 {
		return nil, rules.FieldErrorf("cooldown_minutes", "must be a number of minutes, 0 or more, such as 15; got %s",
			rules.Quote(v))
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + "m", nil
}

// withMonitor puts a monitor among the tags that a series must have.
func withMonitor(doc rules.Doc, v any) (any, error) {
	where, ok := doc["where"].(map[string]any)
	if given := doc["where"]; given != nil && !ok {
		return given, nil // to be refused as it is
	}
	merged := rules.Doc{"monitor_id": v}
	maps.Copy(merged, where)
	if other, both := where["monitor_id"]; both && fmt.Sprint(other) != fmt.Sprint(v) {
		return nil, rules.FieldErrorf("monitor_id", "is the same as where.monitor_id; give only one of them")
	}
	return merged, nil
}

// takeKept takes out of doc what tocsin itself keeps. For a rule that is stored it
// must be what that has.
func takeKept(r rules.Rule, doc rules.Doc) error {
	var mine rules.Doc
	if r.ID != "" {
		text, err := json.Marshal(r)
		if err = errors.Join(err, json.Unmarshal(text, &mine)); err != nil {
			return fmt.Errorf("print rule %s: %w", r.ID, err)
		}
	}
	var errs []error
	for _, k := range keptKeys {
		name := k.name
		v, given := doc[name]
		delete(doc, name)
		switch same := fmt.Sprint(v) == fmt.Sprint(mine[name]); {
		case !given || same || r.ID == "":
		case name == "version":
			errs = append(errs, &rules.Error{
				Code: rules.Conflict, Field: name,
				Text: fmt.Sprintf("is %d by now; got %s; read the rule again and repeat the change", r.Version, rules.Quote(v)),
			})
		default:
			errs = append(errs, rules.FieldErrorf(name, "cannot be set; leave it out"))
		}
	}
	return errors.Join(errs...)
}

// apply sets every key of doc on target and joins what is wrong with them.
func apply[T any](target *T, doc rules.Doc, keys []key[T], stray ...hint) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		i := slices.IndexFunc(keys, func(k key[T]) bool { return k.name == name && !k.kept })
		if i < 0 {
			errs = append(errs, unknownKey(name, keys, stray))
			continue
		}
		if err := keys[i].value.set(target, valueOf(name, doc[name])); err != nil {
			errs = append(errs, at(name, keys[i].example, err))
		}
	}
	return errors.Join(errs...)
}

// valueOf is what was given for a key: a null is a value only where a text may be
// compared with.
func valueOf(name string, v any) any {
	if _, null := v.(rules.Null); null && name != "value" {
		return nil
	}
	return v
}

// hint knows why a key may stand in a table that does not have it; nil where it
// does not.
type hint func(name string) error

func unknownKey[T any](name string, keys []key[T], stray []hint) error {
	for _, k := range keys {
		if slices.Contains(strings.Fields(k.alias), name) {
			return rules.FieldErrorf(name, "no such key; it is called %s here", k.name)
		}
	}
	for _, why := range stray {
		if err := why(name); err != nil {
			return err
		}
	}
	known := names(keys)
	if near := rules.Nearest(name, known); len(near) > 0 {
		return rules.FieldErrorf(name, "no such key; did you mean %s?", strings.Join(near, " or "))
	}
	return rules.FieldErrorf(name, "no such key; known: %s", strings.Join(known, ", "))
}

// ofCondition finds the keys of a condition that stand beside it.
func ofCondition(name string) error {
	if !slices.Contains(names(conditionKeys), name) {
		return nil
	}
	return rules.FieldErrorf(name, `no such key; it belongs into the condition: {"condition": {%q: ...}}`, name)
}

// ofRule finds what belongs to the rule around a condition, or to no condition.
func ofRule(name string) error {
	switch {
	case slices.Contains([]string{"low", "high", "min", "max", "lower", "upper"}, name):
		return rules.FieldErrorf(name, "no such key; a range is value [low, high] with operator between or outside")
	case slices.Contains(names(slices.Concat(whatKeys, whenKeys, whomKeys)), name):
		return rules.FieldErrorf(name, "is a key of the rule, not of its condition; give it beside the condition: "+
			"{\"condition\": {...}, %q: ...}", name)
	}
	return nil
}

// at puts the path and an example to an error of a set function; errors that
// already are ours come from deeper in and only get the path in front.
func at(path, example string, err error) error {
	if all := rules.Joined(err); len(all) > 1 {
		var errs []error
		for _, e := range all {
			errs = append(errs, at(path, example, e))
		}
		return errors.Join(errs...)
	}
	var ours *rules.Error
	if errors.As(err, &ours) {
		return &rules.Error{Code: ours.Code, Field: join(path, ours.Field), Text: ours.Text}
	}
	return rules.FieldErrorf(path, "%v; for example %s", err, example)
}

func join(path, field string) string {
	if field == "" || strings.HasPrefix(field, "[") {
		return path + field
	}
	return path + "." + field
}
