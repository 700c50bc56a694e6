// Package anomaly says of each point of a series how unlike the series' own past
// it is: one pass, no labels, no look-ahead, constant memory. METHOD.md beside it
// tells what was measured.
package anomaly

import (
	"math"
	"time"
)

// Cause names what of a point was the most unlike its past.
type Cause uint8

// The causes.
const (
	Usual      Cause = iota // nothing was, or too little was seen to tell
	Value                   // the value itself
	Level                   // the mean of the last six points
	Shift                   // the mean of the last three dozen points
	Variation               // how much the last three dozen points vary
	TimeOfDay               // the value, for this time of the day
	TimeOfWeek              // the value, for this time of the week
)

// Season says which rhythm a detector expects.
type Season uint8

// The seasons.
const (
	Auto   Season = iota // the one that predicts best, if any does
	None                 // none
	Daily                // 24 hours
	Weekly               // 168 hours
)

// The scores from which a detector tells, by how readily it shall.
const (
	Low    = 0.58
	Medium = 0.55
	High   = 0.5
)

// Reading is what a detector made of one point.
type Reading struct {
	Score float64 // from 0 to 1; what was told lately and is no news scores 0
	// Unlike is the score whether it is news or not: it falls as the series
	// becomes as it was, or as what is new becomes usual.
	Unlike float64
	// Low and High are the range that was expected. Both are the value's own
	// before there is a past.
	Low, High float64
	Basis     Cause // of the range: Usual without a past, else Value, TimeOfDay or TimeOfWeek
	Cause     Cause // of Unlike
	Up        bool  // it was more than usual, not less
}

// Outside is how far a value is from the expected range; negative below it, 0
// within.
func (r *Reading) Outside(v float64) float64 {
	return outside(v, r.Low, r.High)
}

const (
	ringSize = 36
	midSize  = 6

	leastSeen   = 50   // points before anything is judged
	centreSpan  = 4000 // points that a centre remembers
	errorSpan   = 1000 // points over which a season is compared with none
	seasonWins  = 0.3  // of the error without it, and a season is believed
	weekWins    = 0.7  // of the error of the day, and the week is believed
	daysToTrust = 3
	weeksTrust  = 15 // days

	quietPoints = 100 // after a high score, less than much more is no news
	muchMore    = 1.2

	beyond    = 1e30 // no measurement
	stillness = 1e-9 // the least deviation, of the usual distance from the centre

	scaleOfScore = 10 // surprise that scores one half
)

// What is compared with its own past.
const (
	byValue = iota
	byLevel
	byShift
	byVariation
	bySeason
	figures
)

// Detector is one series' past. The zero value has none. It is a plain value of
// fixed size: a copy is a snapshot.
type Detector struct{ memory }

// memory is what a detector keeps, in fields that encoding/binary can write.
type memory struct {
	Begun, Last int64 // unix seconds of the first and the last point
	Seen        uint32

	Origin float64 // the first value: cells are relative to it
	Centre float64
	Spread float64 // mean distance from the centre
	Varied float64 // centre of the variation
	Judged uint32  // points that Varied is of

	Ring     [ringSize]float64
	At, Held uint8

	Past [figures]tails

	Quiet uint8   // points of silence left
	Told  float32 // what began it

	Day, Week  profile
	Flat       float64 // mean distance from the centre, as Day.Err and Week.Err from their bands
	DayCells   [96]cell
	WeekCells  [168]cell
	DayVisits  [96]uint8
	WeekVisits [168]uint8
}

// Step takes the next point and says what it makes of it. The times must rise;
// a value that is no number, or a time that does not rise, is ignored. The time
// is read by its own location's wall clock.
func (d *Detector) Step(t time.Time, v float64, s Season) Reading {
	now := t.Unix()
	if !(math.Abs(v) < beyond) || d.Seen > 0 && now <= d.Last {
		return Reading{Low: v, High: v}
	}
	if d.Seen == 0 {
		d.Begun, d.Origin, d.Centre = now, v, v
	}
	r := Reading{}
	sum, most := d.figures(t, v, s, &r)
	d.Seen++
	d.Last = now
	r.Unlike, r.Cause, r.Up = sum/(sum+scaleOfScore), most.cause, most.up
	if d.news(sum) {
		r.Score = r.Unlike
	}
	return r
}

// figure is the one that was the most surprising.
type figure struct {
	surprise float64
	cause    Cause
	up       bool
}

