package rules

import "time"

// Silence holds back the messages of the alerts it matches.
type Silence struct {
	ID      string    `json:"id"`
	Owner   string    `json:"owner,omitempty"`
	RuleID  string    `json:"rule_id,omitempty"` // "" for every rule
	Match   Filter    `json:"match,omitempty"`   // over series labels and the rule's own
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Weekly  *Active   `json:"weekly,omitempty"` // recurring: within From..Until, these times of the week
	By      Actor     `json:"by"`
	Comment string    `json:"comment,omitempty"`
}

// Covers reports whether the silence holds back messages about a series of a
// rule at t.
func (s Silence) Covers(r *Rule, series Series, t time.Time) bool {
	if s.RuleID != "" && s.RuleID != r.ID || t.Before(s.From) || !t.Before(s.Until) {
		return false
	}
	label := func(name string) string {
		if v := series.Label(name); v != "" {
			return v
		}
		return r.Labels[name]
	}
	return s.Match.Keeps(label) && s.Weekly.Covers(t)
}
