package sqlite

import (
	"context"
	"encoding/json"
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
			where.add(`(a.started_at, a.id) < (?, ?)`, f.Before.UnixMilli(), f.BeforeID)
		}
		query := alertColumns + `FROM alerts a` + where.String() + ` ORDER BY a.started_at DESC, a.id DESC LIMIT ?`
		list, err = readAlerts(ctx, q, query, append(where.args, limit(f.Limit)))
		return err
	})
	return list, total, err
}

func alertClauses(f app.AlertFilter) *clauses {
	where := &clauses{}
	if f.Owner != "" {
		where.add(`a.rule_id IN (SELECT id FROM rules WHERE owner = ?)`, f.Owner)
	}
	if f.RuleID != "" {
		where.add(`a.rule_id = ?`, f.RuleID)
	}
	if f.Status != "" && f.Status != rules.StatusOpen {
		where.add(`a.status = ?`, string(f.Status))
	}
	if f.Status != "" && f.Status != rules.StatusResolved {
		where.add(`a.resolved_at IS NULL`) // says the same, and names the small index
	}
	if f.Severity != "" {
		where.add(`a.severity = ?`, string(f.Severity))
	}
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
	var list []app.AlertRow
	ids, at := []string{}, map[string]int{}
	err := each(ctx, q, query, args, func(rows column.Row) error {
		var row app.AlertRow
		if err := column.ReadAlert(rows, &row.Alert); err != nil {
			return err
		}
		ids, at[row.ID] = append(ids, row.ID), len(list)
		list = append(list, row)
		return nil
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	notifications := notificationColumns + `notifications n WHERE n.alert_id` + listed + `ORDER BY booked_at, place`
	return list, each(ctx, q, notifications, []any{string(text)}, func(rows column.Row) error {
		var n rules.Notification
		if err := column.ReadNotification(rows, &n); err != nil {
			return err
		}
		row := &list[at[n.AlertID]]
		row.Notifications = append(row.Notifications, n)
		return nil
	})
}

// Alert returns one alert with its notifications; see app.Store.
func (s *Store) Alert(ctx context.Context, id string) (row app.AlertRow, err error) {
	err = s.read(ctx, "find alert", func(q querier) error {
		list, err := readAlerts(ctx, q, alertColumns+`FROM alerts a WHERE a.id = ?`, []any{id})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return rules.Errorf(rules.NotFound,
				"no alert %q; list the alerts to see their ids, and note that old ones are deleted after a while", id)
		}
		row = list[0]
		return nil
	})
	return row, err
}

// Notification returns one; see app.Store.
func (s *Store) Notification(ctx context.Context, id string) (n rules.Notification, err error) {
	err = s.read(ctx, "find notification", func(q querier) error {
		return each(ctx, q, notificationColumns+`notifications n WHERE n.id = ?`, []any{id}, func(rows column.Row) error {
			return column.ReadNotification(rows, &n)
		})
	})
	if err == nil && n.ID == "" {
		err = rules.Errorf(rules.NotFound, "no notification %q; alerts list theirs", id)
	}
	return n, err
}

// FanOut returns a notification and those that were fanned out from it; see
// app.Store.
func (s *Store) FanOut(ctx context.Context, id string) (list []rules.Notification, err error) {
	err = s.read(ctx, "find notifications", func(q querier) error {
		const query = notificationColumns +
			`notifications n WHERE n.id = ?1 OR n.origin = ?1 AND n.origin <> '' ORDER BY n.target`
		return each(ctx, q, query, []any{id}, func(rows column.Row) error {
			var n rules.Notification
			list = append(list, n)
			return column.ReadNotification(rows, &list[len(list)-1])
		})
	})
	if err == nil && len(list) == 0 {
		err = rules.Errorf(rules.NotFound, "no notification %q; alerts list theirs", id)
	}
	return list, err
}

// ChannelHealth returns how messages fared; see app.Store.
func (s *Store) ChannelHealth(ctx context.Context) (map[rules.Address]app.Health, error) {
	health := map[rules.Address]app.Health{}
	const (
		successes = `SELECT channel, target, MAX(done_at), '' FROM notifications
			WHERE state = 'sent' GROUP BY channel, target`
		failures = `SELECT channel, target, COALESCE(done_at, due) AS failed_at, error FROM notifications
			WHERE error <> '' AND state <> 'sent' ORDER BY failed_at`
	)
	note := func(q querier, query string, set func(h *app.Health, at time.Time, class string)) error {
		return each(ctx, q, query, nil, func(rows column.Row) error {
			var to rules.Address
			var class string
			var at time.Time
			if err := rows.Scan(&to.Channel, &to.Target, column.Moment(&at), &class); err != nil {
				return err
			}
			h := health[to]
			set(&h, at, class)
			health[to] = h
			return nil
		})
	}
	err := s.read(ctx, "read the health of channels", func(q querier) error {
		if err := note(q, successes, func(h *app.Health, at time.Time, _ string) { h.LastSuccess = at }); err != nil {
			return err
		}
		return note(q, failures, func(h *app.Health, at time.Time, class string) { h.LastFailure, h.Error = at, class })
	})
	return health, err
}

// Prune deletes what ended before t and owes nothing; see app.Store.
func (s *Store) Prune(ctx context.Context, t time.Time, most int) (deleted int, err error) {
	err = s.write(ctx, "prune", func(ctx context.Context, p *pinned) error {
		n, err := p.exec(ctx, `DELETE FROM alerts WHERE id IN (
			SELECT a.id FROM alerts a WHERE a.resolved_at < ? AND NOT EXISTS (
				SELECT 1 FROM notifications n WHERE n.alert_id = a.id AND n.state IN ('held', 'owed', 'sending'))
			ORDER BY a.resolved_at LIMIT ?)`, t.UnixMilli(), limit(most))
		if err != nil {
			return err
		}
		deleted = int(n)
		_, err = p.exec(ctx, `DELETE FROM notifications WHERE id IN (
			SELECT id FROM notifications WHERE alert_id IS NULL AND state NOT IN ('held', 'owed', 'sending')
				AND COALESCE(done_at, booked_at) < ? ORDER BY booked_at LIMIT ?)`, t.UnixMilli(), limit(most))
		if err != nil {
			return err
		}
		if _, err = p.exec(ctx, `DELETE FROM silences WHERE until < ?`, t.UnixMilli()); err != nil {
			return err
		}
		_, err = p.exec(ctx, `DELETE FROM audit WHERE at < ?`, t.UnixMilli())
		return err
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}
