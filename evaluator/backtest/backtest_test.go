package backtest_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// walk makes points of a few series that wander, with holes, some of them
// right on the bounds of windows.
func walk(r *rand.Rand, from, to time.Time) (lines []string) {
	for _, host := range []string{"a", "b", "c"} {
		v, quiet := r.NormFloat64()*5, 0
		for t := from; !t.After(to); t = t.Add(10 * time.Second) {
			v += r.NormFloat64() * 2
			if quiet--; quiet < -20 && r.IntN(30) == 0 {
				quiet = r.IntN(40)
			}
			if quiet > 0 {
				continue
			}
			stamp := t
			if r.IntN(3) > 0 {
				stamp = stamp.Add(time.Duration(r.IntN(int(10 * time.Second))))
			}
			lines = append(lines, fmt.Sprintf("m,host=%s f=%v,g=%di %d", host, v, r.IntN(100), stamp.UnixNano()))
		}
	}
	return lines
}

func randomCondition(r *rand.Rand) rules.Doc {
	operator := pick(r, ">", "<", ">=", "<=")
	doc := rules.Doc{
		"operator": operator, "value": float64(r.IntN(7) - 3),
		"window": pick(r, "30s", "1m", "2m", "5m", "45s"),
	}
	switch r.IntN(6) {
	case 0:
		doc = rules.Doc{"type": "absence", "window": pick(r, "1m", "2m", "90s")}
	case 1:
		doc["type"], doc["ago"], doc["aggregation"] = "change", pick(r, "5m", "7m"), pick(r, "mean", "max", "latest")
	case 2:
		doc["type"], doc["window"], doc["horizon"] = "forecast", "6m", "10m"
	case 3:
		doc = rules.Doc{"expr": pick(r, "x > y", "x / y > 2 and y > 0", "abs(x - y) >= 3 or x < -4"), "inputs": rules.Doc{
			"x": rules.Doc{"measurement": "m", "field": "f", "aggregation": "mean", "window": "1m"},
			"y": rules.Doc{"measurement": "m", "field": "f", "aggregation": pick(r, "max", "min"), "window": "5m"},
		}}
	default:
		doc["aggregation"] = pick(r, "latest", "mean", "min", "max", "sum", "count", "first", "stddev", "spread", "rate",
			"p50", "p90")
	}
	return doc
}

// TestBacktestEqualsLive: a trial finds the episodes that the engine finds when
// it lives through the same time, whatever the rule, boundary points included.
func TestBacktestEqualsLive(t *testing.T) {
	seeds := 3
	if os.Getenv("TESTS_FULL") != "" {
		seeds = 30
	}
	for _, kind := range []string{"live", "influxd"} {
		for seed := range seeds {
			t.Run(fmt.Sprint(kind, " ", seed), func(t *testing.T) { compareTrial(t, kind, uint64(seed)) })
		}
	}
}

func compareTrial(t *testing.T, kind string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 99))
	end := time.Now().UTC().Truncate(time.Minute)
	begin := end.Add(-25 * time.Minute)
	source := loaded(t, kind, walk(r, end.Add(-45*time.Minute), end), end)
	store, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	engine := evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{Grace: time.Minute})
	engine.Add("s", source, evaluator.SourceOptions{Timeout: time.Minute})
	var list []rules.Rule
	for n := range 30 {
		rule, err := ruledoc.Parse(rules.Doc{
			"title": fmt.Sprint("Rule ", n), "source": "s", "measurement": "m", "field": "f", "condition": randomCondition(r),
			"group_by": [][]any{{"host"}, {}}[r.IntN(2)], "for": pick(r, "0s", "0s", "30s", "1m"),
			"keep_firing_for": pick(r, "0s", "0s", "1m"), "no_data": pick(r, "keep", "keep", "ok", "alert"),
			"every": pick(r, "30s", "1m", "30s"),
		})
		if err != nil {
			t.Fatal(err)
		}
		rule.ID = fmt.Sprint("r", n)
		list = append(list, rule)
		if err := ledgers.Create(t.Context(), rules.NewLedger(rule, rules.Actor{}, begin)); err != nil {
			t.Fatal(err)
		}
	}
	for tick := begin.Add(30 * time.Second); !tick.After(end); tick = tick.Add(30 * time.Second) {
		if err := engine.Tick(t.Context(), tick); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, rule := range list {
		total += compareEpisodes(t, store, source, rule, begin, end)
	}
	if total < 10 {
		t.Errorf("only %d episodes: the comparison shows little", total)
	}
}

