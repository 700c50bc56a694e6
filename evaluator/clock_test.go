package evaluator_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

const year = 365 * 24 * time.Hour

// jump makes the wall clock jump; the next tick is the next multiple of the
// base interval.
func (h *house) jump(d time.Duration) {
	h.Helper()
	h.now = h.now.Add(d)
	h.engine.Jump(h.Context(), h.now, d)
	h.now = h.now.Truncate(30 * time.Second)
}

// jumpHouse is a house whose clock is doubted after a jump.
func jumpHouse(t *testing.T) (h *house, doubtful *atomic.Bool) {
	h = newHouse(t)
	doubtful = &atomic.Bool{}
	h.options.Sure = func() bool { return !doubtful.Load() }
	h.options.Blind = doubtful.Load
	h.options.Jumped = func(time.Duration) { doubtful.Store(true) }
	h.restart()
	return h, doubtful
}

func eachJump(t *testing.T, test func(*testing.T, time.Duration)) {
	for _, d := range []time.Duration{year, -year, 20*time.Minute + 7*time.Second, -20*time.Minute - 7*time.Second} {
		t.Run(rules.Duration(d).String(), func(t *testing.T) { test(t, d) })
	}
}

// TestAJumpFiresNothingAndSkipsNothing: running durations move with the wall
// clock. Its new time shows no point of before, but that is nobody's silence;
// nor is it a year of missed ticks.
func TestAJumpFiresNothingAndSkipsNothing(t *testing.T) {
	eachJump(t, func(t *testing.T, d time.Duration) {
		h, _ := jumpHouse(t)
		hot := hotRule()
		hot["remind"], hot["escalate"] = "1h", rules.Doc{"after": "1h", "channels": "boss"}
		h.rule(hot)
		h.rule(rules.Doc{
			"title": "Silent", "measurement": "beat", "group_by": "sensor",
			"condition": rules.Doc{"type": "absence", "window": "2m"},
		})
		h.rule(rules.Doc{
			"title": "Too few", "measurement": "beat", "field": "n", "group_by": "sensor",
			"condition": rules.Doc{"aggregation": "count", "window": "1m", "operator": "<", "value": 1.0},
		})
		a, b := "temperature,sensor=a celsius=-2", "temperature,sensor=b celsius=-2"
		for range 2 {
			h.tick(a, "beat,sensor=a n=1", "beat,sensor=b n=1")
		}
		h.tick(a, b, "beat,sensor=a n=1", "beat,sensor=b n=1")
		h.wantOwed(rules.FirstNews)
		since, asked := h.now, h.engine.Stats().Queries

		h.jump(d)
		h.wantOwed()
		began := h.engine.Stats().QueriesTotal
		h.tick(a, b) // no beat yet
		h.engine.Wait()
		h.wantOwed()
		if got := h.engine.Stats().QueriesTotal - began; got != asked {
			t.Errorf("asked %d queries after the jump, want %d as before", got, asked)
		}
		for h.now.Sub(since.Add(d)) < time.Minute {
			h.wantOwed()
			h.tick(a, b, "beat,sensor=a n=1", "beat,sensor=b n=1")
		}
		h.wantOwed(rules.FirstNews)
		h.view(func(alert *rules.Alert) {
			if want := map[rules.Series]string{
				"sensor=a": "sure",
				"sensor=b": "unsure",
			}[alert.Series]; alert.Evidence.Clock != want {
				t.Errorf("%s fired on a clock that is %s, want %s", alert.Series, alert.Evidence.Clock, want)
			}
		})
	})
}

