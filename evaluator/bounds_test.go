package evaluator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// TestAToleranceIsNoJump: clocks may differ by two seconds. What a sleep is logged
// as is its own length.
func TestAToleranceIsNoJump(t *testing.T) {
	for _, tt := range []struct {
		wall, running time.Duration
		want          string // logged
	}{
		{2 * time.Second, 0, ""},
		{-2 * time.Second, 0, ""},
		{2 * time.Second, 2 * time.Second, ""},
		{time.Hour, time.Hour, "for=1h0m0s"},
	} {
		t.Run(fmt.Sprint(tt.wall, " ", tt.running), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &clocks{start: time.Now()}
				h := newHouse(t)
				var log bytes.Buffer
				h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.NewTextHandler(&log, nil)), evaluator.EngineOptions{
					Clocks: c.read, Alive: func(p rules.Progress) { c.ticks = append(c.ticks, p.At) },
				})
				h.engine.Add("live", h.points, evaluator.SourceOptions{})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				time.Sleep(500 * time.Millisecond) // the clocks are looked at half a second after a tick
				go func() { done <- h.engine.Run(ctx) }()
				time.Sleep(89*time.Second + 300*time.Millisecond)
				c.tamper(tt.wall, tt.running) // the tick is the first to see it
				time.Sleep(61 * time.Second)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if tt.want == "" && (len(c.ticks) != 5 || log.Len() > 0) || !strings.Contains(log.String(), tt.want) {
					t.Errorf("ticks at %v, logged %q, want %q", c.ticks, &log, tt.want)
				}
			})
		})
	}
}

// TestClocksThatAreReadSlowlyAreReadAgain: two that were read apart look like a
// jump.
func TestClocksThatAreReadSlowlyAreReadAgain(t *testing.T) {
	for takes, want := range map[time.Duration]int{199 * time.Millisecond: 1, 200 * time.Millisecond: 2} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			start, reads := time.Now(), 0
			h.options.Clocks = func() (time.Time, time.Duration) {
				if reads++; reads == 1 {
					time.Sleep(takes)
				}
				return time.Now(), time.Since(start)
			}
			h.restart()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- h.engine.Run(ctx) }()
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if reads != want {
				t.Errorf("read %d times, want %d where it takes %s", reads, want, takes)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestArrivalsLeaveTime: a stream of points is judged every ten milliseconds, or for
// a tenth of the time. What has come is in the window.
func TestArrivalsLeaveTime(t *testing.T) {
	for takes, want := range map[time.Duration]int64{0: 1000, 100 * time.Millisecond: 10} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.rule(hotNow())
				source := &sourcetest.Paced{Source: h.points, Takes: takes, Ahead: -time.Hour}
				arrived := make(chan struct{}, 1)
				h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{Every: time.Hour})
				h.engine.Add("live", source, evaluator.SourceOptions{Arrived: arrived})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- h.engine.Run(ctx) }()
				for range 10_000 {
					time.Sleep(time.Millisecond)
					select {
					case arrived <- struct{}{}:
					default:
					}
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := int64(h.engine.Stats().Arrivals); got < want*9/10 || got > want*11/10 {
					t.Errorf("judged %d times in ten seconds, want about %d", got, want)
				}
				if source.Ahead != 0 {
					t.Errorf("a window ends %s ahead of the clock", source.Ahead)
				}
			})
		})
	}
}

// TestWaysAreRememberedForAWhile: of 50,000 series.
func TestWaysAreRememberedForAWhile(t *testing.T) {
	for n, want := range map[int]int{49_999: 49_999, 50_000: 50_000, 50_001: 1} {
		if got := evaluator.Remembered(n); got != want {
			t.Errorf("of %d series %d are remembered, want %d", n, got, want)
		}
	}
}

// TestFiltersAreReadAsTheyAreStored, though rules share them.
func TestFiltersAreReadAsTheyAreStored(t *testing.T) {
	h := newHouse(t)
	want := map[string]rules.Filter{}
	for i, where := range []rules.Doc{
		{"host": "a"},
		{"host": "a"},
		{"host": []any{"a", "b"}},
		{"host": []any{"a", "c"}},
		{"host": "a", "dc": "x"},
		{"host": "a", "dc": "y"},
	} {
		r := h.rule(with(hotNow(), rules.Doc{"title": fmt.Sprint("Rule ", i), "where": where}))
		want[r.ID] = r.Where
	}
	h.restart()
	for id, where := range want {
		h.ledgers.View(id, func(l *rules.Ledger) {
			if l.Rule.Where.String() != where.String() {
				t.Errorf("%s is read as %s, want %s", id, l.Rule.Where, where)
			}
		})
	}
}

// TestTheNumberOfTheRulesGrows with each change of them.
func TestTheNumberOfTheRulesGrows(t *testing.T) {
	h := newHouse(t)
	last := uint64(0)
	for i := range 3 {
		h.rule(with(hotNow(), rules.Doc{"title": fmt.Sprint("Rule ", i)}))
		version, err := h.ledgers.Version(t.Context())
		if err != nil || version <= last {
			t.Errorf("the number is %d after %d, %v", version, last, err)
		}
		last = version
	}
}

