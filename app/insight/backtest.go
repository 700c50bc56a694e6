package insight

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// BacktestRequest is a rule to try on the past.
type BacktestRequest struct {
	Rule     string    // name or id of a saved rule; may be left out with Doc
	Doc      rules.Doc // keys over it, or a whole rule
	From, To time.Time // zero: the last seven days
	// Data reads a file of points, which is tried instead of the source.
	Data     func(form evaluator.DataForm) (*evaluator.Data, error)
	Progress func(done float64)
	Verdict  func(BacktestVerdict)
}

// BacktestVerdict is one line of a verdicts file.
type BacktestVerdict struct {
	Timestamp string       `json:"timestamp"`
	Series    rules.Series `json:"series"`
	Value     *float64     `json:"value"`
	Score     float64      `json:"score"`
	State     string       `json:"state"`
}

// Backtest is what a rule would have done.
type Backtest struct {
	Rule    rules.Rule     `json:"rule"`
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Ticks   int            `json:"ticks"`
	Series  int            `json:"series"`
	Values  int            `json:"values"`
	Count   int            `json:"count"`    // of episodes
	PerWeek float64        `json:"per_week"` // episodes
	Longest rules.Duration `json:"longest"`  // of an episode, from when it fired
	// Sensitivities are what each would have done, of an anomaly rule.
	Sensitivities []SensitivityView `json:"sensitivities,omitempty"`

	Last     *float64      `json:"last"`     // the worst value at the last tick that had one; null of an absence
	Quiet    *float64      `json:"quiet"`    // a value of the condition that would have been quiet
	Episodes []EpisodeView `json:"episodes"` // in order of their start
	Warnings []string      `json:"warnings"`
	Summary  string        `json:"summary"`
}

// SensitivityView is how often a sensitivity would have told.
type SensitivityView struct {
	Sensitivity string  `json:"sensitivity"`
	Told        int     `json:"told"`
	PerWeek     float64 `json:"per_week"`
}

// EpisodeView is one alert that would have been.
type EpisodeView struct {
	Series     rules.Labels   `json:"series"`
	Since      time.Time      `json:"since"`
	StartedAt  time.Time      `json:"started_at"`
	ResolvedAt *time.Time     `json:"resolved_at"`
	Lasted     rules.Duration `json:"lasted"` // from started_at on
	Severity   rules.Severity `json:"severity"`
	Peak       *float64       `json:"peak"`
}

// Backtest tries a rule on the past of its source, or on a file, through the
// same state machine as live.
func (a *Analyst) Backtest(ctx context.Context, req BacktestRequest) (Backtest, error) {
	r, err := a.backtestRule(ctx, req)
	if err != nil {
		return Backtest{}, err
	}
	t := backtest.Trial{
		Rule: r, Every: a.app.Config.Every.Std(), Progress: req.Progress, Zone: a.app.Config.Location(),
	}
	var data *evaluator.Data
	if req.Data != nil {
		if data, err = openData(req, t.Rule); err != nil {
			return Backtest{}, err
		}
		t.Source, t.Ticks = data.Source, data.Ticks()
		t.From, t.To = t.Ticks[0].Add(-time.Nanosecond), t.Ticks[len(t.Ticks)-1]
	} else if err := a.backtestSource(ctx, &t, req); err != nil {
		return Backtest{}, err
	}
	if req.Verdict != nil {
		t.Verdict = verdictWriter(data, t.Rule.GroupBy, req.Verdict)
	}
	result, err := t.Run(ctx)
	if err != nil {
		return Backtest{}, err
	}
	return backtestView(t, result), nil
}

// backtestRule is the rule of a request, checked as one that is saved.
func (a *Analyst) backtestRule(ctx context.Context, req BacktestRequest) (rules.Rule, error) {
	r, err := a.readRule(ctx, req)
	if err != nil {
		return r, err
	}
	a.app.SettleZones(&r)
	return r, evaluator.CheckRule(&r, a.app.Config.Every.Std())
}

