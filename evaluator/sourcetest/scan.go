package sourcetest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// scans checks a source that hands out points themselves.
func (s suite) scans(t *testing.T) {
	scanner, ok := s.source.(evaluator.Scanner)
	if !ok {
		t.Skip("this source hands out no points")
	}
	list := s.asked()
	got := make([]map[string]int, len(list))
	errs := scanner.Scan(t.Context(), list, func(scan int, row evaluator.Row) {
		if got[scan] == nil {
			got[scan] = map[string]int{}
		}
		got[scan][sight(row)]++
	})
	for i, scan := range list {
		if errs[i] != nil {
			t.Errorf("%+v: %v", scan, errs[i])
		} else if want := s.sights(scan); !maps.Equal(got[i], want) {
			t.Errorf("%+v:\ngot  %v\nwant %v", scan, slices.Sorted(maps.Keys(got[i])), slices.Sorted(maps.Keys(want)))
		}
	}
	if errs := scanner.Scan(t.Context(), nil, nil); len(errs) != 0 {
		t.Errorf("no scans gave errors %v", errs)
	}
}

// asked are scans of every kind.
func (s suite) asked() []evaluator.Scan {
	climate := evaluator.Scan{
		Measurement: "climate", Fields: []string{"celsius", "turns", "open", "mode"}, Tags: []string{"room", "sensor"},
		From: start.Add(time.Minute), To: start.Add(9 * time.Minute),
	}
	vary := func(change func(*evaluator.Scan)) evaluator.Scan {
		v := climate
		change(&v)
		return v
	}
	return []evaluator.Scan{
		climate,
		vary(func(v *evaluator.Scan) { v.Fields = []string{"mode"} }),
		vary(func(v *evaluator.Scan) { v.Fields = []string{"celsius", "nothing"} }),
		vary(func(v *evaluator.Scan) { v.Fields = []string{"nothing"} }),
		vary(func(v *evaluator.Scan) { v.Fields = []string{""} }),
		vary(func(v *evaluator.Scan) { v.Fields = []string{"open", "", "celsius"} }),
		vary(func(v *evaluator.Scan) { v.Tags = nil }),
		vary(func(v *evaluator.Scan) { v.Tags = []string{"nobody", "room", "site"} }),
		vary(func(v *evaluator.Scan) { v.Where = rules.Filter{"room": {"kitchen", "cellar"}, "sensor": {"", "b"}} }),
		vary(func(v *evaluator.Scan) { v.Where = rules.Filter{"room": {}} }),
		vary(func(v *evaluator.Scan) { v.Where = rules.Filter{"nobody": {"x"}} }),
		vary(func(v *evaluator.Scan) { v.Measurement = "no such measurement" }),
		vary(func(v *evaluator.Scan) { v.From, v.To = start.Add(-time.Hour), start.Add(-time.Minute) }),
		vary(func(v *evaluator.Scan) { v.To = v.From }),
		{Measurement: "edges", Fields: []string{"v", "flag"}, From: start, To: start.Add(time.Minute)},
		{
			Measurement: weirdMeasurement, Fields: []string{weirdField, "text"}, Tags: []string{weirdTag}, From: start,
			To: start.Add(time.Minute),
		},
	}
}

// sights are the rows that a scan must have, and how often.
func (s suite) sights(scan evaluator.Scan) map[string]int {
	var out map[string]int
	for _, p := range s.points {
		if p.measurement != scan.Measurement || !p.at.After(scan.From) || p.at.After(scan.To) ||
			!scan.Where.Keeps(func(tag string) string { return p.tags[tag] }) {
			continue
		}
		row := evaluator.Row{At: p.at, Texts: make([]string, len(scan.Fields))}
		labels, any := rules.Labels{}, false
		for _, tag := range scan.Tags {
			labels[tag] = p.tags[tag]
		}
		row.Series = rules.SeriesOf(labels)
		for i, field := range scan.Fields {
			value, has := p.fields[field]
			one := sample{num: math.NaN(), text: evaluator.NoText}
			switch {
			case field == "":
				one.num, has = float64(len(p.fields)), true
			case has:
				if one = sampleOf(p.at, value); one.text == "" {
					one.text = evaluator.NoText
				}
			}
			row.Values, row.Texts[i] = append(row.Values, one.num), one.text
			any = any || has
		}
		if any {
			if out == nil {
				out = map[string]int{}
			}
			out[sight(row)]++
		}
	}
	return out
}

// sight is a row as a text.
func sight(row evaluator.Row) string {
	text := fmt.Sprintf("%s %d", row.Series, row.At.UnixNano())
	for i, x := range row.Values {
		word := evaluator.NoText
		if row.Texts != nil {
			word = row.Texts[i]
		}
		text += fmt.Sprintf(" %v %q", x, word)
	}
	return text
}
