package mcp

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/bulk"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

type updateAnswer struct {
	Rule     shownRule   `json:"rule,omitzero"`
	Rules    []namedRule `json:"rules,omitempty"`
	Changes  []change    `json:"changes,omitzero"`
	Undo     string      `json:"undo,omitempty"`
	Confirm  string      `json:"confirm,omitempty"`
	Warnings []string    `json:"warnings"`
	Summary  string      `json:"summary"`
}

// change is a key whose value became another; values are written as JSON, and
// nothing means the default.
type change struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

func shownChanges(list []rules.KeyChange) []change {
	out := make([]change, 0, len(list))
	for _, c := range list {
		out = append(out, change{c.Key, cleaned(string(c.From), dataSize), cleaned(string(c.To), dataSize)})
	}
	return out
}

func (s *Server) updateRule(ctx context.Context, a *arguments) (any, error) {
	picked, token := a.pick(), a.text("confirm")
	o := app.SaveOptions{
		AllowUnknown: a.on("allow_unknown"), DryRun: a.on("dry_run"),
		ExpectedVersion: a.whole("expected_version", 0, 1<<30, 0),
	}
	a.reset()
	if err := a.err(); err != nil {
		return nil, err
	}
	list, err := bulk.PickRules(ctx, s.app, picked)
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return s.updateSeveral(ctx, a, token, list, o)
	}
	was := list[0]
	if !o.DryRun && was.Enabled && setsEnabled(a.given) {
		asked, err := s.askToDisable(ctx, a, token, was, &o)
		if asked != nil || err != nil {
			return asked, err
		}
	}
	saved, err := s.app.UpdateRule(ctx, s.by(ctx), was.ID, a.given, o)
	if err != nil {
		return nil, err
	}
	changes, err := ruledoc.Diff(was.Rule, saved.Rule.Rule)
	if err != nil {
		return nil, err
	}
	out := updateAnswer{Rule: short(saved.Rule), Changes: shownChanges(changes), Warnings: saved.Warnings}
	out.Summary = updateSummary(saved.Rule, out.Changes, o.DryRun)
	if o.DryRun || saved.Rule.Version == was.Version {
		return out, nil
	}
	a.did(was.ID, changes)
	out.Undo = app.Handle(was.ID, saved.Rule.Version)
	if saved.Rule.Version != was.Version+1 {
		out.Warnings = append(out.Warnings,
			fmt.Sprintf("somebody else changed the rule meanwhile; changes are those since version %d", was.Version))
	}
	return out, nil
}

// updateSeveral puts the same keys over several rules.
func (s *Server) updateSeveral(ctx context.Context, a *arguments, token string, list []app.RuleView,
	o app.SaveOptions,
) (any, error) {
	save := app.SaveOptions{AllowUnknown: o.AllowUnknown}
	dry := app.SaveOptions{AllowUnknown: o.AllowUnknown, DryRun: true}
	would, err := bulk.UpdateRules(ctx, s.app, s.by(ctx), list, a.given, dry)
	if err != nil {
		return nil, err
	}
	x := several{
		tool: "update_alert_rule", would: "would be changed", did: "Changed", list: list, effect: quoted(a.given),
		act: func() ([]app.RuleAnswer, error) {
			return bulk.UpdateRules(ctx, s.app, s.by(ctx), list, a.given, save)
		},
	}
	for i, v := range list {
		x.asks = x.asks || v.Enabled && !would[i].Rule.Enabled && v.AsksFirst()
	}
	return s.actOnSeveral(ctx, a, token, o.DryRun, x)
}

// setsEnabled reports whether a change may disable the rule.
func setsEnabled(given map[string]any) bool {
	_, ours := given["enabled"]
	_, seed := given["is_active"]
	return ours || seed
}

// askToDisable asks before a rule is disabled, and returns an answer when the
// call ends with the question. What was asked about is what is changed then.
func (s *Server) askToDisable(ctx context.Context, a *arguments, token string, was app.RuleView,
	o *app.SaveOptions,
) (any, error) {
	if err := atVersion(was, o); err != nil {
		return nil, err
	}
	dry := *o
	dry.DryRun = true
	would, err := s.app.UpdateRule(ctx, s.by(ctx), was.ID, a.given, dry)
	if err != nil || would.Rule.Enabled || !was.AsksFirst() {
		return nil, err
	}
	list, err := ruledoc.Diff(was.Rule, would.Rule.Rule)
	if err != nil {
		return nil, err
	}
	token, err = s.ask(ctx, a, token, question{
		tool: "update_alert_rule",
		text: fmt.Sprintf("Disable the alert rule %s (%s)? Nobody is told any more when this goes wrong: %s.%s", was.Name,
			was.Title, watches(was.Rule), firing(was)),
		subject: was.ID, state: strconv.Itoa(was.Version), effect: quoted(list),
	})
	if token == "" || err != nil {
		return nil, err
	}
	would.Rule.Rule = was.Rule
	return updateAnswer{
		Rule: short(would.Rule), Changes: shownChanges(list), Confirm: token, Warnings: would.Warnings,
		Summary: unconfirmed(fmt.Sprintf("Rule %s would be disabled, and nobody told any more.%s", was.Name, firing(was)),
			token),
	}, nil
}

// atVersion makes an act hold for the version that was read and no other.
func atVersion(was app.RuleView, o *app.SaveOptions) error {
	if o.ExpectedVersion != 0 && o.ExpectedVersion != was.Version {
		return rules.Errorf(rules.Conflict, "rule %q is at version %d now, not %d; read it again", was.Name, was.Version,
			o.ExpectedVersion)
	}
	o.ExpectedVersion = was.Version
	return nil
}

// firing says what becomes of a rule's alerts when it ends.
func firing(r app.RuleView) string {
	switch r.Firing {
	case 0:
		return ""
	case 1:
		return " Its alert ends as no longer watched."
	}
	return fmt.Sprintf(" Its %d alerts end as no longer watched.", r.Firing)
}

func updateSummary(r app.RuleView, list []change, dry bool) string {
	if len(list) == 0 {
		return fmt.Sprintf("Rule %s had these values already.", r.Name)
	}
	act := fmt.Sprintf("Changed rule %s to version %d: ", r.Name, r.Version)
	if dry {
		act = "Checked and not saved; this would change rule " + r.Name + ": "
	}
	return act + cappedText(strings.Join(changedKeys(list), ", "), noteSize) + "."
}

// reset turns the listed keys into nulls, which put back the default.
func (a *arguments) reset() {
	for _, name := range a.texts("reset") {
		v, given := a.given[name]
		switch {
		case !slices.Contains(ruledoc.Names(), name):
			a.wrong("reset", "%s is no key of a rule; known: %s", shown(name), strings.Join(ruledoc.Names(), ", "))
		case given && v != nil:
			a.wrong("reset", "names %s, which also gets a value; give only one of both", name)
		default:
			a.given[name] = nil
		}
	}
}
