package window_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/evaluator/window"
	"github.com/9bikes/tocsin/rules"
)

// counted counts what a source hands out.
type counted struct {
	window.Source
	rows, points, questions int

	fails  func() error // each question, where it is set
	broken bool         // some did
}

func (c *counted) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	c.questions += len(queries)
	if err := c.failure(); err != nil {
		return slices.Repeat([]error{err}, len(queries))
	}
	return c.Source.Query(ctx, queries, func(i int, row evaluator.Row) {
		c.rows++
		each(i, row)
	})
}

func (c *counted) failure() error {
	if c.fails == nil {
		return nil
	}
	err := c.fails()
	c.broken = c.broken || err != nil
	return err
}

func (c *counted) Scan(ctx context.Context, scans []evaluator.Scan, each func(int, evaluator.Row)) []error {
	if err := c.failure(); err != nil {
		return slices.Repeat([]error{err}, len(scans))
	}
	return c.Source.Scan(ctx, scans, func(i int, row evaluator.Row) {
		c.points++
		each(i, row)
	})
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// world is a database into which points come while ticks pass.
type world struct {
	*testing.T
	*rand.Rand
	server *sourcetest.Server
	source *counted
	now    time.Time
	sensor []sensor
	serial int64
}

// sensor is one series: how often it writes, and whether it does now.
type sensor struct {
	tags  string
	every time.Duration
	next  time.Time
	away  time.Time // until then it is silent
}

func newWorld(t *testing.T, server *sourcetest.Server, seed uint64) *world {
	client, err := influx.New(influx.Options{URL: server.URL, Database: server.DB, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		T: t, Rand: rand.New(rand.NewPCG(seed, 4)), server: server, source: &counted{Source: client},
		now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
	}
	for i := range 8 {
		tags := fmt.Sprintf(",host=h%d", i)
		if i%3 > 0 {
			tags += fmt.Sprintf(",dc=d%d", i%2)
		}
		if i == 7 {
			tags = ""
		}
		every := pick(w.Rand, time.Second, 5*time.Second, 10*time.Second, 10*time.Second, time.Minute, 7*time.Minute)
		w.sensor = append(w.sensor, sensor{tags: tags, every: every, next: w.now.Add(-2 * time.Hour)})
	}
	return w
}

// line is a point at a time near one: no two have the same.
func (w *world) line(s *sensor, at time.Time) string {
	w.serial++
	if w.IntN(3) > 0 {
		at = at.Truncate(10 * time.Second)
	}
	fields := []string{fmt.Sprintf("f=%v", math.Round(w.NormFloat64()*1000)/16)}
	if w.IntN(2) == 0 {
		fields = append(fields, fmt.Sprintf("g=%di", w.IntN(1000)))
	}
	if w.IntN(3) == 0 {
		fields = append(fields, fmt.Sprintf("on=%v,note=\"%c\"", w.IntN(2) == 0, 'a'+rune(w.IntN(3))))
	}
	return fmt.Sprintf("m%s %s %d", s.tags, strings.Join(fields, ","), at.UnixNano()+w.serial%997)
}

// pass lets time go on: sensors write, fall silent and come back. Some points are
// held back, and come late by less than late.
func (w *world) pass(d, late time.Duration) {
	w.now = w.now.Add(d)
	var lines []string
	for i := range w.sensor {
		s := &w.sensor[i]
		for ; s.next.Before(w.now); s.next = s.next.Add(s.every) {
			switch {
			case s.next.Before(s.away):
			case w.IntN(200) == 0:
				s.away = s.next.Add(time.Duration(w.IntN(20)) * time.Minute)
			default:
				lines = append(lines, w.line(s, s.next))
			}
		}
		if late > 0 && w.IntN(3) == 0 {
			lines = append(lines, w.line(s, w.now.Add(-time.Duration(w.Int64N(int64(late))))))
		}
	}
	for part := range slices.Chunk(lines, 5000) {
		w.server.Write(part...)
	}
}

func (w *world) question() evaluator.Query {
	by := pick(w.Rand, nil, []string{"host"}, []string{"dc"}, []string{"dc", "host"})
	q := evaluator.Query{Measurement: "m", GroupBy: by}
	field := ""
	for range 1 + w.IntN(3) {
		how := pick(w.Rand, rules.Latest, rules.Mean, rules.Min, rules.Max, rules.Sum, rules.Count, rules.First, rules.Spread)
		if w.IntN(4) == 0 {
			how = pick(w.Rand, rules.Stddev, rules.Rate, rules.Aggregation("p50"), rules.Aggregation("p95"))
		}
		if field = pick(w.Rand, "f", "f", "g", "on"); w.IntN(8) == 0 {
			field, how = "note", pick(w.Rand, rules.Latest, rules.First, rules.Count)
		}
		if w.IntN(8) == 0 {
			field, how = "", rules.Count
		}
		if c := (evaluator.Column{Field: field, Aggregation: how}); !slices.Contains(q.Columns, c) {
			q.Columns = append(q.Columns, c)
		}
	}
	if w.IntN(3) == 0 {
		q.Where = pick(w.Rand, rules.Filter{"host": {"h1", "h2", "h3"}}, rules.Filter{"dc": {""}}, rules.Filter{"dc": {"d0"}})
	}
	return q
}

var lengths = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 7*time.Minute + 13*time.Second, 15 * time.Minute,
	time.Hour, 100 * time.Minute,
}

// asked is a question that is asked tick after tick, some of them every few.
type asked struct {
	evaluator.Query
	length, back time.Duration
	turn         int
}

func (w *world) questions(n int) (out []asked) {
	for range n {
		a := asked{Query: w.question(), length: pick(w.Rand, lengths...), turn: pick(w.Rand, 1, 1, 1, 2, 5)}
		if w.IntN(5) == 0 {
			a.back = pick(w.Rand, 10*time.Minute, time.Hour)
		}
		out = append(out, a)
	}
	return out
}

type answers []map[rules.Series]string

// ask asks a querier; what it does not answer is nil.
func (w *world) ask(from evaluator.Querier, queries []evaluator.Query) answers {
	w.Helper()
	out := make(answers, len(queries))
	for i, err := range from.Query(w.Context(), queries, func(i int, row evaluator.Row) {
		if out[i] == nil {
			out[i] = map[rules.Series]string{}
		}
		if _, twice := out[i][row.Series]; twice || !row.At.Equal(queries[i].To) {
			w.Errorf("a row of %q at %s, twice: %v", row.Series, row.At, twice)
		}
		var text strings.Builder
		tells := false
		for j, x := range row.Values {
			word, isText := row.Text(j)
			fmt.Fprintf(&text, "%.9g %q ", x+0, word) // no -0
			tells = tells || x == x || isText
		}
		if tells { // stddev of one point is none, which a source may leave out
			out[i][row.Series] = text.String()
		}
	}) {
		switch {
		case err == nil:
		case w.source.broken && from != w.source.Source:
			out[i] = nil
		default:
			w.Fatalf("%+v: %v", queries[i], err)
		}
	}
	return out
}

// moods are how a source fails: some of its answers, or all.
func (w *world) mood() func() error {
	away := rules.Errorf(rules.Unavailable, "it is away")
	often := pick(w.Rand, 1, 3, 10)
	err := pick(w.Rand, away, evaluator.TooMuch(away), rules.Errorf(rules.Invalid, "it is refused"))
	return func() error {
		if w.IntN(often) == 0 {
			return err
		}
		return nil
	}
}

// tick asks both ways and compares.
func (w *world) tick(n int, k *window.Keeper, list []asked) (same bool) {
	w.Helper()
	var queries []evaluator.Query
	for _, a := range list {
		if n%a.turn == 0 {
			a.To = w.now.Add(-a.back)
			a.From = a.To.Add(-a.length)
			queries = append(queries, a.Query)
		}
	}
	got, want := w.ask(k, queries), w.ask(w.source.Source, queries)
	same = true
	for i, q := range queries {
		if w.source.broken && got[i] == nil {
			continue // it was not answered
		}
		what := fmt.Sprintf("tick %d: %v over %s by %v", n, q.Columns, q.To.Sub(q.From), q.GroupBy)
		for series, text := range want[i] {
			if got[i][series] != text {
				same = false
				w.Logf("%s, series %q:\nremembered %s\nin full    %s", what, series, got[i][series], text)
			}
		}
		for series := range got[i] {
			if _, ok := want[i][series]; !ok {
				same = false
				w.Logf("%s, series %q is not there", what, series)
			}
		}
	}
	return same
}

const overlap = 2 * time.Minute

func always(_, _ time.Duration) bool { return true }

// TestWhatIsNewAnswersAsInFull: whatever is asked, of dense and sparse series that
// come and go, with points that are late by less than the overlap, with missed
// ticks, outages and restarts: what is remembered answers as the source does.
func TestWhatIsNewAnswersAsInFull(t *testing.T) {
	server := sourcetest.Influxd(t)
	rounds := 2
	if os.Getenv("TESTS_FULL") != "" {
		rounds = 40
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			server.Do("DROP DATABASE " + server.DB)
			server.Do("CREATE DATABASE " + server.DB)
			w := newWorld(t, server, uint64(seed))
			o := window.Options{Pays: always}
			if seed%4 == 3 {
				o.Pays = func(_, _ time.Duration) bool { return w.IntN(3) > 0 }
			}
			w.pass(0, 0)
			list, every := w.questions(25), pick(w.Rand, 10*time.Second, 30*time.Second, 37*time.Second)
			k := window.New(w.source, o)
			for n := range 60 {
				w.pass(every, overlap)
				switch w.IntN(30) {
				case 0:
					w.pass(time.Duration(w.IntN(8))*time.Minute, 0) // missed ticks
				case 1:
					k = window.New(w.source, o)
				case 2:
					k.Forget()
				case 3:
					list = append(list[3:], w.questions(3)...)
				}
				if w.source.fails, w.source.broken = nil, false; w.IntN(12) == 0 {
					w.source.fails = w.mood()
				}
				if !w.tick(n, k, list) {
					t.Fatalf("seed %d, tick %d, every %s", seed, n, every)
				}
			}
		})
	}
}

