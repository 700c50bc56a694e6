package live

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// errPrecision is in every error about what unix times count.
var errPrecision = errors.New("--precision says what they count: ns, us, ms or s")

// stamps reads the times of one file. Its unix times all count the same, which
// is recognised by their size where it was not given.
type stamps struct {
	unit  time.Duration // what they count; zero before the first
	given bool
}

var stampLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02",
	"2006-01-02 15:04:05.999999999Z07:00",
}

// read reads a time as files write it; a bare one is UTC.
func (s *stamps) read(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range stampLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return time.Time{}, fmt.Errorf("%q is no time; write 2026-11-23T10:00:00Z, 2026-11-23 10:00:00 (UTC) or a unix time",
			text)
	}
	if err := s.settle(text, x); err != nil {
		return time.Time{}, err
	}
	return s.at(text, x)
}

// settle recognises what the times count by the first of them, and refuses one
// that is not like it: a file with times of two kinds is read wrong either way.
func (s *stamps) settle(text string, x float64) error {
	if s.given {
		return nil
	}
	unit := unitOf(x)
	if s.unit == 0 {
		s.unit = unit
	}
	if unit != s.unit {
		return fmt.Errorf("the time %s looks like %s, and those before it like %s; %w", text, unitName(unit),
			unitName(s.unit), errPrecision)
	}
	return nil
}

// unitOf is what a unix time of our age counts: those of the units lie a
// thousand times apart.
func unitOf(x float64) time.Duration {
	switch x = math.Abs(x); {
	case x >= 1e17:
		return time.Nanosecond
	case x >= 1e14:
		return time.Microsecond
	case x >= 1e11:
		return time.Millisecond
	}
	return time.Second
}

func unitName(unit time.Duration) string {
	return map[time.Duration]string{
		time.Nanosecond: "nanoseconds", time.Microsecond: "microseconds", time.Millisecond: "milliseconds",
		time.Second: "seconds",
	}[unit]
}

// The years in which a time can lie, so that no sum of two overflows.
const firstYear, lastYear = 1900, 2150

func (s *stamps) at(text string, x float64) (t time.Time, err error) {
	most := float64(math.MaxInt64) / float64(s.unit)
	if n, notWhole := strconv.ParseInt(text, 10, 64); notWhole == nil && math.Abs(x) < most {
		t = time.Unix(0, n*int64(s.unit)).UTC()
	} else if math.Abs(x) < most {
		t = time.Unix(0, int64(x*float64(s.unit))).UTC()
	}
	if y := t.Year(); y < firstYear || y > lastYear {
		return t, fmt.Errorf("the time %s lies in no year from %d to %d; %w", text, firstYear, lastYear, errPrecision)
	}
	return t, nil
}
