package mysql

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
	return s.write(ctx, "write audit entry", func(ctx context.Context, q querier) error {
		id, err := bump(ctx, q, "audit", 1)
		if err != nil {
			return err
		}
		const insert = `INSERT INTO audit (id, at, author, door, client, tool, about, outcome, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
		if _, err = exec(ctx, q, insert, id, column.Millis(e.At), e.By.Name, e.By.Door, e.Client, e.Tool, e.About, e.Outcome,
			string(body)); err != nil || most <= 0 {
			return err
		}
		_, err = exec(ctx, q, `DELETE FROM audit WHERE id <= ?`, id-int64(most))
		return err
	})
}

// Audit lists entries, the newest first; see app.Store.
func (s *Store) Audit(ctx context.Context, f app.AuditFilter) (list []app.AuditEntry, total int, err error) {
	err = s.read(ctx, "list audit entries", func(q querier) error {
		list = nil
		where := auditClauses(f)
		if total, err = count(ctx, q, `SELECT COUNT(*) FROM audit`+where.String(), where.args); err != nil {
			return err
		}
		if f.Before != 0 {
			where.add(`id < ?`, f.Before)
		}
		query := `SELECT id, at, author, door, client, tool, about, outcome, body FROM audit` + where.String() +
			` ORDER BY id DESC LIMIT ?`
		return each(ctx, q, query, append(where.args, limit(f.Limit)), func(row column.Row) error {
			var e app.AuditEntry
			var body column.AuditBody
			if err := row.Scan(&e.ID, column.Moment(&e.At), &e.By.Name, &e.By.Door, &e.Client, &e.Tool, &e.About, &e.Outcome,
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
	where.equal(`author`, f.By)
	where.equal(`tool`, f.Tool)
	where.equal(`about`, f.About)
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
	err = s.write(ctx, "write secret", func(ctx context.Context, q querier) error {
		const insert = `INSERT INTO secrets (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE name = name`
		_, err := exec(ctx, q, insert, name, fresh)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.storedSecret(ctx, name) // another process may have been faster
}

func (s *Store) storedSecret(ctx context.Context, name string) (key []byte, err error) {
	err = s.read(ctx, "read secret", func(q querier) error {
		key = nil
		return each(ctx, q, `SELECT value FROM secrets WHERE name = ?`, []any{name}, func(row column.Row) error {
			return row.Scan(&key)
		})
	})
	return key, err
}
