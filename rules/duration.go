package rules

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time that is written as people write it: "30s",
// "1h30m", "2d", "1w". A day is 24 h, a week 7 days.
type Duration time.Duration

// Common lengths.
const (
	Second = Duration(time.Second)
	Minute = Duration(time.Minute)
	Hour   = Duration(time.Hour)
	Day    = 24 * Hour
	Week   = 7 * Day
)

var units = map[string]Duration{
	"ns": 1, "us": Duration(time.Microsecond), "µs": Duration(time.Microsecond), "ms": Duration(time.Millisecond),
	"s": Second, "sec": Second, "secs": Second, "second": Second, "seconds": Second,
	"m": Minute, "min": Minute, "mins": Minute, "minute": Minute, "minutes": Minute,
	"h": Hour, "hr": Hour, "hrs": Hour, "hour": Hour, "hours": Hour,
	"d": Day, "day": Day, "days": Day, "w": Week, "week": Week, "weeks": Week,
}

var durationPart = regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]+)\s*(?:and\s+|,\s*)?`)

// ParseDuration reads "90s", "1h30m", "2d", also "5 minutes". Parts stand in
// order, the longer unit first: "30m,2h" are two durations.
func ParseDuration(text string) (Duration, error) {
	rest := strings.ToLower(strings.TrimSpace(text))
	if rest == "0" {
		return 0, nil
	}
	var sum Duration
	last := Duration(math.MaxInt64)
	for first := true; first || rest != ""; first = false {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		unit := units[m[2]]
		d, ok := lengthOf(m[1], unit)
		if sum += d; !ok || sum > longest || unit >= last {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		rest, last = rest[len(m[0]):], unit
	}
	return sum, nil
}

// longest leaves room for adding two.
const longest = math.MaxInt64 / 2

// lengthOf is number times unit: exact where number is whole, because floats
// lose the nanoseconds of a year.
func lengthOf(number string, unit Duration) (d Duration, ok bool) {
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return Duration(n) * unit, unit > 0 && n <= int64(longest/unit)
	}
	f, err := strconv.ParseFloat(number, 64)
	f = math.Round(f * float64(unit))
	return Duration(f), err == nil && unit > 0 && f <= longest
}

// String writes d with the fewest parts: "90m" is "1h30m", 14 days are "2w".
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	if d%Week == 0 {
		return b.String() + strconv.FormatInt(int64(d/Week), 10) + "w"
	}
	for _, u := range []struct {
		size Duration
		name string
	}{
		{Day, "d"},
		{Hour, "h"},
		{Minute, "m"},
		{Second, "s"},
		{Duration(time.Millisecond), "ms"},
		{Duration(time.Microsecond), "us"},
		{1, "ns"},
	} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	return b.String()
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Roughly writes a length of time with the one unit that people would use.
func Roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// MarshalText writes d as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}
