package live_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

func TestWhenAPointIs(t *testing.T) {
	ago := noon.Add(-time.Minute)
	for _, tt := range []struct {
		name      string
		stamp     string
		precision time.Duration
		want      time.Time
	}{
		{"a missing stamp means arrival", "", 0, noon},
		{"a missing stamp means arrival whatever the precision", "", time.Hour, noon},
		{"nanoseconds are usual", fmt.Sprint(ago.UnixNano() + 1), 0, ago.Add(1)},
		{"microseconds", fmt.Sprint(ago.UnixMicro()), time.Microsecond, ago},
		{"milliseconds", fmt.Sprint(ago.UnixMilli()), time.Millisecond, ago},
		{"seconds", fmt.Sprint(ago.Unix()), time.Second, ago},
		{"minutes", fmt.Sprint(ago.Unix() / 60), time.Minute, ago},
		{"hours", fmt.Sprint(noon.Unix() / 3600), time.Hour, noon},
		{
			"as far ahead as a writer's clock may be", fmt.Sprint(noon.Add(5 * time.Minute).UnixNano()), 0,
			noon.Add(5 * time.Minute),
		},
		{"as old as the retention", fmt.Sprint(noon.Add(-time.Hour).UnixNano()), 0, noon.Add(-time.Hour)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := live.New(live.Options{})
			if err := s.Write([]byte("m v=1 "+tt.stamp), tt.precision, noon); err != nil {
				t.Fatal(err)
			}
			q := query("m", "v", rules.Latest)
			q.From = q.From.Add(-1)
			var at time.Time
			ask(t, s, q, func(r evaluator.Row) { at = r.Last })
			if !at.Equal(tt.want) {
				t.Errorf("the point is at %s, want %s", at, tt.want)
			}
		})
	}
}

func TestABadLineIsRefusedAndTheOthersAreKept(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       []string
	}{
		{"no field", "m", []string{"line 5", "unable to parse"}},
		{"no value", "m v=", []string{"line 5", "unable to parse"}},
		{"not UTF-8", "m v=\"\xff\"", []string{"line 5", "unable to parse", "utf-8"}},
		{"a bad stamp", "m v=1 12x", []string{"line 5", "unable to parse"}},
		{"a stamp out of range", "m v=1 99999999999999999999", []string{"line 5", "bad timestamp"}},
		{
			"too far ahead", fmt.Sprintf("m v=1 %d", noon.Add(5*time.Minute+1).UnixNano()),
			[]string{"line 5", "more than 5m ahead", "clock"},
		},
		{
			"too old", fmt.Sprintf("m v=1 %d", noon.Add(-time.Hour-1).UnixNano()),
			[]string{"line 5", "points beyond retention policy", "1h"},
		},
		{
			"seconds taken for nanoseconds", fmt.Sprintf("m v=1 %d", noon.Unix()),
			[]string{"line 5", "points beyond retention policy"},
		},
		{"another type", `good v="text"`, []string{
			"line 5",
			`field type conflict: input field "v" on measurement "good" is type string, already exists as type float`,
		}},
		{"two types in one line", "m v=1,v=1i", []string{"line 5", "field type conflict"}},
		{"a tag twice", "m,a=1,b=2,a=3 v=1", []string{"line 5", `duplicate tag "a"`}},
		{"a field named time", "m time=1", []string{"line 5", "cannot be named time"}},
		{"a tag named time", "m,time=1 v=1", []string{"line 5", "cannot be named time"}},
		{"a name too long", "m " + strings.Repeat("x", 251) + "=1", []string{"line 5", "251 bytes"}},
		{"tags too long", "m,a=" + strings.Repeat("x", 5000) + " v=1", []string{"line 5", "max key length exceeded"}},
		{"text too long", "m v=\"" + strings.Repeat("x", 70000) + "\"", []string{"line 5", "70000 bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := live.New(live.Options{})
			// The comment, the empty line and the text over two lines count as lines.
			lines := "# a comment\n\ngood v=1,text=\"over\ntwo lines\" 1772452740000000000\n" + tt.line + "\r\ngood v=2\n"
			err := s.Write([]byte(lines), 0, noon)
			if rules.CodeOf(err) != rules.Invalid {
				t.Fatalf("error = %v, want one with code invalid", err)
			}
			for _, want := range append(tt.want, "partial write", "kept=2 dropped=1") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v\nwant %q in it", err, want)
				}
			}
			if names, _ := s.Measurements(t.Context()); !slices.Equal(names, []string{"good"}) ||
				latest(t, s, "good", "v") != 2 {
				t.Errorf("measurements = %v, latest = %v; want the good lines alone", names, latest(t, s, "good", "v"))
			}
		})
	}
}

