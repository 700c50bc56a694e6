// Package notify delivers what the ledgers owe: the Dispatcher with a worker
// for each channel, the messages, backoff and redaction. What a service's API
// looks like is known in its sub-package only. What is owed, to whom and
// whether it is held back is decided by the ledgers; here it is folded, worded
// and sent, and the ledgers hear what came of it.
package notify

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Channel is a named place to send to, with its credential.
type Channel struct {
	Name string
	// Target is which of the targets of its URL is meant, by its name; "" where
	// there is one.
	Target string
	Kind   string // ntfy, smtp, slack, ...
	URL    rules.Secret
	// Timeout is how long an answer is awaited; 0 is what the Sender takes to be
	// right.
	Timeout time.Duration
	Trust   rules.Trust
	Edit    bool              // the end of an alert changes its first message and is told by no other
	Moved   map[string]string // what targets are called at the service, where not as in the URL
}

// Tone says what a message brings, for colours and priorities.
type Tone string

// The tones.
const (
	Alarm  Tone = "alarm"  // something is wrong
	Relief Tone = "relief" // it is over
	Notice Tone = "notice" // tocsin's own, tests and digests
)

// Field is a named fact of a message.
type Field struct {
	Name, Value string
	// Graph is the fact drawn in letters, to be shown before Value where all
	// letters are equally wide, and left out elsewhere.
	Graph string
	// Tag says that the title has it already, where it tells where.
	Tag bool
	// Record says that it is for those who keep a record or look closer, and not
	// for a phone.
	Record bool
}

// Message is what one delivery says, before any service's dress. All of it is
// plain text, in which Data marks what came out of the data; the Sender escapes it
// for its service and cuts it to the service's limits.
type Message struct {
	ID       string   // stable over retries; services that know idempotency use it
	Threads  []string // the alerts that it tells of, the worst first
	Title    string   // one line
	Place    string   // how Title ends: where it is, which is cut last
	Text     string   // the body without the title; lines
	Fields   []Field
	Severity rules.Severity
	Tone     Tone
	Link     string   // the runbook
	Actions  []Action // what can be done about it; ours, so trusted
	Topic    string   // what it is about, the same in all messages about an alert
	Answers  string   // what the service called the first message about the same alerts
	Replaces string   // the same where that told of nothing else, so that it may be changed; the Sender's own
	About    []About  // the alerts that it tells of, for programs; the worst first
	At       time.Time
}

// About is an alert in a message, as a program wants it: nothing in it is marked
// or rounded.
type About struct {
	ID         string       `json:"id"`
	Reason     rules.Reason `json:"reason"`
	Title      string       `json:"title"`
	Rule       string       `json:"rule"`
	Labels     rules.Labels `json:"labels"` // the tags of its series
	Severity   string       `json:"severity"`
	Value      any          `json:"value"` // a number, a text, or nil
	Peak       *float64     `json:"peak,omitempty"`
	Unit       string       `json:"unit,omitempty"`
	Operator   string       `json:"operator,omitempty"`
	Limit      rules.Value  `json:"limit,omitzero"`
	Since      time.Time    `json:"since"`
	ResolvedAt time.Time    `json:"resolved_at,omitzero"`
}

// Sender delivers messages over the services it knows.
type Sender interface {
	// Check returns the kind of the service that url names. Its error is fit
	// to be shown: it never repeats url or a part of it.
	Check(url rules.Secret) (kind string, err error)
	// Targets names those that url has messages go to, such as the recipients of
	// mail; "" is one that needs no name. A name is fit to be shown: of what might
	// open something it shows no more than tells it from the others.
	Targets(url rules.Secret) []string
	// Renamed is what a target of url is called now that was called name by an
	// earlier version; name itself where nobody was.
	Renamed(url rules.Secret, name string) string
	// Send delivers m and says what became of it. It returns soon after ctx
	// ends. It never panics, and nothing in the outcome is foreign text.
	Send(ctx context.Context, c Channel, m Message) rules.Outcome
}
