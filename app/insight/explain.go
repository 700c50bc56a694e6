package insight

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// ExplainRequest names what is to be explained: an alert, or a series of a
// rule; without a series the one that is worst.
type ExplainRequest struct {
	Alert  string
	Rule   string       // by name or id
	Series rules.Labels // any of its labels
}

// Explanation says why a series of a rule is or is not firing.
type Explanation struct {
	Rule   app.RuleView   `json:"rule"`
	Series rules.Labels   `json:"series"`
	Known  int            `json:"known"`  // series of the rule
	Others []SeriesView   `json:"others"` // the next worst of them
	State  string         `json:"state"`  // ok, pending, firing, recovering; unseen when there is no such series
	Alert  *app.AlertView `json:"alert,omitempty"`

	Query  []string       `json:"query"` // as the source would be asked now
	Recent []rules.Sample `json:"recent"`
	// Asked says that Recent was asked of the source just now; else it is what
	// the last ticks decided on.
	Asked   bool   `json:"asked"`
	Trouble string `json:"trouble,omitempty"` // why the source could not be asked

	Since  *time.Time     `json:"since,omitempty"` // when it went bad
	Left   rules.Duration `json:"left,omitempty"`  // pending: of for; recovering: of keep_firing_for
	Seen   *time.Time     `json:"seen,omitempty"`  // when it last had a value
	Judged *time.Time     `json:"judged,omitempty"`
	Tick   *time.Time     `json:"tick,omitempty"` // the next one; none while nothing is evaluated

	Outside  bool              `json:"outside"` // the rule's active hours
	Silences []app.SilenceView `json:"silences"`
	Parents  []ParentView      `json:"parents"`
	Messages []MessageView     `json:"messages"`
	Channels []string          `json:"channels"` // whom a first message goes to

	Episode *Episode `json:"episode,omitempty"` // of an alert that is over

	Why  string     `json:"why"`
	Next []Upcoming `json:"next"`
}

// SeriesView is a series of a rule in a line.
type SeriesView struct {
	Series rules.Series `json:"series"`
	State  string       `json:"state"`
	Value  *float64     `json:"value"`
	Text   string       `json:"text,omitempty"`
}

// ParentView is a rule that this one depends on.
type ParentView struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	Wrong bool   `json:"wrong"` // so that messages are held back
	By    string `json:"by,omitempty"`
}

// MessageView is one message about an alert on one channel.
type MessageView struct {
	Channel  string         `json:"channel"`
	Target   string         `json:"target,omitempty"` // of several that the channel has
	Reason   rules.Reason   `json:"reason"`
	State    rules.Delivery `json:"state"`
	At       time.Time      `json:"at"` // done, or due
	Attempts int            `json:"attempts"`
	Error    string         `json:"error,omitempty"`
	Unknown  bool           `json:"unknown,omitempty"` // a try was not answered: it may have arrived
	HeldBy   string         `json:"held_by,omitempty"`
	Fallback string         `json:"fallback,omitempty"`
}

// Upcoming is what happens next, and when, where that is known.
type Upcoming struct {
	What string     `json:"what"`
	At   *time.Time `json:"at,omitempty"`
}

// stateUnseen is shown of a series that nobody has seen.
const stateUnseen = "unseen"

// Explain gathers what decides on an alert. The daemon tells what it decided
// on; another process asks the source again.
func (a *Analyst) Explain(ctx context.Context, req ExplainRequest) (Explanation, error) {
	if _, err := a.app.Ledgers.Version(ctx); err != nil { // sees what others changed
		return Explanation{}, err
	}
	x := &inquiry{app: a.app, now: a.app.Time()}
	if err := x.open(ctx, req); err != nil {
		return Explanation{}, err
	}
	if a.app.Engine == nil || len(x.seen) == 0 {
		x.ask(ctx)
	}
	if err := x.choose(req.Series); err != nil {
		return Explanation{}, err
	}
	if err := x.surroundings(ctx); err != nil {
		return Explanation{}, err
	}
	if err := x.episode(ctx); err != nil {
		return Explanation{}, err
	}
	x.out.Why = x.why()
	x.out.Next = x.next()
	return x.out, nil
}

