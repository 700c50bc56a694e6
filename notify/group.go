package notify

import (
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Grouping says what a channel is told together. The zero value tells it all
// together: the first at once, and what follows a message within Options.Fold.
type Grouping struct {
	By    []string      // labels whose values make a group, which has messages of its own
	Wait  time.Duration // how long the first of a group waits for others
	Every time.Duration // how often a group is told at most; 0 is Options.Fold
}

func (g Grouping) on() bool { return len(g.By) > 0 || g.Wait > 0 || g.Every > 0 }

// longestGroup is less than what makes people believe that nothing is wrong.
const longestGroup = time.Hour

// grouping reads what settings say of it. Its error names the key.
func (s Settings) grouping() (g Grouping, err error) {
	g.By = s.GroupBy
	for field, at := range map[string]*time.Duration{"group_wait": &g.Wait, "group_every": &g.Every} {
		text := map[string]string{"group_wait": s.GroupWait, "group_every": s.GroupEvery}[field]
		if text == "" {
			continue
		}
		d, parsed := rules.ParseDuration(text)
		if parsed != nil || d.Std() < 0 || d.Std() > longestGroup {
			return g, rules.FieldErrorf(field, "must be a duration up to 1h; for example 30s")
		}
		*at = d.Std()
	}
	return g, nil
}

// key names the group of a notification: the values of its labels.
func (g Grouping) key(n rules.Notification) string {
	var out []string
	for _, name := range g.By {
		value := n.Facts.Series.Label(name)
		if value == "" {
			value = n.Facts.Labels[name]
		}
		out = append(out, value)
	}
	return strings.Join(out, "\x00")
}

// ripe picks what goes as the next message of a channel that is told in groups, and
// says how long it is until there is something where there is nothing. What belongs
// to no alert, and what has been tried, waits for nothing.
func (w *worker) ripe(g Grouping, list []rules.Notification, now time.Time) ([]rules.Notification, time.Duration) {
	if !g.on() || w.storm.on() {
		return list, 0
	}
	soonest := time.Duration(0)
	for _, n := range list {
		if n.AlertID == "" || n.Attempts > 0 {
			return only(list, func(m rules.Notification) bool { return g.key(m) == g.key(n) }), 0
		}
		wait := w.groupWait(g, n, now)
		if wait <= 0 {
			return only(list, func(m rules.Notification) bool { return g.key(m) == g.key(n) }), 0
		}
		if soonest == 0 || wait < soonest {
			soonest = wait
		}
	}
	return nil, soonest
}

// groupWait is how long it takes until the group of a notification may be told.
func (w *worker) groupWait(g Grouping, n rules.Notification, now time.Time) time.Duration {
	every := g.Every
	if every == 0 {
		every = w.options.Fold
	}
	last, told := w.groupTold[g.key(n)]
	if told && now.Sub(last) < every {
		return last.Add(every).Sub(now)
	}
	return n.BookedAt.Add(g.Wait).Sub(now)
}

// toldGroup notes that the group of a message was told, and forgets those of long
// ago.
func (w *worker) toldGroup(g Grouping, list []rules.Notification, now time.Time) {
	if !g.on() || len(list) == 0 {
		return
	}
	if w.groupTold == nil {
		w.groupTold = map[string]time.Time{}
	}
	for key, at := range w.groupTold {
		if now.Sub(at) > longestGroup {
			delete(w.groupTold, key)
		}
	}
	w.groupTold[g.key(list[0])] = now
}
