package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Why an alert resolved.
const (
	WhyRecovered   = "recovered"
	WhyRuleChanged = "rule_changed"
	WhyNotWatched  = "no longer watched"
	WhyRetired     = "retired"
)

// What holds messages back, besides silence:ID, alert:ID and rule:ID.
const (
	heldCooldown = "cooldown"
	heldInactive = "inactive"
	heldReplay   = "replay"
)

// hold names what holds back the messages of an alert now, "" for nothing. Of
// several silences it keeps to the one that holds already. A rule that is not
// watched any more has no parents to wait for.
func (l *Ledger) hold(s Setting, a *Alert) string {
	held := ""
	for i := range s.Silences {
		id := HeldBySilence(s.Silences[i].ID)
		if (held == "" || id == a.HeldBy) && s.Silences[i].Covers(&l.Rule, a.Series, s.Now) {
			held = id
		}
	}
	unwatched := a.Reason == WhyNotWatched || a.Reason == WhyRuleChanged
	if held == "" && s.Cover != nil && len(l.Rule.DependsOn) > 0 && !unwatched {
		held = s.Cover(&l.Rule, a.Series)
	}
	if held == "" && s.Replay {
		held = heldReplay
	}
	return held
}

// stillHeld is hold for an alert that something held back. Where that ends
// before ticks are judged that the alert began in, nobody knows yet whether it
// lasts: then the replay holds it.
func (l *Ledger) stillHeld(s Setting, a *Alert) string {
	held := l.hold(s, a)
	missed := s.Behind && !s.Missed.IsZero() && !a.StartedAt.Before(s.Missed)
	if held == "" && a.HeldBy != "" && a.DueAt.IsZero() && missed {
		held = heldReplay
	}
	return held
}

// announce books the first message of an episode: at once, or held by a
// silence or parent, or held until the cooldown is over.
func (l *Ledger) announce(s Setting, in *Instance) {
	a := in.Alert
	switch {
	case a.HeldBy != "":
		l.bookHeld(s, in, FirstNews, a.HeldBy, s.Now)
	case in.CooldownUntil.After(s.Now):
		l.bookHeld(s, in, FirstNews, heldCooldown, in.CooldownUntil)
	default:
		l.book(s, in, FirstNews)
		l.firstIsDue(s, in)
	}
}

// firstIsDue starts the clocks that count from the first message.
func (l *Ledger) firstIsDue(s Setting, in *Instance) {
	a := in.Alert
	a.DueAt, a.Told, in.Untold = s.Now, a.Severity.Rank(), 0
	in.CooldownUntil = s.Now.Add(l.Rule.Cooldown.Std())
	l.startReminders(a, s.Now)
	l.changed.alert(a)
	l.note(in)
}

func (l *Ledger) startReminders(a *Alert, now time.Time) {
	a.Reminders, a.RemindAt = 0, time.Time{}
	if len(l.Rule.Remind) > 0 {
		a.RemindAt = now.Add(gap(l.Rule.Remind, 0))
	}
	l.changed.alert(a)
}

func (l *Ledger) book(s Setting, in *Instance, reason Reason) {
	l.bookHeld(s, in, reason, in.Alert.HeldBy, s.Now)
}

func (l *Ledger) bookHeld(s Setting, in *Instance, reason Reason, heldBy string, due time.Time) {
	for _, to := range l.addresses(s, in.Alert, reason) {
		l.bookOn(s, in, reason, to, heldBy, due)
	}
}

func (l *Ledger) bookOn(s Setting, in *Instance, reason Reason, to Address, heldBy string, due time.Time) {
	a := in.Alert
	n := &Notification{
		ID:     "n" + digest(a.ID, to.Channel, string(reason), strconv.FormatInt(s.Now.UnixMilli(), 10)),
		RuleID: l.Rule.ID, AlertID: a.ID, Channel: to.Channel, Target: to.Target, Reason: reason, State: Owed,
		BookedAt: s.Now, Due: due, Facts: l.facts(in, a),
	}
	if to.Target != "" {
		n.ID, n.Origin = "n"+digest(n.ID, to.Target), n.ID
	}
	if heldBy != "" {
		n.State, n.HeldBy = Held, heldBy
	}
	l.owe(n)
	l.changed.notification(n)
}

// addresses are where a message of this reason goes.
func (l *Ledger) addresses(s Setting, a *Alert, reason Reason) (out []Address) {
	if reason == Resolved {
		return l.heard(a)
	}
	for _, channel := range l.channels(s, a, reason) {
		out = append(out, Address{Channel: channel})
	}
	return out
}

