package rules

import (
	"cmp"
	"slices"
	"time"
)

func (c *changed) alert(a *Alert) {
	if c.alerts == nil {
		c.alerts = map[string]*Alert{}
	}
	c.alerts[a.ID] = a
}

func (c *changed) notification(n *Notification) {
	if c.notifications == nil {
		c.notifications = map[string]*Notification{}
	}
	c.notifications[n.ID] = n
}

// Changes is what a store has to write of a ledger.
type Changes struct {
	Rule          bool // the rule itself, or whether it is deleted
	Versions      []Version
	Instances     []*Instance
	Gone          []Series
	Alerts        []*Alert
	Notifications []*Notification
}

// Changed reports whether there is anything to write.
func (l *Ledger) Changed() bool {
	c := &l.changed
	if c.rule || c.matched || c.progress || len(c.versions)+len(c.alerts)+len(c.notifications) > 0 {
		return true
	}
	for series, gone := range c.instances {
		if gone || l.instances.of(series).kept || l.keeps(l.instances.of(series), l.Judged) {
			return true
		}
	}
	return false
}

// Changes returns what differs from the stored ledger; what lived in memory of
// those instances and alerts goes with it.
func (l *Ledger) Changes() Changes {
	out := Changes{Rule: l.changed.rule, Versions: l.changed.versions}
	for series, gone := range l.changed.instances {
		in := l.instances.of(series)
		switch {
		case !gone && l.keeps(in, l.Judged):
			out.Instances = append(out.Instances, in)
		case gone || in.kept:
			out.Gone = append(out.Gone, series)
		}
	}
	for _, a := range l.changed.alerts {
		out.Alerts = append(out.Alerts, a)
	}
	for _, n := range l.changed.notifications {
		out.Notifications = append(out.Notifications, n)
	}
	slices.Sort(out.Gone)
	slices.SortFunc(out.Instances, func(a, b *Instance) int { return cmp.Compare(a.Series, b.Series) })
	slices.SortFunc(out.Alerts, func(a, b *Alert) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(out.Notifications, func(a, b *Notification) int {
		return cmp.Or(a.BookedAt.Compare(b.BookedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Saved tells the ledger that its changes are stored under a revision.
func (l *Ledger) Saved(revision int64) {
	for series, gone := range l.changed.instances {
		if in := l.instances.of(series); in != nil {
			in.kept, in.touched = !gone && l.keeps(in, l.Judged), false
		}
	}
	l.Revision, l.settled, l.matched, l.changed = revision, l.Judged, l.Matched, changed{}
	l.tidy()
}

// tidy lets go of resolved alerts whose messages are all out, and of final
// messages that belong to no alert that is held.
func (l *Ledger) tidy() {
	for id, list := range l.owed {
		if a := l.alerts[id]; a != nil && (a.ResolvedAt.IsZero() || slices.ContainsFunc(list, unfinished)) {
			continue
		}
		var rest []*Notification
		for _, n := range list {
			if unfinished(n) {
				rest = append(rest, n)
			} else {
				delete(l.messages, n.ID)
			}
		}
		if l.owed[id] = rest; rest == nil {
			delete(l.owed, id)
		}
	}
	for id, a := range l.alerts {
		if !a.ResolvedAt.IsZero() && len(l.owed[id]) == 0 {
			delete(l.alerts, id)
		}
	}
}

func unfinished(n *Notification) bool { return !n.State.Final() }

// Flush marks everything that lives in memory only, so that the next save
// writes it: at the heartbeat and at the end.
func (l *Ledger) Flush() {
	l.changed.matched = l.Matched != l.matched
	for in := range l.instances.all() {
		if !in.touched || !in.kept && !l.keeps(in, l.Judged) {
			continue
		}
		l.note(in)
		if in.Alert != nil {
			l.changed.alert(in.Alert)
		}
	}
}

// Remember takes over from old what lives in memory only, after the ledger was
// read again because another process changed it. What old decided and could not
// save is not taken over: it is to be decided again.
func (l *Ledger) Remember(old *Ledger) {
	old.settle()
	l.Refused = old.Refused
	l.Judged = Later(l.Judged, old.settled)
	l.settled = l.Judged
	if measuresOther(&old.Rule, &l.Rule) {
		return
	}
	l.Matched = l.Matched || old.Matched
	for was := range old.instances.all() {
		in := l.instances.of(was.Series)
		switch {
		case in != nil:
			in.recollect(was, &l.Rule.Condition, old.Judged.Sub(old.settled))
		case was.State == OK && !was.kept && !l.Deleted:
			was.look = 0
			l.instances.put(was)
		}
	}
}

// recollect takes over what the memory of an instance was. undecided is the
// time of the ticks that will be decided again.
func (in *Instance) recollect(was *Instance, c *Condition, undecided time.Duration) {
	in.ring, in.next, in.touched = was.ring, was.next, was.touched
	in.Value, in.Text, in.Level = was.Value, was.Text, was.Level
	in.Seen, in.OKAt = Later(in.Seen, was.Seen), Later(in.OKAt, was.OKAt)
	if was.dated {
		in.Seen, in.dated = was.Seen, true
	}
	if in.State == was.State && in.Since.Equal(was.Since) && in.QuietSince.Equal(was.QuietSince) {
		in.Stood = was.Stood
		if was.paused {
			in.Stood = max(0, in.Stood-undecided)
		}
	}
	if in.Alert != nil && was.Alert != nil && in.Alert.ID == was.Alert.ID {
		in.Alert.Value, in.Alert.Text = was.Alert.Value, was.Alert.Text
		if worse(c, was.Alert.Peak, in.Alert.Peak) {
			in.Alert.Peak = was.Alert.Peak
		}
	}
}
