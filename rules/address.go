package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Address is where a notification goes: a channel, and which of its targets
// where it has several. Each is told, and is failed, for itself.
type Address struct {
	Channel string
	// Target is a mail address, a chat or the like, by a name that is fit to be
	// shown; "" stands for all that the channel has.
	Target string
}

// Address is where the notification goes.
func (n *Notification) Address() Address { return Address{n.Channel, n.Target} }

// Root is the ID that the notification was booked under, which it shares with
// those that were fanned out from it.
func (n *Notification) Root() string {
	if n.Origin != "" {
		return n.Origin
	}
	return n.ID
}

// Meets reports whether what goes to one address goes to the other too.
func (a Address) Meets(b Address) bool {
	return a.Channel == b.Channel && (a.Target == b.Target || a.Target == "" || b.Target == "")
}

// MeetsAny reports whether the address meets one of list.
func (a Address) MeetsAny(list []Address) bool { return slices.ContainsFunc(list, a.Meets) }

func (a Address) compare(b Address) int {
	return cmp.Or(strings.Compare(a.Channel, b.Channel), strings.Compare(a.Target, b.Target))
}

// widest leaves out of list what another address in it stands for.
func widest(list []Address) (out []Address) {
	for _, a := range list {
		if !slices.Contains(out, a) && (a.Target == "" || !slices.Contains(list, Address{Channel: a.Channel})) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, Address.compare)
	return out
}

// FanOut makes a notification for each of the targets that its channel has, of
// one that is owed to all of them, or to one that the channel has no more.
func (l *Ledger) FanOut(id string, targets []string, now time.Time) {
	n := l.messages[id]
	if n == nil || n.State != Owed || len(targets) == 0 || slices.Contains(targets, n.Target) {
		return
	}
	l.settle()
	l.changed.notification(n)
	missing := slices.DeleteFunc(slices.Clone(targets), func(t string) bool { return l.needless(n, t) })
	if len(missing) == 0 {
		n.State, n.DoneAt = Cancelled, now
		return
	}
	n.Target, n.Facts.Had = missing[0], nil
	for _, target := range missing[1:] {
		m := *n
		m.ID, m.Origin, m.Target = "n"+digest(n.Root(), target), n.Root(), target
		if l.messages[m.ID] == nil {
			l.owe(&m)
			l.changed.notification(&m)
		}
	}
}

// needless reports whether a target has a notification already, or is not to
// hear of the end of what it was never told.
func (l *Ledger) needless(n *Notification, target string) bool {
	a := l.alerts[n.AlertID]
	unheard := a != nil && n.Reason == Resolved && !Address{n.Channel, target}.MeetsAny(l.heard(a))
	return unheard || slices.Contains(n.Facts.Had, target) || slices.ContainsFunc(l.owed[n.AlertID],
		func(m *Notification) bool {
			return m != n && m.Root() == n.Root() && m.Target == target && m.State != Cancelled
		})
}
