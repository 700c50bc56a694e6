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
