package rules

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// record adds a version to the history of the rule.
func (l *Ledger) record(act string, by Actor, now time.Time) {
	l.changed.rule = true
	l.changed.versions = append(l.changed.versions, Version{
		RuleID: l.Rule.ID, Version: l.Rule.Version, Act: act, By: by, At: now, Rule: l.Rule,
	})
}

// Edit puts a changed rule in the place of the old one: rows 26 to 29. What
// identifies the rule stays.
func (l *Ledger) Edit(s Setting, next Rule, by Actor) {
	l.settle()
	act := editAct(l.Rule, next)
	l.replace(s, next)
	l.record(act, by, s.Now)
}

func (l *Ledger) replace(s Setting, next Rule) {
	was := l.Rule
	next.ID, next.Owner, next.CreatedAt, next.CreatedBy = was.ID, was.Owner, was.CreatedAt, was.CreatedBy
	next.Version, next.UpdatedAt, next.JudgedSince = was.Version+1, s.Now, was.JudgedSince
	other := measuresOther(&was, &next)
	if was.JudgedSince.IsZero() || other || judgesOther(&was, &next) || next.Enabled && !was.Enabled {
		next.JudgedSince = s.Now
	}
	l.Matched = l.Matched && !other
	switch {
	case was.Enabled && !next.Enabled:
		l.endAll(s, WhyNotWatched)
	case other:
		l.endAll(s, WhyRuleChanged)
	case judgesOther(&was, &next):
		l.rejudge(s.Now)
	}
	if other {
		l.empty()
	}
	l.Rule = next
	l.readRule()
	if !was.Enabled && next.Enabled {
		l.Judged = s.Now
	}
	if was.KeepsRoster() != next.KeepsRoster() {
		l.noteAll()
	}
	l.retime(was.Remind, s.Now)
	l.raise(s)
}

func editAct(was, next Rule) string {
	switch {
	case was.Enabled && !next.Enabled:
		return "disabled"
	case !was.Enabled && next.Enabled:
		return "enabled"
	}
	return "updated"
}

// measuresOther: row 28. A query is its text, and an expression its inputs.
func measuresOther(a, b *Rule) bool {
	c, d := &a.Condition, &b.Condition
	return a.Source != b.Source || a.Measurement != b.Measurement || a.Field != b.Field ||
		!sameFilter(a.Where, b.Where) || !sameSet(a.GroupBy, b.GroupBy) ||
		c.Type != d.Type || c.Text != d.Text || c.Language != d.Language || c.Column != d.Column ||
		!maps.EqualFunc(c.Inputs, d.Inputs, func(x, y Input) bool {
			return x.Measurement == y.Measurement && x.Field == y.Field && sameFilter(x.Where, y.Where)
		})
}

func sameFilter(a, b Filter) bool { return maps.EqualFunc(a, b, sameSet) }

// sameSet compares lists whose order means nothing.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// judgesOther: row 27.
func judgesOther(a, b *Rule) bool {
	return a.For != b.For || !reflect.DeepEqual(a.Condition, b.Condition)
}

func (l *Ledger) rejudge(now time.Time) {
	for in := range l.instances.all() {
		switch in.State {
		case Pending:
			l.calm(in, now)
		case Firing, Recovering:
			in.Rejudge = true
			l.note(in)
		}
	}
}

// noteAll writes every instance, or lets its row go, when a roster begins or
// ends.
func (l *Ledger) noteAll() {
	for in := range l.instances.all() {
		l.note(in)
	}
}

// retime is row 26 for changed gaps: the next reminder counts from the last
// message by the new ones.
func (l *Ledger) retime(was []Duration, now time.Time) {
	next := l.Rule.Remind
	if slices.Equal(was, next) {
		return
	}
	for in := range l.instances.all() {
		a := in.Alert
		if a == nil || a.DueAt.IsZero() {
			continue
		}
		last := now
		if len(was) > 0 && !a.RemindAt.IsZero() {
			last = a.RemindAt.Add(-gap(was, a.Reminders))
		}
		a.RemindAt = time.Time{}
		if len(next) > 0 {
			a.RemindAt = last.Add(gap(next, a.Reminders))
		}
		l.changed.alert(a)
	}
}

