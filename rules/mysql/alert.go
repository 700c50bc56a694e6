package mysql

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Alerts lists alerts with their notifications, the newest first; see
// app.Store.
func (s *Store) Alerts(ctx context.Context, f app.AlertFilter) (list []app.AlertRow, total int, err error) {
	err = s.read(ctx, "list alerts", func(q querier) error {
		where := alertClauses(f)
		if total, err = count(ctx, q, `SELECT COUNT(*) FROM alerts a`+where.String(), where.args); err != nil {
			return err
		}
		if !f.Before.IsZero() {
			at := f.Before.UnixMilli()
			where.add(`a.started_at <= ? AND (a.started_at < ? OR a.id < ?)`, at, at, f.BeforeID)
		}
		query := alertColumns + `FROM alerts a` + where.String() + ` ORDER BY a.started_at DESC, a.id DESC LIMIT ?`
		list, err = readAlerts(ctx, q, query, append(where.args, limit(f.Limit)))
		return err
	})
	return list, total, err
}

func alertClauses(f app.AlertFilter) *clauses {
	where := &clauses{}
	where.equal(`a.owner`, f.Owner)
	where.equal(`a.rule_id`, f.RuleID)
	if f.Status != rules.StatusOpen {
		where.equal(`a.status`, string(f.Status))
	}
	if f.Status != "" && f.Status != rules.StatusResolved {
		where.add(`a.resolved_at IS NULL`) // says the same, and names the index of the open ones
	}
	where.equal(`a.severity`, string(f.Severity))
	if !f.Since.IsZero() {
		where.add(`a.started_at >= ?`, f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		where.add(`a.started_at < ?`, f.Until.UnixMilli())
	}
	return where
}

// readAlerts reads a query of alertColumns, and the notifications of those
// alerts.
func readAlerts(ctx context.Context, q querier, query string, args []any) ([]app.AlertRow, error) {
	var found []app.AlertRow
	var ids []string
	at := map[string]int{}
	if err := each(ctx, q, query, args, func(row column.Row) error {
		var a app.AlertRow
		if err := column.ReadAlert(row, &a.Alert); err != nil {
			return err
		}
		ids, at[a.ID] = append(ids, a.ID), len(found)
		found = append(found, a)
		return nil
	}); err != nil {
		return nil, err
	}
	for some := range slices.Chunk(ids, atOnce) {
		marks, args := list(some)
		query := notificationColumns + `notifications n WHERE n.alert_id IN ` + marks + ` ORDER BY booked_at, place`
		if err := each(ctx, q, query, args, func(row column.Row) error {
			var n rules.Notification
			if err := column.ReadNotification(row, &n); err != nil {
				return err
			}
			a := &found[at[n.AlertID]]
			a.Notifications = append(a.Notifications, n)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Alert returns one alert with its notifications; see app.Store.
func (s *Store) Alert(ctx context.Context, id string) (found app.AlertRow, err error) {
	err = s.read(ctx, "find alert", func(q querier) error {
		list, err := readAlerts(ctx, q, alertColumns+`FROM alerts a WHERE a.id = ?`, []any{id})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return rules.Errorf(rules.NotFound,
				"no alert %q; list the alerts to see their ids, and note that old ones are deleted after a while", id)
		}
		found = list[0]
		return nil
	})
	return found, err
}

// Prune deletes what ended before t and owes nothing; see app.Store. It does so
// for at most that many rows of each kind, since a large commit holds up others,
// and most of all in a cluster.
func (s *Store) Prune(ctx context.Context, t time.Time, most int) (deleted int, err error) {
	err = s.write(ctx, "prune", func(ctx context.Context, q querier) error {
		// A ledger that is being saved may owe something of an alert again.
		if _, err := number(ctx, q, `SELECT revision FROM revisions WHERE subject = 'ledgers' FOR UPDATE`); err != nil {
			return err
		}
		if deleted, err = pruneAlerts(ctx, q, t, most); err != nil {
			return err
		}
		before := t.UnixMilli()
		for _, statement := range []string{
			`DELETE FROM notifications WHERE alert_id IS NULL AND state IN ('sent', 'dead', 'cancelled')
				AND COALESCE(done_at, booked_at) < ? ORDER BY place LIMIT ?`,
			`DELETE FROM silences WHERE until < ? ORDER BY until LIMIT ?`,
			`DELETE FROM audit WHERE at < ? ORDER BY at LIMIT ?`,
			`DELETE FROM writers WHERE at < ? ORDER BY at LIMIT ?`,
		} {
			if _, err := exec(ctx, q, statement, before, limit(most)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

func pruneAlerts(ctx context.Context, q querier, t time.Time, most int) (deleted int, err error) {
	var ids []string
	const over = `SELECT a.id FROM alerts a WHERE a.resolved_at < ? AND NOT EXISTS (
		SELECT 1 FROM notifications n WHERE n.alert_id = a.id AND n.` + unfinished + `) ORDER BY a.resolved_at LIMIT ?`
	if err := each(ctx, q, over, []any{t.UnixMilli(), limit(most)}, func(row column.Row) error {
		ids = append(ids, "")
		return row.Scan(&ids[len(ids)-1])
	}); err != nil {
		return 0, err
	}
	for some := range slices.Chunk(ids, atOnce) {
		marks, args := list(some)
		n, err := exec(ctx, q, `DELETE FROM alerts WHERE id IN `+marks, args...) // with their notifications
		if err != nil {
			return 0, err
		}
		deleted += int(n)
	}
	return deleted, nil
}