// TestSilenceCountsOnceTheClockIsSure: what a doubtful clock kept back is told
// afterwards, if it is still so.
func TestSilenceCountsOnceTheClockIsSure(t *testing.T) {
	h, doubtful := jumpHouse(t)
	h.rule(rules.Doc{
		"title": "Silent", "measurement": "beat", "group_by": "sensor",
		"condition": rules.Doc{"type": "absence", "window": "1m"},
	})
	h.rule(rules.Doc{
		"title": "Too few", "measurement": "beat", "field": "n", "group_by": "sensor",
		"condition": rules.Doc{"aggregation": "count", "window": "1m", "operator": "<", "value": 1.0},
	})
	h.tick("beat,sensor=a n=1")
	doubtful.Store(true)
	for range 10 {
		h.tick()
	}
	h.wantOwed()
	doubtful.Store(false)
	h.tick()
	h.wantOwed(rules.FirstNews, rules.FirstNews)
}

// TestTicksMissedAfterAJumpAreReplayed: up to where a source was judged moves
// with the clock, or after a jump into the past nothing would count as missed.
func TestTicksMissedAfterAJumpAreReplayed(t *testing.T) {
	eachJump(t, func(t *testing.T, d time.Duration) {
		h, source := gapHouse(t)
		h.rule(hotRule())
		h.tick("temperature,sensor=a celsius=-18")
		h.jump(d)
		h.tick("temperature,sensor=a celsius=-18")
		source.down.Store(true)
		for range 3 {
			h.tick("temperature,sensor=a celsius=-2")
		}
		source.down.Store(false)
		h.tick("temperature,sensor=a celsius=-2")
		h.settled()
		if got := h.told(); got != "first sensor=a" {
			t.Fatalf("told after the failure: %q, want the first message", got)
		}
		h.view(func(a *rules.Alert) {
			if want := h.now.Add(-30 * time.Second); !a.StartedAt.Equal(want) {
				t.Errorf("started at %s, want %s", a.StartedAt, want)
			}
		})
	})
}

// TestAJumpWhileASourceIsDown: how long it has been down moves with the clock.
func TestAJumpWhileASourceIsDown(t *testing.T) {
	eachJump(t, func(t *testing.T, d time.Duration) {
		h, source := gapHouse(t)
		h.rule(hotRule())
		h.tick("temperature,sensor=a celsius=-18")
		source.down.Store(true)
		h.tick()
		failed := h.now.Add(d)
		h.jump(d)
		for h.tick(); h.now.Sub(failed) < 2*time.Minute; h.tick() {
			if got := h.told(); got != "" {
				t.Fatalf("told %s after the first failure: %s", h.now.Sub(failed), got)
			}
		}
		want := fmt.Sprintf("Source live does not answer since %s UTC", failed.Format("15:04:05"))
		if got := h.told(); len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// slow is a source that answers when it is released.
type slow struct {
	evaluator.Source
	hold atomic.Pointer[chan struct{}]
}

func (s *slow) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	if hold := s.hold.Load(); hold != nil {
		<-*hold
	}
	return s.Source.Query(ctx, queries, each)
}

// TestAnAnswerFromBeforeAJump is not decided on: its time is no more, and after
// a jump into the past it lies in the future.
func TestAnAnswerFromBeforeAJump(t *testing.T) {
	eachJump(t, func(t *testing.T, d time.Duration) {
		h := newHouse(t)
		source := &slow{Source: h.points}
		h.source, h.options.Grace = source, time.Millisecond
		h.restart()
		doc := hotRule()
		doc["for"] = "0s"
		r := h.rule(doc)
		h.tick("temperature,sensor=a celsius=-18")
		h.engine.Wait()
		hold := make(chan struct{})
		source.hold.Store(&hold)
		h.tick("temperature,sensor=a celsius=-2")
		source.hold.Store(nil)
		h.jump(d)
		close(hold)
		h.engine.Wait()
		h.wantOwed()
		h.tick("temperature,sensor=a celsius=-2")
		h.engine.Wait()
		h.tick("temperature,sensor=a celsius=-2")
		h.engine.Wait()
		h.wantOwed(rules.FirstNews)
		h.ledgers.View(r.ID, func(l *rules.Ledger) {
			if !l.Judged.Equal(h.now) {
				t.Errorf("judged at %s, now is %s", l.Judged, h.now)
			}
		})
	})
}

// TestAJumpOverADailyRun: a rule that runs at seven runs for the seven o'clock
// that the clock leapt over, once, and with nothing else to judge.
func TestAJumpOverADailyRun(t *testing.T) {
	for _, tt := range []struct {
		name string
		jump time.Duration
		want []rules.Reason
	}{
		{"over seven", 20 * time.Minute, []rules.Reason{rules.FirstNews}},
		{"short of seven", 5 * time.Minute, nil},
		{"over a year of sevens", year + 20*time.Minute, []rules.Reason{rules.FirstNews}},
		{"into the past", -23 * time.Hour, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, source := gapHouse(t)
			at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC) }
			h.now = at(2, 6, 59)
			doc := hotRule()
			doc["every"], doc["zone"], doc["for"] = "0 7 * * *", "UTC", "0s"
			h.rule(doc)
			h.tick()
			h.tick("temperature,sensor=a celsius=-18") // at seven
			h.now = at(3, 6, 50)
			h.tick()
			h.jump(tt.jump)
			seven := time.Date(h.now.Year(), h.now.Month(), h.now.Day(), 7, 0, 0, 0, time.UTC)
			late := fmt.Appendf(nil, "temperature,sensor=a celsius=-2 %d", seven.Add(-time.Second).UnixNano())
			if err := h.points.Write(late, time.Nanosecond, rules.Later(h.now, seven)); err != nil {
				t.Fatal(err)
			}
			source.down.Store(true)
			h.tick()
			h.engine.Wait()
			source.down.Store(false)
			for range 3 {
				h.tick()
				h.engine.Wait()
			}
			h.wantOwed(tt.want...)
			if len(tt.want) > 0 {
				h.view(func(a *rules.Alert) {
					if !a.Since.Equal(seven) {
						t.Errorf("bad since %s, want %s", a.Since, seven)
					}
				})
			}
		})
	}
}

