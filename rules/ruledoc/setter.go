package ruledoc

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// setter makes a set function out of a reader; null sets the zero value.
func setter[T, V any](at func(*T) *V, read func(any) (V, error)) func(*T, any) error {
	return func(t *T, v any) error {
		if v == nil {
			var zero V
			*at(t) = zero
			return nil
		}
		got, err := read(v)
		if err == nil {
			*at(t) = got
		}
		return err
	}
}

func text[T any](at func(*T) *string) func(*T, any) error           { return setter(at, asText) }
func flag[T any](at func(*T) *bool) func(*T, any) error             { return setter(at, asBool) }
func length[T any](at func(*T) *rules.Duration) func(*T, any) error { return setter(at, asDuration) }

// positive is a length that is none when it is zero: left out, it has a default.
func positive[T any](at func(*T) *rules.Duration) func(*T, any) error {
	return setter(at, func(v any) (rules.Duration, error) {
		d, err := asDuration(v)
		if err == nil && d == 0 {
			err = fmt.Errorf("must be longer than 0s; got %s", rules.Quote(v))
		}
		return d, err
	})
}

func value[T any](at func(*T) *rules.Value) func(*T, any) error   { return setter(at, asValue) }
func filter[T any](at func(*T) *rules.Filter) func(*T, any) error { return setter(at, asFilter) }
func texts[T any](at func(*T) *[]string) func(*T, any) error      { return setter(at, asList(asText)) }

func lengths[T any](at func(*T) *[]rules.Duration) func(*T, any) error {
	return setter(at, asDurations)
}

func operator[T any](at func(*T) *rules.Operator) func(*T, any) error { return setter(at, asOperator) }

func aggregation[T any](at func(*T) *rules.Aggregation) func(*T, any) error {
	return setter(at, asAggregation)
}

func severity[T any](at func(*T) *rules.Severity) func(*T, any) error {
	return oneOf(at, rules.Severities...)
}

func count[T any](at func(*T) *int) func(*T, any) error {
	return setter(at, func(v any) (int, error) {
		n, err := asNumber(v)
		if err != nil || n < 0 || n > 1_000_000 || n != math.Trunc(n) {
			return 0, fmt.Errorf("must be a whole number from 0 to 1000000; got %s", rules.Quote(v))
		}
		return int(n), nil
	})
}

func oneOf[T any, S ~string](at func(*T) *S, allowed ...string) func(*T, any) error {
	return setter(at, func(v any) (S, error) {
		s, err := asText(v)
		s = strings.ToLower(strings.TrimSpace(s))
		if err != nil || !slices.Contains(allowed, s) {
			return "", fmt.Errorf("must be one of %s; got %s", strings.Join(allowed, ", "), rules.Quote(v))
		}
		return S(s), nil
	})
}

// object reads a nested document into a fresh pointer.
func object[T, V any](at func(*T) **V, keys []key[V]) func(*T, any) error {
	return setter(at, func(v any) (*V, error) {
		doc, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("must be an object; got %s", rules.Quote(v))
		}
		out := new(V)
		return out, apply(out, doc, "", keys)
	})
}

// list reads a list of nested documents.
func list[T, V any](at func(*T) *[]V, keys []key[V]) func(*T, any) error {
	return setter(at, func(v any) ([]V, error) {
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
			if err := apply(&out[i], doc, "", keys); err != nil {
				errs = append(errs, prefixed(fmt.Sprintf("[%d]", i), err))
			}
		}
		return out, errors.Join(errs...)
	})
}

// prefixed puts a path in front of the field of every error of ours in err.
func prefixed(path string, err error) error { return at(path, "", err) }
