package evaluator_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// boiler is a house whose source has three weeks of a daily rhythm.
type boiler struct {
	*house
	rnd *rand.Rand
}

func newBoiler(t *testing.T) *boiler {
	t.Helper()
	h := newHouse(t)
	h.points = live.New(live.Options{Retention: 60 * 24 * time.Hour})
	h.source = h.points
	h.open(true)
	b := &boiler{h, rand.New(rand.NewPCG(1, 1))}
	var lines []string
	for at := h.now.Add(-21 * 24 * time.Hour); at.Before(h.now); at = at.Add(5 * time.Minute) {
		lines = append(lines, fmt.Sprintf("boiler,unit=a celsius=%v %d", b.usual(at), at.UnixNano()))
	}
	if err := h.points.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, h.now); err != nil {
		t.Fatal(err)
	}
	return b
}

// usual is what the boiler has at a time.
func (b *boiler) usual(at time.Time) float64 {
	hour := at.UTC().Sub(at.UTC().Truncate(24 * time.Hour)).Hours()
	return 50 + 10*math.Sin(2*math.Pi*hour/24) + b.rnd.NormFloat64()
}

func (b *boiler) watch() rules.Rule {
	b.Helper()
	return b.rule(rules.Doc{
		"title": "Boiler odd", "measurement": "boiler", "field": "celsius", "group_by": "unit",
		"condition": rules.Doc{"type": "anomaly", "aggregation": "mean", "window": "5m"},
	})
}

// live lets time pass, with the usual values and more on top.
func (b *boiler) live(span time.Duration, more float64) {
	b.Helper()
	for end := b.now.Add(span); b.now.Before(end); {
		b.tick(fmt.Sprintf("boiler,unit=a celsius=%v", b.usual(b.now)+more))
	}
}

func TestAnAnomalyIsToldFromTheFirstDayOn(t *testing.T) {
	b := newBoiler(t)
	b.watch()
	b.live(time.Hour, 0)
	b.wantOwed()
	b.live(10*time.Minute, 40)
	b.wantOwed(rules.FirstNews)
	said := regexp.MustCompile(`^usual at \d\d:\d\d is \d+(\.\d+)? to \d+(\.\d+)?`)
	b.view(func(a *rules.Alert) {
		if !said.MatchString(a.Evidence.Usual) {
			t.Errorf("it says %q", a.Evidence.Usual)
		}
	})
	b.live(6*time.Hour, 0)
	b.wantOwed(rules.Resolved)
}

func TestARestartMakesAnAnomalyNeitherBlindNorLoud(t *testing.T) {
	b := newBoiler(t)
	b.watch()
	b.live(time.Hour, 0)
	b.restart()
	b.resume()
	b.live(time.Hour, 0)
	b.wantOwed()
	b.live(10*time.Minute, 40)
	b.wantOwed(rules.FirstNews)
}

// What went wrong while the daemon was down is found in what was missed.
func TestAnAnomalyOfAGapIsFound(t *testing.T) {
	b := newBoiler(t)
	b.watch()
	b.live(time.Hour, 0)
	b.options.Since = b.engine.Progress()
	for end := b.now.Add(2 * time.Hour); b.now.Before(end); b.now = b.now.Add(time.Minute) {
		b.write(fmt.Sprintf("boiler,unit=a celsius=%v", b.usual(b.now)+40))
	}
	b.restart()
	b.resume()
	b.live(time.Minute, 40)
	b.engine.Wait()
	b.wantOwed(rules.FirstNews)
}

// What is told of is more than so far outside, and on the side that is asked for.
func TestAnAnomalyIsToldOfTheSideAndSizeThatIsAskedFor(t *testing.T) {
	b := newBoiler(t)
	for name, more := range map[string]rules.Doc{
		"any": {}, "up": {"direction": "up"}, "down": {"direction": "down"}, "little": {"min_deviation": 20.0},
		"much": {"min_deviation": 80.0}, "unseasonal": {"season": "none"},
	} {
		condition := rules.Doc{"type": "anomaly"}
		maps.Copy(condition, more)
		b.rule(rules.Doc{
			"title": name, "measurement": "boiler", "field": "celsius", "group_by": "unit", "condition": condition,
		})
	}
	b.live(time.Hour, 0)
	b.wantOwed()
	b.live(6*time.Minute, 40)
	var told []string
	b.view(func(a *rules.Alert) { told = append(told, a.Title) })
	slices.Sort(told)
	if want := []string{"any", "little", "unseasonal", "up"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// asked counts queries with steps, which are those for history.
type asked struct {
	evaluator.Source
	history int
	fail    error
}

func (a *asked) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	for _, q := range queries {
		if q.Step > 0 {
			a.history++
			if a.fail != nil {
				return slices.Repeat([]error{a.fail}, len(queries))
			}
		}
	}
	return a.Source.Query(ctx, queries, each)
}

// History is read once, when the rule comes and after an edit of what it judges by; what
// cannot be read is tried again and then left out, and meanwhile nothing is told.
func TestHistoryIsReadOnceAndMissedParts(t *testing.T) {
	b := newBoiler(t)
	source := &asked{Source: b.points, fail: rules.Errorf(rules.Unavailable, "not now")}
	b.source = source
	b.open(true)
	b.watch()
	b.live(time.Minute, 0)
	b.wantOwed()
	if source.history == 0 {
		t.Error("history was not asked for")
	}
	source.fail = nil
	b.live(time.Minute, 0)
	read := source.history
	if read < 28 {
		t.Fatalf("%d queries for 28 days", read)
	}
	b.live(time.Hour, 0)
	if source.history != read {
		t.Errorf("history was read again: %d queries more", source.history-read)
	}
	b.live(10*time.Minute, 40)
	b.wantOwed(rules.FirstNews)
}
