package sqlite

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
	if err := s.writable(); err != nil {
		return err
	}
	c := &commit{Store: s, again: again}
	err := s.pinned.transact(ctx, func(ctx context.Context) error { return c.all(ctx, batch) })
	if err != nil && !errors.Is(err, errNothing) {
		return s.fault("save ledgers", err)
	}
	for _, l := range c.done {
		delete(s.moved.ledgers, l.Rule.ID)
	}
	if len(c.written) > 0 {
		s.seen.ledgers = c.revision
	}
	for _, l := range c.written {
		l.Saved(c.revision)
	}
	return nil
}

// errNothing ends a transaction that turned out to have nothing to write.
var errNothing = errors.New("nothing to write")

// commit is one Save under way.
type commit struct {
	*Store
	again    func(*rules.Ledger) error
	revision int64           // of everything that is written, 0 while nothing is
	written  []*rules.Ledger // and to be told so
	done     []*rules.Ledger // as the caller knows them now
}

func (c *commit) all(ctx context.Context, batch []*rules.Ledger) error {
	if err := c.follow(ctx); err != nil {
		return err
	}
	// Deleted ones first: their names are free for others of the batch.
	batch = slices.Clone(batch)
	slices.SortStableFunc(batch, func(a, b *rules.Ledger) int { return order(b.Deleted) - order(a.Deleted) })
	for _, l := range batch {
		if !l.Changed() && !c.moved.ledgers[l.Rule.ID] {
			continue
		}
		if err := c.one(ctx, l); err != nil {
			return err
		}
	}
	if len(c.written) == 0 {
		return errNothing
	}
	return nil
}

func order(first bool) int {
	if first {
		return 1
	}
	return 0
}

// one writes a ledger, or the fresh one in its place when another process was
// faster.
func (c *commit) one(ctx context.Context, l *rules.Ledger) error {
	current, err := c.claim(ctx, l)
	if err != nil {
		return err
	}
	if !current {
		if l, err = c.decideAgain(ctx, l); err != nil {
			return err
		}
		if current, err = c.claim(ctx, l); err == nil && !current {
			err = fmt.Errorf("rule %s changed its revision within the transaction", l.Rule.ID)
		}
		if err != nil {
			return err
		}
	}
	c.done = append(c.done, l)
	if !l.Changed() {
		return nil
	}
	c.written = append(c.written, l)
	return c.write(ctx, l)
}

func (c *commit) decideAgain(ctx context.Context, l *rules.Ledger) (*rules.Ledger, error) {
	found, err := load(ctx, c.pinned, []string{l.Rule.ID})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, rules.Errorf(rules.Conflict,
			"rule %q is not in the database any more; was it restored from a backup? Reload the rules", l.Rule.Name)
	}
	if c.again == nil {
		return nil, rules.Errorf(rules.Conflict,
			"rule %q was changed by somebody else in the meantime; look at it and try again", l.Rule.Name)
	}
	return found[0], c.again(found[0])
}

// claim puts a changed ledger under the revision of this commit, and reports
// false when it was not read at the stored one.
func (c *commit) claim(ctx context.Context, l *rules.Ledger) (current bool, err error) {
	if !l.Changed() {
		stored, err := c.pinned.number(ctx, `SELECT COALESCE(MAX(revision), 0) FROM ledgers WHERE rule_id = ?`, l.Rule.ID)
		return stored == l.Revision, err
	}
	if c.revision == 0 {
		if c.revision, err = c.pinned.bump(ctx, "ledgers"); err != nil {
			return false, err
		}
	}
	values, err := column.Ledger(l, c.revision)
	if err != nil {
		return false, err
	}
	if l.Revision == 0 {
		_, err = c.pinned.exec(ctx,
			`INSERT INTO ledgers (rule_id, revision, judged, matched, progress) VALUES (?, ?, ?, ?, ?)`, values...)
		if taken(err) {
			err = rules.Errorf(rules.Conflict, "a rule with the id %s exists already", l.Rule.ID)
		}
		return true, err
	}
	n, err := c.pinned.exec(ctx,
		`UPDATE ledgers SET revision = ?, judged = ?, matched = ?, progress = ? WHERE rule_id = ? AND revision = ?`,
		append(values[1:], l.Rule.ID, l.Revision)...)
	return n == 1, err
}

