package apptest

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

// Buffer is a bytes.Buffer for several goroutines.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// NoMoreGoroutines waits until there are no more than there were.
func NoMoreGoroutines(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(5 * time.Second); runtime.NumGoroutine() > before; {
		select {
		case <-tick.C:
		case <-deadline:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// Slow is a source that closes Asked, and answers when Release is closed.
type Slow struct {
	evaluator.Source
	Asked, Release chan struct{}
}

// Measurements answers when it is told to.
func (s Slow) Measurements(ctx context.Context) ([]string, error) {
	close(s.Asked)
	<-s.Release
	return nil, ctx.Err()
}

// Query answers with no point.
func (Slow) Query(context.Context, []evaluator.Query, func(int, evaluator.Row)) []error { return nil }
