package window_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/evaluator/window"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

func randomCondition(r *rand.Rand) rules.Doc {
	doc := rules.Doc{
		"operator": pick(r, ">", "<", ">=", "<="), "value": float64(r.IntN(60) - 30),
		"window": pick(r, "30s", "1m", "5m", "12m", "1h"),
	}
	switch r.IntN(7) {
	case 0:
		doc = rules.Doc{"type": "absence", "window": pick(r, "1m", "3m", "20m")}
	case 1:
		doc["type"], doc["ago"], doc["aggregation"] = "change", pick(r, "5m", "30m"), pick(r, "mean", "max", "latest")
	case 2:
		doc["type"], doc["window"], doc["horizon"] = "forecast", "20m", "10m"
	case 3:
		doc = rules.Doc{"expr": pick(r, "x > y", "x / y > 2 and y > 0", "abs(x - y) >= 30"), "inputs": rules.Doc{
			"x": rules.Doc{"measurement": "m", "field": "f", "aggregation": "mean", "window": "1m"},
			"y": rules.Doc{
				"measurement": "m", "field": "f", "aggregation": pick(r, "max", "min"), "window": pick(r, "5m", "1h"),
			},
		}}
	case 4:
		doc["stale_after"], doc["aggregation"] = "2h", pick(r, "latest", "mean")
	default:
		doc["aggregation"] = pick(r, "latest", "mean", "min", "max", "sum", "count", "first", "stddev", "spread", "rate",
			"p50", "p90")
	}
	return doc
}

func (w *world) rules(n int) (out []rules.Rule) {
	for i := range n {
		doc := rules.Doc{
			"title": fmt.Sprint("Rule ", i), "source": "s", "measurement": "m", "field": pick(w.Rand, "f", "f", "g"),
			"condition": randomCondition(w.Rand), "for": pick(w.Rand, "0s", "0s", "30s", "2m"),
			"keep_firing_for": pick(w.Rand, "0s", "1m"), "no_data": pick(w.Rand, "keep", "ok", "alert"),
			"every": pick(w.Rand, "30s", "1m", "2m"),
		}
		if by := pick(w.Rand, nil, []any{"host"}, []any{"dc"}); by != nil {
			doc["group_by"] = by
		}
		if w.IntN(4) == 0 {
			doc["where"] = pick(w.Rand, rules.Doc{"host": "h1"}, rules.Doc{"host": []any{"h2", "h3"}})
		}
		r, err := ruledoc.Parse(doc)
		if err != nil {
			w.Fatal(err)
		}
		r.ID = fmt.Sprint("r", i)
		out = append(out, r)
	}
	return out
}

// engine is one that judges the rules, with windows or without.
func (w *world) engine(list []rules.Rule, windows evaluator.Windows) (*evaluator.Engine, *evaluator.LedgerCache) {
	_, ledgers := ledgertest.Open(w.T, "", evaluator.LedgerCacheOptions{})
	for _, r := range list {
		if err := ledgers.Create(w.Context(), rules.NewLedger(r, rules.Actor{}, w.now)); err != nil {
			w.Fatal(err)
		}
	}
	engine := evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{Grace: time.Minute})
	engine.Add("s", w.source.Source.(evaluator.Source), evaluator.SourceOptions{Timeout: time.Minute, Windows: windows})
	return engine, ledgers
}

// state is what a rule says of all its series.
func state(ledgers *evaluator.LedgerCache, id string) (out map[rules.Series]string) {
	out = map[rules.Series]string{}
	ledgers.View(id, func(l *rules.Ledger) {
		l.Instances(func(in *rules.Instance) bool {
			value := in.Value + 0
			if l.Rule.Condition.Type == rules.Absence {
				value = 0 // how long the silence is: what is remembered knows better
			}
			out[in.Series] = fmt.Sprintf("%s since %s, %.9g", in.State, in.Since.Format("15:04:05"), value)
			return true
		})
	})
	return out
}

// TestEveryVerdictIsTheSame: rules of any kind, judged by what is new, have the
// states, times and values that they have when all is asked in full, over late
// points, missed ticks that are caught up with, and edits of the rules.
func TestEveryVerdictIsTheSame(t *testing.T) {
	server := sourcetest.Influxd(t)
	rounds := 1
	if os.Getenv("TESTS_FULL") != "" {
		rounds = 30
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			server.Do("DROP DATABASE " + server.DB)
			server.Do("CREATE DATABASE " + server.DB)
			w := newWorld(t, server, uint64(seed)+5000)
			w.pass(0, 0)
			list := w.rules(30)
			fresh, freshly := w.engine(list, window.New(w.source, window.Options{Pays: always}))
			full, fully := w.engine(list, nil)
			verdicts := 0
			for n := range 50 {
				w.pass(30*time.Second, overlap)
				if w.IntN(25) == 0 {
					w.pass(2*time.Minute, 0)
				}
				for _, e := range []*evaluator.Engine{fresh, full} {
					if err := e.Tick(t.Context(), w.now); err != nil {
						t.Fatal(err)
					}
					e.Wait()
				}
				for _, r := range list {
					got, want := state(freshly, r.ID), state(fully, r.ID)
					verdicts += len(want)
					for series := range want {
						if got[series] != want[series] {
							t.Errorf("seed %d, tick %d: %s %s of %s, series %q:\nremembered %s\nin full    %s", seed, n, r.Name, r.Condition,
								r.What(), series, got[series], want[series])
						}
					}
					if len(got) != len(want) {
						t.Errorf("seed %d, tick %d: %s knows %d series, in full %d", seed, n, r.Name, len(got), len(want))
					}
				}
				if t.Failed() {
					return
				}
			}
			if verdicts < 500 {
				t.Errorf("only %d verdicts: the comparison shows little", verdicts)
			}
		})
	}
}
