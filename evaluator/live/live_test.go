package live_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

var (
	// noon is the arrival time of most tests.
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	// suiteEnd is when the points of the contract suite are all there.
	suiteEnd = time.Date(2026, 3, 2, 10, 10, 0, 0, time.UTC)
)

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, lines []string) evaluator.Source {
		s := live.New(live.Options{})
		write(t, s, suiteEnd, lines...)
		return s
	})
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, lines []string) evaluator.Source {
		s := live.New(live.Options{})
		random := rand.New(rand.NewPCG(1, 2))
		lines = append(slices.Clone(lines), lines[:len(lines)/3]...)
		random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		for part := range slices.Chunk(lines, 7) {
			write(t, s, suiteEnd, part...)
		}
		return s
	})
}

func TestWritersAndReadersTogether(t *testing.T) {
	s := live.New(live.Options{Retention: 10 * time.Minute})
	var all sync.WaitGroup
	var ticks atomic.Int64
	for w := range 4 {
		all.Go(func() {
			for range 200 {
				now := noon.Add(time.Duration(ticks.Add(1)) * 2500 * time.Millisecond)
				var lines []string
				for n := range 20 {
					lines = append(lines, fmt.Sprintf("m%d,host=h%d,writer=%d v=1,ok=true,state=\"up\"", n%3, n, w))
				}
				if err := s.Write([]byte(strings.Join(lines, "\n")), 0, now); err != nil && rules.CodeOf(err) != rules.Invalid {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		all.Go(func() {
			for i := range 200 {
				readWhileWriting(t, s, fmt.Sprintf("m%d", i%3))
			}
		})
	}
	all.Wait()
	from := noon.Add(time.Duration(ticks.Load())*2500*time.Millisecond - 12*time.Minute)
	if held, got := s.Held(), recount(t, s, from); got != held || held.Points == 0 {
		t.Errorf("held = %+v, but %+v can be asked for of the last 12 minutes", held, got)
	}
}

// readWhileWriting fails when a value that was never written is seen.
func readWhileWriting(t *testing.T, s *live.Store, measurement string) {
	q := evaluator.Query{
		Measurement: measurement, GroupBy: []string{"host"}, From: noon.Add(-time.Hour), To: noon.Add(2 * time.Hour),
		Step:    time.Minute,
		Columns: columns("v", rules.Sum, rules.Count, "p50", rules.Rate),
	}
	q.Columns = append(q.Columns, columns("state", rules.Latest)...)
	for _, err := range s.Query(context.Background(), []evaluator.Query{q}, func(_ int, r evaluator.Row) {
		if r.Values[0] != r.Values[1] || r.Values[2] != 1 || r.Texts[4] != "up" {
			t.Errorf("row = %v %q, want sum = count, p50 = 1, state up", r.Values, r.Texts)
		}
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := s.TagValues(context.Background(), measurement, "host", 3); err != nil {
		t.Error(err)
	}
}

func TestARowMayWrite(t *testing.T) {
	s := live.New(live.Options{})
	write(t, s, noon, "m v=1")
	ask(t, s, query("m", "v", rules.Latest), func(evaluator.Row) { write(t, s, noon, "m v=2") })
	if got := latest(t, s, "m", "v"); got != 2 {
		t.Errorf("latest = %v, want 2", got)
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	s := live.New(live.Options{})
	write(t, s, noon, "m v=1")
	good := query("m", "v", rules.Latest)
	for name, mend := range map[string]func(*evaluator.Query){
		"no measurement":        func(q *evaluator.Query) { q.Measurement = "" },
		"no column":             func(q *evaluator.Query) { q.Columns = nil },
		"no such aggregation":   func(q *evaluator.Query) { q.Columns = columns("v", "mode") },
		"a window without from": func(q *evaluator.Query) { q.From = time.Time{} },
		"a negative step":       func(q *evaluator.Query) { q.Step = -1 },
	} {
		q := good
		mend(&q)
		errs := s.Query(t.Context(), []evaluator.Query{good, q}, func(int, evaluator.Row) {})
		if errs[0] != nil || rules.CodeOf(errs[1]) != rules.Invalid {
			t.Errorf("%s: errors = %v, want the second alone, with code invalid", name, errs)
		}
	}
}

func TestExplain(t *testing.T) {
	q := query("cpu", "usage", rules.Mean, "p95")
	q.Where = rules.Filter{"host": {"a", `b'c`}, "dc": {"x"}}
	q.GroupBy, q.Step = []string{"core"}, time.Minute
	want := `SELECT mean("usage"), p95("usage") FROM "cpu" WHERE time > '2026-03-02T11:00:00Z' AND time <= '2026-03-02T12:05:00Z'` +
		` AND "dc" = 'x' AND ("host" = 'a' OR "host" = 'b\'c') GROUP BY time(1m), "core"`
	if got := live.New(live.Options{}).Explain(q); got != want {
		t.Errorf("Explain = %s\nwant      %s", got, want)
	}
}

func TestPingTellsHowManySeries(t *testing.T) {
	s := live.New(live.Options{})
	write(t, s, noon, "m,a=1 v=1", "m,a=2 v=1", "n v=1")
	if got, err := s.Ping(t.Context()); got != "live, 3 series" || err != nil {
		t.Errorf("Ping = %q, %v", got, err)
	}
}

func write(t testing.TB, s *live.Store, now time.Time, lines ...string) {
	t.Helper()
	if err := s.Write([]byte(strings.Join(lines, "\n")), 0, now); err != nil {
		t.Fatal(err)
	}
}

func columns(field string, hows ...rules.Aggregation) (out []evaluator.Column) {
	for _, how := range hows {
		out = append(out, evaluator.Column{Field: field, Aggregation: how})
	}
	return out
}

// query asks for the hour before noon and the five minutes after it.
func query(measurement, field string, hows ...rules.Aggregation) evaluator.Query {
	return evaluator.Query{
		Measurement: measurement, Columns: columns(field, hows...), From: noon.Add(-time.Hour),
		To: noon.Add(5 * time.Minute),
	}
}

func ask(t testing.TB, s *live.Store, q evaluator.Query, each func(evaluator.Row)) {
	t.Helper()
	if err := s.Query(t.Context(), []evaluator.Query{q}, func(_ int, r evaluator.Row) { each(r) })[0]; err != nil {
		t.Fatal(err)
	}
}

// values returns those of the single row that answers q, nil without one.
func values(t testing.TB, s *live.Store, q evaluator.Query) (got []float64) {
	t.Helper()
	ask(t, s, q, func(r evaluator.Row) {
		if got != nil {
			t.Errorf("a second row: %q at %s", r.Series, r.At)
		}
		got = slices.Clone(r.Values)
	})
	return got
}

func latest(t testing.TB, s *live.Store, measurement, field string) float64 {
	t.Helper()
	got := values(t, s, query(measurement, field, rules.Latest))
	if len(got) != 1 {
		t.Fatalf("%s of %s has no value", field, measurement)
	}
	return got[0]
}
