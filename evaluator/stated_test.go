package evaluator_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// TestWhileTheClockIsDoubtful only what rests on silence is kept back.
func TestWhileTheClockIsDoubtful(t *testing.T) {
	h, doubtful := jumpHouse(t)
	h.rule(hotNow())
	h.rule(rules.Doc{
		"title": "Expected", "measurement": "beat", "group_by": "sensor",
		"condition": rules.Doc{"type": "absence", "window": "1m", "expect": []any{rules.Doc{"sensor": "x"}}},
	})
	h.rule(rules.Doc{
		"title": "Many", "measurement": "beat", "field": "n", "group_by": "sensor",
		"condition": rules.Doc{"aggregation": "count", "window": "30s", "operator": ">", "value": 0.0},
	})
	doubtful.Store(true)
	h.tick(warm, "beat,sensor=a n=1")
	if got := h.told(); got != "first sensor=a\nfirst sensor=a" {
		t.Errorf("told %q while the clock is doubtful", got)
	}
	doubtful.Store(false)
	h.tick(warm, "beat,sensor=a n=1")
	if got := h.told(); got != "first sensor=x" {
		t.Errorf("told %q afterwards", got)
	}
}

// TestTimersRunWhicheverRulesAreBusy, also of those that are not due.
func TestTimersRunWhicheverRulesAreBusy(t *testing.T) {
	h := newHouse(t)
	h.now = h.now.Truncate(time.Hour)
	h.restart()
	h.rule(with(hotNow(), rules.Doc{"title": "A", "measurement": "calm"}))
	for _, name := range []string{"C", "D"} {
		h.rule(with(hotNow(), rules.Doc{"title": name, "every": "1h", "remind": "5m", "cooldown": "0s"}))
	}
	h.now = h.now.Add(time.Hour - 30*time.Second)
	h.tick(warm, "calm,sensor=a celsius=-20")
	h.wantOwed(rules.FirstNews, rules.FirstNews)
	h.tick("calm,sensor=a celsius=-20")
	h.tick("calm,sensor=a celsius=-20")
	if err := h.ledgers.Act(t.Context(), h.now, "rc", func(s rules.Setting, l *rules.Ledger) error {
		return l.Forget(s, "sensor=a")
	}); err != nil {
		t.Fatal(err)
	}
	h.wantOwed(rules.Resolved)
	var got []rules.Reason
	for range 10 {
		h.tick("calm,sensor=a celsius=-20")
		got = append(got, h.owed()...)
	}
	if len(got) != 1 || got[0] != rules.Reminder {
		t.Errorf("owed are %v, want the reminder of D", got)
	}
}

// TestWhyASourceIsDown: that it does not answer says more than what it refuses,
// and says nothing of its rules.
func TestWhyASourceIsDown(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(2)
	h.tick(lines...)
	source.refuse = func(q evaluator.Query) error {
		if q.Measurement == measurements[0] {
			return rules.Errorf(rules.Invalid, "it is refused")
		}
		return rules.Errorf(rules.Unavailable, "nobody answers")
	}
	h.tick(lines...)
	if got := h.health().Error; got != "nobody answers" {
		t.Errorf("it is down because %q", got)
	}
	if _, troubled := h.engine.Trouble("rroom00"); !troubled {
		t.Error("what a rule was refused is no trouble of it")
	}
	if _, troubled := h.engine.Trouble("rroom01"); troubled {
		t.Error("that the source does not answer is a trouble of its rule")
	}
}

