package evaluator

import "context"

// End does what Run does when it ends.
func (e *Engine) End(ctx context.Context) error { return e.flush(ctx, true) }

// Beat does what Run does at each heartbeat.
func (e *Engine) Beat(ctx context.Context) error { return e.flush(ctx, false) }
