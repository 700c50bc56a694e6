package evaluator_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// TestVerdictsOfLevelsAndTexts: a level that is reached is bad, whatever the
// operator says; a series without text has no value.
func TestVerdictsOfLevelsAndTexts(t *testing.T) {
	levels := rules.Doc{
		"condition": rules.Doc{"operator": ">", "value": 80.0, "aggregation": "mean"},
		"levels":    []any{rules.Doc{"value": 90.0, "severity": "critical"}},
	}
	if got, want := verdicts(t, levels, nil, []evaluator.Point{pt("host=a", 95), pt("host=b", 85), pt("host=c", 80)}), "host=a bad 95; host=b bad 85; host=c good 80"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h := newHouse(t)
	h.rule(with(hotNow(), rules.Doc{"severity": "low", "levels": []any{rules.Doc{"value": 0.0, "severity": "critical"}}}))
	h.tick(warm)
	h.wantOwed(rules.FirstNews)
	h.view(func(a *rules.Alert) {
		if a.Level != 0 || a.Severity != "low" {
			t.Errorf("at -2 its level is %d, %s", a.Level, a.Severity)
		}
	})
	h.tick("temperature,sensor=a celsius=20")
	h.wantOwed(rules.Worsened)
	texts := rules.Doc{"condition": rules.Doc{"operator": "==", "value": "open", "aggregation": "latest"}}
	open := evaluator.Point{Series: "host=a", Value: math.NaN(), Text: "open"}
	if got, want := verdicts(t, texts, nil, []evaluator.Point{open, pt("host=b", 1)}), "host=a bad NaN; host=b none 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	modulo := rules.Doc{"condition": rules.Doc{"expr": "cpu % idle > 1", "inputs": rules.Doc{
		"cpu": rules.Doc{"measurement": "m", "field": "f"}, "idle": rules.Doc{"measurement": "m", "field": "f"},
	}}}
	if got, want := verdicts(t, modulo, nil, []evaluator.Point{pt("host=a", 90)}, []evaluator.Point{pt("host=a", 0)}), "host=a none NaN"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestALineNeedsSixPoints, and is laid through the middle of them.
