package rules

import (
	"math"
	"slices"
	"time"
)

// Ledger is one rule, the instances it knows, their live alerts and the
// notifications they owe. Everything that changes an alert goes through it;
// it is loaded, decided upon and saved as one, so a state and its message
// cannot be saved apart. How it decides stands in states.md, whose rows are
// cited. It is not safe for concurrent use.
type Ledger struct {
	Rule     Rule
	Revision int64     // of the stored row this was read from; 0 for a new one
	Progress *Progress // of the sources; nil in the ledger of a rule
	Judged   time.Time // the last nominal tick it was judged at
	Refused  int       // series that the last tick turned away because there are too many

	// The small ones stand together: there is a ledger for each rule, and it
	// just fits into a kilobyte.
	Deleted bool
	Matched bool   // a series had a value since the rule measures what it measures
	matched bool   // Matched, as it is stored
	resting bool   // outside active, and every instance was told so
	looks   uint32 // counts Observe

	instances roster
	met       []*Instance                // in the order of the last observations, where there are several
	alerts    map[string]*Alert          // live, or resolved with messages still owed
	owed      map[string][]*Notification // by alert; "" for those of none
	messages  map[string]*Notification   // the same by their ID
	active    *span
	settled   time.Time // the last judged tick that will not be decided again
	changed   changed
}

// changed is what differs from the stored row.
type changed struct {
	rule          bool
	matched       bool
	progress      bool
	versions      []Version
	instances     map[Series]bool // true: gone
	alerts        map[string]*Alert
	notifications map[string]*Notification
}

// Setting is what a ledger decides in: the nominal time and what lies outside
// its rule.
type Setting struct {
	Now      time.Time
	Silences []Silence
	// Route names the channels for a severity where a rule names none.
	Route func(Severity) []string
	// Cover names the alert or rule on which series depends and which is wrong
	// itself now ("alert:ID" or "rule:ID"), "" for none.
	Cover func(r *Rule, series Series) string
	// Blind says that silence proves nothing now, because the clock is unsure
	// or a live source is young: a series without a value is Unknown, not None.
	Blind bool
	// Replay says that Now is a tick that was missed: what fires is not told
	// before the replay has reached the present, and then only if it still lasts.
	Replay bool
	// Behind says that ticks before Now are still to be judged: what a replay
	// holds back stays so.
	Behind bool
	// Missed is the first of these ticks, zero when it is not known.
	Missed time.Time
	// Down says that people know that the source is down, so that what was so
	// before is told as what is.
	Down bool
}

// NewLedger returns the ledger of a rule that is not stored yet.
func NewLedger(r Rule, by Actor, now time.Time) *Ledger {
	r.Version, r.CreatedAt, r.UpdatedAt, r.JudgedSince, r.CreatedBy = 1, now, now, now, by.Name
	l := OpenLedger(Snapshot{Rule: r, Judged: now})
	l.changed.rule = true
	l.record("created", by, now)
	return l
}

// Snapshot is a ledger as a store keeps it: the live alerts, the resolved ones
// with notifications that are not final, all notifications of live alerts, and
// every notification that is not final.
type Snapshot struct {
	Rule          Rule
	Deleted       bool
	Revision      int64
	Judged        time.Time
	Matched       bool
	Progress      *Progress
	Instances     []*Instance
	Alerts        []*Alert
	Notifications []*Notification
}

// OpenLedger makes a ledger of what a store kept.
func OpenLedger(s Snapshot) *Ledger {
	l := &Ledger{
		Rule: s.Rule, Deleted: s.Deleted, Revision: s.Revision, Judged: s.Judged, settled: s.Judged, Matched: s.Matched,
		matched:  s.Matched,
		Progress: s.Progress,
	}
	for _, a := range s.Alerts {
		l.hasAlert(a)
	}
	for _, in := range s.Instances {
		in.kept = true
		l.instances.put(in)
	}
	for _, a := range s.Alerts {
		if in := l.instances.of(a.Series); in != nil && a.ResolvedAt.IsZero() {
			in.Alert = a
		}
	}
	for _, n := range s.Notifications {
		l.owe(n)
	}
	for _, list := range l.owed {
		slices.SortStableFunc(list, func(a, b *Notification) int { return a.BookedAt.Compare(b.BookedAt) })
	}
	l.readRule()
	return l
}

// hasAlert and owe make their maps late: few ledgers ever need them.
func (l *Ledger) hasAlert(a *Alert) {
	if l.alerts == nil {
		l.alerts = map[string]*Alert{}
	}
	l.alerts[a.ID] = a
}

func (l *Ledger) owe(n *Notification) {
	if l.owed == nil {
		l.owed, l.messages = map[string][]*Notification{}, map[string]*Notification{}
	}
	l.owed[n.AlertID] = append(l.owed[n.AlertID], n)
	l.messages[n.ID] = n
}

// readRule keeps what is costly to read out of the rule each tick.
func (l *Ledger) readRule() {
	l.active, l.resting = nil, false
	if l.Rule.Active != nil {
		if s, err := l.Rule.Active.span(); err == nil {
			l.active = &s
		}
	}
}

// Active reports whether the rule is judged at t.
func (l *Ledger) Active(t time.Time) bool { return l.active == nil || l.active.covers(t) }

// Watched reports whether the rule is to be evaluated at all.
func (l *Ledger) Watched() bool { return l.Rule.ID != "" && l.Rule.Enabled && !l.Deleted }

