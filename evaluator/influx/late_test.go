package influx_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/rules"
)

// TestAnAnswerThatIsLateIsNone: when the time is over before the answer is,
// none of the queries of its request was answered. No answer is no silence.
func TestAnAnswerThatIsLateIsNone(t *testing.T) {
	for name, begun := range map[string]string{"it hangs": "", "it drips": `{"re`} {
		t.Run(name, func(t *testing.T) {
			server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
				if q := r.FormValue("q"); strings.HasPrefix(q, "SHOW") {
					_, _ = io.WriteString(w, `{"results":[`+strings.TrimSuffix(strings.Repeat(`{},`, strings.Count(q, "SHOW ")), ",")+
						`]}`)
					return
				}
				if _, err := io.WriteString(w, begun); err != nil {
					t.Error(err)
				}
				if begun != "" {
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			})
			c := open(t, influx.Options{URL: server.URL, Database: "db"})
			var queries []evaluator.Query
			for _, m := range []string{"a", "b", "c"} {
				q := last5m(rules.Mean)
				q.Measurement = m
				queries = append(queries, q)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			for i, err := range c.Query(ctx, queries, func(int, evaluator.Row) { t.Error("there is a row") }) {
				if rules.CodeOf(err) != rules.Unavailable {
					t.Errorf("query %d: %v", i, err)
				}
			}
		})
	}
}
