package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// SilenceRequest is a silence as a person asks for it.
type SilenceRequest struct {
	Rules      []string     // by name or id; none for all rules
	Match      rules.Filter // tags or labels with their values
	Severities []rules.Severity
	Everything bool          // says that a silence of all alerts is meant
	From       time.Time     // zero: from now on
	Until      time.Time     // zero: For, or open-ended
	For        time.Duration // how long, counted from From
	OpenEnded  bool          // says that it is to last until somebody ends it
	Weekly     *rules.Active // at these times of the week only
	Comment    string
	DryRun     bool // say what it would hide, and save nothing
}

// SilenceView is a silence as every door shows it.
type SilenceView struct {
	ID         string           `json:"id"`
	About      string           `json:"about"` // what it is about, in words
	RuleID     string           `json:"rule_id,omitempty"`
	Rule       string           `json:"rule,omitempty"`     // its name
	RuleIDs    []string         `json:"rule_ids,omitempty"` // where it names several
	Match      rules.Filter     `json:"match,omitempty"`
	Severities []rules.Severity `json:"severities,omitempty"`
	From       time.Time        `json:"from"`
	Until      *time.Time       `json:"until"` // null: until somebody ends it
	Weekly     *rules.Active    `json:"weekly,omitempty"`
	Comment    string           `json:"comment,omitempty"`
	State      string           `json:"state"`   // running, waiting, over
	Matches    int              `json:"matches"` // open alerts that it is about
	Hides      int              `json:"hides"`   // those of them that it holds back now
	Alerts     []string         `json:"alerts"`  // what they are, the first few
	Rules      []string         `json:"rules"`   // names of the rules whose alerts it can match
	By         rules.Actor      `json:"by"`
	CreatedAt  time.Time        `json:"created_at"`
	EndedBy    *rules.Actor     `json:"ended_by,omitempty"`
}

// The states of a silence.
const (
	SilenceRunning = "running"
	SilenceWaiting = "waiting" // it has not begun, or this is not its time of the week
	SilenceOver    = "over"
)

// SilenceAnswer is what became of a silence, in the words of every door.
type SilenceAnswer struct {
	Silence  SilenceView `json:"silence"`
	DryRun   bool        `json:"dry_run,omitempty"`
	Warnings []string    `json:"warnings"`
}

// CreateSilence holds back messages from now on, or only says which it would.
func (a *App) CreateSilence(ctx context.Context, by rules.Actor, req SilenceRequest) (SilenceAnswer, error) {
	now := a.Time()
	s, err := a.readSilence(ctx, req, now)
	if err != nil {
		return SilenceAnswer{}, err
	}
	s.ID, s.By, s.CreatedAt = NewID("s"), by, now
	scene, err := a.scene(ctx)
	if err != nil {
		return SilenceAnswer{}, err
	}
	if !req.DryRun {
		if err := a.Store.PutSilence(ctx, s); err != nil {
			return SilenceAnswer{}, err
		}
	}
	return SilenceAnswer{Silence: scene.view(s, now), DryRun: req.DryRun, Warnings: a.notNil(scene.doubts(s))}, nil
}

// readSilence makes a silence of what was asked for.
func (a *App) readSilence(ctx context.Context, req SilenceRequest, now time.Time) (rules.Silence, error) {
	s := rules.Silence{
		Match: req.Match, Severities: req.Severities, From: req.From.UTC(), Until: req.Until, Weekly: req.Weekly,
		Comment: strings.TrimSpace(req.Comment),
	}
	if req.From.IsZero() {
		s.From = now
	}
	switch {
	case req.For != 0 && !req.Until.IsZero():
		return s, rules.FieldErrorf("until", "is given beside a length; give one of them")
	case req.For < 0:
		return s, rules.FieldErrorf("for", "must be a length of time above zero; got %s; for example 2h",
			rules.Duration(req.For))
	case req.For > 0:
		s.Until = s.From.Add(req.For)
	}
	if s.Until.IsZero() && s.Weekly == nil && !req.OpenEnded {
		return s, rules.WithHint(rules.FieldErrorf("until", "is missing; give an end or a length, for example 2h"),
			rules.LeaveOpen, "")
	}
	if !s.Until.IsZero() && req.OpenEnded {
		return s, rules.FieldErrorf("until", "is given, so the silence is not open-ended; give one of them")
	}
	if err := a.nameRules(ctx, &s, req.Rules); err != nil {
		return s, err
	}
	if err := s.Check(req.Everything, now); err != nil {
		return s, err
	}
	if s.Weekly != nil && s.Weekly.Zone == "" {
		weekly := *s.Weekly
		weekly.Zone, s.Weekly = a.Config.zoneName(), &weekly
		if weekly.Zone == "" {
			return s, rules.FieldErrorf("weekly.zone",
				"is missing, and this machine does not say which one it is in; for example Europe/Berlin")
		}
	}
	return s, nil
}

