package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

func TestTheWorkMovesOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		move func(*evaluator.Stats) // every 30 s
		want bool
	}{
		{"with each tick", func(s *evaluator.Stats) { s.Ticks++ }, true},
		{"with the queries of a tick that makes up for an outage", func(s *evaluator.Stats) { s.QueriesTotal++ }, true},
		{"not with ticks that are skipped behind one that hangs", func(s *evaluator.Stats) { s.Missed++ }, false},
		{"not with a jump of the clock", func(s *evaluator.Stats) { s.LastTick = time.Now() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stats evaluator.Stats
				p := newPulse(&app.Config{Every: rules.Duration(30 * time.Second)}, func() evaluator.Stats { return stats })
				for range 3 {
					time.Sleep(30 * time.Second)
					tt.move(&stats)
					if !p.beats() {
						t.Fatal("within the patience it is said to hang")
					}
				}
				time.Sleep(30 * time.Second)
				tt.move(&stats)
				if got := p.beats(); got != tt.want {
					t.Errorf("moves on = %v, want %v", got, tt.want)
				}
			})
		})
	}
}