func compareEpisodes(t *testing.T, store app.Store, source evaluator.Source, rule rules.Rule, begin,
	end time.Time,
) int {
	t.Helper()
	rows, _, err := store.Alerts(t.Context(), app.AlertFilter{RuleID: rule.ID})
	if err != nil {
		t.Fatal(err)
	}
	var live []string
	for _, a := range rows {
		live = append(live, episode(a.Series, a.Since, a.StartedAt, a.ResolvedAt))
	}
	got, err := backtest.Trial{Rule: rule, Source: source, From: begin, To: end, Every: 30 * time.Second}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var tried []string
	for _, e := range got.Episodes {
		tried = append(tried, episode(e.Series, e.Since, e.StartedAt, e.ResolvedAt))
	}
	slices.SortFunc(live, cmp.Compare[string])
	slices.SortFunc(tried, cmp.Compare[string])
	if !slices.Equal(live, tried) {
		t.Errorf("%s (%s, for %s, every %s, by %v, no_data %s):\nlive  %q\ntrial %q", rule.Name, rule.Condition, rule.For,
			rule.Every, rule.GroupBy, rule.NoData, live, tried)
	}
	return len(live)
}

func episode(s rules.Series, times ...time.Time) string {
	out := string(s)
	for _, t := range times {
		if t.IsZero() {
			out += " -"
		} else {
			out += " " + t.Format("15:04:05")
		}
	}
	return out
}

// TestATrialsMemoryGrowsWithThePoints: neither with how close they lie nor with
// how long the windows are.
func TestATrialsMemoryGrowsWithThePoints(t *testing.T) {
	for name, every := range map[string]time.Duration{
		"seconds read as nanoseconds": 10 * time.Nanosecond,
		"1 kHz":                       time.Millisecond,
	} {
		for _, how := range []string{"mean", "latest", "max", "p95"} {
			t.Run(name+" "+how, func(t *testing.T) {
				var lines strings.Builder
				begin := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
				for i := range 2000 {
					fmt.Fprintf(&lines, "m f=%d %d\n", i%7, begin.Add(time.Duration(i)*every).UnixNano())
				}
				data, err := live.ReadData(strings.NewReader(lines.String()), evaluator.DataForm{Measurement: "m"})
				if err != nil {
					t.Fatal(err)
				}
				r, err := ruledoc.Parse(rules.Doc{
					"title": "t", "measurement": "m", "field": "f",
					"condition": rules.Doc{"operator": ">", "value": 5.0, "window": "1w", "aggregation": how},
				})
				if err != nil {
					t.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				got, err := backtest.Trial{
					Rule: r, Source: data.Source, Ticks: data.Ticks(), From: begin.Add(-1),
					To: begin.Add(time.Hour),
				}.Run(t.Context())
				runtime.ReadMemStats(&after)
				if err != nil || got.Values != 2000 {
					t.Fatalf("%+v, %v, want 2000 values", got, err)
				}
				if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
					t.Errorf("used %d MB for 2000 points", used>>20)
				}
			})
		}
	}
}

// pick returns a random one of list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func loaded(t *testing.T, kind string, lines []string, now time.Time) evaluator.Source {
	if kind == "live" {
		s := live.New(live.Options{})
		if err := s.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, now); err != nil {
			t.Fatal(err)
		}
		return s
	}
	server := sourcetest.Influxd(t)
	server.Write(lines...)
	client, err := influx.New(influx.Options{URL: server.URL, Database: server.DB})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestAnAnomalyBacktestEqualsLive: both learn from the same history, and find the
// same in what follows.
func TestAnAnomalyBacktestEqualsLive(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	end := time.Now().UTC().Truncate(time.Minute)
	begin := end.Add(-12 * time.Hour)
	var lines []string
	for at := end.Add(-15 * 24 * time.Hour); !at.After(end); at = at.Add(time.Minute) {
		for _, host := range []string{"a", "b"} {
			v := 20 + r.NormFloat64()
			if host == "a" && at.After(begin.Add(3*time.Hour)) && at.Before(begin.Add(4*time.Hour)) {
				v += 30
			}
			lines = append(lines, fmt.Sprintf("m,host=%s f=%v %d", host, v, at.UnixNano()))
		}
	}
	source := live.New(live.Options{Retention: 20 * 24 * time.Hour})
	if err := source.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, end); err != nil {
		t.Fatal(err)
	}
	rule, err := ruledoc.Parse(rules.Doc{
		"title": "Odd", "source": "s", "measurement": "m", "field": "f", "group_by": "host",
		"condition": rules.Doc{"type": "anomaly", "sensitivity": "high"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rule.ID = "r"
	store, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	engine := evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{Grace: time.Minute})
	engine.Add("s", source, evaluator.SourceOptions{Timeout: time.Minute})
	if err := ledgers.Create(t.Context(), rules.NewLedger(rule, rules.Actor{}, begin)); err != nil {
		t.Fatal(err)
	}
	for tick := begin.Add(30 * time.Second); !tick.After(end); tick = tick.Add(30 * time.Second) {
		if err := engine.Tick(t.Context(), tick); err != nil {
			t.Fatal(err)
		}
	}
	if n := compareEpisodes(t, store, source, rule, begin, end); n == 0 {
		t.Error("no episode: the comparison shows nothing")
	}
}
