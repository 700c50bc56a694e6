package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
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
func (a *App) ListData(ctx context.Context, f DataFilter) (sources []DataSource, found []Measurement, err error) {
	names := a.SourceNames()
	if f.Source != "" || len(names) == 0 {
		name, _, err := a.source(f.Source)
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

func (a *App) listSource(ctx context.Context, name, text string) (DataSource, []Measurement, error) {
	s := DataSource{Name: name, Kind: a.sourceView(name).Kind}
	source, searched := a.Sources[name], 0
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
func (a *App) DescribeData(ctx context.Context, source, measurement string, values int) (MeasurementView, error) {
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
		v.Fields = append(v.Fields, FieldView{Name: field, Type: fields[field], Unit: unitOf(field)})
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
func (a *App) holder(ctx context.Context, source, measurement string) (string, evaluator.Source, error) {
	if source != "" || len(a.Sources) < 2 {
		name, s, err := a.source(source)
		if err != nil {
			return "", nil, err
		}
		known, err := s.Measurements(ctx)
		if err != nil {
			return "", nil, err
		}
		if !slices.Contains(known, measurement) {
			return "", nil, plainly(unknown("measurement", measurement, known))
		}
		return name, s, nil
	}
	var known, holders []string
	var errs []error
	for _, name := range a.SourceNames() {
		list, err := a.Sources[name].Measurements(ctx)
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
		return holders[0], a.Sources[holders[0]], nil
	case len(holders) > 1:
		return "", nil, rules.FieldErrorf("source", "is missing, and several hold %q: %s; for example %s", measurement, strings.Join(holders, ", "), holders[0])
	case len(errs) > 0:
		return "", nil, errors.Join(errs...)
	}
	slices.Sort(known)
	return "", nil, plainly(unknown("measurement", measurement, slices.Compact(known)))
}

// plainly takes from an error about data the way to save a rule all the same:
// who only looks saves nothing.
func plainly(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, plainly(e))
		}
		return errors.Join(out...)
	}
	var ours *rules.Error
	if errors.As(err, &ours) && strings.HasSuffix(ours.Text, unknownHint) {
		return &rules.Error{Code: ours.Code, Field: ours.Field, Text: strings.TrimSuffix(ours.Text, unknownHint)}
	}
	return err
}

// reaches are how far back a last point is looked for: near first, because far
// is work for the source.
var reaches = []rules.Duration{10 * rules.Minute, 2 * rules.Hour, rules.Day, 2 * rules.Week, 52 * rules.Week}

// measuredFields is how many fields are asked for their newest value.
const measuredFields = 30

// measure finds the newest values and the cadence.
func (a *App) measure(ctx context.Context, s evaluator.Source, v *MeasurementView, tags []string) error {
	now := a.now()
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
			return cadence(ctx, s, v, tags, field.Name, *field.At)
		}
	}
	return nil
}

