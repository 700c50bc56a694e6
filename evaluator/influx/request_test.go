package influx_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// fake starts a server that answers /query with what answer returns, and tells
// its version at /ping when there is one.
func fake(t testing.TB, version string, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" {
			if version != "" {
				w.Header().Set("X-Influxdb-Version", version)
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// says answers everything with one text.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestStatements(t *testing.T) {
	var asked string
	server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
		if q := r.FormValue("q"); strings.HasPrefix(q, "SHOW FIELD KEYS") {
			_, _ = io.WriteString(w,
				`{"results":[{"series":[{"columns":["fieldKey","fieldType"],"values":[["on","boolean"],["usage","float"],["mode","string"]]}]}]}`)
		} else {
			asked = q
			_, _ = io.WriteString(w, `{"results":[`+strings.TrimSuffix(strings.Repeat(`{},`, strings.Count(q, "SELECT ")), ",")+
				`]}`)
		}
	})
	c := open(t, influx.Options{URL: server.URL, Database: "home"})
	var golden bytes.Buffer
	for _, tt := range statements() {
		asked = ""
		if _, errs := ask(t, c, tt.q); errs[0] != nil {
			t.Errorf("%s: %v", tt.name, errs[0])
		}
		fmt.Fprintf(&golden, "# %s\n%s\n# for people\n%s\n\n", tt.name, asked, c.Explain(tt.q))
	}
	path := filepath.Join("testdata", "statements.golden")
	if *update {
		if err := os.WriteFile(path, golden.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || golden.String() != string(want) {
		t.Errorf("statements differ from %s (%v); if they should, run with -update\n%s", path, err, golden.String())
	}
}

type statementCase struct {
	name string
	q    evaluator.Query
}

func statements() []statementCase {
	with := func(change func(q *evaluator.Query)) evaluator.Query {
		q := last5m(rules.Mean)
		change(&q)
		return q
	}
	columns := func(columns ...evaluator.Column) evaluator.Query {
		return with(func(q *evaluator.Query) { q.Columns = columns })
	}
	return []statementCase{
		{"a mean", last5m(rules.Mean)},
		{"the latest", last5m(rules.Latest)},
		{"a rate asks for the points", last5m(rules.Rate)},
		{"a high percentile", last5m("p95")},
		{"a low percentile of few points is the lowest", last5m("p5")},
		{"several of one field, each once", columns(evaluator.Column{Field: "usage", Aggregation: rules.Mean},
			evaluator.Column{Field: "usage", Aggregation: rules.Stddev},
			evaluator.Column{Field: "usage", Aggregation: rules.Mean}, evaluator.Column{Field: "idle", Aggregation: rules.Max})},
		{"a boolean is counted", columns(evaluator.Column{Field: "on", Aggregation: rules.Mean},
			evaluator.Column{Field: "on", Aggregation: rules.Max}, evaluator.Column{Field: "on", Aggregation: rules.Latest})},
		{"any field", columns(evaluator.Column{Aggregation: rules.Count})},
		{"any field beside others", columns(evaluator.Column{Field: "usage", Aggregation: rules.Latest},
			evaluator.Column{Aggregation: rules.Count},
			evaluator.Column{Field: "on", Aggregation: rules.Mean}, evaluator.Column{Field: "usage", Aggregation: rules.Rate})},
		{"text", columns(evaluator.Column{Field: "mode", Aggregation: rules.Latest})},
		{"steps begin one nanosecond after From", with(func(q *evaluator.Query) { q.Step = 90 * time.Second })},
		{"steps from an odd time", with(func(q *evaluator.Query) {
			q.From, q.Step = q.From.Add(1234567), 1500*time.Microsecond
		})},
		{"no grouping", with(func(q *evaluator.Query) { q.GroupBy = nil })},
		{"where, in order, one and several", with(func(q *evaluator.Query) {
			q.Where = rules.Filter{"room": {"kitchen"}, "host": {"a", "b", ""}}
		})},
		{"quoting", evaluator.Query{
			Measurement: `m"; DROP DATABASE x --`, Columns: []evaluator.Column{{Field: "f\"\\\n", Aggregation: rules.Max}},
			Where: rules.Filter{`t"g`: {`'; DROP DATABASE x --`, `back\`, "two\nlines", `"double"`}}, GroupBy: []string{`g"\`},
			From: noon, To: noon.Add(1),
		}},
		{"nothing can match", with(func(q *evaluator.Query) { q.Where = rules.Filter{"host": {}} })},
	}
}

func TestEachVersionGetsItsCredential(t *testing.T) {
	secret := rules.NewSecret
	for _, tt := range []struct {
		version string
		o       influx.Options
		want    string
	}{
		{"1.8.10", influx.Options{Username: "u", Password: secret("p")}, "Basic dTpw"},
		{"1.6.7~rc0", influx.Options{Token: secret("u:p")}, "Basic dTpw"},
		{"1.8.10", influx.Options{Token: secret("jwt")}, "Bearer jwt"},
		{"v2.7.1", influx.Options{Token: secret("t==")}, "Token t=="},
		{"2.7.1", influx.Options{Token: secret("t:u")}, "Token t:u"},
		{"2.7.1", influx.Options{Username: "u", Password: secret("p")}, "Basic dTpw"},
		{"3.2.0", influx.Options{Token: secret("apiv3_x")}, "Bearer apiv3_x"},
		{"", influx.Options{Token: secret("t")}, "Token t"},
		{"", influx.Options{Token: secret("u:p")}, "Basic dTpw"},
		{"nonsense", influx.Options{Token: secret("t")}, "Token t"},
		{"1.8.10", influx.Options{}, ""},
	} {
		got := "not asked"
		server := fake(t, tt.version, func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("Authorization")
			_, _ = io.WriteString(w, `{"results":[{}]}`)
		})
		tt.o.URL, tt.o.Database = server.URL, "db"
		if _, errs := ask(t, open(t, tt.o), last5m(rules.Latest)); errs[0] != nil || got != tt.want {
			t.Errorf("version %q: Authorization = %q (%v), want %q", tt.version, got, errs[0], tt.want)
		}
	}
}

func TestWhatRefusalsMean(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		code   rules.Code
		says   string
	}{
		{
			200, `{"results":[{"statement_id":0,"error":"unsupported mean iterator type"}]}`, rules.Invalid,
			"refuses the query: unsupported",
		},
		{200, `{"results":[{"statement_id":0,"error":"timeout"}]}`, rules.Unavailable, "could not finish"},
		{200, `{"results":[{"statement_id":0,"error":"database not found: db"}]}`, rules.Unavailable, "set database"},
		{200, `{"results":[{"statement_id":0,"partial":true}]}`, rules.Unavailable, "set max-row-limit"},
		{
			200,
			`{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[[1,2]],"partial":true}]}]}`, rules.Unavailable, "not whole",
		},
		{
			200,
			`{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[[1,2]]}]`, rules.Unavailable, "ends in the middle",
		},
		{
			200,
			`{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time"],"values":[[1]]}]}]}`,
			rules.Unavailable, "columns",
		},
		{200, `{"results":[{"statement_id":7}]}`, rules.Unavailable, "statement 7"},
		{200, `{"results":[]}`, rules.Unavailable, "could not finish"},
		{200, `<html>log in first</html>`, rules.Unavailable, "login page"},
		{200, `log in first`, rules.Unavailable, "not JSON"},
		{200, `{"error":"error parsing query: found x"}`, rules.Invalid, "found x"},
		{400, `{"error":"error parsing query: found x"}`, rules.Invalid, "found x"},
		{401, `{"error":"authorization failed"}`, rules.Unavailable, "token_file"},
		{403, `{"code":"forbidden","message":"no"}`, rules.Unavailable, "token_file"},
		{404, `{"code":"not found","message":"bucket \"db\" not found"}`, rules.Unavailable, "DBRP"},
		{429, ``, rules.Unavailable, "Too Many Requests"},
		{503, `busy`, rules.Unavailable, "busy"},
	} {
		server := fake(t, "1.8.10", says(tt.status, tt.body))
		_, errs := ask(t, open(t, influx.Options{URL: server.URL, Database: "db"}), last5m(rules.Latest))
		if err := errs[0]; rules.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%d %s: %v, want code %s and %q", tt.status, tt.body, err, tt.code, tt.says)
		}
	}
}

