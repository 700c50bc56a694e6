package mysql

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// readNotifications reads a query of notificationColumns.
func (s *Store) readNotifications(ctx context.Context, name, query string, args ...any) (list []rules.Notification,
	err error,
) {
	err = s.read(ctx, name, func(q querier) error {
		list = nil
		return each(ctx, q, notificationColumns+query, args, func(row column.Row) error {
			list = append(list, rules.Notification{})
			return column.ReadNotification(row, &list[len(list)-1])
		})
	})
	return list, err
}

func noNotification(id string) error {
	return rules.Errorf(rules.NotFound, "no notification %q; alerts list theirs", id)
}

// Notification returns one; see app.Store.
func (s *Store) Notification(ctx context.Context, id string) (n rules.Notification, err error) {
	list, err := s.readNotifications(ctx, "find notification", `notifications n WHERE n.id = ?`, id)
	if err != nil {
		return n, err
	}
	if len(list) == 0 {
		return n, noNotification(id)
	}
	return list[0], nil
}

// FanOut returns a notification and those that were fanned out from it; see
// app.Store.
func (s *Store) FanOut(ctx context.Context, id string) ([]rules.Notification, error) {
	if id == "" { // the origin of most
		return nil, noNotification(id)
	}
	const query = `notifications n WHERE n.id = ? UNION ALL ` + notificationColumns +
		`notifications n WHERE n.origin = ? ORDER BY target`
	list, err := s.readNotifications(ctx, "find notifications", query, id, id)
	if err == nil && len(list) == 0 {
		err = noNotification(id)
	}
	return list, err
}

// DeadLetters lists what could not be delivered, the newest first; see
// app.Store.
func (s *Store) DeadLetters(ctx context.Context, channel string, most int) ([]rules.Notification, error) {
	where := &clauses{}
	where.add(`n.state = 'dead' AND n.error <> '' AND n.reason <> 'test'`)
	where.equal(`n.channel`, channel)
	return s.readNotifications(ctx, "list dead letters",
		`notifications n`+where.String()+` ORDER BY n.done_at DESC, place LIMIT ?`, append(where.args, limit(most))...)
}

// ChannelHealth returns how messages fared; see app.Store.
func (s *Store) ChannelHealth(ctx context.Context) (health map[rules.Address]app.Health, err error) {
	const (
		successes = `SELECT channel, target, MAX(done_at), '' FROM notifications
			WHERE state = 'sent' GROUP BY channel, target, state`
		failures = `SELECT n.channel, n.target, n.failed_at, n.error FROM (
				SELECT channel, target, MAX(failed_at) AS last FROM notifications GROUP BY channel, target) f
			JOIN notifications n ON n.channel = f.channel AND n.target = f.target AND n.failed_at = f.last
			ORDER BY n.place`
	)
	err = s.read(ctx, "read the health of channels", func(q querier) error {
		health = map[rules.Address]app.Health{}
		note := func(query string, set func(h *app.Health, at time.Time, class string)) error {
			return each(ctx, q, query, nil, func(row column.Row) error {
				var to rules.Address
				var class string
				var at time.Time
				if err := row.Scan(&to.Channel, &to.Target, column.Moment(&at), &class); err != nil {
					return err
				}
				h := health[to]
				set(&h, at, class)
				health[to] = h
				return nil
			})
		}
		if err := note(successes, func(h *app.Health, at time.Time, _ string) { h.LastSuccess = at }); err != nil {
			return err
		}
		return note(failures, func(h *app.Health, at time.Time, class string) { h.LastFailure, h.Error = at, class })
	})
	return health, err
}
