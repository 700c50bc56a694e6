// Package live is the embedded source: recent points, pushed as line protocol
// or read from this machine, held in bounded memory and asked like any other
// source. It needs no database and forgets everything when the process ends.
// Who may write is decided by who mounts its handler, what the points mean by
// the evaluator.
package live

import (
	"sync"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

// Options bound what a Store holds. The zero value is right for a small
// machine.
type Options struct {
	// Retention is how long a point is kept; zero is one hour.
	Retention time.Duration
	// MaxSeries is how many tag sets are held over all measurements; zero is
	// 20,000.
	MaxSeries int
	// MaxFields is how many fields all series have together; zero is ten for
	// each of MaxSeries.
	MaxFields int
	// MaxPoints is how many values are held; zero is 2,000,000. A value takes
	// 16 bytes; each 16 bytes of text count as one more.
	MaxPoints int
}

// Counts tells how much a Store holds, in the units of its Options.
type Counts struct {
	Series int `json:"series"`
	Fields int `json:"fields"`
	Points int `json:"points"`
}

// Store holds the recent points of the live source. All its methods may be
// called at the same time.
type Store struct {
	limits    Options
	arrived   chan struct{}
	databases databases

	mu           sync.RWMutex
	measurements map[string]*measurement
	held         Counts
	swept        time.Time
}

var _ evaluator.Source = (*Store)(nil)

// New returns an empty Store.
func New(o Options) *Store {
	if o.Retention <= 0 {
		o.Retention = time.Hour
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = 20_000
	}
	if o.MaxFields <= 0 {
		o.MaxFields = 10 * o.MaxSeries
	}
	if o.MaxPoints <= 0 {
		o.MaxPoints = 2_000_000
	}
	return &Store{limits: o, arrived: make(chan struct{}, 1), measurements: map[string]*measurement{}}
}

// Arrived returns the channel that signals new points: after a Write that kept
// some, one value waits there, however many writes went before it was taken.
// It lets an evaluator tick as soon as there is something to judge. There is
// one channel, so it serves one listener.
func (s *Store) Arrived() <-chan struct{} { return s.arrived }

// Held returns how much is held now.
func (s *Store) Held() Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.held
}

func (s *Store) announce() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// span is the time in which points are held: stamps in [oldest, newest].
type span struct{ oldest, newest int64 }

// tolerance is how far a writer's clock may be ahead of ours.
const tolerance = 5 * time.Minute

func (s *Store) spanAt(now time.Time) span {
	return span{now.Add(-s.limits.Retention).UnixNano(), now.Add(tolerance).UnixNano()}
}

// sweepIfDue drops what is too old, now and then; at once when little room is
// left. A clock that steps back is a reason too: what it left in the future
// would stay for as long as the step.
func (s *Store) sweepIfDue(now time.Time) {
	if !s.startSweep(now) {
		return
	}
	keep := s.spanAt(now)
	for _, name := range s.names() {
		s.sweep(name, keep)
	}
}

// startSweep reports whether a sweep is due, and if so that this caller does it.
func (s *Store) startSweep(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	gap := max(time.Second, s.limits.Retention/60)
	if s.nearlyFull() {
		gap = time.Second
	}
	if since := now.Sub(s.swept); since < gap && since > -gap {
		return false
	}
	s.swept = now
	return true
}

func (s *Store) nearlyFull() bool {
	nearly := func(held, limit int) bool { return held >= limit-limit/10 }
	return nearly(s.held.Points, s.limits.MaxPoints) || nearly(s.held.Series, s.limits.MaxSeries) ||
		nearly(s.held.Fields, s.limits.MaxFields)
}

func (s *Store) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.measurements))
	for name := range s.measurements {
		names = append(names, name)
	}
	return names
}

// sweep takes the lock for one measurement at a time, so that nobody waits for
// the whole.
func (s *Store) sweep(name string, keep span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.measurements[name]
	if m == nil {
		return
	}
	gone := m.sweep(keep)
	s.held.Series -= gone.Series
	s.held.Fields -= gone.Fields
	s.held.Points -= gone.Points
	if len(m.series) == 0 {
		delete(s.measurements, name)
	}
}
