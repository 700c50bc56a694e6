package influx3_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// own is a statement over the five minutes to noon, its value in v.
func own(text string, groupBy ...string) evaluator.Statement {
	return sourcetest.Own("sql", noon, text, groupBy)
}

// line is a point of cpu some time before noon.
func line(tags, fields string, before time.Duration) string {
	return fmt.Sprintf("cpu,%s %s %d", tags, fields, noon.Add(-before).UnixNano())
}

// nothing is an answer without rows.
func nothing(string) ([]arrow.RecordBatch, error) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.PrimitiveTypes.Float64}}, nil)
	return []arrow.RecordBatch{array.NewRecordBuilder(memory.DefaultAllocator, schema).NewRecordBatch()}, nil
}

const inWindow = " FROM cpu WHERE time > $from AND time <= $to"

func TestOwnStatementsOverDataFusion(t *testing.T) {
	engine := startDataFusion(t)
	engine.load(t, []string{
		line("host=a,dc=x", `usage=1,mode="up",ok=true`, 5*time.Minute), // on $from: outside
		line("host=a,dc=x", `usage=2,mode="up",ok=true`, 5*time.Minute-1),
		line("host=a,dc=x", `usage=4,mode="it's; --",ok=false`, 2*time.Minute),
		line("host=b", `usage=0.5,cores=4i`, time.Minute),
		line("host=b", `usage=8,mode="idle"`, 0), // on $to: inside
		line("host=c", `usage=100`, -1),          // after $to
	})
	c := serve(t, engine.answer).client(t)
	for _, tt := range []struct {
		name string
		s    evaluator.Statement
		want map[string]any
	}{
		{"the window is exact", own(`SELECT sum(usage) AS v` + inWindow), map[string]any{"": 14.5}},
		{
			"one row for each series", own(`select host, max("usage") as "v"`+inWindow+` GROUP BY host;`, "host"),
			map[string]any{"host=a": 4.0, "host=b": 8.0},
		},
		{
			"the last row in time counts", own(`SELECT time, host, usage AS v`+inWindow+` ORDER BY time DESC`, "host"),
			map[string]any{"host=a": 4.0, "host=b": 8.0},
		},
		{
			"a bound a while before",
			own(`SELECT count(*) AS v FROM cpu WHERE time > $from - INTERVAL '1 minute' AND time <= $to`),
			map[string]any{"": 5.0},
		},
		{
			"text", own(`SELECT last_value(mode ORDER BY time) AS v` + inWindow + ` AND mode IS NOT NULL AND host = 'a'`),
			map[string]any{"": "it's; --"},
		},
		{
			"booleans are 0 and 1", own(`SELECT ok AS v` + inWindow + ` AND ok IS NOT NULL ORDER BY time LIMIT 1`),
			map[string]any{"": 1.0},
		},
		{"a null is no number", own(`SELECT sum(usage) AS v` + inWindow + ` AND host = 'nobody'`), map[string]any{"": "NaN"}},
		{
			"a tag that is null is empty", own(`SELECT dc, host, count(*) AS v`+inWindow+` GROUP BY dc, host`, "host", "dc"),
			map[string]any{"dc=x,host=a": 2.0, "dc=,host=b": 2.0},
		},
		{
			"a number as label", own(`SELECT cores, max(usage) AS v`+inWindow+` AND cores > 0 GROUP BY cores`, "cores"),
			map[string]any{"cores=4": 0.5},
		},
		{"a WITH, comments and quotes", own("WITH \"odd ; name\" AS (SELECT usage /* ; DROP /* nested */ */" + inWindow +
			") -- ; DROP\n SELECT max(usage) AS v FROM \"odd ; name\""), map[string]any{"": 8.0}},
		{"a small integer", own(`SELECT CAST(max(usage) AS INT) AS v` + inWindow), map[string]any{"": 8.0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sourcetest.ReadAll(t, c, tt.s)
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("%s\n= %v, %v; want %v", tt.s.Text, got, err, tt.want)
			}
			for series, want := range tt.want {
				if got[series] != want {
					t.Errorf("%s\n= %v; want %v", tt.s.Text, got, tt.want)
				}
			}
		})
	}
	for cure, s := range map[string]evaluator.Statement{
		`"v" is not in the answer, which has`:   own(`SELECT max(usage)` + inWindow),
		`"host" is not in the answer`:           own(`SELECT max(usage) AS v`+inWindow, "host"),
		`of a type that is no value: timestamp`: own(`SELECT max(time) AS v` + inWindow),
		`refuses the query; explain shows`:      own(`SELECT nonsense(usage) AS v` + inWindow),
	} {
		if _, err := sourcetest.ReadAll(t, c, s); rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), cure) {
			t.Errorf("%s\nerror = %v, want one with code invalid that says %q", s.Text, err, cure)
		}
	}
}

