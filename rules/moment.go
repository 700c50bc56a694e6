package rules

import "time"

// Later is the later of two times.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Earlier is the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Clock shows a time as people read it where ref is: without its date where that
// is the day of ref. The zone is left to the sentence around it.
func Clock(t, ref time.Time) string {
	t = t.In(ref.Location())
	if t.Year() == ref.Year() && t.YearDay() == ref.YearDay() {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// Shown is a time as a message tells it, which is about ref, in the zone that
// people read in: without its date where that is the day of ref.
func Shown(t, ref time.Time, zone *time.Location) string {
	t, label := InZone(t, zone)
	ref, _ = InZone(ref, zone)
	switch {
	case t.Year() == ref.Year() && t.YearDay() == ref.YearDay():
		return t.Format("15:04") + label
	case t.Year() == ref.Year():
		return t.Format("Mon 2 Jan 15:04") + label
	}
	return t.Format("2 Jan 2006 15:04") + label
}

// InZone is t in the zone that people read in, nil for UTC. The label goes behind
// it: " UTC" where nobody has said what people's zone is, that of the machine
// being none of its own, and nothing where somebody has.
func InZone(t time.Time, zone *time.Location) (in time.Time, label string) {
	if zone == nil {
		return t.UTC(), " UTC"
	}
	if name, _ := t.In(zone).Zone(); zone == time.Local && name == "UTC" {
		label = " UTC"
	}
	return t.In(zone), label
}
