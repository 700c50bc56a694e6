package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator/backtest"
	"github.com/9bikes/tocsin/rules"
)

// Episode is an alert that is over, told as a story.
type Episode struct {
	StartedAt time.Time      `json:"started_at"`
	EndedAt   time.Time      `json:"ended_at"`
	Lasted    rules.Duration `json:"lasted"`
	Peak      *float64       `json:"peak"`
	PeakAt    *time.Time     `json:"peak_at,omitempty"`
	Values    []rules.Sample `json:"values"` // around it, in even steps
	// Meanwhile are the other alerts that were open in that time, the worst first.
	Meanwhile []app.AlertView `json:"meanwhile"`
}

// What of the past is read around an episode, and how many values are shown.
const (
	before       = 30 * time.Minute
	after        = 15 * time.Minute
	mostEpisode  = 2 * 24 * time.Hour
	episodeSteps = 24
)

// episode tells of the alert that was asked for, when it is over.
func (x *inquiry) episode(ctx context.Context) error {
	if x.alert == nil || x.alert.ResolvedAt.IsZero() {
		return nil
	}
	a := x.alert
	e := &Episode{
		StartedAt: a.StartedAt, EndedAt: a.ResolvedAt,
		Lasted: rules.Duration(a.ResolvedAt.Sub(a.StartedAt).Round(time.Second)),
		Peak:   rules.Finite(a.Peak), Values: []rules.Sample{}, Meanwhile: []app.AlertView{},
	}
	x.out.Episode, x.out.State = e, string(rules.StatusResolved)
	if list := x.replay(ctx, a); len(list) > 0 {
		e.PeakAt = peakOf(list, a)
		e.Values = thinned(list)
	}
	around, _, err := x.app.Alerts(ctx, app.AlertFilter{Since: a.StartedAt.Add(-24 * time.Hour), Until: a.ResolvedAt})
	for _, v := range around {
		if v.ID != a.ID && (v.ResolvedAt == nil || v.ResolvedAt.After(a.StartedAt)) {
			e.Meanwhile = append(e.Meanwhile, v)
		}
	}
	slices.SortStableFunc(e.Meanwhile, func(a, b app.AlertView) int { return b.Severity.Rank() - a.Severity.Rank() })
	return err
}

// replay judges the time of an episode once more; what the source does not hold
// any more is left out.
func (x *inquiry) replay(ctx context.Context, a *app.AlertRow) (out []rules.Sample) {
	t := backtest.Trial{
		Rule: x.rule, Every: x.app.Config.Every.Std(), From: a.Since.Add(-before),
		To: rules.Earlier(a.ResolvedAt.Add(after), x.now),
		Verdict: func(v backtest.Verdict) {
			if value := rules.Finite(v.Value); value != nil && v.Series == a.Series {
				verdict := "good"
				if v.Score > 0 {
					verdict = "bad"
				}
				out = append(out, rules.Sample{At: v.At, Value: value, Verdict: verdict})
			}
		},
	}
	if t.To.Sub(t.From) > mostEpisode {
		t.To = t.From.Add(mostEpisode)
	}
	name, source, err := x.app.Source(x.rule.Source)
	if err != nil {
		return nil
	}
	t.Rule.Source, t.Source, t.Delay = name, source, x.app.Config.Sources[name].Delay.Std()
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if _, err := t.Run(ctx); err != nil {
		return nil
	}
	return out
}

// peakOf is when a value came nearest to the peak while the alert was open; nil
// when none was like it.
func peakOf(list []rules.Sample, a *app.AlertRow) (at *time.Time) {
	nearest := abs(a.Peak) / 100
	for _, s := range list {
		if s.At.Before(a.Since) || s.At.After(a.ResolvedAt) {
			continue
		}
		if far := abs(*s.Value - a.Peak); far <= nearest && (at == nil || far < nearest) {
			at, nearest = &s.At, far
		}
	}
	return at
}

func abs(x float64) float64 { return max(x, -x) }

// thinned leaves so many values that they can be read.
func thinned(list []rules.Sample) []rules.Sample {
	every := (len(list) + episodeSteps - 1) / episodeSteps
	var out []rules.Sample
	for i := 0; i < len(list); i += every {
		out = append(out, list[i])
	}
	return out
}

// story says what the episode was, in a few sentences.
func (x *inquiry) story() string {
	e, r := x.out.Episode, x.rule
	text := fmt.Sprintf("It fired from %s to %s, for %s (%s): wrong by %q", x.app.Stamp(e.StartedAt),
		x.app.Stamp(e.EndedAt), e.Lasted, x.alert.Reason, evidenceOf(x.alert, r))
	if e.Peak != nil && r.Condition.Type != rules.Absence {
		text += ", at worst " + rules.FormatNumber(*e.Peak)
		if e.PeakAt != nil {
			text += " at " + x.app.Stamp(*e.PeakAt)
		}
	}
	text += ". " + x.whoWasTold()
	if n := len(e.Meanwhile); n > 0 {
		var names []string
		for _, v := range e.Meanwhile[:min(n, 3)] {
			names = append(names, v.Title)
		}
		text += fmt.Sprintf(" In that time %d more fired: %s.", n, strings.Join(names, ", "))
	}
	return text
}

// evidenceOf is the condition that the alert was decided on, which the rule may
// not have any more.
func evidenceOf(a *app.AlertRow, r rules.Rule) string {
	if a.Evidence.Condition != "" {
		return a.Evidence.Condition
	}
	return r.Condition.String()
}

// whoWasTold says who heard of an episode first.
func (x *inquiry) whoWasTold() string {
	var told []string
	for i := len(x.out.Messages) - 1; i >= 0; i-- { // the oldest first
		m := x.out.Messages[i]
		if m.State == rules.Sent {
			told = append(told, fmt.Sprintf("%s at %s (%s)", m.Channel, x.app.Stamp(m.At), m.Reason))
		}
	}
	switch {
	case len(told) > 0:
		return "Told: " + strings.Join(told[:min(len(told), 4)], ", ") + "."
	case len(x.out.Messages) == 0:
		return "Nobody was told: no message was made."
	case x.out.Messages[0].HeldBy != "":
		return "Nobody was told: " + x.out.Messages[0].HeldBy + " held it back."
	}
	return "Nobody was told: the last message is " + string(x.out.Messages[0].State) + "."
}
