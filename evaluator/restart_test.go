package evaluator_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// end stops the engine well.
func (h *house) end() {
	h.Helper()
	h.engine.Wait()
	if err := h.engine.End(h.Context()); err != nil {
		h.Fatal(err)
	}
	h.options.Since = rules.Progress{}
}

// killed forgets the engine with all that it has not saved. The sign of life
// in the machine's memory is left, but not by a loss of power.
func (h *house) killed(power bool) {
	h.Helper()
	h.engine.Wait()
	if h.options.Since = h.alive.last(1); power {
		h.options.Since = rules.Progress{}
	}
}

// signs are the signs of life of an engine.
type signs struct {
	mu  sync.Mutex
	all []rules.Progress
}

func (s *signs) add(p rules.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p)
}

// last is the last but so many; the zero one where there was none.
func (s *signs) last(n int) (p rules.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= len(s.all) {
		p = s.all[len(s.all)-n]
	}
	return p
}

// begin starts another daemon.
func (h *house) begin() {
	h.Helper()
	h.restart()
	h.resume()
}

// quietly ticks n times and writes lines each time; nobody may be told anything.
func (h *house) quietly(n int, lines ...string) {
	h.Helper()
	for range n {
		h.tick(lines...)
		h.settled()
		if got := h.told(); got != "" {
			h.Fatalf("told %q", got)
		}
	}
}

// unwatched lets base intervals pass in which nobody ticks.
func (h *house) unwatched(n int, lines ...string) {
	h.Helper()
	for range n {
		h.now = h.now.Add(30 * time.Second)
		h.write(lines...)
	}
}

// stops are how a daemon ends.
var stops = map[string]func(h *house){
	"clean":  (*house).end,
	"killed": func(h *house) { h.killed(false) },
}

// hms is a time as the messages have it.
func hms(t time.Time) string { return t.Format("15:04:05") }

const named = "Meanwhile fired and ended: Too warm sensor=a, "

// hotNow is hotRule that fires at once.
func hotNow() rules.Doc {
	doc := hotRule()
	doc["for"] = "0s"
	return doc
}

// TestARestartTellsNobody at any uptime, whether it is clean, a kill or twice,
// nor is anything judged again.
func TestARestartTellsNobody(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ticks int
		gone  int // ticks missed
		stop  func(h *house)
	}{
		{"at once", 0, 0, (*house).end},
		{"after a tick", 1, 0, (*house).end},
		{"after 15 minutes", 30, 0, (*house).end},
		{"after 15 minutes, a kill", 30, 0, func(h *house) { h.killed(false) }},
		{"after 15 minutes, a kill and two ticks gone", 30, 2, func(h *house) { h.killed(false) }},
		{"after 15 minutes, three ticks gone", 30, 3, (*house).end},
		{"after 25 hours", 25 * 120, 0, (*house).end},
		{"after 25 hours, a kill", 25 * 120, 1, func(h *house) { h.killed(false) }},
		{"twice", 30, 0, func(h *house) { h.end(); h.begin(); h.end() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := gapHouse(t)
			h.rule(hotNow())
			h.resume()
			h.quietly(tt.ticks, cold)
			tt.stop(h)
			h.unwatched(tt.gone, cold)
			h.begin()
			began := h.engine.Stats().QueriesTotal
			h.quietly(2, cold)
			// The first tick, once more after what was missed, and the second.
			if got, most := h.engine.Stats().QueriesTotal-began, 2+tt.gone+min(1, tt.gone); got > most {
				t.Errorf("asked %d queries, want %d: what was judged is judged again", got, most)
			}
		})
	}
}

