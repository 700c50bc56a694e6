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

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Outlook is what a rule makes of the present: what it is made to look at, what
// would happen at once, and what people would read.
type Outlook struct {
	Series  int           `json:"series"` // that have a value now
	Now     []SeriesNow   `json:"now"`    // the worst first
	Silent  []SeriesNow   `json:"silent"` // known in the data, without a value now; the newest first
	Also    []string      `json:"also_watched_by"`
	Sample  SampleMessage `json:"sample"`
	Trouble string        `json:"trouble,omitempty"` // why the source could not be asked
}

// SeriesNow is how a series stands.
type SeriesNow struct {
	Series  rules.Labels   `json:"series"`
	Value   *float64       `json:"value"`
	Wrong   bool           `json:"wrong"`
	FiresIn rules.Duration `json:"fires_in,omitempty"` // what is left of for, if it stays wrong
	Seen    *time.Time     `json:"seen,omitempty"`     // of a silent one: its last point
}

// SampleMessage is a first message as people would get it.
type SampleMessage struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// lookPatience is how long an outlook may take: it is said beside something
// else.
const lookPatience = 10 * time.Second

// Outlook looks at the present as a rule does, and saves nothing. What the
// source does not tell in time is left out.
func (a *Analyst) Outlook(ctx context.Context, r rules.Rule) Outlook {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	out := Outlook{Now: []SeriesNow{}, Silent: []SeriesNow{}, Also: a.alsoWatchedBy(ctx, r)}
	now := a.app.Time()
	verdicts, err := a.present(ctx, r, now)
	switch {
	case r.Unchecked:
		out.Trouble = "its data was not looked up"
	case err != nil:
		out.Trouble = rules.Sentence(err)
	}
	out.Series = len(verdicts)
	for series, last := range verdicts {
		out.Now = append(out.Now, standing(r, series, last, now))
	}
	slices.SortFunc(out.Now, func(x, y SeriesNow) int { return worseNow(r.Condition, x, y) })
	if out.Trouble == "" {
		out.Silent = a.silent(ctx, r, verdicts, now)
	}
	out.Sample = sample(r, out.Now, now, a.app.Config.Location())
	return out
}

// present is what the last ticks made of each series that has a value.
func (a *Analyst) present(ctx context.Context, r rules.Rule, now time.Time) (map[rules.Series]lately, error) {
	every := a.app.Config.Every.Std()
	t := backtest.Trial{Rule: r, Every: every, From: now.Add(-askedTicks * every), To: now}
	if s, err := schedule.Parse(r.Every, r.Zone, every); err == nil {
		gap := min(askedTicks*schedule.Gap(s, now), 2*rules.Week.Std())
		t.From = now.Add(-gap - min(r.For, rules.Day).Std()).Add(-time.Nanosecond)
	}
	out := map[rules.Series]lately{}
	t.Verdict = func(v backtest.Verdict) {
		l := out[v.Series]
		switch {
		case v.Score <= 0:
			l.since = time.Time{}
		case l.since.IsZero():
			l.since = v.At
		}
		l.Verdict = v
		out[v.Series] = l
	}
	name, source, err := a.app.Source(r.Source)
	if err != nil || r.Unchecked {
		return nil, err
	}
	t.Rule.Source, t.Source, t.Delay = name, source, a.app.Config.Sources[name].Delay.Std()
	_, err = t.Run(ctx)
	maps.DeleteFunc(out, func(_ rules.Series, l lately) bool { return math.IsNaN(l.Value) && l.Score <= 0 })
	return out, err
}

// lately is the last verdict on a series, and since when it is wrong.
type lately struct {
	backtest.Verdict
	since time.Time
}

func standing(r rules.Rule, series rules.Series, last lately, now time.Time) SeriesNow {
	out := SeriesNow{Series: series.Labels(), Value: rules.Finite(last.Value), Wrong: last.Score > 0}
	if out.Wrong {
		out.FiresIn = max(0, r.For-rules.Duration(now.Sub(last.since).Round(time.Second)))
	}
	return out
}

// worseNow puts what is wrong first, and of that what is further gone.
func worseNow(c rules.Condition, x, y SeriesNow) int {
	if x.Wrong != y.Wrong {
		if x.Wrong {
			return -1
		}
		return 1
	}
	low := c.Operator == rules.Below || c.Operator == rules.AtMost
	return cmp.Or(compareValues(x.Value, y.Value, low), cmp.Compare(rules.SeriesOf(x.Series), rules.SeriesOf(y.Series)))
}

// silent lists the series of the data that have no value now.
func (a *Analyst) silent(ctx context.Context, r rules.Rule, live map[rules.Series]lately, now time.Time) []SeriesNow {
	out := []SeriesNow{}
	seen, err := lookup.LastSeen(ctx, a.app.Sources[r.Source], r, now)
	if err != nil {
		return out
	}
	for _, s := range seen {
		if _, ok := live[s.Series]; !ok {
			out = append(out, SeriesNow{Series: s.Series.Labels(), Value: rules.Finite(s.Value), Seen: &s.At})
		}
	}
	return out
}

