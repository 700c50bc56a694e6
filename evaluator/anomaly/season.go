package anomaly

import (
	"math"
	"time"
)

// profile is what is usual for each part of a day or a week: a mean and a
// deviation, relative to the origin.
type profile struct {
	Sum   float64 // of the part that is going on
	N     int32
	Part  int16
	Begun bool
	Err   float64 // how far outside of its band the values are lately
	Off   float64 // how far from their cells' means
}

// cell is one part of a day or week.
type cell struct {
	Mean, Dev float32
}

// learn takes the mean of a part that ended as one day's word on it.
func (p *profile) learn(cells []cell, visits []uint8, part int, v float64) {
	if p.Begun && int(p.Part) != part && p.N > 0 {
		i, mean := int(p.Part), p.Sum/float64(p.N)
		visits[i] = min(visits[i]+1, learnVisits)
		share := 1 / float64(visits[i])
		if visits[i] > 1 {
			off := math.Abs(mean - float64(cells[i].Mean))
			cells[i].Dev += float32((off - float64(cells[i].Dev)) * share)
		}
		cells[i].Mean += float32((mean - float64(cells[i].Mean)) * share)
		p.Sum, p.N = 0, 0
	}
	p.Part, p.Begun = int16(part), true
	p.Sum += v
	p.N++
}

// compare keeps how well the cell and the band of a part told a value.
func (p *profile) compare(c cell, out, v float64) {
	p.Err += (math.Abs(out) - p.Err) / errorSpan
	p.Off += (math.Abs(v-float64(c.Mean)) - p.Off) / errorSpan
}

// learnVisits is how many days or weeks a profile remembers.
const learnVisits = 5

// band is what is usual at a part, or at the one before or after it: people and
// schedules are some minutes early or late.
func band(cells []cell, visits []uint8, part int) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, i := range [3]int{(part + len(cells) - 1) % len(cells), part, (part + 1) % len(cells)} {
		if visits[i] < 2 {
			return 0, 0, false
		}
		c := cells[i]
		low = min(low, float64(c.Mean-c.Dev))
		high = max(high, float64(c.Mean+c.Dev))
	}
	return low, high, true
}

// outside is how far a value is from a range; negative below it.
func outside(v, low, high float64) float64 {
	switch {
	case v > high:
		return v - high
	case v < low:
		return v - low
	}
	return 0
}

// parts are the quarter of an hour of the day and the hour of the week, by the
// wall clock of the time's own location.
func parts(t time.Time) (day, week int) {
	const quarter, quarters = 15 * 60, 7 * 24 * 4
	_, east := t.Zone()
	wall := (t.Unix() + int64(east)) / quarter
	ofWeek := int((wall%quarters + quarters) % quarters)
	return ofWeek % 96, ofWeek / 4
}
