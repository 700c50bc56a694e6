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
		if (held == "" || id == a.HeldBy) && s.Silences[i].Covers(&l.Rule, a.Series, a.Severity, s.Now) {
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

// facts are what a message says, as of now.
func (l *Ledger) facts(in *Instance, a *Alert) Facts {
	r := &l.Rule
	f := Facts{
		Title: r.Title, Rule: r.Name, Series: a.Series, Labels: r.Labels, Severity: a.Severity,
		Measured: strings.Trim(r.Measurement+"."+r.Field, "."), Condition: r.Condition.String(),
		Operator: r.Condition.Operator, Limit: r.limitAt(a.Level), How: r.Condition.how(), Unit: r.MeasuredIn(),
		Usual: a.Evidence.Usual,
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
		f.Known, f.GroupBy = l.known(), r.GroupBy
	}
	return f
}

// known counts the series of an absence: those that were seen, and those that are
// expected.
func (l *Ledger) known() int {
	n := l.instances.size()
	var counted []Series
	for _, labels := range l.Rule.Condition.Expect {
		series := SeriesOf(labels)
		if l.Instance(series) == nil && !slices.Contains(counted, series) {
			counted = append(counted, series)
			n++
		}
	}
	return n
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
