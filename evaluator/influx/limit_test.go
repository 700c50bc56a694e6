package influx_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/rules"
)

// endless writes a head and then the same for as long as anybody listens; %d in
// it is a number that grows.
func endless(head, again string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.FormValue("q"), "SHOW FIELD KEYS") {
			_, _ = io.WriteString(w,
				`{"results":[{"series":[{"columns":["fieldKey","fieldType"],"values":[["usage","float"]]}]}]}`)
			return
		}
		_, _ = io.WriteString(w, head)
		var b bytes.Buffer
		for n := 0; ; {
			for b.Reset(); b.Len() < 64<<10; n++ {
				if strings.Contains(again, "%") {
					fmt.Fprintf(&b, again, n)
				} else {
					b.WriteString(again)
				}
			}
			if _, err := w.Write(b.Bytes()); err != nil {
				return
			}
		}
	}
}

// TestAnEndlessAnswerIsCutOff: whatever an answer is endless in, it is refused
// by its size, and takes no more memory than a few times that.
func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	const (
		most   = 1 << 20
		series = `{"results":[{"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[`
	)
	for name, answer := range map[string]http.HandlerFunc{
		"space":     endless("", "        "),
		"text":      endless(`{"results":[{"error":"`, "no "),
		"a name":    endless(`{"results":[{"series":[{"name":"`, "m"),
		"tags":      endless(`{"results":[{"series":[{"tags":{"a":"b"`, `,"t%d":"x"`),
		"digits":    endless(series+"[1,", "1"),
		"a row":     endless(series+"[1", ",1"),
		"words":     endless(series+"[1", `,"aaaaaaaaaaaaaaaa"`),
		"rows":      endless(series+"[1,2]", ",[1,2]"),
		"series":    endless(`{"results":[{"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[[1,2]]}`, `,{"name":"cpu","tags":{"host":"%d"},"columns":["time","v0"],"values":[[1,2]]}`),
		"keys":      endless(`{"a":1`, `,"b%d":[1,2]`),
		"documents": endless("", `{"results":[]} `),
	} {
		t.Run(name, func(t *testing.T) {
			server := fake(t, "", answer)
			c := open(t, influx.Options{URL: server.URL, Database: "db", Timeout: time.Minute, MaxAnswer: most})
			for what, q := range map[string]evaluator.Query{
				"the latest": last5m(rules.Latest), "a rate": last5m(rules.Rate),
				"steps": stepped(last5m(rules.Latest), time.Second),
			} {
				if used := allocated(func() {
					_, errs := ask(t, c, q)
					if err := errs[0]; err == nil || !evaluator.IsTooMuch(err) && !strings.Contains(err.Error(), "not asked for") &&
						!strings.Contains(err.Error(), "more behind") {
						t.Errorf("%s: %v, want a refusal of what is endless", what, err)
					} else if evaluator.IsTooMuch(err) && (rules.CodeOf(err) != rules.Invalid ||
						!strings.Contains(err.Error(), "larger than 1 MB; narrow the query") ||
						!strings.Contains(err.Error(), "raise max_answer")) {
						t.Errorf("%s: %v, want invalid, with the cure", what, err)
					}
				}); used > 128*most {
					t.Errorf("%s: used %d MB for an answer of 1 MB", what, used>>20)
				}
			}
			if used := allocated(func() {
				if _, err := c.Measurements(t.Context()); err == nil {
					t.Error("measurements of an endless answer")
				}
			}); used > 128*most {
				t.Errorf("measurements: used %d MB for an answer of 1 MB", used>>20)
			}
		})
	}
}

// TestAZippedAnswerIsNotUnpacked: nobody asked for one, so that a small answer
// stays small.
func TestAZippedAnswerIsNotUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 256 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("asked for encoding %q", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	c := open(t, influx.Options{URL: server.URL, Database: "db"})
	if used := allocated(func() {
		if _, errs := ask(t, c, last5m(rules.Latest)); errs[0] == nil {
			t.Error("a zipped answer was read")
		}
	}); used > 8<<20 {
		t.Errorf("used %d MB for a zipped answer of %d KB", used>>20, bomb.Len()>>10)
	}
}

func stepped(q evaluator.Query, step time.Duration) evaluator.Query {
	q.Step = step
	return q
}

// allocated is how many bytes a call has allocated, whether they were freed or not.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
