package ruledoc

import (
	"fmt"

	"github.com/9bikes/tocsin/rules"
)

// fill puts the defaults where nothing was given.
func fill(r *rules.Rule) {
	if r.Name == "" {
		r.Name = rules.Slug(r.Title)
	}
	if r.Title == "" {
		r.Title = r.Name
	}
	preset(r, ruleKeys, "")
	fillCondition(&r.Condition)
}

// preset reads the defaults of a table where nothing was given.
func preset[T any](t *T, keys []key[T], kind rules.ConditionType) {
	for _, k := range keys {
		otherwise := k.preset
		if by, ok := k.by(kind); ok {
			otherwise = by.preset
		}
		if otherwise == "" || k.value.isSet(t) {
			continue
		}
		if err := k.value.set(t, otherwise); err != nil {
			panic(fmt.Sprintf("the default of %s: %v", k.name, err))
		}
	}
}

func fillCondition(c *rules.Condition) {
	settleValues(c)
	if c.Type == "" {
		c.Type = guessType(*c)
	}
	preset(c, conditionKeys, c.Type)
	for name, in := range c.Inputs {
		preset(&in, inputKeys, "")
		c.Inputs[name] = in
	}
}

// guessType names the type of a condition that does not say it, where only
// one is possible.
func guessType(c rules.Condition) rules.ConditionType {
	switch {
	case c.Expr != "":
		return rules.Expression
	case c.Text != "":
		return rules.Query
	case c.Horizon > 0:
		return rules.Forecast
	case c.Sensitivity != "" || c.Season != "":
		return rules.Anomaly
	case c.Ago > 0:
		return rules.Change
	case c.Operator != "" || !c.Value.IsZero():
		return rules.Threshold
	}
	return ""
}

// settleValues takes values for the numbers they are where no text is compared.
func settleValues(c *rules.Condition) {
	if !c.ComparesText() {
		c.Value, c.Recover = c.Value.AsNumber(), c.Recover.AsNumber()
	}
}