// raise is row 26: a raised severity is a worsening.
func (l *Ledger) raise(s Setting) {
	for in := range l.instances.all() {
		if a := in.Alert; a != nil && l.Rule.SeverityAt(a.Level) != a.Severity {
			a.Severity = l.Rule.SeverityAt(a.Level)
			l.changed.alert(a)
			l.worsen(s, in)
		}
	}
}

// endAll resolves every episode and makes every instance ok.
func (l *Ledger) endAll(s Setting, why string) {
	for in := range l.instances.all() {
		switch {
		case in.Alert != nil:
			l.resolve(s, in, why)
		case in.State != OK:
			l.calm(in, s.Now)
		}
	}
}

func (l *Ledger) empty() {
	for in := range l.instances.all() {
		l.drop(in)
	}
}

// Delete ends the rule: row 29. Its alerts and versions stay as history.
func (l *Ledger) Delete(s Setting, by Actor) {
	l.settle()
	l.endAll(s, WhyNotWatched)
	l.empty()
	l.Deleted = true
	l.Rule.Version++
	l.Rule.UpdatedAt = s.Now
	l.record("deleted", by, s.Now)
}

// Restore brings a version back, also of a deleted rule. It starts at ok.
func (l *Ledger) Restore(s Setting, v Version, by Actor) {
	l.settle()
	again := l.Deleted
	if again {
		l.Deleted, l.Judged = false, s.Now
	}
	l.replace(s, v.Rule)
	if again {
		l.Rule.JudgedSince = s.Now
	}
	l.record("restored", by, s.Now)
}

// live returns the instance of a live alert.
func (l *Ledger) live(alert string) (*Instance, error) {
	a := l.alerts[alert]
	if a == nil || !a.ResolvedAt.IsZero() || l.instances.of(a.Series) == nil {
		return nil,
			WithHint(Errorf(Conflict, "alert %s is resolved; only a firing alert can be acknowledged, snoozed or taken back",
				alert), SeeFiring, "")
	}
	return l.instances.of(a.Series), nil
}

// Acknowledge is rows 17 and 18: with an end it is a snooze, which also holds
// for episodes of the same series that start before it. A second one replaces
// note and end.
func (l *Ledger) Acknowledge(s Setting, alert string, ack Acknowledgement) error {
	in, err := l.live(alert)
	if err != nil {
		return err
	}
	if !ack.Until.IsZero() && !ack.Until.After(s.Now) {
		return FieldErrorf("until", "must be in the future; got %s", ack.Until.Format(time.RFC3339))
	}
	l.settle()
	a := in.Alert
	ack.At = s.Now
	if a.Ack != nil && ack.Note == "" {
		ack.Note = a.Ack.Note
	}
	a.Ack, a.Told = &ack, max(a.Told, a.Severity.Rank())
	in.Snooze = nil
	if !ack.Until.IsZero() {
		snooze := ack
		in.Snooze = &snooze
	}
	l.cancel(a, s.Now, func(n *Notification) bool { return n.Reason == Reminder || n.Reason == Escalated })
	l.note(in)
	l.changed.alert(a)
	return nil
}

// Unacknowledge is row 20.
func (l *Ledger) Unacknowledge(s Setting, alert string, by Actor) error {
	in, err := l.live(alert)
	if err != nil {
		return err
	}
	if in.Alert.Ack == nil {
		return Errorf(Conflict, "alert %s is not acknowledged", alert)
	}
	l.settle()
	l.endAck(in, "withdrawn by "+by.Name+" ("+by.Door+")", s.Now)
	switch {
	case !in.Alert.DueAt.IsZero():
		l.startReminders(in.Alert, s.Now)
	case in.State == Firing && !l.firstWaits(in.Alert): // born acknowledged: nobody was told
		l.announce(s, in)
	}
	return nil
}

// Forget is row 31: a series that a person does not expect any more.
func (l *Ledger) Forget(s Setting, series Series) error {
	in := l.instances.of(series)
	if in == nil {
		return Errorf(NotFound, "rule %q knows no series %q", l.Rule.Name, series)
	}
	l.settle()
	l.forget(s, in, WhyRetired)
	return nil
}

