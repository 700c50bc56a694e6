package chart_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/chart"
	"github.com/9bikes/tocsin/app/insight"
)

var (
	noon   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	red    = color.RGBA{213, 0, 0, 255}
	shaded = color.RGBA{255, 224, 224, 255}
	blue   = color.RGBA{0, 114, 178, 255}
	grey   = color.RGBA{190, 190, 190, 255}
	white  = color.RGBA{255, 255, 255, 255}
)

// drawn draws a chart and reads it back. With TESTS_PICTURES the picture is
// kept there, for people to look at.
func drawn(t *testing.T, c insight.Chart) image.Image {
	t.Helper()
	picture, err := chart.PNG(c)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("TESTS_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_")+".png"), picture,
			0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(picture) > 40_000 {
		t.Errorf("the picture has %d bytes", len(picture))
	}
	i, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if i.Bounds() != image.Rect(0, 0, 800, 400) {
		t.Errorf("the picture measures %v", i.Bounds())
	}
	return i
}

func is(i image.Image, x, y int, c color.RGBA) bool {
	r, g, b, _ := i.At(x, y).RGBA()
	return uint8(r>>8) == c.R && uint8(g>>8) == c.G && uint8(b>>8) == c.B
}

// rows lists the rows that are of one colour over most of the width.
func rows(i image.Image, c color.RGBA) (out []int) {
	for y := range 400 {
		n := 0
		for x := range 800 {
			if is(i, x, y, c) {
				n++
			}
		}
		if n > 400 {
			out = append(out, y)
		}
	}
	return out
}

// columns is the first and last column that has at least so many points of a
// colour below the legend.
func columns(i image.Image, c color.RGBA, least int) (first, last int) {
	first, last = -1, -1
	for x := range 800 {
		n := 0
		for y := 70; y < 400; y++ {
			if is(i, x, y, c) {
				n++
			}
		}
		if n >= least {
			if last = x; first < 0 {
				first = x
			}
		}
	}
	return first, last
}

// wave is a line of one point a minute.
func wave(name string, minutes int, level, height float64) insight.ChartLine {
	var points []insight.ChartPoint
	for i := range minutes {
		points = append(points,
			insight.ChartPoint{At: noon.Add(time.Duration(i) * time.Minute), Value: level + height*math.Sin(float64(i)/40)})
	}
	return insight.ChartLine{Name: name, Parts: [][]insight.ChartPoint{points}}
}

func TestTheThresholdIsAtItsHeight(t *testing.T) {
	c := insight.Chart{
		Title: "CPU too high: mean over 5m of cpu.usage_percent", Unit: "%", From: noon, To: noon.Add(10 * time.Hour),
		Lines: []insight.ChartLine{wave("host=a", 600, 50, 40)}, Marks: []insight.ChartMark{{Value: 90, Label: "> 90"}},
	}
	low := rows(drawn(t, c), red)
	c.Marks[0] = insight.ChartMark{Value: 50, Label: "> 50"}
	middle := rows(drawn(t, c), red)
	c.Marks[0] = insight.ChartMark{Value: 10, Label: "< 10"}
	high := rows(drawn(t, c), red)
	if len(low) == 0 || len(middle) == 0 || len(high) == 0 {
		t.Fatalf("no line of the threshold: %v %v %v", low, middle, high)
	}
	// The values go from 10 to 90 in all three, so 50 is halfway between.
	if between := float64(low[0]+high[0]) / 2; math.Abs(between-float64(middle[0])) > 2 {
		t.Errorf("90, 50 and 10 are drawn at %d, %d and %d", low[0], middle[0], high[0])
	}
	if low[0] >= middle[0] {
		t.Error("90 is below 50")
	}
}

func TestATimeOfFiringIsShaded(t *testing.T) {
	c := insight.Chart{
		Title: "Freezer", From: noon, To: noon.Add(10 * time.Hour), Lines: []insight.ChartLine{wave("", 600, 5, 0.1)},
		Spans: []insight.ChartSpan{{From: noon.Add(5 * time.Hour), To: noon.Add(10 * time.Hour)}},
	}
	i := drawn(t, c)
	first, last := columns(i, shaded, 50)
	if first < 300 || first > 460 || last < 700 {
		t.Errorf("shaded from column %d to %d; the second half is meant", first, last)
	}
	if !is(i, first+20, 100, shaded) || is(i, first-20, 100, shaded) {
		t.Errorf("column %d does not divide firing from quiet", first)
	}
	c.Spans[0] = insight.ChartSpan{From: noon.Add(time.Hour), To: noon.Add(time.Hour + time.Second)}
	if first, last = columns(drawn(t, c), shaded, 50); first < 0 || last-first > 5 {
		t.Errorf("a second of ten hours is shaded from %d to %d", first, last)
	}
}

func TestTheFirstLinesHaveColoursAndTheRestIsGrey(t *testing.T) {
	c := insight.Chart{Title: "Many", From: noon, To: noon.Add(10 * time.Hour), Zone: time.UTC}
	for i := range 12 {
		c.Lines = append(c.Lines,
			wave(fmt.Sprintf("sensor=%d, room=the room with the number %d", i, i), 600, float64(i*10), 3))
	}
	i := drawn(t, c)
	for name, want := range map[string]color.RGBA{"first": blue, "last": grey} {
		if first, last := columns(i, want, 1); first < 0 || last-first < 400 {
			t.Errorf("the %s line goes from %d to %d", name, first, last)
		}
	}
}

