package anomaly

import "math"

const (
	perOctave = 6  // bins of a doubling
	sideBins  = 56 // nine doublings
	firstBin  = 20 // where the first magnitude goes: room for less and for more
	crowded   = 8  // one in so many in the last bin, and it makes room above

	mostCounted = 8192 // then all counts are halved
	farther     = 3    // what each doubling beyond the largest ever seen adds to a surprise
)

// side is how often a magnitude was seen, by the logarithm of its size.
type side struct {
	Counts [sideBins]uint16
	Total  uint16
	Base   int16   // the logarithmic bin that Counts[0] is; what is less counts there too
	Top    float32 // log2 of the largest ever seen
}

// tails is the distribution of a signed figure, its two sides apart.
type tails struct {
	N        uint16 // figures, those that are zero too
	Up, Down side
}

// see says how surprising a figure is, and counts it: -log10 of how often it was
// as far out on its side, and more beyond all that was seen.
func (t *tails) see(d float64) (surprise float64) {
	if t.N >= mostCounted {
		t.N = t.N/2 + 1
		t.Up.halve()
		t.Down.halve()
	}
	if d != 0 {
		s, lg := &t.Up, math.Log2(math.Abs(d))
		if d < 0 {
			s = &t.Down
		}
		surprise = s.surprise(lg, t.N)
		s.add(lg)
	}
	t.N++
	return surprise
}

func (s *side) surprise(lg float64, n uint16) float64 {
	above := s.above(lg)
	out := math.Log10((float64(n) + 1) / (above + 0.5))
	if above == 0 && s.Total > 0 && lg > float64(s.Top) {
		out += farther * (lg - float64(s.Top))
	}
	return out
}

// above counts the magnitudes beyond 2^lg, a part of its own bin by where in it
// it lies.
func (s *side) above(lg float64) float64 {
	if s.Total == 0 {
		return 0
	}
	place := lg*perOctave - float64(s.Base)
	b := int(min(max(place, 0), sideBins-1))
	width := 1.0
	if b == sideBins-1 {
		width = max(1, float64(s.Top)*perOctave-float64(s.Base)-float64(b))
	}
	part := 1 - min(max(place-float64(b), 0)/width, 1)
	return float64(s.beyond(b)) + float64(s.Counts[b])*part
}

// beyond counts what is in the bins above one; it adds up the shorter way.
func (s *side) beyond(b int) (sum int) {
	if b < sideBins/2 {
		sum = int(s.Total)
		for _, c := range s.Counts[:b+1] {
			sum -= int(c)
		}
		return sum
	}
	for _, c := range s.Counts[b+1:] {
		sum += int(c)
	}
	return sum
}

func (s *side) add(lg float64) {
	bin := int(math.Floor(lg * perOctave))
	if s.Total == 0 {
		s.Base, s.Top = int16(bin-firstBin), float32(lg)
	}
	s.Top = max(s.Top, float32(lg))
	s.Counts[min(max(bin-int(s.Base), 0), sideBins-1)]++
	s.Total++
	if last := s.Counts[sideBins-1]; last > 2*crowded && int(last)*crowded > int(s.Total) {
		s.shift(sideBins / 2)
	}
}

// shift makes room at the top; what leaves at the bottom counts in the least bin.
func (s *side) shift(by int) {
	var moved [sideBins]uint16
	for i, c := range s.Counts {
		moved[max(i-by, 0)] += c
	}
	s.Counts, s.Base = moved, s.Base+int16(by)
}

// halve forgets half; what happened once is kept.
func (s *side) halve() {
	s.Total = 0
	for i, c := range s.Counts {
		s.Counts[i] = (c + 1) / 2
		s.Total += s.Counts[i]
	}
}

// quantile is the magnitude that a share of n figures is beyond, on this side.
func (s *side) quantile(n uint16, share float64) float64 {
	left := share * float64(n)
	if s.Total == 0 || float64(s.Total) <= left {
		return 0
	}
	for b := sideBins - 1; ; b-- {
		if left -= float64(s.Counts[b]); left < 0 || b == 0 {
			return math.Exp2(min(float64(b+1+int(s.Base))/perOctave, float64(s.Top)))
		}
	}
}