func TestAnErrorNamesTheFirstBadLinesOnly(t *testing.T) {
	s := live.New(live.Options{})
	lines := strings.Repeat("bad "+strings.Repeat("y", 900)+"\n", 1000) + "m v=1"
	err := s.Write([]byte(lines), 0, noon)
	if err == nil || len(err.Error()) > 1500 || !strings.Contains(err.Error(), "line 5:") ||
		strings.Contains(err.Error(), "line 6:") ||
		!strings.Contains(err.Error(), "and 995 more; kept=1 dropped=1000") {
		t.Errorf("error = %v\nwant the first 5 lines and how many more", err)
	}
}

func TestARefusedLineLeavesNoField(t *testing.T) {
	s := live.New(live.Options{})
	write(t, s, noon, "m v=1")
	if err := s.Write([]byte("m fresh=1,v=true"), 0, noon); err == nil {
		t.Fatal("the conflict was not refused")
	}
	if fields, _ := s.Fields(t.Context(), "m"); len(fields) != 1 {
		t.Errorf("fields = %v, want v alone", fields)
	}
	write(t, s, noon, `m fresh="text"`)
}

func TestTheSameStampOverwrites(t *testing.T) {
	s := live.New(live.Options{})
	write(t, s, noon, `m v=1,note="a"`, "m v=2,other=5", `m note="b"`)
	q := query("m", "v", rules.Latest, rules.Count)
	q.Columns = append(q.Columns, columns("note", rules.Count)...)
	if got := values(t, s, q); !slices.Equal(got, []float64{2, 1, 1}) {
		t.Errorf("latest, count, count of note = %v, want 2, 1, 1", got)
	}
}

func TestTheOldIsDropped(t *testing.T) {
	s := live.New(live.Options{Retention: 10 * time.Minute})
	write(t, s, noon, "gone v=1", "m,a=quiet v=1", "m,a=busy v=1,old=1")
	for i := range 11 {
		write(t, s, noon.Add(time.Duration(i)*time.Minute), "m,a=busy v=1")
	}
	write(t, s, noon.Add(11*time.Minute), "m,a=busy old=\"the type is free again\"")
	if names, _ := s.Measurements(t.Context()); !slices.Equal(names, []string{"m"}) {
		t.Errorf("measurements = %v, want m", names)
	}
	if got, want := s.Held(), (live.Counts{Series: 1, Fields: 2, Points: 10 + 2}); got != want {
		t.Errorf("held = %+v, want %+v", got, want)
	}
}

func TestAClockThatSteppedBackLeavesNothingInTheFuture(t *testing.T) {
	s := live.New(live.Options{})
	write(t, s, noon.AddDate(1, 0, 0), "m v=99")
	write(t, s, noon, "m v=1")
	q := query("m", "v", rules.Max)
	q.To = noon.AddDate(2, 0, 0)
	if got := values(t, s, q); !slices.Equal(got, []float64{1}) {
		t.Errorf("max = %v, want 1", got)
	}
}

