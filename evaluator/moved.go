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
func (b *Book) refresh(ctx context.Context) error {
	if b.retired {
		return errRetired
	}
	ctx = context.WithoutCancel(ctx)
	moved, err := b.store.Moved(ctx)
	if b.deaf = err != nil; b.deaf {
		return fmt.Errorf("see what others changed: %w", err)
	}
	b.unread.add(moved)
	if moved.Channels && b.options.ChannelsMoved != nil {
		b.options.ChannelsMoved()
	}
	return errors.Join(b.readLedgers(ctx), b.readMovedSilences(ctx))
}

// readLedgers reads the ledgers that others changed. One that cannot be read
// must not keep the others from being seen.
func (b *Book) readLedgers(ctx context.Context) error {
	ids := b.unread.Ledgers
	if len(ids) == 0 {
		return nil
	}
	err := b.reread(ctx, ids...)
	switch {
	case err == nil:
		b.unread.Ledgers = nil
	case rules.CodeOf(err) == rules.Internal:
		b.unread.Ledgers = slices.DeleteFunc(ids, func(id string) bool { return b.reread(ctx, id) == nil })
	}
	if len(b.unread.Ledgers) < len(ids) {
		b.Ring()
		b.committed()
	}
	return err
}

func (b *Book) reread(ctx context.Context, ids ...string) error {
	fresh, err := b.store.Load(ctx, ids...)
	if err != nil {
		return fmt.Errorf("read changed ledgers: %w", err)
	}
	for _, l := range fresh {
		b.replace(l)
	}
	return nil
}

func (b *Book) readMovedSilences(ctx context.Context) error {
	if !b.unread.Silences {
		return nil
	}
	err := b.readSilences(ctx)
	b.unread.Silences = err != nil
	return err
}

// stale reports whether a ledger in memory may be older than what is stored.
func (b *Book) stale(id string) bool { return b.deaf || slices.Contains(b.unread.Ledgers, id) }

// readSilences reads the silences anew; what cannot be read leaves the old ones
// in force.
func (b *Book) readSilences(ctx context.Context) error {
	if b.options.Silences == nil {
		return nil
	}
	list, err := b.options.Silences(ctx)
	if err != nil {
		return fmt.Errorf("read silences: %w", err)
	}
	b.silence = list
	return nil
}

// replace takes a ledger that was read anew in the place of the cached one.
func (b *Book) replace(fresh *rules.Ledger) {
	if old, ok := b.cache.Peek(fresh.Rule.ID); ok {
		if old.Revision >= fresh.Revision {
			return
		}
		fresh.Remember(old)
	}
	b.admit(fresh)
}
