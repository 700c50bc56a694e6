// Package rules is the vocabulary of tocsin: rules and their conditions,
// alerts, notifications, silences, errors, and the Ledger, which is the state
// machine that ties them together. It does no I/O and reads no clock: time is
// always an argument. What needs a query belongs to the evaluator, what needs a
// channel to notify, what only one door wants to that door. SQL is in the
// stores below, which hold no policy.
package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Severity says how bad an alert is.
type Severity string

// The severities, from mild to worst.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities lists them from mild to worst.
var Severities = []string{"low", "medium", "high", "critical"}

// Rank orders severities: 0 for low up to 3 for critical.
func (s Severity) Rank() int { return slices.Index(Severities, string(s)) }

// Doc is a rule as a person or a model writes it: decoded JSON or YAML. Package
// ruledoc reads it.
type Doc = map[string]any

// Null is a null as a person wrote it, ~ for example: no value at a key of ours,
// and itself where any text may stand, such as a tag's value.
type Null string

// Filter keeps the series whose tags have one of the listed values.
type Filter map[string][]string

// Keeps reports whether a label set passes the filter.
func (f Filter) Keeps(label func(name string) string) bool {
	for name, values := range f {
		if !slices.Contains(values, label(name)) {
			return false
		}
	}
	return true
}

// MarshalJSON writes a single value without its list.
func (f Filter) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(f))
	for name, values := range f {
		if len(values) == 1 {
			out[name] = values[0]
		} else {
			out[name] = values
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Filter) UnmarshalJSON(data []byte) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil || doc == nil {
		*f = nil
		return err
	}
	out := make(Filter, len(doc))
	for name, raw := range doc {
		if raw[0] == '"' {
			raw = slices.Concat([]byte("["), raw, []byte("]"))
		}
		var values []string
		if err := json.Unmarshal(raw, &values); err != nil {
			return err
		}
		out[name] = values
	}
	*f = out
	return nil
}

// Level is a further value of a condition with a severity of its own.
type Level struct {
	Value    Value    `json:"value"`
	Severity Severity `json:"severity"`
	Channels []string `json:"channels,omitempty"`
}

// Escalation tells further channels when nobody acknowledges for a while.
type Escalation struct {
	After    Duration `json:"after"`
	Channels []string `json:"channels"`
}

// NoData says what it means when a known series has no value.
type NoData string

// The policies for missing data.
const (
	Keep     NoData = "keep"  // nothing changes
	OKPolicy NoData = "ok"    // as a good value
	AlertOn  NoData = "alert" // as a bad value
)

// Active is the time of the week in which a rule is judged.
type Active struct {
	Days  string `json:"days,omitempty"`  // "mon-fri", "sat,sun"; empty is every day
	Hours string `json:"hours,omitempty"` // "07:00-22:00"; empty is all day
	Zone  string `json:"zone,omitempty"`  // IANA name; empty is UTC
}

// Rule says what to measure, when it is wrong and whom to tell.
type Rule struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Owner string `json:"owner,omitempty"`

	Enabled     bool      `json:"enabled"`
	Source      string    `json:"source"`
	Measurement string    `json:"measurement,omitempty"`
	Field       string    `json:"field,omitempty"`
	Unit        string    `json:"unit,omitempty"` // "" for what the names tell; see MeasuredIn
	Where       Filter    `json:"where,omitempty"`
	GroupBy     []string  `json:"group_by,omitempty"`
	Condition   Condition `json:"condition"`
	Levels      []Level   `json:"levels,omitempty"`

	For           Duration `json:"for,omitempty"`
	KeepFiringFor Duration `json:"keep_firing_for,omitempty"`
	Every         string   `json:"every,omitempty"` // a duration or a cron spec; empty is the daemon's base interval
	Zone          string   `json:"zone,omitempty"`  // of a cron spec
	NoData        NoData   `json:"no_data,omitempty"`
	Active        *Active  `json:"active,omitempty"`
	DependsOn     []string `json:"depends_on,omitempty"`

	Severity Severity    `json:"severity"`
	Channels []string    `json:"channels,omitempty"`
	Cooldown Duration    `json:"cooldown,omitempty"`
	Remind   []Duration  `json:"remind,omitempty"`
	Escalate *Escalation `json:"escalate,omitempty"`

	Labels  Labels `json:"labels,omitempty"`
	Summary string `json:"summary,omitempty"` // a template
	Runbook string `json:"runbook,omitempty"`

	MaxSeries int    `json:"max_series,omitempty"`
	Managed   string `json:"managed,omitempty"`   // the file that rules apply made it from
	Unchecked bool   `json:"unchecked,omitempty"` // its measurement was not looked up at creation

	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	CreatedBy string    `json:"created_by,omitempty"`
	// JudgedSince is when it last came to look at something else, or to judge it
	// otherwise: what was before says nothing about the rule as it is.
	JudgedSince time.Time `json:"judged_since,omitzero"`
}

