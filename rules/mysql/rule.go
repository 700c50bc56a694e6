package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

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
	where.equal(`owner`, f.Owner)
	if f.Enabled != nil {
		where.add(`enabled = ?`, *f.Enabled)
	}
	if f.Text != "" {
		where.add(`LOCATE(LOWER(CONVERT(? USING utf8mb4)) COLLATE utf8mb4_bin,
			LOWER(CONVERT(CONCAT(name, '\n', title, '\n', measurement) USING utf8mb4))) > 0`, f.Text)
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
		where := &clauses{}
		where.add(`id = ?`, nameOrID)
		where.equal(`owner`, owner)
		list, err := readRules(ctx, q, `SELECT body FROM rules`+where.String(), where.args)
		if err == nil && len(list) == 0 {
			list, err = readRules(ctx, q, `SELECT body FROM rules WHERE owner = ? AND live_name = ?`, []any{owner, nameOrID})
		}
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
	const query = `SELECT name FROM rules WHERE owner = ? AND deleted_at IS NULL ORDER BY name LIMIT 1000`
	if err := each(ctx, q, query, []any{owner}, func(row column.Row) error {
		names = append(names, "")
		return row.Scan(&names[len(names)-1])
	}); err != nil {
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
	err = s.read(ctx, "list versions", func(q querier) error {
		list = nil
		where := &clauses{}
		where.equal(`rule_id`, f.RuleID)
		if total, err = count(ctx, q, `SELECT COUNT(*) FROM versions`+where.String(), where.args); err != nil {
			return err
		}
		if f.BeforeRule != "" {
			where.add(`id < (SELECT b.id FROM versions b WHERE b.rule_id = ? AND b.version = ? LIMIT 1)`, f.BeforeRule,
				f.BeforeVersion)
		}
		query := `SELECT rule_id, version, act, author, door, at, body FROM versions` + where.String() +
			` ORDER BY id DESC LIMIT ?`
		return each(ctx, q, query, append(where.args, limit(f.Limit)), func(row column.Row) error {
			var v rules.Version
			if err := row.Scan(&v.RuleID, &v.Version, &v.Act, &v.By.Name, &v.By.Door, column.Moment(&v.At),
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
		WHERE r.enabled = 1 AND r.deleted_at IS NULL ORDER BY r.name`
	err = s.read(ctx, "list watched rules", func(q querier) error {
		list = nil
		return each(ctx, q, query, nil, func(row column.Row) error {
			var r evaluator.WatchedRule
			err := row.Scan(&r.ID, &r.Name, column.Moment(&r.Judged))
			list = append(list, r)
			return err
		})
	})
	return list, err
}

// Unmatched lists rules that no series ever matched; see app.Store.
func (s *Store) Unmatched(ctx context.Context) (ids []string, err error) {
	const query = `SELECT r.id FROM rules r JOIN ledgers l ON l.rule_id = r.id
		WHERE r.enabled = 1 AND r.deleted_at IS NULL AND l.matched = 0 ORDER BY r.name`
	err = s.read(ctx, "list unmatched rules", func(q querier) error {
		ids = nil
		return each(ctx, q, query, nil, func(row column.Row) error {
			ids = append(ids, "")
			return row.Scan(&ids[len(ids)-1])
		})
	})
	return ids, err
}
