package evaluator

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/9bikes/tocsin/rules"
)

// ParseSchedule reads a rule's `every`: a duration, ticking at its multiples
// since the epoch, or a cron spec in a time zone; empty is the base interval.
func ParseSchedule(every, zone string, base time.Duration) (cron.Schedule, error) {
	if every == "" {
		return interval(base), nil
	}
	if d, err := rules.ParseDuration(every); err == nil && d >= rules.Second {
		return interval(d), nil
	}
	spec, err := cron.ParseStandard(every)
	if err != nil {
		return nil, rules.FieldErrorf("every",
			"is neither a duration nor a cron spec: %v; for example 30s or \"0 7 * * mon\"", err)
	}
	fields, ok := spec.(*cron.SpecSchedule)
	if !ok || strings.Contains(every, "TZ=") {
		return nil, rules.FieldErrorf("every",
			"must be a duration or five cron fields; put a time zone into zone; for example 30s or \"0 7 * * mon\"")
	}
	loc := time.UTC
	if zone != "" {
		if loc, err = time.LoadLocation(zone); err != nil {
			return nil, rules.FieldErrorf("zone", "%q is no IANA time zone; for example Europe/Berlin", zone)
		}
	}
	return newWallClock(fields, loc), nil
}

// Gap is how long a schedule waits between the next two ticks after now.
func Gap(s cron.Schedule, now time.Time) time.Duration {
	first := s.Next(now)
	return s.Next(first).Sub(first)
}

// interval ticks at its multiples since the epoch, wherever it starts.
type interval time.Duration

// Next returns the first multiple after t.
func (i interval) Next(t time.Time) time.Time {
	n := t.UnixNano()
	return time.Unix(0, n-n%int64(i)+int64(i)).UTC()
}

// wallClock is a cron spec that runs exactly once for each time it names: at
// the first instant after a gap in local time, at the first of two same times.
type wallClock struct {
	spec  cron.SpecSchedule // in UTC: it counts wall time as if there were no zones
	loc   *time.Location
	plain bool // every hour is meant: real time is followed, gaps and repeats too
}

const allHours = 1<<24 - 1

func newWallClock(spec *cron.SpecSchedule, loc *time.Location) wallClock {
	w := wallClock{spec: *spec, loc: loc, plain: spec.Hour&allHours == allHours}
	w.spec.Location = time.UTC
	if w.plain {
		w.spec.Location = loc
	}
	return w
}

// Next returns the first instant after t that the spec means.
func (w wallClock) Next(t time.Time) time.Time {
	if w.plain {
		return w.spec.Next(t.In(w.loc)).UTC()
	}
	for wall := asWall(t.In(w.loc)); ; {
		wall = w.spec.Next(wall)
		if wall.IsZero() {
			return wall // a date that never comes
		}
		if at := rules.FirstInstant(wall, w.loc); at.After(t) {
			return at.UTC()
		}
	}
}

// asWall is the clock reading of t as if it were UTC.
func asWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// timetable is all schedules of the rules as one: it ticks whenever one of
// them does, so that rules that are due together are judged together.
type timetable struct {
	base      interval
	schedules map[string]cron.Schedule // by every + zone
}

func newTimetable(base time.Duration) *timetable {
	return &timetable{base: interval(base), schedules: map[string]cron.Schedule{"": interval(base)}}
}

func scheduleKey(r *rules.Rule) string {
	if r.Zone == "" {
		return r.Every
	}
	return r.Every + "|" + r.Zone
}

// add takes in the schedule of a rule. One that cannot be read, which is
// refused at creation, ticks at the base interval.
func (t *timetable) add(r *rules.Rule) {
	key := scheduleKey(r)
	if _, ok := t.schedules[key]; ok {
		return
	}
	s, err := ParseSchedule(r.Every, r.Zone, time.Duration(t.base))
	if err != nil {
		s = t.base
	}
	t.schedules[key] = s
}

// Next returns the next tick of any schedule.
func (t *timetable) Next(after time.Time) (next time.Time) {
	for _, s := range t.schedules {
		if n := s.Next(after); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return next
}

// due tells which schedules tick at t.
func (t *timetable) due(at time.Time) map[string]bool {
	out := map[string]bool{}
	for key, s := range t.schedules {
		out[key] = s.Next(at.Add(-time.Nanosecond)).Equal(at)
	}
	return out
}

// gap returns how long before t the schedule of r ticked last.
func (t *timetable) gap(r *rules.Rule, at time.Time) time.Duration {
	if r.Every == "" {
		return time.Duration(t.base)
	}
	s := t.of(r)
	if i, ok := s.(interval); ok {
		return time.Duration(i)
	}
	return s.Next(at).Sub(at)
}

// of is the schedule of a rule.
func (t *timetable) of(r *rules.Rule) cron.Schedule {
	if s := t.schedules[scheduleKey(r)]; s != nil {
		return s
	}
	return t.base
}
