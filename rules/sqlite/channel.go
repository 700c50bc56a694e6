package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Silences lists those that end after t or never, the next to end first; see
// app.Store.
func (s *Store) Silences(ctx context.Context, t time.Time) (list []rules.Silence, err error) {
	err = s.read(ctx, "list silences", func(q querier) error {
		return each(ctx, q, `SELECT body FROM silences WHERE until > ? OR until IS NULL ORDER BY until IS NULL, until, id`,
			[]any{t.UnixMilli()}, func(rows column.Row) error {
				var silence rules.Silence
				if err := rows.Scan(column.Document(&silence)); err != nil {
					return fmt.Errorf("read a silence: %w", err)
				}
				list = append(list, silence)
				return nil
			})
	})
	return list, err
}

// PutSilence stores a silence; see app.Store.
func (s *Store) PutSilence(ctx context.Context, silence rules.Silence) error {
	body, err := json.Marshal(silence)
	if err != nil {
		return fmt.Errorf("write silence %s: %w", silence.ID, err)
	}
	return s.put(ctx, "write silence", "silences", func(ctx context.Context, p *pinned) error {
		_, err := p.exec(ctx, `INSERT INTO silences (id, until, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET until = excluded.until, body = excluded.body`,
			silence.ID, column.Millis(silence.Until), string(body))
		return err
	})
}

// put writes something that belongs to no ledger, and sees to it that Moved
// tells of it here and elsewhere.
func (s *Store) put(ctx context.Context, name, subject string, act func(ctx context.Context, p *pinned) error) error {
	return s.write(ctx, name, func(ctx context.Context, p *pinned) error {
		if err := act(ctx, p); err != nil {
			return err
		}
		// Our own commit does not move the data version, so it is noted here;
		// if it fails in the end, one needless reading is the harm.
		s.moved.silences = s.moved.silences || subject == "silences"
		s.moved.channels = s.moved.channels || subject == "channels"
		_, err := p.bump(ctx, subject)
		return err
	})
}

// Channels lists the stored channels by name, sealed; see app.Store.
func (s *Store) Channels(ctx context.Context) (list []app.StoredChannel, err error) {
	err = s.read(ctx, "list channels", func(q querier) error {
		const query = `SELECT id, name, kind, sealed, settings, author, door, created_at FROM channels ORDER BY name`
		return each(ctx, q, query, nil, func(rows column.Row) error {
			var c app.StoredChannel
			if err := rows.Scan(&c.ID, &c.Name, &c.Kind, &c.Sealed, column.Document(&c.Settings), &c.By.Name, &c.By.Door,
				column.Moment(&c.CreatedAt)); err != nil {
				return err
			}
			list = append(list, c)
			return nil
		})
	})
	return list, err
}

// PutChannel stores a channel under its id; see app.Store.
func (s *Store) PutChannel(ctx context.Context, c app.StoredChannel) error {
	settings, err := json.Marshal(c.Settings)
	if err != nil {
		return fmt.Errorf("write the settings of channel %s: %w", c.Name, err)
	}
	return s.put(ctx, "write channel", "channels", func(ctx context.Context, p *pinned) error {
		_, err := p.exec(ctx, `INSERT INTO channels (id, name, kind, sealed, settings, author, door,
			created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, sealed = excluded.sealed,
			settings = excluded.settings,
				author = excluded.author, door = excluded.door, created_at = excluded.created_at`,
			c.ID, c.Name, c.Kind, c.Sealed, string(settings), c.By.Name, c.By.Door, column.Millis(c.CreatedAt))
		if taken(err) {
			return rules.Errorf(rules.Conflict,
				"a channel named %q exists already; choose another name or remove that one first", c.Name)
		}
		return err
	})
}

// DeleteChannel removes a channel; see app.Store.
func (s *Store) DeleteChannel(ctx context.Context, name string) error {
	return s.put(ctx, "delete channel", "channels", func(ctx context.Context, p *pinned) error {
		n, err := p.exec(ctx, `DELETE FROM channels WHERE name = ?`, name)
		if err == nil && n == 0 {
			err = rules.Errorf(rules.NotFound, "no stored channel %q; list the channels to see their names", name)
		}
		return err
	})
}

// DeadLetters lists what could not be delivered, the newest first; see
// app.Store.
func (s *Store) DeadLetters(ctx context.Context, channel string, most int) (list []rules.Notification, err error) {
	err = s.read(ctx, "list dead letters", func(q querier) error {
		// The failed ones have a small index, which only error <> '' names.
		const query = notificationColumns + `notifications n WHERE n.error <> '' AND n.state = 'dead'
			AND (?1 = '' OR n.channel = ?1)
			AND n.reason <> 'test' ORDER BY n.done_at DESC, place LIMIT ?2`
		return each(ctx, q, query, []any{channel, limit(most)}, func(rows column.Row) error {
			var n rules.Notification
			if err := column.ReadNotification(rows, &n); err != nil {
				return err
			}
			list = append(list, n)
			return nil
		})
	})
	return list, err
}