// TestAJumpMovesTheSignOfLife: a crash just after a jump is not dated by the
// time before it.
func TestAJumpMovesTheSignOfLife(t *testing.T) {
	eachJump(t, func(t *testing.T, d time.Duration) {
		h := newHouse(t)
		var alive []time.Time
		h.options.Alive = func(p rules.Progress) { alive = append(alive, p.At) }
		h.restart()
		h.engine.Jump(t.Context(), h.now.Add(d), d)
		if len(alive) > 0 {
			t.Errorf("alive at %v without a tick", alive)
		}
		h.tick()
		want := []time.Time{h.now, h.now.Add(d)}
		h.jump(d)
		if !slices.EqualFunc(alive, want, time.Time.Equal) {
			t.Errorf("alive at %v, want %v", alive, want)
		}
		if last := h.engine.Stats().LastTick; !last.Equal(want[1]) {
			t.Errorf("the last tick is %s, want %s", last, want[1])
		}
	})
}

// TestAnotherProcessActsDuringAJump: what it changed is read anew and moves
// once, not twice.
func TestAnotherProcessActsDuringAJump(t *testing.T) {
	eachJump(t, func(t *testing.T, d time.Duration) {
		h := newHouse(t)
		doc := hotRule()
		doc["for"], doc["remind"] = "0s", "1m"
		r := h.rule(doc)
		h.tick("temperature,sensor=a celsius=-2")
		h.wantOwed(rules.FirstNews)
		other := *h
		other.open(false)
		var alert string
		h.view(func(a *rules.Alert) { alert = a.ID })
		h.meddle(func() {
			if err := other.ledgers.Act(t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
				return l.Acknowledge(s, alert, rules.Acknowledgement{By: rules.Actor{Name: "anna", Door: "cli"}})
			}); err != nil {
				t.Error(err)
			}
		})
		h.jump(d)
		h.tick("temperature,sensor=a celsius=-80")
		h.engine.Wait()
		h.wantOwed(rules.Resolved)
	})
}

