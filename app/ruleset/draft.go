package ruleset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// draft is a plan in the making. Its house is the App with the rules as they
// will be, in which the new ones are checked.
type draft struct {
	store    app.RuleStore
	house    *app.App
	options  Options
	have     map[string]rules.Rule // the stored ones, by name
	buried   map[string]rules.Rule // deleted ones that apply had made, by name
	known    rules.Index           // as they will be
	steps    []Step                // of the documents
	gone     []Step                // of the rules to delete
	docs     map[string]Doc        // by the rule's id
	warnings []string
}

func (p *Planner) draft(ctx context.Context, o Options) (*draft, error) {
	d := &draft{
		store: p.app.Store, options: o, have: map[string]rules.Rule{}, buried: map[string]rules.Rule{},
		known: rules.Index{}, docs: map[string]Doc{}, steps: []Step{}, warnings: []string{},
	}
	live, _, err := d.store.Rules(ctx, app.RuleFilter{})
	if err != nil {
		return nil, err
	}
	for _, r := range live {
		if r.Owner == "" {
			d.have[r.Name] = r
			d.known.Add(r)
		}
	}
	deleted, _, err := d.store.Rules(ctx, app.RuleFilter{Deleted: true})
	for _, r := range deleted {
		if was, twice := d.buried[r.Name]; r.Managed != "" && (!twice || was.UpdatedAt.Before(r.UpdatedAt)) {
			d.buried[r.Name] = r
		}
	}
	house := *p.app
	house.Daemon = func() (int, bool) { return 0, true } // what concerns the process is warned about once, by the plan
	house.Store = draftStore{p.app.Store, d.known}
	house.Sources = remembering(p.app.Sources)
	d.house = &house
	return d, err
}

// draftStore finds the rules as they will be once the plan is done.
type draftStore struct {
	app.Store
	known rules.Index
}

// FindRule returns the rule as it will be.
func (s draftStore) FindRule(_ context.Context, _, nameOrID string) (rules.Rule, error) {
	r, ok := s.known[nameOrID]
	if !ok {
		return r, rules.Errorf(rules.NotFound, "no rule %q", nameOrID)
	}
	return r, nil
}

// read turns the documents into steps.
func (d *draft) read(ctx context.Context, docs []Doc) error {
	var errs []error
	first := map[string]Doc{}
	for _, doc := range docs {
		next, err := d.parse(ctx, doc)
		if err != nil {
			errs = append(errs, doc.placed(err))
			continue
		}
		if other, twice := first[next.Name]; twice {
			errs = append(errs,
				doc.placed(rules.FieldErrorf("name", "%s is the name of the rule at %s too; give one of them another name",
					next.Name, other.place("name"))))
			continue
		}
		first[next.Name] = doc
		step, err := d.step(ctx, next, doc)
		if err != nil {
			return err
		}
		d.docs[step.ID] = doc
		d.known.Add(step.next)
		d.steps = append(d.steps, step)
	}
	return errors.Join(errs...)
}

// parse reads one document, strictly.
func (d *draft) parse(ctx context.Context, doc Doc) (rules.Rule, error) {
	whole, err := d.house.Complete(ctx, doc.Doc)
	if err != nil {
		return rules.Rule{}, err
	}
	r, err := ruledoc.Parse(whole)
	if err == nil {
		err = refuseKept(doc.Doc)
	}
	if err == nil && r.Source == "" {
		err = d.house.SettleSource(&r)
	}
	d.house.SettleZones(&r)
	return r, err
}

// refuseKept refuses what tocsin itself keeps of a rule, such as its version: a
// file that has it would seem to set it.
func refuseKept(doc rules.Doc) error {
	known := append(ruledoc.Names(), ruledoc.OldNames()...)
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		if !slices.Contains(known, key) {
			errs = append(errs,
				rules.WithHint(rules.FieldErrorf(key, "is kept by tocsin and cannot be set; leave it out"), rules.LikeExport, ""))
		}
	}
	return errors.Join(errs...)
}

