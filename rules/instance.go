package rules

import (
	"math"
	"time"
)

// Instance is one series of a rule with its state.
type Instance struct {
	Series  Series
	State   State
	Rejudge bool // the rule changed: if good now, resolve at once

	// There may be a hundred thousand instances, so the small ones stand
	// together, here and in ring.
	paused  bool   // the last Observe made its clock stand still
	kept    bool   // a row of it is stored
	touched bool   // its memory differs from that row
	dated   bool   // Seen is the time of a point
	next    uint8  // the place in ring for the next look
	look    uint32 // the number of the last Observe that saw it

	Since         time.Time        // when it went bad: pending and firing
	QuietSince    time.Time        // when it went good: recovering
	Stood         time.Duration    // how long the running clock of for or keep_firing_for stood still
	CooldownUntil time.Time        // before this no first message
	Untold        int              // short episodes that the cooldown kept back
	Snooze        *Acknowledgement // episodes that start before its Until are born acknowledged; nil for none
	Seen          time.Time        // when it last had a value, zero for never; see Dated
	OKAt          time.Time        // when it last became ok
	Alert         *Alert           // firing and recovering

	Value float64 // the last one, NaN when there was none
	Text  string
	Level int

	ring ring
}

const ringSize = 8

// ring holds the last verdicts. Its columns are apart because they pack better
// so.
type ring struct {
	at      [ringSize]int64 // unix milliseconds, 0 for an empty place
	value   [ringSize]float64
	verdict [ringSize]Verdict
}

// add puts a look into the ring; a second one at the same time, decided anew,
// replaces the first.
func (in *Instance) add(at int64, value float64, v Verdict) {
	r, i := &in.ring, (in.next+ringSize-1)%ringSize
	if r.at[i] != at {
		i = in.next
		in.next = (in.next + 1) % ringSize
	}
	r.at[i], r.value[i], r.verdict[i] = at, value, v
}

// snoozed reports whether an episode that starts now is born acknowledged.
func (in *Instance) snoozed(now time.Time) bool {
	return in.Snooze != nil && in.Snooze.Until.After(now)
}

// pause makes the running clock stand still for one tick.
func (in *Instance) pause(gap time.Duration) {
	in.Stood += gap
	in.paused = true
}

// remember keeps what one look said, in memory only.
func (in *Instance) remember(o *Observation, silent bool, now time.Time) {
	in.touched, in.paused = true, false
	if o.Verdict == Unknown {
		in.add(now.UnixMilli(), math.NaN(), Unknown)
		return
	}
	in.add(now.UnixMilli(), o.Value, o.Verdict)
	in.Value, in.Text, in.Level = o.Value, o.Text, o.Level
	switch {
	case !o.At.IsZero():
		in.Seen, in.dated = Later(in.Seen, o.At), true
	case !silent:
		in.Seen, in.dated = now, false
	}
}

// Dated reports whether Seen is the time of a point, and not that of a tick
// whose window held one.
func (in *Instance) Dated() bool { return in.dated }

// Date corrects when an instance that is silent had its last point.
func (in *Instance) Date(at time.Time) {
	in.Seen, in.dated, in.touched = at, true, true
}

// Recent returns the last verdicts, the oldest first.
func (in *Instance) Recent() []Sample {
	out := []Sample{}
	for i := range ringSize {
		i = (int(in.next) + i) % ringSize
		if in.ring.at[i] == 0 {
			continue
		}
		out = append(out, Sample{
			At: time.UnixMilli(in.ring.at[i]).UTC(), Value: Finite(in.ring.value[i]), Verdict: in.ring.verdict[i].String(),
		})
	}
	return out
}

// Recall puts back what Recent returned.
func (in *Instance) Recall(samples []Sample) {
	for _, s := range samples {
		verdict := Unknown
		for v := Unknown; v <= Bad; v++ {
			if v.String() == s.Verdict {
				verdict = v
			}
		}
		value := math.NaN()
		if s.Value != nil {
			value = *s.Value
		}
		in.add(s.At.UnixMilli(), value, verdict)
	}
}

// recentValues returns the numbers of Recent, for a sparkline.
func (in *Instance) recentValues() []float64 {
	var out []float64
	for _, s := range in.Recent() {
		if s.Value != nil {
			out = append(out, *s.Value)
		}
	}
	return out
}

// Finite is x for JSON, which has no NaN.
func Finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// Given is t for JSON, null where there is none.
func Given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// elapsed is how long a clock that began at from has run until now, without
// the time it stood still.
func (in *Instance) elapsed(from, now time.Time) time.Duration {
	return now.Sub(from) - in.Stood
}
