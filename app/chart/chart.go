// Package chart draws what package app has to show against time: a picture for
// those who read neither numbers nor pages well, such as a model.
package chart

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"

	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// The size of a picture. It costs a model about 430 tokens.
const (
	width  = 800
	height = 400
)

// The colours. Those of the lines can be told apart by colour-blind people.
var (
	lineColors = []drawing.Color{
		rgb(0, 114, 178), rgb(230, 159, 0), rgb(0, 158, 115), rgb(204, 121, 167),
		rgb(86, 180, 233),
	}
	otherColor = rgb(190, 190, 190)
	markColor  = rgb(213, 0, 0)
	spanColor  = rgb(255, 224, 224)
	textColor  = rgb(51, 51, 51)
	axisColor  = rgb(153, 153, 153)
	gridColor  = rgb(232, 232, 232)
	paper      = rgb(255, 255, 255)
)

func rgb(r, g, b uint8) drawing.Color { return drawing.Color{R: r, G: g, B: b, A: 255} }

const (
	titleSize = 10.0
	textSize  = 8.0
	margin    = 10
	top       = 58 // room for the title and two lines of legend
)

// PNG draws a chart. Lines beyond the first few are grey.
func PNG(c insight.Chart) ([]byte, error) {
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if !c.From.Before(c.To) {
		c.From = c.To.Add(-time.Minute)
	}
	times := &axis{ticks: timeTicks(c.From, c.To, c.Zone)}
	times.Min, times.Max = seconds(c.From), seconds(c.To)
	text := chartdraw.Style{
		FontStyle:   chartdraw.FontStyle{FontSize: textSize, FontColor: textColor},
		StrokeColor: axisColor, StrokeWidth: 1,
	}
	grid := chartdraw.Style{StrokeColor: gridColor, StrokeWidth: 1}
	picture := chartdraw.Chart{
		Width: width, Height: height,
		Background: chartdraw.Style{
			FillColor: paper,
			Padding:   chartdraw.Box{Top: top, Left: 2 * margin, Right: margin, Bottom: margin, IsSet: true},
		},
		XAxis: chartdraw.XAxis{
			Range: times, Style: text, NameStyle: text, GridMajorStyle: grid, GridMinorStyle: grid,
			Name: "time in " + zoneName(c.Zone, c.To),
		},
		YAxis:          chartdraw.YAxis{Range: valueAxis(c), Style: text, GridMajorStyle: grid, GridMinorStyle: grid},
		YAxisSecondary: chartdraw.HideYAxis(),
		Series: []chartdraw.Series{
			layer(func(p pen) { p.spans(c) }), layer(func(p pen) { p.lines(c) }), layer(func(p pen) { p.marks(c) }),
		},
		Elements: []chartdraw.Renderable{func(r chartdraw.Renderer, box chartdraw.Box, s chartdraw.Style) {
			legend(r, box, s, c)
		}},
	}
	var drawn canvas
	if err := picture.Render(chartdraw.PNG, &drawn); err != nil {
		return nil, err
	}
	return drawn.encode()
}

// axis is a range of values with ticks of its own.
type axis struct {
	chartdraw.ContinuousRange
	ticks []chartdraw.Tick
}

// GetTicks returns the ticks.
func (a *axis) GetTicks(chartdraw.ValueFormatter) []chartdraw.Tick { return a.ticks }

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// zoneName names the zone in words, or by its abbreviation where it has no name.
func zoneName(zone *time.Location, at time.Time) string {
	short, _ := at.In(zone).Zone()
	if name := zone.String(); name != "Local" && name != short {
		return name + " (" + short + ")"
	}
	return short
}

// valueAxis spans all values and marks, with some room around them.
func valueAxis(c insight.Chart) *axis {
	low, high := math.Inf(1), math.Inf(-1)
	see := func(v float64) { low, high = min(low, v), max(high, v) }
	for _, line := range c.Lines {
		for _, part := range line.Parts {
			for _, p := range part {
				see(p.Value)
			}
		}
	}
	for _, m := range c.Marks {
		see(m.Value)
	}
	switch {
	case low > high:
		low, high = 0, 1
	case low == high:
		low, high = low-max(1, math.Abs(low)/10), high+max(1, math.Abs(high)/10)
	}
	room := (high - low) * 0.08
	a := &axis{}
	a.Min, a.Max = low-room, high+room
	step := roundStep((a.Max - a.Min) / 8)
	for v := math.Ceil(a.Min/step) * step; v <= a.Max; v += step {
		a.ticks = append(a.ticks, chartdraw.Tick{Value: v, Label: number(math.Round(v/step)*step + 0)})
	}
	return a
}