// TestALaterPointCountsAtTheNextFullLook: what comes later than the overlap is
// seen when a window is looked at in full, every ten minutes.
func TestALaterPointCountsAtTheNextFullLook(t *testing.T) {
	server := sourcetest.Influxd(t)
	rounds := 2
	if os.Getenv("TESTS_FULL") != "" {
		rounds = 10
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			server.Do("DROP DATABASE " + server.DB)
			server.Do("CREATE DATABASE " + server.DB)
			w := newWorld(t, server, uint64(seed)+1000)
			w.pass(0, 0)
			list := w.questions(20)
			for i := range list {
				list[i].turn, list[i].back = 1, 0
			}
			k := window.New(w.source, window.Options{Pays: always})
			unlike := 0
			for n := range 60 {
				late := time.Duration(0)
				if n%30 < 8 {
					late = 50 * time.Minute
				}
				w.pass(30*time.Second, late)
				same := w.tick(n, k, list)
				if !same {
					unlike++
				}
				// Ten minutes after the last late point, and one group a tick at least.
				if !same && n%30 >= 29 {
					t.Fatalf("seed %d: at tick %d late points do not count", seed, n)
				}
			}
			t.Logf("%d of 60 ticks differed until the next full look", unlike)
		})
	}
}

// TestAQuietTickReadsWhatIsNew: the rows that a tick takes from the source grow
// with what is new since the last one, and not with the window.
func TestAQuietTickReadsWhatIsNew(t *testing.T) {
	server := sourcetest.Influxd(t)
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var lines []string
	for at := begin; at.Before(begin.Add(27 * time.Hour)); at = at.Add(30 * time.Second) {
		for host := range 5 {
			lines = append(lines, fmt.Sprintf("m,host=h%d f=%d %d", host, at.Unix()/30%100, at.UnixNano()))
		}
	}
	for part := range slices.Chunk(lines, 5000) {
		server.Write(part...)
	}
	client, err := influx.New(influx.Options{URL: server.URL, Database: server.DB})
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			source := &counted{Source: client}
			k := window.New(source, window.Options{Pays: always, Renew: 1000 * time.Hour})
			q := evaluator.Query{
				Measurement: "m", GroupBy: []string{"host"}, Columns: []evaluator.Column{
					{Field: "f", Aggregation: rules.Mean}, {Field: "f", Aggregation: rules.Max},
				},
			}
			const ticks = 103
			for n := range ticks {
				if n == 3 {
					*source = counted{Source: client}
				}
				q.To = begin.Add(25*time.Hour + time.Duration(n)*30*time.Second)
				q.From = q.To.Add(-length)
				if errs := k.Query(t.Context(), []evaluator.Query{q}, func(int, evaluator.Row) {}); errs[0] != nil {
					t.Fatal(errs[0])
				}
			}
			// Five hosts and points of the overlap and of one interval.
			if want := 5 * 5 * (ticks - 3); source.points != want {
				t.Errorf("%d ticks read %d points, want %d", ticks-3, source.points, want)
			}
			// And of what leaves the window once more, merged.
			if source.rows > 3*5*(ticks-3) {
				t.Errorf("%d ticks read %d rows of %d questions", ticks-3, source.rows, source.questions)
			}
		})
	}
}