// readRule is the saved rule, with the document's keys over it, or the document
// alone.
func (a *Analyst) readRule(ctx context.Context, req BacktestRequest) (rules.Rule, error) {
	if req.Rule == "" {
		doc, err := a.app.Complete(ctx, req.Doc)
		if err != nil {
			return rules.Rule{}, err
		}
		if doc["title"] == nil && doc["name"] == nil {
			doc = maps.Clone(doc)
			doc["title"] = "backtest"
		}
		return ruledoc.Parse(doc)
	}
	r, err := a.app.Rule(ctx, req.Rule)
	if err != nil || len(req.Doc) == 0 {
		return r.Rule, err
	}
	return ruledoc.Patch(r.Rule, req.Doc)
}

// week is how far back a backtest looks when nobody says.
const week = 7 * 24 * time.Hour

func (a *Analyst) backtestSource(ctx context.Context, t *backtest.Trial, req BacktestRequest) error {
	name, source, err := a.app.Source(t.Rule.Source)
	if err != nil {
		return err
	}
	t.Rule.Source, t.Source, t.Delay = name, source, a.app.Config.Sources[name].Delay.Std()
	// What is yet to come has no points, and that is no silence.
	if t.From, t.To = req.From, req.To; t.To.IsZero() || t.To.After(a.app.Time()) {
		t.To = a.app.Time()
	}
	if t.From.IsZero() {
		t.From = t.To.Add(-week)
	}
	if !t.From.Before(t.To) {
		return rules.FieldErrorf("from", "must be before to; got %s and %s", t.From.Format(time.RFC3339),
			t.To.Format(time.RFC3339))
	}
	if err := (lookup.Names{Source: source}).Check(ctx, &t.Rule); rules.CodeOf(err) == rules.Invalid {
		return err
	}
	return nil
}

func openData(req BacktestRequest, r rules.Rule) (*evaluator.Data, error) {
	data, err := req.Data(dataForm(r))
	if err != nil {
		return nil, err
	}
	if r.Measurement != "" && !slices.Contains(data.Measurements, r.Measurement) {
		return nil, rules.FieldErrorf("measurement", "the file has none called %q; it has %s", r.Measurement,
			strings.Join(data.Measurements[:min(len(data.Measurements), 10)], ", "))
	}
	if r.Field != "" && len(data.Fields) > 0 && !slices.Contains(data.Fields, r.Field) {
		return nil, rules.FieldErrorf("field", "the file has no column of numbers %q; it has %s", r.Field,
			strings.Join(data.Fields, ", "))
	}
	return data, nil
}

// dataForm is what a rule asks of a file of points.
func dataForm(r rules.Rule) evaluator.DataForm {
	form := evaluator.DataForm{
		Measurement: r.Measurement, Fields: []string{r.Field}, Text: r.Condition.ComparesText(),
		Tags: slices.Concat(r.GroupBy, slices.Collect(maps.Keys(r.Where))),
	}
	for _, in := range r.Condition.Inputs {
		form.Measurement = cmp.Or(form.Measurement, in.Measurement)
		form.Fields = append(form.Fields, in.Field)
		form.Tags = slices.AppendSeq(form.Tags, maps.Keys(in.Where))
	}
	return form
}

// verdictWriter turns a trial's verdicts into lines: with a file one for each
// of its rows, its time as it stands there.
func verdictWriter(data *evaluator.Data, groupBy []string, write func(BacktestVerdict)) func(backtest.Verdict) {
	if data == nil {
		return func(v backtest.Verdict) { write(verdictLine(v, v.At.Format(time.RFC3339Nano))) }
	}
	next := 0
	return func(v backtest.Verdict) {
		for next < len(data.Rows) && data.Rows[next].At.Before(v.At) {
			next++
		}
		for i := next; i < len(data.Rows) && data.Rows[i].At.Equal(v.At); i++ {
			if seriesOfRow(data.Rows[i], groupBy) == v.Series {
				write(verdictLine(v, data.Rows[i].Text))
			}
		}
	}
}

func seriesOfRow(row evaluator.DataRow, groupBy []string) rules.Series {
	labels := rules.Labels{}
	for _, tag := range groupBy {
		labels[tag] = row.Labels[tag]
	}
	return rules.SeriesOf(labels)
}

