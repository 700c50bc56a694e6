package influx_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/influxql"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// own is a statement over the five minutes to noon, its value in v.
func own(text string, groupBy ...string) evaluator.Statement {
	return sourcetest.Own("influxql", noon, text, groupBy)
}

func TestOwnStatements(t *testing.T) {
	server := sourcetest.Influxd(t)
	server.Write(
		point("a", `usage=1,idle=90,mode="up",ok=true`, 5*time.Minute), // on $from: outside
		point("a", `usage=2,mode="up",ok=true`, 5*time.Minute-1),
		point("a", `usage=4,mode="down",ok=false`, 2*time.Minute),
		point("b", `usage=0.00012`, time.Minute),
		point("b", `usage=8,mode="idle"`, 0), // on $to: inside
		point("c", `usage=100`, -1),          // after $to
		fmt.Sprintf(`"odd\ name",host=a value=3 %d`, noon.UnixNano()),
	)
	c := open(t, influx.Options{URL: server.URL, Database: server.DB, Token: rules.NewSecret("canary:canary")})
	const window = " WHERE time > $from AND time <= $to"
	for _, tt := range []struct {
		name string
		s    evaluator.Statement
		want map[string]any
	}{
		{"the window is exact", own(`SELECT sum(usage) AS v FROM cpu` + window), map[string]any{"": 14.00012}},
		{
			"one row for each series", own(`SELECT max("usage") AS "v" FROM "cpu"`+window+` GROUP BY "host"`, "host"),
			map[string]any{"host=a": 4.0, "host=b": 8.0},
		},
		{
			"the last row counts", own(`SELECT usage AS v FROM cpu`+window+` GROUP BY host`, "host"),
			map[string]any{"host=a": 4.0, "host=b": 8.0},
		},
		{
			"the last in time, whatever the order",
			own(`SELECT usage AS v FROM cpu`+window+` GROUP BY host ORDER BY time DESC`, "host"),
			map[string]any{"host=a": 4.0, "host=b": 8.0},
		},
		{
			"bounds turned around", own(`select count(usage) as v from cpu where $from < time and ($to >= time)`),
			map[string]any{"": 4.0},
		},
		{
			"a bound a while before", own(`SELECT count(usage) AS v FROM cpu WHERE time > $from - 1m AND time <= $to`),
			map[string]any{"": 5.0},
		},
		{
			"text", own(`SELECT last(mode) AS v FROM cpu`+window+` GROUP BY host`, "host"),
			map[string]any{"host=a": "down", "host=b": "idle"},
		},
		{"booleans are 0 and 1", own(`SELECT last(ok) AS v FROM cpu` + window), map[string]any{"": 0.0}},
		{
			"a null is no number", own(`SELECT stddev(usage) AS v FROM cpu` + window + ` AND usage < 0.001`),
			map[string]any{"": "NaN"},
		},
		{
			"small numbers keep their digits",
			own(`SELECT count(usage) AS v FROM cpu` + window + ` AND usage < 0.000121 AND usage > 0.000119`),
			map[string]any{"": 1.0},
		},
		{
			"a subquery in the window of the whole",
			own(`SELECT max(m) AS v FROM (SELECT mean(usage) AS m FROM cpu GROUP BY host)` + window),
			map[string]any{"": 4.00006},
		},
		{
			"tags that a subquery made columns",
			own(`SELECT m AS v, host FROM (SELECT mean(usage) AS m FROM cpu`+window+` GROUP BY host)`, "host"),
			map[string]any{"host=a": 3.0, "host=b": 4.00006},
		},
		{"a tag that is missing is empty", own(`SELECT count(usage) AS v FROM cpu`+window+` GROUP BY rack, host`, "rack",
			"host"), map[string]any{"host=a,rack=": 2.0, "host=b,rack=": 2.0}},
		{
			"steps, of which the last counts",
			own(`SELECT mean(usage) AS v FROM cpu` + window + ` GROUP BY time(1m) fill(none)`),
			map[string]any{"": 8.0},
		},
		{
			"a regular expression", own(`SELECT sum(usage) AS v FROM /^c.u$/` + window + ` AND host =~ /^(a|x\/y)$/`),
			map[string]any{"": 6.0},
		},
		{"names that need quoting", own(`SELECT sum("value") AS v FROM "\"odd name\""` + window), map[string]any{"": 3.0}},
		{
			"its own database by name", own(`SELECT count(usage) AS v FROM "` + server.DB + `"."autogen".cpu` + window),
			map[string]any{"": 4.0},
		},
		{
			"comments are left out", own("SELECT count(usage) /* ; DROP */ AS v -- ; DROP DATABASE test\nFROM cpu" + window),
			map[string]any{"": 4.0},
		},
		{"a wildcard", evaluator.Statement{
			Language: "influxql", Text: `SELECT max(*) FROM cpu` + window, Column: "max_usage",
			From: noon.Add(-5 * time.Minute), To: noon,
		}, map[string]any{"": 8.0}},
		{"nothing in the window", own(`SELECT sum(usage) AS v FROM cpu` + window + ` AND host = 'nobody'`), map[string]any{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sourcetest.ReadAll(t, c, tt.s)
			if err != nil || !same(got, tt.want) {
				t.Errorf("%s\n= %v, %v; want %v", tt.s.Text, got, err, tt.want)
			}
		})
	}
	server.Do("SELECT * FROM cpu") // the database is still there
}

