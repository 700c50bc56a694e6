package backtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// stingy is a source that answers nothing about more than a time at once.
type stingy struct {
	evaluator.Querier
	most time.Duration
	code rules.Code
}

func (s stingy) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	errs := make([]error, len(queries))
	for i, q := range queries {
		if q.To.Sub(q.From) > s.most {
			errs[i] = evaluator.TooMuch(rules.Errorf(s.code, "it did not answer in time"))
			continue
		}
		errs[i] = s.Querier.Query(ctx, []evaluator.Query{q}, func(_ int, row evaluator.Row) { each(i, row) })[0]
	}
	return errs
}

// TestATrialAsksForLessAtOnce: a source that cannot answer about all of a time
// is asked about its parts, with the same outcome; one that cannot answer about
// a single window is told of once, with what was asked and what may help.
func TestATrialAsksForLessAtOnce(t *testing.T) {
	store, begin := live.New(live.Options{Retention: 24 * time.Hour}), time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, "m,host=%c f=%d %d\n", 'a'+i%2, i*i%97, begin.Add(time.Duration(i)*5*time.Second).UnixNano())
	}
	end := begin.Add(2000 * 5 * time.Second)
	if err := store.Write([]byte(lines.String()), 0, end); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"mean", "p95", "rate", "latest"} {
		r, err := ruledoc.Parse(rules.Doc{
			"title": "t", "measurement": "m", "field": "f", "group_by": "host",
			"condition": rules.Doc{"operator": ">", "value": 60.0, "window": "2m", "aggregation": how},
		})
		if err != nil {
			t.Fatal(err)
		}
		trial := func(code rules.Code, most time.Duration) (*backtest.Result, error) {
			return backtest.Trial{
				Rule: r, Source: stingy{store, most, code}, From: begin, To: end,
				Every: 10 * time.Second,
			}.Run(t.Context())
		}
		want, err := trial(rules.Invalid, time.Hour*24)
		if err != nil || want.Values == 0 {
			t.Fatalf("%s: %v (%v)", how, want, err)
		}
		for most, code := range map[time.Duration]rules.Code{
			10 * time.Minute:  rules.Unavailable,
			150 * time.Second: rules.Invalid, 2 * time.Minute: rules.Invalid,
		} {
			if got, err := trial(code, most); err != nil || shown(got) != shown(want) {
				t.Errorf("%s in parts of %s: %+v, %v; want %+v", how, most, got, err, want)
			}
		}
		for code, ticks := range map[rules.Code]string{rules.Unavailable: "16 ticks", rules.Invalid: "1 ticks"} {
			_, err = trial(code, time.Minute)
			for _, want := range []string{
				"it did not answer in time; asked was " + how + " of m.f over 2m, at " + ticks + " from 2026-03-02T06:00:10Z",
				"try a shorter time, a longer every, a shorter window or fewer series",
			} {
				if rules.CodeOf(err) != code || strings.Count(rules.Sentence(err), want) != 1 ||
					strings.Count(fmt.Sprint(err), "did not answer") != 1 {
					t.Errorf("%s: %v, want %q once", how, err, want)
				}
			}
		}
	}
}

// shown is a result without what is not a number.
func shown(r *backtest.Result) string { return fmt.Sprintf("%+v", *r) }

func TestManyQueriesOfOneTroubleAreOneError(t *testing.T) {
	queries := make([]evaluator.Query, 60)
	for i := range queries {
		queries[i].To = queries[i].From.Add(time.Hour)
	}
	err := evaluator.Ask(t.Context(), stingy{}, queries, nil)
	if err == nil || strings.Count(err.Error(), "did not answer") != 1 {
		t.Errorf("%v, want it said once", err)
	}
}