func TestNoErrorShowsASecret(t *testing.T) {
	const canary = "c4n4ry/+="
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			w.Header().Set("Location", "http://user:"+canary+"@elsewhere.invalid/")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"error":"you said %s %s %s"}`, r.Header.Get("Authorization"), user, password)
		}
	}
	var servers []string
	for _, status := range []int{200, 302, 307, 400, 401, 403, 404, 429, 500} {
		servers = append(servers, fake(t, "2.7.1", echo(status)).URL)
	}
	dead := httptest.NewServer(nil)
	dead.Close()
	servers = append(servers, dead.URL, "http://host.invalid:1", "ftp://u:"+canary+"@x", "http://u:"+canary+"@",
		"://"+canary, "http://u:"+canary+"@h:port", "http://h/?p="+canary)
	for _, url := range servers {
		for _, o := range []influx.Options{
			{Token: rules.NewSecret(canary)},
			{Token: rules.NewSecret("u:" + canary)},
			{Username: "u", Password: rules.NewSecret(canary)},
			{URL: strings.Replace(url, "://", "://u:c4n4ry%2F+=@", 1)},
		} {
			if o.URL == "" {
				o.URL = url
			}
			o.Database = "db"
			for _, err := range everyError(t, o) {
				if err == nil {
					t.Errorf("%s answers no error", url)
				} else if text := err.Error(); strings.Contains(text, "c4n4ry") || strings.Contains(text, "dTpjNG40cnk") {
					t.Errorf("the error shows the secret: %v", err)
				}
			}
		}
	}
}

// everyError is what can go wrong with a client.
func everyError(t *testing.T, o influx.Options) []error {
	c, err := influx.New(o)
	if err != nil {
		return []error{err}
	}
	defer func() { _ = c.Close() }()
	_, fields := c.Fields(t.Context(), "cpu")
	return append(c.Query(t.Context(), []evaluator.Query{last5m(rules.Mean), last5m(rules.Latest)},
		func(int, evaluator.Row) {}), fields)
}

func TestPingTellsWhatAnswers(t *testing.T) {
	for version, want := range map[string]string{
		"1.8.10": "InfluxDB 1.8.10", "v2.7.1": "InfluxDB 2.7.1", "": "InfluxDB",
		"secret proxy": "InfluxDB",
	} {
		server := fake(t, version, says(200, `{"results":[{}]}`))
		if got, err := open(t, influx.Options{URL: server.URL, Database: "db"}).Ping(t.Context()); err != nil || got != want {
			t.Errorf("version %q: ping = %q, %v; want %q", version, got, err, want)
		}
	}
	three := httptest.NewServer(says(200, `{"version":"3.2.0","revision":"x","results":[{}]}`))
	defer three.Close()
	if got, err := open(t, influx.Options{URL: three.URL, Database: "db"}).Ping(t.Context()); err != nil ||
		got != "InfluxDB 3.2.0" {
		t.Errorf("version in the body: ping = %q, %v", got, err)
	}
}

func TestABadStatementBlanksNobody(t *testing.T) {
	requests := 0
	server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
		requests++
		_, _ = io.WriteString(w, blanking(strings.Split(r.FormValue("q"), ";")))
	})
	var queries []evaluator.Query
	for i := range 40 {
		q := last5m(rules.Latest)
		if i == 7 || i == 8 || i == 39 {
			q.Measurement = "bad"
		}
		queries = append(queries, q)
	}
	values, errs := ask(t, open(t, influx.Options{URL: server.URL, Database: "db"}), queries...)
	for i, q := range queries {
		if q.Measurement == "bad" {
			if rules.CodeOf(errs[i]) != rules.Invalid || !strings.Contains(errs[i].Error(), "its own words") {
				t.Errorf("query %d: %v, want the server's own words", i, errs[i])
			}
		} else if errs[i] != nil || values[i]["host=a"] != 2 {
			t.Errorf("query %d: %v, %v; want 2", i, values[i], errs[i])
		}
	}
	if requests > 7 {
		t.Errorf("%d requests for 3 bad statements, want at most 7", requests)
	}
}

// blanking answers as InfluxDB 1.x does: the first bad statement loses its
// words, unless it is alone, and those behind it are missing.
func blanking(statements []string) string {
	var results []string
	for i, s := range statements {
		switch bad := strings.Contains(s, `FROM "bad"`); {
		case bad && len(statements) == 1:
			results = append(results, `{"statement_id":0,"error":"its own words"}`)
		case bad:
			results = append(results, fmt.Sprintf(`{"statement_id":%d,"error":"not executed"}`, i))
		default:
			results = append(results,
				fmt.Sprintf(`{"statement_id":%d,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[[1,2]]}]}`, i))
			continue
		}
		return `{"results":[` + strings.Join(results, ",") + `]}`
	}
	return `{"results":[` + strings.Join(results, ",") + `]}`
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Int32
	other := fake(t, "", func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	server := fake(t, "2.7.1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, errs := ask(t, open(t, influx.Options{URL: server.URL, Database: "db", Token: rules.NewSecret("canary")}),
		last5m(rules.Latest))
	if rules.CodeOf(errs[0]) != rules.Unavailable || followed.Load() != 0 {
		t.Errorf("error = %v after %d requests elsewhere, want unavailable after none", errs[0], followed.Load())
	}
}

func TestASlowServerIsUnavailable(t *testing.T) {
	for name, slow := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { hang(r) },
		"in the answer": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"results":[`)
			w.(http.Flusher).Flush()
			hang(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := fake(t, "", slow)
			_, errs := ask(t, open(t, influx.Options{URL: server.URL, Database: "db", Timeout: 30 * time.Millisecond}),
				last5m(rules.Latest))
			if rules.CodeOf(errs[0]) != rules.Unavailable || !strings.Contains(errs[0].Error(), "in time") {
				t.Errorf("error = %v, want unavailable, not in time", errs[0])
			}
		})
	}
}

