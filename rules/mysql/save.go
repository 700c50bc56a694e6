package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// Save writes the changes of a batch in one transaction; see evaluator.Store.
func (s *Store) Save(ctx context.Context, batch []*rules.Ledger, again func(fresh *rules.Ledger) error) error {
	if !slices.ContainsFunc(batch, (*rules.Ledger).Changed) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var c *saving
	err := s.transact(ctx, func(ctx context.Context, q querier) error {
		c = &saving{querier: q, again: again, after: s.seen.ledgers, moved: map[string]bool{}}
		return c.all(ctx, batch)
	})
	if err != nil && !errors.Is(err, errNothing) {
		return s.fault("save ledgers", err)
	}
	s.settle(c, err == nil)
	return nil
}

// settle takes up what a Save has learnt and done.
func (s *Store) settle(c *saving, written bool) {
	s.moved.note(c.others)
	for _, l := range c.done {
		delete(s.moved.ledgers, l.Rule.ID)
	}
	s.seen.ledgers = c.revision
	if !written {
		s.seen.ledgers-- // its own number was taken back
	}
	for _, l := range c.written {
		l.Saved(c.revision)
	}
}

// saving is one try of a Save.
type saving struct {
	querier
	again    func(*rules.Ledger) error
	after    int64           // what others committed later is new to this store
	revision int64           // of everything that is written
	others   []string        // the ids of what others committed
	moved    map[string]bool // the same
	written  []*rules.Ledger // and to be told so
	done     []*rules.Ledger // as the caller knows them now
}

// all counts first: from then on no other process changes a ledger, and what
// others did before can be seen.
func (c *saving) all(ctx context.Context, batch []*rules.Ledger) (err error) {
	if c.revision, err = bump(ctx, c, "ledgers", 1); err != nil {
		return err
	}
	if c.revision-1 != c.after {
		if c.others, err = ledgersMoved(ctx, c, c.after, c.revision-1); err != nil {
			return err
		}
	}
	for _, id := range c.others {
		c.moved[id] = true
	}
	for len(batch) > 0 {
		var once []*rules.Ledger
		once, batch = split(batch)
		if err := c.round(ctx, once); err != nil {
			return err
		}
	}
	if len(c.written) == 0 {
		return errNothing
	}
	return nil
}

// split takes the first of each id.
func split(batch []*rules.Ledger) (once, rest []*rules.Ledger) {
	seen := make(map[string]bool, len(batch))
	for _, l := range batch {
		if seen[l.Rule.ID] {
			rest = append(rest, l)
			continue
		}
		seen[l.Rule.ID] = true
		once = append(once, l)
	}
	return once, rest
}

// round writes ledgers of different rules.
func (c *saving) round(ctx context.Context, batch []*rules.Ledger) error {
	batch = slices.DeleteFunc(slices.Clone(batch), func(l *rules.Ledger) bool {
		return !l.Changed() && !c.moved[l.Rule.ID]
	})
	batch, err := c.current(ctx, batch)
	if err != nil {
		return err
	}
	c.done = append(c.done, batch...)
	batch = slices.DeleteFunc(slices.Clone(batch), func(l *rules.Ledger) bool { return !l.Changed() })
	c.written = append(c.written, batch...)
	return c.write(ctx, batch)
}

// current returns a batch in which those that another process changed are fresh
// and decided again.
func (c *saving) current(ctx context.Context, batch []*rules.Ledger) ([]*rules.Ledger, error) {
	stored, err := c.revisions(ctx, batch)
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, l := range batch {
		have, exists := stored[l.Rule.ID]
		switch {
		case l.Revision == 0 && exists:
			return nil, rules.Errorf(rules.Conflict, "a rule with the id %s exists already", l.Rule.ID)
		case l.Revision != have:
			stale = append(stale, l.Rule.ID)
		}
	}
	if stale == nil {
		return batch, nil
	}
	found, err := load(ctx, c, stale)
	if err != nil {
		return nil, err
	}
	return c.decideAgain(batch, stale, found)
}

