package sourcetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// start is on a whole minute, so that the points lie on the edges of windows.
var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// point is one point as it is loaded. A field holds a float64, int64, bool or
// string.
type point struct {
	measurement string
	tags        map[string]string
	fields      map[string]any
	at          time.Time
}

// samples are the points that the suite loads.
func samples() []point {
	points := climate()
	points = append(points, edges()...)
	points = append(points, lonely()...)
	points = append(points, counters()...)
	return append(points, weird()...)
}

// climate has a point of each sensor every 10 s for 10 min, on the marks, with
// fields and tags that some of them lack.
func climate() []point {
	var points []point
	random := rand.New(rand.NewPCG(8, 627))
	turns := map[string]int64{}
	for i := range 61 {
		for n, tags := range []map[string]string{
			{"room": "kitchen", "sensor": "a", "site": "home"},
			{"room": "kitchen", "sensor": "b", "site": "home"},
			{"room": "cellar", "sensor": "a", "site": "home"},
			{"room": "cellar", "site": "home"},
			{"room": "attic", "sensor": "c", "site": "away"},
		} {
			key := tags["room"] + tags["sensor"]
			turns[key] += random.Int64N(20)
			if random.IntN(9) == 0 {
				turns[key] = random.Int64N(3) // a counter that starts again
			}
			points = append(points,
				point{"climate", tags, reading(random, n, i, turns[key]), start.Add(time.Duration(i) * 10 * time.Second)})
		}
	}
	return points
}

// reading makes the fields of one point: the second sensor has no door, the
// third begins late, the last knows neither mode nor turns.
func reading(random *rand.Rand, sensor, i int, turns int64) map[string]any {
	fields := map[string]any{
		"celsius": float64(random.IntN(600)-200) / 16,
		"turns":   turns,
		"open":    random.IntN(3) == 0,
		"mode":    []string{"auto", "heat", "off", "eco \"plus\""}[random.IntN(4)],
	}
	switch sensor {
	case 1:
		delete(fields, "open")
	case 2:
		if i < 40 {
			delete(fields, "celsius")
		}
	case 4:
		delete(fields, "mode")
		delete(fields, "turns")
	}
	return fields
}

// edges has points exactly on the ends of the window [start, start+1m] and one
// nanosecond beside them, each with a value of its own.
func edges() []point {
	var points []point
	for i, at := range []time.Duration{
		-1, 0, 1, 30*time.Second - 1, 30 * time.Second, 30*time.Second + 1, time.Minute - 1,
		time.Minute, time.Minute + 1,
	} {
		points = append(points, point{
			"edges",
			map[string]string{"host": "h"},
			map[string]any{"v": float64(int(1) << i), "flag": i%2 == 0},
			start.Add(at),
		})
	}
	return points
}

// lonely has series of one and of two points.
func lonely() []point {
	at := start.Add(15 * time.Second)
	return []point{
		{"lonely", map[string]string{"host": "one"}, map[string]any{"v": 4.5, "on": true}, at},
		{"lonely", map[string]string{"host": "two"}, map[string]any{"v": 7.25, "on": false}, at},
		{"lonely", map[string]string{"host": "two"}, map[string]any{"v": 9.75, "on": true}, at.Add(20 * time.Second)},
		{"lonely", map[string]string{"host": "textual"}, map[string]any{"note": "only words"}, at},
	}
}

// counters has counters of two hosts: on the first, cores that count from
// different heights, one of which starts again, and one with a single point.
func counters() []point {
	var points []point
	add := func(host, core string, seconds int, total float64) {
		points = append(points, point{
			"counters",
			map[string]string{"host": host, "core": core},
			map[string]any{"total": total},
			start.Add(time.Duration(seconds) * time.Second),
		})
	}
	for i, total := range []float64{0, 10, 20, 30, 40, 50} {
		add("a", "0", 10+10*i, total)
	}
	for i, total := range []float64{1000, 1020, 1040, 5, 25} {
		add("a", "1", 15+10*i, total)
	}
	add("a", "2", 30, 7)
	add("b", "0", 30, 7)
	return points
}

const (
	weirdMeasurement = `we"ird, m'e=a\s; DROP DATABASE "x" --ure`
	weirdField       = `f"i,e l'd=\x`
	weirdTag         = `t"a,g k'e=y\z`
)

// weirdValues are tag values that break what does not quote.
var weirdValues = []string{
	`'; DROP DATABASE x`, `" OR 1=1; --`, `a"b'c`, `back\slash`, `comma, space = equals`, `<html>&amp;`,
	"grün ☃ 東京 𝄞", `%s ${x} $1 {{.}}`,
}

func weird() []point {
	var points []point
	for i, value := range weirdValues {
		points = append(points, point{
			weirdMeasurement,
			map[string]string{weirdTag: value},
			map[string]any{weirdField: float64(i) + 0.5, "text": value + "\nsecond \"line\" \\ \t\u2028"},
			start.Add(20 * time.Second),
		})
	}
	return points
}

var (
	escapeMeasurement = strings.NewReplacer(`,`, `\,`, ` `, `\ `)
	escapeKey         = strings.NewReplacer(`,`, `\,`, ` `, `\ `, `=`, `\=`)
	escapeText        = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// line writes the point in line protocol.
func (p point) line() string {
	var b strings.Builder
	b.WriteString(escapeMeasurement.Replace(p.measurement))
	for _, name := range slices.Sorted(maps.Keys(p.tags)) {
		b.WriteString("," + escapeKey.Replace(name) + "=" + escapeKey.Replace(p.tags[name]))
	}
	for i, name := range slices.Sorted(maps.Keys(p.fields)) {
		b.WriteString([]string{" ", ","}[min(i, 1)] + escapeKey.Replace(name) + "=" + fieldText(p.fields[name]))
	}
	return b.String() + " " + strconv.FormatInt(p.at.UnixNano(), 10)
}

func fieldText(value any) string {
	switch v := value.(type) {
	case int64:
		return strconv.FormatInt(v, 10) + "i"
	case string:
		return `"` + escapeText.Replace(v) + `"`
	}
	return fmt.Sprint(value)
}

func lines(points []point) []string {
	var out []string
	for _, p := range points {
		out = append(out, p.line())
	}
	return out
}
