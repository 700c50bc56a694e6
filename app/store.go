package app

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Store is what the use cases need beyond the ledgers: lists, and the things
// that belong to no rule. Every method is one transaction. Who needs a part of
// it takes that part.
type Store interface {
	evaluator.Store
	RuleStore
	AlertStore
	SilenceStore
	ChannelStore
	DeliveryStore
	TokenStore
	AuditStore

	// Secret returns 32 random bytes by name, which are made when they are
	// first asked for and are the same for all processes from then on.
	Secret(ctx context.Context, name string) ([]byte, error)

	// Prune deletes resolved alerts with their notifications, final
	// notifications of no alert, and silences, that ended before t, oldest
	// first and at most limit alerts, and audit entries from before t; it
	// returns how many alerts.
	Prune(ctx context.Context, t time.Time, limit int) (int, error)

	// Check reports whether the database answers and can be written.
	Check(ctx context.Context) error
	Close() error
}

// RuleStore finds rules and what they were.
type RuleStore interface {
	// Rules lists rules by name; deleted ones only when asked for.
	Rules(ctx context.Context, f RuleFilter) (list []rules.Rule, total int, err error)
	// FindRule returns the rule with this id, or of this owner with this name
	// and not deleted; rules.NotFound when there is none.
	FindRule(ctx context.Context, owner, nameOrID string) (rules.Rule, error)
	// Versions lists changes of rules, the newest first, with the total before
	// the page was cut.
	Versions(ctx context.Context, f VersionFilter) (list []rules.Version, total int, err error)

	// Watched lists the enabled rules by name, without reading what they say.
	Watched(ctx context.Context) ([]evaluator.WatchedRule, error)
	// Unmatched lists the ids of enabled rules for which no series ever had a
	// value.
	Unmatched(ctx context.Context) ([]string, error)
}

// AlertStore finds alerts that are or were.
type AlertStore interface {
	// Alerts lists alerts, the newest first.
	Alerts(ctx context.Context, f AlertFilter) (list []AlertRow, total int, err error)
	// Alert returns one alert with its notifications; rules.NotFound when
	// there is none.
	Alert(ctx context.Context, id string) (AlertRow, error)
}

// SilenceStore keeps silences.
type SilenceStore interface {
	// Silences lists those that end after t or never, the next to end first.
	Silences(ctx context.Context, t time.Time) ([]rules.Silence, error)
	// PutSilence stores a silence under its id.
	PutSilence(ctx context.Context, s rules.Silence) error
}

// ChannelStore keeps channels that no config has.
type ChannelStore interface {
	// Channels lists the stored channels by name, sealed.
	Channels(ctx context.Context) ([]StoredChannel, error)
	// PutChannel stores a channel; a name that is taken is a rules.Conflict.
	PutChannel(ctx context.Context, c StoredChannel) error
	// DeleteChannel removes a channel; rules.NotFound when there is none.
	DeleteChannel(ctx context.Context, name string) error
}

// DeliveryStore tells what became of messages.
type DeliveryStore interface {
	// ChannelHealth returns how the last notifications of each address fared. What
	// is owed after a failure has failed when it did so first.
	ChannelHealth(ctx context.Context) (map[rules.Address]Health, error)
	// DeadLetters lists what could not be delivered, tests left out, the newest
	// first; of one channel when it is given, and at most limit, 0 for all.
	DeadLetters(ctx context.Context, channel string, limit int) ([]rules.Notification, error)
	// Notification returns one; rules.NotFound when there is none.
	Notification(ctx context.Context, id string) (rules.Notification, error)
	// FanOut returns the one of that ID with those that were fanned out from it over
	// the targets of its channel; rules.NotFound when there is none.
	FanOut(ctx context.Context, id string) ([]rules.Notification, error)
}

// TokenStore keeps tokens.
type TokenStore interface {
	// Tokens lists the tokens by name.
	Tokens(ctx context.Context) ([]Token, error)
	// PutToken stores a new token; a name that is taken is a rules.Conflict.
	PutToken(ctx context.Context, t Token) error
	// DeleteToken removes a token; rules.NotFound when there is none.
	DeleteToken(ctx context.Context, name string) error
	// UseToken notes when the token with this id was used; one that is gone
	// meanwhile is left alone.
	UseToken(ctx context.Context, id string, at time.Time) error
	// TokenRevision returns a number that moves whenever a token was put or
	// deleted, here or by another process. It is cheap enough to be asked for
	// each request.
	TokenRevision(ctx context.Context) (int64, error)
}

// AuditStore keeps the record of acts.
type AuditStore interface {
	// AddAudit stores an audit entry under the next id and lets the oldest go
	// when there are more than most; 0 is no limit.
	AddAudit(ctx context.Context, e AuditEntry, most int) error
	// Audit lists audit entries, the newest first, with the total before the
	// page was cut.
	Audit(ctx context.Context, f AuditFilter) (list []AuditEntry, total int, err error)
}

// RuleFilter picks rules; the zero value picks all that are not deleted.
type RuleFilter struct {
	Owner   string
	Enabled *bool
	Text    string // in name, title or measurement
	Deleted bool   // only deleted ones
	After   string // a name: the page begins after it
	Limit   int    // 0 for all
}

// VersionFilter picks changes of rules; the zero value picks all.
type VersionFilter struct {
	RuleID string
	// BeforeRule and BeforeVersion begin the page after that change.
	BeforeRule    string
	BeforeVersion int
	Limit         int // 0 for all
}

// AlertFilter picks alerts; the zero value picks all.
type AlertFilter struct {
	Owner    string
	RuleID   string
	Status   rules.Status
	Severity rules.Severity
	Since    time.Time // started at or after
	Until    time.Time // started before
	Limit    int       // 0 for all
	// Before and BeforeID begin the page after the alert that started then and has that id.
	Before   time.Time
	BeforeID string
}

// Health is how the notifications of an address fared.
type Health struct {
	LastSuccess, LastFailure time.Time
	Error                    string // the class of the last failure
}

// AlertRow is an alert with what was sent about it.
type AlertRow struct {
	rules.Alert
	Notifications []rules.Notification
}

// StoredChannel is a channel whose URL is sealed with the key that only the
// daemon and its owner can open.
type StoredChannel struct {
	ID        string
	Name      string
	Kind      string
	Sealed    []byte
	Settings  notify.Settings
	By        rules.Actor
	CreatedAt time.Time
}
