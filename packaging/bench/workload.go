//go:build bench

package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// workload is what is measured: rules, and the points that they look at.
type workload struct {
	name   string
	rules  int
	shape  string
	lines  func(w io.Writer, at time.Time)
	rule   func(n int) rules.Doc
	points time.Duration // how far apart they are; 0 is 10 s
	every  time.Duration // at least; 0 is what the command line says
	most   targets
	peer   func(n int) string // the rule as a peer's expression, nil for none
}

// targets are what is promised; zero is nothing.
type targets struct {
	queries, requests, cpu, memory, ready float64
}

// value changes from point to point and stays between 10 and 50.
func value(series, field int, at time.Time) float64 {
	return 10 + float64((series*7+field*31+int(at.Unix()/10)*13)%400)/10
}

// hot is a value of a series of which each tenth is above 90, always or, if it
// flaps, every other time.
func hot(series int, at time.Time, flaps bool) float64 {
	if series%10 == 0 && (!flaps || at.Unix()/10%2 == 0) {
		return 95
	}
	return value(series, 0, at)
}

// hostLines writes one line for each host, with some fields.
func hostLines(measurement string, hosts, fields int) func(io.Writer, time.Time) {
	return func(w io.Writer, at time.Time) {
		for h := range hosts {
			fmt.Fprintf(w, "%s,host=h%d ", measurement, h)
			for f := range fields {
				if f > 0 {
					fmt.Fprint(w, ",")
				}
				fmt.Fprintf(w, "f%d=%.1f", f, value(h, f, at))
			}
			fmt.Fprintf(w, " %d\n", at.Unix())
		}
	}
}

// manyMeasurements writes one line for each host of each measurement.
func manyMeasurements(measurements, hosts int) func(io.Writer, time.Time) {
	return func(w io.Writer, at time.Time) {
		for m := range measurements {
			for h := range hosts {
				fmt.Fprintf(w, "m%d,host=h%d f0=%.1f %d\n", m, h, value(h, m, at), at.Unix())
			}
		}
	}
}

func hotLines(flaps bool) func(io.Writer, time.Time) {
	return func(w io.Writer, at time.Time) {
		for h := range 1000 {
			fmt.Fprintf(w, "m,host=h%d f0=%.1f %d\n", h, hot(h, at, flaps), at.Unix())
		}
	}
}

// both writes what two workloads need.
func both(a, b func(io.Writer, time.Time)) func(io.Writer, time.Time) {
	return func(w io.Writer, at time.Time) {
		a(w, at)
		b(w, at)
	}
}

// watch is a rule about the mean of one field, which breaches above value.
func watch(measurement, field string, value float64, more rules.Doc) rules.Doc {
	doc := rules.Doc{
		"measurement": measurement, "field": field,
		"condition": rules.Doc{"aggregation": "mean", "window": "5m", "operator": ">", "value": value},
	}
	for k, v := range more {
		doc[k] = v
	}
	return doc
}

func onHost(n int) rules.Doc { return rules.Doc{"where": rules.Doc{"host": fmt.Sprint("h", n)}} }

// latest makes a rule look at the newest point only.
func latest(doc rules.Doc) rules.Doc {
	c := doc["condition"].(rules.Doc) //nolint:errcheck,forcetypeassert // watch made it
	c["aggregation"], c["window"] = "latest", "10s"
	return doc
}

var byHost = rules.Doc{"group_by": "host"}

// workloads are what is promised, and the mixes that are hard on us.
func workloads() []workload { return slices.Concat(promised(), hard()) }

func promised() []workload {
	return []workload{
		{
			name: "one per host", rules: 1000, shape: "one per host, same measurement, three thresholds",
			lines: hostLines("m", 1000, 10),
			rule:  func(n int) rules.Doc { return watch("m", "f0", float64(100+n%3), onHost(n)) },
			peer:  func(n int) string { return fmt.Sprintf(`avg_over_time(m_f0{host="h%d"}[5m]) > %d`, n, 100+n%3) },
			most:  targets{queries: 2, cpu: 8, memory: 40},
		},
		{
			name: "ten fields", rules: 10_000, shape: "1,000 hosts x 10 fields", lines: hostLines("m", 1000, 10),
			rule: func(n int) rules.Doc { return watch("m", fmt.Sprint("f", n%10), 100, onHost(n/10)) },
			peer: func(n int) string { return fmt.Sprintf(`avg_over_time(m_f%d{host="h%d"}[5m]) > 100`, n%10, n/10) },
			most: targets{queries: 10, cpu: 20, memory: 60, ready: 300},
		},
		{
			name: "ten measurements", rules: 10_000, shape: "1,000 hosts x 10 measurements", lines: manyMeasurements(10, 1000),
			rule: func(n int) rules.Doc { return watch(fmt.Sprint("m", n%10), "f0", 100, onHost(n/10)) },
			peer: func(n int) string { return fmt.Sprintf(`avg_over_time(m%d_f0{host="h%d"}[5m]) > 100`, n%10, n/10) },
			most: targets{queries: 10, cpu: 20, memory: 60, ready: 300},
		},
		{
			name: "nothing shared", rules: 10_000, shape: "nothing shared: 10,000 measurements",
			lines: manyMeasurements(10_000, 1),
			rule:  func(n int) rules.Doc { return watch(fmt.Sprint("m", n), "f0", 100, nil) },
			peer:  func(n int) string { return fmt.Sprintf(`avg_over_time(m%d_f0[5m]) > 100`, n) },
			most:  targets{requests: 200, cpu: 100, memory: 80, ready: 300},
		},
		{
			name: "grouped", rules: 10, shape: "ten grouped rules over 10,000 series", lines: hostLines("m", 10_000, 1),
			every: 10 * time.Second,
			rule:  func(n int) rules.Doc { return watch("m", "f0", float64(100+n), byHost) },
			peer:  func(n int) string { return fmt.Sprintf(`avg_over_time(m_f0[5m]) > %d`, 100+n) },
			most:  targets{memory: 150},
		},
	}
}

func hard() []workload {
	return []workload{
		{
			name: "80/20", rules: 1000, shape: "800 share a measurement, 200 have their own",
			lines: both(hostLines("m", 800, 1), manyMeasurements(200, 1)),
			rule: func(n int) rules.Doc {
				if n%5 == 0 {
					return watch(fmt.Sprint("m", n/5), "f0", 100, nil)
				}
				return watch("m", "f0", 100, onHost(n*4/5))
			},
		},
		{
			name: "few of many", rules: 100, shape: "100 hosts of 10,000", lines: hostLines("m", 10_000, 1),
			rule: func(n int) rules.Doc { return watch("m", "f0", 100, onHost(n*100)) },
		},
		{
			name: "firing", rules: 1000, shape: "10 % of 1,000 firing", lines: hotLines(false),
			rule: func(n int) rules.Doc { return watch("m", "f0", 90, onHost(n)) },
		},
		{
			name: "flapping", rules: 1000, shape: "10 % of 1,000 flapping", lines: hotLines(true),
			rule: func(n int) rules.Doc { return latest(watch("m", "f0", 90, onHost(n))) },
		},
		{
			name: "100,000 series", rules: 100, shape: "100,000 series", lines: manyMeasurements(100, 1000), points: time.Minute,
			every: 10 * time.Second,
			rule:  func(n int) rules.Doc { return watch(fmt.Sprint("m", n), "f0", 100, byHost) },
			most:  targets{memory: 150},
		},
	}
}
