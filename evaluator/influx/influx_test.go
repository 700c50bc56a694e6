package influx_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// open makes a client that is closed with the test.
func open(t testing.TB, o influx.Options) *influx.Client {
	t.Helper()
	c, err := influx.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// last5m asks for one aggregation of cpu.usage by host in the 5 min to noon.
func last5m(how rules.Aggregation) evaluator.Query {
	return evaluator.Query{
		Measurement: "cpu", Columns: []evaluator.Column{{Field: "usage", Aggregation: how}}, GroupBy: []string{"host"},
		From: noon.Add(-5 * time.Minute), To: noon,
	}
}

// ask returns the first value of each series and the errors.
func ask(t testing.TB, c *influx.Client, queries ...evaluator.Query) (values []map[string]float64, errs []error) {
	t.Helper()
	values = make([]map[string]float64, len(queries))
	errs = c.Query(t.Context(), queries, func(query int, row evaluator.Row) {
		if values[query] == nil {
			values[query] = map[string]float64{}
		}
		values[query][string(row.Series)] = row.Values[0]
	})
	return values, errs
}

func point(host, fields string, before time.Duration) string {
	return fmt.Sprintf("cpu,host=%s %s %d", host, fields, noon.Add(-before).UnixNano())
}

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, lines []string) evaluator.Source {
		server := sourcetest.Influxd(t)
		server.Write(lines...)
		return open(t, influx.Options{URL: server.URL, Database: server.DB, Retention: "autogen"})
	})
}

func TestAnOutageIsUnavailableAndPasses(t *testing.T) {
	server := sourcetest.Influxd(t)
	server.Write(point("a", "usage=7", time.Minute))
	c := open(t, influx.Options{URL: server.URL, Database: server.DB, Token: rules.NewSecret("canary")})
	server.Stop()
	_, errs := ask(t, c, last5m(rules.Latest), last5m(rules.Mean))
	for _, err := range errs {
		if rules.CodeOf(err) != rules.Unavailable || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("while down: %v, want unavailable", err)
		}
	}
	if _, err := c.Ping(t.Context()); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("ping while down: %v, want unavailable", err)
	}
	server.Start()
	for range 2 {
		values, errs := ask(t, c, last5m(rules.Mean))
		if errs[0] != nil || values[0]["host=a"] != 7 {
			t.Fatalf("back again: %v, %v; want 7", values, errs[0])
		}
		server.Stop() // between two queries nobody notices, whatever became of the connection
		server.Start()
	}
	if version, err := c.Ping(t.Context()); err != nil || !strings.HasPrefix(version, "InfluxDB") {
		t.Errorf("ping = %q, %v", version, err)
	}
}

func TestAFieldThatChangesItsTypeIsNoticed(t *testing.T) {
	server := sourcetest.Influxd(t)
	server.Write(point("a", "usage=7", time.Minute), "other v=1 "+fmt.Sprint(noon.UnixNano()))
	c := open(t, influx.Options{URL: server.URL, Database: server.DB})
	other := last5m(rules.Mean)
	other.Measurement, other.Columns[0].Field = "other", "v"
	queries := []evaluator.Query{other, last5m(rules.Mean), other, last5m(rules.Count), other}
	check := func(what string, mean float64, code rules.Code) {
		t.Helper()
		values, errs := ask(t, c, queries...)
		for i := range queries {
			if i%2 == 0 && (errs[i] != nil || values[i]["host="] != 1) {
				t.Errorf("%s: query %d = %v, %v; want 1", what, i, values[i], errs[i])
			}
		}
		if got, ok := values[1]["host=a"]; rules.CodeOf(errs[1]) != code || code == "" && (!ok || math.Abs(got-mean) > 1e-9) {
			t.Errorf("%s: mean = %v, %v; want %v, %q", what, values[1], errs[1], mean, code)
		}
		if errs[3] != nil || values[3]["host=a"] == 0 {
			t.Errorf("%s: count = %v, %v", what, values[3], errs[3])
		}
	}
	check("a number", 7, "")
	server.Do("DROP MEASUREMENT cpu")
	server.Write(point("a", "usage=true", time.Minute), point("a", "usage=false", time.Second))
	check("a boolean", 0.5, "")
	server.Do("DROP MEASUREMENT cpu")
	server.Write(point("a", `usage="busy"`, time.Minute))
	values, errs := ask(t, c, last5m(rules.Latest))
	if errs[0] != nil || !math.IsNaN(values[0]["host=a"]) {
		t.Errorf("latest of text = %v, %v; want NaN", values, errs)
	}
}

