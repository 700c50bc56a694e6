package notify

import (
	"context"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// fanOut has what is owed to a channel with several targets owed to each of
// them, before it is tried; so has what is sent again to one that was replaced.
// It reports whether there was something to fan out.
func (w *worker) fanOut(ctx context.Context, list []rules.Notification) bool {
	targets, list := w.toFanOut(list)
	if len(list) == 0 {
		return false
	}
	if w.notFannedOut && time.Now().Before(w.notSoon) {
		return true // it was tried a moment ago
	}
	err := w.outbox.FanOut(ctx, list, targets)
	if err != nil { // memory may know what could not be saved
		if _, list = w.toFanOut(w.owed(time.Now())); len(list) > 0 {
			w.log.Error("messages not made for the targets of a channel", "channel", w.name, "error", err)
			w.backOff(0)
			w.notFannedOut = true
			return true
		}
	}
	w.failures, w.notSoon, w.notFannedOut = 0, time.Time{}, false
	w.rouse(ctx)
	return true
}

// toFanOut picks what is to be fanned out, and to which targets.
func (w *worker) toFanOut(list []rules.Notification) (targets []string, out []rules.Notification) {
	if len(list) == 0 {
		return nil, nil
	}
	c, err := w.channel(w.name)
	if err != nil {
		return nil, nil // the one who sends tells of it
	}
	targets = w.sender.Targets(c.URL)
	gone := len(targets) > 0 && w.to.Target != "" && !slices.Contains(targets, w.sender.Renamed(c.URL, w.to.Target))
	return targets, only(list, func(n rules.Notification) bool {
		several := n.Target == "" && len(targets) > 1
		replaced := gone && len(n.Facts.Had) > 0
		return several || replaced
	})
}

// owed lists what is owed and due here.
func (w *worker) owed(now time.Time) []rules.Notification {
	return only(w.outbox.Owed(now), func(n rules.Notification) bool { return n.Address() == w.to })
}

// targets names those of the channel, none where it cannot be opened.
func (w *worker) targets() []string {
	c, err := w.channel(w.name)
	if err != nil {
		return nil // the one who sends tells of it
	}
	return w.sender.Targets(c.URL)
}

// gone is the outcome where there is nobody to send to any more. Who is not there
// does not fail.
func (w *worker) gone(class string) rules.Outcome {
	w.fares(w.to, true)
	w.trouble.told, w.trouble.before = false, false
	return rules.Outcome{State: rules.Dead, Class: class}
}

// whom says for which target of its channel the worker speaks.
func (w *worker) whom() string {
	if w.to.Target == "" {
		return ""
	}
	return " for " + w.to.Target
}
