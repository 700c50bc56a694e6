package evaluator

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
)

// Run ticks until ctx ends, then saves what lives in memory. A tick that
// comes while the one before is at work is skipped and counted.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.Resume(ctx, time.Now().UTC()); err != nil {
		return err
	}
	defer e.behind.Wait()
	clock := &clock{engine: e, ctx: ctx}
	clock.start()
	defer clock.stop()
	watch, heartbeat := time.NewTicker(time.Second), time.NewTicker(e.options.Heartbeat)
	defer watch.Stop()
	defer heartbeat.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			clock.stop()
			e.behind.Wait()
			return e.book.Flush(context.WithoutCancel(ctx))
		case now := <-watch.C:
			now = time.Now()
			if jump := jumped(last, now); jump != 0 {
				e.jump(ctx, jump)
				clock.restart()
			}
			last = now
			if e.replanned(ctx, &clock.version) {
				clock.restart()
			}
		case <-heartbeat.C:
			if err := e.book.Flush(ctx); err != nil {
				e.log.Error("heartbeat not saved", "error", err)
			}
		}
	}
}

// tolerance is how much the wall clock may gain or lose in a second before it
// counts as a jump.
const tolerance = 2 * time.Second

// jumped is how far the wall clock moved more than the monotonic one.
func jumped(last, now time.Time) time.Duration {
	wall, mono := now.Round(0).Sub(last.Round(0)), now.Sub(last)
	if d := wall - mono; d > tolerance || d < -tolerance {
		return d
	}
	return 0
}

// jump adds a jump of the wall clock to everything that runs.
func (e *Engine) jump(ctx context.Context, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log.Warn("the wall clock jumped; running durations move with it", "by", d)
	if err := e.book.Shift(ctx, d); err != nil {
		e.log.Error("jump of the clock not saved", "error", err)
	}
}

// replanned reports whether the timetable has another shortest step than when
// it was last asked, so that cron must be told.
func (e *Engine) replanned(ctx context.Context, seen *uint64) bool {
	version, err := e.book.Version(ctx)
	if err != nil || version == *seen {
		return false
	}
	*seen = version
	e.mu.Lock()
	defer e.mu.Unlock()
	before := len(e.timetable.Load().schedules)
	if err := e.replan(ctx); err != nil {
		return false
	}
	return len(e.timetable.Load().schedules) != before
}

// clock runs the engine's ticks by cron, which is started anew whenever the
// wall clock jumps or the timetable changes: cron holds on to the time it
// computed before.
type clock struct {
	engine  *Engine
	ctx     context.Context //nolint:containedctx // a cron job takes no argument
	mu      sync.Mutex
	cron    *cron.Cron
	entry   atomic.Int64
	version uint64
	last    time.Time
}

// Next makes clock a cron.Schedule: the next tick of any rule.
func (c *clock) Next(t time.Time) time.Time {
	return c.engine.timetable.Load().Next(t)
}

func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	skip := cron.SkipIfStillRunning(skipLog{c.engine})
	c.cron = cron.New(cron.WithLocation(time.UTC), cron.WithChain(skip))
	c.entry.Store(int64(c.cron.Schedule(c, cron.FuncJob(c.tick))))
	c.cron.Start()
}

func (c *clock) stop() {
	c.mu.Lock()
	running := c.cron
	c.mu.Unlock()
	<-running.Stop().Done()
}

func (c *clock) restart() {
	c.stop()
	c.start()
}

// tick is called by cron; the nominal time is the one cron planned.
func (c *clock) tick() {
	c.mu.Lock()
	t := c.cron.Entry(cron.EntryID(c.entry.Load())).Prev.UTC()
	c.mu.Unlock()
	if t.IsZero() || c.ctx.Err() != nil {
		return
	}
	if err := c.engine.Tick(c.ctx, t); err != nil && c.ctx.Err() == nil {
		c.engine.log.Error("tick failed", "tick", t, "error", err)
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
	s.engine.log.Error("cron", "message", msg, slog.Any("error", err))
}
