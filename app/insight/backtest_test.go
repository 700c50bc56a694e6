package insight_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// past puts a point into each of the ten minutes before noon; the text of a
// minute is its line without the measurement and the time.
func (h *home) past(measurement string, line func(minute int) string) {
	h.Helper()
	for minute := 1; minute <= 10; minute++ {
		at := noon.Add(time.Duration(minute-10) * time.Minute)
		h.Must(h.Points.Write(fmt.Appendf(nil, "%s%s %d\n", measurement, line(minute), at.UnixNano()), 0, noon))
	}
}

func (h *home) backtest(doc rules.Doc, to time.Time) insight.Backtest {
	h.Helper()
	b, err := insight.New(h.App).Backtest(h.Context(),
		insight.BacktestRequest{Doc: doc, From: noon.Add(-10 * time.Minute), To: to})
	h.Must(err)
	return b
}

func TestABacktestOfATextHasValues(t *testing.T) {
	h := newHome(t)
	h.past("machine", func(minute int) string { return fmt.Sprintf(" state=%q", []string{"idle", "fault"}[minute/6%2]) })
	b := h.backtest(rules.Doc{
		"measurement": "machine", "field": "state",
		"condition": rules.Doc{"operator": "==", "value": "fault"},
	}, noon)
	if b.Count != 1 || b.Values == 0 || len(b.Warnings) != 0 {
		t.Errorf("fired %d times on %d values, warnings %q", b.Count, b.Values, b.Warnings)
	}
}

func TestAnEpisodeLastsFromItsStartToItsEnd(t *testing.T) {
	h := newHome(t)
	h.past("load", func(minute int) string {
		return fmt.Sprintf(" v=%d", map[bool]int{true: 9}[minute >= 3 && minute < 8])
	})
	b := h.backtest(rules.Doc{
		"measurement": "load", "field": "v", "for": "2m",
		"condition": rules.Doc{"operator": ">", "value": 5},
	}, noon)
	if len(b.Episodes) != 1 {
		t.Fatalf("episodes = %+v", b.Episodes)
	}
	e := b.Episodes[0]
	if got, want := e.ResolvedAt.Sub(e.StartedAt), 3*time.Minute; got != want || e.Lasted.Std() != want ||
		b.Longest.Std() != want {
		t.Errorf("from start to end %s, lasted %s, longest %s, want %s", got, e.Lasted, b.Longest, want)
	}
	if got := e.StartedAt.Sub(e.Since); got != 2*time.Minute {
		t.Errorf("it was bad for %s before it fired, want 2m", got)
	}
}

// What has not happened yet has no points, which is no silence.
func TestABacktestEndsNow(t *testing.T) {
	h := newHome(t)
	h.past("load", func(int) string { return " v=1" })
	b := h.backtest(rules.Doc{"measurement": "load", "condition": rules.Doc{"type": "absence", "window": "2m"}},
		noon.Add(time.Hour))
	if b.Count != 0 || !b.To.Equal(noon) {
		t.Errorf("fired %d times, until %s", b.Count, b.To)
	}
}

// The past is read in windows, so how long a silence was is known by them only:
// when it fired says it better than a number would.
func TestABacktestOfAnAbsenceHasNoValues(t *testing.T) {
	h := newHome(t)
	h.past("load", func(minute int) string {
		return fmt.Sprintf(",host=%s v=1", map[bool]string{true: "a", false: "b"}[minute < 4])
	})
	b := h.backtest(rules.Doc{
		"measurement": "load", "group_by": []any{"host"},
		"condition": rules.Doc{"type": "absence", "window": "2m"},
	}, noon)
	if b.Count != 1 || b.Last != nil || b.Episodes[0].Peak != nil || strings.Contains(b.Summary, "at the end it is") {
		t.Errorf("backtest = %+v", b)
	}
}

func TestABacktestCountsNothingAsZero(t *testing.T) {
	h := newHome(t)
	h.past("load", func(minute int) string {
		return fmt.Sprintf(",host=%s v=1", map[bool]string{true: "a", false: "b"}[minute < 4])
	})
	b := h.backtest(rules.Doc{
		"measurement": "load", "field": "v", "group_by": []any{"host"},
		"condition": rules.Doc{"aggregation": "count", "window": "2m", "operator": "<", "value": 1},
	}, noon)
	if b.Count != 1 || b.Last == nil || *b.Last != 0 {
		t.Errorf("backtest = %+v", b)
	}
}

// TestADoorLeftOpenRings: a sensor that writes when something changes, and not
// before, is wrong until then.
func TestADoorLeftOpenRings(t *testing.T) {
	for _, aggregation := range []string{"latest", "mean", "max", "p95"} {
		h := newHome(t)
		h.Must(h.Points.Write(fmt.Appendf(nil, "door value=1 %d\n", noon.Add(-9*time.Minute).UnixNano()), 0, noon))
		doc := rules.Doc{"measurement": "door", "field": "value", "for": "6m", "condition": rules.Doc{
			"operator": ">", "value": 0, "aggregation": aggregation, "window": "2m",
		}}
		if b := h.backtest(doc, noon); b.Count != 0 {
			t.Errorf("%s: without stale_after it fired", aggregation)
		}
		doc["condition"].(rules.Doc)["stale_after"] = "30m"
		b := h.backtest(doc, noon)
		if b.Count != 1 || b.Episodes[0].ResolvedAt != nil {
			t.Errorf("%s: %+v", aggregation, b.Episodes)
		}
		doc["condition"].(rules.Doc)["stale_after"] = "7m"
		if b := h.backtest(doc, noon); b.Count != 1 || b.Episodes[0].StartedAt.After(noon.Add(-2*time.Minute)) {
			t.Errorf("%s, stale: %+v", aggregation, b.Episodes)
		}
	}
}
