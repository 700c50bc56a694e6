// Package aggregate says how the aggregation of a whole follows from those of
// its parts: of several series into one, of the steps of a window into the
// window. It is pure. What a condition makes of a value does not belong here.
package aggregate

import (
	"math"

	"github.com/9bikes/tocsin/rules"
)

// Merge makes one value of two; NaN stands for none.
type Merge func(x, y float64) float64

// Mergeable reports whether the aggregation of a whole follows from those of
// its parts.
func Mergeable(a rules.Aggregation) bool {
	switch a {
	case rules.Count, rules.Sum, rules.Min, rules.Max, rules.Mean, rules.Spread:
		return true
	}
	return false
}

// Parts are the one or two aggregations that must be known of each part.
func Parts(a rules.Aggregation) []rules.Aggregation {
	switch a {
	case rules.Mean:
		return []rules.Aggregation{rules.Sum, rules.Count}
	case rules.Spread:
		return []rules.Aggregation{rules.Max, rules.Min}
	}
	return []rules.Aggregation{a}
}

// Merges merge the values of Parts; the second is nil where there is one.
func Merges(a rules.Aggregation) (first, second Merge) {
	switch a {
	case rules.Min:
		return Least, nil
	case rules.Max:
		return Most, nil
	case rules.Spread:
		return Most, Least
	case rules.Mean:
		return Plus, Plus
	}
	return Plus, nil
}

// Whole is the aggregation by the merged values of Parts.
func Whole(a rules.Aggregation, first, second float64) float64 {
	switch a {
	case rules.Mean:
		return first / second
	case rules.Spread:
		return first - second
	}
	return first
}

// Plus is the sum of two values.
func Plus(x, y float64) float64 { return Either(x, y, x+y) }

// Least is the smaller of two values.
func Least(x, y float64) float64 { return Either(x, y, min(x, y)) }

// Most is the larger of two values.
func Most(x, y float64) float64 { return Either(x, y, max(x, y)) }

// Either is the one of x and y that is a number, or both when both are.
func Either(x, y, both float64) float64 {
	switch {
	case math.IsNaN(x):
		return y
	case math.IsNaN(y):
		return x
	}
	return both
}

// Join merges the values that one of Parts, or the value of one point, has in an
// older and in a newer part of a window.
func Join(a rules.Aggregation) Merge {
	switch a {
	case rules.Latest:
		return func(older, newer float64) float64 { return Either(older, newer, newer) }
	case rules.First:
		return func(older, newer float64) float64 { return Either(older, newer, older) }
	}
	first, _ := Merges(a)
	return first
}