// TestAfterALossOfPower: the time of the last tick is not known, but not
// earlier than the last heartbeat; the message says so.
func TestAfterALossOfPower(t *testing.T) {
	h, _ := gapHouse(t)
	h.rule(hotNow())
	h.resume()
	h.quietly(10, cold)
	if err := h.engine.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	beat := h.now
	h.quietly(10, cold)
	h.killed(true)
	h.unwatched(4, cold)
	h.begin()
	h.tick(cold)
	h.settled()
	since := hms(beat.Add(30 * time.Second))
	want := "Source live was not watched until " + hms(h.now) + " UTC, at most since " + since + " UTC"
	if got := h.told(); !strings.HasPrefix(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestAKillJustAfterTheGapIsTold, before the sign of life says that it is over,
// does not tell it again.
func TestAKillJustAfterTheGapIsTold(t *testing.T) {
	h, _ := gapHouse(t)
	h.rule(hotNow())
	h.resume()
	h.quietly(2, cold)
	h.end()
	h.unwatched(10, cold)
	h.begin()
	h.tick(cold)
	h.settled()
	if got := h.told(); !strings.HasPrefix(got, "Source live was not watched from ") {
		t.Fatalf("told %q", got)
	}
	h.killed(false)
	h.options.Since = h.alive.last(2) // that of the tick; the last is of the end of the gap
	h.begin()
	h.quietly(3, cold)
}

// TestAStopIsDatedByTheLastTick after a long uptime with nothing to save.
func TestAStopIsDatedByTheLastTick(t *testing.T) {
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			h, _ := gapHouse(t)
			h.rule(hotNow())
			h.resume()
			h.quietly(60, cold)
			stop(h)
			from := h.now.Add(30 * time.Second)
			h.unwatched(5, cold)
			h.begin()
			h.tick(cold)
			h.settled()
			want := "Source live was not watched from " + hms(from) + " to " + hms(h.now) + " UTC: Nothing"
			if got := h.told(); !strings.HasPrefix(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

// TestABookThatMayBeOld, because the daemon before worked on a copy that is
// gone, dates nothing.
func TestABookThatMayBeOld(t *testing.T) {
	h, _ := gapHouse(t)
	h.rule(hotNow())
	h.resume()
	h.quietly(2, cold)
	h.end()
	h.options.Stale = true
	h.unwatched(5, cold)
	h.begin()
	h.tick(cold)
	h.settled()
	if got := h.told(); !strings.Contains(got, ", at most since ") {
		t.Errorf("told %q", got)
	}
}

// TestALiveSourceThatWasNotWatched for long: nobody knows what happened, and
// that is told.
func TestALiveSourceThatWasNotWatched(t *testing.T) {
	for _, tt := range []struct {
		gone int
		want string
	}{{3, ""}, {4, ""}, {5, "Source live was not watched from "}, {10, "Source live was not watched from "}} {
		h, _ := gapHouse(t)
		h.fresh = true
		h.restart()
		h.rule(hotNow())
		h.resume()
		h.quietly(2, cold)
		h.end()
		h.unwatched(tt.gone)
		h.begin()
		h.tick(cold)
		got := h.told()
		if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("told %q after %d ticks, want %q", got, tt.gone, tt.want)
		}
		h.quietly(3, cold)
	}
}

// TestALongAbsenceSaysWhatIsNotKnown: what lies further back than is judged
// is no quiet time.
func TestALongAbsenceSaysWhatIsNotKnown(t *testing.T) {
	h, _ := gapHouse(t)
	h.rule(hotNow())
	h.resume()
	h.quietly(1, cold)
	h.end()
	h.now = h.now.Add(72 * time.Hour)
	h.begin()
	h.tick(cold)
	h.settled()
	if got := h.told(); !strings.Contains(got, "is not known: missed time is judged for 1d at most") {
		t.Errorf("told %q", got)
	}
}

// TestAKillLosesNoTimeOfFor: what was judged without a change counts, though it
// was not saved.
func TestAKillLosesNoTimeOfFor(t *testing.T) {
	h, _ := gapHouse(t)
	doc := hotRule()
	doc["for"] = "5m"
	h.rule(doc)
	h.resume()
	h.quietly(1, cold)
	h.quietly(6, warm) // pending for 2:30
	if err := h.engine.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.quietly(3, warm)
	h.killed(false)
	h.begin()
	h.quietly(1, warm)
	h.tick(warm)
	h.settled()
	if got := h.told(); got != "first sensor=a" {
		t.Errorf("told %q five minutes after the first bad tick, want the first message", got)
	}
}

// TestWhatEndsAtTheFirstLiveTickIsNamed, and what has gone quiet by then, though
// keep_firing_for is not over.
func TestWhatEndsAtTheFirstLiveTickIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		keep  string
		lines []string // of the ticks after the restart
		want  []string // what each of them tells
	}{
		{"ended", "0s", []string{cold, cold}, []string{named, ""}},
		{"lasts", "0s", []string{warm, cold}, []string{"first sensor=a", "resolved sensor=a"}},
		{"recovers", "1m", []string{cold, cold, cold, cold}, []string{named, "", "", ""}},
		{"comes back", "1m", []string{cold, warm}, []string{named, "first sensor=a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := gapHouse(t)
			doc := hotNow()
			doc["keep_firing_for"] = tt.keep
			h.rule(doc)
			h.resume()
			h.quietly(3, cold)
			h.end()
			h.unwatched(1, warm)
			h.begin()
			for i, line := range tt.lines {
				h.tick(line)
				h.settled()
				got := h.told()
				want := tt.want[i]
				if (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "\n") {
					t.Errorf("tick %d: told %q, want %q", i, got, want)
				}
			}
		})
	}
}

// TestAReplayThatIsCutShort names all the same what its first part found: the
// source fails again, or the daemon ends, by itself or not.
func TestAReplayThatIsCutShort(t *testing.T) {
	for name, between := range map[string]func(h *house){
		"the source fails again": func(*house) {},
		"a restart":              func(h *house) { h.end(); h.begin() },
		"a kill":                 func(h *house) { h.killed(false); h.begin() },
	} {
		t.Run(name, func(t *testing.T) {
			h, source := gapHouse(t)
			r := h.rule(hotNow())
			h.resume()
			h.quietly(3, cold)
			h.end()
			h.unwatched(1, warm)
			h.unwatched(6, cold)
			missed := h.now
			h.begin()
			source.failAfter.Store(5) // the first tick, and four of the missed ones
			h.tick(cold)
			h.settled()
			h.ledgers.View(r.ID, func(l *rules.Ledger) {
				if !l.Judged.Before(missed) {
					t.Fatal("the replay was not cut short")
				}
			})
			if got := h.told(); got != "" {
				t.Errorf("told %q before the present is reached", got)
			}
			between(h)
			source.failAfter.Store(0)
			source.down.Store(false)
			h.tick(cold)
			h.settled()
			if got := h.told(); !strings.Contains(got, named) || strings.Contains(got, "\n") {
				t.Errorf("told %q, want the episode of the first part", got)
			}
			h.quietly(3, cold)
		})
	}
}

// TestNobodyIsToldBeforeThePresent is reached, though ticks go on while missed
// ones are judged, or the source has failed again.
func TestNobodyIsToldBeforeThePresent(t *testing.T) {
	h, source := gapHouse(t)
	h.rule(hotNow())
	h.resume()
	h.quietly(3, cold)
	h.end()
	h.unwatched(6, warm)
	h.begin()
	source.failAfter.Store(3)
	h.quietly(3, cold)
	h.view(func(a *rules.Alert) {}) // it fires by what is known so far
	source.failAfter.Store(0)
	source.down.Store(false)
	h.tick(cold)
	h.settled()
	if got := h.told(); !strings.Contains(got, named) || strings.Contains(got, "\n") {
		t.Errorf("told %q, want what began and ended named", got)
	}
}

// TestAnOutageOutlivesARestart: it is told as down once, and as back once, both
// with its true times, and what lay in it is judged.
func TestAnOutageOutlivesARestart(t *testing.T) {
	for name, stop := range stops {
		for _, tt := range []struct {
			name   string
			before int // failing ticks before the restart
			gone   int // ticks without a daemon
			after  int // failing ticks after it
		}{
			{"told before", 8, 0, 4},
			{"told before, and over at the restart", 8, 1, 0},
			{"told after", 2, 0, 6},
			{"a long restart", 8, 20, 2},
		} {
			t.Run(name+", "+tt.name, func(t *testing.T) {
				h, source := gapHouse(t)
				h.rule(hotNow())
				h.resume()
				h.quietly(3, cold)
				source.down.Store(true)
				failed := h.now.Add(30 * time.Second)
				var said []string
				ticks := func(n int, line string) {
					for range n {
						h.tick(line)
						h.settled()
						if got := h.told(); got != "" {
							said = append(said, got)
						}
					}
				}
				ticks(1, warm)
				ticks(tt.before-1, cold)
				stop(h)
				h.unwatched(tt.gone, cold)
				h.begin()
				if health := h.engine.Health()[0]; health.OK || !health.DownSince.Equal(failed) {
					t.Errorf("after the restart: ok %t, down since %s; want %s", health.OK, health.DownSince, failed)
				}
				ticks(tt.after, cold)
				source.down.Store(false)
				answered := h.now.Add(30 * time.Second)
				ticks(4, cold)
				if len(said) != 2 {
					t.Fatalf("told %d times, want down and back: %q", len(said), said)
				}
				down := "Source live does not answer since " + hms(failed) + " UTC"
				back := "Source live is back; it did not answer from " + hms(failed) + " to " + hms(answered)
				if !strings.HasPrefix(said[0], down) || !strings.HasPrefix(said[1], back) {
					t.Errorf("told %q, want %q and %q", said, down, back)
				}
				if !strings.Contains(said[1], "Too warm sensor=a, "+hms(failed)) {
					t.Errorf("told %q, want the episode at its beginning", said[1])
				}
			})
		}
	}
}

// TestASourceThatComesLater than the daemon, as after a boot, tells nobody, and
// no time of it is lost.
func TestASourceThatComesLater(t *testing.T) {
	for name, known := range map[string]bool{"after a boot": true, "for the first time": false} {
		t.Run(name, func(t *testing.T) {
			h, source := gapHouse(t)
			h.rule(hotRule())
			if known {
				h.resume()
				h.quietly(3, cold)
				h.end()
				h.begin()
			}
			source.down.Store(true)
			h.quietly(2, warm)
			source.down.Store(false)
			h.tick(warm)
			h.settled()
			if got := h.told(); got != "first sensor=a" {
				t.Errorf("told %q, want the first message alone", got)
			}
		})
	}
}

// TestADailyRunThatWasMissed is made up for at the next tick, not a day later.
func TestADailyRunThatWasMissed(t *testing.T) {
	for name, miss := range map[string]func(h *house, source *flaky){
		"daemon down": func(h *house, _ *flaky) { h.end(); h.unwatched(2, warm); h.begin() },
		"source down": func(h *house, source *flaky) {
			source.down.Store(true)
			h.quietly(2, warm)
			source.down.Store(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, source := gapHouse(t)
			h.now = time.Date(2026, 3, 2, 6, 59, 0, 0, time.UTC)
			doc := hotNow()
			doc["every"], doc["zone"] = "0 7 * * *", "UTC"
			h.rule(doc)
			h.resume()
			h.quietly(1, cold)
			miss(h, source)
			h.tick(cold)
			h.settled()
			if got := h.told(); got != "first sensor=a" {
				t.Errorf("told %q at 07:01, want what was wrong at seven", got)
			}
			h.quietly(3, cold)
		})
	}
}

// TestABootWithAClockThatStoodStill: how long the machine was off shows when
// its clock is set. The gap is judged from its true beginning.
func TestABootWithAClockThatStoodStill(t *testing.T) {
	const off = 20
	h, doubtful := jumpHouse(t)
	h.options.Operators = func() []string { return []string{"ops"} }
	h.restart()
	h.rule(hotNow())
	h.resume()
	h.quietly(10, cold)
	h.end()
	stopped := h.now
	for i := range off {
		line := cold
		if i == off/2 {
			line = warm
		}
		h.writeAt(line, stopped.Add(time.Duration(i+1)*30*time.Second-time.Second))
	}
	doubtful.Store(true)
	h.begin()
	h.quietly(2)
	h.jump(0)
	h.jump(off * 30 * time.Second)
	h.tick(cold)
	h.settled()
	got := h.told()
	for _, want := range []string{
		"Source live was not watched from " + hms(stopped.Add(30*time.Second)) + " to " +
			hms(stopped.Add(off*30*time.Second)) + " UTC",
		named + hms(stopped.Add((off/2+1)*30*time.Second)),
		"The clock is not proven right, so these times may be wrong.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	h.quietly(2, cold)
}
