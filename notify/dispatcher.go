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

// Dispatcher sends what is owed. Each channel has a worker of its own, and each
// of its targets where it has several, so a slow one delays nobody.
type Dispatcher struct {
	outbox  Outbox
	sender  Sender
	channel func(name string) (Channel, error)
	log     *slog.Logger
	options Options

	mu      sync.Mutex
	workers map[rules.Address]*worker
	failing map[rules.Address]time.Time // since when each has failed
	wait    sync.WaitGroup
}

// Options are what a Dispatcher may be told; the zero value is right.
type Options struct {
	Composer Composer
	// Fold is how long what follows a message is gathered into one; 0 is 10 s.
	Fold time.Duration
	// Backoff is the first wait after a failure, doubling up to BackoffMax; 0
	// is 1 s and 5 min.
	Backoff, BackoffMax time.Duration
	// Jitter is what is added to such a wait, so that those who failed together do
	// not come again together; nil is up to a fifth of it, by chance.
	Jitter func(wait time.Duration) time.Duration
	// GiveUp is the age at which a message becomes a dead letter; 0 is 3 days.
	GiveUp time.Duration
	// Policy says how a channel is used; nil holds nothing back.
	Policy func(channel string) Policy
	// FallbackAfter is how long a channel fails before its fallback is told
	// too; 0 is 15 min.
	FallbackAfter time.Duration
	// Operators names the channels that hear of dead letters and of a channel
	// that fails for TroubleAfter, 0 is an hour; nil is none.
	Operators    func() []string
	TroubleAfter time.Duration
	// Known reports whether a message was booked before, perhaps by a dispatcher
	// before this one; nil is never.
	Known func(ctx context.Context, id string) bool
	// Links are what can be done about the alerts of these notifications, which
	// go to one channel in the message of that ID, from where it is read; nil is
	// nothing.
	Links func(message string, list []rules.Notification) []Action
	// Moved keeps what the service of a channel calls a target from now on, and
	// reports whether it is kept beyond this process; nil keeps nothing.
	Moved func(ctx context.Context, channel string, m rules.Move) (kept bool)
	// Told is called with each delivery that was tried.
	Told func(channel string, m Message, o rules.Outcome)
}

// NewDispatcher returns a dispatcher; channel opens a channel by name, or says
// rules.NotFound when there is no hope that it could later.
func NewDispatcher(outbox Outbox, sender Sender, channel func(string) (Channel, error), log *slog.Logger,
	o Options,
) *Dispatcher {
	orElse(&o.Fold, 10*time.Second)
	orElse(&o.Backoff, time.Second)
	orElse(&o.BackoffMax, 5*time.Minute)
	orElse(&o.GiveUp, 72*time.Hour)
	orElse(&o.FallbackAfter, 15*time.Minute)
	orElse(&o.TroubleAfter, time.Hour)
	if o.Jitter == nil {
		o.Jitter = func(wait time.Duration) time.Duration { return rand.N(wait/5 + 1) }
	}
	if o.Policy == nil {
		o.Policy = func(string) Policy { return Policy{} }
	}
	if o.Known == nil {
		o.Known = func(context.Context, string) bool { return false }
	}
	if o.Moved == nil {
		o.Moved = func(context.Context, string, rules.Move) bool { return false }
	}
	if o.Operators == nil {
		o.Operators = func() []string { return nil }
	}
	return &Dispatcher{
		outbox: outbox, sender: sender, channel: channel, log: log, options: o,
		workers: map[rules.Address]*worker{}, failing: map[rules.Address]time.Time{},
	}
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
	due := time.NewTimer(0) // for what becomes due without a bell
	defer due.Stop()
	for {
		due.Reset(d.rouse(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-d.outbox.Bell():
		case <-due.C:
		}
	}
}

// untilMinute is the longest time without a look. The clock on the wall, which
// says what is due, may jump; and quiet hours end at a full minute.
func untilMinute(now time.Time) time.Duration {
	return now.Truncate(time.Minute).Add(time.Minute).Sub(now)
}

// rouse wakes the worker of every address that is owed something, and says how
// long it is until there may be more.
func (d *Dispatcher) rouse(ctx context.Context) time.Duration {
	now := time.Now()
	var addresses []rules.Address
	failed := map[rules.Address]time.Duration{} // for how long
	for _, n := range d.outbox.Owed(now) {
		to := n.Address()
		if !slices.Contains(addresses, to) {
			addresses = append(addresses, to)
		}
		if n.Failed() {
			failed[to] = max(failed[to], now.Sub(n.Due))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, to := range addresses {
		w := d.workers[to]
		if w == nil {
			w = &worker{Dispatcher: d, to: to, name: to.Channel, wake: make(chan struct{}, 1)}
			d.workers[to] = w
			d.recall(to, failed[to], now)
			d.wait.Go(func() { w.run(ctx) })
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	if next := d.outbox.NextDue(now); !next.IsZero() {
		return min(next.Sub(now), untilMinute(now))
	}
	return untilMinute(now)
}

// recall makes a new worker know for how long its address has failed, also under
// a dispatcher before this one.
func (d *Dispatcher) recall(to rules.Address, failed time.Duration, now time.Time) {
	if failed > 0 && d.failing[to].IsZero() {
		d.failing[to] = now.Add(-failed)
	}
}

// Failing returns the channel that has failed for the longest time, and since
// when; "" when none fails.
func (d *Dispatcher) Failing() (channel string, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for to, t := range d.failing {
		if channel == "" || t.Before(since) {
			channel, since = to.Channel, t
		}
	}
	return channel, since
}

// failsSince returns since when an address fails, zero when it does not.
func (d *Dispatcher) failsSince(to rules.Address) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failing[to]
}

// fares notes whether an address takes messages.
func (d *Dispatcher) fares(to rules.Address, well bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if well {
		delete(d.failing, to)
	} else if d.failing[to].IsZero() {
		d.failing[to] = time.Now()
	}
}
