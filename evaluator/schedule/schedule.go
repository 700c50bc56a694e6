// Package schedule says when rules are due: a rule's `every`, and all of them
// as one timetable. It is pure: time is an argument. What is done at a tick
// does not belong here.
package schedule

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/9bikes/tocsin/rules"
)

// Parse reads a rule's `every`: a duration, ticking at its multiples
// since the epoch, or a cron spec in a time zone; empty is the base interval.
func Parse(every, zone string, base time.Duration) (cron.Schedule, error) {
	if every == "" {
		return interval(base), nil
	}
	if d, err := rules.ParseDuration(every); err == nil && d >= rules.Second {
		return interval(d), nil
	}
	spec, err := cron.ParseStandard(plainCron(every))
	if err != nil {
		why := cmp.Or(wrongField(every), err.Error())
		return nil, rules.FieldErrorf("every",
			"is neither a duration nor a cron spec: %s; for example 30s or \"0 7 * * mon\"", why)
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
	w := newWallClock(fields, loc)
	if w.Next(beforeALeapYear).IsZero() {
		return nil, rules.FieldErrorf("every", "%q names a day that no year has, so it is never due; for example "+
			"\"0 7 1 * *\"",
			every)
	}
	return w, nil
}

// beforeALeapYear is a time after which whatever can come does within few years.
var beforeALeapYear = time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC)

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

// Timetable is all schedules of the rules as one: it ticks whenever one of
// them does, so that rules that are due together are judged together.
type Timetable struct {
	base      interval
	schedules map[string]cron.Schedule // by every + zone
}

// New returns a timetable of the base interval alone.
func New(base time.Duration) *Timetable {
	return &Timetable{base: interval(base), schedules: map[string]cron.Schedule{"": interval(base)}}
}

// Key is what the schedule of a rule is known as in a timetable.
func Key(r *rules.Rule) string {
	if r.Zone == "" {
		return r.Every
	}
	return r.Every + "|" + r.Zone
}

// Add takes in the schedule of a rule. One that cannot be read, which is
// refused at creation, ticks at the base interval.
func (t *Timetable) Add(r *rules.Rule) {
	key := Key(r)
	if _, ok := t.schedules[key]; ok {
		return
	}
	s, err := Parse(r.Every, r.Zone, time.Duration(t.base))
	if err != nil {
		s = t.base
	}
	t.schedules[key] = s
}

// Next returns the next tick of any schedule.
func (t *Timetable) Next(after time.Time) (next time.Time) {
	for _, s := range t.schedules {
		if n := s.Next(after); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return next
}

// Due tells which schedules tick at t.
func (t *Timetable) Due(at time.Time) map[string]bool {
	out := map[string]bool{}
	for key, s := range t.schedules {
		out[key] = s.Next(at.Add(-time.Nanosecond)).Equal(at)
	}
	return out
}

// Gap returns how long before t the schedule of r ticked last.
func (t *Timetable) Gap(r *rules.Rule, at time.Time) time.Duration {
	if r.Every == "" {
		return time.Duration(t.base)
	}
	s := t.Of(r)
	if i, ok := s.(interval); ok {
		return time.Duration(i)
	}
	return s.Next(at).Sub(at)
}

// Of is the schedule of a rule.
func (t *Timetable) Of(r *rules.Rule) cron.Schedule {
	if s := t.schedules[Key(r)]; s != nil {
		return s
	}
	return t.base
}

// Base is the schedule of the base interval.
func (t *Timetable) Base() cron.Schedule { return t.base }

// First is the first tick of some of the schedules between two times, neither
// included; zero when there is none.
func (t *Timetable) First(keys []string, from, to time.Time) (first time.Time) {
	for key, schedule := range t.schedules {
		if !slices.Contains(keys, key) {
			continue
		}
		if at := schedule.Next(from); !at.IsZero() && at.Before(to) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Same reports whether another timetable has the same schedules.
func (t *Timetable) Same(other *Timetable) bool {
	alike := func(_, _ cron.Schedule) bool { return true } // their keys say what they are
	return maps.EqualFunc(t.schedules, other.schedules, alike)
}

// Leapt lists the last tick of each of some schedules that are wall-clock specs, in a time that
// the clock leapt over. Specs that follow every hour are as good as durations:
// they miss nothing.
func (t *Timetable) Leapt(keys []string, from, to time.Time) (out []time.Time) {
	for _, key := range keys {
		spec, ok := t.schedules[key].(wallClock)
		if !ok || spec.plain {
			continue
		}
		var last time.Time
		for at := spec.Next(from); !at.IsZero() && !at.After(to); at = spec.Next(at) {
			last = at
		}
		if !last.IsZero() && !slices.ContainsFunc(out, last.Equal) {
			out = append(out, last)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}