// TestADelayShiftsTheWindows of what is judged, and of what is looked for.
func TestADelayShiftsTheWindows(t *testing.T) {
	for delay, fires := range map[time.Duration]bool{0: true, 40 * time.Second: false} {
		h := newHouse(t)
		source := &sourcetest.Asking{Source: mute{h.points}}
		engine := evaluator.NewEngine(h.ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
		engine.Add("live", source, evaluator.SourceOptions{Delay: delay})
		h.engine = engine
		h.rule(hotNow())
		h.tick(warm)
		if got := len(h.owed()) > 0; got != fires {
			t.Errorf("with a delay of %s a point of a second ago fires: %t", delay, got)
		}
		if q := source.Asked[0]; !q.To.Equal(h.now.Add(-delay)) || q.To.Sub(q.From) != 30*time.Second {
			t.Errorf("with a delay of %s asked from %s to %s at %s", delay, q.From, q.To, h.now)
		}
		judged, err := engine.Arrive(t.Context(), "live", h.now.Add(time.Second))
		if err != nil || !judged {
			t.Errorf("arrived: %t, %v", judged, err)
		}
		if q := source.Asked[len(source.Asked)-1]; !q.To.Equal(h.now.Add(time.Second - delay)) {
			t.Errorf("with a delay of %s an arrival is asked about until %s at %s", delay, q.To, h.now)
		}
	}
}

// TestAYoungSourceProvesNoSilence until it has run for a window.
func TestAYoungSourceProvesNoSilence(t *testing.T) {
	h := newHouse(t)
	h.rule(rules.Doc{
		"title": "Silent", "measurement": "temperature", "group_by": "sensor",
		"condition": rules.Doc{"type": "absence", "window": "10m"},
	})
	h.tick(cold)
	h.fresh = true
	h.restart()
	h.now = h.now.Add(11 * time.Minute) // its point is older than a window, the source is not
	h.engine.Jump(t.Context(), h.now, 0)
	h.now = h.now.Truncate(30 * time.Second)
	began := h.now
	for h.tick(); h.now.Sub(began) < 10*time.Minute; h.tick() {
		h.wantOwed()
	}
	h.wantOwed(rules.FirstNews)
}

// TestStatsCount what was done.
func TestStatsCount(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(3)
	h.tick(lines...)
	source.refuse = refusing(rules.Invalid, measurements[0])
	h.tick(lines...)
	h.arrive(time.Second)
	got := h.engine.Stats()
	if got.Ticks != 2 || got.Failures != 2 || got.Plans != 3 || got.Queries != 3 || got.QueriesTotal != 9 ||
		got.Arrivals != 1 || got.Rules != 3 || got.Missed != 0 {
		t.Errorf("stats are %+v", got)
	}
	held := &slow{Source: h.points}
	h.source, h.options.Grace = held, time.Millisecond
	h.restart()
	h.now = h.now.Truncate(30 * time.Second)
	hold := make(chan struct{})
	held.hold.Store(&hold)
	h.tick(lines...)
	h.tick(lines...)
	close(hold)
	h.settled()
	if got := h.engine.Stats(); got.Ticks != 2 || got.Missed != 1 || got.Rules != 3 {
		t.Errorf("of a slow source: %+v", got)
	}
}

// TestMoreThanAMessageNames is counted.
func TestMoreThanAMessageNames(t *testing.T) {
	for n, more := range map[int]string{20: "", 25: "and 5 more"} {
		t.Run(fmt.Sprint(n, " episodes"), func(t *testing.T) {
			h, source := gapHouse(t)
			h.rule(hotNow())
			all := func(celsius int) (lines []string) {
				for i := range n {
					lines = append(lines, fmt.Sprintf("temperature,sensor=s%02d celsius=%d", i, celsius))
				}
				return lines
			}
			h.tick(all(-20)...)
			source.down.Store(true)
			h.tick(all(5)...)
			source.down.Store(false)
			h.tick(all(-20)...)
			h.settled()
			got := h.told()
			if strings.Count(got, "Too warm sensor=") != 20 || strings.Contains(got, "more") != (more != "") ||
				!strings.Contains(got, more) {
				t.Errorf("told %q", got)
			}
		})
		t.Run(fmt.Sprint(n, " rules"), func(t *testing.T) {
			h, source := pickyHouse(t)
			measurements, lines := h.rooms(2 * n)
			source.refuse = refusing(rules.Invalid, measurements[:n]...)
			for range 5 {
				h.tick(lines...)
			}
			got := h.told()
			if strings.Count(got, "not judged since") != 20 || strings.Contains(got, "more") != (more != "") ||
				!strings.Contains(got, more) {
				t.Errorf("told %q", got)
			}
		})
	}
}

// TestWhatAnOutageSays of its rules, and of the time before it.
func TestWhatAnOutageSays(t *testing.T) {
	for missed, before := range map[int]bool{0: false, 3: false, 4: true, 10: true} {
		h, source := gapHouse(t)
		h.rule(hotNow())
		h.resume()
		h.quietly(2, cold)
		h.end()
		stopped := h.now
		h.unwatched(missed, cold)
		h.begin()
		source.down.Store(true)
		for range 6 {
			h.tick(cold)
		}
		if got := h.told(); !strings.Contains(got, "Its rule is not judged until it is back") {
			t.Errorf("told %q", got)
		}
		source.down.Store(false)
		for range 4 {
			h.tick(cold)
			h.settled()
		}
		got := h.told()
		want := "Before that tocsin did not run: it was not watched since " + hms(stopped.Add(30*time.Second)) + " UTC."
		if strings.Contains(got, want) != before || strings.Contains(got, "Before that") != before {
			t.Errorf("%d ticks missed before it: told %q", missed, got)
		}
	}
}

// TestAnInternalErrorIsForTheLog: people are told of it, not what it says.
func TestAnInternalErrorIsForTheLog(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(3)
	source.refuse = refusing(rules.Internal, measurements[0])
	for range 6 {
		h.tick(lines...)
	}
	if got := h.told(); !strings.Contains(got, "its source fails on it; the log says why") ||
		strings.Contains(got, "is refused") {
		t.Errorf("told %q", got)
	}
}

// TestATroubleIsLoggedOnce when it begins, and once when it is over.
func TestATroubleIsLoggedOnce(t *testing.T) {
	h, source := pickyHouse(t)
	var log bytes.Buffer
	h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.NewTextHandler(&log, nil)), h.options)
	h.engine.Add("live", h.source, evaluator.SourceOptions{})
	measurements, lines := h.rooms(3)
	h.tick(lines...)
	if log.Len() > 0 {
		t.Errorf("a quiet tick logs %s", &log)
	}
	source.refuse = refusing(rules.Invalid, measurements[0])
	h.tick(lines...)
	h.tick(lines...)
	if got := log.String(); strings.Count(got, "rule cannot be judged") != 1 || strings.Contains(got, "judged again") {
		t.Errorf("logged is %s", got)
	}
	log.Reset()
	source.refuse = nil
	h.tick(lines...)
	h.tick(lines...)
	if got := log.String(); strings.Count(got, "rule is judged again") != 1 || strings.Contains(got, "cannot be judged") {
		t.Errorf("logged is %s", got)
	}
}

