package insight

import "strings"

// unitOf guesses the unit of a field from the last word of its name, "" where
// that is none of the well-known ones.
func unitOf(field string) string {
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