func TestALineIsInterruptedWhereThereIsNothing(t *testing.T) {
	whole := wave("", 600, 5, 0)
	points := whole.Parts[0]
	whole.Parts = [][]insight.ChartPoint{points[:200], points[400:]}
	i := drawn(t, insight.Chart{Title: "Gap", From: noon, To: noon.Add(10 * time.Hour), Lines: []insight.ChartLine{whole}})
	first, last := columns(i, blue, 1)
	for x := first; x <= last; x++ {
		middle := first + (last-first)/2
		for y := 70; y < 350; y++ {
			if x > middle-50 && x < middle+50 && is(i, x, y, blue) {
				t.Fatalf("there is a line at %d,%d, in the gap", x, y)
			}
		}
	}
	if last-first < 500 {
		t.Errorf("the line goes from %d to %d", first, last)
	}
}

// TestNothingIsClipped looks at the edge of the picture, which stays white.
func TestNothingIsClipped(t *testing.T) {
	long := strings.Repeat("a very long name ", 20)
	for name, c := range map[string]insight.Chart{
		"long names": {
			Title: long, Unit: long, From: noon, To: noon.Add(10 * time.Hour),
			Lines:  []insight.ChartLine{wave(long, 600, -123456.789, 3), wave(long, 600, 1e12, 3), wave(long, 600, 0, 1)},
			Hidden: 1000, Marks: []insight.ChartMark{
				{Value: 2e12, Label: long},
				{Value: 2.0001e12, Label: long, Lesser: true},
				{Value: -5e11, Label: long},
			},
			Spans: []insight.ChartSpan{{From: noon.Add(-time.Hour), To: noon.Add(20 * time.Hour)}},
		},
		"hostile names": {
			Title: "a\x1b[2J\u202eb\nc\x00\xff", From: noon, To: noon.Add(time.Hour),
			Lines: []insight.ChartLine{wave("\u200b\x07\t", 60, 1, 0)},
		},
		"other scripts": {
			Title: "Kühlschrank Ψυγείο Холодильник 冷蔵庫 °C", From: noon,
			To: noon.Add(48 * time.Hour), Lines: []insight.ChartLine{wave("комната=кухня", 2000, 1, 1)},
		},
		"nothing": {Title: "Nothing", From: noon, To: noon.Add(time.Hour)},
		"no time": {Title: "No time", From: noon, To: noon, Lines: []insight.ChartLine{wave("", 1, 1, 0)}},
		"a year": {
			Title: "A year", From: noon, To: noon.AddDate(1, 1, 0),
			Lines: []insight.ChartLine{wave("", 1000, 1, 1)},
		},
		"ten seconds": {
			Title: "Ten seconds", From: noon, To: noon.Add(10 * time.Second),
			Lines: []insight.ChartLine{wave("", 1, 1e-9, 0)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := drawn(t, c)
			for x := range 800 {
				for _, y := range []int{0, 399} {
					if !is(i, x, y, white) {
						t.Fatalf("something touches the edge at %d,%d", x, y)
					}
				}
			}
			for y := range 400 {
				for _, x := range []int{0, 799} {
					if !is(i, x, y, white) {
						t.Fatalf("something touches the edge at %d,%d", x, y)
					}
				}
			}
		})
	}
}

// TestManyRestlessLinesStaySmall: what is drawn is sent as text, and read.
func TestManyRestlessLinesStaySmall(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 627))
	c := insight.Chart{
		Title: "Noise", From: noon, To: noon.Add(10 * time.Hour),
		Marks: []insight.ChartMark{{Value: 50, Label: "> 50"}},
	}
	for i := range 12 {
		l := wave(fmt.Sprintf("host=%d", i), 600, 0, 0)
		for j := range l.Parts[0] {
			l.Parts[0][j].Value = 60*random.Float64() + 5*float64(i)
		}
		c.Lines = append(c.Lines, l)
	}
	drawn(t, c)
}

// TestAPreviewIsReadable draws what a model sees most.
func TestAPreviewIsReadable(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	c := insight.Chart{
		Title: "Freezer too warm: mean over 5m of temperature.celsius", Unit: "°C", From: noon,
		To: noon.Add(7 * 24 * time.Hour), Zone: zone,
		Marks: []insight.ChartMark{{Value: -15, Label: "> -15"}, {Value: -17, Label: "recover -17", Lesser: true}},
		Spans: []insight.ChartSpan{
			{From: noon.Add(30 * time.Hour), To: noon.Add(33 * time.Hour)},
			{From: noon.Add(100 * time.Hour), To: noon.Add(101 * time.Hour)},
		},
	}
	for n, name := range []string{"sensor=a, room=kitchen", "sensor=b, room=cellar", "sensor=c"} {
		var points []insight.ChartPoint
		for i := range 7 * 48 {
			at := noon.Add(time.Duration(i) * 30 * time.Minute)
			points = append(points, insight.ChartPoint{At: at, Value: -20 + float64(n) + 2*math.Sin(float64(i)/9+float64(n))})
			if n == 0 && (i >= 60 && i < 66 || i >= 200 && i < 202) {
				points[i].Value = -13
			}
		}
		c.Lines = append(c.Lines, insight.ChartLine{Name: name, Parts: [][]insight.ChartPoint{points}})
	}
	i := drawn(t, c)
	if first, last := columns(i, shaded, 50); first < 150 || last < first+200 {
		t.Errorf("shaded from %d to %d", first, last)
	}
	if len(rows(i, red)) == 0 {
		t.Error("there is no threshold")
	}
}
