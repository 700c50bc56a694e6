package rules_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// crowd is one ledger with n quiet instances and what is seen of them.
func crowd(n int) (*rules.Ledger, []rules.Observation) {
	l := rules.NewLedger(fever(func(r *rules.Rule) { r.MaxSeries = n }), ann, noon)
	obs := make([]rules.Observation, n)
	for i := range obs {
		obs[i] = rules.Observation{
			Series: rules.Series(fmt.Sprintf("host=server%06d", i)), Verdict: rules.Good,
			Value: float64(i),
		}
	}
	l.Observe(rules.Setting{Now: noon}, obs, nil)
	l.Saved(1)
	return l, obs
}

// perInstance reports what one instance costs.
func perInstance(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/instance")
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "instances/s")
}

func BenchmarkObserveQuiet(b *testing.B) {
	const n = 100_000
	l, obs := crowd(n)
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(step)
		l.Observe(rules.Setting{Now: now}, obs, nil)
	}
	perInstance(b, n)
}

// Every instance fires or resolves at each tick, and its messages are sent.
func BenchmarkObserveFlapping(b *testing.B) {
	const n = 10_000
	l, obs := crowd(n)
	now, bad := noon, false
	b.ReportAllocs()
	for b.Loop() {
		now, bad = now.Add(step), !bad
		for i := range obs {
			obs[i].Verdict = rules.Good
			if bad {
				obs[i].Verdict = rules.Bad
			}
		}
		l.Observe(rules.Setting{Now: now}, obs, nil)
		l.Notifications(func(n *rules.Notification) bool {
			if l.Claim(n.ID, "m") {
				l.Record(n.ID, rules.Outcome{State: rules.Sent}, now, now)
			}
			return true
		})
		l.Saved(1)
	}
	perInstance(b, n)
}

func BenchmarkObserveManyLedgers(b *testing.B) {
	const n = 10_000
	ledgers := make([]*rules.Ledger, n)
	obs := []rules.Observation{{Verdict: rules.Good, Value: 1}}
	for i := range ledgers {
		ledgers[i] = rules.NewLedger(fever(), ann, noon)
		ledgers[i].Observe(rules.Setting{Now: noon}, obs, nil)
		ledgers[i].Saved(1)
	}
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(step)
		for _, l := range ledgers {
			l.Observe(rules.Setting{Now: now}, obs, nil)
			l.RunTimers(rules.Setting{Now: now})
			if l.Changed() {
				b.Fatal("a quiet tick changed something")
			}
		}
	}
	perInstance(b, n)
}

// BenchmarkTendFiring is a base tick over alerts that have nothing to do.
func BenchmarkTendFiring(b *testing.B) {
	const n = 10_000
	l, obs := crowd(n)
	for i := range obs {
		obs[i].Verdict = rules.Bad
	}
	l.Observe(rules.Setting{Now: noon.Add(step)}, obs, nil)
	l.Saved(1)
	b.ReportAllocs()
	for b.Loop() {
		l.RunTimers(rules.Setting{Now: noon.Add(step)})
	}
	perInstance(b, n)
}

func TestAQuietTickAllocatesNothing(t *testing.T) {
	l, obs := crowd(1000)
	now := noon
	allocs := testing.AllocsPerRun(20, func() {
		now = now.Add(step)
		l.Observe(rules.Setting{Now: now}, obs, nil)
	})
	if allocs > 2 || l.Changed() {
		t.Errorf("%v allocations for 1000 quiet series, changed %v; want at most 2 for the whole tick", allocs, l.Changed())
	}
}

func TestMemoryOfAQuietInstance(t *testing.T) {
	const n, most = 50_000, 700
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l, _ := crowd(n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d bytes for each of %d quiet instances", each, l.Size())
	if each > most {
		t.Errorf("a quiet instance takes %d bytes, want at most %d", each, most)
	}
}

// Ten thousand alerts on a dead channel: each outcome is recorded in its own
// time, not in that of all.
func TestRecordingAStormIsQuick(t *testing.T) {
	const n = 10_000
	l, obs := crowd(n)
	for i := range obs {
		obs[i].Verdict = rules.Bad
	}
	l.Observe(rules.Setting{Now: noon.Add(step)}, obs, nil)
	var ids []string
	l.Notifications(func(n *rules.Notification) bool {
		ids = append(ids, n.ID)
		return true
	})
	start := time.Now()
	for _, id := range ids {
		l.Claim(id, "m")
		l.Record(id, rules.Outcome{State: rules.Sent}, noon, noon)
	}
	if d := time.Since(start); len(ids) != n || d > time.Second {
		t.Errorf("%d messages took %s", len(ids), d)
	}
}
