// Package bulk is the acts of app on several rules or alerts at once: which are
// meant, all of them tried before any is changed where that can be, and one
// answer. What an act does to one of them is of app.
package bulk

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// RulePick picks rules: by name or id, or all that something is true of.
type RulePick struct {
	Names       []string
	Measurement string
	Where       rules.Filter // the rule looks at these tag values, by its where or its labels
	Severities  []rules.Severity
	Text        string // in name, title or measurement
}

// Empty reports whether nothing is picked by.
func (p RulePick) Empty() bool {
	return len(p.Names) == 0 && p.Measurement == "" && len(p.Where) == 0 && len(p.Severities) == 0 && p.Text == ""
}

// PickRules lists the rules that are meant. A name that nobody has, and a match
// that finds nothing, are refused.
func PickRules(ctx context.Context, a *app.App, p RulePick) ([]app.RuleView, error) {
	if len(p.Names) > 0 {
		return namedRules(ctx, a, p.Names)
	}
	if p.Empty() {
		return nil, rules.FieldErrorf("rule", "is missing; give names or ids of rules, or a match")
	}
	list, _, err := a.ListRules(ctx, app.RuleFilter{Text: p.Text})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(v app.RuleView) bool { return !p.matches(v.Rule) })
	if len(list) == 0 {
		return nil, rules.Errorf(rules.NotFound, "no rule is like that; leave something of the match out")
	}
	return list, nil
}

func namedRules(ctx context.Context, a *app.App, names []string) (out []app.RuleView, err error) {
	var errs []error
	for _, name := range names {
		v, err := a.Rule(ctx, name)
		errs = append(errs, err)
		if err == nil && !slices.ContainsFunc(out, func(o app.RuleView) bool { return o.ID == v.ID }) {
			out = append(out, v)
		}
	}
	return out, errors.Join(errs...)
}

func (p RulePick) matches(r rules.Rule) bool {
	if p.Measurement != "" && r.Measurement != p.Measurement ||
		len(p.Severities) > 0 && !slices.Contains(p.Severities, r.Severity) {
		return false
	}
	for tag, values := range p.Where {
		own := append(slices.Clone(r.Where[tag]), r.Labels[tag])
		if !slices.ContainsFunc(own, func(v string) bool { return v != "" && slices.Contains(values, v) }) {
			return false
		}
	}
	return true
}

// DeleteRules ends rules, one after the other; it says which it ended, and what
// kept it from ending the rest. Names are ids.
func DeleteRules(ctx context.Context, a *app.App, by rules.Actor, list []app.RuleView,
	o app.SaveOptions,
) (out []app.RuleAnswer, err error) {
	var errs []error
	for _, v := range list {
		one := o
		one.ExpectedVersion = v.Version
		answer, err := a.DeleteRule(ctx, by, v.ID, one)
		if errs = append(errs, err); err == nil {
			out = append(out, answer)
		}
	}
	return out, errors.Join(errs...)
}

// UpdateRules puts the keys of doc over several rules. All of them are tried
// before any is changed.
func UpdateRules(ctx context.Context, a *app.App, by rules.Actor, list []app.RuleView, doc rules.Doc,
	o app.SaveOptions,
) (out []app.RuleAnswer, err error) {
	for _, dry := range []bool{true, false} {
		if !dry && o.DryRun {
			break
		}
		var errs []error
		out = nil
		for _, v := range list {
			one := o
			one.DryRun, one.ExpectedVersion = dry, v.Version
			answer, err := a.UpdateRule(ctx, by, v.ID, doc, one)
			if errs = append(errs, err); err == nil {
				out = append(out, answer)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return out, err
		}
	}
	return out, nil
}

// UndoAll takes back changes, the newest first. Handles are as answers give
// them, with commas or blanks between them.
func UndoAll(ctx context.Context, a *app.App, by rules.Actor, handles string,
	o app.SaveOptions,
) (out []app.RestoreAnswer, err error) {
	var errs []error
	list := SplitHandles(handles)
	slices.Reverse(list)
	for _, handle := range list {
		answer, err := a.Undo(ctx, by, handle, o)
		if errs = append(errs, err); err == nil {
			out = append(out, answer)
		}
	}
	return out, errors.Join(errs...)
}

// SplitHandles are the handles in a text.
func SplitHandles(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

// AckPick picks open alerts.
type AckPick struct {
	IDs        []string
	Rules      []string
	Severities []rules.Severity
}

// PickAlerts lists the open alerts that are meant.
func PickAlerts(ctx context.Context, a *app.App, p AckPick) (out []app.AlertView, err error) {
	if len(p.IDs) > 0 {
		for _, id := range p.IDs {
			v, err := a.Alert(ctx, id)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	if len(p.Rules) == 0 && len(p.Severities) == 0 {
		return nil, rules.FieldErrorf("id",
			"is missing; give ids of alerts, or rules or severities whose open alerts are meant")
	}
	var ids []string
	for _, name := range p.Rules {
		r, err := a.Rule(ctx, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	list, _, err := a.Alerts(ctx, app.AlertFilter{Status: rules.StatusOpen})
	for _, v := range list {
		if (len(ids) == 0 || slices.Contains(ids, v.RuleID)) &&
			(len(p.Severities) == 0 || slices.Contains(p.Severities, v.Severity)) {
			out = append(out, v)
		}
	}
	if err == nil && len(out) == 0 {
		err = rules.WithHint(rules.Errorf(rules.NotFound, "no open alert is like that"), rules.SeeFiring, "")
	}
	return out, err
}
