// Package leftover gives memory back that is of no use any more. It is pure.
package leftover

import (
	"runtime/debug"
	"sync"
	"time"
)

// Memory returns to the system what an answer took that was refused for its
// size: left alone, it would stay for minutes. It belongs to a source, which
// stops it when it is closed. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	later *time.Timer
}

// afterwards is when whoever asked has let go of what came.
const afterwards = 2 * time.Second

// GiveBack does it a little later, once however often it is called until then.
func (m *Memory) GiveBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.later == nil {
		m.later = time.AfterFunc(afterwards, debug.FreeOSMemory)
		return
	}
	m.later.Reset(afterwards)
}

// Stop ends it.
func (m *Memory) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.later != nil {
		m.later.Stop()
	}
}
