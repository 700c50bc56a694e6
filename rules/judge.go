package rules

import (
	"math"
	"time"
)

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
	if in.State == OK && !silent && (o.Verdict == Good || o.Verdict == NotRecovered) {
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
	case NotRecovered:
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
	in.State, in.Since, in.QuietSince, in.Stood, in.OKAt, in.Rejudge, in.Alert = OK, time.Time{}, time.Time{}, 0, now,
		false, nil
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
