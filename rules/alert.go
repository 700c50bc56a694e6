package rules

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"
)

// Verdict is what one look at a series says.
type Verdict uint8

// The verdicts.
const (
	Unknown      Verdict = iota // the query failed, a gap, the clock is unsure, outside active
	None                        // no value: no point, null, a missing input, division by zero
	Good                        // not wrong, and past recover
	NotRecovered                // not wrong any more, but not past recover
	Bad                         // wrong
)

// String names the verdict.
func (v Verdict) String() string {
	return [...]string{"unknown", "none", "good", "lingering", "bad"}[v]
}

// Observation is one look at one series at a nominal tick.
type Observation struct {
	Series  Series
	Verdict Verdict
	Value   float64   // NaN when there is none
	Text    string    // the value, when it is text
	Level   int       // the highest breached level, 0 for the condition's own value
	At      time.Time // of the newest point, zero when not known
}

// State is where an instance stands.
type State uint8

// The states of an instance. Acknowledged is a flag of the alert, not a state.
const (
	OK State = iota
	Pending
	Firing
	Recovering
)

// String names the state.
func (s State) String() string {
	return [...]string{"ok", "pending", "firing", "recovering"}[s]
}

// Status is what doors show of an alert.
type Status string

// The statuses.
const (
	StatusFiring       Status = "firing"
	StatusAcknowledged Status = "acknowledged"
	StatusResolved     Status = "resolved"
	StatusOpen         Status = "open" // in a filter: the two that are not resolved
)

// Evidence is what an alert was decided on.
type Evidence struct {
	Query     string    `json:"query,omitempty"`
	From      time.Time `json:"from,omitzero"` // the window is (From, To]
	To        time.Time `json:"to,omitzero"`
	Condition string    `json:"condition,omitempty"`
	Usual     string    `json:"usual,omitempty"` // of an anomaly: what was expected, in words
	Values    []Sample  `json:"values,omitempty"`
	Clock     string    `json:"clock,omitempty"` // sure or unsure
}

// Sample is a verdict of the past.
type Sample struct {
	At      time.Time `json:"at"`
	Value   *float64  `json:"value"`
	Verdict string    `json:"verdict"`
}

// Acknowledgement says who takes care of an alert.
type Acknowledgement struct {
	By    Actor     `json:"by"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"` // zero: until resolved
	Note  string    `json:"note,omitempty"`
	Ended string    `json:"ended,omitempty"` // why it ended: worsened, withdrawn, over, resolved

	EndedAt time.Time `json:"ended_at,omitzero"`
}

// Alert is one episode of one instance, from firing to resolved.
type Alert struct {
	ID          string
	RuleID      string
	RuleVersion int
	Title       string
	Series      Series
	Severity    Severity
	Value       float64 // the last one, NaN when there is none
	Text        string
	Peak        float64   // the worst value so far
	Since       time.Time // when it went bad, before `for` was over
	StartedAt   time.Time
	ResolvedAt  time.Time // zero while it lasts
	Reason      string    // why it resolved
	Ack         *Acknowledgement
	PastAcks    []Acknowledgement
	Evidence    Evidence

	Level       int       // the highest breached level now
	Told        int       // the rank of the worst severity people were told, -1 for none
	HeldBy      string    // what holds its messages back: silence:ID, alert:ID, inactive
	DueAt       time.Time // when its first message was due, zero before that
	RemindAt    time.Time // when the next reminder is due, zero for never
	Reminders   int
	EscalatedAt time.Time
}

// Status returns what doors show: recovering is shown as firing.
func (a *Alert) Status() Status {
	switch {
	case !a.ResolvedAt.IsZero():
		return StatusResolved
	case a.Ack != nil:
		return StatusAcknowledged
	}
	return StatusFiring
}

// Worst is the highest severity that the alert itself remembers: the present
// one, or one that people were told.
func (a *Alert) Worst() Severity {
	if a.Told > a.Severity.Rank() {
		return Severity(Severities[a.Told])
	}
	return a.Severity
}

// alertID is made from what an episode is, so that a tick decided twice, by
// whomever, names it the same.
func alertID(rule string, series Series, started time.Time) string {
	return "a" + digest(rule, string(series), strconv.FormatInt(started.UnixMilli(), 10))
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}
