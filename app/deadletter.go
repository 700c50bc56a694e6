package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// DeadLetter is a message that could not be delivered, as doors show it.
type DeadLetter struct {
	ID       string       `json:"id"`
	Channel  string       `json:"channel"`
	Target   string       `json:"target,omitempty"` // who of several missed it
	Reason   rules.Reason `json:"reason"`
	Title    string       `json:"title"`
	Series   rules.Series `json:"series,omitempty"`
	AlertID  string       `json:"alert_id,omitempty"`
	RuleID   string       `json:"rule_id,omitempty"`
	Error    string       `json:"error"`             // its class
	Unknown  bool         `json:"unknown,omitempty"` // a try was not answered: it may have arrived
	BookedAt time.Time    `json:"booked_at"`
	DoneAt   time.Time    `json:"done_at"`
	Fallback string       `json:"fallback,omitempty"` // the channel that was told instead
}

// DeadLetters lists what could not be delivered, the newest first; of one
// channel when it is named.
func (a *App) DeadLetters(ctx context.Context, channel string) ([]DeadLetter, error) {
	list, err := a.Store.DeadLetters(ctx, channel, 0)
	if err != nil {
		return nil, err
	}
	out := []DeadLetter{}
	for _, n := range list {
		out = append(out, DeadLetter{
			ID: n.ID, Channel: n.Channel, Target: n.Target, Reason: n.Reason, Title: n.Facts.Title, Series: n.Facts.Series,
			AlertID: n.AlertID,
			RuleID:  n.RuleID, Error: n.Error, Unknown: n.Unknown, BookedAt: n.BookedAt, DoneAt: n.DoneAt, Fallback: n.Fallback,
		})
	}
	return out, nil
}

// ResendAll sends the dead letters of a channel again and returns how many
// they are.
func (a *App) ResendAll(ctx context.Context, channel string) (int, error) {
	if err := a.KnownChannel(ctx, channel); err != nil {
		return 0, err
	}
	list, err := a.Store.DeadLetters(ctx, channel, 0)
	if err != nil {
		return 0, err
	}
	return a.resend(ctx, list)
}

// DropDeadLetters gives the dead letters of a channel up, and returns how many
// they were.
func (a *App) DropDeadLetters(ctx context.Context, channel string) (int, error) {
	list, err := a.Store.DeadLetters(ctx, channel, 0)
	if err != nil {
		return 0, err
	}
	ids, byRule := lettersByRule(list)
	count := 0
	err = a.Ledgers.Decide(ctx, a.Time(), ids, func(s rules.Setting, l *rules.Ledger) error {
		count += l.Drop(byRule[l.Rule.ID], s.Now)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("drop dead letters: %w", err)
	}
	return count, nil
}

func lettersByRule(list []rules.Notification) (ids []string, byRule map[string][]rules.Notification) {
	byRule = map[string][]rules.Notification{}
	for _, n := range list {
		if byRule[n.RuleID] == nil {
			ids = append(ids, n.RuleID)
		}
		byRule[n.RuleID] = append(byRule[n.RuleID], n)
	}
	return ids, byRule
}

// Resend sends one dead letter again.
func (a *App) Resend(ctx context.Context, id string) error {
	n, err := a.Store.Notification(ctx, id)
	if err != nil {
		return err
	}
	if n.State != rules.Dead {
		return rules.WithHint(rules.Errorf(rules.Conflict, "message %s is %s, not a dead letter", id, n.State),
			rules.SeeDeadLetters, "")
	}
	if err := a.KnownChannel(ctx, n.Channel); err != nil {
		return err
	}
	_, err = a.resend(ctx, []rules.Notification{n})
	return err
}

// resend owes dead letters again. What they tell of may be over by now; then
// they say so.
func (a *App) resend(ctx context.Context, list []rules.Notification) (int, error) {
	for i := range list {
		if err := a.bringUpToDate(ctx, &list[i]); err != nil {
			return 0, err
		}
		if err := a.leaveOut(ctx, &list[i]); err != nil {
			return 0, err
		}
	}
	ids, byRule := lettersByRule(list)
	count := 0
	err := a.Ledgers.Decide(ctx, a.Time(), ids, func(s rules.Setting, l *rules.Ledger) error {
		count += l.Resend(byRule[l.Rule.ID], s.Now)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("owe dead letters again: %w", err)
	}
	return count, nil
}

func (a *App) bringUpToDate(ctx context.Context, n *rules.Notification) error {
	if n.AlertID == "" {
		return nil
	}
	row, err := a.Store.Alert(ctx, n.AlertID)
	if err != nil {
		return err
	}
	n.Facts.ResolvedAt, n.Facts.Why, n.Facts.Peak = row.ResolvedAt, row.Reason, rules.Finite(row.Peak)
	return nil
}

// leaveOut notes which targets have the message already: it goes to none of
// them, also when the one that missed it is replaced meanwhile.
func (a *App) leaveOut(ctx context.Context, n *rules.Notification) error {
	if n.Target == "" {
		return nil
	}
	all, err := a.Store.FanOut(ctx, n.Root())
	if err != nil {
		return err
	}
	n.Facts.Had = nil
	for _, other := range all {
		if other.ID != n.ID {
			n.Facts.Had = append(n.Facts.Had, other.Target)
		}
	}
	return nil
}

func (a *App) KnownChannel(ctx context.Context, name string) error {
	known, err := a.channelNames(ctx)
	if err != nil {
		return err
	}
	for _, k := range known {
		if k == name {
			return nil
		}
	}
	err = noChannel("", name, known)
	return &rules.Error{Code: rules.NotFound, Text: err.Error(), Hints: rules.Hints(err)}
}

// DeadProblems tells of dead letters, for status and doctor.
func DeadProblems(list []DeadLetter) (out []string) {
	count := map[string]int{}
	missed := map[string][]string{}
	var order []string
	for _, d := range list {
		if count[d.Channel] == 0 {
			order = append(order, d.Channel)
		}
		count[d.Channel]++
		if d.Target != "" && !slices.Contains(missed[d.Channel], d.Target) {
			missed[d.Channel] = append(missed[d.Channel], d.Target)
		}
	}
	for _, name := range order {
		whom := ""
		if missed[name] != nil {
			whom = " (for " + strings.Join(missed[name], ", ") + ")"
		}
		out = append(out,
			fmt.Sprintf("channel %s: %s%s: `tocsin channels dead` lists them; send them again with `tocsin channels resend "+
				"--all %s`, or let go of them with `tocsin channels dead --drop %s`", name, deadLetters(count[name]), whom, name,
				name))
	}
	return out
}

func deadLetters(n int) string {
	if n == 1 {
		return "1 dead letter"
	}
	return fmt.Sprintf("%d dead letters", n)
}