// Busy reports whether timers may have something to do.
func (l *Ledger) Busy() bool { return len(l.alerts) > 0 || l.active != nil && l.instances.size() > 0 }

// Size returns how many instances the ledger holds.
func (l *Ledger) Size() int { return l.instances.size() }

// Instances calls f with each instance until f returns false.
func (l *Ledger) Instances(f func(*Instance) bool) {
	for in := range l.instances.all() {
		if !f(in) {
			return
		}
	}
}

// Instance returns the instance of a series, nil when it is not known.
func (l *Ledger) Instance(s Series) *Instance { return l.instances.of(s) }

// Alerts calls f with each live alert, and those resolved ones whose messages
// are not all out.
func (l *Ledger) Alerts(f func(*Alert) bool) {
	for _, a := range l.alerts {
		if !f(a) {
			return
		}
	}
}

// Notifications calls f with every notification that the ledger holds.
func (l *Ledger) Notifications(f func(*Notification) bool) {
	for _, n := range l.messages {
		if !f(n) {
			return
		}
	}
}

// Observe advances every instance of the rule by one nominal tick. A series
// that is known but not observed has verdict None, but its count is 0. It is
// the only place where an alert changes state by itself. evidence is asked only
// when one fires.
func (l *Ledger) Observe(s Setting, obs []Observation, evidence func(Observation) Evidence) {
	tick := tick{Setting: s, evidence: evidence, active: l.Active(s.Now)}
	if !l.Judged.IsZero() && s.Now.After(l.Judged) {
		tick.gap = s.Now.Sub(l.Judged)
	}
	l.settle()
	l.looks++
	l.Refused = 0
	looked := 0
	for i := range obs {
		in := l.meet(i, &obs[i])
		if in == nil || in.look == l.looks {
			continue
		}
		in.look = l.looks
		looked++
		l.Matched = l.Matched || obs[i].Verdict >= Good && !l.silent(&obs[i])
		l.judge(&tick, in, &obs[i])
	}
	if looked-tick.gone < l.instances.size() {
		l.judgeAbsent(&tick)
	}
	l.Judged = s.Now
}

// settle begins an act: while nothing is unsaved, the last tick is done with
// and will not be decided again.
func (l *Ledger) settle() {
	if !l.Changed() {
		l.settled = l.Judged
	}
}

// tick is the part of an Observe that all its instances share.
type tick struct {
	Setting
	gap      time.Duration // since the last judged tick
	active   bool
	gone     int // how many series it let go of
	evidence func(Observation) Evidence
}

// meet returns the instance of the observation at place i. Sources mostly keep
// to an order, so it looks first at who was there the last time.
func (l *Ledger) meet(i int, o *Observation) *Instance {
	if i < len(l.met) && l.met[i].Series == o.Series {
		return l.met[i]
	}
	in := l.instances.of(o.Series)
	if in == nil {
		in = l.welcome(o)
	}
	if in != nil && i <= len(l.met) && l.instances.size() > 1 {
		l.met = append(l.met[:i], in)
	}
	return in
}

// welcome makes the instance of a new series; nil beyond the limit, and without
// a value.
func (l *Ledger) welcome(o *Observation) *Instance {
	if o.Verdict == None || o.Verdict == Unknown {
		return nil
	}
	if l.instances.size() >= l.Rule.SeriesLimit() {
		l.Refused++
		return nil
	}
	// One that was dropped and is not saved yet has its row still.
	in := &Instance{Series: o.Series, Value: math.NaN(), kept: l.changed.instances[o.Series]}
	l.instances.put(in)
	if l.Rule.KeepsRoster() {
		l.note(in)
	}
	return in
}

// quietFor is how long an ok instance that no roster needs is kept in memory
// after its last value.
const quietFor = time.Hour

// leaves lets go of a series that has been silent for too long: soon where
// nobody would miss it, else by row 31.
func (l *Ledger) leaves(t *tick, in *Instance) bool {
	silence := t.Now.Sub(in.Seen)
	switch {
	case t.Blind:
		return false
	case !l.keeps(in, t.Now) && silence > quietFor:
		l.drop(in)
	case !in.Seen.IsZero() && silence >= l.Rule.ForgetAfter() && !l.expects(in.Series):
		l.forget(t.Setting, in, WhyRetired)
	default:
		return false
	}
	t.gone++
	return true
}

// expects reports whether a series must exist; such a one is never given up.
func (l *Ledger) expects(series Series) bool {
	return slices.ContainsFunc(l.Rule.Condition.Expect, func(labels Labels) bool { return SeriesOf(labels) == series })
}

func (l *Ledger) forget(s Setting, in *Instance, why string) {
	if in.Alert != nil {
		l.resolve(s, in, why)
	}
	l.drop(in)
}

// keeps reports whether a row of the instance must be stored.
func (l *Ledger) keeps(in *Instance, now time.Time) bool {
	return in.State != OK || l.Rule.KeepsRoster() || in.CooldownUntil.After(now) || in.Untold > 0 || in.snoozed(now)
}

// note marks an instance as changed.
func (l *Ledger) note(in *Instance) {
	if l.changed.instances == nil {
		l.changed.instances = map[Series]bool{}
	}
	l.changed.instances[in.Series] = false
}

// drop lets go of an instance, and of its row where there is one.
func (l *Ledger) drop(in *Instance) {
	l.instances.drop(in.Series)
	l.met = nil
	if in.kept {
		l.note(in)
		l.changed.instances[in.Series] = true
	} else {
		delete(l.changed.instances, in.Series)
	}
}