// Judges reports whether the rule as it is looks at what was at t.
func (r *Rule) Judges(t time.Time) bool { return !t.Before(r.AsItIs()) }

// Succeeding returns r as a change of was, with what tocsin itself keeps of that. Which
// file manages it is r's own.
func (r Rule) Succeeding(was Rule) Rule {
	r.ID, r.Owner, r.Version, r.Unchecked = was.ID, was.Owner, was.Version, was.Unchecked
	r.CreatedAt, r.UpdatedAt, r.JudgedSince, r.CreatedBy = was.CreatedAt, was.UpdatedAt, was.JudgedSince, was.CreatedBy
	return r
}

// AsItIs is since when the rule looks at what it does, and judges it as it does.
func (r *Rule) AsItIs() time.Time {
	if r.JudgedSince.IsZero() {
		return r.UpdatedAt
	}
	return r.JudgedSince
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// Slug makes a name out of a title: "Freezer too warm" becomes
// freezer_too_warm. A title in another script gets a name like rule_4k2m8q1c.
func Slug(title string) string {
	s := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(title), "_"), "_")
	if s == "" && strings.ContainsFunc(title, unicode.IsLetter) {
		return "rule_" + digest(title)[:8]
	}
	return strings.TrimRight(s[:min(len(s), 60)], "_")
}

// Defaults of a rule's keys.
const (
	DefaultWindow      = 5 * Minute
	DefaultMaxSeries   = 10_000
	DefaultForgetAfter = 30 * Day
)

// SeriesLimit returns how many series the rule may have.
func (r Rule) SeriesLimit() int {
	if r.MaxSeries > 0 {
		return r.MaxSeries
	}
	return DefaultMaxSeries
}

// KeepsRoster reports whether the series of the rule are remembered even while
// they are ok, because their silence means something.
func (r Rule) KeepsRoster() bool {
	return r.Condition.Type == Absence || r.Condition.Aggregation == Count || r.NoData == AlertOn
}

// ForgetAfter returns after which silence a series is retired.
func (r Rule) ForgetAfter() time.Duration {
	if r.Condition.ForgetAfter > 0 {
		return r.Condition.ForgetAfter.Std()
	}
	return DefaultForgetAfter.Std()
}

// SeverityAt returns the severity at a level: 0 is the rule's own.
func (r Rule) SeverityAt(level int) Severity {
	if level < 1 || level > len(r.Levels) {
		return r.Severity
	}
	return r.Levels[level-1].Severity
}

// LevelOf returns the level that x breaches, of several the last of the worst;
// 0 for none of them, and where the rule's own value is breached and its
// severity is worse.
func (r Rule) LevelOf(x float64) int {
	level, worst := 0, 0
	if r.Condition.Operator.Holds(x, r.Condition.Value) {
		worst = r.Severity.Rank()
	}
	for i, l := range r.Levels {
		if r.Condition.Operator.Holds(x, l.Value) && l.Severity.Rank() >= worst {
			level, worst = i+1, l.Severity.Rank()
		}
	}
	return level
}

// What says in one line what the rule measures: "temperature.celsius where
// room=kitchen by sensor".
func (r Rule) What() string {
	var b strings.Builder
	b.WriteString(strings.Trim(r.Measurement+"."+r.Field, "."))
	for i, name := range slices.Sorted(maps.Keys(r.Condition.Inputs)) {
		if i > 0 {
			b.WriteString(", ")
		}
		in := r.Condition.Inputs[name]
		b.WriteString(in.Measurement + "." + in.Field)
	}
	if len(r.Where) > 0 {
		b.WriteString(" where " + r.Where.String())
	}
	if len(r.GroupBy) > 0 {
		b.WriteString(" by " + strings.Join(r.GroupBy, ", "))
	}
	return strings.TrimSpace(b.String())
}

// String writes the filter in one line, tags in order.
func (f Filter) String() string {
	var parts []string
	for name, values := range f {
		parts = append(parts, fmt.Sprintf("%s=%s", name, strings.Join(values, "|")))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// Actor is who acts and through which door. It comes from the door, never from
// an argument.
type Actor struct {
	Name string `json:"name"`
	Door string `json:"door"` // mcp, cli, web, link, config, tocsin
}

// Version is one recorded change of a rule.
type Version struct {
	RuleID  string    `json:"rule_id"`
	Version int       `json:"version"`
	Act     string    `json:"act"` // created, updated, enabled, disabled, deleted, restored
	By      Actor     `json:"by"`
	At      time.Time `json:"at"`
	Rule    Rule      `json:"rule"`
}

// KeyChange is a key of a rule whose value became another. A value that is
// left out is the key's default; keys inside the condition are dotted.
type KeyChange struct {
	Key  string          `json:"key"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}