// inquiry is an explanation being made.
type inquiry struct {
	app    *app.App
	now    time.Time
	rule   rules.Rule
	alert  *app.AlertRow // that was asked for
	seen   map[rules.Series]rules.Instance
	recent map[rules.Series][]rules.Sample // as the source answered just now
	series rules.Series
	in     *rules.Instance // nil: nobody has seen it
	out    Explanation
}

// open finds the rule and what is known of its series.
func (x *inquiry) open(ctx context.Context, req ExplainRequest) (err error) {
	if req.Alert != "" {
		row, err := x.app.Store.Alert(ctx, req.Alert)
		switch {
		case rules.CodeOf(err) == rules.NotFound && req.Rule == "":
			req.Rule = req.Alert // ids of rules are taken for those of alerts
		case err != nil:
			return err
		default:
			x.alert, req.Rule = &row, row.RuleID
		}
	}
	if req.Rule == "" {
		return rules.FieldErrorf("id", "is missing; give the id of an alert, or rule")
	}
	if x.out.Rule, err = x.app.Rule(ctx, req.Rule); err != nil {
		if x.alert != nil {
			return rules.WithHint(rules.Errorf(rules.NotFound,
				"the rule of alert %s is deleted, so nothing decides on it any more", req.Alert), rules.SeePast, "")
		}
		if req.Rule == req.Alert {
			return rules.WithHint(rules.Errorf(rules.NotFound, "no alert %q", req.Alert), rules.SeeAlerts, "")
		}
		return err
	}
	x.rule, x.seen = x.out.Rule.Rule, map[rules.Series]rules.Instance{}
	x.app.Ledgers.View(x.rule.ID, func(l *rules.Ledger) {
		l.Instances(func(in *rules.Instance) bool {
			x.seen[in.Series] = apart(in)
			return true
		})
		x.out.Judged, x.out.Outside = rules.Given(l.Judged), !l.Active(x.now)
	})
	x.out.Known = len(x.seen)
	return nil
}

// apart is a copy of an instance that no tick changes.
func apart(in *rules.Instance) rules.Instance {
	out := *in
	if in.Alert != nil {
		alert := *in.Alert
		if alert.Ack != nil {
			ack := *alert.Ack
			alert.Ack = &ack
		}
		out.Alert = &alert
	}
	return out
}

// askedTicks is how many of the last ticks the source is asked about.
const askedTicks = 8

// ask judges the last ticks once more, and saves nothing.
func (x *inquiry) ask(ctx context.Context) {
	x.recent = map[rules.Series][]rules.Sample{}
	every := x.app.Config.Every.Std()
	t := backtest.Trial{
		Rule: x.rule, Every: every, From: x.now.Add(-askedTicks * every), To: x.now,
		Verdict: func(v backtest.Verdict) {
			s := rules.Sample{At: v.At, Value: rules.Finite(v.Value), Verdict: "good"}
			switch {
			case v.Score > 0:
				s.Verdict = "bad"
			case s.Value == nil:
				s.Verdict = "none"
			}
			x.recent[v.Series] = append(x.recent[v.Series], s)
		},
	}
	if s, err := schedule.Parse(x.rule.Every, x.rule.Zone, every); err == nil {
		t.From = x.now.Add(-min(askedTicks*schedule.Gap(s, x.now), 2*rules.Week.Std())).Add(-time.Nanosecond)
	}
	err := error(nil)
	if t.Rule.Source, t.Source, err = x.app.Source(x.rule.Source); err == nil {
		t.Delay = x.app.Config.Sources[t.Rule.Source].Delay.Std()
		_, err = t.Run(ctx)
	}
	x.out.Asked = err == nil
	if err != nil {
		x.out.Trouble = rules.Sentence(err)
		return
	}
	x.countNothing()
	x.out.Known = max(x.out.Known, len(x.recent))
}

// countNothing adds the series that are known and had no point: their count is
// zero, and a source that is asked does not name them.
func (x *inquiry) countNothing() {
	c := x.rule.Condition
	if c.Type != rules.Threshold || c.Aggregation != rules.Count {
		return
	}
	for series := range x.seen {
		if len(x.recent[series]) == 0 {
			x.recent[series] = []rules.Sample{{At: x.now, Value: new(float64), Verdict: c.Judge(0).String()}}
		}
	}
}

