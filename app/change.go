package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// ChangeView is one recorded change of a rule.
type ChangeView struct {
	Handle   string            `json:"handle"` // what Undo takes
	RuleID   string            `json:"rule_id"`
	Rule     string            `json:"rule"` // its name after the change
	Title    string            `json:"title"`
	Version  int               `json:"version"`
	Act      string            `json:"act"` // created, updated, enabled, disabled, deleted, restored
	By       rules.Actor       `json:"by"`
	At       time.Time         `json:"at"`
	Changes  []rules.KeyChange `json:"changes"`
	Undoable bool              `json:"undoable"` // it is the last of its rule
}

// ChangeFilter picks changes of rules; the zero value picks all.
type ChangeFilter struct {
	Rule  string // by name or id, deleted or not
	After string // a handle: the page begins after it
	Limit int    // 0 for all
}

// Changes lists changes of rules, the newest first, with the total before the
// page was cut.
func (a *App) Changes(ctx context.Context, f ChangeFilter) (page []ChangeView, total int, err error) {
	v := VersionFilter{Limit: f.Limit}
	if f.Rule != "" {
		r, _, err := a.findEver(ctx, f.Rule)
		if err != nil {
			return nil, 0, err
		}
		v.RuleID = r.ID
	}
	if f.After != "" {
		if v.BeforeRule, v.BeforeVersion, err = readHandle(f.After); err != nil {
			return nil, 0, err
		}
	}
	list, total, err := a.Store.Versions(ctx, v)
	if err != nil {
		return nil, 0, err
	}
	h := history{store: a.Store, of: map[string][]rules.Version{}}
	out := []ChangeView{}
	for _, v := range list {
		view, err := h.view(ctx, v)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, view)
	}
	return out, total, nil
}

// RulesVersion returns a text that is another one after any change of a rule.
func (a *App) RulesVersion(ctx context.Context) (string, error) {
	list, total, err := a.Store.Versions(ctx, VersionFilter{Limit: 1})
	if err != nil || len(list) == 0 {
		return "", err
	}
	return fmt.Sprintf("%d %s", total, Handle(list[0].RuleID, list[0].Version)), nil
}

// history is the versions of the rules that were asked about, the newest
// first.
type history struct {
	store RuleStore
	of    map[string][]rules.Version
}

func (h history) view(ctx context.Context, v rules.Version) (ChangeView, error) {
	all, err := h.all(ctx, v.RuleID)
	if err != nil {
		return ChangeView{}, err
	}
	out := ChangeView{
		Handle: Handle(v.RuleID, v.Version), RuleID: v.RuleID, Rule: v.Rule.Name, Title: v.Rule.Title,
		Version: v.Version, Act: v.Act, By: v.By, At: v.At, Changes: []rules.KeyChange{},
	}
	i := slices.IndexFunc(all, func(o rules.Version) bool { return o.Version == v.Version })
	out.Undoable = i == 0
	if i >= 0 && i+1 < len(all) {
		out.Changes, err = ruledoc.Diff(all[i+1].Rule, v.Rule)
	}
	return out, err
}

func (h history) all(ctx context.Context, id string) ([]rules.Version, error) {
	list, known := h.of[id]
	if known {
		return list, nil
	}
	list, _, err := h.store.Versions(ctx, VersionFilter{RuleID: id})
	h.of[id] = list
	return list, err
}

// findEver returns a rule by name or id, also a deleted one; of several
// deleted ones of that name the last.
func (a *App) findEver(ctx context.Context, nameOrID string) (r rules.Rule, deleted bool, err error) {
	gone, _, err := a.Store.Rules(ctx, RuleFilter{Deleted: true})
	if err != nil {
		return r, false, err
	}
	r, err = a.Store.FindRule(ctx, "", nameOrID)
	if err == nil {
		return r, slices.ContainsFunc(gone, func(g rules.Rule) bool { return g.ID == r.ID }), nil
	}
	if rules.CodeOf(err) != rules.NotFound {
		return r, false, err
	}
	for _, g := range gone {
		if g.Name == nameOrID && (!deleted || g.UpdatedAt.After(r.UpdatedAt)) {
			r, deleted = g, true
		}
	}
	if !deleted {
		return r, false, a.suggestEver(ctx, nameOrID, gone, err)
	}
	return r, true, nil
}

