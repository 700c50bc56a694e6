package mcp

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/bulk"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

var (
	allowUnknown = flag("allow_unknown", "data comes later")
	dryRun       = flag("dry_run", "only check")
	detail       = choice("detail", "", "short", "full")
	limit        = whole("limit", "to 100, default 20")
	nextPage     = text("cursor", "next of the last page")
	ruleRef      = text("rule", "name or id")
)

var ruleTools = []tool{
	{
		name: "create_alert_rule", title: "Create alert rule",
		description: "Watch data and alert people.",
		input:       slices.Concat(createKeys(), []property{allowUnknown, dryRun}), required: []string{"condition"},
		accepted: ruledoc.OldNames(),
		output:   reflect.TypeFor[ruleAnswer](),
		example: `{"title":"Freezer too warm","measurement":"temperature","field":"celsius","group_by":["sensor"],` +
			`"condition":{"type":"threshold","operator":">","value":-15},"for":"10m"}`,
		scope: app.ScopeWrite, call: (*Server).createRule,
	},
	{
		name: "list_alert_rules", title: "List alert rules",
		description: "Rules by name, with their firing alerts.",
		input: []property{
			ruleRef, flag("enabled", "only these"), text("text", "in name or title"), limit, nextPage, detail,
		},
		output: reflect.TypeFor[rulesAnswer](),
		effect: effect{reads: true, repeatable: true}, example: `{"text":"freezer","detail":"full"}`,
		accepted: []string{"monitor_id"},
		aliases: map[string]string{
			"rule_id": "rule", "id": "rule", "name": "rule", "is_active": "enabled", "search": "text",
			"query": "text", "filter": "text", "contains": "text",
		},
		scope: app.ScopeRead, call: (*Server).listRules,
	},
	{
		name: "update_alert_rule", title: "Update alert rule",
		description: "Change the given keys, which create_alert_rule explains, of one rule or many. A list or table " +
			"replaces the one before; condition is merged.",
		input: slices.Concat([]property{ruleRefs, match, whole("expected_version", "else refused")}, otherKeys(),
			[]property{texts("reset", "keys to default"), dryRun, confirm}),
		accepted: append(ruledoc.OldNames(), "allow_unknown"),
		aliases:  map[string]string{"rule_id": "rule", "id": "rule"},
		output:   reflect.TypeFor[updateAnswer](),
		effect:   effect{destroys: true, repeatable: true}, example: `{"rule":"freezer","condition":{"value":-12}}`,
		scope: app.ScopeWrite, call: (*Server).updateRule,
	},
	{
		name: "delete_alert_rule", title: "Delete alert rule",
		description: "End rules and their alerts, one or many. It asks first. To pause a rule, set enabled to false.",
		input:       []property{ruleRefs, match, confirm},
		accepted:    []string{"expected_version", "dry_run"},
		aliases:     map[string]string{"rule_id": "rule", "id": "rule", "name": "rule"},
		output:      reflect.TypeFor[deleteAnswer](),
		effect:      effect{destroys: true}, example: `{"rule":"freezer"}`,
		scope: app.ScopeWrite, call: (*Server).deleteRule,
	},
}

// shownRule is a rule in a line; with full detail it has all its keys besides.
type shownRule struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Title    string         `json:"title"`
	Enabled  bool           `json:"enabled"`
	Severity rules.Severity `json:"severity"`
	Watches  string         `json:"watches"`
	Tells    []string       `json:"tells" jsonschema:"channels of a first message"`
	Routed   bool           `json:"routed,omitempty" jsonschema:"the config picks them by severity"`
	Version  int            `json:"version"`
	Firing   int            `json:"firing"`
	Pending  int            `json:"pending"`
	*ruleDetail
}

// ruleDetail is what full detail adds.
type ruleDetail struct {
	Keys      ruledoc.Object `json:"keys,omitempty" jsonschema:"as create_alert_rule takes them"`
	Series    int            `json:"series,omitempty"`
	CreatedAt string         `json:"created_at,omitempty"`
	UpdatedAt string         `json:"updated_at,omitempty"`
	Since     string         `json:"judged_since,omitempty"`
}

