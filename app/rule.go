package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// RuleView is a rule as every door shows it.
type RuleView struct {
	rules.Rule
	Firing  int `json:"firing"`  // alerts that are live
	Pending int `json:"pending"` // instances that wait for `for`
	Series  int `json:"series"`  // instances known to this process
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

	sameData bool     // the data was looked up before
	parents  []string // that the rule depended on before
}

// CreateRule stores a new rule.
func (a *App) CreateRule(ctx context.Context, by rules.Actor, doc rules.Doc, o SaveOptions) (RuleAnswer, error) {
	doc, err := a.complete(ctx, doc)
	if err != nil {
		return RuleAnswer{}, err
	}
	r, err := rules.Parse(doc)
	if err != nil {
		return RuleAnswer{}, err
	}
	r.ID = newID("r")
	warnings, err := a.check(ctx, &r, o)
	if err != nil {
		return RuleAnswer{}, err
	}
	l := rules.NewLedger(r, by, a.now())
	if taken, err := a.Store.FindRule(ctx, r.Owner, r.Name); err == nil {
		return RuleAnswer{}, rules.Errorf(rules.Conflict, "a rule named %q exists already (%s); choose another name, or update that one", r.Name, taken.ID)
	}
	if !o.DryRun {
		if err := a.Book.Create(ctx, l); err != nil {
			return RuleAnswer{}, err
		}
	}
	return RuleAnswer{a.view(l.Rule), warnings}, nil
}

