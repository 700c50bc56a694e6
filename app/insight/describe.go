package insight

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/unit"
)

// DataFilter picks measurements; the zero value picks all.
type DataFilter struct {
	Source string
	Text   string // in the names of measurements, fields and tags, or in a tag's value
}

// DataSource is a source with how much of it was listed.
type DataSource struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Measurements int    `json:"measurements"`
	Unsearched   int    `json:"unsearched,omitempty"` // of them, but for their names
	Error        string `json:"error,omitempty"`
}

// Measurement names what a source holds.
type Measurement struct {
	Source  string   `json:"source"`
	Name    string   `json:"name"`
	Matched []string `json:"matched,omitempty"` // what the text was found in: "field celsius", "room=kitchen"
}

// ListData lists the sources and what they hold, by name. A source that does
// not answer says why; only when none does it is an error.
func (a *Analyst) ListData(ctx context.Context, f DataFilter) (sources []DataSource, found []Measurement, err error) {
	names := a.app.SourceNames()
	if f.Source != "" || len(names) == 0 {
		name, _, err := a.app.Source(f.Source)
		if err != nil {
			return nil, nil, err
		}
		names = []string{name}
	}
	var errs []error
	for _, name := range names {
		source, list, err := a.listSource(ctx, name, strings.ToLower(f.Text))
		if err != nil {
			source.Error = rules.Sentence(err)
			errs = append(errs, err)
		}
		sources, found = append(sources, source), append(found, list...)
	}
	if len(errs) == len(names) {
		return nil, nil, errors.Join(errs...)
	}
	return sources, found, nil
}

func (a *Analyst) listSource(ctx context.Context, name, text string) (DataSource, []Measurement, error) {
	s := DataSource{Name: name, Kind: a.app.SourceView(name).Kind}
	source, searched := a.app.Sources[name], 0
	all, err := source.Measurements(ctx)
	if err != nil {
		return s, nil, err
	}
	slices.Sort(all)
	s.Measurements = len(all)
	var found []Measurement
	for _, m := range all {
		one := Measurement{Source: name, Name: m}
		if text != "" {
			if strings.Contains(strings.ToLower(m), text) {
				one.Matched = []string{"name"}
			} else if searched++; searched > searchedMeasurements {
				s.Unsearched++
			} else if one.Matched, err = matches(ctx, source, m, text); err != nil {
				return s, found, err
			}
			if len(one.Matched) == 0 {
				continue
			}
		}
		found = append(found, one)
	}
	return s, found, nil
}

// A search looks into so many measurements of a source, and at so many values
// of each tag; for more it would keep a small database busy.
const (
	searchedMeasurements = 100
	searchedValues       = 1000
	matchesNamed         = 5
)

// matches says what in a measurement contains the text, which is in small
// letters.
func matches(ctx context.Context, source evaluator.Source, measurement, text string) (out []string, err error) {
	has := func(name string) bool { return strings.Contains(strings.ToLower(name), text) }
	fields, err := source.Fields(ctx, measurement)
	if err != nil {
		return nil, err
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if has(field) {
			out = append(out, "field "+field)
		}
	}
	tags, err := source.Tags(ctx, measurement)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		if has(tag) {
			out = append(out, "tag "+tag)
			continue
		}
		values, err := source.TagValues(ctx, measurement, tag, searchedValues)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if has(v) && len(out) < matchesNamed {
				out = append(out, tag+"="+v)
			}
		}
	}
	return out[:min(len(out), matchesNamed)], nil
}

// MeasurementView is what is known of a measurement.
type MeasurementView struct {
	Source    string         `json:"source"`
	Name      string         `json:"name"`
	Fields    []FieldView    `json:"fields"`
	Tags      []TagView      `json:"tags"`
	Series    int            `json:"series"`     // with points near the last one
	Cadence   rules.Duration `json:"cadence"`    // between two points of a series; 0 when not known
	LastPoint *time.Time     `json:"last_point"` // null when there is none in Looked
	Looked    rules.Duration `json:"looked"`     // how far back it was looked for
}

// FieldView is a field with its newest value, of whichever series.
type FieldView struct {
	Name   string     `json:"name"`
	Type   string     `json:"type"`
	Unit   string     `json:"unit,omitempty"` // guessed from the name
	Latest *float64   `json:"latest,omitempty"`
	Text   string     `json:"text,omitempty"`
	At     *time.Time `json:"at,omitempty"`
}

// TagView is a tag with some of its values.
type TagView struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	More   bool     `json:"more,omitempty"` // there are further values
}

