package ruledoc

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// value is how the value of a key is written, read and found.
type value[T any] struct {
	form    Form
	choices []string
	below   []Key
	set     func(*T, any) error // reads what a decoder brings; nil goes back to the default
	isSet   func(*T) bool       // reports whether there is one
}

// read is a value of one form; null and what is empty set the zero value.
func read[T, V any](form Form, at func(*T) *V, as func(any) (V, error)) value[T] {
	return value[T]{
		form: form,
		set: func(t *T, v any) error {
			var got V
			if v != nil {
				var err error
				if got, err = as(v); err != nil {
					return err
				}
			}
			*at(t) = got
			if empty(reflect.ValueOf(got)) {
				*at(t) = *new(V)
			}
			return nil
		},
		isSet: func(t *T) bool { return !reflect.ValueOf(at(t)).Elem().IsZero() },
	}
}

func empty(v reflect.Value) bool {
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

func text[T any](at func(*T) *string) value[T] { return read(TextForm, at, asText) }

func flag[T any](at func(*T) *bool) value[T] { return read(FlagForm, at, asBool) }

// flagOn is a flag that is on where nothing else is said.
func flagOn[T any](at func(*T) *bool) value[T] {
	out := flag(at)
	set := out.set
	out.set = func(t *T, v any) error {
		if v == nil {
			v = true
		}
		return set(t, v)
	}
	return out
}

func duration[T any](at func(*T) *rules.Duration) value[T] { return read(DurationForm, at, asDuration) }

// positive is a duration that is none when it is zero: left out, it has a default.
func positive[T any](at func(*T) *rules.Duration) value[T] {
	return read(DurationForm, at, func(v any) (rules.Duration, error) {
		d, err := asDuration(v)
		if err == nil && d == 0 {
			err = fmt.Errorf("must be longer than 0s; got %s", rules.Quote(v))
		}
		return d, err
	})
}

func durations[T any](at func(*T) *[]rules.Duration) value[T] {
	return read(DurationsForm, at, asDurations)
}

func limit[T any](at func(*T) *rules.Value) value[T] { return read(LimitForm, at, asValue) }

func filter[T any](at func(*T) *rules.Filter) value[T] { return read(FilterForm, at, asFilter) }

func labels[T any](at func(*T) *rules.Labels) value[T] { return read(LabelsForm, at, asLabels) }

func series[T any](at func(*T) *[]rules.Labels) value[T] {
	return read(SeriesForm, at, asList(asLabels))
}

func texts[T any](at func(*T) *[]string) value[T] { return read(TextsForm, at, asList(asText)) }

func operator[T any](at func(*T) *rules.Operator) value[T] {
	return read(ChoiceForm, at, asOperator).among(rules.Operators...)
}

func aggregation[T any](at func(*T) *rules.Aggregation) value[T] {
	return read(AggregationForm, at, asAggregation)
}

func count[T any](at func(*T) *int) value[T] {
	return read(CountForm, at, func(v any) (int, error) {
		n, err := asNumber(v)
		if err != nil || n < 0 || n > 1_000_000 || n != math.Trunc(n) {
			return 0, fmt.Errorf("must be a whole number from 0 to 1000000; got %s", rules.Quote(v))
		}
		return int(n), nil
	})
}

// distance is a number that is not negative.
func distance[T any](at func(*T) *float64) value[T] {
	return read(NumberForm, at, func(v any) (float64, error) {
		x, err := asNumber(v)
		if err != nil || x < 0 {
			return 0, fmt.Errorf("must be a number, 0 or above; got %s", rules.Quote(v))
		}
		return x, nil
	})
}

func choice[T any, S ~string](at func(*T) *S, allowed ...string) value[T] {
	return read(ChoiceForm, at, func(v any) (S, error) {
		s, err := asText(v)
		s = strings.ToLower(strings.TrimSpace(s))
		if err != nil || !slices.Contains(allowed, s) {
			return "", fmt.Errorf("must be one of %s; got %s", strings.Join(allowed, ", "), rules.Quote(v))
		}
		return S(s), nil
	}).among(allowed...)
}

func (v value[T]) among(choices ...string) value[T] {
	v.choices = choices
	return v
}

// table is a table of its own, which is read anew.
func table[T, V any](at func(*T) **V, keys []key[V]) value[T] {
	out := read(TableForm, at, func(v any) (*V, error) {
		doc, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("must be an object; got %s", rules.Quote(v))
		}
		t := new(V)
		return t, apply(t, doc, keys)
	})
	out.below = describe(keys)
	return out
}