// same compares with tolerance for sums.
func same(got, want map[string]any) bool {
	for series, w := range want {
		g, ok := got[series]
		x, number := g.(float64)
		if y, numbers := w.(float64); !ok || number != numbers || numbers && math.Abs(x-y) > 1e-9 || !numbers && g != w {
			return false
		}
	}
	return len(got) == len(want)
}

const inWindow = " FROM cpu WHERE time > $from AND time <= $to"

func TestOwnStatementsThatAreRefused(t *testing.T) {
	c := open(t, influx.Options{URL: "http://127.0.0.1:1", Database: "home"})
	for _, tt := range []struct{ text, cure string }{
		{"", "must be one SELECT"},
		{"DROP DATABASE home", "must be one SELECT"},
		{"SHOW MEASUREMENTS", "must be one SELECT"},
		{"EXPLAIN SELECT mean(x) AS v" + inWindow, "must be one SELECT"},
		{"/* SELECT */ DROP DATABASE home", "must be one SELECT"},
		{
			"CREATE CONTINUOUS QUERY q ON home BEGIN SELECT mean(x) AS v INTO y" + inWindow + " GROUP BY time(1m) END",
			"must be one SELECT",
		},
		{"SELECT mean(x) AS v" + inWindow + ";", "without a ;"},
		{"SELECT mean(x) AS v" + inWindow + "; DROP DATABASE home", "something follows"},
		{"SELECT mean(x) AS v" + inWindow + "\n;\nSELECT mean(x) AS v" + inWindow, "something follows"},
		{"; SELECT mean(x) AS v" + inWindow, "must be one SELECT"},
		{"SELECT mean(x) AS v" + inWindow + " DROP DATABASE home", "something follows"},
		{"SELECT mean(x) AS v" + inWindow + " -- \n; DROP DATABASE home", "something follows"},
		{"SELECT mean(x) AS v" + inWindow + " /* */; DROP DATABASE home", "something follows"},
		{"SELECT mean(x) AS v" + inWindow + " /* /* */ DROP DATABASE home */", "something follows"},
		{"SELECT mean(x) AS v" + inWindow + " /* open", "something follows"},
		{`SELECT mean(x) AS v` + inWindow + ` AND h = 'a\'; DROP DATABASE home --'; DROP DATABASE home`, "something follows"},
		{`SELECT mean(x) AS v` + inWindow + ` AND h = 'a''; DROP DATABASE home`, "something follows"},
		{`SELECT mean(x) AS v` + inWindow + ` AND h = 'open`, "is no InfluxQL"},
		{"SELECT mean(x) AS v INTO copy" + inWindow, "INTO"},
		{"SELECT mean(x) AS v into \"copy\"" + inWindow, "INTO"},
		{"SELECT mean(x) AS v INTO home.autogen.:MEASUREMENT FROM /.*/ WHERE time > $from AND time <= $to", "INTO"},
		{"SELECT max(v) AS v FROM (SELECT mean(x) AS v INTO copy FROM cpu) WHERE time > $from AND time <= $to", "INTO"},
		{`SELECT "mean(x) FROM cpu; DROP DATABASE home; SELECT y"(x) AS v` + inWindow, "no function"},
		{
			`SELECT mean(x) AS v FROM other.autogen.cpu WHERE time > $from AND time <= $to`,
			`must not leave the database "home"`,
		},
		{`SELECT mean(x) AS v FROM other..cpu WHERE time > $from AND time <= $to`, `must not leave the database`},
		{`SELECT mean(x) AS v FROM other.autogen./.*/ WHERE time > $from AND time <= $to`, `must not leave the database`},
		{
			`SELECT max(v) AS v FROM (SELECT mean(x) AS v FROM "other"."autogen"."cpu") WHERE time > $from AND time <= $to`,
			`must not leave the database`,
		},
		{
			"SELECT mean(x) AS v FROM cpu WHERE time > $from - 100000w AND time <= $to",
			"must not look back or ahead further than 31d",
		},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from - 15000w - 15000w AND time <= $to", "further than 31d"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from - 30d - 1d AND time <= $to", "further than 31d"},
		{"SELECT mean(x) AS v FROM cpu WHERE $from - 32d < time AND (time <= $to)", "further than 31d"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from AND time <= $to + 32d", "further than 31d"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from + -100000w AND time <= $to", "further than 31d"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from - 9999999999999999999 AND time <= $to", "add WHERE time > $from"},
		{
			"SELECT max(v) AS v FROM (SELECT mean(x) AS v FROM cpu WHERE time > $from - 32d) WHERE time <= $to",
			"further than 31d",
		},
		{"SELECT mean(x) AS v" + inWindow + " GROUP BY time(1ms)", "more than 100000 rows"},
		{"SELECT max(v) AS v FROM (SELECT mean(x) AS v FROM cpu GROUP BY time(1u))" +
			" WHERE time > $from - 1d AND time <= $to", "more than 100000 rows"},
		{"SELECT mean(x) AS v FROM cpu", "add WHERE time > $from AND time <= $to"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from", "add WHERE"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from OR time <= $to", "not under an OR"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $from AND (time <= $to OR x > 3)", "not under an OR"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > $to AND time <= $from", "add WHERE"},
		{"SELECT mean(x) AS v FROM cpu WHERE host = $from AND time <= $to", "add WHERE"},
		{"SELECT mean(x) AS v FROM cpu WHERE TIME > $from AND TIME <= $to", "add WHERE"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > '$from' AND time <= '$to'", "add WHERE"},
		{"SELECT mean(x) AS v FROM cpu WHERE time > now() - 5m AND time <= now()", "write $to"},
		{"SELECT mean(x) AS v" + inWindow + " AND time > now() - 5m", "write $to"},
		{"SELECT mean(x) AS v" + inWindow + " AND host = $host", "the only parameters are"},
		{"SELECT mean(x) AS v" + inWindow + " AND host = $", "the only parameters are"},
		{"SELECT max(a) AS v FROM (SELECT x AS a FROM cpu WHERE time > $from AND time <= $to), mem", "add WHERE"},
		{"SELECT mean(x)" + inWindow, `"v" is not in the answer, which has mean`},
		{"SELECT mean(x) AS v" + inWindow + " GROUP BY host", `group_by: "rack"`},
		{`SELECT mean(x) AS v` + inWindow + ` AND h =~ /a\\/; DROP DATABASE home/ GROUP BY rack`, "x5c"},
		{`SELECT mean(x) AS v FROM /a\\\/; DROP DATABASE home/ WHERE time > $from AND time <= $to`, "x5c"},
		{"SELECT a / -x AS v" + inWindow + " GROUP BY rack", "without a doubt"},
		{"SELECT mean(x) AS v" + inWindow + " AND h = 'a\x00'; DROP DATABASE home", "control characters"},
		{"SELECT mean(x) AS v" + inWindow + " AND h = '\x7ffrom'", "control characters"},
		{"SELECT mean(x) AS v" + inWindow + " AND h = '\xff'", "UTF-8"},
		{"SELECT mean(x) AS v" + inWindow + strings.Repeat(" AND x > 1", 2000), "at most"},
	} {
		s := own(tt.text, "rack")
		err := c.CheckStatement(s)
		if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), tt.cure) {
			t.Errorf("%s\nerror = %v, want one with code invalid that says %q", tt.text, err, tt.cure)
		}
		if read := c.Read(t.Context(), s, func(evaluator.Row) {}); rules.CodeOf(read) != rules.Invalid {
			t.Errorf("%s\nwas asked: %v", tt.text, read)
		}
	}
	if err := c.CheckStatement(own("SELECT mean(x) AS v"+inWindow+" GROUP BY rack, host, time(1m)",
		"rack")); rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), `group_by: lacks "host"`) {
		t.Errorf("series that group_by does not tell apart: %v", err)
	}
	sql := own("SELECT mean(x) AS v" + inWindow)
	sql.Language = "sql"
	if err := c.CheckStatement(sql); rules.CodeOf(err) != rules.Invalid ||
		!strings.Contains(err.Error(), "must be influxql") {
		t.Errorf("SQL: %v", err)
	}
}

