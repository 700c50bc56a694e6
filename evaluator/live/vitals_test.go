package live_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

func TestTheVitalsOfThisMachineAreReadEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := live.New(live.Options{})
		v := live.NewVitals(s)
		began := time.Now()
		runFor(t, v, 3500*time.Millisecond)
		if err := v.Failing(); err != nil {
			t.Logf("not all of this machine can be read: %v", err)
		}
		for _, tt := range []struct {
			measurement, field, tag string
			low, high               float64
		}{
			{"mem", "used_percent", "host", 0.01, 100},
			{"mem", "available", "host", 1 << 20, 1 << 50},
			{"disk", "used_percent", "path", 0.01, 100},
			{"system", "load1", "host", 0, 10000},
			{"system", "load15", "host", 0, 10000},
			{"system", "uptime", "host", 1, 1e10},
			{"net", "bytes_recv", "interface", 0, 1e18},
		} {
			q := evaluator.Query{
				Measurement: tt.measurement, Columns: columns(tt.field, rules.Min, rules.Max, rules.Count),
				GroupBy: []string{tt.tag}, From: began.Add(-1), To: time.Now(),
			}
			rows := 0
			ask(t, s, q, func(r evaluator.Row) {
				if rows++; r.Series.Label(tt.tag) == "" || r.Values[0] < tt.low || r.Values[1] > tt.high || r.Values[2] != 4 {
					t.Errorf("%s of %s: min, max, count of %q = %v; want 4 within %v..%v", tt.field, tt.measurement, r.Series,
						r.Values, tt.low, tt.high)
				}
			})
			if rows == 0 {
				t.Errorf("%s of %s was not read", tt.field, tt.measurement)
			}
		}
	})
}

func TestASensorThatFailsDoesNotHideTheOthers(t *testing.T) {
	t.Setenv("HOST_PROC", t.TempDir()) // no memory and network in there
	t.Setenv("HOST_SYS", fakeSensors(t, map[string]string{"hwmon0": "48250\n", "hwmon1": "61000\n", "hwmon2": "broken\n"}))
	synctest.Test(t, func(t *testing.T) {
		s := live.New(live.Options{})
		v := live.NewVitals(s)
		began := time.Now()
		runFor(t, v, 1500*time.Millisecond)
		err := v.Failing()
		for _, want := range []string{"read the memory", "read the network"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("failing = %v, want %q in it", err, want)
			}
		}
		got := map[string]float64{}
		ask(t, s, evaluator.Query{
			Measurement: "temp", Columns: columns("celsius", rules.Latest, rules.Count),
			GroupBy: []string{"sensor"}, From: began.Add(-1), To: time.Now(),
		},
			func(r evaluator.Row) { got[r.Series.Label("sensor")] = r.Values[0] })
		if want := map[string]float64{"nvme": 48.25, "nvme_2": 61}; !maps.Equal(got, want) {
			t.Errorf("temperatures = %v, want %v", got, want)
		}
		if names, _ := s.Measurements(t.Context()); !slices.Contains(names, "system") || slices.Contains(names, "mem") {
			t.Errorf("measurements = %v, want system among them and not mem", names)
		}
	})
}

func TestTheProcessorIsSeenToWork(t *testing.T) {
	s := live.New(live.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		live.NewVitals(s).Run(ctx, 50*time.Millisecond)
		close(ended)
	}()
	began, busy := time.Now(), 0.0
	for busy == 0 && ctx.Err() == nil { // keeps the processor busy as well
		ask(t, s, evaluator.Query{
			Measurement: "cpu", Columns: columns("usage_percent", rules.Max), GroupBy: []string{"host"},
			From: began.Add(-1), To: time.Now(),
		},
			func(r evaluator.Row) { busy = r.Values[0] })
	}
	cancel()
	<-ended
	if busy <= 0 || busy > 100 {
		t.Errorf("usage = %v %%, want some", busy)
	}
}

// runFor runs v for a time and waits for its end.
func runFor(t *testing.T, v *live.Vitals, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	v.Run(ctx, 0)
}

// fakeSensors makes a sysfs in which devices of one name have temperatures.
func fakeSensors(t *testing.T, temperatures map[string]string) (dir string) {
	dir = t.TempDir()
	for device, text := range temperatures {
		at := filepath.Join(dir, "class", "hwmon", device)
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"name": "nvme\n", "temp1_input": text} {
			if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
