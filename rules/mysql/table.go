package mysql

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// table is how rows are put into one: many with a statement, since each costs a
// way to the server and back.
type table struct {
	name    string
	columns []string
	fixed   int // the first columns never change; of a row that is there the others are updated, if any
}

func tableOf(name string, fixed int, columns string) table {
	return table{name, strings.Fields(columns), fixed}
}

var (
	ledgers   = tableOf(`ledgers`, 1, `rule_id revision judged matched progress`)
	newRules  = tableOf(`rules`, 8, `id owner name title measurement enabled deleted_at body`)
	versions  = tableOf(`versions`, 8, `id rule_id version act author door at body`)
	instances = tableOf(`instances`, 3, `series_sum rule_id series state since quiet_since stood cooldown_until untold
		snooze seen ok_at rejudge value text level recent`)
	alerts        = tableOf(`alerts`, 4, `owner id rule_id series status severity started_at resolved_at value peak body`)
	notifications = tableOf(`notifications`, 4, `id rule_id alert_id channel target origin reason state held_by booked_at
		due attempts message unknown error code done_at fallback facts`)
)

// insert is the statement that puts n rows.
func (t table) insert(n int) string {
	row := `(` + strings.TrimSuffix(strings.Repeat(`?, `, len(t.columns)), `, `) + `)`
	query := `INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, `, `) + `) VALUES ` +
		strings.TrimSuffix(strings.Repeat(row+`, `, n), `, `)
	var updates []string
	for _, column := range t.columns[t.fixed:] {
		updates = append(updates, column+` = VALUES(`+column+`)`)
	}
	if updates == nil {
		return query
	}
	return query + ` ON DUPLICATE KEY UPDATE ` + strings.Join(updates, `, `)
}

// maxStatement is how large a statement may become, in bytes of its texts: far
// below the least max_allowed_packet that servers come with.
const maxStatement = 1 << 20

func (c *saving) put(ctx context.Context, t table, rows [][]any) error {
	for len(rows) > 0 {
		n := fitting(rows)
		if _, err := exec(ctx, c, t.insert(n), slices.Concat(rows[:n]...)...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// fitting is how many of rows go into one statement, at least one.
func fitting(rows [][]any) int {
	size := 0
	for n, row := range rows {
		for _, v := range row {
			if text, ok := v.(string); ok {
				size += len(text)
			}
		}
		if n == atOnce || n > 0 && size > maxStatement {
			return n
		}
	}
	return len(rows)
}

// pending are the rows that ledgers have to write.
type pending struct {
	ledgers, versions, gone, instances, alerts, notifications [][]any
}

func (p *pending) of(l *rules.Ledger, revision int64) error {
	changes := l.Changes()
	if err := add(&p.ledgers, nil, func() ([]any, error) { return column.Ledger(l, revision) }); err != nil {
		return err
	}
	for _, v := range changes.Versions {
		if err := add(&p.versions, nil, func() ([]any, error) { return column.Version(v) }); err != nil {
			return err
		}
	}
	for _, series := range changes.Gone {
		p.gone = append(p.gone, []any{l.Rule.ID, sumOf(series)})
	}
	for _, in := range changes.Instances {
		first := []any{sumOf(in.Series)}
		if err := add(&p.instances, first, func() ([]any, error) { return column.Instance(l.Rule.ID, in) }); err != nil {
			return err
		}
	}
	for _, a := range changes.Alerts {
		if err := add(&p.alerts, []any{l.Rule.Owner}, func() ([]any, error) { return column.Alert(a) }); err != nil {
			return err
		}
	}
	for _, n := range changes.Notifications {
		if err := add(&p.notifications, nil, func() ([]any, error) { return column.Notification(n) }); err != nil {
			return err
		}
	}
	return nil
}

// add appends a row that begins with first.
func add(to *[][]any, first []any, rest func() ([]any, error)) error {
	values, err := rest()
	*to = append(*to, append(first, values...))
	return err
}

// sumOf is the key of a series, which may be longer than a key can be.
func sumOf(series rules.Series) []byte {
	sum := sha256.Sum256([]byte(series))
	return sum[:]
}

// forget deletes instances by rule and series.
func (c *saving) forget(ctx context.Context, rows [][]any) error {
	for some := range slices.Chunk(rows, atOnce) {
		query := `DELETE FROM instances WHERE ` +
			strings.TrimSuffix(strings.Repeat(`rule_id = ? AND series_sum = ? OR `, len(some)), ` OR `)
		if _, err := exec(ctx, c, query, slices.Concat(some...)...); err != nil {
			return err
		}
	}
	return nil
}
