package evaluator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Inherit takes over what the cache before holds and the store does not: what it
// could not save, and what it saved elsewhere, because the store was made anew
// from an earlier state. lost is how far that store was which was lost, 0 for
// none: then what is held stands whatever the revisions say, which may be those
// of a state that somebody left; and rules up to there are deleted when the cache
// before does not know them.
func (c *LedgerCache) Inherit(ctx context.Context, old *LedgerCache, now time.Time, lost int64) error {
	if old == nil {
		return nil
	}
	held, complete := old.everything()
	stored, err := c.stored(ctx, held)
	if err != nil {
		return fmt.Errorf("read what is left: %w", err)
	}
	c.lock()
	defer c.unlock()
	var batch []*rules.Ledger
	for id, l := range held {
		if s := stored[id]; s == nil || lost > 0 || s.Revision < l.Revision {
			l.Renew(s, now)
			batch = append(batch, l)
		} else if old.unsaved[id] == l {
			c.unsaved[id] = l
			c.admit(l)
		}
	}
	for id, s := range stored {
		if complete && held[id] == nil && !s.Deleted && s.Revision <= lost {
			gone := &rules.Ledger{Rule: s.Rule, Deleted: true}
			gone.Renew(s, now)
			batch = append(batch, gone)
		}
	}
	return c.takeAll(ctx, batch)
}

// stored is each ledger that the store has, by id: those of this cache, and of
// the listed ones those that the cache does not watch.
func (c *LedgerCache) stored(ctx context.Context, held map[string]*rules.Ledger) (map[string]*rules.Ledger, error) {
	c.lock()
	defer c.unlock()
	out := map[string]*rules.Ledger{}
	for _, l := range c.lru.Values() {
		out[l.Rule.ID] = l
	}
	var missing []string
	for id := range held {
		if out[id] == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	list, err := c.store.Load(ctx, missing...)
	for _, l := range list {
		out[l.Rule.ID] = l
	}
	return out, err
}

// everything is each ledger that the cache holds, by id, and whether there are
// no others.
func (c *LedgerCache) everything() (held map[string]*rules.Ledger, complete bool) {
	c.lock()
	defer c.unlock()
	held = maps.Clone(c.unsaved)
	for _, l := range c.lru.Values() {
		held[l.Rule.ID] = l
	}
	return held, c.lru.Len() < c.options.Cache
}

// takeAll saves ledgers in one transaction, or each for itself when one of them
// is refused; what cannot be saved now goes with the next save.
func (c *LedgerCache) takeAll(ctx context.Context, batch []*rules.Ledger) error {
	if len(batch) == 0 {
		return nil
	}
	again := func(*rules.Ledger) error {
		return errors.New("another process writes into the database that is made anew")
	}
	err := c.store.Save(ctx, batch, again)
	if err != nil {
		err = nil
		for _, l := range batch {
			if failed := c.store.Save(ctx, []*rules.Ledger{l}, again); failed != nil {
				c.unsaved[l.Rule.ID] = l
				err = errors.Join(err, failed)
			}
		}
	}
	for _, l := range batch {
		c.admit(l)
	}
	c.Ring()
	c.committed()
	return err
}
