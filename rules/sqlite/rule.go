package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// clauses are the conditions of a list and their arguments.
type clauses struct {
	terms []string
	args  []any
}

func (c *clauses) add(term string, args ...any) {
	c.terms, c.args = append(c.terms, term), append(c.args, args...)
}

func (c *clauses) String() string {
	if len(c.terms) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(c.terms, ` AND `)
}

// limit is a Limit as SQLite wants it: 0 of ours is all.
func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// count returns the one number of a query.
func count(ctx context.Context, q querier, query string, args []any) (n int, err error) {
	err = each(ctx, q, query, args, func(rows column.Row) error { return rows.Scan(&n) })
	return n, err
}

// Rules lists rules by name; see app.Store.
func (s *Store) Rules(ctx context.Context, f app.RuleFilter) (list []rules.Rule, total int, err error) {
	err = s.read(ctx, "list rules", func(q querier) error {
		where := ruleClauses(f)
		if total, err = count(ctx, q, `SELECT COUNT(*) FROM rules`+where.String(), where.args); err != nil {
			return err
		}
		if f.After != "" {
			where.add(`name > ?`, f.After)
		}
		list, err = readRules(ctx, q, `SELECT body FROM rules`+where.String()+` ORDER BY name, owner, id LIMIT ?`,
			append(where.args, limit(f.Limit)))
		return err
	})
	return list, total, err
}

func ruleClauses(f app.RuleFilter) *clauses {
	where := &clauses{}
	if f.Deleted {
		where.add(`deleted_at IS NOT NULL`)
	} else {
		where.add(`deleted_at IS NULL`)
	}
	if f.Owner != "" {
		where.add(`owner = ?`, f.Owner)
	}
	if f.Enabled != nil {
		where.add(`enabled = ?`, *f.Enabled)
	}
	if f.Text != "" {
		where.add(`instr(lower(name || char(10) || title || char(10) || measurement), lower(?)) > 0`, f.Text)
	}
	return where
}

// readRules reads a query for bodies.
func readRules(ctx context.Context, q querier, query string, args []any) ([]rules.Rule, error) {
	var found column.Rules
	if err := each(ctx, q, query, args, found.Body); err != nil {
		return nil, err
	}
	return found.List()
}

// FindRule returns a rule by id, deleted or not, or by name; see app.Store. A
// rule of another owner is not found by its id either, unless owner is empty.
func (s *Store) FindRule(ctx context.Context, owner, nameOrID string) (found rules.Rule, err error) {
	err = s.read(ctx, "find rule", func(q querier) error {
		list, err := readRules(ctx, q, `SELECT body FROM rules WHERE id = ?1 AND (?2 = '' OR owner = ?2)
			OR owner = ?2 AND name = ?1 AND deleted_at IS NULL ORDER BY id <> ?1 LIMIT 1`, []any{nameOrID, owner})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return s.noRule(ctx, q, owner, nameOrID)
		}
		found = list[0]
		return nil
	})
	return found, err
}

func (s *Store) noRule(ctx context.Context, q querier, owner, wanted string) error {
	var names []string
	err := each(ctx, q, `SELECT name FROM rules WHERE owner = ? AND deleted_at IS NULL ORDER BY name LIMIT 1000`,
		[]any{owner}, func(rows column.Row) error {
			names = append(names, "")
			return rows.Scan(&names[len(names)-1])
		})
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return rules.Errorf(rules.NotFound, "no rule %q; there are no rules yet, create one first", wanted)
	}
	near := rules.Nearest(wanted, names)
	if len(near) > 0 {
		return rules.Errorf(rules.NotFound, "no rule %q; did you mean %s?", wanted, strings.Join(near, " or "))
	}
	return rules.Errorf(rules.NotFound, "no rule %q; known: %s", wanted, strings.Join(names[:min(10, len(names))], ", "))
}

// Versions lists changes of rules, the newest first; see app.Store.
func (s *Store) Versions(ctx context.Context, f app.VersionFilter) (list []rules.Version, total int, err error) {
	where := &clauses{}
	if f.RuleID != "" {
		where.add(`rule_id = ?`, f.RuleID)
	}
	err = s.read(ctx, "list versions", func(q querier) error {
		if total, err = count(ctx, q, `SELECT COUNT(*) FROM versions`+where.String(), where.args); err != nil {
			return err
		}
		if f.BeforeRule != "" {
			where.add(`id < (SELECT id FROM versions WHERE rule_id = ? AND version = ?)`, f.BeforeRule, f.BeforeVersion)
		}
		query := `SELECT rule_id, version, act, author, door, at, body FROM versions` + where.String() +
			` ORDER BY id DESC LIMIT ?`
		return each(ctx, q, query, append(where.args, limit(f.Limit)), func(rows column.Row) error {
			var v rules.Version
			if err := rows.Scan(&v.RuleID, &v.Version, &v.Act, &v.By.Name, &v.By.Door, column.Moment(&v.At),
				column.Document(&v.Rule)); err != nil {
				return fmt.Errorf("read version %d of rule %s: %w", v.Version, v.RuleID, err)
			}
			list = append(list, v)
			return nil
		})
	})
	return list, total, err
}

// Watched lists the enabled rules; see app.Store.
func (s *Store) Watched(ctx context.Context) (list []evaluator.WatchedRule, err error) {
	const query = `SELECT r.id, r.name, l.judged FROM rules r JOIN ledgers l ON l.rule_id = r.id
		WHERE r.enabled AND r.deleted_at IS NULL ORDER BY r.name`
	err = s.read(ctx, "list watched rules", func(q querier) error {
		return each(ctx, q, query, nil, func(rows column.Row) error {
			var r evaluator.WatchedRule
			err := rows.Scan(&r.ID, &r.Name, column.Moment(&r.Judged))
			list = append(list, r)
			return err
		})
	})
	return list, err
}

// Unmatched lists rules that no series ever matched; see app.Store.
func (s *Store) Unmatched(ctx context.Context) (ids []string, err error) {
	const query = `SELECT r.id FROM rules r JOIN ledgers l ON l.rule_id = r.id
		WHERE r.enabled AND r.deleted_at IS NULL AND NOT l.matched ORDER BY r.name`
	err = s.read(ctx, "list unmatched rules", func(q querier) error {
		return each(ctx, q, query, nil, func(rows column.Row) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}
