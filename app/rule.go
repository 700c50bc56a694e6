package app

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// RuleView is a rule as every door shows it.
type RuleView struct {
	rules.Rule
	Firing  int `json:"firing"`  // alerts that are live
	Pending int `json:"pending"` // instances that wait for `for`
	Series  int `json:"series"`  // instances known to this process
	// Tells names the channels that a first message goes to, and Routed says
	// that the config's notify picks them because the rule names none.
	Tells  []string `json:"tells"`
	Routed bool     `json:"routed"`
	// NeverMatched says that no series had a value in the rule's first day.
	NeverMatched bool `json:"never_matched"`
}

// RuleAnswer is what an act on a rule answers.
type RuleAnswer struct {
	Rule     RuleView `json:"rule"`
	Warnings []string `json:"warnings"`
}

// SaveOptions say how an act on a rule is to be taken.
type SaveOptions struct {
	AllowUnknown    bool // the measurement, field or tags may not exist yet
	DryRun          bool // check and answer, save nothing
	ExpectedVersion int  // refuse when the rule has another version; 0 for any
	Whole           bool // an update is the whole rule: what it leaves out goes back to its default
}

// CreateRule stores a new rule.
func (a *App) CreateRule(ctx context.Context, by rules.Actor, doc rules.Doc, o SaveOptions) (RuleAnswer, error) {
	doc, err := a.Complete(ctx, doc)
	if err != nil {
		return RuleAnswer{}, err
	}
	r, err := ruledoc.Parse(doc)
	if err != nil {
		return RuleAnswer{}, err
	}
	r.ID = NewID("r")
	said := a.SettleZones(&r)
	warnings, err := a.CheckRule(ctx, &r, CheckOptions{AllowUnknown: o.AllowUnknown})
	if err != nil {
		return RuleAnswer{}, err
	}
	warnings = append(warnings, said...)
	l := rules.NewLedger(r, by, a.Time())
	if taken, err := a.Store.FindRule(ctx, r.Owner, r.Name); err == nil {
		return RuleAnswer{}, rules.Errorf(rules.Conflict,
			"a rule named %q exists already (%s); choose another name, or update that one", r.Name, taken.ID)
	}
	if !o.DryRun {
		if err := a.Ledgers.Create(ctx, l); err != nil {
			return RuleAnswer{}, err
		}
	}
	return RuleAnswer{a.view(ctx, l.Rule), warnings}, nil
}

// UpdateRule puts the keys of doc over a rule, or doc in its place.
func (a *App) UpdateRule(ctx context.Context, by rules.Actor, nameOrID string, doc rules.Doc,
	o SaveOptions,
) (RuleAnswer, error) {
	was, err := a.find(ctx, nameOrID)
	if err != nil {
		return RuleAnswer{}, err
	}
	if len(doc) == 0 {
		return RuleAnswer{}, rules.Errorf(rules.Invalid,
			"nothing to change was given; name at least one key, for example {\"severity\": \"high\"}")
	}
	patch := ruledoc.Patch
	if o.Whole {
		patch = ruledoc.Rewrite
	}
	next, err := patch(was, doc)
	if err != nil {
		return RuleAnswer{}, err
	}
	var said []string
	if setsTimes(doc) {
		said = a.SettleZones(&next)
	}
	warnings, err := a.CheckRule(ctx, &next, CheckOptions{
		AllowUnknown: o.AllowUnknown, SameData: SameData(was, next), Parents: was.DependsOn,
	})
	if err != nil {
		return RuleAnswer{}, err
	}
	warnings = append(warnings, said...)
	if o.DryRun || reflect.DeepEqual(was, next) {
		return RuleAnswer{a.view(ctx, next), warnings}, nil
	}
	var saved rules.Rule
	followed, err := a.actOn(ctx, by, was, next.Name, func(s rules.Setting, l *rules.Ledger) error {
		if l.Deleted {
			return rules.Errorf(rules.Conflict, "rule %q was deleted meanwhile; restore it first", was.Name)
		}
		if want := o.ExpectedVersion; want != 0 && l.Rule.Version != want {
			return rules.Errorf(rules.Conflict, "rule %q is at version %d now, not %d; read it again and repeat the change",
				was.Name, l.Rule.Version, want)
		}
		current := next
		if l.Rule.Version != was.Version {
			if current, err = patch(l.Rule, doc); err != nil {
				return err
			}
			if setsTimes(doc) {
				a.SettleZones(&current)
			}
		}
		l.Edit(s, current, by)
		saved = l.Rule
		return nil
	})
	return RuleAnswer{a.view(ctx, saved), append(warnings, followed...)}, err
}

