package insight_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// TestTheCadenceIsThatOfThePointsThatCame: a series that is young, that has a
// hole, or that writes on change has its own gaps, whatever the time looked at.
func TestTheCadenceIsThatOfThePointsThatCame(t *testing.T) {
	every := func(gap time.Duration, n int) (out []time.Duration) {
		for i := range n {
			out = append(out, time.Duration(i)*gap)
		}
		return out
	}
	for name, tt := range map[string]struct {
		before []time.Duration
		want   rules.Duration
	}{
		"of a minute, each second":  {every(time.Second, 60), rules.Second},
		"each ten seconds for long": {every(10*time.Second, 60), 10 * rules.Second},
		"with a hole":               {append(every(10*time.Second, 7), 9*time.Minute, 9*time.Minute+10*time.Second), 10 * rules.Second},
		"ten a second":              {every(100*time.Millisecond, 300), 100 * rules.Duration(time.Millisecond)},
		"each five minutes":         {every(5*time.Minute, 7), 5 * rules.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			var lines []string
			for _, before := range tt.before {
				lines = append(lines, fmt.Sprintf("m,id=a v=1 %d", noon.Add(-before).UnixNano()))
			}
			h.Must(h.Points.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, noon))
			v, err := insight.New(h.App).DescribeData(t.Context(), "home", "m", 5)
			if h.Must(err); v.Cadence != tt.want {
				t.Errorf("cadence = %s, want %s", v.Cadence, tt.want)
			}
		})
	}
}

// TestAMeasurementThatIsAUnitIsThatUnit: so Home Assistant names them.
func TestAMeasurementThatIsAUnitIsThatUnit(t *testing.T) {
	h := newHome(t)
	for _, tt := range []struct{ measurement, field, want string }{
		{"°C", "value", "°C"},
		{"%", "value", "%"},
		{"W", "value", "W"},
		{"kWh", "value", "kWh"},
		{"µg/m³", "value", "µg/m³"},
		{"W/m²", "value", "W/m²"},
		{"km/h", "value", "km/h"},
		{"€/kWh", "value", "€/kWh"},
		{"hPa", "value", "hPa"},
		{"°C", "battery_percent", "%"},
		{"W", "battery_level", ""},
		{"cpu", "value", ""},
		{"sensor.door", "value", ""},
	} {
		line := strings.NewReplacer(" ", `\ `).Replace(tt.measurement) + ",entity_id=x " + tt.field + "=1"
		h.Must(h.Points.Write([]byte(line), 0, noon))
		v, err := insight.New(h.App).DescribeData(t.Context(), "home", tt.measurement, 5)
		h.Must(err)
		for _, field := range v.Fields {
			if field.Name == tt.field && field.Unit != tt.want {
				t.Errorf("unit of %s %s = %q, want %q", tt.measurement, tt.field, field.Unit, tt.want)
			}
		}
	}
}
