package evaluator

import (
	"context"
	"errors"
	"time"
)

// Arrive judges the rules of a source at a time between their ticks, because
// points have come. Only rules that name no schedule of their own are due. It
// is false when the source is not ready for it, because a round is under way or
// ticks that were missed come first; then it is to be called again.
//
// Such a time is a tick like any other, but missing it would be no gap: what
// was missed is counted from tick to tick of the timetable.
func (e *Engine) Arrive(ctx context.Context, source string, t time.Time) (judged bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	unread := e.replan(ctx)
	f, due := e.sources[source], map[string]bool{"": true}
	if f == nil || !f.plan.Load().any(due) {
		return true, unread
	}
	if !f.busy.TryLock() {
		return false, unread
	}
	defer f.busy.Unlock()
	if e.lags(f, t) {
		return false, unread
	}
	asking, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	e.stats.aside(e.pose(asking, f, f.plan.Load(), due, t.Add(-f.Delay)))
	return true, errors.Join(unread, e.decide(ctx, t, f.out, nil))
}

// lags reports whether something before t is to be judged first.
func (e *Engine) lags(f *feed, t time.Time) bool {
	f.mu.Lock()
	through, waits := f.through, !f.gap.Failed.IsZero() || len(f.leapt) > 0
	f.mu.Unlock()
	if waits || through.IsZero() {
		return waits
	}
	table, plan := e.timetable.Load(), f.plan.Load()
	for tick := table.Next(through); !tick.IsZero() && tick.Before(t); tick = table.Next(tick) {
		if plan.any(table.due(tick)) {
			return true
		}
	}
	return false
}

// The first point is judged at once. After that judging rests for nine times as
// long as it took, so that a stream of points costs a tenth of a core at most.
const (
	leastRest = 10 * time.Millisecond
	restShare = 9
)

// listen judges a source as its points arrive, until ctx ends.
func (b *beat) listen(f *feed) {
	for again := false; again || b.signalled(f.Arrived); {
		began := time.Now()
		b.look()
		judged, err := b.engine.Arrive(b.ctx, f.name, nextMilli(time.Now()))
		if err != nil && b.ctx.Err() == nil {
			b.engine.log.Error("arrived points not judged", "source", f.name, "error", err)
		}
		again = !judged
		if !b.pause(max(leastRest, restShare*time.Since(began))) {
			return
		}
	}
}

// look asks for another start where there is a reason for it. It is called
// before anything is decided: the wall clock may have jumped.
func (b *beat) look() (interrupted bool) {
	if !b.interrupted() {
		return false
	}
	select {
	case b.again <- struct{}{}:
	default:
	}
	return true
}

// nextMilli is the first whole millisecond that is not before t: what came
// until t is in a window that ends there, and the store keeps no finer time.
func nextMilli(t time.Time) time.Time {
	return t.UTC().Add(time.Millisecond - time.Nanosecond).Truncate(time.Millisecond)
}

func (b *beat) signalled(signal <-chan struct{}) bool {
	select {
	case <-b.ctx.Done():
		return false
	case <-signal:
		return true
	}
}

func (b *beat) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-b.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
