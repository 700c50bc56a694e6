package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Silence holds back the messages of the alerts it matches.
type Silence struct {
	ID      string   `json:"id"`
	Owner   string   `json:"owner,omitempty"`
	RuleID  string   `json:"rule_id,omitempty"`  // of one rule
	RuleIDs []string `json:"rule_ids,omitempty"` // of several; without both, of every rule
	Match   Filter   `json:"match,omitempty"`    // over series labels and the rule's own
	// Severities are those that the alerts have; none for all. What gets worse
	// than them is told.
	Severities []Severity `json:"severities,omitempty"`
	From       time.Time  `json:"from"`
	Until      time.Time  `json:"until,omitzero"`   // zero: until somebody ends it
	Weekly     *Active    `json:"weekly,omitempty"` // recurring: within From..Until, these times of the week
	By         Actor      `json:"by"`
	Comment    string     `json:"comment,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	EndedBy   Actor     `json:"ended_by,omitzero"` // who ended it before its time

	times *span // Weekly, read once
}

// UnmarshalJSON reads a silence with its times of the week, so that asking
// whether it covers an alert costs little.
func (s *Silence) UnmarshalJSON(data []byte) error {
	type plain Silence
	if err := json.Unmarshal(data, (*plain)(s)); err != nil {
		return err
	}
	s.times = nil
	if s.Weekly != nil {
		if times, err := s.Weekly.span(); err == nil {
			s.times = &times
		}
	}
	return nil
}

// Covers reports whether the silence holds back messages about a series of a
// rule at t, whose alert is so severe.
func (s *Silence) Covers(r *Rule, series Series, bad Severity, t time.Time) bool {
	return s.Matches(r, series, bad) && s.Runs(t)
}

// Of lists the ids of the rules that the silence names; none for every rule.
func (s *Silence) Of() []string {
	if s.RuleID == "" {
		return s.RuleIDs
	}
	return append([]string{s.RuleID}, s.RuleIDs...)
}

// names reports whether the silence is for a rule at all, and for alerts so
// severe.
func (s *Silence) names(r *Rule, bad Severity) bool {
	named := s.RuleID == "" && len(s.RuleIDs) == 0 || s.RuleID == r.ID || slices.Contains(s.RuleIDs, r.ID)
	return named && s.Owner == r.Owner && (len(s.Severities) == 0 || slices.Contains(s.Severities, bad))
}

// Matches reports whether the silence is about a series of a rule whose alert
// is so severe, whenever it runs.
func (s *Silence) Matches(r *Rule, series Series, bad Severity) bool {
	if !s.names(r, bad) {
		return false
	}
	return s.Match.Keeps(func(name string) string {
		if v := series.Label(name); v != "" {
			return v
		}
		return r.Labels[name]
	})
}

// Concerns reports whether some series of a rule could be what the silence is
// about. A label that the rule groups by may have any value.
func (s *Silence) Concerns(r *Rule) bool {
	severe := s.names(r, r.Severity)
	for _, level := range r.Levels {
		severe = severe || s.names(r, level.Severity)
	}
	if !severe {
		return false
	}
	for name, values := range s.Match {
		bound, watched := r.Where[name]
		switch {
		case slices.Contains(r.GroupBy, name):
			if watched && !slices.ContainsFunc(bound, func(v string) bool { return slices.Contains(values, v) }) {
				return false
			}
		case !slices.Contains(values, r.Labels[name]):
			return false
		}
	}
	return true
}

// Runs reports whether the silence holds back what it matches at t.
func (s *Silence) Runs(t time.Time) bool {
	switch {
	case t.Before(s.From) || s.Over(t):
		return false
	case s.times != nil:
		return s.times.covers(t)
	}
	return s.Weekly.Covers(t)
}

// Over reports whether the silence has ended for good at t.
func (s *Silence) Over(t time.Time) bool { return !s.Until.IsZero() && !t.Before(s.Until) }

// Check refuses a silence that cannot work; everything says that a silence of
// all alerts is meant.
func (s *Silence) Check(everything bool, now time.Time) error {
	switch {
	case !s.narrow() && !everything:
		return FieldErrorf("rule", "is missing, and there is no match and no severity, so this would silence every alert; "+
			"name a rule, or match labels such as room=kitchen, or severities such as low, or say that everything is meant")
	case everything && s.narrow():
		return FieldErrorf("everything",
			"is for a silence of all alerts; leave it out, or leave rule, match and severity out")
	case !s.Until.IsZero() && !s.Until.After(s.From):
		return FieldErrorf("until", "must be after the silence begins, %s; got %s", s.From.Format(time.RFC3339),
			s.Until.Format(time.RFC3339))
	case s.Over(now):
		return FieldErrorf("until", "must be in the future; got %s", s.Until.Format(time.RFC3339))
	case len(s.Comment) > 500:
		return FieldErrorf("comment", "must be at most 500 bytes; got %d", len(s.Comment))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Match)) {
		if name == "" || len(s.Match[name]) == 0 || slices.Contains(s.Match[name], "") {
			return FieldErrorf("match", "must be tags or labels with their values; for example room=kitchen")
		}
	}
	if s.Weekly == nil {
		return nil
	}
	if s.Weekly.Days == "" && s.Weekly.Hours == "" {
		return FieldErrorf("weekly", "must have days, hours or both; for example sat,sun")
	}
	return s.Weekly.Check("weekly")
}

// narrow reports whether the silence is about less than everything.
func (s *Silence) narrow() bool { return len(s.Of()) > 0 || len(s.Match) > 0 || len(s.Severities) > 0 }

// Scope says in words what the silence is about, given the names of its rules.
func (s *Silence) Scope(rules ...string) string {
	var parts []string
	switch len(rules) {
	case 0:
	case 1:
		parts = append(parts, "rule "+rules[0])
	default:
		parts = append(parts, "rules "+strings.Join(rules, ", "))
	}
	if len(s.Match) > 0 {
		parts = append(parts, s.Match.String())
	}
	if len(s.Severities) > 0 {
		parts = append(parts, "severity "+severityText(s.Severities))
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

func severityText(list []Severity) string {
	var names []string
	for _, s := range list {
		names = append(names, string(s))
	}
	return strings.Join(names, " or ")
}

// ParseSeverities reads what people say of severities: a list of them, or one
// word such as "below critical", "high and above", "all but critical".
func ParseSeverities(said []string) ([]Severity, error) {
	var out []Severity
	for _, text := range said {
		for part := range strings.SplitSeq(strings.ToLower(text), ",") {
			some, ok := severitiesOf(upAndDown.Replace(strings.Join(strings.Fields(part), " ")))
			if !ok {
				return nil, FieldErrorf("severity", "must be severities, some of %s, or such as \"below critical\"; got %s",
					strings.Join(Severities, ", "), Quote(text))
			}
			out = append(out, some...)
		}
	}
	slices.SortFunc(out, func(a, b Severity) int { return a.Rank() - b.Rank() })
	return slices.Compact(out), nil
}

// upAndDown makes one word of those that mean the same.
var upAndDown = strings.NewReplacer(" above", " up", " higher", " up", " worse", " up",
	" below", " down", " lower", " down", " milder", " down")

// severitiesOf reads one severity, with what stands around it.
func severitiesOf(text string) (out []Severity, ok bool) {
	words := map[string]func(rank, of int) bool{
		"":          func(rank, of int) bool { return rank == of },
		"below ":    func(rank, of int) bool { return rank < of },
		"under ":    func(rank, of int) bool { return rank < of },
		"above ":    func(rank, of int) bool { return rank > of },
		"over ":     func(rank, of int) bool { return rank > of },
		"all but ":  func(rank, of int) bool { return rank != of },
		"not ":      func(rank, of int) bool { return rank != of },
		" and up":   func(rank, of int) bool { return rank >= of },
		" or up":    func(rank, of int) bool { return rank >= of },
		" and down": func(rank, of int) bool { return rank <= of },
		" or down":  func(rank, of int) bool { return rank <= of },
	}
	for word, holds := range words {
		name, before := strings.CutPrefix(text, word)
		if !before || strings.HasPrefix(word, " ") {
			if name, before = strings.CutSuffix(text, word); !before {
				continue
			}
		}
		if of := Severity(name).Rank(); of >= 0 {
			for rank, s := range Severities {
				if holds(rank, of) {
					out = append(out, Severity(s))
				}
			}
			return out, len(out) > 0
		}
	}
	return nil, false
}

// HeldBySilence is what HeldBy says of a message that this silence holds back.
func HeldBySilence(id string) string { return "silence:" + id }

// BookOnce owes one of tocsin's own messages under a name that makes it the
// same message however often it is booked; it returns nil when the ledger has
// it already.
func (l *Ledger) BookOnce(name string, to Address, f Facts, now time.Time) *Notification {
	id := OnceID(name, to)
	if l.messages[id] != nil {
		return nil
	}
	n := &Notification{
		ID: id, RuleID: l.Rule.ID, Channel: to.Channel, Target: to.Target, Reason: Operational, State: Owed, BookedAt: now,
		Due: now, Facts: f,
	}
	l.owe(n)
	l.changed.notification(n)
	return n
}

// OnceID is the ID of the message that BookOnce books.
func OnceID(name string, to Address) string {
	if to.Target == "" {
		return "n" + digest("once", name, to.Channel)
	}
	return "n" + digest("once", name, to.Channel, to.Target)
}