// DeleteRule ends a rule; its history stays and Restore brings it back.
func (a *App) DeleteRule(ctx context.Context, by rules.Actor, nameOrID string, o SaveOptions) (RuleAnswer, error) {
	r, err := a.find(ctx, nameOrID)
	if err != nil {
		return RuleAnswer{}, err
	}
	children, err := a.children(ctx, r)
	if err != nil {
		return RuleAnswer{}, err
	}
	var missed []string
	for _, child := range children {
		missed = append(missed,
			fmt.Sprintf("rule %s depends on %s; without it, it fires without regard to it", child.Name, r.Name))
	}
	answer := RuleAnswer{a.view(ctx, r), a.notNil(missed)}
	if o.DryRun {
		return answer, nil
	}
	err = a.Ledgers.Act(ctx, a.Time(), r.ID, func(s rules.Setting, l *rules.Ledger) error {
		if want := o.ExpectedVersion; want != 0 && l.Rule.Version != want {
			return rules.Errorf(rules.Conflict, "rule %q is at version %d now, not %d; read it again before you delete it",
				r.Name, l.Rule.Version, want)
		}
		if l.Deleted {
			return rules.Errorf(rules.NotFound, "no rule %q", nameOrID)
		}
		l.Delete(s, by)
		answer.Rule.Rule = l.Rule
		return nil
	})
	return answer, err
}

// ListRules lists rules by name, with the total before the page was cut.
func (a *App) ListRules(ctx context.Context, f RuleFilter) ([]RuleView, int, error) {
	if _, err := a.Ledgers.Version(ctx); err != nil { // sees what others did
		return nil, 0, err
	}
	list, total, err := a.Store.Rules(ctx, f)
	out, never, channels := make([]RuleView, 0, len(list)), a.neverMatched(ctx), a.knownChannels(ctx)
	for _, r := range list {
		v := a.viewAmong(r, channels)
		v.NeverMatched = a.lost(r, never)
		out = append(out, v)
	}
	return out, total, err
}

// Rule returns one rule by name or id.
func (a *App) Rule(ctx context.Context, nameOrID string) (RuleView, error) {
	r, err := a.find(ctx, nameOrID)
	if err != nil {
		return RuleView{}, err
	}
	if _, err := a.Ledgers.Version(ctx); err != nil { // sees what others did
		return RuleView{}, err
	}
	return a.view(ctx, r), nil
}

// find returns a rule that is not deleted, by name or id.
func (a *App) find(ctx context.Context, nameOrID string) (rules.Rule, error) {
	r, err := a.Store.FindRule(ctx, "", nameOrID)
	if err != nil {
		return r, a.suggest(ctx, nameOrID, err)
	}
	if r.Name != nameOrID {
		if list, _, err := a.Store.Rules(ctx, RuleFilter{Deleted: true}); err == nil &&
			slices.ContainsFunc(list, func(d rules.Rule) bool { return d.ID == r.ID }) {
			return r, rules.Errorf(rules.NotFound, "rule %q (%s) is deleted; restore it first", r.Name, r.ID)
		}
	}
	return r, nil
}

// suggest adds the nearest names to a rule that was not found.
func (a *App) suggest(ctx context.Context, name string, err error) error {
	list, _, listErr := a.Store.Rules(ctx, RuleFilter{})
	if rules.CodeOf(err) != rules.NotFound || listErr != nil {
		return err
	}
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	if near := rules.Nearest(name, names); len(near) > 0 {
		return rules.Errorf(rules.NotFound, "no rule %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	if len(names) == 0 {
		return rules.Errorf(rules.NotFound, "no rule %q; there is none yet", name)
	}
	return rules.Errorf(rules.NotFound, "no rule %q; the known ones: %s", name,
		strings.Join(names[:min(len(names), 12)], ", "))
}

func (a *App) view(ctx context.Context, r rules.Rule) RuleView {
	return a.viewAmong(r, a.knownChannels(ctx))
}

// viewAmong is how a rule is shown where there are these channels.
func (a *App) viewAmong(r rules.Rule, channels []string) RuleView {
	v := RuleView{Rule: r, Tells: r.Channels}
	if v.Routed = len(r.Channels) == 0; v.Routed {
		v.Tells = a.Config.Route(r.Severity, channels)
	}
	v.Tells = append([]string{}, v.Tells...)
	a.Ledgers.View(r.ID, func(l *rules.Ledger) {
		v.Series = l.Size()
		l.Instances(func(in *rules.Instance) bool {
			switch in.State {
			case rules.Firing, rules.Recovering:
				v.Firing++
			case rules.Pending:
				v.Pending++
			}
			return true
		})
	})
	return v
}

// notNil adds the warnings of this process and never returns nil.
func (a *App) notNil(list []string) []string {
	return append(append([]string{}, list...), a.Warnings()...)
}
