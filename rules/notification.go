package rules

import "time"

// Reason says why a message is owed.
type Reason string

// The reasons.
const (
	FirstNews   Reason = "first"
	Reminder    Reason = "reminder"
	Worsened    Reason = "worsened"
	Resolved    Reason = "resolved"
	Escalated   Reason = "escalation"
	Digest      Reason = "digest"
	Test        Reason = "test"
	Operational Reason = "operational" // tocsin's own: source down, dead letters, restore
)

// Announces reports whether a message of this reason, once sent, makes its
// episode announced on the channel, so that the resolve goes there too.
func (r Reason) Announces() bool {
	return r == FirstNews || r == Reminder || r == Worsened || r == Escalated
}

// Delivery is how far a notification has come.
type Delivery string

// The deliveries. Sent, Dead and Cancelled are final.
const (
	Held      Delivery = "held"      // by policy; HeldBy says which
	Owed      Delivery = "owed"      // to be sent at Due
	Sending   Delivery = "sending"   // handed to the channel
	Sent      Delivery = "sent"      // the service took it, and said so
	Dead      Delivery = "dead"      // refused for good, or given up
	Cancelled Delivery = "cancelled" // not needed any more
)

// Final reports whether nothing more will come of it.
func (d Delivery) Final() bool {
	return d == Sent || d == Dead || d == Cancelled
}

// Notification is one message owed to one channel, or to one of the targets
// that it has.
type Notification struct {
	ID       string
	RuleID   string // "" for tocsin's own and for tests
	AlertID  string
	Channel  string
	Target   string // see Address
	Origin   string // the ID of the one that it was fanned out from, "" for none
	Reason   Reason
	State    Delivery
	HeldBy   string // cooldown, silence:ID, alert:ID, inactive
	BookedAt time.Time
	Due      time.Time // not to be tried before
	Attempts int
	Message  string    // the ID of the message that it went in last, which a repeat keeps
	Unknown  bool      // a try was not answered after its request had left: it may have arrived
	Error    string    // the class of the last failure; never a foreign text
	Code     int       // what the service answered last, 0 for nothing
	DoneAt   time.Time // when it became final
	Fallback string    // the channel that was told too, because this one failed
	Facts    Facts
}

// told reports whether people may know what the message says: its service took
// it, or may have.
func (n *Notification) told() bool { return n.State == Sent || n.Unknown }

// Facts is what a message is about, as it was when it was booked. Templates
// are rendered from it when it is sent.
type Facts struct {
	Title       string    `json:"title"`
	Rule        string    `json:"rule,omitempty"` // its name
	Series      Series    `json:"series,omitempty"`
	Labels      Labels    `json:"labels,omitempty"` // the rule's own
	Severity    Severity  `json:"severity,omitempty"`
	Measured    string    `json:"measured,omitempty"` // "temperature.celsius"
	Condition   string    `json:"condition,omitempty"`
	Operator    Operator  `json:"operator,omitempty"` // between Value and Limit, "" where nothing is compared
	Limit       Value     `json:"limit,omitzero"`     // what is breached: of the level that it has
	How         string    `json:"how,omitempty"`      // how Value is made of points, "5 min mean"
	Usual       string    `json:"usual,omitempty"`    // of an anomaly: what was expected, in words
	Unit        string    `json:"unit,omitempty"`     // of Value, Peak, Limit and Recent, "" where it is not known
	Value       *float64  `json:"value,omitempty"`
	ValueText   string    `json:"value_text,omitempty"`
	Peak        *float64  `json:"peak,omitempty"`
	Since       time.Time `json:"since,omitzero"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	ResolvedAt  time.Time `json:"resolved_at,omitzero"`
	Why         string    `json:"why,omitempty"`          // why it resolved
	Silent      bool      `json:"silent,omitempty"`       // it is about a series without data
	NoDataSince time.Time `json:"no_data_since,omitzero"` // zero: it never had any
	Untold      int       `json:"untold,omitempty"`       // short episodes that the cooldown kept back
	Recent      []float64 `json:"recent,omitempty"`       // the last values, oldest first
	Source      string    `json:"source,omitempty"`
	Summary     string    `json:"summary,omitempty"` // a template
	Runbook     string    `json:"runbook,omitempty"`
	Text        string    `json:"text,omitempty"` // of tocsin's own messages, instead of all this
	Clock       string    `json:"clock,omitempty"`
	Known       int       `json:"known,omitempty"`    // of an absence: how many series the rule knows
	GroupBy     []string  `json:"group_by,omitempty"` // of an absence: what those are
	Instead     []string  `json:"instead,omitempty"`  // the channels that failed to tell it
	Missed      []string  `json:"missed,omitempty"`   // those of their targets that it did not reach
	Had         []string  `json:"had,omitempty"`      // of one sent again: the targets that have it
	Worst       Severity  `json:"worst,omitempty"`    // the highest it had, where it is lower by now
	After       After     `json:"after,omitempty"`    // what held it back until now
	AfterBy     string    `json:"after_by,omitempty"` // who did, where that was a person
	// Ref is what the service of one that was sent calls it. To who sends one it is
	// what the first about the same alert is called there, which it answers to.
	Ref string `json:"ref,omitempty"`
}

// After says why an alert is told again, or only now.
type After string

// The ends after which an alert is told again.
const (
	AfterSnooze  After = "snooze"  // it is over
	AfterAck     After = "ack"     // it got worse than what was acknowledged
	AfterSilence After = "silence" // it is over
	AfterParent  After = "parent"  // what it depends on is well again
	AfterHours   After = "hours"   // the rule is judged again
	AfterGap     After = "gap"     // tocsin was away, or its source
)

// Outcome is what became of one attempt to deliver.
type Outcome struct {
	State Delivery // Sent, Owed for another try, Dead
	// Unknown says of one that was not Sent that it may have arrived: its
	// request had left when the answer failed to come.
	Unknown bool
	Class   string        // of the failure, such as refused, timeout, tls_issuer, auth, rejected
	Code    int           // the status that the service answered with, 0 for none
	Retry   time.Duration // how long the service asked to wait, 0 when it did not say
	// Ref is what the service calls the message that it took, "" where it has no
	// name by which it could be answered to or changed.
	Ref string
	// Moved says what the service calls the target from now on, where it said so
	// and the message went there.
	Moved Move
}

// Move is a target of a channel that its service calls by another name; the zero
// value is none.
type Move struct{ From, To string }

// ChannelInfo is all that anybody may see of a channel.
type ChannelInfo struct {
	Name        string    `json:"name"`
	Kind        string    `json:"kind"`   // ntfy, smtp, slack, ...
	Origin      string    `json:"origin"` // config or stored
	Health      string    `json:"health"` // ok, failing, failing in part, untried
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"` // its class
	Failing     []string  `json:"failing,omitempty"`    // the targets that fail, where it has several
	Fallback    string    `json:"fallback,omitempty"`   // the channel that is told when this one fails
	Rate        string    `json:"rate,omitempty"`       // the most messages in a time, such as 10/m
	Timeout     string    `json:"timeout,omitempty"`    // how long an answer is awaited, such as 90s
	Quiet       string    `json:"quiet,omitempty"`      // when messages wait, in words
	QuietNow    bool      `json:"quiet_now,omitempty"`
	DeadLetters int       `json:"dead_letters,omitempty"` // messages that it could not deliver
}
