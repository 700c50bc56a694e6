package evaluator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// roll is a list of ledgers to decide on. It remembers where they are, so that
// the same list costs no look-up the next time.
type roll struct {
	ids     []string
	ledgers []*rules.Ledger // in the order of ids, nil for those that are not known
	turns   uint64          // the Book's when they were found
}

// find finds the ledgers of a roll, in the cache or the store.
func (b *Book) find(ctx context.Context, r *roll) error {
	if len(r.ledgers) == len(r.ids) && r.turns == b.turns {
		return nil
	}
	r.ledgers = r.ledgers[:0]
	var missing []string
	for _, id := range r.ids {
		l, ok := b.cache.Get(id)
		if !ok {
			l = b.unsaved[id]
		}
		if l == nil {
			missing = append(missing, id)
		}
		r.ledgers = append(r.ledgers, l)
	}
	if len(missing) > 0 {
		return b.load(ctx, r, missing)
	}
	r.turns = b.turns
	return nil
}

// load completes a roll from the store. With a cache that is too small for the
// roll it does not last.
func (b *Book) load(ctx context.Context, r *roll, missing []string) error {
	read, err := b.store.Load(ctx, missing...)
	if err != nil {
		r.ledgers = r.ledgers[:0]
		return fmt.Errorf("read ledgers: %w", err)
	}
	turns := b.turns
	byID := map[string]*rules.Ledger{}
	for _, l := range read {
		byID[l.Rule.ID] = l
		b.admit(l)
	}
	for i, id := range r.ids {
		if r.ledgers[i] == nil {
			r.ledgers[i] = byID[id]
		}
	}
	r.turns = turns
	return nil
}

// Decider changes a ledger in a setting. It must not change what it refuses
// with an error, and may be called again with a fresh ledger when another
// process changed it meanwhile.
type Decider func(rules.Setting, *rules.Ledger) error

// Decide calls decide with each of the listed ledgers, in order, as of now, and
// saves what it changed in one transaction. Ids that are not known are left
// out.
func (b *Book) Decide(ctx context.Context, now time.Time, ids []string, decide Decider) error {
	return b.decide(ctx, now, &roll{ids: ids}, func(s rules.Setting, _ int, l *rules.Ledger) error { return decide(s, l) })
}

// decide is Decide with a roll, which tells decide the place of each ledger.
func (b *Book) decide(ctx context.Context, now time.Time, r *roll,
	decide func(s rules.Setting, place int, l *rules.Ledger) error,
) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed = b.refresh(ctx); b.retired {
		return undecided{b.missed}
	}
	if err := b.find(ctx, r); err != nil {
		return undecided{err}
	}
	setting, errs := b.setting(now), []error(nil)
	for i, l := range r.ledgers {
		if l == nil {
			continue
		}
		if err := decide(setting, i, l); err != nil {
			errs = append(errs, err)
		}
	}
	again := func(l *rules.Ledger) error {
		if i := slices.Index(r.ids, l.Rule.ID); i >= 0 {
			return decide(setting, i, l)
		}
		return nil
	}
	return errors.Join(append(errs, b.save(ctx, r.ledgers, again))...)
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
func (b *Book) Act(ctx context.Context, now time.Time, id string, act Decider) error {
	found := false
	err := b.Decide(ctx, now, []string{id}, func(s rules.Setting, l *rules.Ledger) error {
		found = true
		if b.missed != nil && b.stale(id) {
			return b.missed
		}
		return act(s, l)
	})
	if err == nil && !found {
		return rules.Errorf(rules.NotFound, "no rule %q", id)
	}
	return err
}

// Create stores the ledger of a new rule.
func (b *Book) Create(ctx context.Context, l *rules.Ledger) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retired {
		return errRetired
	}
	if err := b.store.Save(ctx, []*rules.Ledger{l}, func(*rules.Ledger) error { return nil }); err != nil {
		return err
	}
	b.admit(l)
	b.committed()
	return nil
}

// save writes what changed of list; again decides anew on a ledger of it that
// another process changed. Ledgers that could not be saved keep their changes
// in memory and go with the next save, unless the store refused them.
func (b *Book) save(ctx context.Context, list []*rules.Ledger, again func(*rules.Ledger) error) error {
	batch := make([]*rules.Ledger, 0, len(b.unsaved)+4)
	for _, l := range b.unsaved {
		batch = append(batch, l)
	}
	for _, l := range list {
		if l != nil && l.Changed() && b.unsaved[l.Rule.ID] != l {
			batch = append(batch, l)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	anew := map[string]*rules.Ledger{}
	err := b.store.Save(ctx, batch, func(fresh *rules.Ledger) error {
		b.replace(fresh)
		delete(b.unsaved, fresh.Rule.ID)
		err := again(fresh)
		b.admit(fresh)
		anew[fresh.Rule.ID] = fresh
		return err
	})
	b.settle(batch, anew, err)
	return err
}

// settle brings the indexes up to date after a save of a batch, in which some were
// decided anew. A ledger that left the cache meanwhile owes what it owes.
func (b *Book) settle(batch []*rules.Ledger, anew map[string]*rules.Ledger, err error) {
	b.trouble = err
	for _, l := range batch {
		id := l.Rule.ID
		switch {
		case err == nil:
			delete(b.unsaved, id)
		case refused(err):
			b.cache.Remove(id) // what is stored stands
			delete(b.unsaved, id)
			continue
		default:
			b.unsaved[id] = l
		}
		if current, ok := b.cache.Peek(id); ok {
			l = current
		} else if fresh := anew[id]; fresh != nil {
			l = fresh
		}
		b.enter(l)
	}
	b.Ring()
	b.committed()
}

// refused reports whether the store refused what was to be saved, so that it is
// not tried again.
func refused(err error) bool {
	code := rules.CodeOf(err)
	return code == rules.Conflict || code == rules.Invalid || code == rules.NotFound
}
