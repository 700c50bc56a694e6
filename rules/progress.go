package rules

import "time"

// Progress is how far the sources have been judged and how they do. It is kept
// in tocsin's own ledger, so that what people are told of an outage and that
// they were told are saved as one, and no restart forgets or invents a gap.
type Progress struct {
	At      time.Time        `json:"at,omitzero"`       // the tick after which it was so
	Final   bool             `json:"final,omitempty"`   // nothing was judged after At
	Sure    bool             `json:"sure,omitempty"`    // the wall clock was known to be right
	Unsaved bool             `json:"unsaved,omitempty"` // what was decided until then may be lost
	Sources []SourceProgress `json:"sources,omitempty"` // in order of their names
	// Troubles are the rules that could not be judged though their source answers.
	Troubles []RuleTrouble `json:"troubles,omitempty"`
}

// RuleTrouble is a rule that its source does not let judge.
type RuleTrouble struct {
	Rule  string    `json:"rule"`           // its ID
	Since time.Time `json:"since"`          // the first tick
	Error string    `json:"error"`          // what the source says, as people are told
	Told  bool      `json:"told,omitempty"` // people know of it, and not that it is over
}

// SourceProgress is how far one source has been judged.
type SourceProgress struct {
	Name   string    `json:"name"`
	Judged time.Time `json:"judged,omitzero"` // every tick that was due until then is judged
	Gap    Gap       `json:"gap,omitzero"`    // what is not
}

// Gap is a time in which a source was not judged. It lasts until all of it has
// been judged afterwards.
type Gap struct {
	From   time.Time `json:"from,omitzero"`     // the first tick that was due and not judged
	AtMost bool      `json:"at_most,omitempty"` // it may have begun later than From
	Failed time.Time `json:"failed,omitzero"`   // the first tick at which the source did not answer
	Back   time.Time `json:"back,omitzero"`     // the first one at which it did again
	Told   bool      `json:"told,omitempty"`    // people know that it is down
	Error  string    `json:"error,omitempty"`   // what it failed with last
	// Refuses says that it failed by answering with errors.
	Refuses bool `json:"refuses,omitempty"`
}

// Down reports whether the source did not answer when it was last asked.
func (g *Gap) Down() bool { return !g.Failed.IsZero() && g.Back.IsZero() }

// Of returns the progress of a source.
func (p *Progress) Of(name string) (SourceProgress, bool) {
	for _, s := range p.Sources {
		if s.Name == name {
			return s, true
		}
	}
	return SourceProgress{}, false
}

// Advance keeps how far the sources are. Only tocsin's own ledger does.
func (l *Ledger) Advance(p Progress) {
	l.settle()
	l.Progress, l.changed.progress = &p, true
}

// Trust says that every tick until t was judged and changed nothing that had to
// be stored: the daemon before did so and had no time to say it here.
func (l *Ledger) Trust(t time.Time) {
	l.Judged = Later(l.Judged, t)
	l.settled = Later(l.settled, t)
}

// Ended calls f with the alerts that began in a gap, of which nobody has heard,
// and that are over, with the time from which they were. The message about the
// gap stands for theirs. One that may come back yet, because keep_firing_for is
// not over, is told by itself if it does.
func (l *Ledger) Ended(now time.Time, f func(a *Alert, over time.Time)) {
	held := func(n *Notification) bool {
		return n.State == Held && n.HeldBy == heldReplay && n.Reason == FirstNews
	}
	for _, a := range l.alerts {
		in := l.instances.of(a.Series)
		switch {
		case !a.ResolvedAt.IsZero():
			if l.cancel(a, now, held) > 0 {
				f(a, a.ResolvedAt)
			}
		case in != nil && in.Alert == a && in.State == Recovering && a.HeldBy == heldReplay:
			f(a, in.QuietSince)
		}
	}
}
