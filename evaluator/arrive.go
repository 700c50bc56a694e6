package evaluator

import (
	"context"
	"errors"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Arrive judges the rules of a source at a time between their ticks, because
// points have come. Only rules that name no schedule of their own are due. It
// is false when the source is not ready for it, because a poll is under way or
// ticks that were missed come first; then it is to be called again.
//
// Such a time is a tick like any other, but missing it would be no gap: what
// was missed is counted from tick to tick of the timetable.
func (e *Engine) Arrive(ctx context.Context, source string, t time.Time) (judged bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	unread := e.replan(ctx)
	s, due := e.sources[source], map[string]bool{"": true}
	if s == nil || !s.plan.Load().any(due) {
		return true, unread
	}
	p := &poll{source: s, tick: t, now: t}
	if !s.take(p) {
		return false, unread
	}
	defer p.release()
	if e.lags(s, t) {
		return false, unread
	}
	asking, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	s.from = s.Source
	e.stats.aside(e.askAll(asking, s, s.plan.Load(), due, t.Add(-s.Delay)))
	return true, errors.Join(unread, e.decide(ctx, t, s.out, nil))
}

// lags reports whether something before t is to be judged first.
func (e *Engine) lags(s *sourceState, t time.Time) bool {
	s.mu.Lock()
	through, waits := s.through, !s.gap.Failed.IsZero() || len(s.leapt) > 0
	s.mu.Unlock()
	if waits || through.IsZero() {
		return waits
	}
	table, plan := e.timetable.Load(), s.plan.Load()
	for tick := table.Next(through); !tick.IsZero() && tick.Before(t); tick = table.Next(tick) {
		if plan.any(table.Due(tick)) {
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
func (k *ticker) listen(s *sourceState) {
	for again := false; again || k.signalled(s.Arrived); {
		began := time.Now()
		k.look()
		judged, err := k.engine.Arrive(k.ctx, s.name, nextMilli(time.Now()))
		if err != nil && k.ctx.Err() == nil {
			k.engine.log.Error("arrived points not judged", "source", s.name, "error", err)
		}
		again = !judged
		if !rules.Sleep(k.ctx, max(leastRest, restShare*time.Since(began))) {
			return
		}
	}
}

// look asks for another start where there is a reason for it. It is called
// before anything is decided: the wall clock may have jumped.
func (k *ticker) look() (interrupted bool) {
	if !k.interrupted() {
		return false
	}
	select {
	case k.again <- struct{}{}:
	default:
	}
	return true
}

// nextMilli is the first whole millisecond that is not before t: what came
// until t is in a window that ends there, and the store keeps no finer time.
func nextMilli(t time.Time) time.Time {
	return t.UTC().Add(time.Millisecond - time.Nanosecond).Truncate(time.Millisecond)
}

func (k *ticker) signalled(signal <-chan struct{}) bool {
	select {
	case <-k.ctx.Done():
		return false
	case <-signal:
		return true
	}
}
