package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// CheckOptions say how a rule is to be checked.
type CheckOptions struct {
	AllowUnknown bool     // the measurement, field or tags may not exist yet
	SameData     bool     // the data was looked up before
	Many         bool     // one of many, whose points are not looked at
	Parents      []string // that the rule depended on before: one that is lost is a warning
}

// CheckRule reports what is wrong with a rule in this house: its source and
// data, its schedule, channels and parents. It names the source of a rule that
// names none.
func (a *App) CheckRule(ctx context.Context, r *rules.Rule, o CheckOptions) (warnings []string, err error) {
	lost, err := a.CheckParents(ctx, *r, o.Parents)
	warnings = append(warnings, lost...)
	errs := []error{a.checkChannels(ctx, *r), err, evaluator.CheckRule(r, a.Config.Every.Std())}
	if o.SameData {
		warnings = append(warnings, a.ruleProblems(ctx, *r, nil)...)
	} else {
		errs = append(errs, a.SettleSource(r))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	name := r.Source
	if !o.SameData {
		r.Unchecked = false
		err = lookup.Names{Source: a.Sources[name], Cure: rules.AllowUnknown}.Check(ctx, r)
	}
	switch code := rules.CodeOf(err); {
	case err == nil:
	case code == rules.Unavailable && !o.AllowUnknown:
		return nil, rules.WithHint(rules.Errorf(rules.Unavailable,
			"source %q cannot be asked whether %s exists: %v; try again", name, r.What(), err), rules.SaveUnchecked, "")
	case code == rules.Unavailable:
		r.Unchecked = true
		warnings = append(warnings, fmt.Sprintf("saved unchecked: source %q does not answer", name))
	case !o.AllowUnknown:
		return nil, err
	default:
		warnings = append(warnings, "saved although it does not exist yet: "+err.Error())
	}
	if err == nil && !o.SameData {
		if mixed := (lookup.Names{Source: a.Sources[name]}).Mixed(ctx, r); mixed != "" {
			warnings = append(warnings, mixed)
		}
	}
	if err == nil && !o.Many {
		warnings = append(warnings, lookup.SparseWarning(ctx, a.Sources[name], *r, a.Time())...)
		warnings = append(warnings, a.wouldTell(ctx, *r)...)
	}
	warnings = append(warnings, a.rareTicks(r)...)
	warnings = append(warnings, a.zoneWarnings(*r)...)
	if r.Condition.Type == rules.Query && !o.SameData && err == nil {
		warnings = append(warnings, emptyQuery(ctx, a.Sources[name], *r, a.Time())...)
	}
	if reach, err := a.Reach(ctx, *r); err == nil && len(reach) == 0 {
		warnings = append(warnings, "this rule reaches nobody: there is no channel; add one with `tocsin channels add`")
	}
	warnings = append(warnings, a.selfDependent(ctx, *r)...)
	return a.notNil(warnings), nil
}

// rareTicks warns of a rule that is judged more rarely than its for is long, or
// hardly ever.
func (a *App) rareTicks(r *rules.Rule) []string {
	ticks, err := schedule.Parse(r.Every, r.Zone, a.Config.Every.Std())
	if err != nil {
		return nil
	}
	if first := ticks.Next(a.Time()); first.Sub(a.Time()) > 366*24*time.Hour {
		return []string{fmt.Sprintf("every %q is due on %s for the first time, in more than a year", r.Every,
			first.In(a.Config.Location()).Format(time.DateOnly))}
	}
	if gap := rules.Duration(schedule.Gap(ticks, a.Time())); r.For > 0 && gap > r.For {
		return []string{fmt.Sprintf("for is %s but the rule is only evaluated every %s, so it takes at least that long",
			r.For, gap)}
	}
	return nil
}

// SettleZones gives the times of day of a rule that name no zone that of the
// house, where people read them, and says which it is.
func (a *App) SettleZones(r *rules.Rule) (said []string) {
	zone := a.Config.zoneName()
	if r.Active != nil && r.Active.Zone == "" && cmp.Or(r.Zone, zone) != "" {
		active := *r.Active
		active.Zone, r.Active = cmp.Or(r.Zone, zone), &active
		said = append(said, "active is in "+active.Zone+", as no zone was given")
	}
	if _, err := rules.ParseDuration(r.Every); err != nil && r.Every != "" && r.Zone == "" && zone != "" {
		r.Zone = zone
		said = append(said, "every is in "+zone+", as no zone was given")
	}
	if zone == "UTC" {
		return nil // which is what everybody takes for granted there
	}
	return said
}

// setsTimes reports whether a document says when a rule is judged.
func setsTimes(doc rules.Doc) bool {
	for _, key := range []string{"active", "every", "zone"} {
		if _, given := doc[key]; given {
			return true
		}
	}
	return false
}

// zoneWarnings tells of times of day that are in UTC because nobody named a
// zone, where the clocks of the house show something else.
func (a *App) zoneWarnings(r rules.Rule) (out []string) {
	house, now := a.Config.Location(), a.Time()
	_, winter := now.In(house).Zone()
	_, summer := now.AddDate(0, 6, 0).In(house).Zone()
	if winter == 0 && summer == 0 {
		return nil
	}
	name := house.String()
	if house == time.Local {
		name = "Europe/Berlin"
	}
	const utc = "%s names no zone, so its times are in UTC, which is not what clocks show here; give it one, for " +
		"example %s%q"
	if r.Active != nil && r.Active.Hours != "" && r.Active.Zone == "" {
		out = append(out, fmt.Sprintf(utc, "active", "active.zone ", name))
	}
	if _, err := rules.ParseDuration(r.Every); err != nil && r.Every != "" && r.Zone == "" {
		out = append(out, fmt.Sprintf(utc, "every", "zone ", name))
	}
	return out
}

// emptyQuery asks a query of its users once, since nobody else knows whether
// the names in it exist.
func emptyQuery(ctx context.Context, s evaluator.Source, r rules.Rule, now time.Time) []string {
	rows, values, err := evaluator.TryStatement(ctx, s, &r, now)
	switch {
	case rules.CodeOf(err) == rules.Invalid:
		return []string{"the query was asked just now, and refused: " + rules.Sentence(err)}
	case err != nil: // of no fault of the query
		return nil
	case rows == 0:
		return []string{"the query was asked just now and answers nothing; is a name in it misspelt?"}
	case values == 0:
		return []string{fmt.Sprintf("the query was asked just now and answers no number in column %q, so there is nothing "+
			"to judge", r.Condition.Column)}
	}
	return nil
}

// SettleSource names the source of a rule that names none.
func (a *App) SettleSource(r *rules.Rule) (err error) {
	r.Source, _, err = a.Source(r.Source)
	return err
}

// CheckParents refuses a dependency on a rule that does not exist; one that was
// lost before is a warning.
func (a *App) CheckParents(ctx context.Context, r rules.Rule, had []string) (lost []string, err error) {
	var errs []error
	for _, name := range r.DependsOn {
		parent, err := a.Store.FindRule(ctx, r.Owner, name)
		switch {
		case err != nil && slices.Contains(had, name):
			lost = append(lost, orphaned(rules.Rule{Name: r.Name, DependsOn: []string{name}}, nil)...)
		case err != nil:
			errs = append(errs,
				rules.FieldErrorf("depends_on", "there is no rule %q; create it first, or take it out of depends_on", name))
		case parent.ID == r.ID || a.dependsOn(ctx, parent, r.ID, map[string]bool{}):
			errs = append(errs,
				rules.FieldErrorf("depends_on", "rule %q depends on this one already; a circle is not possible", name))
		}
	}
	return lost, errors.Join(errs...)
}

// dependsOn reports whether a rule depends, over whatever steps, on id; seen
// are those that were asked already.
func (a *App) dependsOn(ctx context.Context, r rules.Rule, id string, seen map[string]bool) bool {
	if seen[r.ID] {
		return false
	}
	seen[r.ID] = true
	return slices.ContainsFunc(r.DependsOn, func(name string) bool {
		parent, err := a.Store.FindRule(ctx, r.Owner, name)
		return err == nil && (parent.ID == id || a.dependsOn(ctx, parent, id, seen))
	})
}

// SameData reports whether two versions of a rule look at the same data in the
// same way, which then need not be looked up again.
func SameData(a, b rules.Rule) bool {
	c, d := a.Condition, b.Condition
	return a.Source == b.Source && a.Measurement == b.Measurement && a.Field == b.Field &&
		reflect.DeepEqual(a.Where, b.Where) && slices.Equal(a.GroupBy, b.GroupBy) &&
		c.Type == d.Type && c.Aggregation == d.Aggregation && c.Value.Kind == d.Value.Kind &&
		c.Text == d.Text && c.Language == d.Language && c.Column == d.Column && reflect.DeepEqual(c.Inputs, d.Inputs)
}
