package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules/column"
)

// AddAudit stores an entry and lets the oldest go; see app.Store.
func (s *Store) AddAudit(ctx context.Context, e app.AuditEntry, most int) error {
	body, err := json.Marshal(column.AuditBody{Text: e.Text, Arguments: e.Arguments, Changes: e.Changes})
	if err != nil {
		return fmt.Errorf("write audit entry: %w", err)
	}
	return s.write(ctx, "write audit entry", func(ctx context.Context, p *pinned) error {
		id, err := p.number(ctx,
			`INSERT INTO audit (at, author, door, client, tool, about, outcome, body) VALUES (?, ?, ?, ?, ?, ?, ?,
				?) RETURNING id`,
			column.Millis(e.At), e.By.Name, e.By.Door, e.Client, e.Tool, e.About, e.Outcome, string(body))
		if err != nil || most <= 0 {
			return err
		}
		_, err = p.exec(ctx, `DELETE FROM audit WHERE id <= ?`, id-int64(most))
		return err
	})
}

// Audit lists entries, the newest first; see app.Store.
func (s *Store) Audit(ctx context.Context, f app.AuditFilter) (list []app.AuditEntry, total int, err error) {
	err = s.read(ctx, "list audit entries", func(q querier) error {
		where := auditClauses(f)
		if total, err = count(ctx, q, `SELECT COUNT(*) FROM audit`+where.String(), where.args); err != nil {
			return err
		}
		if f.Before != 0 {
			where.add(`id < ?`, f.Before)
		}
		query := `SELECT id, at, author, door, client, tool, about, outcome, body FROM audit` + where.String() +
			` ORDER BY id DESC LIMIT ?`
		return each(ctx, q, query, append(where.args, limit(f.Limit)), func(rows column.Row) error {
			var e app.AuditEntry
			var body column.AuditBody
			if err := rows.Scan(&e.ID, column.Moment(&e.At), &e.By.Name, &e.By.Door, &e.Client, &e.Tool, &e.About, &e.Outcome,
				column.Document(&body)); err != nil {
				return fmt.Errorf("read an audit entry: %w", err)
			}
			e.Text, e.Arguments, e.Changes = body.Text, body.Arguments, body.Changes
			list = append(list, e)
			return nil
		})
	})
	return list, total, err
}

func auditClauses(f app.AuditFilter) *clauses {
	where := &clauses{}
	for _, c := range []struct{ column, value string }{{"author", f.By}, {"tool", f.Tool}, {"about", f.About}} {
		if c.value != "" {
			where.add(c.column+` = ?`, c.value)
		}
	}
	if !f.Since.IsZero() {
		where.add(`at >= ?`, f.Since.UnixMilli())
	}
	return where
}

// Secret returns a random key that all processes share; see app.Store.
func (s *Store) Secret(ctx context.Context, name string) (key []byte, err error) {
	if key, err = s.storedSecret(ctx, name); err != nil || key != nil {
		return key, err
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // it never fails
	err = s.write(ctx, "write secret", func(ctx context.Context, p *pinned) error {
		_, err := p.exec(ctx, `INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, fresh)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.storedSecret(ctx, name) // another process may have been faster
}

func (s *Store) storedSecret(ctx context.Context, name string) (key []byte, err error) {
	err = s.read(ctx, "read secret", func(q querier) error {
		return each(ctx, q, `SELECT value FROM secrets WHERE name = ?`, []any{name}, func(rows column.Row) error {
			return rows.Scan(&key)
		})
	})
	return key, err
}
