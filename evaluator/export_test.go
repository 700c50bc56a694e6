package evaluator

import (
	"context"
	"strconv"

	"github.com/9bikes/tocsin/rules"
)

// End does what Run does when it ends.
func (e *Engine) End(ctx context.Context) error { return e.flush(ctx, true) }

// Beat does what Run does at each heartbeat.
func (e *Engine) Beat(ctx context.Context) error { return e.flush(ctx, false) }

// Remembered is of how many series a query knows the way after so many.
func Remembered(n int) int {
	g := &queryGroup{routes: map[rules.Series][]route{}}
	for i := range n {
		g.routesOf(rules.Series(strconv.Itoa(i)))
	}
	return len(g.routes)
}
