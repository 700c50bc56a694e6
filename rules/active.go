package rules

import (
	"slices"
	"strings"
	"time"
)

// span is an Active that has been read: which days, from which minute of the
// day to which, in which zone.
type span struct {
	days     [7]bool
	from, to int // minutes since midnight; to < from goes over midnight
	zone     *time.Location
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Covers reports whether t lies in the active time. Hours over midnight belong
// to the day on which they begin. A nil Active covers everything.
func (a *Active) Covers(t time.Time) bool {
	if a == nil {
		return true
	}
	s, err := a.span()
	return err != nil || s.covers(t)
}

func (s span) covers(t time.Time) bool {
	local := t.In(s.zone)
	minute, day := local.Hour()*60+local.Minute(), int(local.Weekday())
	if s.from <= s.to {
		return s.days[day] && minute >= s.from && minute < s.to
	}
	return s.days[day] && minute >= s.from || s.days[(day+6)%7] && minute < s.to
}

func (a *Active) span() (span, error) {
	s := span{days: [7]bool{true, true, true, true, true, true, true}, to: 24 * 60, zone: time.UTC}
	if a.Days != "" {
		days, ok := parseDays(a.Days)
		if !ok {
			return s, FieldErrorf("active.days", "must be days such as mon-fri or sat,sun; got %s", shown(a.Days))
		}
		s.days = days
	}
	if a.Hours != "" {
		from, to, cut := strings.Cut(a.Hours, "-")
		var ok1, ok2 bool
		s.from, ok1 = parseClock(from)
		s.to, ok2 = parseClock(to)
		if !cut || !ok1 || !ok2 || s.from == s.to {
			return s, FieldErrorf("active.hours", "must be two times such as 07:00-22:00; got %s", shown(a.Hours))
		}
	}
	if a.Zone != "" {
		if err := checkZone("active.zone", a.Zone); err != nil {
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
	if len(name) > 3 {
		name = name[:3]
	}
	return slices.Index(dayNames, name)
}

func parseClock(text string) (minute int, ok bool) {
	text = strings.TrimSpace(text)
	if text == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}