// TestManyStepsOfATextAreItsTexts: nobody has asked for the type of the field
// before, and few points in many steps are read as points where they are numbers.
func TestManyStepsOfATextAreItsTexts(t *testing.T) {
	server := sourcetest.Influxd(t)
	var lines []string
	for minute := range 400 {
		lines = append(lines,
			point("a", fmt.Sprintf("state=%q", []string{"idle", "busy"}[minute/100%2]), time.Duration(minute)*time.Minute))
	}
	server.Write(lines...)
	c := open(t, influx.Options{URL: server.URL, Database: server.DB})
	q := evaluator.Query{
		Measurement: "cpu", Columns: []evaluator.Column{{Field: "state", Aggregation: rules.Latest}},
		GroupBy: []string{"host"},
		From:    noon.Add(-400 * time.Minute), To: noon, Step: time.Minute,
	}
	seen := map[string]int{}
	errs := c.Query(t.Context(), []evaluator.Query{q}, func(_ int, row evaluator.Row) {
		if len(row.Texts) == 1 {
			seen[row.Texts[0]]++
		}
	})
	if errs[0] != nil || seen["idle"] != 200 || seen["busy"] != 200 {
		t.Errorf("texts = %v, %v; want 200 of each", seen, errs[0])
	}
}

func TestAServerThatWantsAPasswordGetsIt(t *testing.T) {
	server := sourcetest.Influxd(t)
	server.Write(point("a", "usage=7", time.Minute))
	server.Secure("reader", "canary:secret")
	for _, tt := range []struct {
		name string
		o    influx.Options
		code rules.Code
	}{
		{"username and password", influx.Options{Username: "reader", Password: rules.NewSecret("canary:secret")}, ""},
		{"a token of both", influx.Options{Token: rules.NewSecret("reader:canary:secret")}, ""},
		{
			"both in the address",
			influx.Options{URL: strings.Replace(server.URL, "http://", "http://reader:canary%3Asecret@", 1)},
			"",
		},
		{"nothing", influx.Options{}, rules.Unavailable},
		{"a wrong password", influx.Options{Username: "reader", Password: rules.NewSecret("canary")}, rules.Unavailable},
		{"a wrong token", influx.Options{Token: rules.NewSecret("reader:canary")}, rules.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Database = server.DB
			if tt.o.URL == "" {
				tt.o.URL = server.URL
			}
			values, errs := ask(t, open(t, tt.o), last5m(rules.Mean))
			if rules.CodeOf(errs[0]) != tt.code || tt.code == "" && values[0]["host=a"] != 7 {
				t.Errorf("got %v, %v; want code %q", values, errs, tt.code)
			}
			if err := errs[0]; err != nil && (strings.Contains(err.Error(), "canary") ||
				!strings.Contains(err.Error(), "token_file")) {
				t.Errorf("the error shows a secret or no cure: %v", err)
			}
		})
	}
}

