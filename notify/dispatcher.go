package notify

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Dispatcher sends what is owed. Each channel has a worker of its own, so a
// slow channel delays nobody.
type Dispatcher struct {
	outbox  Outbox
	sender  Sender
	channel func(name string) (Channel, bool)
	log     *slog.Logger
	options Options

	mu      sync.Mutex
	workers map[string]*worker
	wait    sync.WaitGroup
}

// Options are what a Dispatcher may be told; the zero value is right.
type Options struct {
	Composer Composer
	// Fold is how long what follows a message is gathered into one; 0 is 10 s.
	Fold time.Duration
	// Timeout bounds one delivery; 0 is 15 s.
	Timeout time.Duration
	// Backoff is the first wait after a failure, doubling up to BackoffMax; 0
	// is 1 s and 5 min.
	Backoff, BackoffMax time.Duration
	// GiveUp is the age at which a message becomes a dead letter; 0 is 3 days.
	GiveUp time.Duration
	// LoseRather makes a message whose fate is unknown stay unknown, instead of
	// being sent a second time, on the channels it picks.
	LoseRather func(channel string) bool
	// Told is called with each delivery that was tried.
	Told func(channel string, m Message, o rules.Outcome)
}

// NewDispatcher returns a dispatcher; channel opens a channel by name.
func NewDispatcher(outbox Outbox, sender Sender, channel func(string) (Channel, bool), log *slog.Logger, o Options) *Dispatcher {
	orElse(&o.Fold, 10*time.Second)
	orElse(&o.Timeout, 15*time.Second)
	orElse(&o.Backoff, time.Second)
	orElse(&o.BackoffMax, 5*time.Minute)
	orElse(&o.GiveUp, 72*time.Hour)
	if o.LoseRather == nil {
		o.LoseRather = func(string) bool { return false }
	}
	return &Dispatcher{outbox: outbox, sender: sender, channel: channel, log: log, options: o, workers: map[string]*worker{}}
}

func orElse(at *time.Duration, otherwise time.Duration) {
	if *at == 0 {
		*at = otherwise
	}
}

// Run sends until ctx ends, and then waits for the deliveries under way, at
// most three seconds.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.wait.Wait()
	poll := time.NewTicker(time.Minute) // for what becomes due without a bell
	defer poll.Stop()
	for {
		d.rouse(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-d.outbox.Bell():
		case <-poll.C:
		}
	}
}

// rouse wakes the worker of every channel that is owed something.
func (d *Dispatcher) rouse(ctx context.Context) {
	var names []string
	for _, n := range d.outbox.Owed(time.Now()) {
		if !slices.Contains(names, n.Channel) {
			names = append(names, n.Channel)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		w := d.workers[name]
		if w == nil {
			w = &worker{Dispatcher: d, name: name, wake: make(chan struct{}, 1)}
			d.workers[name] = w
			d.wait.Go(func() { w.run(ctx) })
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// worker sends for one channel.
type worker struct {
	*Dispatcher
	name string
	wake chan struct{}

	failures int
	notSoon  time.Time // no try before: backoff, Retry-After, or the fold
}

func (w *worker) run(ctx context.Context) {
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
	list := slices.DeleteFunc(w.outbox.Owed(now), func(n rules.Notification) bool { return n.Channel != w.name })
	if len(list) == 0 || ctx.Err() != nil {
		return 0
	}
	if wait := w.notSoon.Sub(now); wait > 0 {
		return wait
	}
	w.deliver(ctx, list, now)
	return max(time.Until(w.notSoon), time.Millisecond)
}

func (w *worker) deliver(ctx context.Context, list []rules.Notification, now time.Time) {
	old := slices.DeleteFunc(slices.Clone(list), func(n rules.Notification) bool { return now.Sub(n.BookedAt) < w.options.GiveUp })
	if len(old) > 0 {
		w.record(ctx, old, rules.Outcome{State: rules.Dead, Class: "gave_up"})
		return
	}
	taken, err := w.outbox.Take(ctx, list)
	if err != nil && len(taken) == 0 {
		w.log.Error("messages not taken from the outbox", "channel", w.name, "error", err)
		w.backOff(0)
		return
	}
	if len(taken) == 0 {
		return
	}
	m := w.options.Composer.Compose(taken, now)
	o := w.settle(w.send(ctx, m), taken)
	w.record(ctx, taken, o)
	w.report(m, o, len(taken))
}

// send delivers one message. The end of the program gives it three seconds
// more, because a request that has left is better answered than unknown.
func (w *worker) send(ctx context.Context, m Message) rules.Outcome {
	c, ok := w.channel(w.name)
	if !ok {
		return rules.Outcome{State: rules.Dead, Class: "no_such_channel"}
	}
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.options.Timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(3*time.Second, cancel) })()
	return w.sender.Send(sending, c, m)
}

// settle decides what an outcome means for the next try.
func (w *worker) settle(o rules.Outcome, list []rules.Notification) rules.Outcome {
	if o.State == rules.Uncertain && !w.options.LoseRather(w.name) &&
		!slices.ContainsFunc(list, func(n rules.Notification) bool { return n.Attempts > 1 }) {
		o.State = rules.Owed
	}
	if o.State == rules.Owed {
		w.backOff(o.Retry)
		return o
	}
	w.failures = 0
	w.notSoon = time.Now().Add(w.options.Fold)
	return o
}

// backOff sets the time of the next try: what the service asked for, or twice
// as long as before, with up to a fifth of jitter.
func (w *worker) backOff(asked time.Duration) {
	wait := w.options.Backoff << min(w.failures, 20)
	if wait > w.options.BackoffMax {
		wait = w.options.BackoffMax
	}
	wait += time.Duration(rand.Int64N(int64(wait)/5 + 1))
	w.failures++
	w.notSoon = time.Now().Add(max(wait, asked))
}

func (w *worker) record(ctx context.Context, list []rules.Notification, o rules.Outcome) {
	if err := w.outbox.Deliver(context.WithoutCancel(ctx), list, o); err != nil {
		w.log.Error("outcome of a delivery not saved", "channel", w.name, "error", err)
	}
}

func (w *worker) report(m Message, o rules.Outcome, count int) {
	level := slog.LevelInfo
	if o.State != rules.Sent {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "delivery", "channel", w.name, "message", m.ID, "notifications", count,
		"outcome", o.State, "class", o.Class, "status", o.Code)
	if w.options.Told != nil {
		w.options.Told(w.name, m, o)
	}
}