// alsoWatchedBy names the rules that look at the same measurement and field.
func (a *Analyst) alsoWatchedBy(ctx context.Context, r rules.Rule) []string {
	out := []string{}
	list, _, err := a.app.ListRules(ctx, app.RuleFilter{})
	if err != nil || r.Measurement == "" {
		return out
	}
	for _, v := range list {
		same := v.ID != r.ID && v.Source == r.Source && v.Measurement == r.Measurement && v.Field == r.Field
		if same && meets(v.Where, r.Where) {
			out = append(out, v.Name+" ("+v.Condition.String()+")")
		}
	}
	return out
}

// meets reports whether two filters can pick the same series.
func meets(a, b rules.Filter) bool {
	for tag, values := range a {
		other, both := b[tag]
		if both && !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(other, v) }) {
			return false
		}
	}
	return true
}

// sample is the first message about the series that is worst now; where it is
// not wrong, with the value at which it would be.
func sample(r rules.Rule, list []SeriesNow, now time.Time, zone *time.Location) SampleMessage {
	o := rules.Observation{Verdict: rules.Bad, Value: math.NaN(), At: now}
	if len(list) > 0 {
		o.Series = rules.SeriesOf(list[0].Series)
		if v := list[0].Value; v != nil {
			o.Value = *v
		}
	}
	switch limit, wrong := r.Condition.Value, len(list) > 0 && list[0].Wrong; {
	case limit.Kind == rules.Text: // a list has no texts
		o.Text = limit.Text
	case wrong:
	case limit.Kind == rules.Number:
		o.Value = limit.Low
	case limit.Kind == rules.Range:
		o.Value = limit.High
	}
	r.For, r.ID, r.Enabled, r.DependsOn, r.Active = 0, "sample", true, nil, nil
	r.Channels = []string{"sample"}
	l := rules.OpenLedger(rules.Snapshot{Rule: r})
	l.Observe(rules.Setting{Now: now}, []rules.Observation{o}, nil)
	var first []rules.Notification
	l.Notifications(func(n *rules.Notification) bool {
		first = append(first, *n)
		return false
	})
	if len(first) == 0 {
		return SampleMessage{}
	}
	m := notify.Composer{Zone: zone, Linked: true}.Compose(first, now)
	return SampleMessage{notify.Plain(m.Title), notify.Plain(m.Text)}
}

// SayOutlook says an outlook in a few sentences; stamp writes times.
func SayOutlook(o Outlook, stamp func(time.Time) string) string {
	var said []string
	wrong := slices.DeleteFunc(slices.Clone(o.Now), func(v SeriesNow) bool { return !v.Wrong })
	switch {
	case o.Trouble != "":
		said = append(said, "How things stand is not known: "+strings.TrimSuffix(o.Trouble, ".")+".")
	case o.Series == 0 && len(o.Silent) > 0:
		said = append(said, fmt.Sprintf("No series has a value now; the data knows %s, silent since %s.",
			counted(len(o.Silent), "of them"), stamp(*o.Silent[0].Seen)))
	case o.Series == 0:
		said = append(said, "No series matches now.")
	case len(wrong) == 0:
		said = append(said, fmt.Sprintf("%s now, none of them wrong; the nearest is %s.", counted(o.Series, "series"),
			NowLine(o.Now[0])))
	default:
		said = append(said, fmt.Sprintf("%s now, %d wrong at this moment: %s.", counted(o.Series, "series"), len(wrong),
			listed(wrong, NowLine)))
	}
	if o.Series > 0 && len(o.Silent) > 0 {
		said = append(said, fmt.Sprintf("Silent: %s.", listed(o.Silent, func(v SeriesNow) string {
			return SeriesName(v.Series) + " since " + stamp(*v.Seen)
		})))
	}
	if len(o.Also) > 0 {
		said = append(said, "The same is watched by "+strings.Join(o.Also, ", ")+".")
	}
	return strings.Join(said, " ")
}

// listed names the first few of a list.
func listed(list []SeriesNow, say func(SeriesNow) string) string {
	const few = 5
	var out []string
	for _, v := range list[:min(len(list), few)] {
		out = append(out, say(v))
	}
	if more := len(list) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, "; ")
}

// NowLine is a series with its value, and when it would fire.
func NowLine(v SeriesNow) string {
	text := SeriesName(v.Series)
	switch {
	case v.Value != nil && len(v.Series) == 0:
		text = rules.FormatNumber(*v.Value)
	case v.Value != nil:
		text += ": " + rules.FormatNumber(*v.Value)
	}
	switch {
	case v.Wrong && v.FiresIn > 0:
		text += ", fires in " + v.FiresIn.String()
	case v.Wrong:
		text += ", fires at the next look"
	}
	return text
}

// SeriesName is a label set in words.
func SeriesName(labels rules.Labels) string {
	return cmp.Or(labelsText(rules.SeriesOf(labels)), "all together")
}

func counted(n int, noun string) string {
	if n == 1 && noun == "series" {
		return "1 series matches"
	}
	if noun == "series" {
		return fmt.Sprintf("%d series match", n)
	}
	return fmt.Sprintf("%d %s", n, noun)
}
