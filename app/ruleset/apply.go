package ruleset

import (
	"context"
	"errors"
	"fmt"

	"github.com/9bikes/tocsin/rules"
)

// DoorApply is the door that rules as code come through. The last version of
// a rule tells by it whether another door changed what a file made.
const DoorApply = "apply"

// Apply does what a plan says and returns the steps that were done, with
// the versions the rules have now. A rule that was changed since the plan was
// made is left as it is, with an error; the others are done. A plan that is
// idle writes nothing.
func (p *Planner) Apply(ctx context.Context, by rules.Actor, plan Plan) ([]Step, error) {
	done := []Step{}
	if err := plan.Refusal(); err != nil {
		return done, err
	}
	by.Door = DoorApply
	var errs []error
	for _, s := range plan.Steps {
		if s.Act == StepUnchanged {
			continue
		}
		err := p.do(ctx, by, &s)
		switch code := rules.CodeOf(err); {
		case err == nil:
			done = append(done, s)
		case code == rules.Conflict || code == rules.NotFound:
			errs = append(errs, err)
		default: // the store does not answer: the rest would fail the same way
			return done, errors.Join(append(errs, fmt.Errorf("%s rule %s: %w", s.Act, s.Name, err))...)
		}
	}
	return done, errors.Join(errs...)
}

// do does one step.
func (p *Planner) do(ctx context.Context, by rules.Actor, s *Step) error {
	if s.Act == StepCreate {
		l := rules.NewLedger(s.next, by, p.app.Time())
		s.Version = l.Rule.Version
		return p.app.Ledgers.Create(ctx, l)
	}
	planned := s.Version
	return p.app.Ledgers.Act(ctx, p.app.Time(), s.ID, func(at rules.Setting, l *rules.Ledger) error {
		if l.Deleted || l.Rule.Version != planned {
			return rules.Errorf(rules.Conflict, "rule %q was changed since the plan was made (version %d, not %d); apply again",
				s.Name, l.Rule.Version, planned)
		}
		if s.Act == StepDelete {
			l.Delete(at, by)
		} else {
			l.Edit(at, s.next, by)
		}
		s.Version = l.Rule.Version
		return nil
	})
}