func TestOwnStatementsThatAreRefused(t *testing.T) {
	s := serve(t, nothing)
	c := s.client(t)
	for _, tt := range []struct{ text, cure string }{
		{"", "must be one SELECT"},
		{";", "must be one SELECT"},
		{"DROP TABLE cpu", "must be one SELECT"},
		{"(SELECT avg(x) AS v" + inWindow + ")", "must be one SELECT"},
		{"EXPLAIN SELECT avg(x) AS v" + inWindow, "must be one SELECT"},
		{"/* SELECT */ DROP TABLE cpu", "must be one SELECT"},
		{"-- SELECT\nDELETE FROM cpu", "must be one SELECT"},
		{`"SELECT" avg(x) AS v` + inWindow, "must be one SELECT"},
		{"SHOW TABLES", "must be one SELECT"},
		{"SELECT avg(x) AS v" + inWindow + "; DROP TABLE cpu", "leave out what follows"},
		{"SELECT avg(x) AS v" + inWindow + ";;", "leave out what follows"},
		{"SELECT avg(x) AS v" + inWindow + "; -- \nSELECT 1", "leave out what follows"},
		{"SELECT avg(x) AS v" + inWindow + " /* ' */; DROP TABLE cpu /* ' */", "leave out what follows"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = 'a'';' ; DROP TABLE cpu", "leave out what follows"},
		{"SELECT avg(x) AS v" + inWindow + " -- '\n; DROP TABLE cpu -- '", "leave out what follows"},
		{"SELECT avg(x) AS v INTO copy" + inWindow, "INTO does not"},
		{"SELECT avg(x) AS v in/**/to y" + inWindow + " insert", "INSERT does not"},
		{"WITH x AS (SELECT 1) INSERT INTO y SELECT avg(x) AS v" + inWindow, "INSERT does not"},
		{"WITH x AS (DELETE FROM cpu RETURNING *) SELECT v" + inWindow, "DELETE does not"},
		{"SELECT avg(x) AS v" + inWindow + " FOR UPDATE", "UPDATE does not"},
		{"SELECT set AS v" + inWindow, "double quotes"},
		{`SELECT avg(x) AS v` + inWindow + ` AND h = 'a\'; DROP TABLE cpu --'`, "chr(92)"},
		{`SELECT '\' || '; DROP TABLE cpu; --' AS v` + inWindow, "chr(92)"},
		{`SELECT "\"" AS v` + inWindow, "chr(92)"},
		{`SELECT E'\n' AS v` + inWindow, "put a space"},
		{`SELECT U&'x' AS v` + inWindow, "put a space"},
		{`SELECT n"x" AS v` + inWindow, "put a space"},
		{`SELECT $$'$$; DROP TABLE cpu; SELECT $$'$$ AS v` + inWindow, "the only parameters"},
		{`SELECT $from$ ; DROP TABLE cpu $from$ AS v` + inWindow, "the only parameters"},
		{`SELECT a$from AS v` + inWindow, "the only parameters"},
		{"SELECT `;` AS v" + inWindow, "outside of quotes"},
		{"SELECT 1 AS v # ; DROP\n" + inWindow, "outside of quotes"},
		{"SELECT 1 AS v // ; DROP\n" + inWindow, "outside of quotes"},
		{"SELECT @@version AS v" + inWindow, "outside of quotes"},
		{"SELECT ? AS v" + inWindow, "outside of quotes"},
		{"SELECT größe AS v" + inWindow, "outside of quotes"},
		{"SELECT 1\u00a0AS v" + inWindow, "outside of quotes"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = $host", "the only parameters"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = $FROM", "the only parameters"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = $1", "the only parameters"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = 'open", "without an end"},
		{`SELECT avg(x) AS v` + inWindow + ` AND "open`, "without an end"},
		{"SELECT avg(x) AS v" + inWindow + " /* /* */", "without an end"},
		{"SELECT avg(x) AS v FROM cpu", "add WHERE time > $from AND time <= $to"},
		{"SELECT avg(x) AS v FROM cpu WHERE time > $from", "add WHERE"},
		{"SELECT avg(x) AS v FROM cpu WHERE time > $from AND h = '$to' -- $to", "add WHERE"},
		{`SELECT avg(x) AS v FROM cpu WHERE time > $from AND "$to"`, "add WHERE"},
		{"SELECT avg(x) AS v" + inWindow + " AND time > now () - INTERVAL '1 hour'", "write $to"},
		{"SELECT avg(x) AS v" + inWindow + " AND time > current_timestamp", "write $to"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = 'a\x00'", "control characters"},
		{"SELECT avg(x) AS v" + inWindow + " AND h = '\xff'", "UTF-8"},
		{"SELECT avg(x) AS v" + inWindow + strings.Repeat(" AND x > 1", 2000), "at most"},
	} {
		st := own(tt.text)
		err := c.CheckStatement(st)
		if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), tt.cure) {
			t.Errorf("%s\nerror = %v, want one with code invalid that says %q", tt.text, err, tt.cure)
		}
		if read := c.Read(t.Context(), st, func(evaluator.Row) {}); rules.CodeOf(read) != rules.Invalid {
			t.Errorf("%s\nwas asked: %v", tt.text, read)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("the server was asked %q", s.asked)
	}
	for _, st := range []evaluator.Statement{
		{Language: "influxql", Text: "SELECT 1", Column: "v"},
		{Language: "sql", Text: "SELECT v" + inWindow},
	} {
		if err := c.CheckStatement(st); rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%+v: error = %v, want invalid", st, err)
		}
	}
}