// hang reads the request, without which nobody notices that the client left,
// and waits until it does.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestAtMostSoManyRequestsAtOnce(t *testing.T) {
	var now, most, requests atomic.Int32
	var meet sync.WaitGroup
	meet.Add(2)
	server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		if requests.Add(1) <= 2 {
			meet.Done()
			meet.Wait() // two are on their way together, or this never ends
		}
		defer now.Add(-1)
		n := 1 + strings.Count(r.FormValue("q"), ";")
		_, _ = io.WriteString(w, `{"results":[`+strings.TrimSuffix(strings.Repeat(`{},`, n), ",")+`]}`)
	})
	queries := make([]evaluator.Query, 501)
	for i := range queries {
		queries[i] = last5m(rules.Latest)
	}
	c := open(t, influx.Options{URL: server.URL, Database: "db", Concurrency: 2})
	for i, err := range c.Query(t.Context(), queries, func(int, evaluator.Row) {}) {
		if err != nil {
			t.Fatalf("query %d: %v", i, err)
		}
	}
	if most.Load() != 2 || requests.Load() != 4 {
		t.Errorf("%d requests, %d at once; want 4 of at most 200 statements, 2 at once", requests.Load(), most.Load())
	}
}

func TestACallThatIsGivenUpEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := fake(t, "", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		hang(r)
	})
	c := open(t, influx.Options{URL: server.URL, Database: "db", Timeout: time.Hour})
	for i, err := range c.Query(ctx, []evaluator.Query{last5m(rules.Latest), last5m(rules.Mean)},
		func(int, evaluator.Row) {}) {
		if rules.CodeOf(err) != rules.Unavailable {
			t.Errorf("query %d: %v, want unavailable", i, err)
		}
	}
}

