package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Status is how tocsin is doing, for people and probes.
type Status struct {
	Status   string              `json:"status"` // ok, degraded, down
	Version  string              `json:"version"`
	Daemon   DaemonView          `json:"daemon"`
	Database string              `json:"database"` // ok, or what is wrong
	Rules    RuleCounts          `json:"rules"`
	Alerts   map[string]int      `json:"alerts"` // by status
	Sources  []SourceView        `json:"sources"`
	Channels []rules.ChannelInfo `json:"channels"`
	Engine   *evaluator.Stats    `json:"engine,omitempty"`
	Outbox   int                 `json:"outbox"`          // messages not out yet
	Dead     int                 `json:"dead_letters"`    // messages that could not be delivered
	DeadBy   map[string]int      `json:"dead_letters_by"` // the same by channel
	Clock    string              `json:"clock,omitempty"` // why the wall clock is right, or that it is unsure
	Problems []string            `json:"problems"`
	// Advice is what may keep people from being told some day, though nothing is
	// broken.
	Advice []string `json:"advice"`
	// Open are the alerts that are not resolved, the worst and of those the oldest
	// first; at most openNamed of them.
	Open []AlertView `json:"open_alerts"`

	watched []rules.Rule
}

// DaemonView says whether the daemon runs.
type DaemonView struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Address string    `json:"address,omitempty"`
}

// RuleCounts counts rules.
type RuleCounts struct {
	Total   int `json:"total"`
	Enabled int `json:"enabled"`
	// Unjudged are the enabled ones that were not judged for three of their
	// intervals, as far as the daemon answers.
	Unjudged int      `json:"unjudged"`
	Named    []string `json:"unjudged_rules,omitempty"` // the first few of them by name
}

// Status gathers how everything is doing. What cannot be read is a problem in
// it, not an error.
func (a *App) Status(ctx context.Context) Status {
	if s, ok := a.askDaemon(ctx); ok {
		return s
	}
	s := Status{
		Status: "ok", Version: a.Version, Database: "ok", Alerts: map[string]int{}, DeadBy: map[string]int{},
		Problems: []string{}, Advice: []string{}, Open: []AlertView{}, Sources: a.ListSources(),
		Channels: []rules.ChannelInfo{},
	}
	s.Daemon = a.DaemonView()
	if err := a.Store.Check(ctx); err != nil {
		s.Status, s.Database = "down", err.Error()
		s.Problems = append(s.Problems, "database: "+err.Error())
		return s
	}
	s.Problems = append(s.Problems, a.count(ctx, &s)...)
	if a.Engine != nil {
		stats := a.Engine.Stats()
		s.Engine = &stats
		s.Outbox = len(a.Ledgers.Owed(a.Time()))
		for i := range s.Sources {
			s.Sources[i].Asked = a.asked(s.Sources[i].Name)
		}
	}
	s.Clock = a.Clock.State()
	if problem := a.Clock.Problem(); problem != "" {
		s.Problems = append(s.Problems, problem)
	}
	for _, source := range s.Sources {
		if !source.OK {
			s.Problems = append(s.Problems, fmt.Sprintf("source %s: %s", source.Name, source.Error))
		}
	}
	for _, c := range s.Channels {
		switch c.Health {
		case "failing", FailingInPart:
			s.Problems = append(s.Problems, fmt.Sprintf("channel %s: %s", c.Name, TroubleOf(c)))
		case NeedsCredential:
			s.Problems = append(s.Problems,
				fmt.Sprintf("channel %s: %s; `tocsin channels add --replace %s`", c.Name, c.Health, c.Name))
		}
	}
	s.Problems = append(s.Problems, a.Warnings()...)
	if len(s.Problems) > 0 {
		s.Status = "degraded"
	}
	return s
}

// askDaemon lets the daemon answer, where this is another process.
func (a *App) askDaemon(ctx context.Context) (Status, bool) {
	s, err := a.Ask(ctx)
	return s, err == nil
}

// DaemonView says whether a daemon runs on the data directory.
func (a *App) DaemonView() DaemonView {
	var v DaemonView
	v.PID, v.Running = a.Daemon()
	if a.Engine != nil {
		v.Since = a.Started
	}
	if v.Running {
		v.Address = a.Config.Listen
	}
	return v
}