// step compares the rule of a document with the stored one of its name.
func (d *draft) step(ctx context.Context, next rules.Rule, doc Doc) (s Step, err error) {
	next.Managed = doc.File
	s = Step{Act: StepCreate, Name: next.Name, File: doc.File, Changes: []rules.KeyChange{}}
	was, exists := d.have[next.Name]
	if !exists {
		next.ID = app.NewID("r")
		s.ID, s.next = next.ID, next
		if old, ok := d.buried[next.Name]; ok {
			s.Drift, err = d.drift(ctx, old)
		}
		return s, err
	}
	next = next.Succeeding(was)
	s.ID, s.Version, s.next = was.ID, was.Version, next
	as := was
	as.Managed = next.Managed // which no file says
	if s.Changes, err = ruledoc.Diff(as, next); err != nil {
		return s, err
	}
	switch {
	case was.Managed == "" && d.options.Adopt:
		s.Act = StepAdopt
	case was.Managed == "":
		s.Act = StepConflict
	case len(s.Changes) == 0:
		s.Act = StepUnchanged
	default:
		s.Act = StepUpdate
		s.Drift, err = d.drift(ctx, was)
	}
	return s, err
}

// drift says what another door did to a rule since apply last saw it, nil
// when nothing is left of it.
func (d *draft) drift(ctx context.Context, was rules.Rule) (*Drift, error) {
	versions, _, err := d.store.Versions(ctx, app.VersionFilter{RuleID: was.ID})
	if err != nil || len(versions) == 0 || versions[0].By.Door == DoorApply {
		return nil, err
	}
	last := versions[0]
	out := &Drift{Act: last.Act, By: last.By, At: last.At, Version: last.Version, Changes: []rules.KeyChange{}}
	i := slices.IndexFunc(versions, func(v rules.Version) bool { return v.By.Door == DoorApply })
	if i < 0 {
		return out, nil
	}
	if out.Changes, err = ruledoc.Diff(versions[i].Rule, was); err != nil {
		return nil, err
	}
	if len(out.Changes) == 0 && last.Act != "deleted" {
		return nil, nil
	}
	return out, nil
}

// prune makes a step for each rule that apply made and no document has.
func (d *draft) prune(ctx context.Context) (err error) {
	if !d.options.Prune {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(d.have)) {
		r := d.have[name]
		if _, wanted := d.docs[r.ID]; wanted || r.Managed == "" {
			continue
		}
		s := Step{
			Act: StepDelete, Name: name, ID: r.ID, Version: r.Version, File: r.Managed, Changes: []rules.KeyChange{},
			next: r,
		}
		if s.Drift, err = d.drift(ctx, r); err != nil {
			return err
		}
		d.gone = append(d.gone, s)
		d.known.Drop(r)
	}
	d.warnLeft()
	return nil
}

// warnLeft warns about rules in no document that depend on one to be deleted.
func (d *draft) warnLeft() {
	for _, name := range slices.Sorted(maps.Keys(d.have)) {
		r := d.have[name]
		_, wanted := d.docs[r.ID]
		if _, stays := d.known[r.ID]; wanted || !stays {
			continue
		}
		for _, s := range d.gone {
			if slices.Contains(r.DependsOn, s.Name) || slices.Contains(r.DependsOn, s.ID) {
				d.warnings = append(d.warnings,
					fmt.Sprintf("rule %s depends on %s, which is to be deleted; it will fire without regard to it", name, s.Name))
			}
		}
	}
}

// order puts each rule after those it depends on, and refuses circles.
func (d *draft) order() error {
	byID := map[string]Step{}
	for _, s := range d.steps {
		byID[s.ID] = s
	}
	order := rules.NewOrder(d.known)
	var errs []error
	for _, s := range d.steps {
		if err := order.Add(s.next); err != nil {
			errs = append(errs, d.docs[s.ID].placed(err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	d.steps = d.steps[:0]
	for _, id := range order.IDs() {
		if s, ours := byID[id]; ours {
			d.steps = append(d.steps, s)
		}
	}
	return nil
}

// check checks every rule in the house as it will be. Those that do not change
// were checked when they were made, all but what they depend on.
func (d *draft) check(ctx context.Context) error {
	var errs []error
	for i := range d.steps {
		s := &d.steps[i]
		was, exists := d.have[s.Name]
		if s.Act == StepUnchanged {
			_, err := d.house.CheckParents(ctx, s.next, nil)
			errs = append(errs, d.docs[s.ID].placed(err))
			continue
		}
		warnings, err := d.house.CheckRule(ctx, &s.next,
			app.CheckOptions{
				AllowUnknown: d.options.AllowUnknown, SameData: exists && app.SameData(was, s.next), Many: true,
			})
		errs = append(errs, d.docs[s.ID].placed(err))
		for _, w := range warnings {
			d.warnings = append(d.warnings, fmt.Sprintf("rule %s: %s", s.Name, w))
		}
	}
	return errors.Join(errs...)
}