// choose takes the series that was asked for, or the worst.
func (x *inquiry) choose(labels rules.Labels) error {
	if x.alert != nil {
		x.take(x.alert.Series)
		return nil
	}
	list := x.candidates()
	if len(labels) > 0 {
		fits := func(s rules.Series) bool {
			for name, value := range labels {
				if s.Label(name) != value {
					return false
				}
			}
			return true
		}
		matching := slices.DeleteFunc(slices.Clone(list), func(v SeriesView) bool { return !fits(v.Series) })
		if len(matching) == 0 && len(list) > 0 {
			return rules.FieldErrorf("series", "rule %s has no series %s; it has %s", x.rule.Name,
				labelsText(rules.SeriesOf(labels)), someSeries(list))
		}
		if list = matching; len(list) == 0 {
			x.take(rules.SeriesOf(labels))
			return nil
		}
	}
	if len(list) == 0 {
		x.take("")
		return nil
	}
	x.take(list[0].Series)
	x.out.Others = list[1:]
	return nil
}

// namedSeries is how many series a refusal names.
const namedSeries = 8

func someSeries(list []SeriesView) string {
	var names []string
	for _, v := range list[:min(len(list), namedSeries)] {
		names = append(names, cmp.Or(labelsText(v.Series), "one without labels"))
	}
	if more := len(list) - len(names); more > 0 {
		names = append(names, rules.FormatNumber(float64(more))+" more")
	}
	return strings.Join(names, "; ")
}

// candidates are the series of the rule, the worst first.
func (x *inquiry) candidates() []SeriesView {
	all := map[rules.Series]SeriesView{}
	for series, in := range x.seen {
		all[series] = SeriesView{series, in.State.String(), rules.Finite(in.Value), in.Text}
	}
	for series, samples := range x.recent {
		v, known := all[series]
		if v.Series = series; !known {
			v.State = stateUnseen
		}
		v.Value = samples[len(samples)-1].Value
		all[series] = v
	}
	rank := map[string]int{"firing": 4, "pending": 3, "recovering": 2, "ok": 1}
	low := x.rule.Condition.Operator == rules.Below || x.rule.Condition.Operator == rules.AtMost
	return slices.SortedFunc(maps.Values(all), func(a, b SeriesView) int {
		return cmp.Or(cmp.Compare(rank[b.State], rank[a.State]), compareValues(a.Value, b.Value, low),
			cmp.Compare(a.Series, b.Series))
	})
}

// compareValues puts what is further on the bad side first, and nothing last.
func compareValues(a, b *float64, low bool) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	case low:
		return cmp.Compare(*a, *b)
	}
	return cmp.Compare(*b, *a)
}

// take fills in what is known of one series.
func (x *inquiry) take(series rules.Series) {
	x.series, x.out.Series, x.out.State = series, series.Labels(), stateUnseen
	x.out.Recent = x.recent[series]
	in, ok := x.seen[series]
	if !ok {
		return
	}
	x.in, x.out.State, x.out.Seen = &in, in.State.String(), rules.Given(in.Seen)
	if !x.out.Asked {
		x.out.Recent = in.Recent()
	}
	switch in.State {
	case rules.Pending:
		x.out.Left = remaining(x.rule.For, in.Since, in.Stood, x.now)
	case rules.Recovering:
		x.out.Left = remaining(x.rule.KeepFiringFor, in.QuietSince, in.Stood, x.now)
	}
	x.out.Since = rules.Given(in.Since)
}

// remaining is what is left of a clock that began at from and stood still for
// a while.
func remaining(whole rules.Duration, from time.Time, stood time.Duration, now time.Time) rules.Duration {
	return max(0, whole-rules.Duration((now.Sub(from)-stood).Round(time.Second)))
}

// surroundings are what decides on messages: the alert, silences, parents,
// deliveries; and what the source is asked.
func (x *inquiry) surroundings(ctx context.Context) (err error) {
	x.out.Silences, x.out.Parents, x.out.Messages = []app.SilenceView{}, []ParentView{}, []MessageView{}
	if x.alert == nil && x.in != nil && x.in.Alert != nil {
		if row, err := x.app.Store.Alert(ctx, x.in.Alert.ID); err == nil {
			x.alert = &row
		}
	}
	if x.alert != nil {
		view := x.app.ViewAlert(*x.alert)
		x.out.Alert, x.out.Messages = &view, x.messages()
	}
	if x.out.Channels, err = x.app.Reach(ctx, x.rule); err != nil {
		return err
	}
	if err := x.silences(ctx); err != nil {
		return err
	}
	for _, name := range x.rule.DependsOn {
		x.parent(ctx, name)
	}
	x.query()
	return nil
}

