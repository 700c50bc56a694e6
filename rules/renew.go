package rules

import "time"

// WhyUnknown is the reason of an alert that ended while its end could not be
// stored.
const WhyUnknown = "ended while the database was damaged"

// Renew makes all that the ledger holds a change, to be saved in a database
// that lost it. stored is what that one has under the same rule, nil for
// nothing: alerts and messages that live only there are over.
func (l *Ledger) Renew(stored *Ledger, now time.Time) {
	l.Revision, l.changed.rule = 0, true
	for in := range l.instances.all() {
		l.note(in)
	}
	for _, a := range l.alerts {
		l.changed.alert(a)
	}
	for _, n := range l.messages {
		l.changed.notification(n)
	}
	if l.Rule.ID != "" {
		l.renewVersion(stored)
	}
	if stored != nil {
		l.Revision = stored.Revision
		l.outlive(stored, now)
	}
}

// renewVersion records the present version where the store lacks it. Who made
// it was lost with it.
func (l *Ledger) renewVersion(stored *Ledger) {
	switch {
	case stored != nil && stored.Rule.Version >= l.Rule.Version:
		if stored.Rule.Version == l.Rule.Version && stored.Rule.UpdatedAt.Equal(l.Rule.UpdatedAt) {
			return
		}
		// The numbers up to there are taken, by a state that is not ours.
		l.Rule.Version, l.changed.versions = stored.Rule.Version+1, nil
	case len(l.changed.versions) > 0:
		return
	}
	l.record("restored", Actor{Name: "tocsin", Door: "daemon"}, l.Rule.UpdatedAt)
}

// outlive ends what is stored and not held any more: its end came later than
// what is stored.
func (l *Ledger) outlive(stored *Ledger, now time.Time) {
	for in := range stored.instances.all() {
		if l.instances.of(in.Series) == nil {
			l.note(in)
			l.changed.instances[in.Series] = true
		}
	}
	for id, a := range stored.alerts {
		if l.alerts[id] == nil && a.ResolvedAt.IsZero() {
			a.ResolvedAt, a.Reason = now, WhyUnknown
			l.changed.alert(a)
		}
	}
	for id, n := range stored.messages {
		if l.messages[id] == nil && unfinished(n) {
			n.State, n.DoneAt = Cancelled, now
			l.changed.notification(n)
		}
	}
}