// revisions reads those of a batch as they are stored.
func (c *saving) revisions(ctx context.Context, batch []*rules.Ledger) (map[string]int64, error) {
	stored := make(map[string]int64, len(batch))
	for some := range slices.Chunk(batch, atOnce) {
		ids := make([]string, len(some))
		for i, l := range some {
			ids[i] = l.Rule.ID
		}
		marks, args := list(ids)
		query := `SELECT rule_id, revision FROM ledgers WHERE rule_id IN ` + marks + ` FOR UPDATE`
		if err := each(ctx, c, query, args, func(row column.Row) error {
			var id string
			var revision int64
			err := row.Scan(&id, &revision)
			stored[id] = revision
			return err
		}); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

func (c *saving) decideAgain(batch []*rules.Ledger, stale []string, found []*rules.Ledger) ([]*rules.Ledger, error) {
	fresh := make(map[string]*rules.Ledger, len(found))
	for _, l := range found {
		fresh[l.Rule.ID] = l
	}
	batch = slices.Clone(batch)
	for i, l := range batch {
		switch {
		case !slices.Contains(stale, l.Rule.ID):
			continue
		case fresh[l.Rule.ID] == nil:
			return nil, rules.Errorf(rules.Conflict,
				"rule %q is not in the database any more; was it restored from a backup? Reload the rules", l.Rule.Name)
		case c.again == nil:
			return nil, rules.Errorf(rules.Conflict,
				"rule %q was changed by somebody else in the meantime; look at it and try again", l.Rule.Name)
		}
		batch[i] = fresh[l.Rule.ID]
		if err := c.again(batch[i]); err != nil {
			return nil, err
		}
	}
	return batch, nil
}

// write stores what ledgers say has changed, table by table.
func (c *saving) write(ctx context.Context, batch []*rules.Ledger) error {
	var rows pending
	for _, l := range batch {
		if err := rows.of(l, c.revision); err != nil {
			return err
		}
	}
	if err := c.put(ctx, ledgers, rows.ledgers); err != nil {
		return err
	}
	if err := c.rules(ctx, batch); err != nil {
		return err
	}
	if err := c.versions(ctx, rows.versions); err != nil {
		return err
	}
	if err := c.forget(ctx, rows.gone); err != nil {
		return err
	}
	if err := c.put(ctx, instances, rows.instances); err != nil {
		return err
	}
	if err := c.put(ctx, alerts, rows.alerts); err != nil {
		return err
	}
	return c.put(ctx, notifications, rows.notifications)
}

// rules writes the rules themselves. Deleted ones come first, because their names
// are free for others of the batch. One that exists is never met by its name, as
// an insert could meet another's.
func (c *saving) rules(ctx context.Context, batch []*rules.Ledger) error {
	var added [][]any
	var owners []*rules.Ledger
	for _, deleted := range []bool{true, false} {
		for _, l := range batch {
			if l.Deleted != deleted || l.Rule.ID == "" || !l.Changes().Rule {
				continue
			}
			values, err := column.Rule(l)
			if err != nil {
				return err
			}
			if l.Revision == 0 {
				added, owners = append(added, values), append(owners, l)
				continue
			}
			const update = `UPDATE rules SET name = ?, title = ?, measurement = ?, enabled = ?, deleted_at = ?, body = ?
				WHERE id = ?`
			if _, err := exec(ctx, c, update, append(values[2:], l.Rule.ID)...); err != nil {
				return c.named(ctx, err, l)
			}
		}
	}
	return c.named(ctx, c.put(ctx, newRules, added), owners...)
}

// named says which name was taken, where that is the error.
func (c *saving) named(ctx context.Context, err error, batch ...*rules.Ledger) error {
	if !taken(err) {
		return err
	}
	byName := map[[2]string]string{}
	for _, l := range batch {
		if l.Deleted {
			continue
		}
		r, id := l.Rule, byName[[2]string{l.Rule.Owner, l.Rule.Name}]
		byName[[2]string{r.Owner, r.Name}] = r.ID
		if id == "" {
			const query = `SELECT id FROM rules WHERE owner = ? AND live_name = ? AND id <> ?`
			if err := each(ctx, c, query, []any{r.Owner, r.Name, r.ID},
				func(row column.Row) error { return row.Scan(&id) }); err != nil {
				return err
			}
		}
		if id != "" {
			return rules.Errorf(rules.Conflict, "a rule named %q exists already (id %s); choose another name or update that one",
				r.Name, id)
		}
	}
	return fmt.Errorf("write rules: %w", err)
}

// versions numbers changes of rules in the order in which they are committed.
func (c *saving) versions(ctx context.Context, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	last, err := bump(ctx, c, "versions", len(rows))
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i] = append([]any{last - int64(len(rows)-1-i)}, rows[i]...)
	}
	return c.put(ctx, versions, rows)
}