// newestValues fills in the newest value of each field, and returns the place
// of the one that came last, -1 when there is none.
func newestValues(ctx context.Context, s evaluator.Source, v *MeasurementView, from, to time.Time) (newest int, err error) {
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
		if field.Latest = finite(row.Values[0]); row.Texts != nil {
			field.Text = row.Texts[0]
		}
		if field.Latest != nil || field.Text != "" {
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

// enoughPoints is how many points a series needs for a cadence.
const enoughPoints = 6

// cadence counts the points of each series before the last one. The usual gap
// is that of the series in the middle.
func cadence(ctx context.Context, s evaluator.Source, v *MeasurementView, tags []string, field string, last time.Time) error {
	for _, back := range reaches[:4] {
		var counts []float64
		q := evaluator.Query{
			Measurement: v.Name, Columns: []evaluator.Column{{Field: field, Aggregation: rules.Count}}, GroupBy: tags,
			From: last.Add(-back.Std()), To: last,
		}
		if err := evaluator.Ask(ctx, s, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
			if n := row.Values[0]; n > 0 {
				counts = append(counts, n)
			}
		}); err != nil {
			return err
		}
		slices.Sort(counts)
		v.Series = len(counts)
		if len(counts) == 0 || counts[len(counts)/2] < enoughPoints {
			continue
		}
		v.Cadence = rules.Duration(time.Duration(math.Round(float64(back) / counts[len(counts)/2])))
		round := 100 * time.Millisecond
		if v.Cadence > 10*rules.Second {
			round = time.Second
		}
		v.Cadence = cmp.Or(rules.Duration(v.Cadence.Std().Round(round)), v.Cadence)
		return nil
	}
	return nil
}

// DataRequest asks for values of one field.
type DataRequest struct {
	Source      string
	Measurement string
	Field       string
	Where       rules.Filter
	GroupBy     []string
	Aggregation rules.Aggregation // "" is mean, of text latest
	From, To    time.Time         // zero: the last six hours
	Step        time.Duration     // 0: as fits Values
	Values      int               // at most, of each series
	After       rules.Series      // the page begins after it
	Limit       int               // of series
	Chart       bool
}

// DataAnswer is what a field was.
type DataAnswer struct {
	Source      string            `json:"source"`
	Type        string            `json:"type"`
	Unit        string            `json:"unit,omitempty"`
	Aggregation rules.Aggregation `json:"aggregation"` // of the values
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"`
	Step        rules.Duration    `json:"step"`
	Series      []DataSeries      `json:"series"`
	Total       int               `json:"total"` // series, before the page was cut
	More        bool              `json:"more"`  // there are series after the page
	Chart       *Chart            `json:"chart,omitempty"`
}

// DataSeries is one label set: figures over the whole time, and a value for
// each step that had points.
type DataSeries struct {
	Series rules.Series `json:"series"`
	Points int          `json:"points"`
	Last   DataValue    `json:"last"`
	Min    *float64     `json:"min"`
	Mean   *float64     `json:"mean"`
	Max    *float64     `json:"max"`
	Values []DataValue  `json:"values"`
}

// DataValue is a number or a text at a time: the end of its step.
type DataValue struct {
	At    time.Time `json:"at"`
	Value *float64  `json:"value"`
	Text  string    `json:"text,omitempty"`
}

// lookBack is how far back values are shown when nobody says.
const lookBack = 6 * time.Hour

// farthestData is the longest time that values are asked of: all of it is work
// for the source.
const farthestData = 366 * rules.Day

// QueryData tells what a field was, in few numbers.
func (a *App) QueryData(ctx context.Context, req DataRequest) (DataAnswer, error) {
	source, s, err := a.holder(ctx, req.Source, req.Measurement)
	if err != nil {
		return DataAnswer{}, err
	}
	alone := rules.Rule{
		Measurement: req.Measurement, Field: req.Field, Where: req.Where, GroupBy: req.GroupBy,
		Condition: rules.Condition{Type: rules.Threshold, Aggregation: rules.Count},
	}
	if err := a.checkData(ctx, s, &alone); err != nil {
		return DataAnswer{}, plainly(err)
	}
	fields, err := s.Fields(ctx, req.Measurement)
	if err != nil {
		return DataAnswer{}, err
	}
	out := DataAnswer{Source: source, Type: fields[req.Field], Unit: unitOf(req.Field), Series: []DataSeries{}}
	if err := a.settleData(&req, out.Type); err != nil {
		return out, err
	}
	out.Aggregation, out.From, out.To, out.Step = req.Aggregation, req.From, req.To, rules.Duration(req.Step)
	d := &dataReader{req: req, answer: &out}
	if err := d.figures(ctx, s); err != nil || len(out.Series) == 0 {
		return out, err
	}
	return out, d.values(ctx, s, zoneOr(a.Config))
}

// settleData fills in what the request leaves open.
func (a *App) settleData(req *DataRequest, kind string) error {
	switch {
	case kind == "string" && req.Aggregation == "":
		req.Aggregation = rules.Latest
	case kind == "string" && req.Aggregation != rules.Latest && req.Aggregation != rules.First && req.Aggregation != rules.Count:
		return rules.FieldErrorf("aggregation", "%q holds text, which has latest, first and count only; got %s", req.Field, req.Aggregation)
	case req.Aggregation == "":
		req.Aggregation = rules.Mean
	}
	open := req.To.IsZero()
	if open {
		req.To = a.now()
	}
	if req.From.IsZero() {
		req.From = req.To.Add(-lookBack)
	}
	span := req.To.Sub(req.From)
	if span <= 0 {
		return rules.FieldErrorf("since", "must be before until; got %s and %s", req.From.Format(time.RFC3339), req.To.Format(time.RFC3339))
	}
	if span > farthestData.Std() {
		return rules.FieldErrorf("since", "must be at most %s before until; got %s", farthestData, rules.Duration(span.Round(time.Second)))
	}
	if most := span / time.Duration(max(1, req.Values)); req.Step == 0 {
		req.Step = niceStep(most)
	} else if req.Step < most {
		return rules.FieldErrorf("step", "%s makes more than %d values of %s; use %s or longer, or ask for a shorter time",
			rules.Duration(req.Step), req.Values, rules.Duration(span.Round(time.Second)), rules.Duration(niceStep(most)))
	}
	if open { // so that steps end at round times
		req.From = req.From.Truncate(req.Step)
	}
	return nil
}

// niceStep is the shortest step of a round length that is not below d.
func niceStep(d time.Duration) time.Duration {
	for _, step := range []rules.Duration{
		rules.Second, 2 * rules.Second, 5 * rules.Second, 10 * rules.Second, 15 * rules.Second, 30 * rules.Second,
		rules.Minute, 2 * rules.Minute, 5 * rules.Minute, 10 * rules.Minute, 15 * rules.Minute, 20 * rules.Minute, 30 * rules.Minute,
		rules.Hour, 2 * rules.Hour, 3 * rules.Hour, 4 * rules.Hour, 6 * rules.Hour, 8 * rules.Hour, 12 * rules.Hour,
	} {
		if step.Std() >= d {
			return step.Std()
		}
	}
	day := rules.Day.Std()
	return (d + day - 1) / day * day
}

// dataReader reads the values of one request.
type dataReader struct {
	req    DataRequest
	answer *DataAnswer
	places map[rules.Series]int // of the page
}

func (d *dataReader) query(step time.Duration, how ...rules.Aggregation) evaluator.Query {
	q := evaluator.Query{Measurement: d.req.Measurement, Where: d.req.Where, GroupBy: slices.Sorted(slices.Values(d.req.GroupBy)), From: d.req.From, To: d.req.To, Step: step}
	for _, a := range how {
		q.Columns = append(q.Columns, evaluator.Column{Field: d.req.Field, Aggregation: a})
	}
	return q
}

// figures reads each series as a whole, and cuts the page.
func (d *dataReader) figures(ctx context.Context, s evaluator.Source) error {
	figures := d.query(0, rules.Count, rules.Min, rules.Mean, rules.Max)
	if d.answer.Type == "string" {
		figures = d.query(0, rules.Count)
	}
	all := map[rules.Series]*DataSeries{}
	if err := evaluator.Ask(ctx, s, []evaluator.Query{figures, d.query(0, rules.Latest)}, func(query int, row evaluator.Row) {
		one := all[row.Series]
		if one == nil {
			one = &DataSeries{Series: row.Series, Values: []DataValue{}}
			all[row.Series] = one
		}
		if query == 1 {
			one.Last = dataValue(row)
			if !row.Last.IsZero() {
				one.Last.At = row.Last
			}
			return
		}
		if one.Points = int(row.Values[0]); len(row.Values) > 1 {
			one.Min, one.Mean, one.Max = finite(row.Values[1]), finite(row.Values[2]), finite(row.Values[3])
		}
	}); err != nil {
		return err
	}
	maps.DeleteFunc(all, func(_ rules.Series, one *DataSeries) bool { return one.Points == 0 })
	d.answer.Total = len(all)
	for _, series := range slices.Sorted(maps.Keys(all)) {
		switch {
		case d.req.After != "" && series <= d.req.After:
		case len(d.answer.Series) == d.req.Limit:
			d.answer.More = true
		default:
			d.answer.Series = append(d.answer.Series, *all[series])
		}
	}
	return nil
}

func dataValue(row evaluator.Row) DataValue {
	v := DataValue{At: row.At, Value: finite(row.Values[0])}
	if row.Texts != nil {
		v.Text = row.Texts[0]
	}
	return v
}

// values reads the page step by step, and what is drawn of it.
func (d *dataReader) values(ctx context.Context, s evaluator.Source, zone *time.Location) error {
	d.places = map[rules.Series]int{}
	for i, one := range d.answer.Series {
		d.places[one.Series] = i
	}
	queries := []evaluator.Query{d.query(d.req.Step, d.req.Aggregation)}
	drawn := make([][]DataValue, len(d.answer.Series))
	if d.req.Chart && d.answer.Type != "string" {
		queries = append(queries, d.query(niceStep(d.req.To.Sub(d.req.From)/sketchParts), d.req.Aggregation))
	}
	err := evaluator.Ask(ctx, s, queries, func(query int, row evaluator.Row) {
		i, ok := d.places[row.Series]
		switch {
		case !ok:
		case query == 1:
			drawn[i] = append(drawn[i], dataValue(row))
		default:
			v := dataValue(row)
			if v.At.After(d.req.To) {
				v.At = d.req.To
			}
			if v.Value != nil || v.Text != "" {
				d.answer.Series[i].Values = append(d.answer.Series[i].Values, v)
			}
		}
	})
	for i := range d.answer.Series {
		inOrder(d.answer.Series[i].Values)
	}
	if len(queries) > 1 {
		d.answer.Chart = d.chart(drawn, zone)
	}
	return err
}

func inOrder(list []DataValue) {
	slices.SortFunc(list, func(a, b DataValue) int { return a.At.Compare(b.At) })
}

func (d *dataReader) chart(drawn [][]DataValue, zone *time.Location) *Chart {
	s := newSketch(d.req.From, d.req.To)
	for i, list := range drawn {
		inOrder(list)
		for _, v := range list {
			if v.Value != nil {
				s.add(d.answer.Series[i].Series, v.At, *v.Value, false)
			}
		}
	}
	c := s.chart()
	c.Title, c.Unit, c.Zone = fmt.Sprintf("%s.%s, %s", d.req.Measurement, d.req.Field, d.req.Aggregation), d.answer.Unit, zone
	c.Hidden = d.answer.Total - len(c.Lines)
	return &c
}

// zoneOr is the zone in which people read times.
func zoneOr(c *Config) *time.Location {
	if c != nil && c.Zone != "" {
		if zone, err := time.LoadLocation(c.Zone); err == nil {
			return zone
		}
	}
	return time.Local
}
