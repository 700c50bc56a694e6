package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Tokens lists the tokens by name; see app.Store.
func (s *Store) Tokens(ctx context.Context) (list []app.Token, err error) {
	err = s.read(ctx, "list tokens", func(q querier) error {
		const query = `SELECT id, name, sum, scope, author, door, created_at, expires_at, used_at FROM tokens ORDER BY name`
		return each(ctx, q, query, nil, func(rows column.Row) error {
			var t app.Token
			if err := rows.Scan(&t.ID, &t.Name, &t.Sum, &t.Scope, &t.By.Name, &t.By.Door,
				column.Moment(&t.CreatedAt), column.Moment(&t.ExpiresAt), column.Moment(&t.UsedAt)); err != nil {
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
	return s.changeTokens(ctx, "write token", func(ctx context.Context, p *pinned) error {
		_, err := p.exec(ctx,
			`INSERT INTO tokens (id, name, sum, scope, author, door, created_at, expires_at, used_at) VALUES (?, ?, ?,
				?, ?, ?, ?, ?, ?)`,
			t.ID, t.Name, t.Sum, string(t.Scope), t.By.Name, t.By.Door, column.Millis(t.CreatedAt), column.Millis(t.ExpiresAt),
			column.Millis(t.UsedAt))
		if taken(err) {
			return rules.Errorf(rules.Conflict, "a token named %q exists already; choose another name or revoke that one first",
				t.Name)
		}
		return err
	})
}

// DeleteToken removes a token; see app.Store.
func (s *Store) DeleteToken(ctx context.Context, name string) error {
	return s.changeTokens(ctx, "delete token", func(ctx context.Context, p *pinned) error {
		n, err := p.exec(ctx, `DELETE FROM tokens WHERE name = ?`, name)
		if err == nil && n == 0 {
			err = rules.Errorf(rules.NotFound, "no token %q; list the tokens to see their names", name)
		}
		return err
	})
}

func (s *Store) changeTokens(ctx context.Context, name string, act func(ctx context.Context, p *pinned) error) error {
	return s.write(ctx, name, func(ctx context.Context, p *pinned) error {
		if err := act(ctx, p); err != nil {
			return err
		}
		// Our own commit does not move the data version, so it is counted here;
		// if it fails in the end, one needless reading is the harm.
		s.tokenActs++
		_, err := p.bump(ctx, "tokens")
		return err
	})
}

// UseToken notes a use; see app.Store.
func (s *Store) UseToken(ctx context.Context, id string, at time.Time) error {
	return s.write(ctx, "note the use of a token", func(ctx context.Context, p *pinned) error {
		_, err := p.exec(ctx, `UPDATE tokens SET used_at = ? WHERE id = ?`, column.Millis(at), id)
		return err
	})
}

// TokenRevision moves when a token was added or removed; see app.Store. It
// reads no table unless another process has committed something.
func (s *Store) TokenRevision(ctx context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned == nil {
		return 0, fmt.Errorf("look for changed tokens: %w", sql.ErrConnDone)
	}
	if err := s.follow(ctx); err != nil {
		return 0, s.fault("look for changed tokens", err)
	}
	// Neither part ever falls, so the sum tells of both.
	return s.seen.tokens + s.tokenActs, nil
}