// missTick leaves out a tick, and judges it at the next.
func missTick(h *house, _ *slow) {
	h.now = h.now.Add(time.Minute)
	h.writeAt(cold, h.now.Add(-31*time.Second))
	if err := h.engine.Tick(h.Context(), h.now); err != nil {
		h.Error(err)
	}
	h.settled()
}

// TestWhatIsNotSavedIsLogged, wherever nobody else hears of it, and decided all
// the same.
func TestWhatIsNotSavedIsLogged(t *testing.T) {
	full := rules.Errorf(rules.Unavailable, "the disk is full")
	for want, act := range map[string]func(h *house, held *slow){
		"late answer not saved": func(h *house, held *slow) {
			hold := make(chan struct{})
			held.hold.Store(&hold)
			h.now = h.now.Add(30 * time.Second)
			h.write(cold, "temperature,sensor=a celsius=-90")
			if err := h.engine.Tick(h.Context(), h.now); err != nil {
				h.Error(err)
			}
			close(hold)
			h.settled()
		},
		"message to the operators not saved": func(h *house, _ *slow) {
			if !h.engine.Tell(h.Context(), "title", "text", h.now) {
				h.Error("it is not owed, though memory has it")
			}
		},
		"jump of the clock not saved": func(h *house, _ *slow) {
			h.meddler.moved = nil
			h.engine.Jump(h.Context(), h.now.Add(-time.Hour), -time.Hour)
		},
		"clocks that run ahead not saved": func(h *house, _ *slow) {
			h.engine.Jump(h.Context(), h.now.Add(-time.Hour), -time.Minute)
		},
		"missed tick not saved":      missTick,
		"tick after a gap not saved": missTick,
	} {
		for _, failing := range []bool{true, false} {
			t.Run(fmt.Sprint(want, " ", failing), func(t *testing.T) {
				var log bytes.Buffer
				h := newHouse(t)
				held := &slow{Source: h.points}
				h.source = held
				h.options.Grace, h.options.Operators = 20*time.Millisecond, func() []string { return []string{"ops"} }
				h.restart()
				h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.NewTextHandler(&log, nil)), h.options)
				h.engine.Add("live", held, evaluator.SourceOptions{})
				h.rule(with(hotNow(), rules.Doc{"for": "10m"}))
				h.tick(cold)
				h.settled()
				h.tick(warm)
				h.settled()
				log.Reset()
				if failing {
					h.meddler.save = func() error { return full }
				}
				act(h, held)
				if got := strings.Contains(log.String(), want); got != failing {
					t.Errorf("logged is %s", &log)
				}
			})
		}
	}
}

// TestTheShortestSchedule is a second.
func TestTheShortestSchedule(t *testing.T) {
	s, err := schedule.Parse("1s", "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Next(begin); !got.Equal(begin.Add(time.Second)) {
		t.Errorf("the tick after %s is %s", begin, got)
	}
	if _, err := schedule.Parse("999ms", "", time.Minute); rules.CodeOf(err) != rules.Invalid {
		t.Errorf("999ms: %v", err)
	}
}