// UpdateRule puts the keys of doc over a rule.
func (a *App) UpdateRule(ctx context.Context, by rules.Actor, nameOrID string, doc rules.Doc, o SaveOptions) (RuleAnswer, error) {
	was, err := a.find(ctx, nameOrID)
	if err != nil {
		return RuleAnswer{}, err
	}
	if len(doc) == 0 {
		return RuleAnswer{}, rules.Errorf(rules.Invalid, "nothing to change was given; name at least one key, for example {\"severity\": \"high\"}")
	}
	next, err := rules.Patch(was, doc)
	if err != nil {
		return RuleAnswer{}, err
	}
	o.sameData, o.parents = sameData(was, next), was.DependsOn
	warnings, err := a.check(ctx, &next, o)
	if err != nil {
		return RuleAnswer{}, err
	}
	if o.DryRun || reflect.DeepEqual(was, next) {
		return RuleAnswer{a.view(next), warnings}, nil
	}
	var saved rules.Rule
	followed, err := a.actOn(ctx, by, was, next.Name, func(s rules.Setting, l *rules.Ledger) error {
		if l.Deleted {
			return rules.Errorf(rules.Conflict, "rule %q was deleted meanwhile; restore it first", was.Name)
		}
		if want := o.ExpectedVersion; want != 0 && l.Rule.Version != want {
			return rules.Errorf(rules.Conflict, "rule %q is at version %d now, not %d; read it again and repeat the change", was.Name, l.Rule.Version, want)
		}
		current := next
		if l.Rule.Version != was.Version {
			if current, err = rules.Patch(l.Rule, doc); err != nil {
				return err
			}
		}
		l.Edit(s, current, by)
		saved = l.Rule
		return nil
	})
	return RuleAnswer{a.view(saved), append(warnings, followed...)}, err
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
		missed = append(missed, fmt.Sprintf("rule %s depends on %s; without it, it fires without regard to it", child.Name, r.Name))
	}
	answer := RuleAnswer{a.view(r), a.notNil(missed)}
	if o.DryRun {
		return answer, nil
	}
	err = a.Book.Act(ctx, a.now(), r.ID, func(s rules.Setting, l *rules.Ledger) error {
		if want := o.ExpectedVersion; want != 0 && l.Rule.Version != want {
			return rules.Errorf(rules.Conflict, "rule %q is at version %d now, not %d; read it again before you delete it", r.Name, l.Rule.Version, want)
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
	if _, err := a.Book.Version(ctx); err != nil { // sees what others did
		return nil, 0, err
	}
	list, total, err := a.Store.Rules(ctx, f)
	out, never := make([]RuleView, 0, len(list)), a.neverMatched(ctx)
	for _, r := range list {
		v := a.view(r)
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
	if _, err := a.Book.Version(ctx); err != nil { // sees what others did
		return RuleView{}, err
	}
	return a.view(r), nil
}

// find returns a rule that is not deleted, by name or id.
func (a *App) find(ctx context.Context, nameOrID string) (rules.Rule, error) {
	r, err := a.Store.FindRule(ctx, "", nameOrID)
	if err != nil {
		return r, a.suggest(ctx, nameOrID, err)
	}
	if r.Name != nameOrID {
		if list, _, err := a.Store.Rules(ctx, RuleFilter{Deleted: true}); err == nil && slices.ContainsFunc(list, func(d rules.Rule) bool { return d.ID == r.ID }) {
			return r, rules.Errorf(rules.NotFound, "rule %q (%s) is deleted; restore it first", r.Name, r.ID)
		}
	}
	return r, nil
}

// sameData reports whether two versions of a rule look at the same data in the
// same way, which then need not be looked up again.
func sameData(a, b rules.Rule) bool {
	c, d := a.Condition, b.Condition
	return a.Source == b.Source && a.Measurement == b.Measurement && a.Field == b.Field &&
		reflect.DeepEqual(a.Where, b.Where) && slices.Equal(a.GroupBy, b.GroupBy) &&
		c.Type == d.Type && c.Aggregation == d.Aggregation && c.Value.Kind == d.Value.Kind &&
		c.Text == d.Text && c.Language == d.Language && c.Column == d.Column && reflect.DeepEqual(c.Inputs, d.Inputs)
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
	return rules.Errorf(rules.NotFound, "no rule %q; the known ones: %s", name, strings.Join(names[:min(len(names), 12)], ", "))
}

func (a *App) view(r rules.Rule) RuleView {
	v := RuleView{Rule: r}
	a.Book.View(r.ID, func(l *rules.Ledger) {
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

// check reports what is wrong with a rule in this house: its source and data,
// its schedule, channels and parents.
func (a *App) check(ctx context.Context, r *rules.Rule, o SaveOptions) (warnings []string, err error) {
	lost, err := a.checkParents(ctx, *r, o.parents)
	warnings = append(warnings, lost...)
	errs := []error{a.checkChannels(ctx, *r), err, checkTrial(*r), possible(*r)}
	schedule, err := evaluator.ParseSchedule(r.Every, r.Zone, a.Config.Every.Std())
	errs = append(errs, err)
	if o.sameData {
		warnings = append(warnings, a.ruleProblems(*r, nil)...)
	} else {
		errs = append(errs, a.settleSource(r))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	name := r.Source
	if !o.sameData {
		r.Unchecked = false
		err = a.checkData(ctx, a.Sources[name], r)
	}
	switch code := rules.CodeOf(err); {
	case err == nil:
	case code == rules.Unavailable && !o.AllowUnknown:
		return nil, rules.Errorf(rules.Unavailable, "source %q cannot be asked whether %s exists: %v; try again, or save it unchecked by allowing unknown data", name, r.What(), err)
	case code == rules.Unavailable:
		r.Unchecked = true
		warnings = append(warnings, fmt.Sprintf("saved unchecked: source %q does not answer", name))
	case !o.AllowUnknown:
		return nil, err
	default:
		warnings = append(warnings, "saved although it does not exist yet: "+err.Error())
	}
	if gap := scheduleGap(schedule, a.now()); r.For > 0 && gap > r.For.Std() {
		warnings = append(warnings, fmt.Sprintf("for is %s but the rule is only evaluated every %s, so it takes at least that long", r.For, rules.Duration(gap)))
	}
	warnings = append(warnings, a.zoneWarnings(*r)...)
	if r.Condition.Type == rules.Query && !o.sameData && err == nil {
		warnings = append(warnings, emptyQuery(ctx, a.Sources[name], *r, a.now())...)
	}
	if reach, err := a.reach(ctx, *r); err == nil && len(reach) == 0 {
		warnings = append(warnings, "this rule reaches nobody: there is no channel; add one with `tocsin channels add`")
	}
	return a.notNil(warnings), nil
}

// zoneWarnings tells of times of day that are in UTC because nobody named a
// zone, where the clocks of the house show something else.
func (a *App) zoneWarnings(r rules.Rule) (out []string) {
	house, now := zoneOr(a.Config), a.now()
	_, winter := now.In(house).Zone()
	_, summer := now.AddDate(0, 6, 0).In(house).Zone()
	if winter == 0 && summer == 0 {
		return nil
	}
	name := house.String()
	if house == time.Local {
		name = "Europe/Berlin"
	}
	const utc = "%s names no zone, so its times are in UTC, which is not what clocks show here; give it one, for example %s%q"
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
		return []string{fmt.Sprintf("the query was asked just now and answers no number in column %q, so there is nothing to judge", r.Condition.Column)}
	}
	return nil
}

// possible refuses the conditions that this version cannot judge.
func possible(r rules.Rule) error {
	switch r.Condition.Type {
	case rules.Anomaly:
		return rules.FieldErrorf("condition.type", "%s is not possible in this version; use threshold, absence, change, forecast, expression or query", r.Condition.Type)
	}
	return nil
}

// settleSource names the source of a rule that names none.
func (a *App) settleSource(r *rules.Rule) (err error) {
	r.Source, _, err = a.source(r.Source)
	return err
}

func scheduleGap(s interface{ Next(time.Time) time.Time }, now time.Time) time.Duration {
	first := s.Next(now)
	return s.Next(first).Sub(first)
}

// checkParents refuses a dependency on a rule that does not exist; one that was
// lost before is a warning.
func (a *App) checkParents(ctx context.Context, r rules.Rule, had []string) (lost []string, err error) {
	var errs []error
	for _, name := range r.DependsOn {
		parent, err := a.Store.FindRule(ctx, r.Owner, name)
		switch {
		case err != nil && slices.Contains(had, name):
			lost = append(lost, orphaned(rules.Rule{Name: r.Name, DependsOn: []string{name}}, nil)...)
		case err != nil:
			errs = append(errs, rules.FieldErrorf("depends_on", "there is no rule %q; create it first, or take it out of depends_on", name))
		case parent.ID == r.ID || a.dependsOn(ctx, parent, r.ID, map[string]bool{}):
			errs = append(errs, rules.FieldErrorf("depends_on", "rule %q depends on this one already; a circle is not possible", name))
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

// checkData refuses what the source does not hold: it would answer a typo with
// silence.
func (a *App) checkData(ctx context.Context, s evaluator.Source, r *rules.Rule) error {
	if r.Condition.Type == rules.Expression {
		return a.checkInputs(ctx, s, r)
	}
	if r.Condition.Type == rules.Query {
		return evaluator.CheckStatement(s, r)
	}
	if r.Measurement == "" {
		return nil
	}
	measurements, err := s.Measurements(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(measurements, r.Measurement) {
		return unknown("measurement", r.Measurement, measurements)
	}
	fields, err := s.Fields(ctx, r.Measurement)
	if err != nil {
		return err
	}
	kind, ok := fields[r.Field]
	if r.Field != "" && !ok {
		return unknown("field", r.Field, slices.Sorted(maps.Keys(fields)))
	}
	if err := checkKind(r, kind); err != nil {
		return err
	}
	return a.checkTags(ctx, s, r)
}

// checkKind refuses to compare text with numbers, which would never be wrong.
func checkKind(r *rules.Rule, kind string) error {
	c := r.Condition
	switch text := c.Value.Kind == rules.Text; {
	case c.Type != rules.Threshold || kind == "":
	case kind == "string" && !text && c.Aggregation != rules.Count:
		return rules.FieldErrorf("field", "%q holds text, which only aggregation latest with == or != and a text value can judge, or count; got %s", r.Field, c)
	case kind == "boolean" && text:
		return rules.FieldErrorf("condition.value", "is text, and field %q is true or false; got %s; for example true", r.Field, c.Value)
	case kind != "string" && text:
		return rules.FieldErrorf("condition.value", "is text, and field %q holds numbers; got %s; for example 25", r.Field, c.Value)
	}
	return nil
}

// checkInputs looks up each input of an expression as a rule of its own. A tag
// that an input lacks is no mistake: it then stands for every value.
func (a *App) checkInputs(ctx context.Context, s evaluator.Source, r *rules.Rule) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.Condition.Inputs)) {
		in := r.Condition.Inputs[name]
		alone := rules.Rule{Measurement: in.Measurement, Field: in.Field, Where: in.Where, Condition: rules.Condition{Type: rules.Threshold, Aggregation: in.Aggregation}}
		err := a.checkData(ctx, s, &alone)
		var ours *rules.Error
		if errors.As(err, &ours) {
			err = &rules.Error{Code: ours.Code, Field: "condition.inputs." + name + "." + ours.Field, Text: ours.Text}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (a *App) checkTags(ctx context.Context, s evaluator.Source, r *rules.Rule) error {
	tags, err := s.Tags(ctx, r.Measurement)
	if err != nil {
		return err
	}
	for _, tag := range r.GroupBy {
		if !slices.Contains(tags, tag) {
			return unknown("group_by", tag, tags)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(r.Where)) {
		if !slices.Contains(tags, tag) {
			return unknown("where", tag, tags)
		}
		values, err := s.TagValues(ctx, r.Measurement, tag, tagValuesAsked)
		if err != nil {
			return err
		}
		for _, v := range r.Where[tag] {
			if !slices.Contains(values, v) && len(values) < tagValuesAsked {
				return unknown("where."+tag, v, values)
			}
		}
	}
	return nil
}

const tagValuesAsked = 10_000

// unknownHint is how a rule is saved all the same; doors say it in their words.
const unknownHint = "; to save the rule for data yet to come, allow unknown data"

// unknown says that a name does not exist, with the nearest that do.
func unknown(field, name string, known []string) error {
	if len(known) == 0 {
		return rules.FieldErrorf(field, "%q does not exist, the source holds nothing there yet"+unknownHint, name)
	}
	near := rules.Nearest(name, known)
	hint := "known: " + strings.Join(known[:min(len(known), 12)], ", ")
	if len(known) > 12 {
		hint += fmt.Sprintf(" and %d more", len(known)-12)
	}
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	return rules.FieldErrorf(field, "%q does not exist; %s"+unknownHint, name, hint)
}

// complete finds measurement and field for a rule that only says monitor_id,
// as the system that tocsin replaces allowed.
func (a *App) complete(ctx context.Context, doc rules.Doc) (rules.Doc, error) {
	id, given := doc["monitor_id"]
	if !given || doc["measurement"] != nil && doc["field"] != nil {
		return doc, nil
	}
	name, _ := doc["source"].(string)
	_, source, err := a.source(name)
	if err != nil {
		return nil, err
	}
	carriers, err := carriers(ctx, source, fmt.Sprint(id), doc)
	if err != nil {
		return nil, err
	}
	switch len(carriers) {
	case 0:
		return nil, rules.FieldErrorf("monitor_id", "no measurement carries monitor_id %q; name measurement and field", fmt.Sprint(id))
	case 1:
		out := maps.Clone(doc)
		out["measurement"], out["field"] = carriers[0][0], carriers[0][1]
		return out, nil
	}
	var names []string
	for _, c := range carriers {
		names = append(names, c[0]+"."+c[1])
	}
	return nil, rules.FieldErrorf("monitor_id", "several measurements carry it: %s; name one, for example measurement: %s, field: %s",
		strings.Join(names, ", "), carriers[0][0], carriers[0][1])
}

// carriers lists measurement and field pairs of numbers whose series have the
// monitor id.
func carriers(ctx context.Context, s evaluator.Source, id string, doc rules.Doc) (out [][2]string, err error) {
	measurements, err := s.Measurements(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range measurements {
		if want, ok := doc["measurement"].(string); ok && want != m {
			continue
		}
		values, err := s.TagValues(ctx, m, "monitor_id", tagValuesAsked)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(values, id) {
			continue
		}
		fields, err := s.Fields(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, f := range slices.Sorted(maps.Keys(fields)) {
			if want, ok := doc["field"].(string); (!ok || want == f) && fields[f] != "string" {
				out = append(out, [2]string{m, f})
			}
		}
	}
	return out, nil
}
