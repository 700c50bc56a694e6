package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// querier is a reader's transaction or the pinned connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Load returns ledgers; see evaluator.Store.
func (s *Store) Load(ctx context.Context, ids ...string) (out []*rules.Ledger, err error) {
	err = s.read(ctx, "load ledgers", func(q querier) error {
		out, err = load(ctx, q, ids)
		return err
	})
	return out, err
}

// read runs act on one state of the database.
func (s *Store) read(ctx context.Context, name string, act func(q querier) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.fault(name, err)
	}
	defer func() { _ = tx.Rollback() }()
	return s.fault(name, act(tx))
}

// each calls scan for every row of a query.
func each(ctx context.Context, q querier, query string, args []any, scan func(column.Row) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// snapshots are the ledgers being read, in the order of their ids.
type snapshots struct {
	q    querier
	ids  []any // the list as one JSON argument; nil for all
	read column.Ledgers
}

func load(ctx context.Context, q querier, ids []string) ([]*rules.Ledger, error) {
	s := &snapshots{q: q}
	if len(ids) > 0 {
		text, err := json.Marshal(ids)
		if err != nil {
			return nil, err
		}
		s.ids = []any{string(text)}
	}
	for _, step := range []struct {
		all, listed string
		read        func(column.Row) error
	}{
		{ledgersAll, ledgersListed, s.read.Ledger},
		{instancesAll, instancesListed, s.read.Instance},
		{openAll + alertsOpen, openListed + alertsOpen, s.read.Alert},
		{notificationsAll, notificationsListed, s.read.Notification},
	} {
		if err := each(ctx, q, s.query(step.all, step.listed), s.ids, step.read); err != nil {
			return nil, err
		}
	}
	return s.read.Open()
}

// query picks the form of a statement that reads all or the listed ledgers.
func (s *snapshots) query(all, listed string) string {
	if s.ids == nil {
		return all
	}
	return listed
}

const (
	ledgerColumns = `SELECT l.rule_id, l.revision, l.judged, l.matched, l.progress, r.deleted_at IS NOT NULL, r.body
		FROM ledgers l LEFT JOIN rules r ON r.id = l.rule_id `
	listed = ` IN (SELECT value FROM json_each(?1)) `

	ledgersAll = ledgerColumns + `WHERE r.deleted_at IS NULL
		OR l.rule_id IN (SELECT rule_id FROM notifications WHERE state IN ('held', 'owed', 'sending')) ORDER BY l.rule_id`
	ledgersListed = ledgerColumns + `WHERE l.rule_id` + listed + `ORDER BY l.rule_id`
)

const (
	instanceColumns = `SELECT rule_id, series, state, since, quiet_since, stood, cooldown_until, untold, snooze,
		seen, ok_at,
		rejudge, value, text, level, recent FROM instances `
	instancesAll    = instanceColumns + `ORDER BY rule_id, series`
	instancesListed = instanceColumns + `WHERE rule_id` + listed + `ORDER BY rule_id, series`
)

// open lists the alerts that a ledger holds: live ones, and those whose
// messages are not all out.
const (
	openAll = `WITH open (id) AS (SELECT id FROM alerts WHERE resolved_at IS NULL
		UNION SELECT alert_id FROM notifications WHERE state IN ('held', 'owed', 'sending')) `
	openListed = `WITH open (id) AS (SELECT id FROM alerts WHERE resolved_at IS NULL AND rule_id` + listed + `
		UNION SELECT alert_id FROM notifications WHERE state IN ('held', 'owed', 'sending') AND rule_id` + listed + `) `

	alertColumns = `SELECT a.id, a.rule_id, a.series, a.severity, a.started_at, a.resolved_at, a.value, a.peak, a.body `
	alertsOpen   = alertColumns + `FROM open CROSS JOIN alerts a ON a.id = open.id ORDER BY a.started_at, a.id`
)

const (
	notificationColumns = `SELECT n.id, n.rule_id, n.alert_id, n.channel, n.target, n.origin, n.reason, n.state, n.held_by,
		n.booked_at, n.due, n.attempts, n.message, n.unknown, n.error, n.code, n.done_at, n.fallback, n.facts,
		n.rowid AS place FROM `
	notificationsOpen = notificationColumns + `open CROSS JOIN notifications n ON n.alert_id = open.id UNION ALL ` +
		notificationColumns + `notifications n WHERE n.alert_id IS NULL AND n.state IN ('held', 'owed', 'sending')`
	notificationsAll    = openAll + notificationsOpen + ` ORDER BY booked_at, place`
	notificationsListed = openListed + notificationsOpen + ` AND n.rule_id` + listed + `ORDER BY booked_at, place`
)