// PauseTimers makes every running clock stand still for d: time after the last
// judged tick in which nobody could look. It counts as judged from then on.
func (l *Ledger) PauseTimers(d time.Duration) {
	l.Judged, l.settled = l.Judged.Add(d), l.settled.Add(d)
	for in := range l.instances.all() {
		if in.State != OK {
			in.Stood += d
			in.touched = true
		}
	}
}

// ShiftTimers moves everything that counts a duration by d, after the wall clock
// jumped by d. Times that people gave stay.
func (l *Ledger) ShiftTimers(d time.Duration) {
	move := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	move(&l.Judged)
	move(&l.settled)
	for in := range l.instances.all() {
		for _, t := range []*time.Time{&in.Since, &in.QuietSince, &in.CooldownUntil, &in.Seen, &in.OKAt} {
			move(t)
		}
		if in.State != OK || !in.CooldownUntil.IsZero() {
			l.note(in)
		}
		if in.Alert != nil {
			move(&in.Alert.RemindAt)
			move(&in.Alert.DueAt)
			l.changed.alert(in.Alert)
		}
	}
	l.Notifications(func(n *Notification) bool {
		if !n.State.Final() {
			move(&n.Due)
			move(&n.BookedAt)
			l.changed.notification(n)
		}
		return true
	})
}

// Cover says whether the rule of this ledger is wrong about what a child
// series depends on: pending or firing on the labels that both group by, or ok
// for less than linger. It returns "alert:ID", "rule:ID" or "".
func (l *Ledger) Cover(child *Rule, series Series, linger time.Duration, now time.Time) string {
	var shared []string
	for _, tag := range l.Rule.GroupBy {
		if slices.Contains(child.GroupBy, tag) {
			shared = append(shared, tag)
		}
	}
	part, cover := series.Only(shared), ""
	for in := range l.instances.all() {
		quiet := now.Sub(in.OKAt)
		if in.State == OK && (in.OKAt.IsZero() || quiet < 0 || quiet >= linger) || in.Series.Only(shared) != part {
			continue
		}
		by := "rule:" + l.Rule.ID
		if in.Alert != nil {
			by = "alert:" + in.Alert.ID
		}
		cover = min(cmp.Or(cover, by), by) // of several always the same
	}
	return cover
}

// Claim marks a notification as handed to its channel in the message of that ID.
// It reports false when it is not owed any more.
func (l *Ledger) Claim(id, message string) bool {
	n := l.messages[id]
	if n == nil || n.State != Owed {
		return false
	}
	l.settle()
	n.State, n.Message = Sending, message
	n.Attempts++
	l.changed.notification(n)
	return true
}

// Record records what became of an attempt. due is when to try again if it
// is owed still.
func (l *Ledger) Record(id string, o Outcome, due, now time.Time) {
	n := l.messages[id]
	if n == nil || n.State.Final() {
		return
	}
	l.settle()
	n.State, n.Error, n.Code = o.State, o.Class, o.Code
	n.Unknown = o.State != Sent && (n.Unknown || o.Unknown)
	switch {
	case !o.State.Final():
		l.tryAgain(n, due, now)
	case o.State == Dead:
		n.DoneAt = now
		l.unannounce(n, now)
	default:
		n.DoneAt, n.Facts.Ref = now, o.Ref
	}
	l.changed.notification(n)
}

// Answers is what the service called the first message about the alert of a
// notification at its address, "" where there was none or it has no name.
func (l *Ledger) Answers(id string) string {
	n := l.messages[id]
	if n == nil || n.AlertID == "" {
		return ""
	}
	var first *Notification
	for _, m := range l.owed[n.AlertID] {
		if m.Facts.Ref != "" && m.Address() == n.Address() && (first == nil || m.DoneAt.Before(first.DoneAt)) {
			first = m
		}
	}
	if first == nil {
		return ""
	}
	return first.Facts.Ref
}