// messages are those of the alert as memory knows them, the newest first.
func (x *inquiry) messages() []MessageView {
	list := map[string]rules.Notification{}
	for _, n := range x.alert.Notifications {
		list[n.ID] = n
	}
	x.app.Ledgers.View(x.rule.ID, func(l *rules.Ledger) {
		l.Notifications(func(n *rules.Notification) bool {
			if n.AlertID == x.alert.ID {
				list[n.ID] = *n
			}
			return true
		})
	})
	sorted := slices.SortedFunc(maps.Values(list), func(a, b rules.Notification) int {
		return cmp.Or(b.BookedAt.Compare(a.BookedAt), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Target, b.Target),
			cmp.Compare(a.ID, b.ID))
	})
	out := []MessageView{}
	for _, n := range sorted {
		v := MessageView{
			n.Channel, n.Target, n.Reason, n.State, n.DoneAt, n.Attempts, n.Error, n.Unknown, n.HeldBy,
			n.Fallback,
		}
		if v.At.IsZero() {
			v.At = n.Due
		}
		out = append(out, v)
	}
	return out
}

// silences are those that are about the series and not over.
func (x *inquiry) silences(ctx context.Context) error {
	list, err := x.app.Store.Silences(ctx, x.now)
	if err != nil {
		return err
	}
	severity := x.rule.Severity
	if a := x.live(); a != nil {
		severity = a.Severity
	}
	for _, s := range list {
		if s.Over(x.now) || !s.Matches(&x.rule, x.series, severity) {
			continue
		}
		v := app.SilenceView{
			ID: s.ID, RuleID: s.RuleID, Match: s.Match, From: s.From, Until: rules.Given(s.Until), Weekly: s.Weekly,
			Comment: s.Comment,
			State:   app.SilenceWaiting, Alerts: []string{}, By: s.By, CreatedAt: s.CreatedAt,
		}
		if s.Runs(x.now) {
			v.State = app.SilenceRunning
		}
		x.out.Silences = append(x.out.Silences, v)
	}
	return nil
}

func (x *inquiry) parent(ctx context.Context, name string) {
	r, err := x.app.Store.FindRule(ctx, x.rule.Owner, name)
	if err != nil {
		x.out.Parents = append(x.out.Parents, ParentView{Rule: name, Title: "not found"})
		return
	}
	v := ParentView{Rule: r.Name, Title: r.Title}
	x.app.Ledgers.View(r.ID, func(l *rules.Ledger) {
		if l.Watched() {
			v.By = l.Cover(&x.rule, x.series, x.app.Config.Every.Std(), x.now)
		}
	})
	v.Wrong = v.By != ""
	x.out.Parents = append(x.out.Parents, v)
}

// query is what the source is asked at the next tick, or was at this time.
func (x *inquiry) query() {
	at := x.now
	if s, err := schedule.Parse(x.rule.Every, x.rule.Zone, x.app.Config.Every.Std()); err == nil {
		if next := s.Next(x.now); x.running() && x.rule.Enabled && !next.IsZero() {
			x.out.Tick, at = &next, next
		}
	}
	name, source, err := x.app.Source(x.rule.Source)
	if err != nil {
		x.out.Query, x.out.Trouble = []string{}, rules.Sentence(err)
		return
	}
	x.out.Query = evaluator.Explain(source, &x.rule, at.Add(-x.app.Config.Sources[name].Delay.Std()))
	if v := x.app.SourceView(name); !v.OK && x.out.Trouble == "" {
		x.out.Trouble = v.Error
	}
	if t, ok := x.app.Trouble(x.rule); ok && x.out.Trouble == "" {
		x.out.Trouble = t.Text()
	}
}

// running reports whether anything is evaluated.
func (x *inquiry) running() bool {
	_, running := x.app.Daemon()
	return running
}
