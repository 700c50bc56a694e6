package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// stormPace is the time between two messages of a storm, and the time in which
// more than digestOver alerts are one.
const stormPace = time.Minute

// storm counts the alerts that a channel is told of.
type storm struct {
	told   []toldAt // in the last minute
	began  time.Time
	alerts int
}

type toldAt struct {
	at     time.Time
	alerts int
}

func (s *storm) on() bool { return !s.began.IsZero() }

// count notes what is about to be told, and begins a storm when it is too much.
func (s *storm) count(list []rules.Notification, now time.Time) {
	n := alertsIn(list)
	s.told = append(slices.DeleteFunc(s.told, func(t toldAt) bool { return now.Sub(t.at) >= stormPace }), toldAt{now, n})
	sum := 0
	for _, t := range s.told {
		sum += t.alerts
	}
	switch {
	case s.on():
		s.alerts += n
	case sum > digestOver:
		s.began, s.alerts = now, sum
	}
}

func alertsIn(list []rules.Notification) int {
	seen := map[string]bool{}
	for _, n := range list {
		if n.AlertID != "" && n.Attempts == 0 { // a retry is no further alert
			seen[n.AlertID] = true
		}
	}
	return len(seen)
}

// endStorm tells that a storm is over, when a minute brought no more than can
// be listed.
func (w *worker) endStorm(ctx context.Context, list []rules.Notification, now time.Time) {
	if !w.storm.on() || alertsIn(list) > digestOver || !w.failsSince(w.to).IsZero() {
		return
	}
	f := rules.Facts{
		Title: "The storm of alerts is over",
		Text: fmt.Sprintf("%d %s were told as digests in %s. What is still wrong: `tocsin alerts list --status open`.",
			w.storm.alerts, plural(w.storm.alerts, "alert", "alerts"), length(now.Sub(w.storm.began))),
	}
	w.storm = storm{}
	if err := w.outbox.Notify(context.WithoutCancel(ctx), "", []rules.Address{w.to}, rules.Digest, f); err != nil {
		w.log.Error("end of a storm not saved", "channel", w.name, "error", err)
	}
}
