package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// children lists the rules that name r in depends_on, by its name.
func (a *App) children(ctx context.Context, r rules.Rule) ([]rules.Rule, error) {
	list, _, err := a.Store.Rules(ctx, RuleFilter{})
	return slices.DeleteFunc(list, func(o rules.Rule) bool {
		return o.Owner != r.Owner || o.ID == r.ID || !slices.Contains(o.DependsOn, r.Name)
	}), err
}

// actOn acts on a rule that is to be called name afterwards. Where that is
// another name the rules that depend on it learn it, in the same transaction:
// a dependency that names nobody holds nothing back, and nobody would notice.
func (a *App) actOn(ctx context.Context, by rules.Actor, was rules.Rule, name string,
	act evaluator.Decider,
) (warnings []string, err error) {
	ids, done := []string{was.ID}, false
	if name != was.Name {
		children, err := a.children(ctx, was)
		if err != nil {
			return nil, err
		}
		for _, child := range children {
			ids = append(ids, child.ID)
			warnings = append(warnings, fmt.Sprintf("rule %s depends on it, and names it %s now", child.Name, name))
		}
	}
	err = a.Ledgers.Decide(ctx, a.Time(), ids, func(s rules.Setting, l *rules.Ledger) error {
		switch {
		case l.Rule.ID == was.ID:
			err := act(s, l)
			done = err == nil
			return err
		case done && !l.Deleted:
			rename(s, l, was.Name, name, by)
		}
		return nil
	})
	if err == nil && !done {
		err = rules.Errorf(rules.NotFound, "no rule %q", was.Name)
	}
	return warnings, err
}

// rename puts the new name of a rule into one that depends on it.
func rename(s rules.Setting, l *rules.Ledger, from, to string, by rules.Actor) {
	i := slices.Index(l.Rule.DependsOn, from)
	if i < 0 {
		return
	}
	next := l.Rule
	next.DependsOn = slices.Clone(next.DependsOn)
	next.DependsOn[i] = to
	l.Edit(s, next, by)
}

// orphaned says which rules a rule depends on that do not exist.
func orphaned(r rules.Rule, known ruleNames) (out []string) {
	for _, name := range r.DependsOn {
		if !known[[2]string{r.Owner, name}] && !known[[2]string{"", name}] {
			out = append(out,
				fmt.Sprintf("rule %s: depends on %q, which is no rule; it fires without regard to it", r.Name, name))
		}
	}
	return out
}

// ruleNames holds rules by owner and name, and by their id alone.
type ruleNames map[[2]string]bool

func ruleNamesOf(list []rules.Rule) ruleNames {
	d := make(ruleNames, 2*len(list))
	for _, r := range list {
		d[[2]string{r.Owner, r.Name}], d[[2]string{"", r.ID}] = true, true
	}
	return d
}
