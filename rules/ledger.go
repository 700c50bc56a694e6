package rules

import (
	"cmp"
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
		Rule: s.Rule, Deleted: s.Deleted, Revision: s.Revision, Judged: s.Judged, settled: s.Judged, Matched: s.Matched, matched: s.Matched,
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

func (l *Ledger) judgeAbsent(t *tick) {
	for in := range l.instances.all() {
		if in.look == l.looks {
			continue
		}
		o := l.absent(in)
		l.judge(t, in, &o)
	}
}

// absent is what it means that the source did not name a known series.
func (l *Ledger) absent(in *Instance) Observation {
	o := Observation{Series: in.Series, Verdict: None, Value: math.NaN()}
	if c := &l.Rule.Condition; c.Type == Threshold && c.Aggregation == Count {
		o.Value, o.Verdict, o.Level = 0, c.Judge(0), l.Rule.LevelOf(0)
	}
	return o
}

// silent reports whether an observation says that there was no point.
func (l *Ledger) silent(o *Observation) bool {
	c := &l.Rule.Condition
	return o.Verdict == None || o.Verdict == Bad && c.Type == Absence || c.Aggregation == Count && o.Value == 0
}

// TellsSilence reports whether people are told, at a tick, of an instance that has
// no point then: it fires already, or its silence makes it.
func (l *Ledger) TellsSilence(in *Instance, now time.Time) bool {
	c := &l.Rule.Condition
	switch {
	case c.Type == Threshold && c.Aggregation == Count:
		return false // its value is 0
	case in.Alert != nil:
		return true
	case !l.Active(now), c.Type != Absence && l.Rule.NoData != AlertOn:
		return false
	}
	return l.Rule.For <= 0 || in.State == Pending && in.elapsed(in.Since, now) >= l.Rule.For.Std()
}

// judge decides what one verdict does to one instance.
func (l *Ledger) judge(t *tick, in *Instance, o *Observation) {
	silent := l.silent(o)
	in.remember(o, silent, t.Now)
	if in.State == OK && !silent && (o.Verdict == Good || o.Verdict == Lingering) {
		return
	}
	if !t.active {
		in.pause(t.gap)
		l.rest(in, t.Now)
		return
	}
	if silent && l.leaves(t, in) {
		return
	}
	if in.Alert != nil && o.Verdict >= Good {
		in.Alert.Value, in.Alert.Text = o.Value, o.Text
	}
	switch l.meaning(t, o.Verdict) {
	case Bad:
		l.goBad(t, in, o)
	case Good:
		l.goGood(t, in)
	case Lingering:
		l.linger(t, in)
	case None, Unknown:
		in.pause(t.gap)
	}
}

// meaning says what a verdict comes to: silence is what absence looks for, and
// for the others the rule's no_data policy decides.
func (l *Ledger) meaning(t *tick, v Verdict) Verdict {
	switch {
	case v != None:
		return v
	case t.Blind:
		return Unknown
	case l.Rule.Condition.Type == Absence, l.Rule.NoData == AlertOn:
		return Bad
	case l.Rule.NoData == OKPolicy:
		return Good
	}
	return None
}

// rest is row 25: outside active a pending instance becomes ok and a firing
// one stays as it is, untold.
func (l *Ledger) rest(in *Instance, now time.Time) {
	switch in.State {
	case Pending:
		l.calm(in, now)
	case Firing, Recovering:
		l.holdBack(in.Alert, heldInactive)
	}
}

// endRest is the other half of row 25: what is still bad when active begins is
// told once.
func (l *Ledger) endRest(s Setting, in *Instance) {
	a := in.Alert
	if a.HeldBy != heldInactive {
		return
	}
	if held := l.hold(s, a); held != "" {
		l.holdBack(a, held)
		return
	}
	a.HeldBy = ""
	l.changed.alert(a)
	l.tellAgain(s, in, AfterHours, "")
}

func (l *Ledger) goBad(t *tick, in *Instance, o *Observation) {
	l.rejudged(in)
	switch in.State {
	case OK:
		in.Since, in.Stood = t.Now, 0
		if l.Rule.For <= 0 {
			l.fire(t, in, o)
			return
		}
		in.State = Pending
		l.note(in)
	case Pending:
		if in.elapsed(in.Since, t.Now) >= l.Rule.For.Std() {
			l.fire(t, in, o)
		}
	case Recovering:
		l.relapse(in)
		l.stayBad(t, in, o)
	case Firing:
		l.stayBad(t, in, o)
	}
}

func (l *Ledger) goGood(t *tick, in *Instance) {
	switch {
	case in.State == Pending:
		l.calm(in, t.Now)
	case in.Alert == nil:
	case in.Rejudge:
		l.resolve(t.Setting, in, WhyRuleChanged)
	case l.Rule.KeepFiringFor <= 0:
		l.resolve(t.Setting, in, WhyRecovered)
	case in.State == Firing:
		in.State, in.QuietSince, in.Stood = Recovering, t.Now, 0
		l.note(in)
	case in.elapsed(in.QuietSince, t.Now) >= l.Rule.KeepFiringFor.Std():
		l.resolve(t.Setting, in, WhyRecovered)
	}
}

// linger: not wrong, but not past recover. For a firing instance that is as
// bad as before, for any other as good.
func (l *Ledger) linger(t *tick, in *Instance) {
	l.rejudged(in)
	switch in.State {
	case Pending:
		l.calm(in, t.Now)
	case Recovering:
		l.relapse(in)
		l.endRest(t.Setting, in)
	case Firing:
		l.endRest(t.Setting, in)
	}
}

// rejudged ends row 27: the changed rule still finds it wrong.
func (l *Ledger) rejudged(in *Instance) {
	if in.Rejudge {
		in.Rejudge = false
		l.note(in)
	}
}

func (l *Ledger) relapse(in *Instance) {
	in.State, in.QuietSince, in.Stood = Firing, time.Time{}, 0
	l.note(in)
}

func (l *Ledger) calm(in *Instance, now time.Time) {
	in.State, in.Since, in.QuietSince, in.Stood, in.OKAt, in.Rejudge, in.Alert = OK, time.Time{}, time.Time{}, 0, now, false, nil
	l.note(in)
}

// fire begins an episode.
func (l *Ledger) fire(t *tick, in *Instance, o *Observation) {
	a := &Alert{
		ID: alertID(l.Rule.ID, in.Series, t.Now), RuleID: l.Rule.ID, RuleVersion: l.Rule.Version,
		Title: l.Rule.Title, Series: in.Series, Severity: l.Rule.SeverityAt(o.Level), Level: o.Level,
		Value: o.Value, Text: o.Text, Peak: o.Value, Since: in.Since, StartedAt: t.Now, Told: -1,
	}
	if t.evidence != nil {
		a.Evidence = t.evidence(*o)
	}
	a.Evidence.Values = in.Recent()
	in.State, in.Stood, in.Alert = Firing, 0, a
	l.hasAlert(a)
	l.note(in)
	l.changed.alert(a)
	if in.snoozed(t.Now) {
		ack := *in.Snooze
		a.Ack, a.Told = &ack, a.Severity.Rank()
		return
	}
	a.HeldBy = l.hold(t.Setting, a)
	l.announce(t.Setting, in)
}

// stayBad follows a firing instance: its peak, its level, and row 6.
func (l *Ledger) stayBad(t *tick, in *Instance, o *Observation) {
	a := in.Alert
	a.Value, a.Text = o.Value, o.Text
	if worse(&l.Rule.Condition, o.Value, a.Peak) {
		a.Peak = o.Value
	}
	l.endRest(t.Setting, in)
	if a.Level == o.Level {
		return
	}
	a.Level, a.Severity = o.Level, l.Rule.SeverityAt(o.Level)
	l.changed.alert(a)
	l.worsen(t.Setting, in)
}

// worsen is rows 6 and 19: a severity above the worst one told breaks an
// acknowledgement and is told. A first that waits is not told yet: it will say
// how bad it is when it is due.
func (l *Ledger) worsen(s Setting, in *Instance) {
	a := in.Alert
	if a.Told < 0 || a.Severity.Rank() <= a.Told {
		return
	}
	if a.Ack != nil {
		defer l.explain(a, s.Now, AfterAck, a.Ack.By.Name)
		l.endAck(in, "worsened", s.Now)
	}
	l.cancel(a, s.Now, func(n *Notification) bool { return n.Reason == FirstNews && n.State == Held })
	a.Told = a.Severity.Rank()
	if a.DueAt.IsZero() && a.HeldBy == "" {
		a.DueAt = s.Now
	}
	l.book(s, in, Worsened)
	l.startReminders(a, s.Now)
}

// worse reports whether x is further on the bad side than y.
func worse(c *Condition, x, y float64) bool {
	if math.IsNaN(x) || math.IsNaN(y) {
		return math.IsNaN(y)
	}
	return c.depth(x) > c.depth(y)
}

// depth grows the further x is on the bad side.
func (c *Condition) depth(x float64) float64 {
	middle := (c.Value.Low + c.Value.High) / 2
	switch c.Operator {
	case Below, AtMost:
		return -x
	case Between:
		return -math.Abs(x - middle)
	case Outside:
		return math.Abs(x - middle)
	}
	return x
}

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