// figures compares each figure with its past and sums the
// surprises.
func (d *Detector) figures(t time.Time, v float64, s Season, r *Reading) (sum float64, most figure) {
	d.push(v)
	judged := d.Seen >= leastSeen
	weigh := func(i int, x float64, cause Cause, judged bool) {
		surprise := d.Past[i].see(x)
		if !judged {
			return
		}
		if sum += surprise; surprise > most.surprise {
			most = figure{surprise, cause, x > 0}
		}
	}
	x, season, ok := d.season(t, v, s, r)
	mid, whole, deviation := d.means()
	if !ok {
		d.expect(r)
	}
	weigh(byValue, v-d.Centre, Value, judged)
	if d.Held >= midSize {
		weigh(byLevel, mid-d.Centre, Level, judged)
	}
	if d.Held == ringSize {
		weigh(byShift, whole-d.Centre, Shift, judged)
		weigh(byVariation, d.variation(deviation), Variation, judged && d.Judged >= leastSeen)
	}
	if season != Usual {
		weigh(bySeason, x, season, judged && ok)
	}
	n := float64(d.Seen + 1)
	d.Spread += (math.Abs(v-d.Centre) - d.Spread) / min(n, centreSpan)
	d.Centre += (v - d.Centre) / min(n, centreSpan)
	return sum, most
}

// variation is how far the logarithm of the deviation is from what it was so far.
func (d *Detector) variation(deviation float64) float64 {
	lg := 0.0
	if d.Spread > 0 {
		lg = math.Log2(deviation/d.Spread + stillness)
	}
	if d.Judged == 0 {
		d.Varied = lg
	}
	off := lg - d.Varied
	d.Judged++
	d.Varied += off / min(float64(d.Judged), centreSpan)
	return off
}

func (d *Detector) push(v float64) {
	d.Ring[d.At] = v
	d.At = (d.At + 1) % ringSize
	d.Held = min(d.Held+1, ringSize)
}

// means are those of the last six and of all that the ring holds, and the
// deviation of the latter.
func (d *Detector) means() (mid, whole, deviation float64) {
	n := int(d.Held)
	for i := range n {
		whole += d.Ring[i]
	}
	whole /= float64(n)
	for i := range n {
		deviation += (d.Ring[i] - whole) * (d.Ring[i] - whole)
	}
	deviation = math.Sqrt(deviation / float64(n))
	few := min(n, midSize)
	for i := 1; i <= few; i++ {
		mid += d.Ring[(int(d.At)+ringSize-i)%ringSize]
	}
	return mid / float64(few), whole, deviation
}

// expect is the range of values that one in a hundred leaves, on each side.
func (d *Detector) expect(r *Reading) {
	p := &d.Past[byValue]
	r.Basis = Value
	r.High = d.Centre + p.Up.quantile(p.N, 0.01)
	r.Low = d.Centre - p.Down.quantile(p.N, 0.01)
}

// season learns the day and the week, and says how far outside of the band of
// the better one the value is. ok is false where none is believed; the cause is
// Usual where none can tell.
func (d *Detector) season(t time.Time, v float64, s Season, r *Reading) (x float64, c Cause, ok bool) {
	v -= d.Origin
	day, week := parts(t)
	defer func() {
		d.Day.learn(d.DayCells[:], d.DayVisits[:], day, v)
		d.Week.learn(d.WeekCells[:], d.WeekVisits[:], week, v)
	}()
	if s == None {
		return 0, Usual, false
	}
	dayLow, dayHigh, dayKnown := band(d.DayCells[:], d.DayVisits[:], day)
	weekLow, weekHigh, weekKnown := band(d.WeekCells[:], d.WeekVisits[:], week)
	if dayKnown {
		d.Day.compare(d.DayCells[day], outside(v, dayLow, dayHigh), v)
		d.Flat += (math.Abs(v+d.Origin-d.Centre) - d.Flat) / errorSpan
	}
	if weekKnown {
		d.Week.compare(d.WeekCells[week], outside(v, weekLow, weekHigh), v)
	}
	age := float64(t.Unix()-d.Begun) / 86400
	weekly := weekKnown && s != Daily && (s == Weekly || age > weeksTrust && d.Week.Off < weekWins*d.Day.Off)
	switch {
	case weekly:
		r.Low, r.High, r.Basis = d.Origin+weekLow, d.Origin+weekHigh, TimeOfWeek
		return outside(v, weekLow, weekHigh), TimeOfWeek, s == Weekly || d.Week.Err < seasonWins*d.Flat
	case dayKnown && s != Weekly:
		r.Low, r.High, r.Basis = d.Origin+dayLow, d.Origin+dayHigh, TimeOfDay
		return outside(v, dayLow, dayHigh), TimeOfDay, age > daysToTrust && (s == Daily || d.Day.Err < seasonWins*d.Flat)
	}
	return 0, Usual, false
}

// news reports whether a surprise is the largest for a while. What follows is
// news only if it is much more.
func (d *Detector) news(surprise float64) bool {
	if d.Quiet > 0 {
		d.Quiet--
		if surprise <= float64(d.Told)*muchMore {
			return false
		}
	}
	d.Told, d.Quiet = float32(surprise), quietPoints
	return true
}
