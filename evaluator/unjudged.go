package evaluator

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/9bikes/tocsin/rules"
)

// WatchedRule is an enabled rule as it is stored.
type WatchedRule struct {
	ID, Name string
	Judged   time.Time // the last tick that was stored, or when it was made or enabled
}

// Unjudged lists by name those of the stored rules that should have been judged
// three times by now and were not. It needs them from the store, because one
// that the engine has not heard of is what it must not miss. Before the first
// tick there is none.
func (e *Engine) Unjudged(stored []WatchedRule, now time.Time) (names []string) {
	began := e.stats.began()
	if began.IsZero() {
		return nil
	}
	table, known := e.timetable.Load(), map[string]bool{}
	e.ledgers.Judged(func(r *rules.Rule, last time.Time, inMemory bool) {
		known[r.ID] = true
		if inMemory && overdue(table.Of(r), rules.Later(last, began), now) {
			names = append(names, r.Name)
		}
	})
	for _, r := range stored {
		if !known[r.ID] && overdue(table.Base(), rules.Later(r.Judged, began), now) {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// overdue reports whether a schedule has ticked three times since a time.
func overdue(s cron.Schedule, since, now time.Time) bool {
	for range 3 {
		if since = s.Next(since); since.IsZero() || since.After(now) {
			return false
		}
	}
	return now.After(since)
}
