package mysql

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Tokens lists the tokens by name; see app.Store.
func (s *Store) Tokens(ctx context.Context) (list []app.Token, err error) {
	const query = `SELECT id, name, sum, scope, author, door, created_at, expires_at, used_at FROM tokens ORDER BY name`
	err = s.read(ctx, "list tokens", func(q querier) error {
		list = nil
		return each(ctx, q, query, nil, func(row column.Row) error {
			var t app.Token
			if err := row.Scan(&t.ID, &t.Name, &t.Sum, &t.Scope, &t.By.Name, &t.By.Door, column.Moment(&t.CreatedAt),
				column.Moment(&t.ExpiresAt), column.Moment(&t.UsedAt)); err != nil {
				return err
			}
			list = append(list, t)
			return nil
		})
	})
	return list, err
}

// PutToken stores a token; see app.Store.
func (s *Store) PutToken(ctx context.Context, t app.Token) error {
	return s.put(ctx, "write token", "tokens", func(ctx context.Context, q querier) error {
		_, err := exec(ctx, q, `INSERT INTO tokens (id, name, sum, scope, author, door, created_at, expires_at, used_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.ID, t.Name, t.Sum, string(t.Scope), t.By.Name, t.By.Door, column.Millis(t.CreatedAt),
			column.Millis(t.ExpiresAt), column.Millis(t.UsedAt))
		if taken(err) {
			return rules.Errorf(rules.Conflict, "a token named %q exists already; choose another name or revoke that one first",
				t.Name)
		}
		return err
	})
}

// DeleteToken removes a token; see app.Store.
func (s *Store) DeleteToken(ctx context.Context, name string) error {
	return s.put(ctx, "delete token", "tokens", func(ctx context.Context, q querier) error {
		n, err := exec(ctx, q, `DELETE FROM tokens WHERE name = ?`, name)
		if err == nil && n == 0 {
			err = rules.Errorf(rules.NotFound, "no token %q; list the tokens to see their names", name)
		}
		return err
	})
}

// UseToken notes a use; see app.Store.
func (s *Store) UseToken(ctx context.Context, id string, at time.Time) error {
	return s.write(ctx, "note the use of a token", func(ctx context.Context, q querier) error {
		_, err := exec(ctx, q, `UPDATE tokens SET used_at = ? WHERE id = ?`, column.Millis(at), id)
		return err
	})
}

// TokenRevision moves when a token was added or removed; see app.Store. It
// reads one row.
func (s *Store) TokenRevision(ctx context.Context) (n int64, err error) {
	err = s.fault("look for changed tokens", s.retry(ctx, func() error {
		n, err = number(ctx, s.readers, `SELECT revision FROM revisions WHERE subject = 'tokens'`)
		return err
	}))
	return n, err
}
