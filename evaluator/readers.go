package evaluator

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Whoever only looks does not wait for a save, which on an SD card may take
// seconds: of a ledger that is being saved it gets what is committed.

// read calls f with the listed ledgers, to look at; those that are not in memory
// are read only if load is set. It reports whether there was one.
func (c *LedgerCache) read(ids []string, load bool, f func(*rules.Ledger)) (found bool) {
	var stored, unsaved []string
	c.state.Lock()
	for _, id := range ids {
		committed, saving := c.saving[id]
		l := c.inMemory(id)
		switch {
		case saving && !committed:
			unsaved = append(unsaved, id)
		case saving, l == nil && load:
			stored = append(stored, id)
		case l != nil:
			f(l)
			found = true
		}
	}
	c.state.Unlock()
	if len(stored) > 0 {
		list, err := c.store.Load(context.Background(), stored...)
		if err != nil {
			unsaved = append(unsaved, stored...)
		}
		for _, l := range list {
			f(l)
			found = true
		}
	}
	return c.wait(unsaved, f) || found
}

// wait is read for ledgers of which the store does not have what was decided
// before: memory is the truth of them, once the save under way is over.
func (c *LedgerCache) wait(ids []string, f func(*rules.Ledger)) (found bool) {
	if len(ids) == 0 {
		return false
	}
	c.lock()
	defer c.unlock()
	for _, id := range ids {
		if l := c.inMemory(id); l != nil {
			f(l)
			found = true
		}
	}
	return found
}

// View calls f with a ledger to look at, not to change; it reports false when
// there is none in memory.
func (c *LedgerCache) View(id string, f func(*rules.Ledger)) bool {
	return c.read([]string{id}, false, f)
}

// Version returns the number that Watched returns, after a look at what others
// changed; while a decision is under way, which has looked, it does not wait for
// its end.
func (c *LedgerCache) Version(ctx context.Context) (uint64, error) {
	if !c.mu.TryLock() {
		c.state.Lock()
		defer c.state.Unlock()
		return c.version, c.missed
	}
	c.state.Lock()
	defer c.unlock()
	err := c.refresh(ctx)
	return c.version, err
}

// Judged calls f with each watched rule and the last tick at which it was
// judged, which is not known where its ledger is not in memory. f must neither
// change the rule nor ask the cache.
func (c *LedgerCache) Judged(f func(r *rules.Rule, last time.Time, inMemory bool)) {
	c.state.Lock()
	defer c.state.Unlock()
	for id, known := range c.rules {
		if l, ok := c.lru.Peek(id); ok {
			f(known.rule, l.Judged, true)
		} else {
			f(known.rule, time.Time{}, false)
		}
	}
}

// Unsaved returns how many ledgers differ from what is stored because saving
// failed.
func (c *LedgerCache) Unsaved() int {
	c.state.Lock()
	defer c.state.Unlock()
	return len(c.unsaved)
}

// Trouble is why the last save failed; nil when it went well.
func (c *LedgerCache) Trouble() error {
	c.state.Lock()
	defer c.state.Unlock()
	return c.trouble
}

// Busy lists the ledgers that have alerts or unsent messages.
func (c *LedgerCache) Busy() []string {
	c.state.Lock()
	defer c.state.Unlock()
	return slices.Sorted(maps.Keys(c.owing))
}

// Owed lists the notifications that are owed and due, in the order they were
// booked.
func (c *LedgerCache) Owed(now time.Time) []rules.Notification {
	var out []rules.Notification
	c.allOwed(func(n *rules.Notification) {
		if !n.Due.After(now) {
			out = append(out, *n)
		}
	})
	slices.SortFunc(out, func(x, y rules.Notification) int {
		return cmp.Or(x.BookedAt.Compare(y.BookedAt), cmp.Compare(x.ID, y.ID))
	})
	return out
}

// NextDue is when the next of what is owed after now becomes due, zero when
// there is nothing.
func (c *LedgerCache) NextDue(now time.Time) (next time.Time) {
	c.allOwed(func(n *rules.Notification) {
		if n.Due.After(now) && (next.IsZero() || n.Due.Before(next)) {
			next = n.Due
		}
	})
	return next
}

// allOwed calls f with the notifications that are owed, due or not, in no order.
func (c *LedgerCache) allOwed(f func(*rules.Notification)) {
	c.read(c.Busy(), true, func(l *rules.Ledger) {
		l.Notifications(func(n *rules.Notification) bool {
			if n.State == rules.Owed {
				f(n)
			}
			return true
		})
	})
}
