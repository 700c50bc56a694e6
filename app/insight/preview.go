package insight

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"

	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
)

// PreviewRequest is a rule to look at before it is saved.
type PreviewRequest struct {
	Rule     string    // name or id of a saved rule; may be left out with Doc
	Doc      rules.Doc // keys over it, or a whole rule
	From, To time.Time // zero: the last seven days, of a query of its own one day
	Chart    bool
	Progress func(done float64) // may be nil
}

// Preview is what a rule would have done, and whom it would tell.
type Preview struct {
	Backtest
	Channels []string `json:"channels"`
	Chart    *Chart   `json:"chart,omitempty"`
}

// Preview tries a rule on the past of its source and saves nothing. It stops
// when ctx ends.
func (a *Analyst) Preview(ctx context.Context, req PreviewRequest) (Preview, error) {
	if req.Rule == "" && req.Doc["title"] == nil && req.Doc["name"] == nil {
		req.Doc = maps.Clone(req.Doc)
		req.Doc["title"] = "The rule"
	}
	r, err := a.backtestRule(ctx, BacktestRequest{Rule: req.Rule, Doc: req.Doc})
	if err != nil {
		return Preview{}, err
	}
	t := backtest.Trial{Rule: r, Every: a.app.Config.Every.Std(), Zone: a.app.Config.Location()}
	if req.From.IsZero() && r.Condition.Type == rules.Query {
		req.From = a.app.Time().Add(-rules.Day.Std()) // it is asked anew at every tick
	}
	if err := a.backtestSource(ctx, &t, BacktestRequest{From: req.From, To: req.To}); err != nil {
		return Preview{}, err
	}
	drawn, usual := newSketch(t.From, t.To), newSketch(t.From, t.To)
	t.Progress = req.Progress
	t.Verdict = func(v backtest.Verdict) {
		if req.Progress != nil {
			req.Progress(float64(v.At.Sub(t.From)) / float64(t.To.Sub(t.From)))
		}
		if req.Chart {
			drawn.add(v.Series, v.At, v.Value, v.Bad)
			usual.add(usualFrom, v.At, v.Low, false)
			usual.add(usualTo, v.At, v.High, false)
		}
	}
	result, err := t.Run(ctx)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Backtest: backtestView(t, result)}
	p.Warnings = append(p.Warnings, lookup.SparseWarning(ctx, a.app.Sources[r.Source], t.Rule, a.app.Time())...)
	if p.Quiet != nil {
		p.Quiet = rules.Finite(beyond(t.Rule.Condition.Operator, *p.Quiet))
		p.Summary = p.summary()
	}
	if p.Channels, err = a.app.Reach(ctx, t.Rule); err != nil {
		return p, err
	}
	if p.Channels == nil {
		p.Channels = []string{}
	}
	if req.Chart {
		c := drawn.chart()
		if len(c.Lines) == 1 {
			c.Lines = append(c.Lines, usual.chart().Lines...)
		}
		c.Title, c.Unit, c.Zone = t.Rule.Title+": "+measured(t.Rule), t.Rule.MeasuredIn(), a.app.Config.Location()
		c.Marks, c.Spans = marks(t.Rule), spans(result.Episodes, t.To)
		p.Chart = &c
	}
	return p, nil
}

// The band that is drawn with the one series of an anomaly rule.
var (
	usualFrom = rules.SeriesOf(rules.Labels{"usual": "from"})
	usualTo   = rules.SeriesOf(rules.Labels{"usual": "to"})
)

// beyond is a value of few digits that a condition could have had without
// firing, where x is the last one that it met.
func beyond(o rules.Operator, x float64) float64 {
	step := 1.0
	if x != 0 {
		step = math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-2)
	}
	n := x / step
	switch o {
	case rules.Above:
		n = math.Ceil(n - 1e-9)
	case rules.AtLeast:
		n = math.Floor(n) + 1
	case rules.Below:
		n = math.Floor(n + 1e-9)
	case rules.AtMost:
		n = math.Ceil(n) - 1
	}
	return rounded(n * step)
}

// rounded takes away the digits that only come from reckoning.
func rounded(x float64) float64 {
	if short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64); err == nil {
		return short
	}
	return x
}

// measured says what the values of a rule are.
func measured(r rules.Rule) string {
	c := r.Condition
	switch c.Type {
	case rules.Absence:
		return "seconds since the last point of " + r.Measurement
	case rules.Change:
		return fmt.Sprintf("change of %s %s.%s against %s ago", c.Aggregation, r.Measurement, r.Field, c.Ago)
	case rules.Forecast:
		return fmt.Sprintf("%s.%s as expected within %s", r.Measurement, r.Field, c.Horizon)
	case rules.Expression:
		return c.Expr
	case rules.Query:
		return c.Column
	}
	return fmt.Sprintf("%s over %s of %s.%s", c.Aggregation, c.Window, r.Measurement, r.Field)
}