// recorder is a server that keeps the statement it was asked.
func recorder(t testing.TB) (c *influx.Client, asked func() string) {
	t.Helper()
	var last string
	server := fake(t, "", func(w http.ResponseWriter, r *http.Request) {
		last = r.FormValue("q")
		_, _ = io.WriteString(w, `{"results":[{}]}`)
	})
	return open(t, influx.Options{URL: server.URL, Database: "home"}), func() string { return last }
}

func TestWhatIsSentIsWhatWasRead(t *testing.T) {
	c, asked := recorder(t)
	const bounds = `WHERE time > '2026-03-02T11:55:00Z' AND time <= '2026-03-02T12:00:00Z'`
	for text, want := range map[string]string{
		"select mean( x ) AS v from cpu where time>$from and time<=$to": "SELECT mean(x) AS v FROM cpu " + bounds,
		"SELECT x * 0.00012 + 2.0 AS v" + inWindow:                      "SELECT x * 0.00012 + 2.0 AS v FROM cpu " + bounds,
		`SELECT DISTINCT "a b; DROP" ` + inWindow:                       `SELECT DISTINCT "a b; DROP" FROM cpu ` + bounds,
		`SELECT (a + b) * 3 AS v` + inWindow + ` AND h =~ /a\/b;c/ --x`: `SELECT (a + b) * 3 AS v FROM cpu ` + bounds +
			` AND h =~ /a\/b;c/`,
		`SELECT last(x) AS v FROM home..cpu WHERE time > $from - 1h AND time <= $to AND h = 'it\'s; -- "x"' GROUP BY time(1m), * fill(0) ORDER BY time DESC LIMIT 1 SLIMIT 5 TZ('Europe/Berlin')`: `SELECT last(x) AS v FROM home..cpu WHERE time > '2026-03-02T11:55:00Z' - 1h AND time <= '2026-03-02T12:00:00Z' AND h = 'it\'s; -- "x"' GROUP BY time(1m), * fill(0) ORDER BY time DESC LIMIT 1 SLIMIT 5 TZ('Europe/Berlin')`,
	} {
		if err := c.Read(t.Context(), own(text), func(evaluator.Row) {}); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := asked(); got != want {
			t.Errorf("%s\nwas sent as %s\nwant        %s", text, got, want)
		}
	}
}