// suggestEver adds the nearest names, those of deleted rules where no other is
// near.
func (a *App) suggestEver(ctx context.Context, name string, gone []rules.Rule, err error) error {
	var live, names []string
	list, _, listErr := a.Store.Rules(ctx, RuleFilter{})
	for _, r := range list {
		live = append(live, r.Name)
	}
	for _, g := range gone {
		names = append(names, g.Name)
	}
	if near := rules.Nearest(name, names); listErr == nil && len(rules.Nearest(name, live)) == 0 && len(near) > 0 {
		return rules.Errorf(rules.NotFound, "no rule %q; did you mean the deleted rule %s?", name,
			strings.Join(slices.Compact(near), " or "))
	}
	return a.suggest(ctx, name, err)
}

// RestoreAnswer is what became of a rule that was brought back.
type RestoreAnswer struct {
	Rule     RuleView          `json:"rule"`
	From     int               `json:"from"` // the version that was brought back; 0 when the rule was deleted instead
	Was      rules.Rule        `json:"-"`    // the rule before
	Deleted  bool              `json:"-"`    // it was deleted before
	Changes  []rules.KeyChange `json:"changes"`
	Warnings []string          `json:"warnings"`
}

// Restore brings a version of a rule back, by name or id and also of a deleted
// rule; version 0 is a deleted rule as it was last. What it names and today's
// house has not, such as a channel, is a warning: the rule was right once.
func (a *App) Restore(ctx context.Context, by rules.Actor, nameOrID string, version int, o SaveOptions) (RestoreAnswer,
	error,
) {
	r, deleted, err := a.findEver(ctx, nameOrID)
	if err != nil {
		return RestoreAnswer{}, err
	}
	if !deleted && version == r.Version {
		return RestoreAnswer{}, rules.Errorf(rules.Conflict, "rule %q is at version %d already", r.Name, version)
	}
	if version == 0 && !deleted {
		return RestoreAnswer{}, rules.Errorf(rules.Invalid,
			"rule %q is not deleted, so the version to restore must be named; it is at version %d now, for example restore "+
				"version %d", r.Name, r.Version, max(1, r.Version-1))
	}
	versions, _, err := a.Store.Versions(ctx, VersionFilter{RuleID: r.ID})
	if err != nil {
		return RestoreAnswer{}, err
	}
	i := slices.IndexFunc(versions, func(v rules.Version) bool {
		return v.Version == version || version == 0 && v.Act != "deleted"
	})
	if i < 0 {
		return RestoreAnswer{}, rules.Errorf(rules.NotFound, "rule %q has no version %d; it has %s", r.Name, version,
			span(versions))
	}
	answer, err := a.restore(ctx, by, r, versions[i], o)
	answer.Deleted = deleted
	return answer, err
}

// span says which versions there are.
func span(versions []rules.Version) string {
	if len(versions) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d to %d", versions[len(versions)-1].Version, versions[0].Version)
}

// restore puts version v in the place of rule was.
func (a *App) restore(ctx context.Context, by rules.Actor, was rules.Rule, v rules.Version,
	o SaveOptions,
) (RestoreAnswer, error) {
	warnings, err := a.checkAgain(ctx, v.Rule)
	if err != nil {
		return RestoreAnswer{}, err
	}
	changes, err := ruledoc.Diff(was, v.Rule)
	if err != nil {
		return RestoreAnswer{}, err
	}
	answer := RestoreAnswer{
		Rule: a.view(ctx, v.Rule), From: v.Version, Was: was, Changes: changes,
		Warnings: a.notNil(warnings),
	}
	if o.DryRun {
		return answer, nil
	}
	var saved rules.Rule
	followed, err := a.actOn(ctx, by, was, v.Rule.Name, func(s rules.Setting, l *rules.Ledger) error {
		if want := o.ExpectedVersion; want != 0 && l.Rule.Version != want {
			return rules.Errorf(rules.Conflict, "rule %q is at version %d now, not %d; look at its history again", was.Name,
				l.Rule.Version, want)
		}
		l.Restore(s, v, by)
		saved = l.Rule
		return nil
	})
	answer.Rule, answer.Warnings = a.view(ctx, saved), append(answer.Warnings, followed...)
	return answer, err
}

