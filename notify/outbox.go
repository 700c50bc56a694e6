package notify

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Outbox is what is owed: the notifications of all ledgers, seen as one queue.
type Outbox interface {
	// Owed lists what is owed and due, in the order it was booked.
	Owed(now time.Time) []rules.Notification
	// NextDue is when the next of what is owed after now becomes due, zero when
	// there is nothing.
	NextDue(now time.Time) time.Time
	// Take marks notifications as handed over in the message of that ID, before
	// its request leaves, and returns those that were still owed.
	Take(ctx context.Context, list []rules.Notification, message string) ([]rules.Notification, error)
	// Deliver records what became of notifications that were taken. What failed is due
	// again at once, and stays so with the time of its first failure.
	Deliver(ctx context.Context, list []rules.Notification, o rules.Outcome) error
	// Divert owes messages that their channel cannot deliver on another one too,
	// each of them once, and returns how many that one has; none with an error.
	Divert(ctx context.Context, list []rules.Notification, channel string) (int, error)
	// Spread makes notifications that are owed to all targets of their channel
	// owed to each of them.
	Spread(ctx context.Context, list []rules.Notification, targets []string) error
	// Tell owes a message of tocsin's own at each address. Under a name it is owed
	// only once while it is not out.
	Tell(ctx context.Context, name string, to []rules.Address, reason rules.Reason, f rules.Facts) error
	// Bell is rung when more may be owed.
	Bell() <-chan struct{}
}

// BookOutbox is the Outbox of a Book: state and message are one commit there.
type BookOutbox struct{ *evaluator.Book }

var _ Outbox = BookOutbox{}

// Take marks notifications as handed over and returns those that were still
// owed.
func (o BookOutbox) Take(ctx context.Context, list []rules.Notification, message string) (taken []rules.Notification,
	err error,
) {
	ids, byRule := group(list)
	got := map[string]bool{}
	err = o.Decide(ctx, time.Now(), ids, func(_ rules.Setting, l *rules.Ledger) error {
		for _, id := range byRule[l.Rule.ID] {
			got[id] = l.Take(id, message)
		}
		return nil
	})
	for _, n := range list {
		if got[n.ID] {
			n.Attempts++
			taken = append(taken, n)
		}
	}
	return taken, err
}

// Deliver records what became of notifications that were taken.
func (o BookOutbox) Deliver(ctx context.Context, list []rules.Notification, outcome rules.Outcome) error {
	ids, byRule := group(list)
	now := time.Now().UTC()
	due := map[string]time.Time{}
	for _, n := range list {
		if due[n.ID] = now; n.Failed() {
			due[n.ID] = n.Due // since its first failure, which a restart must not forget
		}
	}
	return o.Decide(ctx, now, ids, func(_ rules.Setting, l *rules.Ledger) error {
		for _, id := range byRule[l.Rule.ID] {
			l.Deliver(id, outcome, due[id], now)
		}
		return nil
	})
}

// Divert owes messages that their channel cannot deliver on another one too, and
// returns how many that one has.
func (o BookOutbox) Divert(ctx context.Context, list []rules.Notification, channel string) (int, error) {
	ids, byRule := group(list)
	has := map[string]bool{}
	err := o.Decide(ctx, time.Now().UTC(), ids, func(s rules.Setting, l *rules.Ledger) error {
		for _, id := range byRule[l.Rule.ID] {
			has[id] = l.Divert(id, channel, s.Now)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(only(list, func(n rules.Notification) bool { return has[n.ID] })), nil
}

// Spread makes notifications that are owed to all targets of their channel owed
// to each of them.
func (o BookOutbox) Spread(ctx context.Context, list []rules.Notification, targets []string) error {
	ids, byRule := group(list)
	return o.Decide(ctx, time.Now().UTC(), ids, func(s rules.Setting, l *rules.Ledger) error {
		for _, id := range byRule[l.Rule.ID] {
			l.Spread(id, targets, s.Now)
		}
		return nil
	})
}

// Tell owes a message of tocsin's own at each address.
func (o BookOutbox) Tell(ctx context.Context, name string, to []rules.Address, reason rules.Reason,
	f rules.Facts,
) error {
	return o.Decide(ctx, time.Now().UTC(), []string{""}, func(s rules.Setting, l *rules.Ledger) error {
		for _, a := range to {
			if name == "" {
				l.BookTo(a, reason, f, s.Now)
			} else {
				l.BookOnce(name, a, f, s.Now)
			}
		}
		return nil
	})
}

func group(list []rules.Notification) (ids []string, byRule map[string][]string) {
	byRule = map[string][]string{}
	for _, n := range list {
		if _, ok := byRule[n.RuleID]; !ok {
			ids = append(ids, n.RuleID)
		}
		byRule[n.RuleID] = append(byRule[n.RuleID], n.ID)
	}
	return ids, byRule
}
