package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Write writes a measured value with its unit as a person would say it: with
// three digits or all before the point, bytes and bits by their thousands and long
// times in two parts. It takes more digits where x would look like one of apart,
// such as the limit that it is beyond.
func Write(x float64, unit string, apart ...float64) string {
	return written(x, unit, func(x, by float64) string {
		near := make([]float64, len(apart))
		for i, a := range apart {
			near[i] = a / by
		}
		return round(x, near)
	})
}

// Exact writes a value that a person gave: nothing of it is rounded away that
// could be noticed.
func Exact(x float64, unit string) string {
	return written(x, unit, func(x, _ float64) string { return digits(x, 6) })
}

func written(x float64, unit string, number func(x, by float64) string) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return fmt.Sprint(x)
	case unit == "s" && math.Abs(x) >= 120 && math.Abs(x) < 1e9:
		return length(x)
	case unit == "":
		return number(x, 1)
	}
	by, prefix := thousands(x, unit)
	return number(x/by, by) + " " + prefix + unit
}

// thousands is the prefix that makes a number of bytes or bits short.
func thousands(x float64, unit string) (by float64, prefix string) {
	base, _, _ := strings.Cut(unit, "/")
	if base != "B" && base != "bit" {
		return 1, ""
	}
	by = 1
	for _, next := range []string{"k", "M", "G", "T", "P"} {
		if math.Abs(x)/by < 1000 {
			break
		}
		by, prefix = by*1000, next
	}
	return by, prefix
}

// round keeps three digits, or as many more as it takes to be on the same side of
// each of apart.
func round(x float64, apart []float64) string {
	for n := 3; n < 15; n++ {
		text := digits(x, n)
		shown, err := strconv.ParseFloat(text, 64)
		if err == nil && apartFrom(x, shown, apart) {
			return text
		}
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

func apartFrom(x, shown float64, apart []float64) bool {
	for _, a := range apart {
		if x < a != (shown < a) || x > a != (shown > a) {
			return false
		}
	}
	return true
}

// digits writes x with n significant digits, or all before the point if those are
// more, without an exponent where a person would use none.
func digits(x float64, n int) string {
	a := math.Abs(x)
	switch {
	case x == 0:
		return "0"
	case a < 1e-6 || a >= 1e15:
		return strconv.FormatFloat(x, 'g', n, 64)
	case a >= math.Pow10(n-1):
		return strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	}
	places := n - 1 - int(math.Floor(math.Log10(a)))
	text := strconv.FormatFloat(x, 'f', places, 64)
	if text = strings.TrimRight(strings.TrimRight(text, "0"), "."); text == "-0" {
		return "0"
	}
	return text
}

// length writes seconds with the two parts that matter.
func length(x float64) string {
	sign := ""
	if x < 0 {
		sign, x = "-", -x
	}
	return sign + Length(time.Duration(x*float64(time.Second)), 2)
}

// Length writes a length of time with its first parts, at most so many: 4 s, 12
// min, 3 h 20 min, 5 days.
func Length(d time.Duration, parts int) string {
	if d < time.Second {
		return "0 s"
	}
	var out []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		n := d / u.size
		if d -= n * u.size; n == 0 && len(out) == 0 {
			continue
		}
		if n == 1 && u.name == "days" {
			u.name = "day"
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, u.name))
		}
		if parts--; parts == 0 {
			break
		}
	}
	return strings.Join(out, " ")
}
