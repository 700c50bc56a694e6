package mysql

import (
	"context"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// atOnce is how many keys a statement lists, or rows it writes: few enough for
// an optimizer to look at each.
const atOnce = 500

// list is "(?, ?, ...)" for keys, and those as arguments.
func list(keys []string) (marks string, args []any) {
	for _, key := range keys {
		args = append(args, key)
	}
	return `(` + strings.TrimSuffix(strings.Repeat(`?, `, len(keys)), `, `) + `)`, args
}

// Load returns ledgers; see evaluator.Store.
func (s *Store) Load(ctx context.Context, ids ...string) (out []*rules.Ledger, err error) {
	err = s.read(ctx, "load ledgers", func(q querier) error {
		out, err = load(ctx, q, ids)
		return err
	})
	return out, err
}

// load reads ledgers in the order of their ids, those of all rules without a list.
func load(ctx context.Context, q querier, ids []string) ([]*rules.Ledger, error) {
	var read column.Ledgers
	if len(ids) == 0 {
		if err := loadParts(ctx, q, &read, all, nil); err != nil {
			return nil, err
		}
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for some := range slices.Chunk(ids, atOnce) {
		marks, args := list(some)
		if err := loadParts(ctx, q, &read, listed(marks), args); err != nil {
			return nil, err
		}
	}
	return read.Open()
}

func loadParts(ctx context.Context, q querier, into *column.Ledgers, from parts, args []any) error {
	for _, step := range []struct {
		query string
		lists int // how often it names the keys
		read  func(column.Row) error
	}{
		{from.ledgers, 1, into.Ledger},
		{from.instances, 1, into.Instance},
		{from.alerts, 2, into.Alert},
		{from.notifications, 3, into.Notification},
	} {
		if err := each(ctx, q, step.query, slices.Repeat(args, step.lists), step.read); err != nil {
			return err
		}
	}
	return nil
}

// parts are the statements that read what ledgers are made of.
type parts struct{ ledgers, instances, alerts, notifications string }

const (
	unfinished = `state IN ('held', 'owed', 'sending')`

	ledgerColumns = `SELECT l.rule_id, l.revision, l.judged, l.matched, l.progress, r.deleted_at IS NOT NULL, r.body
		FROM ledgers l LEFT JOIN rules r ON r.id = l.rule_id `
	instanceColumns = `SELECT rule_id, series, state, since, quiet_since, stood, cooldown_until, untold, snooze, seen,
		ok_at, rejudge, value, text, level, recent FROM instances `
	alertColumns = `SELECT a.id, a.rule_id, a.series, a.severity, a.started_at, a.resolved_at, a.value, a.peak,
		a.body `
	notificationColumns = `SELECT n.id, n.rule_id, n.alert_id, n.channel, n.target, n.origin, n.reason, n.state, n.held_by,
		n.booked_at, n.due, n.attempts, n.message, n.unknown, n.error, n.code, n.done_at, n.fallback, n.facts, n.place FROM `
)

// A ledger holds the alerts that are live, and those whose messages are not all
// out, with all of their messages.
var all = partsOf(`1 = 1`, `r.deleted_at IS NULL
	OR l.rule_id IN (SELECT DISTINCT rule_id FROM notifications WHERE `+unfinished+`)`)

func listed(marks string) parts { return partsOf(`rule_id IN `+marks, `l.rule_id IN `+marks) }

func partsOf(which, whichLedgers string) parts {
	held := `WITH held (id) AS (SELECT id FROM alerts WHERE resolved_at IS NULL AND ` + which + `
		UNION SELECT alert_id FROM notifications WHERE ` + unfinished + ` AND ` + which + `) `
	return parts{
		ledgers:   ledgerColumns + `WHERE ` + whichLedgers + ` ORDER BY l.rule_id`,
		instances: instanceColumns + `WHERE ` + which,
		alerts:    held + alertColumns + `FROM held JOIN alerts a ON a.id = held.id ORDER BY a.started_at, a.id`,
		notifications: held + notificationColumns + `held JOIN notifications n ON n.alert_id = held.id UNION ALL ` +
			notificationColumns + `notifications n WHERE n.alert_id IS NULL AND n.` + unfinished + ` AND ` + which + `
			ORDER BY booked_at, place`,
	}
}
