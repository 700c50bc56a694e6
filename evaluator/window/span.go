package window

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

const sampleSize = unsafe.Sizeof(sample{})

// mostBytes is what the spans of a series may take in a window: half of it for
// those of the window, half for the one that is leaving.
const mostBytes = 4096

// spans is how many spans half of that are.
func (g *group) spans() int64 { return int64(max(8, mostBytes/2/8/max(1, len(g.parts)))) }

// atMost is a length that cuts whole into no more spans than there may be, in
// whole ticks.
func (g *group) atMost(whole int64) int64 {
	every := int64(max(g.every, time.Second))
	n := (whole + g.spans() - 1) / g.spans()
	return max(1, (n+every-1)/every) * every
}

// paneOf is how long the spans of a window get: as long as the time between ticks
// where there is room for so many, since then none is ever cut. Else they are as
// many as one is cut into when it leaves, which makes that rare.
func (g *group) paneOf(whole int64) int64 {
	every := int64(max(g.every, time.Second))
	if whole/every < 2*g.spans() {
		return every
	}
	root := int64(math.Sqrt(float64(whole) * float64(every)))
	return max(g.atMost(whole), (root+every-1)/every*every)
}

// partly asks for the parts in steps of a time, which become spans.
func (g *group) partly(q evaluator.Query, from, to, step int64) evaluator.Query {
	q.Columns = g.parts
	q.From, q.To, q.Step = time.Unix(0, from).UTC(), time.Unix(0, to).UTC(), time.Duration(step)
	return q
}

// steps are the ends of the spans that a question in steps is answered with.
func steps(from, to, step int64) (ends []int64) {
	for at := from + step; at < to; at += step {
		ends = append(ends, at)
	}
	return append(ends, to)
}

// leave drops the spans before a time. It returns where the span ends that the
// time cuts, 0 when there is none.
func (g *group) leave(from int64) (cut int64) {
	n := 0
	for n < len(g.ends) && g.ends[n] <= from {
		n++
	}
	if n > 0 {
		g.begin = g.ends[n-1]
		g.ends = slices.Delete(g.ends, 0, n)
		for _, s := range g.series {
			s.parts = slices.Delete(s.parts, 0, min(len(s.parts), n*len(g.parts)))
		}
	}
	if len(g.ends) > 0 && g.begin < from {
		return g.ends[0]
	}
	return 0
}

// replace puts finer spans in the place of the first one, or before all where
// there was none: those from a time to its end.
func (g *group) replace(old int, from int64, ends []int64) {
	k := len(g.parts)
	for _, s := range g.series {
		rest := s.parts[min(len(s.parts), old*k):]
		parts := make([]float64, len(ends)*k, len(ends)*k+len(rest))
		for i := range parts {
			parts[i] = math.NaN()
		}
		s.parts = append(parts, rest...)
	}
	g.begin = from
	g.ends = append(slices.Clone(ends), g.ends[min(len(g.ends), old):]...)
}

// fill takes the row of a question in steps, whose spans stand first.
func (g *group) fill(row *evaluator.Row, first int, from, step int64) (text bool) {
	s, k := g.at(row.Series), len(g.parts)
	i := first
	if step > 0 {
		i += int((row.At.UnixNano() - from - 1) / step)
	}
	s.reach(i+1, k)
	copy(s.parts[i*k:(i+1)*k], row.Values)
	return row.Texts != nil
}

// reach makes room for so many spans.
func (s *series) reach(spans, k int) {
	for len(s.parts) < spans*k {
		s.parts = append(s.parts, math.NaN())
	}
}

func (g *group) at(name rules.Series) *series {
	s := g.series[name]
	if s == nil {
		s = &series{points: make([][]sample, len(g.fields))}
		g.series[name] = s
	}
	return s
}

// settle moves the cut: points up to it are merged into the last span, or into
// one that begins there.
func (g *group) settle(cut int64) {
	if cut <= g.cut {
		return
	}
	if n := len(g.ends); n == 0 || g.cut-g.start(n-1) >= g.pane {
		g.ends = append(g.ends, cut)
	} else {
		g.ends[n-1] = cut
	}
	k, last := len(g.parts), len(g.ends)-1
	for _, s := range g.series {
		var into []float64
		for field, points := range s.points {
			for _, p := range points {
				if p.at <= g.cut || p.at > cut {
					continue
				}
				if into == nil {
					s.reach(last+1, k)
					into = s.parts[last*k:]
				}
				g.merge(into, field, p)
			}
		}
	}
	g.cut = cut
}

// start is where a span begins.
func (g *group) start(span int) int64 {
	if span == 0 {
		return g.begin
	}
	return g.ends[span-1]
}

// merge adds a point to the parts of a span.
func (g *group) merge(into []float64, field int, p sample) {
	for _, i := range g.made[field] {
		value := p.value
		if g.parts[i].Aggregation == rules.Count && g.parts[i].Field != "" {
			value = 1
		}
		into[i] = g.joins[i](into[i], value)
	}
}

// order sorts the points of a tick by time; of those at one time the greatest is
// the last, so that every tick answers the same.
func (s *series) order() {
	for _, points := range s.points {
		if !slices.IsSortedFunc(points, byTime) {
			slices.SortFunc(points, byTime)
		}
	}
}

func byTime(a, b sample) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value)) }