func TestAnAnswerWithTooManyRowsTellsTheCure(t *testing.T) {
	answer := `{"results":[{"series":[{"name":"cpu","columns":["time","v"],"values":[[1,2]` +
		strings.Repeat(`,[1,2]`, 100_000) + `]}]}]}`
	c := open(t, influx.Options{URL: fake(t, "", says(http.StatusOK, answer)).URL, Database: "home"})
	if _, err := sourcetest.ReadAll(t, c, own("SELECT x AS v"+inWindow)); rules.CodeOf(err) != rules.Invalid ||
		!strings.Contains(err.Error(), "LIMIT 1") {
		t.Errorf("error = %v, want invalid with a cure", err)
	}
}

func TestAColumnThatDidNotComeIsNamed(t *testing.T) {
	answer := `{"results":[{"series":[{"name":"cpu","columns":["time","max_a","max_b"],"values":[[1,2,3]]}]}]}`
	c := open(t, influx.Options{URL: fake(t, "", says(http.StatusOK, answer)).URL, Database: "home"})
	if _, err := sourcetest.ReadAll(t, c, own("SELECT max(*)"+inWindow)); rules.CodeOf(err) != rules.Invalid ||
		!strings.Contains(err.Error(), "max_a, max_b") {
		t.Errorf("error = %v, want the names of the columns", err)
	}
}