func TestWhatIsSentIsWhatWasRead(t *testing.T) {
	s := serve(t, nothing)
	c := s.client(t)
	const from, to = "TIMESTAMP '2026-03-02T11:55:00.000000000Z'", "TIMESTAMP '2026-03-02T12:00:00.000000000Z'"
	for text, want := range map[string]string{
		"\n SELECT/*x*/avg(x)AS v FROM cpu WHERE time>$from AND time<=$to ; -- end":                                                                        "SELECT avg(x)AS v FROM cpu WHERE time>" + from + " AND time<=" + to,
		"SELECT '$from; -- ''x''' AS v, \"a\"\"$to\", 1-/**/-1, x::int, m['k'] -- no\nFROM cpu WHERE time BETWEEN $from AND $to AND regexp_like(h, '\\d')": "SELECT '$from; -- ''x''' AS v, \"a\"\"$to\", 1- -1, x::int, m['k']  FROM cpu WHERE time BETWEEN " + from + " AND " + to + ` AND regexp_like(h, '\d')`,
	} {
		s.asked = nil
		if err := c.Read(t.Context(), own(text), func(evaluator.Row) {}); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !slices.Equal(s.asked, []string{want}) {
			t.Errorf("%s\nwas sent as %q\nwant        %q", text, s.asked, want)
		}
	}
}

func TestAnAnswerWithTooManyRowsTellsTheCure(t *testing.T) {
	b := array.NewRecordBuilder(memory.DefaultAllocator,
		arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.PrimitiveTypes.Float64}}, nil))
	for range 50_001 {
		b.Field(0).(*array.Float64Builder).Append(1)
	}
	half := b.NewRecordBatch()
	s := serve(t, func(string) ([]arrow.RecordBatch, error) { return []arrow.RecordBatch{half, half}, nil })
	if _, err := sourcetest.ReadAll(t, s.client(t), own("SELECT x AS v"+inWindow)); rules.CodeOf(err) != rules.Invalid ||
		!strings.Contains(err.Error(), "LIMIT") {
		t.Errorf("error = %v, want invalid with a cure", err)
	}
}

func TestReadKeepsTheToken(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.Unauthenticated, codes.Unavailable, codes.Internal} {
		s := serve(t, func(string) ([]arrow.RecordBatch, error) { return nil, status.Error(code, "you sent Bearer "+token) })
		_, err := sourcetest.ReadAll(t, s.client(t), own("SELECT x AS v"+inWindow))
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), token) {
			t.Errorf("%s: error = %v, want one without the token", code, err)
		}
	}
}

var (
	inQuotes = regexp.MustCompile(`'(?:[^']|'')*'|"(?:[^"]|"")*"`)
	harm     = regexp.MustCompile("(?i)[;$\\\\`#@?{}]|--|/\\*|//|[^\\x00-\\x7f]|\\b(insert|update|delete|drop|create|alter|copy|into|set|explain|call|execute)\\b")
)

func FuzzCheckStatement(f *testing.F) {
	s := serve(f, nothing)
	c := s.client(f)
	for _, text := range []string{
		"SELECT avg(x) AS v" + inWindow + ";", "WITH a AS (SELECT 1) SELECT '--''' AS v" + inWindow + " /* /* ; */ */",
		`SELECT "a""b;" AS v` + inWindow + "--\n",
		"SELECT 1/**//1, 1-/*-*/-1 AS v" + inWindow, "SELECT '\\' AS v" + inWindow, "SELECT E'' AS v" + inWindow,
		"SELECT $from$to AS v" + inWindow, "SELECT\t1.e5 AS v\r" + inWindow,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c.CheckStatement(own(text)) != nil {
			return
		}
		s.asked = nil
		if err := c.Read(t.Context(), own(text), func(evaluator.Row) {}); err != nil || len(s.asked) != 1 {
			t.Fatalf("%q was let through and could not be asked: %v", text, err)
		}
		sent := s.asked[0]
		bare := inQuotes.ReplaceAllString(sent, " ")
		if strings.ContainsAny(bare, `'"`) || harm.MatchString(bare) {
			t.Fatalf("%q was sent as %q, of which %q stands outside of quotes", text, sent, bare)
		}
		if first := strings.ToUpper(bare); !strings.HasPrefix(first, "SELECT") && !strings.HasPrefix(first, "WITH") {
			t.Fatalf("%q was sent as %q", text, sent)
		}
	})
}