// write stores what a ledger says has changed.
func (c *commit) write(ctx context.Context, l *rules.Ledger) error {
	changes := l.Changes()
	if changes.Rule && l.Rule.ID != "" {
		if err := c.rule(ctx, l); err != nil {
			return err
		}
	}
	for _, v := range changes.Versions {
		if err := c.version(ctx, v); err != nil {
			return err
		}
	}
	for _, series := range changes.Gone {
		if _, err := c.pinned.exec(ctx, `DELETE FROM instances WHERE rule_id = ? AND series = ?`, l.Rule.ID,
			string(series)); err != nil {
			return err
		}
	}
	for _, in := range changes.Instances {
		if err := c.instance(ctx, l.Rule.ID, in); err != nil {
			return err
		}
	}
	for _, a := range changes.Alerts {
		if err := c.alert(ctx, a); err != nil {
			return err
		}
	}
	for _, n := range changes.Notifications {
		if err := c.notification(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *commit) rule(ctx context.Context, l *rules.Ledger) error {
	values, err := column.Rule(l)
	if err != nil {
		return err
	}
	_, err = c.pinned.exec(ctx, `INSERT INTO rules (id, owner, name, title, measurement, enabled, deleted_at, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, title = excluded.title, measurement = excluded.measurement,
			enabled = excluded.enabled, deleted_at = excluded.deleted_at, body = excluded.body`, values...)
	if taken(err) {
		return c.nameTaken(ctx, l.Rule)
	}
	return err
}

func (c *commit) nameTaken(ctx context.Context, r rules.Rule) error {
	var id string
	rows, err := c.pinned.QueryContext(ctx, `SELECT id FROM rules WHERE owner = ? AND name = ? AND deleted_at IS NULL`,
		r.Owner, r.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rules.Errorf(rules.Conflict, "a rule named %q exists already (id %s); choose another name or update that one",
		r.Name, id)
}

func (c *commit) version(ctx context.Context, v rules.Version) error {
	values, err := column.Version(v)
	if err != nil {
		return err
	}
	_, err = c.pinned.exec(ctx,
		`INSERT INTO versions (rule_id, version, act, author, door, at, body) VALUES (?, ?, ?, ?, ?, ?, ?)`, values...)
	return err
}

func (c *commit) instance(ctx context.Context, rule string, in *rules.Instance) error {
	values, err := column.Instance(rule, in)
	if err != nil {
		return err
	}
	_, err = c.pinned.exec(ctx, `INSERT OR REPLACE INTO instances (rule_id, series, state, since, quiet_since,
		stood, cooldown_until,
		untold, snooze, seen, ok_at, rejudge, value, text, level, recent)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, values...)
	return err
}

func (c *commit) alert(ctx context.Context, a *rules.Alert) error {
	values, err := column.Alert(a)
	if err != nil {
		return err
	}
	_, err = c.pinned.exec(ctx, `INSERT INTO alerts (id, rule_id, series, status, severity, started_at,
		resolved_at, value, peak, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, severity = excluded.severity,
		started_at = excluded.started_at,
			resolved_at = excluded.resolved_at, value = excluded.value, peak = excluded.peak, body = excluded.body`, values...)
	return err
}

func (c *commit) notification(ctx context.Context, n *rules.Notification) error {
	values, err := column.Notification(n)
	if err != nil {
		return err
	}
	_, err = c.pinned.exec(ctx, `INSERT INTO notifications (id, rule_id, alert_id, channel, target, origin,
		reason, state, held_by,
		booked_at, due, attempts, message, unknown, error, code, done_at, fallback, facts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET target = excluded.target, state = excluded.state, held_by = excluded.held_by,
			booked_at = excluded.booked_at, due = excluded.due, attempts = excluded.attempts, message = excluded.message,
			unknown = excluded.unknown, error = excluded.error, code = excluded.code, done_at = excluded.done_at,
			fallback = excluded.fallback, facts = excluded.facts`, values...)
	return err
}
