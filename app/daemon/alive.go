package daemon

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
)

// pulse tells whether the engine's work moves on. It looks at what it counts,
// not at the wall clock, which may jump: ticks, and the queries of a long one
// that makes up for an outage. A tick that is skipped because the one before
// hangs moves nothing.
type pulse struct {
	patience time.Duration // how long the work may stand still
	stats    func() evaluator.Stats
	seen     evaluator.Stats
	at       time.Time // when something had moved; its monotonic part counts
}

func newPulse(c *app.Config, stats func() evaluator.Stats) *pulse {
	return &pulse{patience: app.TickPatience(c), stats: stats, at: time.Now()}
}

func (p *pulse) beats() bool {
	now := p.stats()
	now.Missed, now.LastTick = 0, time.Time{}
	if now != p.seen {
		p.seen, p.at = now, time.Now()
	}
	return time.Since(p.at) <= p.patience
}

// alive is whether a session is worth keeping: its ticks move on, and what
// writes is not stuck. A database that cannot be written is no reason to end:
// memory is the truth then.
func (d *daemon) alive(c *app.Config, engine *evaluator.Engine) func(context.Context) bool {
	p, store := newPulse(c, engine.Stats), d.store
	return func(ctx context.Context) bool {
		_ = store.Check(ctx) // that it answers counts, not what
		return p.beats()
	}
}
