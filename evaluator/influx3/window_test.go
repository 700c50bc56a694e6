package influx3_test

import (
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TestAStatementKeepsToTheWindow: every SELECT that reads a table, by what
// always holds, and no further off than the rule says.
func TestAStatementKeepsToTheWindow(t *testing.T) {
	c := serve(t, nothing).client(t)
	const far, loose = "must not look back or ahead further than 31d",
		"must be limited to the window wherever it reads a table"
	for text, cure := range map[string]string{
		`SELECT max(x) AS v FROM cpu WHERE time > $from AND time <= $to`:                                                       "",
		`select max(x) as v from cpu where $to >= "time" and $from < time group by host order by 1 limit 1`:                    "",
		`SELECT max(x) AS v FROM cpu WHERE time BETWEEN $from AND $to AND x > 3`:                                               "",
		`SELECT max(x) AS v FROM cpu WHERE (time >= $from AND (time < $to)) AND (host = 'a' OR host = 'b')`:                    "",
		`SELECT max(x) AS v FROM cpu AS c WHERE c.time > $from - INTERVAL '30 days' AND c.time <= $to + INTERVAL '1 hour'`:     "",
		`SELECT max(x) AS v FROM cpu WHERE time > $from - INTERVAL '100 days' + INTERVAL '90 days' AND time <= $to`:            "",
		`WITH a AS (SELECT x FROM cpu WHERE time > $from AND time <= $to) SELECT max(x) AS v FROM a`:                           "",
		`SELECT max(x) AS v FROM (SELECT x FROM cpu WHERE time > $from AND time <= $to) AS a WHERE x > 1 OR x < 0`:             "",
		`SELECT max(extract(EPOCH FROM time)) AS v FROM cpu WHERE time > $from AND time <= $to`:                                "",
		`SELECT a.x AS v FROM cpu a JOIN mem b ON a.time = b.time WHERE a.time > $from AND a.time <= $to`:                      "",
		`SELECT max(x) AS v FROM cpu WHERE time > $from AND time <= $to AND time > $from - INTERVAL '100000 weeks'`:            "",
		`SELECT x AS v FROM cpu WHERE time > $from AND time <= $to UNION SELECT x FROM mem WHERE time > $from AND time <= $to`: "",
		`SELECT max(x) AS v FROM cpu WHERE time > $from - INTERVAL '100000 weeks' AND time <= $to`:                             far,
		`SELECT max(x) AS v FROM cpu WHERE time > $from - INTERVAL '99999999999999 weeks 1 day' AND time <= $to`:               far,
		`SELECT max(x) AS v FROM cpu WHERE time > $from` + strings.Repeat(` - INTERVAL '20 years'`, 30) +
			` AND time <= $to`: far,
		`SELECT max(x) AS v FROM cpu WHERE time > $from - INTERVAL '30 days' - INTERVAL '1 day' AND time <= $to`:                 far,
		`SELECT max(x) AS v FROM cpu WHERE time > $from AND time <= $to + INTERVAL '2 months'`:                                   far,
		`SELECT max(x) AS v FROM cpu WHERE time BETWEEN $from - INTERVAL '1 year' AND $to`:                                       far,
		`SELECT max(x) AS v FROM cpu WHERE time > $from - INTERVAL '1 day' * 100000 AND time <= $to`:                             loose,
		`SELECT max(x) AS v FROM cpu WHERE time > $from - CAST('100000 weeks' AS INTERVAL) AND time <= $to`:                      loose,
		`SELECT max(x) AS v, $from, $to FROM cpu`:                                                                                loose,
		`SELECT max(x) AS v FROM cpu WHERE time > $from AND time <= $to OR x > 0`:                                                loose,
		`SELECT max(x) AS v FROM cpu WHERE NOT (time > $from AND time <= $to)`:                                                   loose,
		`SELECT max(x) AS v FROM cpu WHERE time > TIMESTAMP '1970-01-01T00:00:00Z' AND time <= $to AND $from < $to`:              loose,
		`SELECT x AS v FROM cpu WHERE time > $from AND time <= $to UNION ALL SELECT x FROM cpu`:                                  loose,
		`SELECT max(x) AS v FROM (SELECT x FROM cpu) AS a WHERE (SELECT max(y) FROM mem WHERE time > $from AND time <= $to) > 1`: loose,
		`WITH a AS (SELECT x FROM cpu) SELECT max(a.x) AS v FROM a, mem WHERE time > $from AND time <= $to`:                      loose,
		`SELECT max(x) AS v FROM (FROM cpu) AS a WHERE time > $from AND time <= $to`:                                             loose,
		`SELECT max(x) AS v FROM (TABLE cpu) AS a WHERE $from < $to`:                                                             loose,
		`SELECT (SELECT max(x) FROM cpu) AS v FROM mem WHERE time > $from AND time <= $to`:                                       loose,
		`SELECT max(x) AS v FROM cpu WHERE host = 'time > $from AND time <= $to' AND $from < $to`:                                loose,
	} {
		err := c.CheckStatement(own(text))
		if (err == nil) != (cure == "") || err != nil &&
			(rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), cure)) {
			t.Errorf("%s\nerror %v, want %q", text, err, cure)
		}
	}
	s := own(`SELECT max(x) AS v FROM cpu WHERE time > $from AND time <= $to`)
	if s.From = s.To.Add(-90 * 24 * time.Hour); c.CheckStatement(s) != nil {
		t.Errorf("a window of 90 days: %v", c.CheckStatement(s))
	}
}
