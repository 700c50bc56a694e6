// Package unit knows what values are measured in, as far as names tell, and
// writes them as a person would.
package unit

import (
	"slices"
	"strings"
)

// In guesses the unit of a field of a measurement, "" where neither tells. Home
// Assistant names its measurements by their unit, and the number in them value.
func In(measurement, field string) string {
	if unit := of(field); unit != "" {
		return unit
	}
	if slices.Contains(plainFields, strings.ToLower(field)) && isUnit(measurement) {
		return measurement
	}
	return ""
}

// plainFields are names of fields that say nothing of what they hold.
var plainFields = []string{"value", "v", "val", "state", "mean", "mean_value", "max", "min", "last", "x", "number"}

// isUnit reports whether a name is the symbol of a unit, or one by another: W/m².
func isUnit(name string) bool {
	if strings.TrimSpace(name) != name || name == "" || len(name) > 16 {
		return false
	}
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '·' || r == '*' }) {
		base := strings.TrimRight(part, "²³")
		if strings.ContainsAny(base, "°%‰µμΩ€$£") {
			continue
		}
		if !slices.Contains(symbols, base) && !prefixed(base) {
			return false
		}
	}
	return true
}

// prefixed reports whether a symbol is one with a prefix: kWh, mbar.
func prefixed(symbol string) bool {
	rest, ok := strings.CutPrefix(symbol, "da")
	if !ok && symbol != "" && strings.ContainsRune("kMGTPmcdhnp", rune(symbol[0])) {
		rest, ok = symbol[1:], true
	}
	return ok && slices.Contains(scalable, rest)
}

// symbols are those of units that stand as they are, scalable those that take
// prefixes too.
var symbols = append([]string{
	"K", "h", "min", "d", "y", "in", "ft", "mi", "yd", "kn", "mph", "kph", "psi", "inHg", "mmHg", "dB", "dBm", "dBA",
	"dBi", "ppm", "ppb", "rpm", "gal", "fl. oz.", "oz", "lb", "st", "VA", "pH", "CCF", "CFM", "cbar", "MiB", "KiB",
	"GiB", "TiB", "UV index", "EUR", "USD", "GBP", "CHF", "kcal", "cal", "BTU", "steps", "bpm", "imp",
}, scalable...)

var scalable = []string{
	"W", "Wh", "V", "A", "Ah", "VA", "VAh", "var", "varh", "J", "Hz", "Pa", "bar", "m", "g", "s", "L", "l", "lx", "lm",
	"B", "b", "bit", "N", "S", "F", "H", "T", "Bq", "Sv", "Gy", "cd", "mol", "eV",
}

// of guesses the unit of a field from the last word of its name, "" where
// that is none of the well-known ones.
func of(field string) string {
	words := strings.FieldsFunc(strings.ToLower(field), func(r rune) bool {
		return r == '_' || r == '.' || r == '-' || r == ' '
	})
	if len(words) == 0 || len(words) == 1 && len(words[0]) < 5 { // "bar" alone may be anything
		return ""
	}
	return map[string]string{
		"percent": "%", "pct": "%",
		"celsius": "°C", "fahrenheit": "°F", "kelvin": "K",
		"bytes": "B", "kb": "kB", "mb": "MB", "gb": "GB", "kib": "KiB", "mib": "MiB", "gib": "GiB", "bits": "bit",
		"bps":     "bit/s",
		"seconds": "s", "ms": "ms", "milliseconds": "ms", "us": "µs", "ns": "ns", "minutes": "min", "hours": "h",
		"volts": "V", "volt": "V", "amps": "A", "amperes": "A", "watts": "W", "watt": "W", "kw": "kW", "kwh": "kWh",
		"wh": "Wh",
		"hz": "Hz", "mhz": "MHz", "hpa": "hPa", "pa": "Pa", "bar": "bar", "lux": "lx", "ppm": "ppm", "ppb": "ppb",
		"rpm": "1/min", "dbm": "dBm",
	}[words[len(words)-1]]
}
