package unit_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules/unit"
)

// TestWriteRoundsAsAPersonWould, and never onto the limit that a value is beyond.
func TestWriteRoundsAsAPersonWould(t *testing.T) {
	for _, tt := range []struct {
		x     float64
		unit  string
		apart []float64
		want  string
	}{
		{-9.25, "°C", []float64{-15}, "-9.25 °C"},
		{97.4812, "%", []float64{90}, "97.5 %"},
		{90.02, "%", []float64{90}, "90.02 %"},
		{89.999996, "%", []float64{90}, "89.999996 %"},
		{90, "%", []float64{90}, "90 %"},
		{0.0123456, "A", nil, "0.0123 A"},
		{0, "W", nil, "0 W"},
		{-0.0000001, "", nil, "-1e-07"},
		{123456.7, "W", nil, "123457 W"},
		{999.6, "", nil, "1000"},
		{12.30004, "", nil, "12.3"},
		{1073741824, "B", nil, "1.07 GB"},
		{999, "B", nil, "999 B"},
		{2.5e9, "B/s", []float64{2.5e9}, "2.5 GB/s"},
		{5.004e9, "B", []float64{5e9}, "5.004 GB"},
		{590, "s", []float64{600}, "9 min 50 s"},
		{119, "s", nil, "119 s"},
		{90000, "s", nil, "1 day 1 h"},
		{-7200, "s", nil, "-2 h"},
	} {
		if got := unit.Write(tt.x, tt.unit, tt.apart...); got != tt.want {
			t.Errorf("%v %s beside %v is written %q, want %q", tt.x, tt.unit, tt.apart, got, tt.want)
		}
	}
	for x, want := range map[float64]string{-15: "-15 °C", 12.3456: "12.3456 °C", 100000: "100000 °C"} {
		if got := unit.Exact(x, "°C"); got != want {
			t.Errorf("%v is written %q, want %q", x, got, want)
		}
	}
}

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 4 * time.Second: "4 s", 12*time.Minute + 3*time.Second: "12 min", 26 * time.Hour: "1 day",
	} {
		if got := unit.Length(d, 1); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
}

// TestNamesTellUnits of fields, and of measurements that are called by one.
func TestNamesTellUnits(t *testing.T) {
	for _, tt := range []struct{ measurement, field, want string }{
		{"temperature", "celsius", "°C"},
		{"°C", "value", "°C"},
		{"%", "value", "%"},
		{"W", "value", "W"},
		{"disk", "used_percent", "%"},
		{"temperature", "value", ""},
		{"W/m²", "state", "W/m²"},
		{"door", "open", ""},
	} {
		if got := unit.In(tt.measurement, tt.field); got != tt.want {
			t.Errorf("%s.%s is in %q, want %q", tt.measurement, tt.field, got, tt.want)
		}
	}
}