// countRules fills in the numbers of the rules and returns what is wrong with
// them.
func (a *App) countRules(ctx context.Context, s *Status) (problems []string, err error) {
	list, err := a.DiagnoseRules(ctx)
	if err != nil {
		return nil, err
	}
	s.Rules.Total = len(list)
	var troubles []string
	for _, d := range list {
		s.watched = append(s.watched, d.Rule)
		if d.Rule.Enabled {
			s.Rules.Enabled++
		}
		problems = slices.Concat(problems, d.Faults, d.Orphaned)
		troubles = append(troubles, d.Refused...)
	}
	if more := len(troubles) - mostNamed; more > 0 {
		troubles = append(troubles[:mostNamed], fmt.Sprintf("and %d more rules cannot be judged", more))
	}
	unjudged, err := a.Unjudged(ctx)
	s.Rules.Unjudged, s.Rules.Named = len(unjudged), unjudged[:min(len(unjudged), mostNamed)]
	return slices.Concat(problems, troubles, s.Rules.problems()), err
}

// count fills in the numbers and returns what is wrong with them.
func (a *App) count(ctx context.Context, s *Status) []string {
	problems, err := a.countRules(ctx, s)
	if err != nil {
		return append(problems, "rules: "+err.Error())
	}
	if err := a.countAlerts(ctx, s); err != nil {
		return append(problems, "alerts: "+err.Error())
	}
	if s.Channels, err = a.listChannels(ctx); err != nil {
		return append(problems, "channels: "+err.Error())
	}
	dead, err := a.DeadLetters(ctx, "")
	if err != nil {
		return append(problems, "dead letters: "+err.Error())
	}
	s.Dead = len(dead)
	for _, d := range dead {
		s.DeadBy[d.Channel]++
	}
	countDead(s.Channels, dead)
	s.Advice = a.advice(ctx, s.watched, s.Channels)
	problems = append(problems, DeadProblems(dead)...)
	if len(s.Channels) == 0 && s.Rules.Total > 0 {
		problems = append(problems, ToldNobody)
	}
	return problems
}

// openNamed is how many open alerts a status names.
const openNamed = 20

// openRead is how many of the newest are looked at for that.
const openRead = 500

// countAlerts fills in the alerts that are not resolved.
func (a *App) countAlerts(ctx context.Context, s *Status) error {
	for _, status := range []rules.Status{rules.StatusFiring, rules.StatusAcknowledged} {
		_, n, err := a.Store.Alerts(ctx, AlertFilter{Status: status, Limit: 1})
		if err != nil {
			return err
		}
		s.Alerts[string(status)] = n
	}
	open, _, err := a.Alerts(ctx, AlertFilter{Status: rules.StatusOpen, Limit: openRead})
	slices.SortStableFunc(open, func(x, y AlertView) int {
		return cmp.Or(y.Severity.Rank()-x.Severity.Rank(), x.StartedAt.Compare(y.StartedAt))
	})
	s.Open = append(s.Open, open[:min(len(open), openNamed)]...)
	return err
}

// ToldNobody is the problem of a house without a channel.
const ToldNobody = "there is no channel, so nobody is told; add one with `tocsin channels add phone`"

// RuleDiagnosis is what keeps a rule from doing its work, a sentence each.
type RuleDiagnosis struct {
	Rule     rules.Rule
	Faults   []string // in the rule itself
	Refused  []string // by its source, so that it is not judged
	Orphaned []string // of rules that it depends on and that do not exist
}

// DiagnoseRules looks at every rule that is not deleted, by name.
func (a *App) DiagnoseRules(ctx context.Context) ([]RuleDiagnosis, error) {
	list, _, err := a.Store.Rules(ctx, RuleFilter{})
	if err != nil {
		return nil, err
	}
	never, known := a.neverMatched(ctx), ruleNamesOf(list)
	out := make([]RuleDiagnosis, 0, len(list))
	for _, r := range list {
		out = append(out, RuleDiagnosis{r, a.ruleFaults(ctx, r, never), a.troubleProblem(r), orphaned(r, known)})
	}
	return out, nil
}

// ruleProblems says what keeps a rule from doing its work.
func (a *App) ruleProblems(ctx context.Context, r rules.Rule, never map[string]bool) []string {
	return append(a.ruleFaults(ctx, r, never), a.troubleProblem(r)...)
}

// troubleProblem says why a rule is not judged, if its source refuses it.
func (a *App) troubleProblem(r rules.Rule) []string {
	t, ok := a.Trouble(r)
	if !ok || a.Time().Sub(t.Since) < troubleAfter {
		return nil
	}
	since := t.Since.In(a.Config.Location()).Format("2006-01-02 15:04")
	return []string{fmt.Sprintf("rule %s: cannot be judged since %s, nothing it watches is alerted on: %s", r.Name, since,
		t.Text())}
}