func TestALineNeedsSixPoints(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	line := func(values ...float64) (out []evaluator.Point) {
		for i, v := range values {
			out = append(out, evaluator.Point{Series: "host=a", Value: v, At: now.Add(-time.Duration(len(values)-1-i) * time.Hour)})
		}
		return out
	}
	for _, tt := range []struct {
		operator string
		value    any
		points   []evaluator.Point
		want     string
	}{
		{">=", 100.0, line(1, 2, 3, 4, 5), "host=a none NaN"},
		{">=", 100.0, line(1, 2, 3, 4, 5, 6), "host=a good 10"},
		{"<=", -100.0, line(1, 2, 3, 4, 5, 6), "host=a good 6"},
		{">=", 100.0, line(1, 2, 3, math.NaN(), 5, 6, 7), "host=a good 11"},
		{">=", 100.0, line(0, 4, 0, 4, 0, 4), "host=a good 2"}, // level, between its middle two
		{">=", 100.0, line(1, 5, 2, 6, 3, 8), "host=a good 9.125"},
		// Which of now, 80, and then, 104, is farther from the middle, 97.5.
		{"outside", []any{90.0, 105.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 80"},
		{"outside", []any{90.0, 95.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 80"},
		{"outside", []any{60.0, 85.0}, line(50, 56, 62, 68, 74, 80), "host=a bad 104"},
	} {
		doc := rules.Doc{"condition": rules.Doc{"type": "forecast", "window": "6h", "horizon": "4h", "operator": tt.operator, "value": tt.value}}
		if got := verdicts(t, doc, nil, tt.points); got != tt.want {
			t.Errorf("%s %v of %v: got %s, want %s", tt.operator, tt.value, tt.points, got, tt.want)
		}
	}
}

// TestAForecastAsksForWholeSeconds: 48 means of its window, each a second long at
// least.
func TestAForecastAsksForWholeSeconds(t *testing.T) {
	for window, want := range map[string]time.Duration{"6h": 450 * time.Second, "30s": time.Second, "5m": 6 * time.Second} {
		h := newHouse(t)
		source := &asking{Source: h.points}
		h.source = source
		h.restart()
		h.rule(rules.Doc{"title": "Full", "measurement": "m", "field": "f", "condition": rules.Doc{"type": "forecast", "window": window, "horizon": "4h", "operator": ">=", "value": 95.0}})
		h.tick()
		if q := source.asked[0]; q.Step != want || q.To.Sub(q.From)%q.Step != 0 {
			t.Errorf("%s is asked for in steps of %s over %s, want %s", window, q.Step, q.To.Sub(q.From), want)
		}
	}
}

// TestInputsAreFilteredAsTheirRule, and by what they say themselves.
func TestInputsAreFilteredAsTheirRule(t *testing.T) {
	h := newHouse(t)
	input := func(more rules.Doc) rules.Doc {
		return with(rules.Doc{"measurement": "m", "field": "f", "aggregation": "max", "window": "1m"}, more)
	}
	h.rule(rules.Doc{"title": "Both", "where": rules.Doc{"host": "a"}, "condition": rules.Doc{
		"expr": "x > 5 and y > 5", "inputs": rules.Doc{"x": input(nil), "y": input(rules.Doc{"where": rules.Doc{"dc": "d1"}})},
	}})
	h.tick("m,host=b,dc=d1 f=9", "m,host=a,dc=d1 f=1", "m,host=a,dc=d2 f=9")
	h.wantOwed()
	h.tick("m,host=a,dc=d1 f=9")
	h.wantOwed(rules.FirstNews)
}

// TestWhileTheClockIsDoubtful only what rests on silence is kept back.
func TestWhileTheClockIsDoubtful(t *testing.T) {
	h, doubtful := jumpHouse(t)
	h.rule(hotNow())
	h.rule(rules.Doc{"title": "Expected", "measurement": "beat", "group_by": "sensor", "condition": rules.Doc{"type": "absence", "window": "1m", "expect": []any{rules.Doc{"sensor": "x"}}}})
	h.rule(rules.Doc{"title": "Many", "measurement": "beat", "field": "n", "group_by": "sensor", "condition": rules.Doc{"aggregation": "count", "window": "30s", "operator": ">", "value": 0.0}})
	doubtful.Store(true)
	h.tick(warm, "beat,sensor=a n=1")
	h.wantOwed(rules.FirstNews, rules.FirstNews)
	doubtful.Store(false)
	h.tick(warm, "beat,sensor=a n=1")
	h.wantOwed(rules.FirstNews)
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
	h.delete("rc")
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
		source := &asking{Source: mute{h.points}}
		engine := evaluator.NewEngine(h.book, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
		engine.Add("live", source, evaluator.SourceOptions{Delay: delay})
		h.engine = engine
		h.rule(hotNow())
		h.tick(warm)
		if got := len(h.owed()) > 0; got != fires {
			t.Errorf("with a delay of %s a point of a second ago fires: %t", delay, got)
		}
		if q := source.asked[0]; !q.To.Equal(h.now.Add(-delay)) || q.To.Sub(q.From) != 30*time.Second {
			t.Errorf("with a delay of %s asked from %s to %s at %s", delay, q.From, q.To, h.now)
		}
		judged, err := engine.Arrive(t.Context(), "live", h.now.Add(time.Second))
		if err != nil || !judged {
			t.Errorf("arrived: %t, %v", judged, err)
		}
		if q := source.asked[len(source.asked)-1]; !q.To.Equal(h.now.Add(time.Second - delay)) {
			t.Errorf("with a delay of %s an arrival is asked about until %s at %s", delay, q.To, h.now)
		}
	}
}

// TestAYoungSourceProvesNoSilence until it has run for a window.
func TestAYoungSourceProvesNoSilence(t *testing.T) {
	h := newHouse(t)
	h.rule(rules.Doc{"title": "Silent", "measurement": "temperature", "group_by": "sensor", "condition": rules.Doc{"type": "absence", "window": "10m"}})
	h.tick(cold)
	h.fresh = true
	h.restart()
	h.now = h.now.Add(11 * time.Minute) // its point is older than a window, the source is not
	h.engine.Jump(t.Context(), h.now, 0)
	h.now = h.now.Truncate(30 * time.Second)
	began := h.now
	for h.tick(); h.now.Sub(began) < 9*time.Minute; h.tick() {
		h.wantOwed()
	}
	for range 4 {
		h.tick()
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
	if got.Ticks != 2 || got.Failures != 2 || got.Plans != 3 || got.Queries != 3 || got.QueriesTotal != 9 || got.Arrivals != 1 || got.Rules != 3 || got.Missed != 0 {
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
			if strings.Count(got, "Too warm sensor=") != 20 || strings.Contains(got, "more") != (more != "") || !strings.Contains(got, more) {
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
			if strings.Count(got, "not judged since") != 20 || strings.Contains(got, "more") != (more != "") || !strings.Contains(got, more) {
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
	if got := h.told(); !strings.Contains(got, "its source fails on it; the log says why") || strings.Contains(got, "is refused") {
		t.Errorf("told %q", got)
	}
}

// TestATroubleIsLoggedOnce when it begins, and once when it is over.
func TestATroubleIsLoggedOnce(t *testing.T) {
	h, source := pickyHouse(t)
	var log bytes.Buffer
	h.engine = evaluator.NewEngine(h.book, slog.New(slog.NewTextHandler(&log, nil)), h.options)
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
		"missed tick not saved": func(h *house, _ *slow) {
			h.now = h.now.Add(time.Minute)
			h.writeAt(cold, h.now.Add(-31*time.Second))
			if err := h.engine.Tick(h.Context(), h.now); err != nil {
				h.Error(err)
			}
			h.settled()
		},
	} {
		for _, failing := range []bool{true, false} {
			t.Run(fmt.Sprint(want, " ", failing), func(t *testing.T) {
				var log bytes.Buffer
				h := newHouse(t)
				held := &slow{Source: h.points}
				h.source = held
				h.options.Grace, h.options.Operators = 20*time.Millisecond, func() []string { return []string{"ops"} }
				h.restart()
				h.engine = evaluator.NewEngine(h.book, slog.New(slog.NewTextHandler(&log, nil)), h.options)
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
	s, err := evaluator.ParseSchedule("1s", "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Next(figuresBegin); !got.Equal(figuresBegin.Add(time.Second)) {
		t.Errorf("the tick after %s is %s", figuresBegin, got)
	}
	if _, err := evaluator.ParseSchedule("999ms", "", time.Minute); rules.CodeOf(err) != rules.Invalid {
		t.Errorf("999ms: %v", err)
	}
}

// TestALongListIsAskedForInParts: a hundred values in one filter are listed.
func TestALongListIsAskedForInParts(t *testing.T) {
	for n, listed := range map[int]bool{100: true, 101: false} {
		h := newHouse(t)
		source := &asking{Source: h.points}
		h.source = source
		h.restart()
		for i := range n {
			h.rule(rules.Doc{
				"title": fmt.Sprint("Rule ", i), "measurement": "m", "field": "f", "where": rules.Doc{"host": fmt.Sprint("h", i)},
				"condition": rules.Doc{"aggregation": "mean", "window": "1m", "operator": ">", "value": 1e6},
			})
		}
		h.tick()
		if len(source.asked) != 1 || (len(source.asked[0].Where["host"]) == n) != listed {
			t.Errorf("%d hosts took %d queries, the first about %d", n, len(source.asked), len(source.asked[0].Where["host"]))
		}
		if q := source.asked[0]; len(slices.Compact(slices.Clone(q.Columns))) != 1 || len(q.Columns) != 1 {
			t.Errorf("the columns are %v", q.Columns)
		}
	}
}