func TestReadKeepsTheTokenAndTellsOutagesApart(t *testing.T) {
	token := rules.NewSecret("canary-token")
	for _, tt := range []struct {
		status int
		body   string
		code   rules.Code
	}{
		{http.StatusOK, `{"results":[{"error":"no function canary-token"}]}`, rules.Invalid},
		{http.StatusBadRequest, `{"error":"error parsing canary-token"}`, rules.Invalid},
		{http.StatusUnauthorized, `{"error":"canary-token is wrong"}`, rules.Unavailable},
		{http.StatusServiceUnavailable, `canary-token`, rules.Unavailable},
		{http.StatusOK, `{"results":[{"series":[{"na`, rules.Unavailable},
	} {
		c := open(t, influx.Options{URL: fake(t, "", says(tt.status, tt.body)).URL, Database: "home", Token: token})
		_, err := sourcetest.ReadAll(t, c, own("SELECT x AS v"+inWindow))
		if rules.CodeOf(err) != tt.code || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d %s: error = %v, want %s without the token", tt.status, tt.body, err, tt.code)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := open(t, influx.Options{URL: "http://127.0.0.1:1", Database: "home", Token: token})
	if err := c.Read(ctx, own("SELECT x AS v"+inWindow), func(evaluator.Row) {}); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("cancelled: %v, want unavailable", err)
	}
}

func FuzzCheckStatement(f *testing.F) {
	c, asked := recorder(f)
	for _, text := range []string{
		"SELECT mean(x) AS v" + inWindow, `SELECT DISTINCT "a;b"` + inWindow, `SELECT a / -b AS v` + inWindow,
		"SELECT x INTO y" + inWindow,
		`SELECT "f(x); DROP DATABASE y"(x) AS v` + inWindow, `SELECT -x * 1e3 AS v FROM (SELECT * FROM /a\/;b/)` +
			" WHERE time > $from AND time <= $to TZ('UTC')",
		`SELECT top(x, h, 3), 0.1 AS v, a::tag, *::field FROM "a""b".."c" WHERE ((time >= $from - 5m AND time < $to)) AND h = 'x\'y' GROUP BY time(1m, 1s), /r/ fill(0.5)`,
		"SELECT x -- y\n" + inWindow + "/*;*/", "SELECT x\r\n" + inWindow + ";", `SELECT x AS "v"` + inWindow +
			` AND h != '` + "\u2028" + `' LIMIT 1`,
		"SELECT -9223372036854775808 + 18446744073709551615 AS v" + inWindow, "SELECT x - - 3d AS v" + inWindow,
		"SELECT percentile(x, 1.5), y.z AS v" + inWindow,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := own(text)
		if c.CheckStatement(s) != nil {
			return
		}
		if err := c.Read(t.Context(), s, func(evaluator.Row) {}); err != nil {
			t.Fatalf("%q was let through and could not be asked: %v", text, err)
		}
		query, err := influxql.ParseQuery(asked())
		if err != nil || len(query.Statements) != 1 {
			t.Fatalf("%q was sent as %q, which is %v, %v", text, asked(), query, err)
		}
		readsOnly(t, query.Statements[0])
		if again, err := influxql.ParseQuery(query.String()); err == nil &&
			reflect.TypeOf(again.Statements[0]) != reflect.TypeOf(query.Statements[0]) {
			t.Fatalf("%q is printed as %q", asked(), query)
		}
	})
}

func readsOnly(t *testing.T, statement influxql.Statement) {
	sel, ok := statement.(*influxql.SelectStatement)
	if !ok || sel.Target != nil {
		t.Fatalf("%q is no SELECT without INTO", statement)
	}
	for _, source := range sel.Sources {
		switch source := source.(type) {
		case *influxql.SubQuery:
			readsOnly(t, source.Statement)
		case *influxql.Measurement:
			if source.Database != "" && source.Database != "home" {
				t.Fatalf("%q reads another database", statement)
			}
		}
	}
}

// TestHowFarAStatementMayLookIsSaidInItsRule: 31 days, or as long as its window.
func TestHowFarAStatementMayLookIsSaidInItsRule(t *testing.T) {
	c := open(t, influx.Options{URL: "http://127.0.0.1:1", Database: "home"})
	for _, tt := range []struct {
		window time.Duration
		text   string
		fits   bool
	}{
		{5 * time.Minute, "$from - 30d", true},
		{5 * time.Minute, "($from - 4w) - 2d", true},
		{5 * time.Minute, "$from - 100d + 90d", true},
		{5 * time.Minute, "$from - 31d", false},
		{90 * 24 * time.Hour, "$from", true},
		{90 * 24 * time.Hour, "$from - 1s", false},
	} {
		s := own("SELECT mean(x) AS v FROM cpu WHERE time > " + tt.text + " AND time <= $to GROUP BY time(10m)")
		if s.From = s.To.Add(-tt.window); (c.CheckStatement(s) == nil) != tt.fits {
			t.Errorf("%s of a window of %s: %v, want that it fits: %t", tt.text, tt.window, c.CheckStatement(s), tt.fits)
		}
	}
}
