package cli

import (
	"strings"
	"time"

	"github.com/9bikes/tocsin/app/when"
	"github.com/9bikes/tocsin/rules"
)

// past reads a duration as that long ago, or a point in time.
func past(flag, text string, now time.Time, zone *time.Location) (time.Time, error) {
	return instant(flag, text, now, zone, -1)
}

// future reads a duration as in that long, or a point in time; a time of day is
// the next one.
func future(flag, text string, now time.Time, zone *time.Location) (time.Time, error) {
	return instant(flag, text, now, zone, 1)
}

func instant(flag, text string, now time.Time, zone *time.Location, sign int) (time.Time, error) {
	if strings.TrimSpace(text) == "" {
		return time.Time{}, nil
	}
	if t, ok := when.Read(text, now, zone, sign); ok {
		return t, nil
	}
	return time.Time{}, rules.FieldErrorf(flag,
		"must be a duration such as 2h, or a time such as 14:00, 2026-01-31 14:00 or 2026-01-31T14:00:00Z; got %q; for "+
			"example %s 2h", text, flag)
}
