package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// AlertView is an alert as every door shows it.
type AlertView struct {
	ID       string         `json:"id"`
	RuleID   string         `json:"rule_id"`
	Title    string         `json:"title"`
	Series   rules.Labels   `json:"series"`
	Status   rules.Status   `json:"status"`
	Severity rules.Severity `json:"severity"`
	// the highest it had, where it is lower by now
	Worst          rules.Severity          `json:"worst_severity,omitempty"`
	Value          *float64                `json:"value"`
	Text           string                  `json:"text,omitempty"`
	Peak           *float64                `json:"peak"`
	Since          time.Time               `json:"since"`
	StartedAt      time.Time               `json:"started_at"`
	ResolvedAt     *time.Time              `json:"resolved_at"`
	Reason         string                  `json:"reason,omitempty"` // why it resolved
	AcknowledgedBy string                  `json:"acknowledged_by,omitempty"`
	AcknowledgedAt *time.Time              `json:"acknowledged_at,omitempty"`
	Until          *time.Time              `json:"until,omitempty"` // of a snooze
	Note           string                  `json:"note,omitempty"`
	History        []rules.Acknowledgement `json:"past_acknowledgements,omitempty"`
	HeldBy         string                  `json:"held_by,omitempty"`
	Delivery       DeliveryView            `json:"delivery"`
	Told           []string                `json:"told"` // channels on which a message about it arrived
	Evidence       rules.Evidence          `json:"evidence"`
}

// Alerts lists alerts, the newest first, with the total before the page was
// cut.
func (a *App) Alerts(ctx context.Context, f AlertFilter) ([]AlertView, int, error) {
	if f.RuleID != "" {
		r, err := a.Store.FindRule(ctx, f.Owner, f.RuleID)
		if err != nil {
			return nil, 0, a.suggest(ctx, f.RuleID, err)
		}
		f.RuleID = r.ID
	}
	rows, total, err := a.Store.Alerts(ctx, f)
	out := make([]AlertView, 0, len(rows))
	for _, row := range rows {
		out = append(out, a.ViewAlert(row))
	}
	return out, total, err
}

// Alert returns one alert.
func (a *App) Alert(ctx context.Context, id string) (AlertView, error) {
	row, err := a.Store.Alert(ctx, id)
	if err != nil {
		return AlertView{}, err
	}
	return a.ViewAlert(row), nil
}

// ViewAlert joins what is stored with what only memory knows: the last value
// and the peak.
func (a *App) ViewAlert(row AlertRow) AlertView {
	worst := row.Worst()
	if row.ResolvedAt.IsZero() {
		a.Ledgers.View(row.RuleID, func(l *rules.Ledger) {
			if in := l.Instance(row.Series); in != nil && in.Alert != nil && in.Alert.ID == row.ID {
				row.Value, row.Text, row.Peak = in.Alert.Value, in.Alert.Text, in.Alert.Peak
				worst = l.Worst(in.Alert)
			}
		})
	}
	v := AlertView{
		ID: row.ID, RuleID: row.RuleID, Title: row.Title, Series: row.Series.Labels(), Status: row.Status(),
		Severity: row.Severity,
		Value:    rules.Finite(row.Value), Text: row.Text, Peak: rules.Finite(row.Peak), Since: row.Since,
		StartedAt:  row.StartedAt,
		ResolvedAt: rules.Given(row.ResolvedAt), Reason: row.Reason, History: row.PastAcks, HeldBy: row.HeldBy,
		Delivery: deliveryView(row.Notifications), Told: toldOn(row.Notifications), Evidence: row.Evidence,
	}
	if worst != row.Severity {
		v.Worst = worst
	}
	if ack := row.Ack; ack != nil {
		v.AcknowledgedBy, v.AcknowledgedAt, v.Until, v.Note = ack.By.Name, rules.Given(ack.At), rules.Given(ack.Until),
			ack.Note
	}
	return v
}

// AckRequest is how an alert is acknowledged.
type AckRequest struct {
	Note  string
	Until time.Time // zero: until it resolves; else a snooze
	Undo  bool      // take the acknowledgement back
}

// Acknowledge takes care of an alert, snoozes it, or takes that back.
func (a *App) Acknowledge(ctx context.Context, by rules.Actor, id string, req AckRequest) (AlertView, []string, error) {
	row, err := a.Store.Alert(ctx, id)
	if err != nil {
		return AlertView{}, nil, err
	}
	err = a.Ledgers.Act(ctx, a.Time(), row.RuleID, func(s rules.Setting, l *rules.Ledger) error {
		if req.Undo {
			return l.Unacknowledge(s, id, by)
		}
		return l.Acknowledge(s, id, rules.Acknowledgement{By: by, Until: req.Until, Note: req.Note})
	})
	warnings, err := a.kept(err)
	if err != nil {
		return AlertView{}, nil, err
	}
	if warnings != nil {
		return a.ViewAlert(a.inMemory(row)), a.notNil(warnings), nil
	}
	view, err := a.Alert(ctx, id)
	return view, a.notNil(nil), err
}

// inMemory is an alert as memory knows it, where that could not be saved.
func (a *App) inMemory(row AlertRow) AlertRow {
	a.Ledgers.View(row.RuleID, func(l *rules.Ledger) {
		l.Alerts(func(live *rules.Alert) bool {
			if live.ID == row.ID {
				row.Alert = *live
			}
			return live.ID != row.ID
		})
	})
	return row
}

// kept takes an act that the daemon has in memory although the storage failed
// as done: it is saved as soon as that is possible, and known until a restart.
func (a *App) kept(err error) (warnings []string, rest error) {
	if a.Engine == nil || rules.CodeOf(err) != rules.Unavailable || a.Ledgers.Unsaved() == 0 {
		return nil, err
	}
	return []string{"in memory only: " + rules.Sentence(err)}, nil
}

// toldOn names the channels on which some message about an alert arrived.
func toldOn(list []rules.Notification) []string {
	on := map[string]bool{}
	for _, n := range list {
		if n.State == rules.Sent {
			on[n.Channel] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(on))...)
}
