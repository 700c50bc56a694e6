package rules

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// span is an Active that has been read: which days, from which minute of the
// day to which, in which zone.
type span struct {
	days     [7]bool
	from, to int // minutes since the midnight before it; past 24 h it ends on the next day
	zone     *time.Location
}

// midnight is the end of a day, in minutes.
const midnight = 24 * 60

var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Covers reports whether t lies in the active time. Hours over midnight belong
// to the day on which they begin. A nil Active covers everything.
func (a *Active) Covers(t time.Time) bool {
	if a == nil {
		return true
	}
	s, err := a.span()
	return err != nil || s.covers(t)
}

// covers compares instants, not readings of the clock: a stretch that begins
// on one side of a change of the clocks and ends on the other is one stretch.
func (s span) covers(t time.Time) bool {
	local := t.In(s.zone)
	return s.coversFrom(local, 0) || s.coversFrom(local, -1)
}

// coversFrom reports whether t lies in the stretch that begins so many days
// from its own.
func (s span) coversFrom(local time.Time, days int) bool {
	if !s.days[(int(local.Weekday())+days+7)%7] {
		return false
	}
	year, month, day := local.Date()
	return !local.Before(s.instant(year, month, day+days, s.from)) && local.Before(s.instant(year, month, day+days, s.to))
}

// instant is when the clock of the zone first shows a minute of a day.
func (s span) instant(year int, month time.Month, day, minute int) time.Time {
	return FirstInstant(time.Date(year, month, day, 0, minute, 0, 0, time.UTC), s.zone)
}

// FirstInstant is the first instant at which the clock of a zone reads what
// wall reads in UTC, or the end of the gap that swallows it.
func FirstInstant(wall time.Time, zone *time.Location) time.Time {
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	from, to := near.ZoneBounds()
	if reads := asWall(near); reads.Before(wall) {
		return to
	} else if reads.After(wall) {
		return from
	}
	if from.IsZero() {
		return near
	}
	_, now := near.Zone()
	_, before := from.Add(-time.Nanosecond).Zone()
	if earlier := near.Add(time.Duration(now-before) * time.Second); earlier.Before(from) &&
		asWall(earlier.In(zone)).Equal(wall) {
		return earlier
	}
	return near
}

// asWall is the clock reading of t as if it were UTC.
func asWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// Check refuses times that cannot be read; field is where they stand.
func (a *Active) Check(field string) error {
	_, err := a.span()
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Code: e.Code, Field: field + strings.TrimPrefix(e.Field, "active"), Text: e.Text}
}

// String says the times as people write them.
func (a *Active) String() string {
	parts := slices.DeleteFunc([]string{a.Days, a.Hours, a.Zone}, func(s string) bool { return s == "" })
	return strings.Join(parts, " ")
}

func (a *Active) span() (span, error) {
	s := span{days: [7]bool{true, true, true, true, true, true, true}, to: midnight, zone: time.UTC}
	if a.Days != "" {
		days, ok := parseDays(a.Days)
		if !ok {
			return s, FieldErrorf("active.days", "must be days such as mon-fri or sat,sun; got %s", Quote(a.Days))
		}
		s.days = days
	}
	if a.Hours != "" {
		from, to, cut := strings.Cut(a.Hours, "-")
		var ok1, ok2 bool
		s.from, ok1 = parseClock(from)
		s.to, ok2 = parseClock(to)
		switch {
		case !cut || !ok1 || !ok2 || s.from == s.to:
			return s, FieldErrorf("active.hours", "must be two times such as 07:00-22:00; got %s", Quote(a.Hours))
		case s.to < s.from:
			s.to += midnight
		}
	}
	if a.Zone != "" {
		if err := CheckZone("active.zone", a.Zone); err != nil {
			return s, err
		}
		s.zone, _ = time.LoadLocation(a.Zone)
	}
	return s, nil
}

func parseDays(text string) (days [7]bool, ok bool) {
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, to := dayOf(first), dayOf(last)
		if !ranged {
			to = from
		}
		if from < 0 || to < 0 {
			return days, false
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, true
}

func dayOf(name string) int {
	name = strings.TrimSpace(name)
	return slices.IndexFunc(dayNames, func(day string) bool { return len(name) >= 3 && strings.HasPrefix(day, name) })
}

func parseClock(text string) (minute int, ok bool) {
	text = strings.TrimSpace(text)
	if text == "24:00" {
		return midnight, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}

// CheckZone refuses the name of a time zone that is none; field is where it
// stands.
func CheckZone(field, zone string) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return FieldErrorf(field, "must be an IANA time zone; got %s; for example Europe/Berlin", Quote(zone))
	}
	return nil
}