// list is a list of tables.
func list[T, V any](at func(*T) *[]V, keys []key[V]) value[T] {
	out := read(ListForm, at, func(v any) ([]V, error) {
		items, ok := v.([]any)
		if !ok {
			items = []any{v}
		}
		out, errs := make([]V, len(items)), []error(nil)
		for i, item := range items {
			doc, ok := item.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("must be a list of objects; got %s", rules.Quote(item))
			}
			if err := apply(&out[i], doc, keys); err != nil {
				errs = append(errs, prefixed(fmt.Sprintf("[%d]", i), err))
			}
		}
		return out, errors.Join(errs...)
	})
	out.below = describe(keys)
	return out
}

// named is a table of tables, each with a name that people give.
func named[T, V any](at func(*T) *map[string]V, keys []key[V]) value[T] {
	out := read(NamedForm, at, func(v any) (map[string]V, error) {
		doc, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("must be an object of named inputs; got %s", rules.Quote(v))
		}
		out, errs := map[string]V{}, []error(nil)
		for _, name := range slices.Sorted(maps.Keys(doc)) {
			nested, ok := doc[name].(map[string]any)
			if !ok {
				return nil, fmt.Errorf("must be an object of named inputs; %s is %s", name, rules.Quote(doc[name]))
			}
			var one V
			if err := apply(&one, nested, keys); err != nil {
				errs = append(errs, prefixed(name, err))
			}
			out[name] = one
		}
		return out, errors.Join(errs...)
	})
	out.below = describe(keys)
	return out
}

// condition is read over the one that is there, unless its type is another.
func condition() value[rules.Rule] {
	return value[rules.Rule]{form: TableForm, below: describe(conditionKeys), set: func(r *rules.Rule, v any) error {
		doc, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("must be an object; got %s", rules.Quote(v))
		}
		if kind, err := asText(doc["type"]); err == nil && r.Condition.Type != "" &&
			!strings.EqualFold(strings.TrimSpace(kind), string(r.Condition.Type)) {
			r.Condition = rules.Condition{}
		}
		return apply(&r.Condition, doc, conditionKeys, ofRule)
	}}
}

func conditionType() value[rules.Condition] {
	var offered []string
	for _, kind := range Types {
		offered = append(offered, string(kind))
	}
	return choice(func(c *rules.Condition) *rules.ConditionType { return &c.Type }, offered...)
}

// every takes a duration or leaves a cron spec to whoever runs schedules.
func every(at func(*rules.Rule) *string) value[rules.Rule] { return read(EveryForm, at, asEvery) }

func asEvery(v any) (string, error) {
	s, err := asText(v)
	if err != nil {
		return "", fmt.Errorf("must be a duration or a cron spec; got %s", rules.Quote(v))
	}
	if d, err := rules.ParseDuration(s); err == nil {
		if d < rules.Second {
			return "", fmt.Errorf("must be 1s or longer; got %s", rules.Quote(v))
		}
		return d.String(), nil
	}
	fields := strings.Fields(s)
	if len(fields) == 2 && fields[0] == "@every" {
		return asEvery(fields[1])
	}
	if len(fields) != 5 && !(len(fields) == 1 && slices.Contains(cronWords, fields[0])) {
		return "", fmt.Errorf("must be a duration or a cron spec of five fields such as \"0 7 * * mon\"; got %s",
			rules.Quote(v))
	}
	return strings.Join(fields, " "), nil
}

// cronWords are the names that stand for a whole cron spec.
var cronWords = []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}

// prefixed puts a path in front of the field of every error of ours in err.
func prefixed(path string, err error) error { return at(path, "", err) }
