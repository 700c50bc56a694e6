package ruledoc

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// The readers below take what JSON and YAML decoders bring, and repair the
// obvious slips: "5" for 5, "a" for ["a"], "5 minutes" for 5m.

func asText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case rules.Null:
		return string(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool, int, int64, uint64, json.Number:
		return fmt.Sprint(v), nil
	}
	return "", fmt.Errorf("must be text; got %s", rules.Quote(v))
}

func asNumber(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("must be a number; got %v", v)
		}
		return v, nil
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case json.Number:
		return asNumber(string(v))
	case string:
		n, err := rules.ParseNumber(v)
		if err != nil {
			return 0, fmt.Errorf("must be a number; got %s", rules.Quote(v))
		}
		return n, nil
	}
	return 0, fmt.Errorf("must be a number; got %s", rules.Quote(v))
}

func asBool(v any) (bool, error) {
	switch s := strings.ToLower(strings.TrimSpace(fmt.Sprint(v))); s {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false; got %s", rules.Quote(v))
}

func asDuration(v any) (rules.Duration, error) {
	if n, err := asNumber(v); err == nil && n != 0 {
		return 0, fmt.Errorf("must be a duration with a unit such as %[1]ss or %[1]sm; got %[2]s",
			rules.FormatNumber(n), rules.Quote(v))
	}
	s, err := asText(v)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 30s, 5m, 2h or 1d; got %s", rules.Quote(v))
	}
	d, err := rules.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 30s, 5m, 2h or 1d; got %s", rules.Quote(v))
	}
	return d, nil
}

func asList[V any](read func(any) (V, error)) func(any) ([]V, error) {
	return func(v any) ([]V, error) {
		items, ok := v.([]any)
		if texts, is := v.([]string); is {
			for _, s := range texts {
				items = append(items, s)
			}
		} else if !ok {
			items = []any{v}
		}
		out := make([]V, 0, len(items))
		for _, item := range items {
			got, err := read(item)
			if err != nil {
				return nil, err
			}
			out = append(out, got)
		}
		return out, nil
	}
}

// asDurations reads a list of durations, also as one text with commas.
func asDurations(v any) ([]rules.Duration, error) {
	if text, ok := v.(string); ok {
		v = strings.Split(text, ",")
	}
	return asList(asDuration)(v)
}

func asLabels(v any) (rules.Labels, error) {
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must be an object of names and values; got %s", rules.Quote(v))
	}
	out := rules.Labels{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		s, err := asText(doc[name])
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		out[name] = s
	}
	return out, nil
}

func asFilter(v any) (rules.Filter, error) {
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must be an object of tags and values; got %s", rules.Quote(v))
	}
	out := rules.Filter{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		item := doc[name]
		values, err := asList(asText)(item)
		if err != nil || len(values) == 0 {
			return nil, fmt.Errorf("tag %s must have a value or a list of values; got %s", name, rules.Quote(item))
		}
		slices.Sort(values)
		out[name] = slices.Compact(values)
	}
	return out, nil
}

// asValue reads a number, a text or a pair of numbers. A text that is a number,
// and true and false, are both: what the field holds decides.
func asValue(v any) (rules.Value, error) {
	switch v := v.(type) {
	case bool:
		return rules.ParseValue(strconv.FormatBool(v)), nil
	case rules.Null:
		return rules.Value{Kind: rules.Text, Text: string(v)}, nil
	case []any:
		if len(v) != 2 {
			return rules.Value{}, fmt.Errorf("must be a number, a text or two numbers [low, high]; got a list of %d",
				len(v))
		}
		low, err := asNumber(v[0])
		high, err2 := asNumber(v[1])
		if err != nil || err2 != nil || low > high {
			return rules.Value{}, fmt.Errorf("must be two numbers [low, high], the lower first; got [%s, %s]",
				rules.Quote(v[0]), rules.Quote(v[1]))
		}
		return rules.Value{Kind: rules.Range, Low: low, High: high}, nil
	case string:
		return rules.ParseValue(v), nil
	}
	n, err := asNumber(v)
	if err != nil {
		return rules.Value{}, fmt.Errorf("must be a number, a text or two numbers [low, high]; got %s", rules.Quote(v))
	}
	return rules.Num(n), nil
}

// operatorWords are how people and other systems write operators.
var operatorWords = map[rules.Operator]string{
	rules.Above:   "gt above over exceeds greater greater_than more_than higher_than",
	rules.AtLeast: "gte ge at_least greater_or_equal greater_than_or_equal greater_than_or_equal_to => ≥",
	rules.Below:   "lt below under less less_than lower_than",
	rules.AtMost:  "lte le at_most less_or_equal less_than_or_equal less_than_or_equal_to =< ≤",
	rules.Equal:   "eq = is equal equals equal_to",
	rules.Unequal: "ne neq <> is_not not_equal not_equals not_equal_to ≠",
	rules.Between: "inside",
}

var asOneWord = strings.NewReplacer(" ", "_", "-", "_")

func asOperator(v any) (rules.Operator, error) {
	s, err := asText(v)
	s = strings.ToLower(strings.TrimSpace(s))
	if err == nil && slices.Contains(rules.Operators, s) {
		return rules.Operator(s), nil
	}
	for o, words := range operatorWords {
		if slices.Contains(strings.Fields(words), asOneWord.Replace(s)) {
			return o, nil
		}
	}
	return "", fmt.Errorf("must be one of %s; got %s", strings.Join(rules.Operators, " "), rules.Quote(v))
}

func asAggregation(v any) (rules.Aggregation, error) {
	s, err := asText(v)
	if a, ok := rules.ParseAggregation(s); ok && err == nil {
		return a, nil
	}
	return "", fmt.Errorf("must be one of %s; got %s", strings.Join(rules.Aggregations, " "), rules.Quote(v))
}