// roundStep is 1, 2 or 5 times a power of ten, not below x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= x {
			return n * power
		}
	}
	return 10 * power
}

// number writes large values short: 8G.
func number(x float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(x) >= max(unit.size, 1e4) {
			return rules.FormatNumber(x/unit.size) + unit.name
		}
	}
	return rules.FormatNumber(x)
}

// timeTicks are at round times of the zone, at most nine.
func timeTicks(from, to time.Time, zone *time.Location) (out []chartdraw.Tick) {
	step := timeStep(to.Sub(from) / 8)
	day := 24 * time.Hour
	begin := from.In(zone)
	midnight := time.Date(begin.Year(), begin.Month(), begin.Day(), 0, 0, 0, 0, zone)
	for i := 0; ; i++ {
		at := midnight.Add(time.Duration(i) * step)
		if step >= day { // days differ in length
			at = time.Date(begin.Year(), begin.Month(), begin.Day()+i*int(step/day), 0, 0, 0, 0, zone)
		}
		if at.After(to) {
			return out
		}
		if !at.Before(from) {
			out = append(out, chartdraw.Tick{Value: seconds(at), Label: timeLabel(at, step, to.Sub(from))})
		}
	}
}

func timeStep(d time.Duration) time.Duration {
	for _, step := range []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute,
		15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if step >= d {
			return step
		}
	}
	day := 24 * time.Hour
	return (d + day - 1) / day * day
}

func timeLabel(at time.Time, step, whole time.Duration) string {
	switch {
	case step < time.Minute:
		return at.Format("15:04:05")
	case whole > 300*24*time.Hour:
		return at.Format("2006-01-02")
	case step >= 24*time.Hour:
		return at.Format("Mon 2 Jan")
	case whole > 24*time.Hour:
		return at.Format("Mon 15:04")
	}
	return at.Format("15:04")
}

// clean is text on one line that a font can show, at most so many letters.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if letters := []rune(text); len(letters) > most {
		text = string(letters[:most-1]) + "…"
	}
	return text
}

// canvas takes the drawn picture.
type canvas struct {
	bytes.Buffer
	image *image.RGBA
}

// SetRGBA takes the picture before it is encoded.
func (c *canvas) SetRGBA(i *image.RGBA) { c.image = i }

// most is how large a picture should be, in bytes.
const most = 40_000

// encode writes the picture with a palette, which makes it a fifth as large:
// our own colours, and those of their blends that there are most of. Restless
// lines have to do with few blends.
func (c *canvas) encode() ([]byte, error) {
	colors := c.colors()
	for _, blends := range []int{48, 16} {
		c.Reset()
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(c, c.painted(colors[:min(len(colors), blends)])); err != nil {
			return nil, err
		}
		if c.Len() <= most {
			break
		}
	}
	return c.Bytes(), nil
}

// colors are those of the picture, our own first, then by how much there is of
// them.
func (c *canvas) colors() []color.RGBA {
	count := map[color.RGBA]int{}
	for i := 0; i < len(c.image.Pix); i += 4 {
		count[pixel(c.image.Pix[i:])]++
	}
	for _, own := range append([]drawing.Color{otherColor, markColor, spanColor, textColor, axisColor, gridColor, paper},
		lineColors...) {
		if key := color.RGBA(own); count[key] > 0 {
			count[key] = math.MaxInt
		}
	}
	return slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), bytes.Compare([]byte{a.R, a.G, a.B}, []byte{b.R, b.G, b.B}))
	})
}

// painted is the picture in the colours of a palette.
func (c *canvas) painted(palette []color.RGBA) *image.Paletted {
	out := image.NewPaletted(c.image.Bounds(), nil)
	nearest := map[color.RGBA]uint8{}
	for i, one := range palette {
		out.Palette = append(out.Palette, one)
		nearest[one] = uint8(i)
	}
	for i := range out.Pix {
		one := pixel(c.image.Pix[4*i:])
		at, known := nearest[one]
		if !known {
			at = uint8(out.Palette.Index(one))
			nearest[one] = at
		}
		out.Pix[i] = at
	}
	return out
}

func pixel(p []uint8) color.RGBA { return color.RGBA{p[0], p[1], p[2], 255} }
