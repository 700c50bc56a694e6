package app

import (
	"maps"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// DeliveryView says how far the messages of an alert have come.
type DeliveryView struct {
	State    string            `json:"state"` // pending, delivered, failed, failed in part, held, none
	Channels map[string]string `json:"channels"`
	// Missed names whom no message reached on a channel that reached others:
	// "mail: you@example.org".
	Missed []string `json:"missed,omitempty"`
}

// String is the state, and who was missed.
func (v DeliveryView) String() string {
	if len(v.Missed) == 0 {
		return v.State
	}
	return v.State + " (" + strings.Join(v.Missed, "; ") + ")"
}

// The states of a DeliveryView, the best first.
const (
	noDelivery = iota
	delivered
	heldBack
	pending
	failedInPart
	failed
)

var deliveryStates = [...]string{"none", "delivered", "held", "pending", "failed in part", "failed"}

// deliveryRank says which state of a DeliveryView a message makes.
func deliveryRank(d rules.Delivery) int {
	switch d {
	case rules.Sent:
		return delivered
	case rules.Held:
		return heldBack
	case rules.Owed, rules.Sending:
		return pending
	case rules.Dead:
		return failed
	}
	return noDelivery
}

// deliveryView takes the newest message at each address; the whole is as good
// as its worst channel.
func deliveryView(list []rules.Notification) DeliveryView {
	byChannel := map[string][]rules.Notification{}
	for _, n := range newest(list) {
		byChannel[n.Channel] = append(byChannel[n.Channel], n)
	}
	v, worst := DeliveryView{Channels: map[string]string{}}, noDelivery
	for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
		text, rank, missed := channelView(byChannel[channel])
		v.Channels[channel] = text
		worst = max(worst, rank)
		if rank == failedInPart {
			v.Missed = append(v.Missed, channel+": "+strings.Join(missed, ", "))
		}
	}
	v.State = deliveryStates[worst]
	return v
}

// newest picks the newest message of each address that another one does not
// stand for; of those that were booked together the last.
func newest(list []rules.Notification) (out []rules.Notification) {
	list = slices.DeleteFunc(slices.Clone(list), func(n rules.Notification) bool { return n.State == rules.Cancelled })
	slices.Reverse(list)
	slices.SortStableFunc(list, func(x, y rules.Notification) int { return y.BookedAt.Compare(x.BookedAt) })
	for _, n := range list {
		if !slices.ContainsFunc(out, func(m rules.Notification) bool { return m.Address().Meets(n.Address()) }) {
			out = append(out, n)
		}
	}
	return out
}

// channelView tells of the messages to the targets of one channel.
func channelView(list []rules.Notification) (text string, rank int, missed []string) {
	slices.SortFunc(list, func(x, y rules.Notification) int { return strings.Compare(x.Target, y.Target) })
	var said []string
	for _, n := range list {
		one := string(n.State)
		if n.Error != "" && n.State != rules.Sent {
			one += " (" + n.Error + ")"
		}
		if n.Unknown {
			one += ", may have arrived"
		}
		if n.Target != "" {
			one = n.Target + " " + one
		}
		said = append(said, one)
		rank = max(rank, deliveryRank(n.State))
		if n.State == rules.Dead {
			missed = append(missed, n.Target)
		}
	}
	if rank == failed && len(missed) < len(list) {
		rank = failedInPart
	}
	return strings.Join(said, "; "), rank, missed
}
