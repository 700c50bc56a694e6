package rules

import (
	"strings"

	"github.com/9bikes/tocsin/rules/unit"
)

// MeasuredIn is the unit of a rule's values: the one that it was given, or what the
// names of its field and measurement tell; "" where they do not.
func (r Rule) MeasuredIn() string {
	switch c := r.Condition; {
	case c.Type == Absence:
		return "s"
	case c.Type == Change && c.Percent:
		return "%"
	case r.Unit != "":
		return r.Unit
	case c.Type == Expression, c.Type == Query, c.Aggregation == Count:
		return ""
	case c.Aggregation == Rate:
		if of := unit.In(r.Measurement, r.Field); of != "" {
			return of + "/s"
		}
		return ""
	}
	return unit.In(r.Measurement, r.Field)
}

// limitAt is the value that an alert of a level breaches.
func (r Rule) limitAt(level int) Value {
	if level < 1 || level > len(r.Levels) {
		return r.Condition.Value
	}
	return r.Levels[level-1].Value
}

// how says in a few words how a value is made of points: "5 min mean".
func (c Condition) how() string {
	window := unit.Length(c.Window.Std(), 2)
	switch c.Type {
	case Threshold, Change, Anomaly:
		return strings.TrimSpace(c.howMany(window) + against(c.Ago))
	case Forecast:
		return "forecast for " + unit.Length(c.Horizon.Std(), 2)
	}
	return ""
}

func (c Condition) howMany(window string) string {
	switch c.Aggregation {
	case Latest, First:
		return ""
	case Count:
		return "points in " + window
	}
	return window + " " + string(c.Aggregation)
}

func against(ago Duration) string {
	if ago == 0 {
		return ""
	}
	return " against " + unit.Length(ago.Std(), 2) + " ago"
}

// Worse orders values by how far they are on the side that the operator calls
// wrong: above zero says that a is worse than b.
func (o Operator) Worse(a, b float64) int {
	up := 0
	switch {
	case a > b:
		up = 1
	case a < b:
		up = -1
	}
	switch o {
	case Above, AtLeast:
		return up
	case Below, AtMost:
		return -up
	}
	return 0
}
