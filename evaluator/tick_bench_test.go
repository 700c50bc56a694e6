//go:build unix

package evaluator_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// canned is a source that answers every query with the same rows, at no cost.
type canned struct {
	evaluator.Source // nothing else is asked
	rows             []evaluator.Row
	perQuery         bool // the row with the number of the query only
}

func (c *canned) Query(_ context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	for i := range queries {
		if c.perQuery {
			each(i, c.rows[0])
			continue
		}
		for _, row := range c.rows {
			each(i, row)
		}
	}
	return make([]error, len(queries))
}

// cannedRows are those of a query by host, with some columns of one value.
func cannedRows(hosts, columns int) []evaluator.Row {
	out := make([]evaluator.Row, hosts)
	for i := range out {
		out[i] = evaluator.Row{Series: rules.Series(fmt.Sprintf("host=h%d", i)), Values: make([]float64, columns)}
	}
	return out
}

// crowd is an engine with n rules over a canned source, after its first ticks.
func crowd(b testing.TB, source evaluator.Source, n int, doc func(n int) rules.Doc) (*evaluator.Engine, time.Time) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "t.db"), sqlite.Options{Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	now := time.Now().UTC().Truncate(30 * time.Second)
	var batch []*rules.Ledger
	for i := range n {
		d := doc(i)
		d["title"], d["source"] = fmt.Sprint("Rule ", i), "s"
		d["condition"] = rules.Doc{"aggregation": "mean", "window": "5m", "operator": ">", "value": 100.0}
		r, err := ruledoc.Parse(d)
		if err != nil {
			b.Fatal(err)
		}
		r.ID = fmt.Sprintf("r%06d", i)
		batch = append(batch, rules.NewLedger(r, rules.Actor{Name: "test"}, now))
	}
	if err := store.Save(b.Context(), batch, nil); err != nil {
		b.Fatal(err)
	}
	ledgers, err := evaluator.OpenLedgerCache(b.Context(), store, evaluator.LedgerCacheOptions{})
	if err != nil {
		b.Fatal(err)
	}
	engine := evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	engine.Add("s", source, evaluator.SourceOptions{})
	for range 3 {
		now = now.Add(30 * time.Second)
		if err := engine.Tick(b.Context(), now); err != nil {
			b.Fatal(err)
		}
	}
	return engine, now
}

// shapes are rules that share, and rules that share nothing.
var shapes = []struct {
	name             string
	rules, instances int
	source           func() evaluator.Source
	rule             func(n int) rules.Doc
}{
	{
		"OnePerHost", 1000, 1000,
		func() evaluator.Source { return &canned{rows: cannedRows(1000, 1)} },
		func(n int) rules.Doc {
			return rules.Doc{"measurement": "m", "field": "f", "where": rules.Doc{"host": fmt.Sprint("h", n)}}
		},
	},
	{
		"TenFields", 10_000, 10_000,
		func() evaluator.Source { return &canned{rows: cannedRows(1000, 10)} },
		func(n int) rules.Doc {
			return rules.Doc{
				"measurement": "m", "field": fmt.Sprint("f", n%10),
				"where": rules.Doc{"host": fmt.Sprint("h", n/10)},
			}
		},
	},
	{
		"NothingShared", 10_000, 10_000,
		func() evaluator.Source {
			return &canned{rows: []evaluator.Row{{Values: []float64{1}}}, perQuery: true}
		},
		func(n int) rules.Doc { return rules.Doc{"measurement": fmt.Sprint("m", n), "field": "f"} },
	},
	{
		"Grouped", 10, 100_000,
		func() evaluator.Source { return &canned{rows: cannedRows(10_000, 1)} },
		func(int) rules.Doc { return rules.Doc{"measurement": "m", "field": "f", "group_by": "host"} },
	},
	{
		"HundredThousandSeries", 100, 100_000,
		func() evaluator.Source { return &canned{rows: cannedRows(1000, 1)} },
		func(n int) rules.Doc {
			return rules.Doc{"measurement": fmt.Sprint("m", n), "field": "f", "group_by": "host"}
		},
	},
}

// busy is the processor time of this process, which a busy machine does not
// stretch as it does the wall time.
func busy(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTick is a quiet tick with the source stubbed out: everything that
// is ours, from the rows to the verdicts, collecting garbage included.
func BenchmarkTick(b *testing.B) {
	for _, s := range shapes {
		b.Run(s.name, func(b *testing.B) {
			engine, now := crowd(b, s.source(), s.rules, s.rule)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := busy(b)
			b.ResetTimer()
			for range b.N {
				now = now.Add(30 * time.Second)
				if err := engine.Tick(b.Context(), now); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			took := busy(b) - began
			runtime.ReadMemStats(&after)
			each := float64(b.N) * float64(s.instances)
			b.ReportMetric(float64(took.Nanoseconds())/each, "cpu-ns/instance")
			b.ReportMetric(each/took.Seconds(), "instances/s")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/each, "allocs/instance")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/tick")
		})
	}
}
