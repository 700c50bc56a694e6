package ruleset

import (
	"context"
	"errors"
	"time"

	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// Options say what a plan may do.
type Options struct {
	AllowUnknown bool // measurement, field or tags may not exist yet
	Prune        bool // delete rules that an earlier plan made and no document has
	Adopt        bool // take over rules of the same names that something else made
}

// StepAct is what a plan does with one rule.
type StepAct string

// The acts of a plan.
const (
	StepCreate    StepAct = "create"
	StepUpdate    StepAct = "update"
	StepAdopt     StepAct = "adopt"     // take over a rule that something else made
	StepDelete    StepAct = "delete"    // prune
	StepUnchanged StepAct = "unchanged" // it is as the document says
	StepConflict  StepAct = "conflict"  // something else made it, and it may not be taken over
)

// Plan is what has to be done so that the rules become what documents say.
// Rules stand in it after those they depend on. The zero value does nothing.
type Plan struct {
	Steps    []Step   `json:"steps"`
	Warnings []string `json:"warnings"`
}

// Step is what a plan does with one rule.
type Step struct {
	Act     StepAct           `json:"act"`
	Name    string            `json:"name"`
	ID      string            `json:"id"`
	Version int               `json:"version"` // of the rule as it is; 0 where there is none
	File    string            `json:"file"`    // that has the rule, or for a delete that had it
	Changes []rules.KeyChange `json:"changes"` // from what is to what the document says
	Drift   *Drift            `json:"drift,omitempty"`

	next rules.Rule
}

// Rule returns the rule as it will be, or for a delete as it is.
func (s Step) Rule() rules.Rule { return s.next }

// Drift says that a rule which apply made was changed through another door
// since.
type Drift struct {
	Act     string            `json:"act"` // the last: updated, disabled, deleted, ...
	By      rules.Actor       `json:"by"`
	At      time.Time         `json:"at"`
	Version int               `json:"version"`
	Changes []rules.KeyChange `json:"changes"` // since apply last saw it
}

// Count returns how many rules the plan treats so.
func (p Plan) Count(act StepAct) int {
	n := 0
	for _, s := range p.Steps {
		if s.Act == act {
			n++
		}
	}
	return n
}

// Idle reports whether there is nothing to do.
func (p Plan) Idle() bool { return p.Count(StepUnchanged) == len(p.Steps) }

// Refusal is why the plan cannot be done, nil when it can.
func (p Plan) Refusal() error {
	var errs []error
	for _, s := range p.Steps {
		if s.Act == StepConflict {
			errs = append(errs, document.Placed(s.File,
				rules.WithHint(rules.Errorf(rules.Conflict,
					"rule %q exists and was not made by apply; choose another name", s.Name), rules.TakeOver, "")))
		}
	}
	return errors.Join(errs...)
}

// Plan says what has to be done so that the rules are as the documents
// say: a document is the whole rule, and a key that it leaves out has its
// default. Every rule is checked before there is a plan; the error joins one
// for each thing that is wrong, with its place in front. Nothing is written.
func (p *Planner) Plan(ctx context.Context, docs []Doc, o Options) (Plan, error) {
	d, err := p.draft(ctx, o)
	if err != nil {
		return Plan{}, err
	}
	if err := d.read(ctx, docs); err != nil {
		return Plan{}, err
	}
	if err := d.prune(ctx); err != nil {
		return Plan{}, err
	}
	if err := d.order(); err != nil {
		return Plan{}, err
	}
	if err := d.check(ctx); err != nil {
		return Plan{}, err
	}
	return Plan{Steps: append(d.steps, d.gone...), Warnings: append(d.warnings, p.app.Warnings()...)}, nil
}