// TestAClockThatWasAhead: what was decided in a future that is no more does not
// keep a rule from being judged now.
func TestAClockThatWasAhead(t *testing.T) {
	h, _ := gapHouse(t)
	h.rule(hotRule())
	quiet := hotRule()
	quiet["title"], quiet["measurement"] = "Quiet so far", "other"
	h.rule(quiet)
	h.tick("temperature,sensor=a celsius=-2") // pending
	h.options.Since = h.engine.Progress()
	h.now = h.now.Add(-year)
	h.restart()
	h.resume()
	for range 2 {
		h.tick("temperature,sensor=a celsius=-2", "other,sensor=a celsius=-2")
		h.settled()
	}
	if got := h.told(); got != "first sensor=a" { // its minute began at the start
		t.Fatalf("told %q, want the first message", got)
	}
	h.tick("temperature,sensor=a celsius=-2", "other,sensor=a celsius=-2")
	h.settled()
	if got := h.told(); got != "first sensor=a" { // a minute after its first bad tick
		t.Errorf("told %q, want the first message of the other rule", got)
	}
	source := h.source.(*flaky)
	source.down.Store(true)
	h.tick("temperature,sensor=b celsius=-2")
	h.tick("temperature,sensor=b celsius=-2")
	source.down.Store(false)
	h.tick("temperature,sensor=b celsius=-2")
	h.settled()
	if got := h.told(); got != "first sensor=b" {
		t.Errorf("told %q, want what the replay proves", got)
	}
}

// clocks are a wall clock and a machine that can be tampered with.
type clocks struct {
	mu            sync.Mutex
	start         time.Time
	wall, running time.Duration
	jumps         []time.Duration
	ticks         []time.Time
}

func (c *clocks) read() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.wall), time.Since(c.start) + c.running
}

func (c *clocks) tamper(wall, running time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.running = c.wall+wall, c.running+running
}

// TestRunFindsJumps by comparing the wall clock with how long the machine has
// run; a sleep of the machine is none, and the ticks go on.
func TestRunFindsJumps(t *testing.T) {
	for _, tt := range []struct {
		name          string
		wall, running time.Duration
		want          []time.Duration
	}{
		{"a year ahead", year, 0, []time.Duration{year}},
		{"a year back", -year, 0, []time.Duration{-year}},
		{"three seconds", 3 * time.Second, 0, []time.Duration{3 * time.Second}},
		{"a second is no jump", time.Second, 0, nil},
		{"a sleep is no jump", time.Hour, time.Hour, nil},
		{"a jump in a sleep", year, time.Hour, []time.Duration{year - time.Hour}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &clocks{start: time.Now()}
				h := newHouse(t)
				h.options.Clocks = c.read
				h.options.Jumped = func(d time.Duration) { c.jumps = append(c.jumps, d) }
				h.options.Alive = func(p rules.Progress) { c.ticks = append(c.ticks, p.At) }
				h.restart()
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- h.engine.Run(ctx) }()
				time.Sleep(89*time.Second + 500*time.Millisecond)
				c.tamper(tt.wall, tt.running) // half a second before a tick
				time.Sleep(61 * time.Second)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if !slices.Equal(c.jumps, tt.want) {
					t.Errorf("jumps %v, want %v", c.jumps, tt.want)
				}
				first := c.start.Truncate(30 * time.Second).Add(30 * time.Second)
				want := []time.Time{
					first, first.Add(30 * time.Second), first.Add(time.Minute), first.Add(90 * time.Second),
					first.Add(2 * time.Minute),
				}
				if d := tt.wall - tt.running; len(tt.want) > 0 {
					want[2] = want[1].Add(d) // the jump in place of the tick that was planned before it
				} else if tt.running > 0 && len(c.ticks) < len(want) {
					want = slices.Delete(want, 2, 3) // planned before the sleep, and left to the replay
				}
				if !slices.EqualFunc(c.ticks, want, time.Time.Equal) {
					t.Errorf("ticks at %v, want %v", c.ticks, want)
				}
			})
		})
	}
}
