package influx

import (
	"sync"
	"time"
)

// mostStatements is how many statements go out in one request.
const mostStatements = 200

// pace remembers what statements cost, so that a request is cut where it would
// take too long or answer too much.
type pace struct {
	mu   sync.Mutex
	took time.Duration // for one statement
	size int           // of its answer
}

// note learns from a request of some statements. What is dear is believed at
// once, what is cheap little by little.
func (p *pace) note(statements int, took time.Duration, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took, size = took/time.Duration(statements), size/statements
	p.took = max(took, (7*p.took+took)/8)
	p.size = max(size, (7*p.size+size)/8)
}

// room is how many statements a request may hold to keep well within a time and
// a size.
func (p *pace) room(timeout time.Duration, size int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := mostStatements
	if p.took > 0 {
		n = min(n, int(timeout/4/p.took))
	}
	if p.size > 0 {
		n = min(n, size/4/p.size)
	}
	return max(1, n)
}
