package evaluator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// ledgerSet is a list of ledgers to decide on. It remembers where they are, so that
// the same list costs no look-up the next time.
type ledgerSet struct {
	ids        []string
	ledgers    []*rules.Ledger // in the order of ids, nil for those that are not known
	generation uint64          // the cache's when they were found
}

// find finds the ledgers of a set, in the cache or the store.
func (c *LedgerCache) find(ctx context.Context, set *ledgerSet) error {
	if len(set.ledgers) == len(set.ids) && set.generation == c.generation {
		return nil
	}
	set.ledgers = set.ledgers[:0]
	var missing []string
	for _, id := range set.ids {
		l, ok := c.lru.Get(id)
		if !ok {
			l = c.unsaved[id]
		}
		if l == nil {
			missing = append(missing, id)
		}
		set.ledgers = append(set.ledgers, l)
	}
	if len(missing) > 0 {
		return c.load(ctx, set, missing)
	}
	set.generation = c.generation
	return nil
}

// load completes a set from the store. With a cache that is too small for the
// set it does not last.
func (c *LedgerCache) load(ctx context.Context, set *ledgerSet, missing []string) error {
	read, err := c.store.Load(ctx, missing...)
	if err != nil {
		set.ledgers = set.ledgers[:0]
		return fmt.Errorf("read ledgers: %w", err)
	}
	generation := c.generation
	byID := map[string]*rules.Ledger{}
	for _, l := range read {
		byID[l.Rule.ID] = l
		c.admit(l)
	}
	for i, id := range set.ids {
		if set.ledgers[i] == nil {
			set.ledgers[i] = byID[id]
		}
	}
	set.generation = generation
	return nil
}

// Decider changes a ledger in a setting. It must not change what it refuses
// with an error, and may be called again with a fresh ledger when another
// process changed it meanwhile.
type Decider func(rules.Setting, *rules.Ledger) error

// Decide calls decide with each of the listed ledgers, in order, as of now, and
// saves what it changed in one transaction. Ids that are not known are left
// out.
func (c *LedgerCache) Decide(ctx context.Context, now time.Time, ids []string, decide Decider) error {
	return c.decide(ctx, now, &ledgerSet{ids: ids}, func(s rules.Setting, _ int, l *rules.Ledger) error {
		return decide(s, l)
	})
}

// decide is Decide with a set, which tells decide the place of each ledger.
func (c *LedgerCache) decide(ctx context.Context, now time.Time, set *ledgerSet,
	decide func(s rules.Setting, place int, l *rules.Ledger) error,
) error {
	c.lock()
	defer c.unlock()
	if c.missed = c.refresh(ctx); c.retired {
		return undecided{c.missed}
	}
	if err := c.find(ctx, set); err != nil {
		return undecided{err}
	}
	setting, errs := c.setting(now, c.parents(ctx, set)), []error(nil)
	for i, l := range set.ledgers {
		if l == nil {
			continue
		}
		if err := decide(setting, i, l); err != nil {
			errs = append(errs, err)
		}
	}
	again := func(l *rules.Ledger) error {
		if i := slices.Index(set.ids, l.Rule.ID); i >= 0 {
			return decide(setting, i, l)
		}
		return nil
	}
	return errors.Join(append(errs, c.save(ctx, set.ledgers, again))...)
}

// undecided is why a decision was not made.
type undecided struct{ error }

func (u undecided) Unwrap() error { return u.error }

// decided reports whether a decision with this error was made and stands, be it
// in memory only.
func decided(err error) bool {
	var not undecided
	return !errors.As(err, &not) && !refused(err)
}

// Act is Decide for one rule; rules.NotFound when there is none. It is refused
// while what others changed of the rule cannot be read: people do not act on
// what may be old.
func (c *LedgerCache) Act(ctx context.Context, now time.Time, id string, act Decider) error {
	found := false
	err := c.Decide(ctx, now, []string{id}, func(s rules.Setting, l *rules.Ledger) error {
		found = true
		if c.missed != nil && c.stale(id) {
			return c.missed
		}
		return act(s, l)
	})
	if err == nil && !found {
		return rules.Errorf(rules.NotFound, "no rule %q", id)
	}
	return err
}

// Create stores the ledger of a new rule.
func (c *LedgerCache) Create(ctx context.Context, l *rules.Ledger) error {
	c.lock()
	defer c.unlock()
	if c.retired {
		return errRetired
	}
	if err := c.write(ctx, []*rules.Ledger{l}, func(*rules.Ledger) error { return nil }); err != nil {
		return err
	}
	c.admit(l)
	c.committed()
	return nil
}

// save writes what changed of list; again decides anew on a ledger of it that
// another process changed. Ledgers that could not be saved keep their changes
// in memory and go with the next save, unless the store refused them.
func (c *LedgerCache) save(ctx context.Context, list []*rules.Ledger, again func(*rules.Ledger) error) error {
	batch := make([]*rules.Ledger, 0, len(c.unsaved)+4)
	for _, l := range c.unsaved {
		batch = append(batch, l)
	}
	for _, l := range list {
		if l != nil && l.Changed() && c.unsaved[l.Rule.ID] != l {
			batch = append(batch, l)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	anew := map[string]*rules.Ledger{}
	err := c.write(ctx, batch, func(fresh *rules.Ledger) error {
		c.replace(fresh)
		delete(c.unsaved, fresh.Rule.ID)
		err := again(fresh)
		c.admit(fresh)
		anew[fresh.Rule.ID] = fresh
		return err
	})
	c.settle(batch, anew, err)
	return err
}

// write saves a batch, and leaves the state to readers meanwhile.
func (c *LedgerCache) write(ctx context.Context, batch []*rules.Ledger, again func(*rules.Ledger) error) error {
	c.saving = make(map[string]bool, len(batch))
	for _, l := range batch {
		_, before := c.unsaved[l.Rule.ID]
		c.saving[l.Rule.ID] = !before
	}
	c.state.Unlock()
	err := c.store.Save(ctx, batch, func(fresh *rules.Ledger) error {
		c.state.Lock()
		defer c.state.Unlock()
		return again(fresh)
	})
	c.state.Lock()
	c.saving = nil
	return err
}

// settle brings the indexes up to date after a save of a batch, in which some were
// decided anew. A ledger that left the cache meanwhile owes what it owes.
func (c *LedgerCache) settle(batch []*rules.Ledger, anew map[string]*rules.Ledger, err error) {
	c.trouble = err
	for _, l := range batch {
		id := l.Rule.ID
		switch {
		case err == nil:
			delete(c.unsaved, id)
		case refused(err):
			c.lru.Remove(id) // what is stored stands
			delete(c.unsaved, id)
			continue
		default:
			c.unsaved[id] = l
		}
		if current, ok := c.lru.Peek(id); ok {
			l = current
		} else if fresh := anew[id]; fresh != nil {
			l = fresh
		}
		c.enter(l)
	}
	c.Ring()
	c.committed()
}

// refused reports whether the store refused what was to be saved, so that it is
// not tried again.
func refused(err error) bool {
	code := rules.CodeOf(err)
	return code == rules.Conflict || code == rules.Invalid || code == rules.NotFound
}
