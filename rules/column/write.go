package column

import (
	"encoding/json"
	"fmt"

	"github.com/9bikes/tocsin/rules"
)

// Ledger is rule_id, revision, judged, matched and progress.
func Ledger(l *rules.Ledger, revision int64) ([]any, error) {
	progress, err := optional(l.Progress)
	if err != nil {
		return nil, fmt.Errorf("write the progress of the sources: %w", err)
	}
	return []any{l.Rule.ID, revision, Millis(l.Judged), l.Matched, progress}, nil
}

// Rule is id, owner, name, title, measurement, enabled, deleted_at and body.
func Rule(l *rules.Ledger) ([]any, error) {
	body, err := json.Marshal(l.Rule)
	if err != nil {
		return nil, fmt.Errorf("write rule %s: %w", l.Rule.ID, err)
	}
	var deleted any
	if l.Deleted {
		deleted = l.Rule.UpdatedAt.UnixMilli()
	}
	return []any{
		l.Rule.ID, l.Rule.Owner, l.Rule.Name, l.Rule.Title, l.Rule.Measurement, l.Rule.Enabled, deleted, string(body),
	}, nil
}

// Version is rule_id, version, act, author, door, at and body.
func Version(v rules.Version) ([]any, error) {
	body, err := json.Marshal(v.Rule)
	if err != nil {
		return nil, fmt.Errorf("write version %d of rule %s: %w", v.Version, v.RuleID, err)
	}
	return []any{v.RuleID, v.Version, v.Act, v.By.Name, v.By.Door, v.At.UnixMilli(), string(body)}, nil
}

// Instance is rule_id, series, state, since, quiet_since, stood, cooldown_until,
// untold, snooze, seen, ok_at, rejudge, value, text, level and recent.
func Instance(rule string, in *rules.Instance) ([]any, error) {
	snooze, err := optional(in.Snooze)
	if err != nil {
		return nil, fmt.Errorf("write instance %s: %w", in.Series, err)
	}
	return []any{
		rule, string(in.Series), in.State.String(), Millis(in.Since), Millis(in.QuietSince), int64(in.Stood),
		Millis(in.CooldownUntil), in.Untold, snooze, Millis(in.Seen), Millis(in.OKAt), in.Rejudge, Measured(in.Value),
		in.Text, in.Level, writeSamples(in.Recent()),
	}, nil
}

// Alert is id, rule_id, series, status, severity, started_at, resolved_at,
// value, peak and body.
func Alert(a *rules.Alert) ([]any, error) {
	body, err := json.Marshal(detailsOf(a))
	if err != nil {
		return nil, fmt.Errorf("write alert %s: %w", a.ID, err)
	}
	return []any{
		a.ID, a.RuleID, string(a.Series), string(a.Status()), string(a.Severity), a.StartedAt.UnixMilli(),
		Millis(a.ResolvedAt), Measured(a.Value), Measured(a.Peak), string(body),
	}, nil
}

// Notification is id, rule_id, alert_id, channel, target, origin, reason, state,
// held_by, booked_at, due, attempts, message, unknown, error, code, done_at,
// fallback and facts.
func Notification(n *rules.Notification) ([]any, error) {
	facts, err := json.Marshal(n.Facts)
	if err != nil {
		return nil, fmt.Errorf("write notification %s: %w", n.ID, err)
	}
	return []any{
		n.ID, n.RuleID, OrNull(n.AlertID), n.Channel, n.Target, n.Origin, string(n.Reason), string(n.State), n.HeldBy,
		Millis(n.BookedAt), Millis(n.Due), n.Attempts, n.Message, n.Unknown, n.Error, n.Code, Millis(n.DoneAt),
		n.Fallback, string(facts),
	}, nil
}

// optional is a document whose absence is NULL.
func optional[T any](v *T) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// AuditBody is what of an audit entry is only shown.
type AuditBody struct {
	Text      string            `json:"text,omitempty"`
	Arguments json.RawMessage   `json:"arguments,omitempty"`
	Changes   []rules.KeyChange `json:"changes"`
}
