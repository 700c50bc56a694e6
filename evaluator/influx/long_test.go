package influx_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// longPoints is more than a server puts into a chunk, which the old one then
// calls partial.
const longPoints = 25_000

// TestALongAnswerIsWhole: what has more rows in a series than fit in a chunk is
// read to its end, from a server that calls it partial.
func TestALongAnswerIsWhole(t *testing.T) {
	server := sourcetest.Influxd(t)
	lines, begin := []string{}, noon.Add(-longPoints*time.Second)
	for i := range longPoints {
		lines = append(lines, fmt.Sprintf("cpu,host=a usage=%d,on=%t %d", i%100, i%3 == 0,
			begin.Add(time.Duration(i+1)*time.Second).UnixNano()))
	}
	server.Write(lines...)
	server.Write(`cpu,host=b usage=1 `+fmt.Sprint(noon.UnixNano()-1e9), `cpu,host=b usage=3 `+fmt.Sprint(noon.UnixNano()))
	if !strings.Contains(server.Do(`SELECT usage FROM test.autogen.cpu WHERE host = 'a'`), `"partial":true`) {
		t.Log("this server does not call long answers partial")
	}
	long := func(how rules.Aggregation, step time.Duration) evaluator.Query {
		q := stepped(last5m(how), step)
		q.From = begin
		return q
	}
	c := open(t, influx.Options{URL: server.URL, Database: server.DB})
	// Twice: the second time the server is known.
	for range 2 {
		up := float64(longPoints/100*99) / (longPoints - 1)
		got, errs := ask(t, c, long(rules.Rate, 0), long(rules.Latest, 0))
		if errs[0] != nil || errs[1] != nil || math.Abs(got[0]["host=a"]-up) > 1e-9 || got[0]["host=b"] != 2 ||
			got[1]["host=a"] != 99 {
			t.Errorf("rate over all, and the latest: %v, %v, want %v of a and 2 of b, and 99", got, errs, up)
		}
		for _, how := range []rules.Aggregation{rules.Rate, rules.First, rules.Max, "p50"} {
			if rows := countRows(t, c, long(how, time.Second)); rows["host=a"] != longPoints || rows["host=b"] != 2 {
				t.Errorf("%s in %d steps: %v rows", how, longPoints, rows)
			}
			if rows := countRows(t, c, long(how, 2*time.Second), long("p90", 2*time.Second)); rows["host=a"] != longPoints {
				t.Errorf("%s and another in %d steps: %v rows", how, longPoints/2, rows)
			}
		}
	}
	var last float64
	err := c.Read(t.Context(), evaluator.Statement{
		Language: "influxql", Text: `SELECT usage AS v FROM cpu WHERE time > $from AND time <= $to AND host = 'a'`,
		Column: "v", From: begin, To: noon,
	}, func(row evaluator.Row) { last = row.Values[0] })
	if err != nil || last != float64((longPoints-1)%100) {
		t.Errorf("a statement of its own: %v (%v), want the last of all rows", last, err)
	}
}

func TestALongListIsWhole(t *testing.T) {
	server := sourcetest.Influxd(t)
	const names = 10_500
	var lines []string
	for i := range names {
		lines = append(lines, fmt.Sprintf("m%05d,tag=v%05d f=1 %d", i, i, noon.UnixNano()))
	}
	server.Write(lines...)
	got, err := open(t, influx.Options{URL: server.URL, Database: server.DB}).Measurements(t.Context())
	if err != nil || len(got) != names || got[names-1] != "m10499" {
		t.Errorf("%d measurements (%v), want %d", len(got), err, names)
	}
}

func countRows(t *testing.T, c *influx.Client, queries ...evaluator.Query) map[string]int {
	t.Helper()
	rows := map[string]int{}
	for _, err := range c.Query(t.Context(), queries, func(_ int, row evaluator.Row) {
		rows[string(row.Series)]++
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	return rows
}

// TestAnAnswerThatTheServerCutIsNotWhole: also in chunks, the last of which
// says that more is to come.
func TestAnAnswerThatTheServerCutIsNotWhole(t *testing.T) {
	chunk := func(more string) string {
		return `{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","usage"],"values":[[` + fmt.Sprint(noon.UnixNano()) + `,2]]` + more + `}]` + more + `}]}` + "\n"
	}
	for name, tt := range map[string]struct {
		answer string
		whole  bool
	}{
		"all chunks":            {chunk(`,"partial":true`) + chunk(""), true},
		"the last is missing":   {chunk(`,"partial":true`), false},
		"none says that more":   {chunk("") + chunk(""), true},
		"an error at the end":   {chunk(`,"partial":true`) + `{"results":[{"statement_id":0,"error":"shutdown"}]}`, false},
		"cut within a document": {chunk(`,"partial":true`) + chunk("")[:50], false},
	} {
		server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.FormValue("q"), "SHOW"):
				_, _ = io.WriteString(w, `{"results":[{}]}`)
			case r.FormValue("chunked") != "true":
				_, _ = io.WriteString(w, chunk(`,"partial":true`))
			default:
				_, _ = io.WriteString(w, tt.answer)
			}
		})
		_, errs := ask(t, open(t, influx.Options{URL: server.URL, Database: "db"}), last5m(rules.Rate))
		if (errs[0] == nil) != tt.whole || errs[0] != nil && rules.CodeOf(errs[0]) != rules.Unavailable {
			t.Errorf("%s: %v, want whole %t", name, errs[0], tt.whole)
		}
	}
}

// TestRequestsAreCutByWhatTheyCost: queries that are too much for one
// request are answered in several.
func TestRequestsAreCutByWhatTheyCost(t *testing.T) {
	const queries = 12
	for name, most := range map[string]int{"one at a time": 1, "a few": 7, "all": 100} {
		for kind, refuse := range map[string]http.HandlerFunc{
			"hangs":     func(_ http.ResponseWriter, r *http.Request) { hang(r) },
			"timed out": says(http.StatusOK, `{"results":[{"statement_id":0,"error":"query-timeout limit exceeded"}]}`),
			"large":     endless(`{"results":[{"x":"`, " "),
		} {
			if kind == "hangs" && most == 1 {
				continue // each time that it is tried takes a timeout
			}
			t.Run(kind+" beyond "+name, func(t *testing.T) {
				var requests atomic.Int64
				server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
					n := 1 + strings.Count(r.FormValue("q"), ";")
					if requests.Add(1); n > most {
						refuse(w, r)
						return
					}
					var results []string
					for i := range n {
						results = append(results,
							fmt.Sprintf(`{"statement_id":%d,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[[%d,2]]}]}`, i, noon.UnixNano()))
					}
					_, _ = io.WriteString(w, `{"results":[`+strings.Join(results, ",")+`]}`)
				})
				c := open(t, influx.Options{URL: server.URL, Database: "db", Timeout: 5 * time.Second, MaxAnswer: 1 << 20})
				list := make([]evaluator.Query, queries)
				for i := range list {
					list[i] = last5m(rules.Latest)
				}
				got, errs := ask(t, c, list...)
				for i := range list {
					if errs[i] != nil || got[i]["host=a"] != 2 {
						t.Fatalf("query %d: %v (%v)", i, got[i], errs[i])
					}
				}
				if n := requests.Load(); n > 2*queries {
					t.Errorf("%d requests for %d queries", n, queries)
				}
			})
		}
	}
}