func short(v app.RuleView) shownRule {
	return shownRule{
		ID: v.ID, Name: v.Name, Title: v.Title, Enabled: v.Enabled, Severity: v.Severity, Watches: watches(v.Rule),
		Tells: notNull(v.Tells), Routed: v.Routed, Version: v.Version, Firing: v.Firing, Pending: v.Pending,
	}
}

func (s *Server) full(v app.RuleView) (shownRule, error) {
	out := short(v)
	keys, err := ruledoc.ObjectOf(v.Rule)
	known := ruledoc.Names()
	out.ruleDetail = &ruleDetail{
		Keys:   slices.DeleteFunc(keys, func(p ruledoc.Pair) bool { return !slices.Contains(known, p.Key) }),
		Series: v.Series, CreatedAt: s.when(v.CreatedAt), UpdatedAt: s.when(v.UpdatedAt), Since: s.when(v.JudgedSince),
	}
	return out, err
}

// watches says in a sentence what the rule looks at and when it is wrong.
func watches(r rules.Rule) string {
	text := r.Condition.String()
	if what := r.What(); what != "" {
		text = what + ": " + text
	}
	if r.For > 0 {
		text += " for " + r.For.String()
	}
	return text
}

func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type ruleAnswer struct {
	Rule     shownRule     `json:"rule"`
	Now      *shownOutlook `json:"now,omitempty"`
	Undo     string        `json:"undo,omitempty"`
	Warnings []string      `json:"warnings"`
	Summary  string        `json:"summary"`
}

func (s *Server) createRule(ctx context.Context, a *arguments) (any, error) {
	o := app.SaveOptions{AllowUnknown: a.on("allow_unknown"), DryRun: a.on("dry_run")}
	if err := a.err(); err != nil {
		return nil, err
	}
	saved, err := s.app.CreateRule(ctx, s.by(ctx), a.given, o)
	if err != nil {
		return nil, err
	}
	if o.DryRun {
		saved.Rule.ID = ""
	}
	rule, err := s.full(saved.Rule)
	if err != nil {
		return nil, err
	}
	now := insight.New(s.app).Outlook(ctx, saved.Rule.Rule)
	rule.Series = now.Series
	out := ruleAnswer{Rule: rule, Now: s.outlook(now), Warnings: saved.Warnings}
	said := insight.SayOutlook(now, s.app.Stamp)
	if o.DryRun {
		out.Summary = fmt.Sprintf("Checked and not saved: the rule would watch %s. %s", watches(saved.Rule.Rule), said)
		return out, nil
	}
	a.did(saved.Rule.ID, nil)
	out.Undo = app.Handle(saved.Rule.ID, saved.Rule.Version)
	out.Summary = fmt.Sprintf("Created rule %s (%s): it watches %s. %s", saved.Rule.Name, saved.Rule.ID,
		watches(saved.Rule.Rule), said)
	return out, nil
}

type rulesAnswer struct {
	Rules    []shownRule `json:"rules"`
	Total    int         `json:"total"`
	Next     string      `json:"next"`
	Warnings []string    `json:"warnings"`
	Summary  string      `json:"summary"`
}

