package evaluator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TestWhatWasNotDecidedIsJudgedLater: a tick whose ledgers could not be read is
// missed, whether the source answered in time or late, or was being caught up
// with; what happened then is told as of any gap.
func TestWhatWasNotDecidedIsJudgedLater(t *testing.T) {
	gone := errors.New("the disk does not answer")
	for _, tt := range []struct {
		name   string
		before int // ticks at which the source is down, before those that cannot be decided
		unread int
		slow   bool
	}{
		{name: "a tick", unread: 1},
		{name: "a late answer", unread: 1, slow: true},
		{name: "several", unread: 3},
		{name: "in a replay", before: 2, unread: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, source := gapHouse(t)
			var held *slow
			if tt.slow {
				held = &slow{Source: h.points}
				h.source, h.options.Grace = held, time.Millisecond
			}
			h.cache = 1
			h.restart()
			h.rule(hotNow())
			h.rule(with(hotNow(), rules.Doc{"title": "Other", "measurement": "other"}))
			tick := func(line string) {
				h.now = h.now.Add(30 * time.Second)
				h.write(line)
				var hold chan struct{}
				if tt.slow {
					hold = make(chan struct{})
					held.hold.Store(&hold)
				}
				err := h.engine.Tick(t.Context(), h.now)
				if tt.slow {
					close(hold)
				}
				if err != nil && !errors.Is(err, gone) {
					t.Error(err)
				}
				h.settled()
			}
			tick(cold)
			source.down.Store(true)
			for range tt.before {
				tick(cold)
			}
			source.down.Store(false)
			h.meddler.load = func([]string) error { return gone }
			for range tt.unread {
				tick(warm)
			}
			h.meddler.load = nil
			tick(cold)
			tick(cold)
			if got := h.told(); !strings.Contains(got, named) || strings.Contains(got, "\n") {
				t.Errorf("told %q, want %q", got, named)
			}
			h.quietly(2, cold)
		})
	}
}