func TestBoundsHold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits live.Options
		line   string // of the n-th point
		want   live.Counts
		reason string
	}{
		{
			"series",
			live.Options{MaxSeries: 7},
			"m,a=%d v=1",
			live.Counts{Series: 7, Fields: 7, Points: 7},
			"max-series limit exceeded",
		},
		{
			"series over measurements",
			live.Options{MaxSeries: 7},
			"m%d v=1",
			live.Counts{Series: 7, Fields: 7, Points: 7},
			"max-series limit exceeded",
		},
		{
			"fields",
			live.Options{MaxFields: 7},
			"m f%d=1",
			live.Counts{Series: 1, Fields: 7, Points: 7},
			"max-fields limit exceeded",
		},
		{
			"fields of one measurement",
			live.Options{},
			"m f%d=1",
			live.Counts{Series: 1, Fields: 1000, Points: 1000},
			"make names that vary into tags",
		},
		{
			"points",
			live.Options{MaxPoints: 7},
			"m v=%[1]d 1772452700%09[1]d",
			live.Counts{Series: 1, Fields: 1, Points: 7},
			"max-points limit exceeded",
		},
		{
			"text counts by its size",
			live.Options{MaxPoints: 70},
			"m v=\"" + strings.Repeat("x", 16*9) + "\" 1772452700%09d",
			live.Counts{Series: 1, Fields: 1, Points: 70},
			"max-points limit exceeded",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := live.New(tt.limits)
			var err error
			for i := 0; err == nil && i < 2000; i++ {
				err = s.Write(fmt.Appendf(nil, tt.line, i), 0, noon)
			}
			if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("error = %v, want %q", err, tt.reason)
			}
			if got := s.Held(); got != tt.want {
				t.Errorf("held = %+v, want %+v", got, tt.want)
			}
			if err := s.Write([]byte("other v=1"), 0, noon.Add(2*time.Hour)); err != nil {
				t.Errorf("when the old is gone: error = %v, want room again", err)
			}
		})
	}
}

func TestArrivalIsSignalledOnce(t *testing.T) {
	s := live.New(live.Options{})
	signalled := func() bool {
		select {
		case <-s.Arrived():
			return true
		default:
			return false
		}
	}
	if err := s.Write([]byte("bad"), 0, noon); err == nil || signalled() {
		t.Errorf("error = %v; want one, and no signal for nothing", err)
	}
	write(t, s, noon, "# nothing")
	if signalled() {
		t.Error("a signal for nothing")
	}
	write(t, s, noon, "m v=1")
	write(t, s, noon, "m v=2")
	if !signalled() || signalled() {
		t.Error("want one signal for two writes")
	}
}

// FuzzWrite checks that no bytes do harm, that what is counted can be asked
// for, and that writing the same again changes nothing.
func FuzzWrite(f *testing.F) {
	for _, seed := range []string{
		"m,a=1,b=2 v=1,i=2i,u=3u,ok=t,s=\"x\\\"y\" 1772452740000000000\nm v=2", "m v=1\nm v=\"a\"\nn v=1e300",
		"#\n\r\n m\\ ,t\\,=\\= v=\"\n\"",
		"m v=1,v=2,v=3", "m,a=\\ v=1 -1", "m v=1 1772452740", "\x00", "m v=\"", "m,b=1,a=2 v=1\nm,a=2,b=1 v=2",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		s := live.New(live.Options{MaxSeries: 50, MaxPoints: 500})
		first := s.Write(lines, 0, noon)
		if first != nil && rules.CodeOf(first) != rules.Invalid {
			t.Fatalf("error = %v, want one with code invalid", first)
		}
		held := s.Held()
		if got := recount(t, s, noon.Add(-time.Hour)); got.Series != held.Series || got.Fields != held.Fields ||
			got.Points > held.Points {
			t.Fatalf("held = %+v, but %+v can be asked for", held, got)
		}
		second := s.Write(lines, 0, noon)
		if first == nil && (second != nil && !strings.Contains(second.Error(), "limit exceeded") ||
			s.Held().Series != held.Series) {
			t.Fatalf("writing again: error = %v, held = %+v, was %+v", second, s.Held(), held)
		}
	})
}

// recount counts through queries what the store holds of two hours.
func recount(t *testing.T, s *live.Store, from time.Time) (sum live.Counts) {
	ctx := context.Background()
	names, _ := s.Measurements(ctx)
	for _, name := range names {
		fields, _ := s.Fields(ctx, name)
		tags, _ := s.Tags(ctx, name)
		series := map[rules.Series]bool{}
		for field := range fields {
			q := query(name, field, rules.Count, rules.Latest)
			q.GroupBy, q.From, q.To = tags, from.Add(-1), from.Add(2*time.Hour)
			ask(t, s, q, func(r evaluator.Row) {
				series[r.Series] = true
				sum.Fields++
				sum.Points += int(r.Values[0])
			})
		}
		sum.Series += len(series)
	}
	return sum
}
