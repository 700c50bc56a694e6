package evaluator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/9bikes/tocsin/rules"
)

// Run ticks until ctx ends, then saves what lives in memory. A tick that
// comes while the one before is at work is skipped and counted.
func (e *Engine) Run(ctx context.Context) error {
	ticker := &ticker{engine: e, ctx: ctx, last: e.read(), again: make(chan struct{}, 1)}
	if err := e.Resume(ctx, ticker.last.wall.UTC()); err != nil {
		return err
	}
	defer e.behind.Wait()
	ticker.start()
	defer ticker.stop()
	var listeners sync.WaitGroup
	defer listeners.Wait()
	for _, s := range e.sources {
		if s.Arrived != nil {
			listeners.Go(func() { ticker.listen(s) })
		}
	}
	watch, heartbeat := time.NewTicker(time.Second), time.NewTicker(e.options.Heartbeat)
	defer watch.Stop()
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			ticker.stop()
			listeners.Wait()
			e.behind.Wait()
			return e.flush(context.WithoutCancel(ctx), true)
		case <-watch.C:
			if ticker.interrupted() || e.replanned(ctx, &ticker.version) {
				ticker.restart()
			}
		case <-ticker.again:
			ticker.restart()
		case <-heartbeat.C:
			if err := e.flush(ctx, false); err != nil {
				e.log.Error("heartbeat not saved", "error", err)
			}
		}
	}
}

// reading is what the clocks said at one moment.
type reading struct {
	wall    time.Time
	running time.Duration // of the machine, sleep included
	awake   time.Time     // for its monotonic part, which drives timers
}

// read reads the clocks at one moment: not apart, which would look like a jump
// where the machine was busy in between.
func (e *Engine) read() reading {
	for {
		began := time.Now()
		wall, running := e.options.Clocks()
		if awake := time.Now(); awake.Sub(began) < tolerance/10 {
			return reading{wall.Round(0), running, awake}
		}
	}
}

// tolerance is how much clocks may differ in a second before the difference
// counts.
const tolerance = 2 * time.Second

// since is how far the wall clock jumped since an earlier reading, and how
// long the machine slept.
func (r reading) since(last reading) (jump, slept time.Duration) {
	ran := r.running - last.running
	return r.wall.Sub(last.wall) - ran, ran - r.awake.Sub(last.awake)
}

// Jump adds a jump of the wall clock to now, by d, to everything that runs. A
// poll that is under way would decide at a time that is no more: it counts as
// missed.
func (e *Engine) Jump(ctx context.Context, now time.Time, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log.Warn("the wall clock jumped; running durations move with it", "by", d.Round(time.Millisecond), "now", now)
	if e.options.Jumped != nil {
		e.options.Jumped(d)
	}
	e.jumps.Add(1)
	e.troubles.shift(d)
	if err := e.ledgers.ShiftTimers(ctx, d); err != nil {
		e.log.Error("jump of the clock not saved", "error", err)
	}
	// A ledger that was read anew meanwhile remembers the one that moved, and
	// moves once more.
	if err := e.leaveFuture(ctx, now, func(l *rules.Ledger) { l.Judged = now }); err != nil {
		e.log.Error("clocks that run ahead not saved", "error", err)
	}
	table := e.timetable.Load()
	for _, s := range e.sources {
		s.jump(now, d, table.Leapt(s.plan.Load().schedules, now.Add(-min(d, e.options.CatchUp)), now))
	}
	if d > 0 {
		e.recall(ctx, now, d)
	}
	if t := e.stats.jumped(d); !t.IsZero() {
		e.alive(t)
	}
}

// jumped moves the last tick, and returns it.
func (k *statsKeeper) jumped(d time.Duration) (last time.Time) {
	k.change(func(s *Stats) {
		if !s.LastTick.IsZero() {
			s.LastTick, k.first = s.LastTick.Add(d), k.first.Add(d)
		}
		last = s.LastTick
	})
	return last
}

// jump moves what is known of a source. Its points of before bear the old time:
// for one without history it is as if it began now.
func (s *sourceState) jump(now time.Time, d time.Duration, leapt []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &s.gap
	for _, t := range []*time.Time{
		&s.through, &s.newest, &g.From, &g.Failed, &g.Back, &s.health.DownSince,
		&s.health.LastOK,
	} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	s.through = rules.Earlier(s.through, now)
	s.started = now
	s.leapt = leapt
}

