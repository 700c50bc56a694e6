package insight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/unit"
)

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
func (a *Analyst) QueryData(ctx context.Context, req DataRequest) (DataAnswer, error) {
	source, s, err := a.holder(ctx, req.Source, req.Measurement)
	if err != nil {
		return DataAnswer{}, err
	}
	alone := rules.Rule{
		Measurement: req.Measurement, Field: req.Field, Where: req.Where, GroupBy: req.GroupBy,
		Condition: rules.Condition{Type: rules.Threshold, Aggregation: rules.Count},
	}
	if err := (lookup.Names{Source: s}).Check(ctx, &alone); err != nil {
		return DataAnswer{}, err
	}
	fields, err := s.Fields(ctx, req.Measurement)
	if err != nil {
		return DataAnswer{}, err
	}
	out := DataAnswer{
		Source: source, Type: fields[req.Field], Unit: unit.In(req.Measurement, req.Field), Series: []DataSeries{},
	}
	if err := a.settleData(&req, out.Type); err != nil {
		return out, err
	}
	out.Aggregation, out.From, out.To, out.Step = req.Aggregation, req.From, req.To, rules.Duration(req.Step)
	d := &dataReader{req: req, answer: &out}
	if err := d.figures(ctx, s); err != nil || len(out.Series) == 0 {
		return out, err
	}
	return out, d.values(ctx, s, a.app.Config.Location())
}

// settleData fills in what the request leaves open.
func (a *Analyst) settleData(req *DataRequest, kind string) error {
	switch {
	case kind == "string" && req.Aggregation == "":
		req.Aggregation = rules.Latest
	case kind == "string" && req.Aggregation != rules.Latest && req.Aggregation != rules.First &&
		req.Aggregation != rules.Count:
		return rules.FieldErrorf("aggregation", "%q holds text, which has latest, first and count only; got %s", req.Field,
			req.Aggregation)
	case req.Aggregation == "":
		req.Aggregation = rules.Mean
	}
	open := req.To.IsZero()
	if open {
		req.To = a.app.Time()
	}
	if req.From.IsZero() {
		req.From = req.To.Add(-lookBack)
	}
	span := req.To.Sub(req.From)
	if span <= 0 {
		return rules.FieldErrorf("since", "must be before until; got %s and %s", req.From.Format(time.RFC3339),
			req.To.Format(time.RFC3339))
	}
	if span > farthestData.Std() {
		return rules.FieldErrorf("since", "must be at most %s before until; got %s", farthestData,
			rules.Duration(span.Round(time.Second)))
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
		rules.Minute, 2 * rules.Minute, 5 * rules.Minute, 10 * rules.Minute, 15 * rules.Minute, 20 * rules.Minute,
		30 * rules.Minute,
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
	q := evaluator.Query{
		Measurement: d.req.Measurement, Where: d.req.Where,
		GroupBy: slices.Sorted(slices.Values(d.req.GroupBy)), From: d.req.From, To: d.req.To, Step: step,
	}
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
	if err := evaluator.Ask(ctx, s, []evaluator.Query{figures, d.query(0, rules.Latest)},
		func(query int, row evaluator.Row) {
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
				one.Min, one.Mean, one.Max = rules.Finite(row.Values[1]), rules.Finite(row.Values[2]), rules.Finite(row.Values[3])
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
	v := DataValue{At: row.At, Value: rules.Finite(row.Values[0])}
	if text, words := row.Text(0); words {
		if v.Text = text; text == "" {
			v.Text = emptyText
		}
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
	c.Title, c.Unit, c.Zone = fmt.Sprintf("%s.%s, %s", d.req.Measurement, d.req.Field, d.req.Aggregation), d.answer.Unit,
		zone
	c.Hidden = d.answer.Total - len(c.Lines)
	return &c
}
