package live_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// BenchmarkQuery asks for the last 5 minutes of an hour of points, one each
// 10 s, of 1,000 series.
func BenchmarkQuery(b *testing.B) {
	s := live.New(live.Options{})
	fill(b, s, 1000, 360)
	q := evaluator.Query{Measurement: "cpu", GroupBy: []string{"host"}, From: noon.Add(-5 * time.Minute), To: noon}
	for _, how := range []rules.Aggregation{rules.Latest, rules.Mean, rules.Stddev, rules.Rate, "p95"} {
		q.Columns = columns("usage", how)
		b.Run(string(how), func(b *testing.B) { benchmarkQuery(b, s, q, 1000) })
	}
	q.Columns = columns("usage", rules.Mean, rules.Max, rules.Count, rules.Rate, "p95")
	b.Run("five", func(b *testing.B) { benchmarkQuery(b, s, q, 1000) })
	q.Columns, q.GroupBy = columns("usage", "p95"), nil
	b.Run("p95_of_all", func(b *testing.B) { benchmarkQuery(b, s, q, 1) })
	q.Columns, q.GroupBy, q.From, q.Step = columns("usage", rules.Mean), []string{"host"}, noon.Add(-time.Hour),
		time.Minute
	b.Run("steps", func(b *testing.B) { benchmarkQuery(b, s, q, 60_000) })
}

func benchmarkQuery(b *testing.B, s *live.Store, q evaluator.Query, want int) {
	b.ReportAllocs()
	for b.Loop() {
		rows := 0
		if err := s.Query(context.Background(), []evaluator.Query{q}, func(int, evaluator.Row) { rows++ })[0]; err != nil ||
			rows != want {
			b.Fatalf("%d rows, error %v; want %d", rows, err, want)
		}
	}
}

// BenchmarkWrite writes a batch of 1,000 lines with one field.
func BenchmarkWrite(b *testing.B) {
	s := live.New(live.Options{})
	b.ReportAllocs()
	now := noon
	batch := lines(1000)
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		now = now.Add(10 * time.Second)
		if err := s.Write(batch, 0, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what a full store takes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		before := heap()
		s := live.New(live.Options{})
		fill(b, s, 5000, 360)
		held := s.Held()
		taken := heap() - before
		b.ReportMetric(float64(taken)/float64(held.Points), "bytes/point")
		b.ReportMetric(float64(taken)/(1<<20), "MiB")
		runtime.KeepAlive(s)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func lines(series int) []byte {
	var batch bytes.Buffer
	for i := range series {
		fmt.Fprintf(&batch, "cpu,dc=fsn1,host=server%04d usage=%d.5\n", i, i%100)
	}
	return batch.Bytes()
}

// fill writes points each 10 s until noon.
func fill(b *testing.B, s *live.Store, series, points int) {
	batch := lines(series)
	for i := range points {
		if err := s.Write(batch, 0, noon.Add(time.Duration(i+1-points)*10*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
}