// channels names where a message of this reason goes, if it is no resolve.
func (l *Ledger) channels(s Setting, a *Alert, reason Reason) []string {
	if reason == Escalated {
		return l.Rule.Escalate.Channels
	}
	out := slices.Clone(l.Rule.Channels)
	if len(out) == 0 && s.Route != nil {
		out = slices.Clone(s.Route(a.Severity))
	}
	if a.Level > 0 && a.Level <= len(l.Rule.Levels) {
		out = append(out, l.Rule.Levels[a.Level-1].Channels...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// heard are the addresses at which the episode was announced, or is about to
// be: a message that is owed for another reason than policy merges with the
// resolve.
func (l *Ledger) heard(a *Alert) []Address {
	var out []Address
	for _, n := range l.owed[a.ID] {
		heard := n.told() || n.State == Sending || n.State == Owed || n.missed()
		if heard && n.Reason.Announces() {
			out = append(out, n.Address())
		}
	}
	return widest(out)
}

// Announced are the addresses at which an alert's episode was announced.
func (l *Ledger) Announced(alert string) []Address {
	var out []Address
	for _, n := range l.owed[alert] {
		if n.told() && n.Reason.Announces() {
			out = append(out, n.Address())
		}
	}
	return widest(out)
}

// arrived reports whether an address took a message that announced the episode.
func (l *Ledger) arrived(a *Alert, to Address) bool {
	return slices.ContainsFunc(l.owed[a.ID], func(n *Notification) bool {
		return n.State == Sent && n.Reason.Announces() && n.Address().Meets(to)
	})
}

// resolve ends an episode and books its message on the channels that heard of
// it.
func (l *Ledger) resolve(s Setting, in *Instance, why string) {
	a := in.Alert
	a.ResolvedAt, a.Reason = s.Now, why
	if a.Ack != nil {
		a.Ack.Ended, a.Ack.EndedAt = "resolved", s.Now
	}
	short := l.cancel(a, s.Now, func(n *Notification) bool { return n.State == Held && n.HeldBy == heldCooldown })
	if short > 0 && a.DueAt.IsZero() {
		in.Untold++
	}
	// What began and ended in a gap is named when the gap is over.
	named := (s.Replay || s.Behind) && (why == WhyRecovered || why == WhyRetired)
	l.cancel(a, s.Now, func(n *Notification) bool {
		return n.State == Held && !n.missed() && (!named || n.HeldBy != heldReplay || n.Reason != FirstNews)
	})
	l.merge(a, s.Now)
	if a.HeldBy = l.hold(s, a); a.HeldBy == "" {
		l.release(a, s.Now, (*Notification).missed)
	}
	l.book(s, in, Resolved)
	for _, to := range l.heard(a) {
		l.together(a, to)
	}
	l.changed.alert(a)
	l.calm(in, s.Now)
}

// missed reports whether a message was due before something held it back, and
// its channel had failed: it is owed still, because no policy has decided that
// nobody is to be told.
func (n *Notification) missed() bool { return n.State == Held && n.Failed() && n.Reason.Announces() }

// release owes the held messages of an alert that which picks, from now on.
func (l *Ledger) release(a *Alert, now time.Time, which func(*Notification) bool) {
	for _, n := range l.owed[a.ID] {
		if which(n) {
			n.State, n.HeldBy, n.Due = Owed, "", now
			l.changed.notification(n)
		}
	}
}

// together makes what a resolved alert owes at an address due at one time, so
// that a first that is to be tried again and the resolve go as one message.
func (l *Ledger) together(a *Alert, to Address) {
	var due time.Time
	ours := func(n *Notification) bool { return n.State == Owed && n.Address().Meets(to) }
	for _, n := range l.owed[a.ID] {
		if ours(n) {
			due = Later(due, n.Due)
		}
	}
	for _, n := range l.owed[a.ID] {
		if ours(n) && !n.Due.Equal(due) {
			n.Due = due
			l.changed.notification(n)
		}
	}
}

// merge leaves at most one unsent message for each address, to be told together
// with the resolve, and none where the episode is announced already.
func (l *Ledger) merge(a *Alert, now time.Time) {
	var told []Address
	for _, n := range l.owed[a.ID] {
		if n.Reason.Announces() && (n.State == Sent || n.State == Sending) {
			told = append(told, n.Address())
		}
	}
	l.cancel(a, now, func(n *Notification) bool {
		if n.State != Owed || n.Address().MeetsAny(told) {
			return n.State == Owed
		}
		told = append(told, n.Address())
		return false
	})
}

// cancel ends the unsent messages of an alert that which picks, and counts
// them.
func (l *Ledger) cancel(a *Alert, now time.Time, which func(*Notification) bool) int {
	count := 0
	for _, n := range l.owed[a.ID] {
		if !n.State.Final() && n.State != Sending && which(n) {
			n.State, n.DoneAt = Cancelled, now
			l.changed.notification(n)
			count++
		}
	}
	return count
}

// Tend runs the timers of every alert: rows 14 to 25. It is called at every
// base tick, whatever the rule's own schedule.
func (l *Ledger) Tend(s Setting) {
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
	return slices.ContainsFunc(l.owed[a.ID], func(n *Notification) bool { return n.State == Held && n.Reason == FirstNews })
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

// facts are what a message says, as of now.
func (l *Ledger) facts(in *Instance, a *Alert) Facts {
	r := &l.Rule
	f := Facts{
		Title: r.Title, Rule: r.Name, Series: a.Series, Labels: r.Labels, Severity: a.Severity,
		Measured: strings.Trim(r.Measurement+"."+r.Field, "."), Condition: r.Condition.String(),
		Value: Finite(in.Value), ValueText: in.Text, Peak: Finite(a.Peak),
		Since: a.Since, StartedAt: a.StartedAt, ResolvedAt: a.ResolvedAt, Why: a.Reason,
		Untold: in.Untold, Recent: in.recentValues(), Source: r.Source,
		Summary: r.Summary, Runbook: r.Runbook, Clock: a.Evidence.Clock,
	}
	if worst := l.Worst(a); worst != a.Severity {
		f.Worst = worst
	}
	if r.Condition.Type == Absence || in.Alert != nil && f.Value == nil && in.Text == "" {
		f.Silent, f.NoDataSince = true, in.Seen
	}
	if r.Condition.Type == Absence {
		f.Known, f.GroupBy = l.instances.size(), r.GroupBy
	}
	return f
}

// Worst is the highest severity that an alert of the ledger has had: that of
// its peak, or one that people were told.
func (l *Ledger) Worst(a *Alert) Severity {
	worst := a.Worst()
	if peak := l.Rule.SeverityAt(l.Rule.LevelOf(a.Peak)); peak.Rank() > worst.Rank() {
		return peak
	}
	return worst
}
