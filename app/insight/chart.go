package insight

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/rules"
)

// Chart is measured values against time, with what a rule makes of them. It
// has no more points than a picture has room for. Its names come from data.
type Chart struct {
	Title  string         `json:"title"`
	Unit   string         `json:"unit,omitempty"`
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Zone   *time.Location `json:"-"`
	Lines  []ChartLine    `json:"lines"`            // the most telling first
	Hidden int            `json:"hidden,omitempty"` // series without a line
	Marks  []ChartMark    `json:"marks,omitempty"`
	Spans  []ChartSpan    `json:"spans,omitempty"`
}

// ChartLine is one series. It is interrupted where there were no values.
type ChartLine struct {
	Name  string         `json:"name"`
	Parts [][]ChartPoint `json:"parts"`
}

// ChartPoint is a value at a time.
type ChartPoint struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// ChartMark is a value that the lines are held against.
type ChartMark struct {
	Value  float64 `json:"value"`
	Label  string  `json:"label"`
	Lesser bool    `json:"lesser,omitempty"` // not the value that makes it fire: recover, a level
}

// ChartSpan is a time in which an alert was firing.
type ChartSpan struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// A sketch keeps the lowest and the highest value of each of so many parts of
// its time, for at most so many series.
const (
	sketchParts = 300
	sketchLines = 200
)

// drawnLines is how many lines a chart has: in more nobody sees anything.
const drawnLines = 40

// sketch gathers values for a chart.
type sketch struct {
	from, to time.Time
	lines    map[rules.Series]*sketchLine
	left     map[rules.Series]bool // series that found no room
}

type sketchLine struct {
	series rules.Series
	bad    int // how many of its values were
	cells  []sketchCell
}

// sketchCell is one part of the time.
type sketchCell struct {
	part      int
	low, high ChartPoint
}

func newSketch(from, to time.Time) *sketch {
	return &sketch{from: from, to: to, lines: map[rules.Series]*sketchLine{}, left: map[rules.Series]bool{}}
}

// add takes a value of a series; those of one series come in order of time.
func (s *sketch) add(series rules.Series, at time.Time, value float64, bad bool) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	l := s.line(series, bad)
	if l == nil {
		return
	}
	if bad {
		l.bad++
	}
	part := int(float64(sketchParts) * float64(at.Sub(s.from)) / float64(max(1, s.to.Sub(s.from))))
	p := ChartPoint{at, value}
	if n := len(l.cells); n == 0 || l.cells[n-1].part != part {
		l.cells = append(l.cells, sketchCell{part, p, p})
		return
	}
	c := &l.cells[len(l.cells)-1]
	if value < c.low.Value {
		c.low = p
	}
	if value > c.high.Value {
		c.high = p
	}
}

// line returns where a series is drawn, nil where there is no room. One that
// goes bad takes the room of one that never did.
func (s *sketch) line(series rules.Series, bad bool) *sketchLine {
	if l := s.lines[series]; l != nil {
		return l
	}
	if len(s.lines) >= sketchLines && !(bad && s.makeRoom()) {
		s.left[series] = true
		return nil
	}
	l := &sketchLine{series: series}
	s.lines[series] = l
	delete(s.left, series)
	return l
}

func (s *sketch) makeRoom() bool {
	for series, l := range s.lines {
		if l.bad == 0 {
			delete(s.lines, series)
			s.left[series] = true
			return true
		}
	}
	return false
}

// chart is what was gathered: the series that were bad most first.
func (s *sketch) chart() Chart {
	c := Chart{From: s.from, To: s.to, Lines: []ChartLine{}, Hidden: len(s.left)}
	list := make([]*sketchLine, 0, len(s.lines))
	for _, l := range s.lines {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *sketchLine) int {
		return cmp.Or(cmp.Compare(b.bad, a.bad), cmp.Compare(a.series, b.series))
	})
	c.Hidden += max(0, len(list)-drawnLines)
	for _, l := range list[:min(len(list), drawnLines)] {
		c.Lines = append(c.Lines, ChartLine{labelsText(l.series), parted(l.points())})
	}
	return c
}

func (l *sketchLine) points() (out []ChartPoint) {
	for _, c := range l.cells {
		first, second := c.low, c.high
		if second.At.Before(first.At) {
			first, second = second, first
		}
		if out = append(out, first); second != first {
			out = append(out, second)
		}
	}
	return out
}

// parted cuts a line where it has no points for much longer than usual.
func parted(points []ChartPoint) (out [][]ChartPoint) {
	var gaps []time.Duration
	for i := 1; i < len(points); i++ {
		gaps = append(gaps, points[i].At.Sub(points[i-1].At))
	}
	longest := time.Duration(math.MaxInt64)
	if len(gaps) > 0 {
		slices.Sort(gaps)
		longest = 5 * gaps[len(gaps)*3/4]
	}
	begin := 0
	for i := 1; i <= len(points); i++ {
		if i == len(points) || points[i].At.Sub(points[i-1].At) > longest {
			out = append(out, points[begin:i])
			begin = i
		}
	}
	return out
}

// labelsText is a label set as people read it.
func labelsText(s rules.Series) string {
	var parts []string
	s.Each(func(name, value string) bool {
		parts = append(parts, name+"="+value)
		return true
	})
	return strings.Join(parts, ", ")
}

// marks are the values that a rule holds its series against.
func marks(r rules.Rule) (out []ChartMark) {
	c := r.Condition
	add := func(v rules.Value, label string, lesser bool) {
		switch v.Kind {
		case rules.Number:
			out = append(out, ChartMark{v.Low, label + rules.FormatNumber(v.Low), lesser})
		case rules.Range:
			out = append(out, ChartMark{v.Low, label + rules.FormatNumber(v.Low), lesser},
				ChartMark{v.High, label + rules.FormatNumber(v.High), lesser})
		}
	}
	switch c.Type {
	case rules.Absence:
		out = append(out, ChartMark{c.Window.Std().Seconds(), "no point for " + c.Window.String(), false})
	case rules.Threshold, rules.Change, rules.Forecast, rules.Query:
		add(c.Value, string(c.Operator)+" ", false)
		add(c.Recover, "recover ", true)
		for _, l := range r.Levels {
			add(l.Value, string(l.Severity)+" ", true)
		}
	}
	return out
}

// spans are the times of episodes, joined where they overlap.
func spans(list []backtest.Episode, end time.Time) (out []ChartSpan) {
	for _, e := range list { // in order of their start
		s := ChartSpan{e.StartedAt, e.ResolvedAt}
		if s.To.IsZero() {
			s.To = end
		}
		if n := len(out); n > 0 && !s.From.After(out[n-1].To) {
			if s.To.After(out[n-1].To) {
				out[n-1].To = s.To
			}
			continue
		}
		out = append(out, s)
	}
	return out
}
