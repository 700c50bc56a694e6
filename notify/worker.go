package notify

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// worker sends to one channel, or to one of the targets that it has.
type worker struct {
	*Dispatcher
	to   rules.Address
	name string // of the channel
	wake chan struct{}

	failures     int
	notSoon      time.Time // no try before: backoff, Retry-After, or the fold
	notFannedOut bool      // the last fan-out failed
	budget       budget
	storm        storm
	trouble      trouble
	aged         time.Time // since when something is too old to be tried
	groupTold    map[string]time.Time
	parts        [][]string // what goes apart, by subject, because its service refused it together
}

func (w *worker) run(ctx context.Context) {
	w.recallTrouble(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-timer.C:
		}
		if next := w.work(ctx); next > 0 {
			timer.Reset(next)
		}
	}
}

// work sends what is owed, if it may, and says how long to wait before it
// looks again; 0 is until it is woken.
func (w *worker) work(ctx context.Context) time.Duration {
	now := time.Now()
	list := w.owed(now)
	if ctx.Err() != nil {
		return 0
	}
	if w.fanOut(ctx, list) {
		return max(time.Until(w.notSoon), time.Millisecond)
	}
	p := w.options.Policy(w.name)
	w.fallBackStuck(ctx, p, list, now)
	if wait := w.notSoon.Sub(now); wait > 0 {
		return w.untilFallback(p, list, wait, now)
	}
	list = p.Quiet.passing(list, now)
	w.endStorm(ctx, list, now)
	list, later := w.ripe(p.Group, list, now)
	if len(list) == 0 {
		return later
	}
	if wait := w.budget.wait(p.Rate, slices.ContainsFunc(list, critical), now); wait > 0 {
		return wait
	}
	w.deliver(ctx, p, list, now)
	return max(time.Until(w.notSoon), time.Millisecond)
}

// critical reports whether it tells of an alert than which none is worse.
func critical(n rules.Notification) bool {
	return n.Facts.Severity == rules.Critical && n.Reason.Announces()
}

func (w *worker) deliver(ctx context.Context, p Policy, list []rules.Notification, now time.Time) {
	if old := w.tooOld(list, now); len(old) > 0 {
		w.bury(ctx, p, old, rules.Outcome{State: rules.Dead, Class: "gave_up"})
		return
	}
	if lost := unknown(list); p.NeverTwice && len(lost) > 0 { // the daemon ended meanwhile, or the channel was not so then
		w.bury(ctx, p, lost, rules.Outcome{State: rules.Dead, Class: lost[0].Error, Unknown: true})
		return
	}
	apart := len(w.parts) > 0
	next := w.next(list)
	taken, err := w.outbox.Claim(ctx, next.list, next.id)
	if err != nil && len(taken) == 0 {
		w.log.Error("messages not taken from the outbox", "channel", w.name, "error", err)
		w.backOff(0)
		return
	}
	if len(taken) == 0 {
		return
	}
	w.storm.count(next.list, now)
	w.budget.spend()
	m := w.compose(p, next.id, taken, now)
	o := w.part(taken, w.settle(p, w.send(ctx, p, m)))
	if o.State == rules.Sent {
		w.toldGroup(p.Group, taken, now)
	}
	if o.State == rules.Sent && len(next.list) < len(list) && !w.storm.on() {
		w.notSoon = time.Now() // what waited for the service goes at once
	}
	switch {
	case o.State == rules.Dead:
		w.bury(ctx, p, taken, o)
	default:
		w.record(ctx, taken, o)
		if apart {
			w.notifyOfDead(ctx, p)
		}
	}
	w.report(m, o, len(taken))
	w.notifyOfMove(ctx, p, o)
	w.notifyOfFailing(ctx, p, o)
}

// agedFor is how long something must have been too old before it is given up: a
// jump of the wall clock ages everything at once, and what is booked moves with
// it a moment later.
const agedFor = 2 * time.Minute

