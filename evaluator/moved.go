package evaluator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// Moved is what others changed.
type Moved struct {
	Ledgers  []string // ids of rules
	Silences bool
	Channels bool
}

// add takes in ledgers and silences that were changed further.
func (m *Moved) add(more Moved) {
	m.Ledgers = append(m.Ledgers, more.Ledgers...)
	slices.Sort(m.Ledgers)
	m.Ledgers = slices.Compact(m.Ledgers)
	m.Silences = m.Silences || more.Silences
}

// refresh reads again what others committed. It reads for all, so the end of one
// caller's ctx does not stop it. What cannot be read leaves in force what was
// read before, and is tried again the next time.
func (c *LedgerCache) refresh(ctx context.Context) error {
	if c.retired {
		return errRetired
	}
	ctx = context.WithoutCancel(ctx)
	moved, err := c.store.Moved(ctx)
	if c.deaf = err != nil; c.deaf {
		return fmt.Errorf("see what others changed: %w", err)
	}
	c.unread.add(moved)
	if moved.Channels && c.options.ChannelsMoved != nil {
		c.options.ChannelsMoved()
	}
	return errors.Join(c.readLedgers(ctx), c.readMovedSilences(ctx))
}

// readLedgers reads the ledgers that others changed. One that cannot be read
// must not keep the others from being seen.
func (c *LedgerCache) readLedgers(ctx context.Context) error {
	ids := c.unread.Ledgers
	if len(ids) == 0 {
		return nil
	}
	err := c.reread(ctx, ids...)
	switch {
	case err == nil:
		c.unread.Ledgers = nil
	case rules.CodeOf(err) == rules.Internal:
		c.unread.Ledgers = slices.DeleteFunc(ids, func(id string) bool { return c.reread(ctx, id) == nil })
	}
	if len(c.unread.Ledgers) < len(ids) {
		c.Ring()
		c.committed()
	}
	return err
}

func (c *LedgerCache) reread(ctx context.Context, ids ...string) error {
	fresh, err := c.store.Load(ctx, ids...)
	if err != nil {
		return fmt.Errorf("read changed ledgers: %w", err)
	}
	for _, l := range fresh {
		c.replace(l)
	}
	return nil
}

func (c *LedgerCache) readMovedSilences(ctx context.Context) error {
	if !c.unread.Silences {
		return nil
	}
	err := c.readSilences(ctx)
	c.unread.Silences = err != nil
	return err
}

// stale reports whether a ledger in memory may be older than what is stored.
func (c *LedgerCache) stale(id string) bool { return c.deaf || slices.Contains(c.unread.Ledgers, id) }

// readSilences reads the silences anew; what cannot be read leaves the old ones
// in force.
func (c *LedgerCache) readSilences(ctx context.Context) error {
	if c.options.Silences == nil {
		return nil
	}
	list, err := c.options.Silences(ctx)
	if err != nil {
		return fmt.Errorf("read silences: %w", err)
	}
	c.silence = list
	return nil
}

// replace takes a ledger that was read anew in the place of the cached one.
func (c *LedgerCache) replace(fresh *rules.Ledger) {
	if old, ok := c.lru.Peek(fresh.Rule.ID); ok {
		if old.Revision >= fresh.Revision {
			return
		}
		fresh.Remember(old)
	}
	c.admit(fresh)
}
