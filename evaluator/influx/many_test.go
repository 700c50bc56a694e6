package influx_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// TestManyMeasurementsAreLookedUpAtOnce: the server takes long to find one of
// many, so the types of all fields are asked for in one statement, and the
// answer is given to the measurement that it belongs to.
func TestManyMeasurementsAreLookedUpAtOnce(t *testing.T) {
	const n = 60
	server := sourcetest.Influxd(t)
	var lines []string
	var queries []evaluator.Query
	for i := range n {
		field := []string{"on=true", "usage=7"}[i%2]
		lines = append(lines, fmt.Sprintf("m%d,host=a %s %d", i, field, noon.UnixNano()))
		name, _, _ := strings.Cut(field, "=")
		q := last5m(rules.Mean)
		q.Measurement, q.Columns[0].Field = fmt.Sprint("m", i), name
		queries = append(queries, q)
	}
	server.Write(lines...)
	var mu sync.Mutex
	var shown []string
	proxy := recording(t, server.URL, func(q string) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(q, "SHOW") {
			shown = append(shown, q)
		}
	})
	got, errs := ask(t, open(t, influx.Options{URL: proxy, Database: server.DB}), queries...)
	for i := range n {
		if want := []float64{1, 7}[i%2]; errs[i] != nil || got[i]["host=a"] != want {
			t.Errorf("mean of m%d = %v, error %v; want %v", i, got[i], errs[i], want)
		}
	}
	if want := []string{"SHOW FIELD KEYS"}; !slices.Equal(shown, want) {
		t.Errorf("asked about fields: %q, want %q", shown, want)
	}
}

// recording is the address of a proxy that tells each query.
func recording(t *testing.T, to string, query func(q string)) string {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	return fake(t, "1.8", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		form, bad := url.ParseQuery(string(body))
		if err != nil || bad != nil {
			t.Errorf("read a request: %v, %v", err, bad)
		}
		query(form.Get("q"))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		proxy.ServeHTTP(w, r)
	}).URL
}
