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
	// Claim marks notifications as handed over in the message of that ID, before
	// its request leaves, and returns those that were still owed, with what they
	// answer to.
	Claim(ctx context.Context, list []rules.Notification, message string) ([]rules.Notification, error)
	// Record records what became of notifications that were taken. What failed is due
	// again at once, and stays so with the time of its first failure.
	Record(ctx context.Context, list []rules.Notification, o rules.Outcome) error
	// Fallback owes messages that their channel cannot deliver on another one too,
	// each of them once, and returns how many that one has; none with an error.
	Fallback(ctx context.Context, list []rules.Notification, channel string) (int, error)
	// FanOut makes notifications that are owed to all targets of their channel
	// owed to each of them.
	FanOut(ctx context.Context, list []rules.Notification, targets []string) error
	// Notify owes a message of tocsin's own at each address. Under a name it is owed
	// only once while it is not out.
	Notify(ctx context.Context, name string, to []rules.Address, reason rules.Reason, f rules.Facts) error
	// Bell is rung when more may be owed.
	Bell() <-chan struct{}
}

// LedgerOutbox is the Outbox of a ledger cache: state and message are one commit there.
type LedgerOutbox struct{ *evaluator.LedgerCache }

var _ Outbox = LedgerOutbox{}

// Claim marks notifications as handed over and returns those that were still
// owed.
func (o LedgerOutbox) Claim(ctx context.Context, list []rules.Notification, message string) (taken []rules.Notification,
	err error,
) {
	ids, mine := byRule(list)
	got, answers := map[string]bool{}, map[string]string{}
	err = o.Decide(ctx, time.Now(), ids, func(_ rules.Setting, l *rules.Ledger) error {
		for _, id := range mine[l.Rule.ID] {
			got[id], answers[id] = l.Claim(id, message), l.Answers(id)
		}
		return nil
	})
	for _, n := range list {
		if got[n.ID] {
			n.Attempts++
			n.Facts.Ref = answers[n.ID]
			taken = append(taken, n)
		}
	}
	return taken, err
}

// Record records what became of notifications that were taken.
func (o LedgerOutbox) Record(ctx context.Context, list []rules.Notification, outcome rules.Outcome) error {
	ids, mine := byRule(list)
	now := time.Now().UTC()
	due := map[string]time.Time{}
	for _, n := range list {
		if due[n.ID] = now; n.Failed() {
			due[n.ID] = n.Due // since its first failure, which a restart must not forget
		}
	}
	return o.Decide(ctx, now, ids, func(_ rules.Setting, l *rules.Ledger) error {
		for _, id := range mine[l.Rule.ID] {
			l.Record(id, outcome, due[id], now)
		}
		return nil
	})
}

// Fallback owes messages that their channel cannot deliver on another one too, and
// returns how many that one has.
func (o LedgerOutbox) Fallback(ctx context.Context, list []rules.Notification, channel string) (int, error) {
	ids, mine := byRule(list)
	has := map[string]bool{}
	err := o.Decide(ctx, time.Now().UTC(), ids, func(s rules.Setting, l *rules.Ledger) error {
		for _, id := range mine[l.Rule.ID] {
			has[id] = l.Fallback(id, channel, s.Now)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(only(list, func(n rules.Notification) bool { return has[n.ID] })), nil
}

// FanOut makes notifications that are owed to all targets of their channel owed
// to each of them.
func (o LedgerOutbox) FanOut(ctx context.Context, list []rules.Notification, targets []string) error {
	ids, mine := byRule(list)
	return o.Decide(ctx, time.Now().UTC(), ids, func(s rules.Setting, l *rules.Ledger) error {
		for _, id := range mine[l.Rule.ID] {
			l.FanOut(id, targets, s.Now)
		}
		return nil
	})
}

// Notify owes a message of tocsin's own at each address.
func (o LedgerOutbox) Notify(ctx context.Context, name string, to []rules.Address, reason rules.Reason,
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

func byRule(list []rules.Notification) (ids []string, of map[string][]string) {
	of = map[string][]string{}
	for _, n := range list {
		if _, ok := of[n.RuleID]; !ok {
			ids = append(ids, n.RuleID)
		}
		of[n.RuleID] = append(of[n.RuleID], n.ID)
	}
	return ids, of
}
