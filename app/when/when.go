// Package when reads times as people write them, for all doors: a length of
// time from now, a time of day, a point in time. What is wrong with one, and in
// whose words, is the door's.
package when

import (
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// layouts are how people write a point in time. Those without a zone mean that
// of the house.
var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly,
}

// Read reads a length of time as that long from now, ago for a negative sign; a
// time of day as the next or the last one; or a point in time. ok is false for
// what is none of them.
func Read(text string, now time.Time, zone *time.Location, sign int) (t time.Time, ok bool) {
	text = strings.TrimSpace(text)
	if d, err := rules.ParseDuration(text); err == nil {
		return now.Add(time.Duration(sign) * d.Std()).UTC(), true
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC(), true
		}
	}
	if clock, err := time.Parse("15:04", text); err == nil {
		return ofDay(clock, now.In(zone), sign).UTC(), true
	}
	return t, false
}

// ofDay is the next, or for a negative sign the last, time of that hour and
// minute.
func ofDay(clock, now time.Time, sign int) time.Time {
	at := func(days int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+days, clock.Hour(), clock.Minute(), 0, 0, now.Location())
	}
	t := at(0)
	if sign > 0 && !t.After(now) {
		return at(1)
	}
	if sign < 0 && t.After(now) {
		return at(-1)
	}
	return t
}