func TestManyCallersShareAClient(t *testing.T) {
	server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"`+
			r.FormValue("q")[13:14]+`"},"columns":["time","v0"],"values":[[1,2]]}]}]}`)
	})
	c := open(t, influx.Options{URL: server.URL, Database: "db"})
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			q := last5m(rules.Latest)
			q.Columns[0].Field = string(rune('a' + i))
			for range 50 {
				values, errs := ask(t, c, q)
				if errs[0] != nil || values[0]["host="+q.Columns[0].Field] != 2 {
					t.Errorf("caller %d got %v, %v", i, values, errs[0])
				}
			}
		})
	}
	callers.Wait()
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for _, tt := range []struct {
		o    influx.Options
		says string
	}{
		{influx.Options{Database: "db"}, "url"},
		{influx.Options{URL: "127.0.0.1:8086", Database: "db"}, "url"},
		{influx.Options{URL: "http://h:8086?db=x", Database: "db"}, "url"},
		{influx.Options{URL: "http://h:8086"}, "database"},
	} {
		if _, err := influx.New(tt.o); rules.CodeOf(err) != rules.Invalid || !strings.HasPrefix(err.Error(), tt.says+":") {
			t.Errorf("New(%+v): %v, want a refusal of %s", tt.o, err, tt.says)
		}
	}
}
