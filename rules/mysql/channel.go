package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// put writes something that belongs to no ledger, and sees to it that Moved
// tells of it here and elsewhere.
func (s *Store) put(ctx context.Context, name, subject string, act func(ctx context.Context, q querier) error) error {
	return s.write(ctx, name, func(ctx context.Context, q querier) error {
		if _, err := bump(ctx, q, subject, 1); err != nil {
			return err
		}
		return act(ctx, q)
	})
}

// Silences lists those that end after t or never, the next to end first; see
// app.Store.
func (s *Store) Silences(ctx context.Context, t time.Time) (list []rules.Silence, err error) {
	const query = `SELECT body FROM silences WHERE until > ? OR until IS NULL ORDER BY until IS NULL, until, id`
	err = s.read(ctx, "list silences", func(q querier) error {
		list = nil
		return each(ctx, q, query, []any{t.UnixMilli()}, func(row column.Row) error {
			var silence rules.Silence
			if err := row.Scan(column.Document(&silence)); err != nil {
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
	return s.put(ctx, "write silence", "silences", func(ctx context.Context, q querier) error {
		_, err := exec(ctx, q, `INSERT INTO silences (id, until, body) VALUES (?, ?, ?)
			ON DUPLICATE KEY UPDATE until = VALUES(until), body = VALUES(body)`,
			silence.ID, column.Millis(silence.Until), string(body))
		return err
	})
}

// Channels lists the stored channels by name, sealed; see app.Store.
func (s *Store) Channels(ctx context.Context) (list []app.StoredChannel, err error) {
	const query = `SELECT id, name, kind, sealed, settings, author, door, created_at FROM channels ORDER BY name`
	err = s.read(ctx, "list channels", func(q querier) error {
		list = nil
		return each(ctx, q, query, nil, func(row column.Row) error {
			var c app.StoredChannel
			if err := row.Scan(&c.ID, &c.Name, &c.Kind, &c.Sealed, column.Document(&c.Settings), &c.By.Name, &c.By.Door,
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
	// An insert that updates would take the channel that has the name for this one.
	const (
		insert = `INSERT INTO channels (name, kind, sealed, settings, author, door, created_at, id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
		update = `UPDATE channels SET name = ?, kind = ?, sealed = ?, settings = ?, author = ?, door = ?, created_at = ?
			WHERE id = ?`
	)
	values := []any{
		c.Name, c.Kind, c.Sealed, string(settings), c.By.Name, c.By.Door, column.Millis(c.CreatedAt), c.ID,
	}
	return s.put(ctx, "write channel", "channels", func(ctx context.Context, q querier) error {
		n, err := exec(ctx, q, update, values...)
		if err == nil && n == 0 {
			_, err = exec(ctx, q, insert, values...)
		}
		if taken(err) {
			return rules.Errorf(rules.Conflict,
				"a channel named %q exists already; choose another name or remove that one first", c.Name)
		}
		return err
	})
}

// DeleteChannel removes a channel; see app.Store.
func (s *Store) DeleteChannel(ctx context.Context, name string) error {
	return s.put(ctx, "delete channel", "channels", func(ctx context.Context, q querier) error {
		n, err := exec(ctx, q, `DELETE FROM channels WHERE name = ?`, name)
		if err == nil && n == 0 {
			err = rules.Errorf(rules.NotFound, "no stored channel %q; list the channels to see their names", name)
		}
		return err
	})
}