// TestAnOutageBeginsToCountAtTwoMinutes: then late points are waited for.
func TestAnOutageBeginsToCountAtTwoMinutes(t *testing.T) {
	for failed, judged := range map[int]bool{3: true, 4: false} {
		h, source := gapHouse(t)
		r := h.rule(hotNow())
		h.tick(cold)
		source.down.Store(true)
		for range failed {
			h.tick(cold)
		}
		source.down.Store(false)
		h.tick(cold)
		h.settled()
		h.ledgers.View(r.ID, func(l *rules.Ledger) {
			if got := l.Judged.Equal(h.now); got != judged {
				t.Errorf("after %d ticks without an answer it is judged: %t", failed, got)
			}
		})
	}
}

// TestARuleHoldsUpTheOthersForAWhile: until it is too late for it to be no outage.
func TestARuleHoldsUpTheOthersForAWhile(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(20)
	h.tick(lines...)
	source.refuse = refusing(rules.Unavailable, measurements[0])
	for i, want := range []bool{false, false, false, true, true} {
		h.tick(lines...)
		h.settled()
		if got := h.engine.Progress().Sources[0].Judged.Equal(h.now); got != want {
			t.Errorf("%d ticks into it the source is judged: %t", i+1, got)
		}
	}
}

// TestAMillisecondIsLookedForOnce: a source keeps no finer time.
func TestAMillisecondIsLookedForOnce(t *testing.T) {
	h := newHouse(t)
	source := &counting{mute: mute{h.points}}
	h.source = source
	h.restart()
	absent := rules.Doc{"type": "absence", "window": "5s"}
	h.rule(rules.Doc{"title": "Silent", "measurement": "temperature", "every": "5s", "condition": absent})
	after := func(lines ...string) (asked int) {
		source.asked = 0
		h.now = h.now.Add(5 * time.Second)
		h.write(lines...)
		if err := h.engine.Tick(t.Context(), h.now); err != nil {
			t.Fatal(err)
		}
		return source.asked
	}
	after("temperature celsius=1")
	if got := after(); got != 1+3 { // 5 s, 39 ms, 1 ms
		t.Errorf("asked %d queries, want 4", got)
	}
}

// TestWhatIsAskedAgainIsForgottenAlone: a rule keeps what it was answered to its
// other needs when a query that it shares is split.
func TestWhatIsAskedAgainIsForgottenAlone(t *testing.T) {
	h, source := pickyHouse(t)
	both := rules.Doc{"host": []any{"a", "b"}}
	h.rule(rules.Doc{"title": "Both", "where": both, "condition": rules.Doc{"expr": "x + y > 5", "inputs": rules.Doc{
		"x": rules.Doc{"measurement": "m", "field": "f", "aggregation": "sum", "window": "1m"},
		"y": rules.Doc{"measurement": "n", "field": "g", "aggregation": "sum", "window": "1m"},
	}}})
	h.rule(rules.Doc{"title": "Other", "where": both, "measurement": "n", "field": "h", "condition": rules.Doc{
		"aggregation": "sum", "window": "1m", "operator": ">", "value": 99.0,
	}})
	source.refuse = func(q evaluator.Query) error {
		if len(q.Columns) > 1 {
			return rules.Errorf(rules.Invalid, "one at a time")
		}
		return nil
	}
	h.tick("m,host=a f=1", "m,host=b f=2", "n,host=a g=1,h=1", "n,host=b g=2,h=1")
	h.wantOwed(rules.FirstNews) // 3 and 3
}

// TestClocksStandStillUntilTheStart, wherever that is between ticks.
func TestClocksStandStillUntilTheStart(t *testing.T) {
	h, _ := gapHouse(t)
	h.fresh = true
	h.restart()
	h.rule(with(hotRule(), rules.Doc{"for": "2m"}))
	h.resume()
	h.quietly(3, warm) // for a minute
	h.end()
	h.unwatched(3, warm)
	h.now = h.now.Add(20 * time.Second)
	h.begin()
	h.now = h.now.Add(-20 * time.Second)
	h.quietly(2, warm) // for 40 seconds
	h.tick(warm)
	h.settled()
	if got := h.told(); got != "first sensor=a" {
		t.Errorf("told %q", got)
	}
}

// TestARecallThatIsNotSavedIsLogged, of what was missed while the clock stood still.
func TestARecallThatIsNotSavedIsLogged(t *testing.T) {
	for _, failing := range []bool{true, false} {
		h, doubtful := jumpHouse(t)
		h.rule(with(hotRule(), rules.Doc{"for": "1h"}))
		h.resume()
		h.quietly(2, warm)
		h.end()
		doubtful.Store(true)
		h.restart()
		var log bytes.Buffer
		h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.NewTextHandler(&log, nil)), h.options)
		h.engine.Add("live", h.source, evaluator.SourceOptions{})
		h.resume()
		h.quietly(2, warm)
		if failing {
			h.meddler.save = func() error { return errors.New("the disk is full") }
		}
		h.engine.Jump(t.Context(), h.now.Add(10*time.Minute), 10*time.Minute)
		if got := strings.Contains(log.String(), "how far a source was judged is not saved"); got != failing {
			t.Errorf("logged is %s", &log)
		}
	}
}