// tooOld lists what is given up.
func (w *worker) tooOld(list []rules.Notification, now time.Time) []rules.Notification {
	old := only(list, func(n rules.Notification) bool { return now.Sub(n.BookedAt) >= w.options.GiveUp })
	switch {
	case len(old) == 0:
		w.aged = time.Time{}
	case w.aged.IsZero():
		w.aged = now
	case now.Sub(w.aged) >= agedFor:
		return old
	}
	return nil
}

func (w *worker) compose(p Policy, id string, list []rules.Notification, now time.Time) Message {
	c, actions := w.options.Composer, w.options.actions(id, list)
	c.Linked = len(actions) > 0
	m := c.Compose(list, now)
	if p.Quiet.kept(list) {
		m = c.Morning(list, now)
	}
	m = p.Template.Word(m, list, c.Zone)
	m.ID, m.Actions = id, actions
	return m
}

// send delivers one message. The end of the program gives it three seconds
// more, because a request that has left is better answered than unknown.
func (w *worker) send(ctx context.Context, p Policy, m Message) rules.Outcome {
	c, err := w.channel(w.name)
	if err != nil {
		w.log.Error("channel not opened", "channel", w.name, "error", err)
		if rules.CodeOf(err) == rules.NotFound {
			return w.gone("no_such_channel")
		}
		return rules.Outcome{State: rules.Owed, Class: "unread"}
	}
	if c.Target = w.sender.Renamed(c.URL, w.to.Target); c.Target != "" &&
		!slices.Contains(w.sender.Targets(c.URL), c.Target) {
		return w.gone("no_such_target")
	}
	c.Timeout, c.Trust, c.Moved, c.Edit = p.Timeout, p.Trust, p.Moved, p.Edit
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(3*time.Second, cancel) })()
	return w.sender.Send(sending, c, m)
}

// settle decides what an outcome means for the channel's next message.
func (w *worker) settle(p Policy, o rules.Outcome) rules.Outcome {
	if o.Unknown && p.NeverTwice {
		o.State = rules.Dead
	}
	if o.State == rules.Owed {
		w.fares(w.to, false)
		w.backOff(o.Retry)
		return o
	}
	if o.State == rules.Sent {
		w.fares(w.to, true)
	}
	w.failures = 0
	w.notSoon = time.Now().Add(w.options.Fold)
	if p.Group.on() {
		w.notSoon = time.Now() // each group has its own pace
	}
	if w.storm.on() {
		w.notSoon = time.Now().Add(stormPace)
	}
	return o
}

// mostAsked bounds what a service is believed of how long to wait: by then things
// may have changed.
const mostAsked = 24 * time.Hour

// backOff sets the time of the next try: what the service asked for, or twice
// as long as before, with jitter.
func (w *worker) backOff(asked time.Duration) {
	wait := min(w.options.Backoff<<min(w.failures, 20), w.options.BackoffMax)
	w.failures++
	w.notSoon = time.Now().Add(max(wait+w.options.Jitter(wait), min(asked, mostAsked)))
}

func (w *worker) record(ctx context.Context, list []rules.Notification, o rules.Outcome) {
	if err := w.outbox.Record(context.WithoutCancel(ctx), list, o); err != nil {
		w.log.Error("outcome of a delivery not saved", "channel", w.name, "error", err)
		if soon := time.Now().Add(w.options.Backoff); w.notSoon.Before(soon) {
			w.notSoon = soon // it may be owed still
		}
	}
}

func (w *worker) report(m Message, o rules.Outcome, count int) {
	level := slog.LevelInfo
	if o.State != rules.Sent {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "delivery", "channel", w.name, "target", w.to.Target, "message", m.ID,
		"notifications", count,
		"outcome", o.State, "unknown", o.Unknown, "class", o.Class, "status", o.Code)
	if w.options.Told != nil {
		w.options.Told(w.name, m, o)
	}
}
