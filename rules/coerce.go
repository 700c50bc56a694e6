package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The readers below take what JSON and YAML decoders bring, and repair the
// obvious slips: "5" for 5, "a" for ["a"], "5 minutes" for 5m.

// Null is a null as a person wrote it, ~ for example: no value at a key of ours,
// and itself where any text may stand, such as a tag's value.
type Null string

func asText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case Null:
		return string(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool, int, int64, uint64, json.Number:
		return fmt.Sprint(v), nil
	}
	return "", fmt.Errorf("must be text; got %s", shown(v))
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
		n, err := parseNumber(strings.TrimSpace(v))
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return 0, fmt.Errorf("must be a number; got %s", shown(v))
		}
		return n, nil
	}
	return 0, fmt.Errorf("must be a number; got %s", shown(v))
}

// parseNumber reads a number as YAML and JSON write them: 010 is ten, 0x1F and
// 1_000 are numbers too.
func parseNumber(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err == nil {
		return n, nil
	}
	if whole, err := strconv.ParseInt(text, 0, 64); err == nil {
		return float64(whole), nil
	}
	return 0, err
}

func asBool(v any) (bool, error) {
	switch s := strings.ToLower(strings.TrimSpace(fmt.Sprint(v))); s {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false; got %s", shown(v))
}

func asDuration(v any) (Duration, error) {
	if n, err := asNumber(v); err == nil && n != 0 {
		return 0, fmt.Errorf("must be a duration with a unit such as %[1]ss or %[1]sm; got %[2]s", FormatNumber(n), shown(v))
	}
	s, err := asText(v)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 30s, 5m, 2h or 1d; got %s", shown(v))
	}
	d, err := ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 30s, 5m, 2h or 1d; got %s", shown(v))
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
func asDurations(v any) ([]Duration, error) {
	if text, ok := v.(string); ok {
		v = strings.Split(text, ",")
	}
	return asList(asDuration)(v)
}

func asLabels(v any) (Labels, error) {
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must be an object of names and values; got %s", shown(v))
	}
	out := Labels{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		s, err := asText(doc[name])
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		out[name] = s
	}
	return out, nil
}

func asFilter(v any) (Filter, error) {
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must be an object of tags and values; got %s", shown(v))
	}
	out := Filter{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		item := doc[name]
		values, err := asList(asText)(item)
		if err != nil || len(values) == 0 {
			return nil, fmt.Errorf("tag %s must have a value or a list of values; got %s", name, shown(item))
		}
		slices.Sort(values)
		out[name] = slices.Compact(values)
	}
	return out, nil
}

// asValue reads a number, a text or a pair of numbers. A text that is a number,
// and true and false, are both: what the field holds decides.
func asValue(v any) (Value, error) {
	switch v := v.(type) {
	case bool:
		return truth(strconv.FormatBool(v)), nil
	case Null:
		return Value{Kind: Text, Text: string(v)}, nil
	case []any:
		if len(v) != 2 {
			return Value{}, fmt.Errorf("must be a number, a text or two numbers [low, high]; got a list of %d", len(v))
		}
		low, err := asNumber(v[0])
		high, err2 := asNumber(v[1])
		if err != nil || err2 != nil || low > high {
			return Value{}, fmt.Errorf("must be two numbers [low, high], the lower first; got [%s, %s]", shown(v[0]),
				shown(v[1]))
		}
		return Value{Kind: Range, Low: low, High: high}, nil
	case string:
		if n, err := asNumber(v); err == nil {
			return Value{Kind: Number, Low: n, Text: v}, nil
		}
		if strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
			return truth(v), nil
		}
		return Value{Kind: Text, Text: v}, nil
	}
	n, err := asNumber(v)
	if err != nil {
		return Value{}, fmt.Errorf("must be a number, a text or two numbers [low, high]; got %s", shown(v))
	}
	return Num(n), nil
}

func truth(word string) Value {
	v := Value{Kind: Number, Text: word}
	if strings.EqualFold(word, "true") {
		v.Low = 1
	}
	return v
}

var operatorWords = map[string]Operator{
	"gt": Above, "gte": AtLeast, "ge": AtLeast, "lt": Below, "lte": AtMost, "le": AtMost,
	"eq": Equal, "=": Equal, "ne": Unequal, "neq": Unequal, "<>": Unequal,
	"above": Above, "over": Above, "exceeds": Above, "greater": Above, "greater_than": Above, "more_than": Above,
	"higher_than": Above,
	"below":       Below, "under": Below, "less": Below, "less_than": Below, "lower_than": Below,
	"at_least": AtLeast, "greater_or_equal": AtLeast, "greater_than_or_equal": AtLeast,
	"greater_than_or_equal_to": AtLeast,
	"at_most":                  AtMost, "less_or_equal": AtMost, "less_than_or_equal": AtMost,
	"less_than_or_equal_to": AtMost,
	"is":                    Equal, "equal": Equal, "equals": Equal, "equal_to": Equal, "is_not": Unequal,
	"not_equal":  Unequal,
	"not_equals": Unequal, "not_equal_to": Unequal,
	"=>": AtLeast, "=<": AtMost, "≥": AtLeast, "≤": AtMost, "≠": Unequal, "inside": Between,
}

var asOneWord = strings.NewReplacer(" ", "_", "-", "_")

func asOperator(v any) (Operator, error) {
	s, err := asText(v)
	s = strings.ToLower(strings.TrimSpace(s))
	if err == nil && slices.Contains(Operators, s) {
		return Operator(s), nil
	}
	if o, ok := operatorWords[asOneWord.Replace(s)]; ok {
		return o, nil
	}
	return "", fmt.Errorf("must be one of %s; got %s", strings.Join(Operators, " "), shown(v))
}

func asAggregation(v any) (Aggregation, error) {
	s, err := asText(v)
	if a, ok := ParseAggregation(s); ok && err == nil {
		return a, nil
	}
	return "", fmt.Errorf("must be one of %s; got %s", strings.Join(Aggregations, " "), shown(v))
}