// DescribeData tells what a measurement consists of and how it arrives, with at
// most so many values of each tag. Without a source every one is asked for it.
func (a *Analyst) DescribeData(ctx context.Context, source, measurement string, values int) (MeasurementView, error) {
	name, s, err := a.holder(ctx, source, measurement)
	if err != nil {
		return MeasurementView{}, err
	}
	v := MeasurementView{Source: name, Name: measurement, Fields: []FieldView{}, Tags: []TagView{}}
	fields, err := s.Fields(ctx, measurement)
	if err != nil {
		return v, err
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		v.Fields = append(v.Fields, FieldView{Name: field, Type: fields[field], Unit: unit.In(measurement, field)})
	}
	tags, err := s.Tags(ctx, measurement)
	if err != nil {
		return v, err
	}
	slices.Sort(tags)
	for _, tag := range tags {
		list, err := s.TagValues(ctx, measurement, tag, values+1)
		if err != nil {
			return v, err
		}
		v.Tags = append(v.Tags, TagView{tag, list[:min(len(list), values)], len(list) > values})
	}
	return v, a.measure(ctx, s, &v, tags)
}

// holder finds the source that holds a measurement.
func (a *Analyst) holder(ctx context.Context, source, measurement string) (string, evaluator.Source, error) {
	if source != "" || len(a.app.Sources) < 2 {
		name, s, err := a.app.Source(source)
		if err != nil {
			return "", nil, err
		}
		return name, s, lookup.Names{Source: s}.Measurement(ctx, measurement)
	}
	var known, holders []string
	var errs []error
	for _, name := range a.app.SourceNames() {
		list, err := a.app.Sources[name].Measurements(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if known = append(known, list...); slices.Contains(list, measurement) {
			holders = append(holders, name)
		}
	}
	switch {
	case len(holders) == 1:
		return holders[0], a.app.Sources[holders[0]], nil
	case len(holders) > 1:
		return "", nil, rules.FieldErrorf("source", "is missing, and several hold %q: %s; for example %s", measurement,
			strings.Join(holders, ", "), holders[0])
	case len(errs) > 0:
		return "", nil, errors.Join(errs...)
	}
	slices.Sort(known)
	return "", nil, lookup.Names{}.Unknown("measurement", measurement, slices.Compact(known))
}

// reaches are how far back a last point is looked for: near first, because far
// is work for the source.
var reaches = []rules.Duration{10 * rules.Minute, 2 * rules.Hour, rules.Day, 2 * rules.Week, 52 * rules.Week}

// measuredFields is how many fields are asked for their newest value.
const measuredFields = 30

// measure finds the newest values and the cadence.
func (a *Analyst) measure(ctx context.Context, s evaluator.Source, v *MeasurementView, tags []string) error {
	now := a.app.Time()
	for i, back := range reaches {
		newest, err := newestValues(ctx, s, v, now.Add(-back.Std()), now)
		if err != nil && i > 0 {
			return nil // a source may refuse to look that far back
		}
		if err != nil {
			return err
		}
		v.Looked = back
		if newest >= 0 {
			field := v.Fields[newest]
			v.LastPoint = field.At
			found, err := lookup.FindCadence(ctx, s, evaluator.Query{
				Measurement: v.Name, Columns: []evaluator.Column{{Field: field.Name}}, GroupBy: tags,
			}, *field.At)
			v.Series, v.Cadence = found.Series, found.Gap
			return err
		}
	}
	return nil
}

// emptyText is how a text is shown that is empty, which is a value.
const emptyText = `""`

// newestValues fills in the newest value of each field, and returns the place
// of the one that came last, -1 when there is none.
func newestValues(ctx context.Context, s evaluator.Source, v *MeasurementView, from, to time.Time) (newest int,
	err error,
) {
	var queries []evaluator.Query
	for _, field := range v.Fields[:min(len(v.Fields), measuredFields)] {
		queries = append(queries, evaluator.Query{
			Measurement: v.Name, Columns: []evaluator.Column{{Field: field.Name, Aggregation: rules.Latest}}, From: from, To: to,
		})
	}
	err = evaluator.Ask(ctx, s, queries, func(i int, row evaluator.Row) {
		at := row.Last
		if at.IsZero() {
			at = row.At
		}
		field := &v.Fields[i]
		field.Latest = rules.Finite(row.Values[0])
		text, words := row.Text(0)
		if field.Text = text; words && text == "" {
			field.Text = emptyText
		}
		if field.Latest != nil || words {
			field.At = &at
		}
	})
	newest = -1
	for i, field := range v.Fields {
		if field.At != nil && (newest < 0 || field.At.After(*v.Fields[newest].At)) {
			newest = i
		}
	}
	return newest, err
}
