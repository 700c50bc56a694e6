package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/app/when"
	"github.com/9bikes/tocsin/rules"
)

// arguments are those of one call, by the names of the schema. Its readers
// repair obvious slips and collect what is wrong.
type arguments struct {
	given map[string]any
	errs  []error
	round mcp.MultiRoundTripParams // what the user answered to a question of the call
	deed
}

// read takes what the client sent: it refuses credentials and names that the
// tool does not know, and undoes the double encoding of nested arguments.
func (t *tool) read(sent any) (*arguments, error) {
	given, err := asObject(sent)
	if err != nil {
		return nil, err
	}
	if err := t.refuseCredentials(given); err != nil {
		return nil, err
	}
	a := &arguments{given: maps.Clone(given)}
	for was, is := range t.aliases {
		v, ok := a.given[was]
		if _, both := a.given[is]; !ok || both {
			continue
		}
		delete(a.given, was)
		a.given[is] = v
	}
	if err := t.refuseUnknown(a.given); err != nil {
		return nil, err
	}
	for _, p := range t.input {
		if encoded, ok := a.given[p.name].(string); ok && p.kind.nested() {
			a.given[p.name] = decoded(encoded)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.given)) {
		if holdsNUL(name) || holdsNUL(a.given[name]) {
			return nil, rules.FieldErrorf(cleaned(name, 60), "holds the character NUL, which no name and no text has")
		}
	}
	for _, name := range t.required {
		if v, ok := a.given[name]; !ok || v == nil || v == "" {
			a.errs = append(a.errs, rules.FieldErrorf(name, "is missing"))
		}
	}
	return a, a.err()
}

// holdsNUL reports whether a text in v holds what no query language can quote.
func holdsNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		return slices.ContainsFunc(v, holdsNUL)
	case map[string]any:
		for key, item := range v {
			if holdsNUL(key) || holdsNUL(item) {
				return true
			}
		}
	}
	return false
}

func asObject(sent any) (map[string]any, error) {
	if encoded, ok := sent.(string); ok {
		sent = decoded(encoded)
	}
	switch sent := sent.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return sent, nil
	}
	return nil, rules.Errorf(rules.Invalid, "the arguments must be one JSON object")
}

// decoded is the list or object that a text holds, else the text.
func decoded(encoded string) any {
	var v any
	if s := strings.TrimSpace(encoded); (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")) &&
		jsonrpc.CheckSize([]byte(s)) == nil && json.Unmarshal([]byte(s), &v) == nil {
		return v
	}
	return encoded
}

// refuseUnknown names the nearest argument for each one that does not exist.
func (t *tool) refuseUnknown(given map[string]any) error {
	known := t.names()
	repaired, errs := maps.Clone(given), []error(nil)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(known, name) || slices.Contains(t.accepted, name) {
			continue
		}
		near := rules.Nearest(name, known)
		inside := t.inside(name)
		delete(repaired, name)
		switch {
		case inside != "":
			errs = append(errs, rules.FieldErrorf(name, "is no argument of its own, it belongs into %s", inside))
			nest(repaired, inside, name, given[name])
		case len(near) > 0:
			errs = append(errs, rules.FieldErrorf(name, "no such argument; did you mean %s?", strings.Join(near, " or ")))
			if _, both := repaired[near[0]]; !both {
				repaired[near[0]] = given[name]
			}
		default:
			errs = append(errs, rules.FieldErrorf(cleaned(name, 60), "no such argument; known: %s", strings.Join(known, ", ")))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &correctable{errors.Join(errs...), repaired}
}

// correctable is a refusal that knows the call that was meant.
type correctable struct {
	error
	meant map[string]any
}

// Unwrap returns the refusal, which may be a join.
func (c *correctable) Unwrap() error { return c.error }

// inside returns the object argument that has a key of this name.
func (t *tool) inside(name string) string {
	for _, p := range t.input {
		if slices.ContainsFunc(p.keys, func(k property) bool { return k.name == name }) {
			return p.name
		}
	}
	if ofCondition(name) && slices.Contains(t.names(), "condition") {
		return "condition"
	}
	return ""
}

func nest(doc map[string]any, object, name string, v any) {
	nested, _ := doc[object].(map[string]any)
	if nested = maps.Clone(nested); nested == nil {
		nested = map[string]any{}
	}
	nested[name] = v
	doc[object] = nested
}

// err joins what the readers found wrong.
func (a *arguments) err() error { return errors.Join(a.errs...) }

func (a *arguments) wrong(name, format string, args ...any) {
	a.errs = append(a.errs, rules.FieldErrorf(name, format, args...))
}

// take removes an argument and returns it.
func (a *arguments) take(name string) any {
	v := a.given[name]
	delete(a.given, name)
	return v
}

func (a *arguments) text(name string) string {
	switch v := a.take(name).(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	case bool, float64:
		return fmt.Sprint(v)
	default:
		a.wrong(name, "must be text; got %s", shown(v))
		return ""
	}
}

func (a *arguments) choice(name string, allowed ...string) string {
	got := strings.ToLower(a.text(name))
	if got != "" && !slices.Contains(allowed, got) {
		hint := ""
		if near := rules.Nearest(got, allowed); len(near) > 0 {
			hint = fmt.Sprintf("; did you mean %q?", near[0])
		}
		a.wrong(name, "must be one of %s; got %s%s", strings.Join(allowed, ", "), shown(got), hint)
	}
	return got
}

// flag returns nil when the argument is not given.
func (a *arguments) flag(name string) *bool {
	v := a.take(name)
	if v == nil {
		return nil
	}
	switch strings.ToLower(fmt.Sprint(v)) {
	case "true", "yes", "1":
		return new(true)
	case "false", "no", "0":
		return new(false)
	}
	a.wrong(name, "must be true or false; got %s", shown(v))
	return nil
}

func (a *arguments) on(name string) bool {
	b := a.flag(name)
	return b != nil && *b
}

// whole returns otherwise when the argument is not given.
func (a *arguments) whole(name string, low, high, otherwise int) int {
	v := a.take(name)
	if v == nil {
		return otherwise
	}
	n, ok := v.(float64)
	if s, is := v.(string); is {
		parsed, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		n, ok = parsed, err == nil
	}
	if !ok || n != math.Trunc(n) || n < float64(low) || n > float64(high) {
		a.wrong(name, "must be a whole number from %d to %d; got %s", low, high, shown(v))
		return otherwise
	}
	return int(n)
}

func (a *arguments) texts(name string) []string {
	v := a.take(name)
	if v == nil {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	var out []string
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			a.wrong(name, "must be a list of texts; got %s", shown(item))
			return nil
		}
		out = append(out, s)
	}
	return out
}

// moment reads a time, or a duration that is counted from now in direction 1
// or -1.
func (a *arguments) moment(name string, now time.Time, direction int, zone *time.Location) time.Time {
	text := a.text(name)
	// As our own answers write it: a time, then in brackets how long ago.
	text, _, _ = strings.Cut(text, " (")
	text = strings.TrimSuffix(strings.TrimPrefix(text, "in "), " ago")
	if text == "" {
		return time.Time{}
	}
	if t, ok := when.Read(text, now, zone, direction); ok {
		return t
	}
	a.wrong(name, "must be a duration such as 2h or a time such as %s; got %s", now.In(zone).Format(time.RFC3339),
		shown(text))
	return time.Time{}
}

// shown is a value as an error may repeat it.
func shown(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return strconv.Quote(cleaned(fmt.Sprint(v), 60))
}