func TestWhatExplainWritesCanBeRun(t *testing.T) {
	server := sourcetest.Influxd(t)
	server.Write(point("a", "usage=7,on=true", time.Minute))
	c := open(t, influx.Options{URL: server.URL, Database: server.DB})
	q := last5m(rules.Mean)
	q.Columns = append(q.Columns, evaluator.Column{Field: "on", Aggregation: rules.Mean},
		evaluator.Column{Field: "usage", Aggregation: rules.Rate})
	q.Where = rules.Filter{"host": {"a", `it's "b"`}}
	q.Step = time.Minute
	if _, errs := ask(t, c, q); errs[0] != nil {
		t.Fatalf("query: %v", errs[0])
	}
	text := c.Explain(q)
	if answer := server.Do(text); strings.Count(answer, `"name":"cpu"`) != 3 ||
		!strings.Contains(text, "2026-03-02T11:55:00Z") {
		t.Errorf("%s\nanswers %s", text, answer)
	}
}

func TestADatabaseThatIsMissingTellsTheCure(t *testing.T) {
	server := sourcetest.Influxd(t)
	for _, o := range []influx.Options{{Database: "nowhere"}, {Database: server.DB, Retention: "nowhere"}} {
		o.URL = server.URL
		_, errs := ask(t, open(t, o), last5m(rules.Latest))
		if rules.CodeOf(errs[0]) != rules.Unavailable || !strings.Contains(errs[0].Error(), "; set ") {
			t.Errorf("%s %s: %v, want unavailable with a cure", o.Database, o.Retention, errs[0])
		}
	}
}

func BenchmarkQuery10000Series(b *testing.B) {
	server := sourcetest.Influxd(b)
	var lines []string
	for i := range 10_000 {
		lines = append(lines, point(fmt.Sprintf("server-%05d", i), fmt.Sprintf("usage=%d.5", i%100), time.Minute))
	}
	server.Write(lines...)
	c := open(b, influx.Options{URL: server.URL, Database: server.DB})
	for _, how := range []rules.Aggregation{rules.Mean, rules.Rate} {
		b.Run(string(how), func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				rows = 0
				if err := c.Query(b.Context(), []evaluator.Query{last5m(how)}, func(int, evaluator.Row) { rows++ })[0]; err != nil {
					b.Fatal(err)
				}
			}
			if rows != 10_000 {
				b.Fatalf("%d rows, want 10000", rows)
			}
		})
	}
}

// TestAnAnswerToSomethingElseIsNone: neither silence nor the values of another
// measurement may be taken for what was asked.
func TestAnAnswerToSomethingElseIsNone(t *testing.T) {
	const about = `{"results":[{"statement_id":%d,"series":[{"name":%q,"columns":["time","v"],"values":[[1,5]]}]}]}`
	for name, body := range map[string]string{
		"nothing":                `{}`,
		"no result":              `{"results":[]}`,
		"another statement":      fmt.Sprintf(about, 1, "m"),
		"of another measurement": fmt.Sprintf(about, 0, "other"),
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, body)
			}))
			defer server.Close()
			c, err := influx.New(influx.Options{URL: server.URL, Database: "db"})
			if err != nil {
				t.Fatal(err)
			}
			to := time.Unix(1_800_000_000, 0)
			rows := 0
			q := evaluator.Query{
				Measurement: "m", Columns: []evaluator.Column{{Field: "v", Aggregation: rules.Count}},
				From: to.Add(-time.Minute), To: to,
			}
			if errs := c.Query(t.Context(), []evaluator.Query{q}, func(int, evaluator.Row) {
				rows++
			}); rules.CodeOf(errs[0]) != rules.Unavailable || rows > 0 {
				t.Errorf("a query: %d rows, %v", rows, errs)
			}
			if name == "of another measurement" {
				return // a user's own statement may be about several
			}
			own := evaluator.Statement{
				Language: "influxql",
				Text:     `SELECT count(v) AS v FROM m WHERE time > $from AND time <= $to`, Column: "v", From: q.From, To: to,
			}
			if err := c.Read(t.Context(), own, func(evaluator.Row) { rows++ }); rules.CodeOf(err) != rules.Unavailable ||
				rows > 0 {
				t.Errorf("a statement: %d rows, %v", rows, err)
			}
		})
	}
}