// ruleFaults are what in the rule itself keeps it from doing its work.
func (a *App) ruleFaults(ctx context.Context, r rules.Rule, never map[string]bool) (out []string) {
	if a.lost(r, never) {
		out = append(out, fmt.Sprintf("rule %s: %s", r.Name, a.unmatched(ctx, r)))
	}
	if r.Enabled && a.Sources[r.Source] == nil {
		out = append(out, fmt.Sprintf("rule %s: its source %q is not in the config", r.Name, r.Source))
	}
	a.Ledgers.View(r.ID, func(l *rules.Ledger) {
		if l.Refused > 0 {
			out = append(out,
				fmt.Sprintf("rule %s: has more than %d series; further ones are not watched: narrow its where or raise max_series",
					r.Name, r.SeriesLimit()))
		}
	})
	return out
}

// neverMatched picks the rules for which no series ever had a value.
func (a *App) neverMatched(ctx context.Context) map[string]bool {
	out := map[string]bool{}
	ids, err := a.Store.Unmatched(ctx)
	if err != nil {
		return out // status tells what is wrong with the database
	}
	for _, id := range ids {
		out[id] = true
		a.Ledgers.View(id, func(l *rules.Ledger) {
			if l.Matched { // not saved yet
				delete(out, id)
			}
		})
	}
	return out
}

// lost reports whether a rule that never matched has had a day to do so: a name
// in it may be misspelt.
func (a *App) lost(r rules.Rule, never map[string]bool) bool {
	return never[r.ID] && a.Time().Sub(r.UpdatedAt) > 24*time.Hour
}

// Unjudged lists by name the enabled rules that were not judged for three of
// their intervals. Outside the daemon nobody knows, and there are none.
func (a *App) Unjudged(ctx context.Context) ([]string, error) {
	if a.Engine == nil {
		return nil, nil
	}
	stored, err := a.Store.Watched(ctx)
	if err != nil {
		return nil, err
	}
	return a.Engine.Unjudged(stored, a.Time()), nil
}

// mostNamed is how many rules one sentence names.
const mostNamed = 5

// problems says which rules are not judged; nothing when all are.
func (c RuleCounts) problems() []string {
	if c.Unjudged == 0 {
		return nil
	}
	text := fmt.Sprintf("rules: %d of %d enabled rules are not judged for three of their intervals or longer, so nobody "+
		"is told of what they watch: %s",
		c.Unjudged, c.Enabled, strings.Join(c.Named, ", "))
	if more := c.Unjudged - len(c.Named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return []string{text}
}

// troubleAfter is how long a rule may fail before it is called so.
const troubleAfter = time.Minute

// Trouble is what keeps a rule from being judged, as far as the engine of this
// process knows.
func (a *App) Trouble(r rules.Rule) (evaluator.Trouble, bool) {
	if a.Engine == nil || !r.Enabled {
		return evaluator.Trouble{}, false
	}
	return a.Engine.Trouble(r.ID)
}

// Ready reports whether the daemon can do its work: its database answers and
// its ticks are young. A source that is down does not count: restarting
// tocsin would not mend it.
func (a *App) Ready(ctx context.Context) error {
	if err := a.Store.Check(ctx); err != nil {
		return rules.Errorf(rules.Unavailable, "database: %v", err)
	}
	if a.Engine == nil {
		return nil
	}
	last := a.Engine.Stats().Finished
	if last.IsZero() {
		last = a.Started
	}
	if age, most := time.Since(last), TickPatience(a.Config); age > most {
		return rules.Errorf(rules.Unavailable, "the last tick was %s ago; more than %s means that the engine hangs",
			age.Round(time.Second), most)
	}
	return nil
}

// TickPatience is how long ticks may stand still before the engine counts as
// hanging.
func TickPatience(c *Config) time.Duration { return 3*c.Every.Std() + 15*time.Second }

// stuckAfter is how long a channel may fail before deliveries count as stuck.
const stuckAfter = time.Hour

// Well reports whether ticks and deliveries make progress, for a heartbeat to
// the outside: the daemon is ready, no source is down, and no channel has failed
// for long. failing tells which one has for the longest time.
func (a *App) Well(ctx context.Context, failing func() (channel string, since time.Time)) error {
	if err := a.Ready(ctx); err != nil {
		return err
	}
	for _, source := range a.ListSources() {
		if h := source.Health; h != nil && h.Outage {
			return rules.Errorf(rules.Unavailable, "source %s is down since %s", source.Name, h.DownSince.Format(time.RFC3339))
		}
	}
	if channel, since := failing(); channel != "" && time.Since(since) > stuckAfter {
		return rules.Errorf(rules.Unavailable, "channel %s has failed for %s", channel, time.Since(since).Round(time.Minute))
	}
	return nil
}
