package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// stormPace is the time between two messages of a storm, and the time in which
// more than digestOver alerts are one.
const stormPace = time.Minute

// storm counts the alerts that a channel is told of.
type storm struct {
	told  []toldAt // in the last minute
	began time.Time
	over  map[string]bool // the alerts of the storm, and whether they are resolved
}

type toldAt struct {
	at     time.Time
	alerts map[string]bool
}

func (s *storm) on() bool { return !s.began.IsZero() }

// count notes what is about to be told, and begins a storm when it is too much.
func (s *storm) count(list []rules.Notification, now time.Time) {
	s.told = append(slices.DeleteFunc(s.told, func(t toldAt) bool { return now.Sub(t.at) >= stormPace }),
		toldAt{now, alertsIn(list)})
	all := map[string]bool{}
	sum := 0
	for _, t := range s.told {
		sum += len(t.alerts)
		maps.Copy(all, t.alerts)
	}
	if !s.on() && sum > digestOver {
		s.began, s.over = now, map[string]bool{}
	}
	if s.on() {
		maps.Copy(s.over, all)
	}
}

// alertsIn names the alerts that list tells of, and whether they are resolved.
func alertsIn(list []rules.Notification) map[string]bool {
	out := map[string]bool{}
	for _, n := range list {
		if n.AlertID != "" && n.Attempts == 0 { // a retry is no further alert
			out[n.AlertID] = out[n.AlertID] || n.Reason == rules.Resolved
		}
	}
	return out
}

// endStorm tells that a storm is over, when a minute brought no more than can
// be listed.
func (w *worker) endStorm(ctx context.Context, list []rules.Notification, now time.Time) {
	if !w.storm.on() || len(alertsIn(list)) > digestOver || !w.failsSince(w.to).IsZero() {
		return
	}
	f := w.storm.end(alertsIn(list), now)
	w.storm = storm{}
	if err := w.outbox.Notify(context.WithoutCancel(ctx), "", []rules.Address{w.to}, rules.Digest, f); err != nil {
		w.log.Error("end of a storm not saved", "channel", w.name, "error", err)
	}
}

// end is what is said of a storm that is over, with last told after it.
func (s *storm) end(last map[string]bool, now time.Time) rules.Facts {
	open := 0
	for id, over := range s.over {
		if !over && !last[id] {
			open++
		}
	}
	n := len(s.over)
	f := rules.Facts{
		Title: fmt.Sprintf("Storm over: %d %s in %s, ", n, plural(n, "alert", "alerts"), length(now.Sub(s.began))),
		Text:  "What is still wrong: `tocsin alerts list --status open`.",
	}
	switch open {
	case 0:
		f.Title, f.Text = f.Title+"all resolved", "Nothing of it is still wrong."
	case n:
		f.Title += "none resolved"
	default:
		f.Title += fmt.Sprintf("%d still wrong", open)
	}
	return f
}