// nameRules notes the rules that a silence is for.
func (a *App) nameRules(ctx context.Context, s *rules.Silence, names []string) error {
	var ids []string
	for _, name := range names {
		r, err := a.Store.FindRule(ctx, "", name)
		if err != nil {
			return a.suggest(ctx, name, err)
		}
		if !slices.Contains(ids, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 1 {
		s.RuleID = ids[0]
	} else {
		s.RuleIDs = ids
	}
	return nil
}

// silencesShown is how long a silence that is over is listed when asked for.
const silencesShown = 30 * 24 * time.Hour

// ListSilences lists the silences that are not over, the next to end first;
// with over also those that ended in the last 30 days.
func (a *App) ListSilences(ctx context.Context, over bool) ([]SilenceView, error) {
	now := a.Time()
	after := now
	if over {
		after = now.Add(-silencesShown)
	}
	list, err := a.Store.Silences(ctx, after)
	if err != nil {
		return nil, err
	}
	scene, err := a.scene(ctx)
	out := make([]SilenceView, 0, len(list))
	for _, s := range list {
		out = append(out, scene.view(s, now))
	}
	return out, err
}

// EndSilence ends a silence before its time. What is still wrong is told at
// the next tick.
func (a *App) EndSilence(ctx context.Context, by rules.Actor, id string) (SilenceAnswer, error) {
	now := a.Time()
	list, err := a.Store.Silences(ctx, now.Add(-silencesShown))
	if err != nil {
		return SilenceAnswer{}, err
	}
	i := slices.IndexFunc(list, func(s rules.Silence) bool { return s.ID == id })
	if i < 0 {
		return SilenceAnswer{}, noSilence(id, list, now)
	}
	s := list[i]
	if s.Over(now) {
		return SilenceAnswer{}, rules.Errorf(rules.Conflict, "silence %s is over since %s", id, s.Until.Format(time.RFC3339))
	}
	scene, err := a.scene(ctx)
	if err != nil {
		return SilenceAnswer{}, err
	}
	s.Until, s.EndedBy = now, by
	if s.From.After(now) {
		s.From = now
	}
	if err := a.Store.PutSilence(ctx, s); err != nil {
		return SilenceAnswer{}, err
	}
	return SilenceAnswer{Silence: scene.view(s, now), Warnings: a.notNil(nil)}, nil
}

func noSilence(id string, list []rules.Silence, now time.Time) error {
	var known []string
	for _, s := range list {
		if !s.Over(now) {
			known = append(known, s.ID)
		}
	}
	if len(known) == 0 {
		return rules.Errorf(rules.NotFound, "there is no silence %q, and no other one that runs", id)
	}
	return rules.Errorf(rules.NotFound, "there is no silence %q; those that are not over: %s", id,
		strings.Join(known, ", "))
}

// scene is what silences are held against: the rules and the open alerts.
type scene struct {
	rules  map[string]*rules.Rule
	alerts []AlertRow
}

func (a *App) scene(ctx context.Context) (scene, error) {
	list, _, err := a.Store.Rules(ctx, RuleFilter{})
	if err != nil {
		return scene{}, err
	}
	c := scene{rules: map[string]*rules.Rule{}}
	for i := range list {
		c.rules[list[i].ID] = &list[i]
	}
	c.alerts, _, err = a.Store.Alerts(ctx, AlertFilter{Status: rules.StatusOpen})
	return c, err
}

// matching lists the open alerts that a silence is about.
func (c scene) matching(s *rules.Silence) (out []AlertRow) {
	for _, alert := range c.alerts {
		if r := c.rules[alert.RuleID]; r != nil && s.Matches(r, alert.Series, alert.Severity) {
			out = append(out, alert)
		}
	}
	return out
}

// alertsNamed is how many alerts an answer about a silence names.
const alertsNamed = 10

func (c scene) view(s rules.Silence, now time.Time) SilenceView {
	found := c.matching(&s)
	v := SilenceView{
		ID: s.ID, About: c.scope(s), RuleID: s.RuleID, RuleIDs: s.RuleIDs, Match: s.Match, Severities: s.Severities,
		From: s.From, Until: rules.Given(s.Until), Weekly: s.Weekly,
		Comment: s.Comment,
		State:   SilenceWaiting, Matches: len(found), Alerts: []string{}, By: s.By, CreatedAt: s.CreatedAt,
		Rules: c.about(s),
	}
	if r := c.rules[s.RuleID]; r != nil {
		v.Rule = r.Name
	}
	if s.EndedBy.Name != "" {
		v.EndedBy = &s.EndedBy
	}
	switch {
	case s.Over(now):
		v.State = SilenceOver
	case s.Runs(now):
		v.State, v.Hides = SilenceRunning, len(found)
	}
	for _, alert := range found[:min(len(found), alertsNamed)] {
		v.Alerts = append(v.Alerts, alertName(alert.Title, alert.Series))
	}
	return v
}

// scope says in words what a silence is about.
func (c scene) scope(s rules.Silence) string {
	var names []string
	for _, id := range s.Of() {
		names = append(names, c.ruleName(id))
	}
	return s.Scope(names...)
}

// about names the rules that a silence can be about: those that could have an
// alert with its labels.
func (c scene) about(s rules.Silence) []string {
	out := []string{}
	for _, r := range c.rules {
		if r.Enabled && s.Concerns(r) {
			out = append(out, r.Name)
		}
	}
	slices.Sort(out)
	return out
}

func alertName(title string, series rules.Series) string {
	if series == "" {
		return title
	}
	return title + " (" + strings.ReplaceAll(string(series), ",", ", ") + ")"
}

// doubts are what makes it likely that a silence is not what was meant: it can
// match nothing.
func (c scene) doubts(s rules.Silence) (out []string) {
	known := map[string]bool{}
	for _, r := range c.rules {
		if of := s.Of(); len(of) > 0 && !slices.Contains(of, r.ID) {
			continue
		}
		for _, tag := range r.GroupBy {
			known[tag] = true
		}
		for label := range r.Labels {
			known[label] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Match)) {
		if known[name] {
			continue
		}
		text := fmt.Sprintf("no rule groups by %q or has it as a label, so this silence hides nothing now", name)
		if near := rules.Nearest(name, slices.Sorted(maps.Keys(known))); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		out = append(out, text)
	}
	return out
}
