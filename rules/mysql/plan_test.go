package mysql_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/mysqltest"
)

// large fills a database with rules of a hundred owners and the history of their
// alerts, each with one message.
const large = `
SET foreign_key_checks = 0;
INSERT INTO ledgers (rule_id, revision, matched) SELECT CONCAT('r', seq), 1, 1 FROM seq_1_to_RULES;
INSERT INTO rules (id, owner, name, title, measurement, enabled, body)
	SELECT CONCAT('r', seq), CONCAT('o', seq % 100), CONCAT('rule_', seq), 'A title', 'cpu', 1, '{}' FROM seq_1_to_RULES;
INSERT INTO versions (id, rule_id, version, act, author, door, at, body)
	SELECT seq, CONCAT('r', seq), 1, 'created', 'ann', 'cli', 1, '{}' FROM seq_1_to_RULES;
INSERT INTO instances (rule_id, series_sum, series, state, stood, untold, rejudge, text, level, recent)
	SELECT CONCAT('r', seq), UNHEX(SHA2(seq, 256)), seq, 'ok', 0, 0, 0, '', 0, '' FROM seq_1_to_RULES;
INSERT INTO alerts (id, rule_id, owner, series, status, severity, started_at, resolved_at, body)
	SELECT CONCAT('a', seq), CONCAT('r', 1 + seq % RULES), CONCAT('o', (1 + seq % RULES) % 100), seq,
		IF(seq % 1000, 'resolved', 'firing'), 'high', seq * 1000, IF(seq % 1000, seq * 1000 + 500, NULL), '{}'
	FROM seq_1_to_ALERTS;
INSERT INTO notifications (id, rule_id, alert_id, channel, target, origin, reason, state, held_by, booked_at, attempts,
	message, unknown, error, code, done_at, fallback, facts)
	SELECT CONCAT('n', seq), CONCAT('r', 1 + seq % RULES), CONCAT('a', seq), CONCAT('c', seq % 50), '', '', 'first',
		IF(seq % 5000, 'sent', IF(seq % 10000, 'dead', 'owed')), '', seq * 1000, 1, 'm', 0, IF(seq % 5000, '', 'auth'), 200,
		seq * 1000, '', '{}'
	FROM seq_1_to_ALERTS;
INSERT INTO audit (id, at, author, door, client, tool, about, outcome, body)
	SELECT seq, seq * 1000, CONCAT('p', seq % 100), 'mcp', '', CONCAT('t', seq % 20), CONCAT('r', seq), 'done', '{}'
	FROM seq_1_to_RULES;
UPDATE revisions SET revision = RULES WHERE subject IN ('versions', 'audit');
ANALYZE TABLE ledgers, rules, versions, instances, alerts, notifications, audit;
`