func (s *Server) listRules(ctx context.Context, a *arguments) (any, error) {
	one, full, monitor := a.text("rule"), a.choice("detail", "short", "full") == "full", a.text("monitor_id")
	most := a.whole("limit", 1, 100, 20)
	f := app.RuleFilter{Enabled: a.flag("enabled"), Text: a.text("text"), Limit: most + 1}
	if at := a.after("list_alert_rules", 1); at != nil {
		f.After = at[0]
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	found, total, err := s.findRules(ctx, one, monitor, f)
	if err != nil {
		return nil, err
	}
	out := rulesAnswer{Rules: []shownRule{}, Total: total, Warnings: s.app.Warnings()}
	if len(found) > most {
		found = found[:most]
		out.Next = cursor("list_alert_rules", found[most-1].Name)
	}
	for _, v := range found {
		shown := short(v)
		if full {
			if shown, err = s.full(v); err != nil {
				return nil, err
			}
		}
		out.Rules = append(out.Rules, shown)
	}
	out.Summary = paged(len(found), total, "rule", out.Next)
	return out, nil
}

func (s *Server) findRules(ctx context.Context, one, monitor string, f app.RuleFilter) ([]app.RuleView, int, error) {
	switch {
	case one != "":
		v, err := s.app.Rule(ctx, one)
		return []app.RuleView{v}, 1, err
	case monitor != "":
		return s.monitors(ctx, monitor, f)
	}
	return s.app.ListRules(ctx, f)
}

// monitors lists the rules of one monitor. They are few, so all are looked
// through and the page is cut here.
func (s *Server) monitors(ctx context.Context, id string, f app.RuleFilter) ([]app.RuleView, int, error) {
	most, after := f.Limit, f.After
	f.Limit, f.After = 0, ""
	list, _, err := s.app.ListRules(ctx, f)
	list = slices.DeleteFunc(list, func(v app.RuleView) bool { return !slices.Contains(v.Where["monitor_id"], id) })
	total := len(list)
	list = slices.DeleteFunc(list, func(v app.RuleView) bool { return v.Name <= after })
	if most > 0 {
		list = list[:min(len(list), most)]
	}
	return list, total, err
}

// paged says how much of a list this is and how to get the rest.
func paged(shown, total int, noun, next string) string {
	if total != 1 {
		noun += "s"
	}
	switch {
	case total == 0:
		return "No " + noun + " match."
	case next != "":
		return fmt.Sprintf("%d of %d %s. For more repeat the call with \"cursor\": %q.", shown, total, noun, next)
	case shown < total:
		return fmt.Sprintf("The last %d of %d %s.", shown, total, noun)
	}
	return fmt.Sprintf("%d %s.", total, noun)
}

type deleteAnswer struct {
	Rule     shownRule   `json:"rule,omitzero"`
	Rules    []namedRule `json:"rules,omitempty"`
	Undo     string      `json:"undo,omitempty"`
	Confirm  string      `json:"confirm,omitempty"`
	Warnings []string    `json:"warnings"`
	Summary  string      `json:"summary"`
}

func (s *Server) deleteRule(ctx context.Context, a *arguments) (any, error) {
	picked, token := a.pick(), a.text("confirm")
	o := app.SaveOptions{DryRun: a.on("dry_run"), ExpectedVersion: a.whole("expected_version", 0, 1<<30, 0)}
	if err := a.err(); err != nil {
		return nil, err
	}
	list, err := bulk.PickRules(ctx, s.app, picked)
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return s.actOnSeveral(ctx, a, token, o.DryRun, several{
			tool: "delete_alert_rule", would: "would be deleted", did: "Deleted", list: list, asks: true,
			act: func() ([]app.RuleAnswer, error) {
				return bulk.DeleteRules(ctx, s.app, s.by(ctx), list, app.SaveOptions{})
			},
		})
	}
	was := list[0]
	if err := atVersion(was, &o); err != nil {
		return nil, err
	}
	planned, err := s.app.DeleteRule(ctx, s.by(ctx), was.ID, app.SaveOptions{DryRun: true})
	if err != nil {
		return nil, err
	}
	would := fmt.Sprintf("Rule %s (%s) would be deleted.%s It watches %s.", was.Name, was.Title, firing(was),
		watches(was.Rule))
	if o.DryRun {
		return deleteAnswer{Rule: short(was), Warnings: planned.Warnings, Summary: "Nothing was changed. " + would}, nil
	}
	token, err = s.ask(ctx, a, token, question{
		tool: "delete_alert_rule",
		text: fmt.Sprintf("Delete the alert rule %s (%s)? It watches %s.%s It can be brought back.", was.Name, was.Title,
			watches(was.Rule), firing(was)),
		subject: was.ID, state: strconv.Itoa(was.Version),
	})
	if err != nil {
		return nil, err
	}
	if token != "" {
		return deleteAnswer{Rule: short(was), Confirm: token, Warnings: planned.Warnings, Summary: unconfirmed(would, token)},
			nil
	}
	gone, err := s.app.DeleteRule(ctx, s.by(ctx), was.ID, o)
	if err != nil {
		return nil, err
	}
	a.did(was.ID, nil)
	gone.Rule.Firing, gone.Rule.Pending = 0, 0
	undo := app.Handle(was.ID, gone.Rule.Version)
	return deleteAnswer{
		Rule: short(gone.Rule), Undo: undo, Warnings: gone.Warnings,
		Summary: fmt.Sprintf("Deleted rule %s.%s It can be brought back: undo_change {\"undo\":%q}.", was.Name, firing(was),
			undo),
	}, nil
}
