package rules

import (
	"slices"
	"strings"
	"time"
)

// RunTimers runs the timers of every alert: rows 14 to 25. It is called at every
// base tick, whatever the rule's own schedule.
func (l *Ledger) RunTimers(s Setting) {
	if !l.Judged.Equal(s.Now) {
		l.settle()
	}
	l.restAll(s.Now)
	for _, a := range l.alerts {
		if in := l.instances.of(a.Series); in != nil && in.Alert == a {
			l.tend(s, in)
		} else {
			l.close(s, a)
		}
	}
}

// restAll begins row 25 where active ends between two ticks of the rule.
func (l *Ledger) restAll(now time.Time) {
	if l.Active(now) {
		l.resting = false
		return
	}
	if l.resting {
		return
	}
	l.resting = true
	for in := range l.instances.all() {
		l.rest(in, now)
	}
}

func (l *Ledger) tend(s Setting, in *Instance) {
	a := in.Alert
	if a.HeldBy == heldInactive || s.Behind && a.HeldBy == heldReplay {
		return // until it is judged again, and up to now
	}
	held := l.stillHeld(s, a)
	switch {
	case held != "":
		l.holdBack(a, held)
	case in.State == Recovering:
		// It is good now: whatever it owes waits until it is bad again or over.
	case s.Behind && !s.Down:
		// It may be over: what was missed says whether there is anything to tell.
	case a.HeldBy != "":
		after := afterHold(a.HeldBy)
		a.HeldBy = ""
		l.changed.alert(a)
		l.tellAgain(s, in, after, "")
	case a.DueAt.IsZero() && (a.Ack == nil || l.firstWaits(a)):
		l.endCooldown(s, in)
	case a.Ack != nil:
		l.wake(s, in)
	default:
		l.remind(s, in)
		l.escalate(s, in)
	}
}

// holdBack is row 22: nothing of this alert goes out until the hold ends.
func (l *Ledger) holdBack(a *Alert, held string) {
	if a.HeldBy == held {
		return
	}
	a.HeldBy = held
	l.changed.alert(a)
	for _, n := range l.owed[a.ID] {
		if n.State == Owed || n.State == Held {
			n.State, n.HeldBy = Held, held
			l.changed.notification(n)
		}
	}
}

// afterHold says what is over when a hold is.
func afterHold(heldBy string) After {
	switch {
	case heldBy == heldInactive:
		return AfterHours
	case heldBy == heldReplay:
		return AfterGap
	case strings.HasPrefix(heldBy, HeldBySilence("")):
		return AfterSilence
	}
	return AfterParent
}

// explain adds to the messages that were booked now why they come now.
func (l *Ledger) explain(a *Alert, now time.Time, after After, by string) {
	for _, n := range l.owed[a.ID] {
		if n.BookedAt.Equal(now) && !n.State.Final() && n.Reason.Announces() {
			n.Facts.After, n.Facts.AfterBy = after, by
		}
	}
}

// tellAgain is row 23 for what is still wrong at the end of a hold: one
// message, and the timers count from now.
func (l *Ledger) tellAgain(s Setting, in *Instance, after After, by string) {
	defer l.explain(in.Alert, s.Now, after, by)
	a := in.Alert
	l.cancel(a, s.Now, func(n *Notification) bool { return n.State == Held })
	switch {
	case a.Ack != nil:
	case a.DueAt.IsZero():
		l.announce(s, in)
	default:
		a.Told = max(a.Told, a.Severity.Rank())
		a.DueAt = s.Now
		l.book(s, in, Reminder)
		l.startReminders(a, s.Now)
	}
}

// wake is the end of a snooze, row 18.
func (l *Ledger) wake(s Setting, in *Instance) {
	a := in.Alert
	if a.Ack.Until.IsZero() || s.Now.Before(a.Ack.Until) {
		return
	}
	by := a.Ack.By.Name
	l.endAck(in, "over", s.Now)
	a.EscalatedAt = time.Time{}
	l.tellAgain(s, in, AfterSnooze, by)
}

// endAck ends an acknowledgement, and a snooze for the episodes to come.
func (l *Ledger) endAck(in *Instance, why string, now time.Time) {
	a := in.Alert
	ack := *a.Ack
	ack.Ended, ack.EndedAt = why, now
	a.PastAcks, a.Ack = append(a.PastAcks, ack), nil
	in.Snooze = nil
	l.note(in)
	l.changed.alert(a)
}

// firstWaits reports whether the first message of an alert is held back.
func (l *Ledger) firstWaits(a *Alert) bool {
	return slices.ContainsFunc(l.owed[a.ID], func(n *Notification) bool {
		return n.State == Held && n.Reason == FirstNews
	})
}

// endCooldown is row 14: a first that waited is due when the cooldown ends, on
// the channels that the rule and its level name by then.
func (l *Ledger) endCooldown(s Setting, in *Instance) {
	if in.CooldownUntil.After(s.Now) {
		return
	}
	missing := l.channels(s, in.Alert, FirstNews)
	for _, n := range l.owed[in.Alert.ID] {
		i := slices.Index(missing, n.Channel)
		if n.State != Held || n.Reason != FirstNews || i < 0 {
			continue
		}
		missing = slices.Delete(missing, i, i+1)
		n.State, n.HeldBy, n.Due, n.Facts = Owed, "", s.Now, l.facts(in, in.Alert)
		l.changed.notification(n)
	}
	l.cancel(in.Alert, s.Now, func(n *Notification) bool { return n.State == Held })
	for _, channel := range missing {
		l.bookOn(s, in, FirstNews, Address{Channel: channel}, "", s.Now)
	}
	l.firstIsDue(s, in)
}

func (l *Ledger) remind(s Setting, in *Instance) {
	a := in.Alert
	if a.RemindAt.IsZero() || s.Now.Before(a.RemindAt) || len(l.Rule.Remind) == 0 {
		return
	}
	l.book(s, in, Reminder)
	a.Reminders++
	a.RemindAt = s.Now.Add(gap(l.Rule.Remind, a.Reminders))
	l.changed.alert(a)
}

// gap is the time before reminder n; the last one repeats.
func gap(remind []Duration, n int) time.Duration {
	return remind[min(n, len(remind)-1)].Std()
}

func (l *Ledger) escalate(s Setting, in *Instance) {
	a, e := in.Alert, l.Rule.Escalate
	if e == nil || !a.EscalatedAt.IsZero() || s.Now.Sub(a.DueAt) < e.After.Std() {
		return
	}
	l.book(s, in, Escalated)
	a.EscalatedAt = s.Now
	l.changed.alert(a)
}

// close follows a resolved alert with messages that are not out: rows 22
// and 23.
func (l *Ledger) close(s Setting, a *Alert) {
	if s.Behind && a.HeldBy == heldReplay {
		return
	}
	if held := l.stillHeld(s, a); held != "" {
		l.holdBack(a, held)
		return
	}
	if a.HeldBy == "" {
		return
	}
	a.HeldBy = ""
	l.changed.alert(a)
	heard := l.heard(a)
	l.release(a, s.Now, func(n *Notification) bool {
		return n.missed() || n.State == Held && n.Reason == Resolved && n.Address().MeetsAny(heard)
	})
	l.cancel(a, s.Now, func(n *Notification) bool { return n.State == Held })
}
