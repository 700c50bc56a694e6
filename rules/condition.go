package rules

import (
	"slices"
	"strconv"
	"strings"
)

// ConditionType names a way of being wrong.
type ConditionType string

// The condition types.
const (
	Threshold  ConditionType = "threshold"  // an aggregation of a field compared with a value
	Absence    ConditionType = "absence"    // a series that was seen before has no point
	Change     ConditionType = "change"     // now against the same window some time ago
	Anomaly    ConditionType = "anomaly"    // the point does not fit the series' own past
	Forecast   ConditionType = "forecast"   // a line through the window reaches a value soon
	Expression ConditionType = "expression" // an expression over named inputs
	Query      ConditionType = "query"      // the user's own read statement
)

// Aggregation reduces the points of a window to one value.
type Aggregation string

// The aggregations besides the percentiles p1 to p99. Rate is the sum of the
// positive steps per second. Booleans count as 0 and 1: their mean is the
// share that was true.
const (
	Latest Aggregation = "latest"
	Mean   Aggregation = "mean"
	Min    Aggregation = "min"
	Max    Aggregation = "max"
	Sum    Aggregation = "sum"
	Count  Aggregation = "count"
	First  Aggregation = "first"
	Stddev Aggregation = "stddev"
	Spread Aggregation = "spread"
	Rate   Aggregation = "rate"
)

// Aggregations lists them as they are written.
var Aggregations = []string{
	"latest", "mean", "min", "max", "sum", "count", "first", "stddev", "spread", "rate",
	"p1..p99",
}

// ParseAggregation reads an aggregation; avg is mean and last is latest.
func ParseAggregation(text string) (Aggregation, bool) {
	switch text = strings.ToLower(strings.TrimSpace(text)); text {
	case "avg", "average":
		return Mean, true
	case "last":
		return Latest, true
	case "median":
		return "p50", true
	}
	a := Aggregation(text)
	_, percentile := a.Percentile()
	return a, percentile || slices.Contains(Aggregations[:len(Aggregations)-1], text)
}

// Percentile returns the N of pN.
func (a Aggregation) Percentile() (n int, ok bool) {
	if len(a) < 2 || a[0] != 'p' {
		return 0, false
	}
	n, err := strconv.Atoi(string(a[1:]))
	return n, err == nil && n >= 1 && n <= 99 && a[1] != '0' && a[1] != '+'
}

// Condition says when a rule's measurement is wrong. Which of its fields count
// depends on its type; the others are zero.
type Condition struct {
	Type        ConditionType `json:"type"`
	Aggregation Aggregation   `json:"aggregation,omitempty"`
	Window      Duration      `json:"window,omitempty"`
	Operator    Operator      `json:"operator,omitempty"`
	Value       Value         `json:"value,omitzero"`
	Recover     Value         `json:"recover,omitzero"` // once firing, good only past this

	StaleAfter Duration `json:"stale_after,omitempty"` // threshold: the last value counts until then

	Expect      []Labels `json:"expect,omitempty"`       // absence: series that must exist
	ForgetAfter Duration `json:"forget_after,omitempty"` // absence: a silent series is retired after this

	Ago     Duration `json:"ago,omitempty"`     // change: how far back the other window lies
	Percent bool     `json:"percent,omitempty"` // change: in percent of the other window

	Horizon Duration `json:"horizon,omitempty"` // forecast: how far ahead to look

	Sensitivity string `json:"sensitivity,omitempty"` // anomaly: low, medium, high
	Direction   string `json:"direction,omitempty"`   // anomaly: up, down, both
	Season      string `json:"season,omitempty"`      // anomaly: auto, none, 24h or 168h

	MinDeviation float64 `json:"min_deviation,omitempty"` // anomaly: never for less outside of what is usual

	Inputs map[string]Input `json:"inputs,omitempty"` // expression
	Expr   string           `json:"expr,omitempty"`   // expression

	Language string `json:"language,omitempty"` // query: influxql or sql
	Text     string `json:"text,omitempty"`     // query
	Column   string `json:"column,omitempty"`   // query: the column that holds the value
}

// Input is one named measurement of an expression condition.
type Input struct {
	Measurement string      `json:"measurement"`
	Field       string      `json:"field"`
	Where       Filter      `json:"where,omitempty"`
	Aggregation Aggregation `json:"aggregation"`
	Window      Duration    `json:"window"`
}

// String says the condition in words: "mean over 5m > -15".
func (c Condition) String() string {
	compare := string(c.Operator) + " " + c.Value.String()
	switch c.Type {
	case Threshold:
		held := ""
		if c.StaleAfter > 0 {
			held = ", stale after " + c.StaleAfter.String()
		}
		return string(c.Aggregation) + " over " + c.Window.String() + " " + compare + held
	case Absence:
		return "no point for " + c.Window.String()
	case Change:
		unit := ""
		if c.Percent {
			unit = " %"
		}
		return string(c.Aggregation) + " over " + c.Window.String() + " against " + c.Ago.String() + " ago " + compare + unit
	case Forecast:
		return "will be " + compare + " within " + c.Horizon.String()
	case Anomaly:
		return "does not fit its past (" + c.Sensitivity + ")"
	case Expression:
		return c.Expr
	case Query:
		return c.Column + " of the query " + compare
	}
	return string(c.Type)
}

// HoldsLast reports whether a value that came can stand for the time until the
// next: of the aggregations that say how high points are, not how much came.
func (c Condition) HoldsLast() bool {
	switch c.Aggregation {
	case Latest, Mean, Min, Max, First:
		return true
	}
	_, percentile := c.Aggregation.Percentile()
	return percentile
}

// Judge returns the verdict on a value: Bad, or NotRecovered when it is good but
// not past recover, or Good.
func (c Condition) Judge(x float64) Verdict {
	switch {
	case x != x: // NaN: a null, not a number to decide on
		return None
	case c.Operator.Holds(x, c.Value):
		return Bad
	case !c.Recover.IsZero() && c.Operator.Holds(x, c.Recover):
		return NotRecovered
	}
	return Good
}

// ComparesText reports whether texts can be judged too.
func (c Condition) ComparesText() bool {
	return (c.Operator == Equal || c.Operator == Unequal) && c.Value.Kind != Range
}

// JudgeText is Judge for text values.
func (c Condition) JudgeText(x string) Verdict {
	if c.Operator.HoldsText(x, c.Value) {
		return Bad
	}
	return Good
}