// tryAgain owes a message once more, unless what happened while it was on its
// way holds it back or makes it needless.
func (l *Ledger) tryAgain(n *Notification, due, now time.Time) {
	n.State, n.Due = Owed, due
	a := l.alerts[n.AlertID]
	if a == nil {
		return
	}
	acked := a.Ack != nil && (n.Reason == Reminder || n.Reason == Escalated)
	over := !a.ResolvedAt.IsZero() && n.Reason.Announces() && l.arrived(a, n.Address())
	switch {
	case acked || over:
		n.State, n.DoneAt = Cancelled, now
	case a.HeldBy != "":
		n.State, n.HeldBy = Held, a.HeldBy
	case !a.ResolvedAt.IsZero():
		l.together(a, n.Address())
	}
}

// unannounce cancels the resolve at an address that will not hear of the
// episode, because its last message there could not be delivered.
func (l *Ledger) unannounce(n *Notification, now time.Time) {
	a := l.alerts[n.AlertID]
	if a == nil || n.Address().MeetsAny(l.heard(a)) {
		return
	}
	l.cancel(a, now, func(m *Notification) bool { return m.Reason == Resolved && m.Address() == n.Address() })
}

// Book owes a message that belongs to no alert: a test, or one of tocsin's
// own.
func (l *Ledger) Book(channel string, reason Reason, f Facts, now time.Time) *Notification {
	return l.BookTo(Address{Channel: channel}, reason, f, now)
}

// BookTo is Book for an address.
func (l *Ledger) BookTo(to Address, reason Reason, f Facts, now time.Time) *Notification {
	n := &Notification{
		ID: "n" + digest(l.Rule.ID, to.Channel, to.Target, string(reason), f.Title, f.Text,
			strconv.FormatInt(now.UnixNano(), 10)),
		RuleID: l.Rule.ID, Channel: to.Channel, Target: to.Target, Reason: reason, State: Owed, BookedAt: now, Due: now,
		Facts: f,
	}
	l.owe(n)
	l.changed.notification(n)
	return n
}

// Resume is row 30: what was in flight when the daemon ended may have arrived,
// and is owed still.
// A clock that began in the future, because the wall clock was wrong, begins
// now.
func (l *Ledger) Resume(now time.Time) {
	l.Notifications(func(n *Notification) bool {
		if n.State != Sending {
			return true
		}
		n.Unknown = true
		due := n.Due
		if !n.Failed() {
			n.Error, due = interrupted, now
		}
		l.tryAgain(n, due, now)
		l.changed.notification(n)
		return true
	})
	l.leaveFuture(now)
}

// Failed reports whether the channel refused the message before, or could not
// be reached. While it is owed it has been Due since then; that the daemon ended
// while it was on its way does not count.
func (n *Notification) Failed() bool { return n.Error != "" && n.Error != interrupted }

// interrupted is the class of the failure of a message that was in flight when
// the daemon ended.
const interrupted = "restart"

// leaveFuture corrects the starts of durations that lie after now.
func (l *Ledger) leaveFuture(now time.Time) {
	ahead := l.Judged.After(now)
	if ahead {
		l.Judged = now
	}
	bound := func(t *time.Time, most time.Time) bool {
		if !t.After(most) {
			return false
		}
		*t = most
		return true
	}
	for in := range l.instances.all() {
		moved := bound(&in.Since, now)
		moved = bound(&in.QuietSince, now) || moved
		moved = bound(&in.OKAt, now) || moved
		moved = bound(&in.Seen, now) || moved
		moved = ahead && bound(&in.CooldownUntil, now.Add(l.Rule.Cooldown.Std())) || moved
		if a := in.Alert; a != nil {
			due := bound(&a.DueAt, now)
			if ahead && len(l.Rule.Remind) > 0 {
				due = bound(&a.RemindAt, now.Add(gap(l.Rule.Remind, a.Reminders))) || due
			}
			if due {
				l.changed.alert(a)
			}
		}
		if moved {
			l.note(in)
		}
	}
}

// Owing reports whether a message of this ledger is not out yet.
func (l *Ledger) Owing() bool {
	owing := false
	l.Notifications(func(n *Notification) bool {
		owing = !n.State.Final()
		return !owing
	})
	return owing
}
