package chart

import (
	"fmt"
	"time"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"

	"github.com/9bikes/tocsin/app/insight"
)

// layer is a part of the picture between the axes. Those that come later lie
// on top.
type layer func(pen)

var _ chartdraw.Series = layer(nil)

// GetName returns no name: the legend is drawn by itself.
func (l layer) GetName() string { return "" }

// GetYAxis returns the only axis of values.
func (l layer) GetYAxis() chartdraw.YAxisType { return chartdraw.YAxisPrimary }

// GetStyle returns nothing: a layer styles itself.
func (l layer) GetStyle() chartdraw.Style { return chartdraw.Style{} }

// Validate finds nothing wrong.
func (l layer) Validate() error { return nil }

// Render draws the layer.
func (l layer) Render(r chartdraw.Renderer, box chartdraw.Box, x, y chartdraw.Range, s chartdraw.Style) {
	l(pen{r, box, x, y, s})
}

// pen draws between the axes.
type pen struct {
	chartdraw.Renderer
	box   chartdraw.Box
	times chartdraw.Range
	of    chartdraw.Range // the values
	style chartdraw.Style
}

// x is where a time is, within the picture.
func (p pen) x(t time.Time) int {
	return min(max(p.box.Left+p.times.Translate(seconds(t)), p.box.Left), p.box.Right)
}

func (p pen) y(v float64) int { return p.box.Bottom - p.of.Translate(v) }

func (p pen) stroke(c drawing.Color, width float64, dashes ...float64) {
	p.SetStrokeColor(c)
	p.SetStrokeWidth(width)
	p.SetStrokeDashArray(dashes)
}

// spans shades the times in which an alert was firing; a short one can be seen
// too.
func (p pen) spans(c insight.Chart) {
	for _, s := range c.Spans {
		left, right := p.x(s.From), max(p.x(s.To), p.x(s.From)+2)
		p.rectangle(left, p.box.Top, right, p.box.Bottom, spanColor)
	}
}

func (p pen) rectangle(left, top, right, bottom int, c drawing.Color) {
	rectangle(p.Renderer, left, top, right, bottom, c)
}

func rectangle(r chartdraw.Renderer, left, top, right, bottom int, c drawing.Color) {
	r.SetFillColor(c)
	r.MoveTo(left, top)
	r.LineTo(right, top)
	r.LineTo(right, bottom)
	r.LineTo(left, bottom)
	r.Close()
	r.Fill()
}

// lines draws the series, the first ones last and in colour.
func (p pen) lines(c insight.Chart) {
	for i := len(c.Lines) - 1; i >= 0; i-- {
		color, width := otherColor, 1.0
		if i < len(lineColors) {
			color, width = lineColors[i], 2
		}
		for _, part := range c.Lines[i].Parts {
			p.line(part, color, width)
		}
	}
}

func (p pen) line(part []insight.ChartPoint, color drawing.Color, width float64) {
	if len(part) == 1 {
		p.SetFillColor(color)
		p.Circle(2, p.x(part[0].At), p.y(part[0].Value))
		p.Fill()
		return
	}
	p.stroke(color, width)
	for i, point := range part {
		if i == 0 {
			p.MoveTo(p.x(point.At), p.y(point.Value))
			continue
		}
		p.LineTo(p.x(point.At), p.y(point.Value))
	}
	p.Stroke()
}

// marks draws the values that the lines are held against, with what they are.
func (p pen) marks(c insight.Chart) {
	p.SetFont(p.style.GetFont())
	p.SetFontSize(textSize)
	p.SetFontColor(markColor)
	var taken []int
	for _, m := range c.Marks {
		y := p.y(m.Value)
		if p.stroke(markColor, 2); m.Lesser {
			p.stroke(markColor, 1, 6, 4)
		}
		p.MoveTo(p.box.Left, y)
		p.LineTo(p.box.Right, y)
		p.Stroke()
		if at, ok := p.room(y, taken); ok {
			label := clean(m.Label, 40)
			size := p.MeasureText(label)
			p.rectangle(p.box.Left+4, at-size.Height(), p.box.Left+8+size.Width(), at+3, paper)
			p.Text(label, p.box.Left+6, at)
			taken = append(taken, at)
		}
	}
}

// room finds a place for a label above or below a line.
func (p pen) room(y int, taken []int) (at int, ok bool) {
	const letters = 14
	for _, at := range []int{y - 5, y + letters} {
		free := at-letters >= p.box.Top && at <= p.box.Bottom
		for _, other := range taken {
			free = free && (at-other >= letters || other-at >= letters)
		}
		if free {
			return at, true
		}
	}
	return 0, false
}

// legend writes the title, says which line is which, and puts the unit above
// its axis.
func legend(r chartdraw.Renderer, box chartdraw.Box, s chartdraw.Style, c insight.Chart) {
	r.SetFont(s.GetFont())
	r.SetFontColor(textColor)
	r.SetFontSize(titleSize)
	title := clean(c.Title, 150)
	for letters := 150; r.MeasureText(title).Width() > width-3*margin && letters > 10; letters -= 5 {
		title = clean(c.Title, letters)
	}
	r.Text(title, 2*margin, 20)
	r.SetFontSize(textSize)
	unit := clean(c.Unit, 12)
	r.Text(unit, width-margin-r.MeasureText(unit).Width(), box.Top-8)
	l := legendRow{r, 2 * margin, 36}
	if len(c.Lines) > 1 || len(c.Lines) == 1 && c.Lines[0].Name != "" {
		l.lines(c)
	}
	if len(c.Spans) > 0 {
		l.entry("firing", spanColor, 10)
	}
	if len(c.Lines) == 0 {
		l.entry("no values in this time", otherColor, 2)
	}
}

// legendRow is where the next entry of the legend goes.
type legendRow struct {
	r    chartdraw.Renderer
	x, y int
}

func (l *legendRow) lines(c insight.Chart) {
	for i, line := range c.Lines[:min(len(c.Lines), len(lineColors))] {
		name := clean(line.Name, 30)
		if name == "" {
			name = "without labels"
		}
		l.entry(name, lineColors[i], 3)
	}
	if grey := len(c.Lines) - len(lineColors); grey > 0 {
		l.entry(fmt.Sprintf("%d more", grey), otherColor, 3)
	}
	if c.Hidden > 0 {
		l.entry(fmt.Sprintf("and %d not drawn", c.Hidden), paper, 3)
	}
}

// entry writes one entry behind a sample of its colour, on two rows at most.
func (l *legendRow) entry(name string, color drawing.Color, thick int) {
	size := l.r.MeasureText(name).Width()
	if l.x+size+30 > width-80 {
		l.x, l.y = 2*margin, l.y+15
	}
	rectangle(l.r, l.x, l.y-4-thick/2, l.x+16, l.y-4-thick/2+thick, color)
	l.r.SetFontColor(textColor)
	l.r.Text(name, l.x+20, l.y)
	l.x += size + 36
}
