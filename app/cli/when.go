package cli

import (
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// layouts are how people write a point in time.
var layouts = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"}

// past reads a duration as that long ago, or a point in time.
func past(flag, text string, now time.Time, zone *time.Location) (time.Time, error) {
	return instant(flag, text, now, zone, -1)
}

// future reads a duration as in that long, or a point in time; a time of day is
// the next one.
func future(flag, text string, now time.Time, zone *time.Location) (time.Time, error) {
	return instant(flag, text, now, zone, 1)
}

func instant(flag, text string, now time.Time, zone *time.Location, sign time.Duration) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := rules.ParseDuration(text); err == nil {
		return now.Add(sign * d.Std()).UTC(), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC(), nil
		}
	}
	if t, err := time.Parse("15:04", text); err == nil {
		return timeOfDay(t, now.In(zone), sign).UTC(), nil
	}
	return time.Time{}, rules.FieldErrorf(flag,
		"must be a duration such as 2h, or a time such as 14:00, 2026-01-31 14:00 or 2026-01-31T14:00:00Z; got %q; for "+
			"example %s 2h", text, flag)
}

// timeOfDay is the next, or for a negative sign the last, time of that hour
// and minute.
func timeOfDay(clock, now time.Time, sign time.Duration) time.Time {
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