// tickUnlessJumped is Tick for a time that was planned after so many jumps.
func (e *Engine) tickUnlessJumped(ctx context.Context, t time.Time, jumps int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if jumps != e.jumps.Load() {
		return nil
	}
	return e.tick(ctx, t)
}

// stale reports whether the wall clock jumped after a poll began.
func (e *Engine) stale(p *poll) bool { return p.jumps != e.jumps.Load() }

// replanned reports whether the timetable has another shortest step than when
// it was last asked, so that cron must be told.
func (e *Engine) replanned(ctx context.Context, seen *uint64) bool {
	version, err := e.ledgers.Version(ctx)
	if version == *seen {
		return false
	}
	*seen = version
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.timetable.Load()
	if err = errors.Join(err, e.replan(ctx)); err != nil {
		e.log.Debug("not every change of the rules was read; the next tick says why", "error", err)
	}
	return !before.Same(e.timetable.Load())
}

// ticker runs the engine's ticks by cron, which is started anew whenever the
// wall clock jumps or the timetable changes: cron holds on to the time it
// computed before.
type ticker struct {
	engine  *Engine
	ctx     context.Context //nolint:containedctx // a cron job takes no argument
	mu      sync.Mutex
	cron    *cron.Cron
	entry   atomic.Int64
	jumps   atomic.Int64 // the engine's when cron was started
	version uint64

	looking sync.Mutex
	last    reading
	again   chan struct{} // asks Run for a restart
}

// interrupted reports whether cron must plan anew: after a jump of the wall
// clock, and after a sleep of the machine. What was slept through is a gap, to
// be judged from history.
func (k *ticker) interrupted() bool {
	k.looking.Lock()
	defer k.looking.Unlock()
	now := k.engine.read()
	jump, slept := now.since(k.last)
	k.last = now
	woke, jumped := slept > tolerance, jump.Abs() > tolerance
	if woke {
		k.engine.log.Info("the machine slept", "for", slept.Round(time.Millisecond))
	}
	if jumped {
		k.engine.Jump(k.ctx, now.wall.UTC(), jump)
	}
	return woke || jumped
}

// Next makes ticker a cron.Schedule: the next tick of any rule.
func (k *ticker) Next(t time.Time) time.Time {
	return k.engine.timetable.Load().Next(t)
}

func (k *ticker) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	skip := cron.SkipIfStillRunning(skipLog{k.engine})
	k.jumps.Store(k.engine.jumps.Load())
	k.cron = cron.New(cron.WithLocation(time.UTC), cron.WithChain(skip))
	k.entry.Store(int64(k.cron.Schedule(k, cron.FuncJob(k.tick))))
	k.cron.Start()
}

func (k *ticker) stop() {
	k.mu.Lock()
	running := k.cron
	k.mu.Unlock()
	<-running.Stop().Done()
}

func (k *ticker) restart() {
	k.stop()
	k.start()
}

// tick is called by cron; the nominal time is the one cron planned. A jump is
// looked for first: cron follows the wall clock and may be ahead of Run.
func (k *ticker) tick() {
	k.mu.Lock()
	t := k.cron.Entry(cron.EntryID(k.entry.Load())).Prev.UTC()
	k.mu.Unlock()
	if t.IsZero() || k.ctx.Err() != nil {
		return
	}
	if k.look() {
		return
	}
	if err := k.engine.tickUnlessJumped(k.ctx, t, k.jumps.Load()); err != nil && k.ctx.Err() == nil {
		k.engine.log.Error("tick failed", "tick", t, "error", err)
	}
}

// skipLog hears from cron only that a tick was skipped.
type skipLog struct{ engine *Engine }

// Info is how cron says that it skips.
func (s skipLog) Info(string, ...any) {
	s.engine.stats.missed()
	s.engine.log.Warn("tick skipped: the one before is still at work")
}

// Error is how cron says that a job panicked.
func (s skipLog) Error(err error, msg string, _ ...any) {
	s.engine.log.Error("cron", "message", msg, "error", err)
}