// TestALongListIsAskedForInParts: a hundred values in one filter are listed.
func TestALongListIsAskedForInParts(t *testing.T) {
	for n, listed := range map[int]bool{100: true, 101: false} {
		h := newHouse(t)
		source := &sourcetest.Asking{Source: h.points}
		h.source = source
		h.restart()
		for i := range n {
			h.rule(rules.Doc{
				"title": fmt.Sprint("Rule ", i), "measurement": "m", "field": "f", "where": rules.Doc{"host": fmt.Sprint("h", i)},
				"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": 1e6},
			})
		}
		h.tick()
		if len(source.Asked) != 1 || (len(source.Asked[0].Where["host"]) == n) != listed {
			t.Errorf("%d hosts took %d queries, the first about %d", n, len(source.Asked), len(source.Asked[0].Where["host"]))
		}
		if q := source.Asked[0]; len(slices.Compact(slices.Clone(q.Columns))) != 1 || len(q.Columns) != 1 {
			t.Errorf("the columns are %v", q.Columns)
		}
	}
}

// TestStatementsCountAsQueries, and those of an arrival not for the tick to come.
func TestStatementsCountAsQueries(t *testing.T) {
	h := newHouse(t)
	h.source = sourcetest.Speaker{Source: h.points}
	h.restart()
	h.rule(hotNow())
	h.rule(rules.Doc{"title": "Own", "group_by": "host", "condition": rules.Doc{
		"type": "query", "language": "influxql", "text": "SELECT v FROM m WHERE time > $from AND time <= $to", "column": "v",
		"operator": ">", "value": 99.0, "window": "1m",
	}})
	h.arrive(time.Second)
	h.now = h.now.Truncate(30 * time.Second)
	h.tick(cold)
	if got := h.engine.Stats(); got.Plans != 2 || got.Queries != 2 || got.QueriesTotal != 4 {
		t.Errorf("stats are %+v", got)
	}
}

// TestATroubleThatEndsAsAnotherIsTold: neither waits for the other.
func TestATroubleThatEndsAsAnotherIsTold(t *testing.T) {
	h, source := pickyHouse(t)
	measurements, lines := h.rooms(4)
	source.refuse = refusing(rules.Invalid, measurements[0])
	for range 5 {
		h.tick(lines...)
	}
	h.told()
	source.refuse = refusing(rules.Invalid, measurements[0], measurements[1])
	for range 4 {
		h.tick(lines...)
	}
	source.refuse = refusing(rules.Invalid, measurements[1])
	h.tick(lines...)
	got := h.told()
	for _, want := range []string{"Rule room00: judged again", "Rule room01: cannot be judged"} {
		if !strings.Contains(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// TestHowLongAGapIsToldOf: from the time on after which a source counts as down.
func TestHowLongAGapIsToldOf(t *testing.T) {
	for gone, told := range map[int]bool{3: false, 4: true} {
		h, _ := gapHouse(t)
		h.rule(hotNow())
		h.resume()
		h.quietly(2, cold)
		h.end()
		h.unwatched(gone, cold)
		h.begin()
		h.tick(cold)
		h.settled()
		if got := h.told(); (got != "") != told {
			t.Errorf("told of %d ticks: %q", gone, got)
		}
	}
}

// TestAChildWaitsABaseInterval for its parent's end.
func TestAChildWaitsABaseInterval(t *testing.T) {
	h := newHouse(t)
	h.rule(with(hotNow(), rules.Doc{"title": "Parent", "measurement": "router"}))
	h.rule(with(hotNow(), rules.Doc{"title": "Child", "depends_on": "parent"}))
	h.tick(warm, "router,sensor=a celsius=5")
	h.wantOwed(rules.FirstNews)
	h.tick(warm, "router,sensor=a celsius=-90")
	h.wantOwed(rules.Resolved)
	h.tick(warm, "router,sensor=a celsius=-90")
	h.wantOwed(rules.FirstNews)
}

// TestADelayedSilenceIsDatedToo.
func TestADelayedSilenceIsDatedToo(t *testing.T) {
	h := newHouse(t)
	h.engine = evaluator.NewEngine(h.ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	h.engine.Add("live", mute{h.points}, evaluator.SourceOptions{Delay: time.Minute})
	h.rule(rules.Doc{
		"title": "Silent", "measurement": "temperature", "group_by": "sensor",
		"condition": rules.Doc{"type": "absence", "window": "30s"},
	})
	h.tick(cold)
	last := h.now.Add(-time.Second)
	for range 6 {
		h.tick()
		for _, n := range h.ledgers.Owed(h.now) {
			if d := n.Facts.NoDataSince.Sub(last); d < 0 || d > 2*time.Millisecond {
				t.Errorf("no data since %s, want %s", n.Facts.NoDataSince, last)
			}
			return
		}
	}
	t.Error("nobody was told")
}
