package evaluator

import (
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Stats is what the engine has done since it started.
type Stats struct {
	Ticks        int            `json:"ticks"`
	Missed       int            `json:"missed_ticks"`
	LastTick     time.Time      `json:"last_tick,omitzero"` // nominal
	LastTook     rules.Duration `json:"last_tick_took"`
	Plans        int            `json:"plans"` // queries that all rules together are planned as
	Rules        int            `json:"rules_last_tick"`
	Queries      int            `json:"queries_last_tick"`
	QueriesTotal int            `json:"queries_total"`
	Arrivals     int            `json:"arrivals_total,omitempty"` // times that points were judged as they came
	Observations int            `json:"observations_total"`
	Failures     int            `json:"failures_total"`
	Finished     time.Time      `json:"finished,omitzero"` // wall clock, of the last tick
}

// statsKeeper keeps Stats for many writers.
type statsKeeper struct {
	mu    sync.Mutex
	stats Stats
	first time.Time // the nominal time of the first tick
	asks  int
}

func (k *statsKeeper) change(f func(*Stats)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.stats)
}

func (k *statsKeeper) ticked(t time.Time, took time.Duration, judged int) {
	k.change(func(s *Stats) {
		s.Ticks++
		if k.first.IsZero() {
			k.first = t
		}
		s.LastTick, s.LastTook, s.Rules, s.Finished = t, rules.Duration(took.Round(time.Millisecond)), judged, time.Now()
		s.Queries, k.asks = k.asks, 0
	})
}

// last is the nominal time of the last tick; zero before the first.
func (k *statsKeeper) last() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats.LastTick
}

// began is the first tick; zero before it.
func (k *statsKeeper) began() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.first
}

// late adds what was judged after its tick, because the source was slow.
func (k *statsKeeper) late(judged int) { k.change(func(s *Stats) { s.Rules += judged }) }

func (k *statsKeeper) missed() { k.change(func(s *Stats) { s.Missed++ }) }
func (k *statsKeeper) failed() { k.change(func(s *Stats) { s.Failures++ }) }

func (k *statsKeeper) asked(queries int) {
	k.change(func(s *Stats) { k.asks += queries; s.QueriesTotal += queries })
}

// aside notes an arrival, whose queries are not those of the tick to come.
func (k *statsKeeper) aside(queries int) {
	k.change(func(s *Stats) { k.asks -= queries; s.Arrivals++ })
}

func (k *statsKeeper) judged(observations int) {
	k.change(func(s *Stats) { s.Observations += observations })
}

// Stats returns what the engine has done.
func (e *Engine) Stats() Stats {
	e.stats.mu.Lock()
	s := e.stats.stats
	e.stats.mu.Unlock()
	for _, source := range e.sources {
		if plan := source.plan.Load(); plan != nil {
			s.Plans += len(plan.groups) + len(plan.own)
		}
	}
	return s
}