// asked are calls that people and ticks make. Each reads of a large table what
// it returns and little more; the limit is in rows that the server means to look
// at, of a table that has twenty thousand.
func asked(t *testing.T, s *mysql.Store) map[string]func() error {
	ctx := t.Context()
	at := time.UnixMilli(10_000_000)
	alerts := func(f app.AlertFilter) func() error {
		return func() error {
			f.Limit = 50
			_, _, err := s.Alerts(ctx, f)
			return err
		}
	}
	return map[string]func() error{
		"Load of one":         func() error { _, err := s.Load(ctx, "r7"); return err },
		"Load of ten":         func() error { _, err := s.Load(ctx, "r1", "r2", "r3", "r4", "r5", "r6", "r7"); return err },
		"Moved":               func() error { _, err := s.Moved(ctx); return err },
		"FindRule by name":    func() error { _, err := s.FindRule(ctx, "o7", "rule_7"); return err },
		"FindRule by id":      func() error { _, err := s.FindRule(ctx, "", "r7"); return err },
		"rules of an owner":   func() error { _, _, err := s.Rules(ctx, app.RuleFilter{Owner: "o7", Limit: 50}); return err },
		"versions of a rule":  func() error { _, _, err := s.Versions(ctx, app.VersionFilter{RuleID: "r7"}); return err },
		"an alert":            func() error { _, err := s.Alert(ctx, "a777"); return err },
		"alerts of an owner":  alerts(app.AlertFilter{Owner: "o7"}),
		"open of an owner":    alerts(app.AlertFilter{Owner: "o7", Status: rules.StatusOpen}),
		"open":                alerts(app.AlertFilter{Status: rules.StatusFiring}),
		"alerts of a rule":    alerts(app.AlertFilter{RuleID: "r7"}),
		"the second page":     alerts(app.AlertFilter{Owner: "o7", Before: at, BeforeID: "a10000"}),
		"alerts of a time":    alerts(app.AlertFilter{Since: at, Until: at.Add(time.Minute)}),
		"a notification":      func() error { _, err := s.Notification(ctx, "n777"); return err },
		"a fan-out":           func() error { _, err := s.FanOut(ctx, "n777"); return err },
		"dead letters":        func() error { _, err := s.DeadLetters(ctx, "", 50); return err },
		"health of channels":  func() error { _, err := s.ChannelHealth(ctx); return err },
		"audit of a person":   func() error { _, _, err := s.Audit(ctx, app.AuditFilter{By: "p7", Limit: 50}); return err },
		"audit about a rule":  func() error { _, _, err := s.Audit(ctx, app.AuditFilter{About: "r7", Limit: 50}); return err },
		"tokens' revision":    func() error { _, err := s.TokenRevision(ctx); return err },
		"prune of little":     func() error { _, err := s.Prune(ctx, time.UnixMilli(20_000), 10); return err },
		"a message is booked": func() error { return bookOn(t, s, "r8", "text") },
	}
}

// TestEveryCallUsesAnIndex, where the tables are large.
func TestEveryCallUsesAnIndex(t *testing.T) {
	count := map[string]int{"RULES": 2000, "ALERTS": 20_000}
	if os.Getenv("TESTS_FULL") != "" {
		count = map[string]int{"RULES": 100_000, "ALERTS": 1_000_000}
	}
	server := mysqltest.Start(t, "--innodb-buffer-pool-size=256M")
	u := database(server)
	s := open(t, u, serve)
	fill := large
	for name, n := range count {
		fill = strings.ReplaceAll(fill, name, strconv.Itoa(n))
	}
	began := time.Now()
	server.Run("USE " + nameOf(u) + ";" + fill)
	t.Logf("filled in %s", time.Since(began).Round(time.Second))
	server.Run("SET GLOBAL log_output = 'TABLE'")
	for name, call := range asked(t, s) {
		server.Run("TRUNCATE mysql.general_log; SET GLOBAL general_log = ON")
		began := time.Now()
		must(t, call())
		took := time.Since(began)
		server.Run("SET GLOBAL general_log = OFF")
		t.Logf("%s: %s", name, took.Round(100*time.Microsecond))
		list := statements(server)
		if len(list) == 0 {
			t.Errorf("%s asks nothing", name)
		}
		for _, statement := range list {
			explain(t, server, nameOf(u), name, statement, count["ALERTS"]/8)
		}
	}
}

// statements are what was asked of the server, each in one line.
func statements(server *mysqltest.Server) (list []string) {
	const asked = `SELECT REPLACE(REPLACE(CONVERT(argument USING utf8mb4), '\n', ' '), '\t', ' ') FROM mysql.general_log
		WHERE command_type = 'Query'`
	for line := range strings.Lines(server.Run(asked)) {
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(line, " ")
		if strings.Contains("SELECT WITH UPDATE DELETE", verb) && !strings.Contains(line, "general_log") {
			list = append(list, line)
		}
	}
	return list
}

// explain fails where the server means to look at more than most rows of a table.
func explain(t *testing.T, server *mysqltest.Server, database, name, statement string, most int) {
	t.Helper()
	plan := server.Run("USE " + database + "; EXPLAIN " + statement)
	for line := range strings.Lines(plan) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) < 10 {
			continue
		}
		table, access, rows, extra := f[2], f[3], f[8], f[9]
		looped := strings.Contains(extra, "Using index for group-by")
		if n, err := strconv.Atoi(rows); err == nil && n > most && !looped {
			t.Errorf("%s looks at %d rows of %s (%s):\n%s\n%s", name, n, table, access, statement, plan)
		}
	}
}
