package notify

import (
	"cmp"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// batch is what goes as one message.
type batch struct {
	id   string
	list []rules.Notification
}

// mostRepeats is how many messages that may have arrived are repeated as they
// were. When there are more, the service has not answered for long, and they are
// told as one.
const mostRepeats = 3

// nextBatch picks what goes next of what a channel is owed. What may have
// arrived is repeated as it was, under the ID it had, so that its receiver can
// tell. Those of its alerts that there is other news about leave it and go with
// their news. What was tried less often goes first, so that a message which its
// service cannot bear keeps no other back.
func nextBatch(list []rules.Notification) batch {
	repeats := unknown(list)
	if len(repeats) == 0 {
		return batch{messageID(list), list}
	}
	if messages(repeats) <= mostRepeats {
		repeats = withNews(list, only(repeats, func(n rules.Notification) bool { return n.Message == repeats[0].Message }))
	}
	about := map[string]bool{}
	for _, n := range repeats {
		about[subject(n)] = true
	}
	goes := only(list, func(n rules.Notification) bool { return about[subject(n)] })
	rest := only(list, func(n rules.Notification) bool { return !about[subject(n)] })
	if len(rest) > 0 && slices.MinFunc(rest, byAttempts).Attempts < slices.MaxFunc(goes, byAttempts).Attempts {
		return nextBatch(rest)
	}
	if len(unknown(goes)) == len(goes) && messages(goes) == 1 {
		return batch{cmp.Or(goes[0].Message, messageID(goes)), goes}
	}
	return batch{messageID(goes), goes}
}

// next is nextBatch, but what was refused together goes in its parts first.
func (w *worker) next(list []rules.Notification) batch {
	for len(w.parts) > 0 {
		part := only(list, func(n rules.Notification) bool { return slices.Contains(w.parts[0], subject(n)) })
		if w.parts = w.parts[1:]; len(part) > 0 {
			return batch{messageID(part), part}
		}
	}
	return nextBatch(list)
}

// part owes a message that was refused for what it says again, in two halves, so
// that what its service takes is not lost with what it does not. A digest names
// nothing that could be left out of it.
func (w *worker) part(list []rules.Notification, o rules.Outcome) rules.Outcome {
	var about []string
	for _, n := range list {
		if !slices.Contains(about, subject(n)) {
			about = append(about, subject(n))
		}
	}
	if refusesContent(o) && len(about) > 1 && len(about) <= digestOver {
		half := len(about) / 2
		w.parts = slices.Insert(w.parts, 0, about[:half], about[half:])
		o.State = rules.Owed
	}
	if refusesContent(o) && len(w.parts) > 0 {
		w.notSoon = time.Now()
	}
	return o
}

// refusesContent reports whether a service refused what a message says, and not
// who it is for, as far as its answer tells.
func refusesContent(o rules.Outcome) bool {
	return o.Class == "rejected" && slices.Contains([]int{200, 400, 413, 422, 552, 554}, o.Code)
}

// withNews picks of a message to repeat what list has other news about, or all of
// it where there is none.
func withNews(list, message []rules.Notification) []rules.Notification {
	news := map[string]int{}
	for _, n := range list {
		news[subject(n)]++
	}
	for _, n := range message {
		news[subject(n)]--
	}
	if some := only(message, func(n rules.Notification) bool { return news[subject(n)] > 0 }); len(some) > 0 {
		return some
	}
	return message
}

// messageID is the ID of a message about list: the notification's own where there
// is one thing to tell.
func messageID(list []rules.Notification) string {
	items := merge(list)
	if len(items) == 1 {
		return items[0].ID
	}
	return foldedID(items)
}

// unknown lists what may have arrived.
func unknown(list []rules.Notification) []rules.Notification {
	return only(list, func(n rules.Notification) bool { return n.Unknown })
}

// messages counts the messages that list went in last.
func messages(list []rules.Notification) int {
	ids := map[string]bool{}
	for _, n := range list {
		ids[n.Message] = true
	}
	return len(ids)
}

// subject is what a notification is about: its alert, or itself.
func subject(n rules.Notification) string { return cmp.Or(n.AlertID, n.ID) }

func byAttempts(a, b rules.Notification) int { return cmp.Compare(a.Attempts, b.Attempts) }

func only(list []rules.Notification, which func(rules.Notification) bool) []rules.Notification {
	return slices.DeleteFunc(slices.Clone(list), func(n rules.Notification) bool { return !which(n) })
}
