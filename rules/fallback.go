package rules

import (
	"slices"
	"time"
)

// Fallback owes a message that its channel could not deliver, or perhaps did not,
// on another one as well, once. What is announced there so hears of the end too. The end of an
// episode goes with its beginning, and goes alone where the beginning did
// arrive: the other channel stands in for the one that failed. It reports
// whether the other channel has the message.
func (l *Ledger) Fallback(id, channel string, now time.Time) bool {
	n := l.messages[id]
	if n == nil || n.State != Owed && n.State != Sending && n.State != Dead {
		return false
	}
	l.settle()
	has := l.copyTo(n, channel, now)
	a := l.alerts[n.AlertID]
	if a == nil || a.ResolvedAt.IsZero() || !n.Reason.Announces() {
		return has
	}
	for _, m := range l.owed[a.ID] {
		if m.Reason == Resolved && m.Address().Meets(n.Address()) && m.State != Sent {
			l.copyTo(m, channel, now)
		}
	}
	return has
}

// MayGoTo reports whether another channel can stand in for the notification's
// own: neither failed with it yet. A test tests its own channel only.
func (n *Notification) MayGoTo(channel string) bool {
	return n.Reason != Test && channel != n.Channel && !slices.Contains(n.Facts.Instead, channel)
}

// copyTo copies a message to a channel that neither has it nor failed with it,
// and reports whether that channel has it.
func (l *Ledger) copyTo(n *Notification, channel string, now time.Time) bool {
	id := "n" + digest(n.Root(), channel)
	there := l.messages[id]
	lost := there != nil && (there.State == Dead || there.State == Cancelled)
	switch {
	case !n.MayGoTo(channel):
		return false
	case n.Fallback != "":
		return n.Fallback == channel && !lost
	}
	n.Fallback = channel
	l.changed.notification(n)
	if there != nil {
		l.alsoMissed(id, n)
		return !lost
	}
	if l.knows(n, channel) {
		return true
	}
	m := *n
	m.ID, m.Channel, m.Target, m.Origin, m.Fallback, m.Facts.Ref = id, channel, "", "", "", ""
	m.BookedAt, m.Due, m.DoneAt = now, now, time.Time{}
	m.Attempts, m.Message, m.Unknown, m.Error, m.Code = 0, "", false, "", 0
	m.State, m.HeldBy = Owed, ""
	m.Facts.Instead = append(slices.Clone(n.Facts.Instead), n.Channel)
	m.Facts.Missed, m.Facts.Had = missed(n), nil
	if a := l.alerts[n.AlertID]; a != nil && a.HeldBy != "" {
		m.State, m.HeldBy = Held, a.HeldBy
	}
	l.owe(&m)
	l.changed.notification(&m)
	return true
}

// missed names the target that a message did not reach.
func missed(n *Notification) []string {
	if n.Target == "" {
		return nil
	}
	return []string{n.Target}
}

// alsoMissed adds to what the fallback is owed already that another target
// missed it too.
func (l *Ledger) alsoMissed(id string, n *Notification) {
	for _, m := range l.owed[n.AlertID] {
		if m.Root() == id && (m.State == Owed || m.State == Held) && !slices.Contains(m.Facts.Missed, n.Target) {
			m.Facts.Missed = append(slices.Clone(m.Facts.Missed), n.Target)
			l.changed.notification(m)
		}
	}
}

// knows reports whether the same news was booked on a channel by itself.
func (l *Ledger) knows(n *Notification, channel string) bool {
	return slices.ContainsFunc(l.owed[n.AlertID], func(m *Notification) bool {
		return m.Channel == channel && m.Reason == n.Reason && m.State != Cancelled && m.BookedAt.Equal(n.BookedAt) &&
			m.Facts.Title == n.Facts.Title && m.Facts.Text == n.Facts.Text
	})
}

// Resend owes dead letters again, with the facts that list has of them, as if
// they were booked now. It returns how many. The ledger needs not hold them:
// what is final is let go of.
func (l *Ledger) Resend(list []Notification, now time.Time) int {
	dead := l.exhume(list)
	for _, n := range dead {
		n.State, n.HeldBy, n.BookedAt, n.Due, n.DoneAt = Owed, "", now, now, time.Time{}
		n.Attempts, n.Message, n.Unknown, n.Error, n.Code, n.Fallback = 0, "", false, "", 0, ""
		if a := l.alerts[n.AlertID]; a != nil && a.HeldBy != "" {
			n.State, n.HeldBy = Held, a.HeldBy
		}
	}
	return len(dead)
}

// Drop gives dead letters up for good, and returns how many.
func (l *Ledger) Drop(list []Notification, now time.Time) int {
	dead := l.exhume(list)
	for _, n := range dead {
		n.State, n.DoneAt = Cancelled, now
	}
	return len(dead)
}

// exhume takes the dead letters of list into the ledger, to be changed.
func (l *Ledger) exhume(list []Notification) (out []*Notification) {
	l.settle()
	for i := range list {
		n := l.messages[list[i].ID]
		if n == nil && list[i].State == Dead {
			copied := list[i]
			n = &copied
			l.owe(n)
		}
		if n == nil || n.State != Dead {
			continue
		}
		n.Facts = list[i].Facts
		l.changed.notification(n)
		out = append(out, n)
	}
	return out
}