// checkAgain checks an old version in today's house. Only a circle of
// dependencies is refused.
func (a *App) checkAgain(ctx context.Context, r rules.Rule) (warnings []string, err error) {
	list, _, err := a.Store.Rules(ctx, RuleFilter{})
	if err != nil {
		return nil, err
	}
	known := rules.Index{}
	for _, other := range list {
		if other.Owner == r.Owner && other.ID != r.ID {
			known.Add(other)
		}
	}
	if taken, ok := known[r.Name]; ok {
		return nil, rules.Errorf(rules.Conflict,
			"another rule is called %s by now (id %s); delete that one or give it another name first", r.Name, taken.ID)
	}
	known.Add(r)
	if err := rules.NewOrder(known).Add(r); err != nil {
		return nil, err
	}
	for _, name := range r.DependsOn {
		if _, ok := known[name]; !ok {
			warnings = append(warnings, fmt.Sprintf("depends_on: there is no rule %q any more", name))
		}
	}
	for _, wrong := range rules.Joined(errors.Join(ruledoc.Check(r), a.checkChannels(ctx, r))) {
		warnings = append(warnings, wrong.Error())
	}
	if a.Sources[r.Source] == nil {
		warnings = append(warnings, fmt.Sprintf("its source %q is not in the config, so it will not be evaluated", r.Source))
	}
	return warnings, nil
}

// Handle names a change: it is what Undo takes.
func Handle(ruleID string, version int) string { return ruleID + "@" + strconv.Itoa(version) }

// Undo takes back the change that a handle names, which must be the last of
// its rule: a created rule is deleted, anything else goes back to the version
// before.
func (a *App) Undo(ctx context.Context, by rules.Actor, handle string, o SaveOptions) (RestoreAnswer, error) {
	name, version, err := readHandle(handle)
	if err != nil {
		return RestoreAnswer{}, err
	}
	r, _, err := a.findEver(ctx, name)
	if err != nil {
		return RestoreAnswer{}, err
	}
	versions, _, err := a.Store.Versions(ctx, VersionFilter{RuleID: r.ID})
	if err != nil {
		return RestoreAnswer{}, err
	}
	i := slices.IndexFunc(versions, func(v rules.Version) bool { return v.Version == version })
	switch {
	case i < 0:
		return RestoreAnswer{}, rules.Errorf(rules.NotFound, "rule %q has no version %d; it has %s", r.Name, version,
			span(versions))
	case i > 0:
		return RestoreAnswer{}, rules.Errorf(rules.Conflict,
			"rule %q was changed again since, by %s (%s) to version %d; undo that first, or restore version %d to take back "+
				"all of it",
			r.Name, versions[0].By.Name, versions[0].By.Door, versions[0].Version, max(1, version-1))
	}
	o.ExpectedVersion = version
	if len(versions) == 1 || versions[1].Act == "deleted" {
		gone, err := a.DeleteRule(ctx, by, r.ID, o)
		return RestoreAnswer{Rule: gone.Rule, Was: r, Changes: []rules.KeyChange{}, Warnings: gone.Warnings}, err
	}
	answer, err := a.restore(ctx, by, r, versions[1], o)
	answer.Deleted = versions[0].Act == "deleted"
	return answer, err
}

// Ends reports whether a rule that was watched no longer is.
func (a RestoreAnswer) Ends() bool {
	return !a.Deleted && (a.From == 0 || a.Was.Enabled && !a.Rule.Enabled)
}

// AsksFirst reports whether a person is to agree before that is done.
func (a RestoreAnswer) AsksFirst() bool { return a.Ends() && (a.From == 0 || a.Rule.AsksFirst()) }

// readHandle reads "rule@version".
func readHandle(handle string) (name string, version int, err error) {
	at := strings.LastIndexByte(handle, '@')
	if at > 0 {
		version, err = strconv.Atoi(handle[at+1:])
		if err == nil && version > 0 {
			return handle[:at], version, nil
		}
	}
	return "", 0, rules.FieldErrorf("undo",
		"must be a rule and the version that the change made, as rule@version; got %q; the list of changes has the handles",
		handle)
}
