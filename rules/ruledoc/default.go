package ruledoc

import "github.com/9bikes/tocsin/rules"

// fill puts the defaults where nothing was given.
func fill(r *rules.Rule) {
	if r.Name == "" {
		r.Name = rules.Slug(r.Title)
	}
	if r.Title == "" {
		r.Title = r.Name
	}
	if r.Severity == "" {
		r.Severity = rules.Medium
	}
	if r.NoData == "" {
		r.NoData = rules.Keep
	}
	dropEmpty(r)
	fillCondition(&r.Condition)
}

// dropEmpty makes an empty list the same as none, as it is once stored.
func dropEmpty(r *rules.Rule) {
	orNil(&r.GroupBy)
	orNil(&r.Levels)
	orNil(&r.DependsOn)
	orNil(&r.Channels)
	orNil(&r.Remind)
	orNil(&r.Condition.Expect)
	for i := range r.Levels {
		orNil(&r.Levels[i].Channels)
	}
	if len(r.Where) == 0 {
		r.Where = nil
	}
	if len(r.Labels) == 0 {
		r.Labels = nil
	}
	if len(r.Condition.Inputs) == 0 {
		r.Condition.Inputs = nil
	}
}

func orNil[T any](list *[]T) {
	if len(*list) == 0 {
		*list = nil
	}
}

func fillCondition(c *rules.Condition) {
	settleValues(c)
	if c.Type == "" {
		c.Type = guessType(*c)
	}
	switch c.Type {
	case rules.Threshold, rules.Change:
		orElse(&c.Aggregation, rules.Latest)
		orElse(&c.Window, rules.DefaultWindow)
	case rules.Absence:
		orElse(&c.Window, 10*rules.Minute)
		orElse(&c.ForgetAfter, rules.DefaultForgetAfter)
	case rules.Forecast:
		orElse(&c.Window, 6*rules.Hour)
		orElse(&c.Horizon, 4*rules.Hour)
	case rules.Anomaly:
		orElse(&c.Sensitivity, "medium")
		orElse(&c.Direction, "both")
		orElse(&c.Season, "auto")
	case rules.Query:
		orElse(&c.Window, rules.DefaultWindow)
		orElse(&c.Language, "influxql")
	case rules.Expression:
		for name, in := range c.Inputs {
			orElse(&in.Aggregation, rules.Latest)
			orElse(&in.Window, rules.DefaultWindow)
			if len(in.Where) == 0 {
				in.Where = nil
			}
			c.Inputs[name] = in
		}
	}
}

func orElse[T comparable](at *T, otherwise T) {
	var zero T
	if *at == zero {
		*at = otherwise
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