func verdictLine(v backtest.Verdict, stamp string) BacktestVerdict {
	return BacktestVerdict{
		Timestamp: stamp, Series: v.Series, Value: rules.Finite(v.Value), Score: v.Score,
		State: v.State.String(),
	}
}

func backtestView(t backtest.Trial, result *backtest.Result) Backtest {
	b := Backtest{
		Rule: t.Rule, From: t.From, To: t.To, Ticks: result.Ticks, Series: result.Series, Values: result.Values,
		Count: len(result.Episodes), Last: rules.Finite(result.Last), Quiet: rules.Finite(result.Quiet),
		Episodes: []EpisodeView{}, Warnings: []string{},
	}
	for _, e := range result.Episodes {
		end := e.ResolvedAt
		if end.IsZero() {
			end = t.To
		}
		lasted := rules.Duration(end.Sub(e.StartedAt).Round(time.Second))
		b.Longest = max(b.Longest, lasted)
		b.Episodes = append(b.Episodes, EpisodeView{
			Series: e.Series.Labels(), Since: e.Since, StartedAt: e.StartedAt, ResolvedAt: rules.Given(e.ResolvedAt),
			Lasted: lasted, Severity: e.Severity, Peak: rules.Finite(e.Peak),
		})
	}
	if t.Rule.Condition.Type == rules.Absence {
		b.leaveSilences()
	}
	if weeks := t.To.Sub(t.From).Hours() / week.Hours(); weeks > 0 {
		b.PerWeek = math.Round(float64(b.Count)/weeks*100) / 100
		if t.Rule.Condition.Type == rules.Anomaly {
			for i, s := range evaluator.Sensitivities {
				told := result.Told[i]
				b.Sensitivities = append(b.Sensitivities,
					SensitivityView{s, told, math.Round(float64(told)/weeks*100) / 100})
			}
		}
	}
	if result.Values == 0 {
		b.Warnings = append(b.Warnings, "no value was found in that time: "+t.Rule.What()+
			" may hold nothing there, or not so far back")
	}
	b.Summary = b.summary()
	return b
}

// leaveSilences takes out how long series were silent: the past is read window
// by window, so a trial knows that later than the live rule does.
func (b *Backtest) leaveSilences() {
	b.Last = nil
	for i := range b.Episodes {
		b.Episodes[i].Peak = nil
	}
}

// open counts the episodes that still fire at the end.
func (b Backtest) open() (n int) {
	for _, e := range b.Episodes {
		if e.ResolvedAt == nil {
			n++
		}
	}
	return n
}

// summary says it in a sentence or two.
func (b Backtest) summary() string {
	times := map[int]string{0: "would not have fired", 1: "would have fired once"}[b.Count]
	if times == "" {
		times = fmt.Sprintf("would have fired %d times", b.Count)
	}
	text := fmt.Sprintf("%s %s in %s", b.Rule.Title, times, roughly(b.To.Sub(b.From)))
	if b.Count > 0 {
		text += fmt.Sprintf(", the longest for %s", b.Longest)
	}
	if n := b.open(); b.Last == nil && n > 0 {
		text += fmt.Sprintf("; still firing at the end: %d", n)
	}
	if b.Last != nil {
		text += fmt.Sprintf("; at the end it is %s against %s", rules.FormatNumber(*b.Last), b.Rule.Condition)
	}
	if b.Sensitivities != nil {
		text += "; told a week:"
		for i, s := range b.Sensitivities {
			text += fmt.Sprintf("%s %s at %s", map[bool]string{i > 0: ","}[true], rules.FormatNumber(s.PerWeek), s.Sensitivity)
		}
	}
	if b.Quiet != nil && b.Count > 0 {
		text += fmt.Sprintf("; with %s it would have been quiet", rules.FormatNumber(*b.Quiet))
	}
	return text + "."
}

// roughly is a length in the largest unit that says enough.
func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.3g days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.3g hours", d.Hours())
	}
	return rules.Duration(d.Round(time.Second)).String()
}
