package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/app/ruleflags"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

func (d *door) rules() *cobra.Command {
	return group("rules", "What is watched", d.rulesList(), d.rulesShow(), d.rulesCreate(), d.rulesUpdate(),
		d.rulesSwitch("enable", "Watch a rule again", true),
		d.rulesSwitch("disable", "Stop watching a rule, and keep it", false), d.rulesDelete(),
		d.rulesExport(), d.rulesApply(), d.rulesHistory(), d.rulesRestore(), d.rulesTest(), d.rulesSchema(),
		d.rulesSeries(), d.rulesRetire())
}

// rulesAnswer is what `rules list` answers. Next continues the list with
// --after; it is empty at the end.
type rulesAnswer struct {
	Rules    []app.RuleView `json:"rules"`
	Total    int            `json:"total"`
	Next     string         `json:"next"`
	Warnings []string       `json:"warnings"`
}

// rulesFlags pick rules.
type rulesFlags struct {
	on, off     bool
	text, after string
	limit       int
}

func (d *door) rulesList() *cobra.Command {
	var f rulesFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List the rules", Args: exactly(), Example: "tocsin rules list\ntocsin rules list --text freezer",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			filter, err := f.filter()
			if err != nil {
				return err
			}
			list, total, err := c.ListRules(ctx, filter)
			if err != nil {
				return err
			}
			a := rulesAnswer{Rules: list, Total: total, Warnings: c.Warnings()}
			if f.limit > 0 && len(list) > f.limit {
				a.Rules = list[:f.limit]
				a.Next = a.Rules[f.limit-1].Name
			}
			return c.answer(a, a.Warnings, func() { c.showRules(a) })
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.on, "enabled", false, "only those that are on")
	flags.BoolVar(&f.off, "disabled", false, "only those that are off")
	flags.StringVar(&f.text, "text", "", "only those with this in name, title or measurement")
	flags.IntVar(&f.limit, "limit", 0, "at most this many, 0 for all")
	flags.StringVar(&f.after, "after", "", "begin after the rule of this name")
	return cmd
}

func (f rulesFlags) filter() (app.RuleFilter, error) {
	out := app.RuleFilter{Text: f.text, After: f.after}
	switch {
	case f.on && f.off:
		return out, rules.Errorf(rules.Invalid,
			"--enabled and --disabled exclude each other; leave both out to see all rules")
	case f.limit < 0:
		return out, rules.FieldErrorf("--limit", "must be 0 for all or more; got %d; for example --limit 50", f.limit)
	case f.limit > 0:
		out.Limit = f.limit + 1
	}
	if f.on || f.off {
		out.Enabled = &f.on
	}
	return out, nil
}

func (c *call) showRules(a rulesAnswer) {
	if len(a.Rules) == 0 {
		c.line("No rules. Make one with `tocsin rules create`; --help shows how.")
		return
	}
	var rows [][]string
	for _, r := range a.Rules {
		rows = append(rows, []string{r.Name, stateOf(r), string(r.Severity), r.What(), r.Condition.String()})
	}
	c.table([]string{"NAME", "STATE", "SEVERITY", "MEASURES", "WRONG WHEN"}, rows)
	if a.Next != "" {
		c.line("%d of %d; go on with --after %s", len(a.Rules), a.Total, a.Next)
	}
}

func stateOf(r app.RuleView) string {
	switch {
	case !r.Enabled:
		return "off"
	case r.Firing > 0:
		return fmt.Sprintf("%d firing", r.Firing)
	case r.Pending > 0:
		return fmt.Sprintf("%d pending", r.Pending)
	case r.NeverMatched:
		return "matches nothing"
	}
	return "ok"
}

func (d *door) rulesShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one rule, by name or id, as the file that would create it", Args: exactly("NAME"),
		Example: "tocsin rules show freezer\ntocsin rules show freezer > freezer.yaml",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			r, err := c.Rule(ctx, c.args[0])
			if err != nil {
				return err
			}
			text, err := ruleYAML(r.Rule)
			if err != nil {
				return err
			}
			a := app.RuleAnswer{Rule: r, Warnings: c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showRule(r, text) })
		}),
	}
}

func (c *call) showRule(r app.RuleView, text string) {
	fmt.Fprint(c.out, text)
	made := ""
	if r.CreatedBy != "" {
		made = " by " + r.CreatedBy
	}
	c.line("# %s; id %s, version %d; made %s%s, changed %s", stateOf(r), r.ID, r.Version, ago(r.CreatedAt, c.clock()),
		made, ago(r.UpdatedAt, c.clock()))
	if r.Unchecked {
		c.line("# saved unchecked: its source did not answer")
	}
}

// ruleYAML writes the keys of a rule that a person gives, in their usual
// order.
func ruleYAML(r rules.Rule) (string, error) {
	whole, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("print rule: %w", err)
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(whole, &given); err != nil {
		return "", fmt.Errorf("print rule: %w", err)
	}
	var doc bytes.Buffer
	for _, key := range ruledoc.Names() {
		if v, ok := given[key]; ok {
			fmt.Fprintf(&doc, ",%q:%s", key, v)
		}
	}
	text, err := document.FromJSON([]byte("{" + strings.TrimPrefix(doc.String(), ",") + "}"))
	if err != nil {
		return "", fmt.Errorf("print rule: %w", err)
	}
	return text, nil
}

// saveFlags say how an act on a rule is to be taken.
func saveFlags(cmd *cobra.Command, o *app.SaveOptions) {
	cmd.Flags().BoolVar(&o.AllowUnknown, "allow-unknown", false,
		"save it although the source does not hold such data yet, or does not answer")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "check it and save nothing")
}

func (d *door) rulesCreate() *cobra.Command {
	var f ruleflags.Flags
	var o app.SaveOptions
	cmd := &cobra.Command{
		Use: "create", Short: "Create a rule from flags, a file, or both", Args: exactly(),
		Long: `Create a rule from flags, from a YAML or JSON file, or from both: a flag goes
before the file, and --set before all. --set reaches every key of a rule.`,
		Example: `tocsin rules create --title "Freezer too warm" --measurement temperature --field celsius --where room=kitchen --group-by sensor --aggregation mean --window 5m --above -15 --recover -17 --for 10m --severity high
tocsin rules create --file freezer.yaml
tocsin rules create --file freezer.yaml --set condition.window=10m --dry-run`,
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			doc, err := f.Doc(c.cmd)
			if err != nil {
				return err
			}
			if len(doc) == 0 {
				return rules.Errorf(rules.Invalid, "nothing was given; for example `%s`", example(c.cmd))
			}
			a, err := c.CreateRule(ctx, actor(), doc, o)
			if err != nil {
				return f.Advise(doc, err)
			}
			now := insight.New(c.App).Outlook(ctx, a.Rule.Rule)
			return c.answer(createdAnswer{a, now}, a.Warnings, func() {
				c.savedLines("Created", "would be created", a, o)
				c.line("%s", insight.SayOutlook(now, c.Stamp))
				c.line("A first message would read: %s", now.Sample.Title)
				for line := range strings.Lines(now.Sample.Text) {
					c.line("  %s", strings.TrimSpace(line))
				}
			})
		}),
	}
	f.Register(cmd)
	saveFlags(cmd, &o)
	return cmd
}

func (d *door) rulesUpdate() *cobra.Command {
	var f ruleflags.Flags
	var o app.SaveOptions
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change a rule; what is not given stays", Args: exactly("NAME"),
		Example: "tocsin rules update freezer --severity critical --for 5m\ntocsin rules update freezer --set " +
			"'remind=[30m,2h]' --set escalate=null",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			doc, err := f.Doc(c.cmd)
			if err != nil {
				return err
			}
			if len(doc) == 0 {
				return rules.Errorf(rules.Invalid, "nothing to change was given; for example `%s`", example(c.cmd))
			}
			return c.update(ctx, doc, o, "Changed", "would be changed")
		}),
	}
	f.Register(cmd)
	saveFlags(cmd, &o)
	cmd.Flags().IntVar(&o.ExpectedVersion, "if-version", 0, "change it only if it still has this version")
	return cmd
}

// rulesSwitch turns a rule on or off. Whether its data exists is no question
// then.
func (d *door) rulesSwitch(use, about string, on bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: about, Args: exactly("NAME"), Example: "tocsin rules " + use + " freezer",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			return c.update(ctx, rules.Doc{"enabled": on}, app.SaveOptions{AllowUnknown: true}, strings.ToUpper(use[:1])+use[1:]+
				"d", "")
		}),
	}
}

func (c *call) update(ctx context.Context, doc rules.Doc, o app.SaveOptions, done, would string) error {
	if _, err := c.Rule(ctx, c.args[0]); err != nil {
		return err // with the nearest names
	}
	a, err := c.UpdateRule(ctx, actor(), c.args[0], doc, o)
	if err != nil {
		return err
	}
	return c.saved(done, would, a, o)
}

// createdAnswer is a new rule, and what it makes of the present.
type createdAnswer struct {
	app.RuleAnswer
	Now insight.Outlook `json:"now"`
}

// saved tells what became of a rule.
func (c *call) saved(done, would string, a app.RuleAnswer, o app.SaveOptions) error {
	return c.answer(a, a.Warnings, func() { c.savedLines(done, would, a, o) })
}

func (c *call) savedLines(done, would string, a app.RuleAnswer, o app.SaveOptions) {
	r := a.Rule
	if o.DryRun {
		c.line("Good: rule %s %s. Nothing was saved.", r.Name, would)
	} else {
		c.line("%s rule %s (version %d).", done, r.Name, r.Version)
	}
	c.line("%s: %s, %s", r.Title, r.What(), r.Condition.String())
	if r.Enabled && len(r.Tells) > 0 && done != "Deleted" {
		c.line("It tells %s.", strings.Join(r.Tells, ", "))
	}
}

func (d *door) rulesDelete() *cobra.Command {
	var o app.SaveOptions
	var yes bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a rule; its alerts stay in the history", Args: exactly("NAME"),
		Example: "tocsin rules delete freezer",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			r, err := c.Rule(ctx, c.args[0])
			if err != nil {
				return err
			}
			if !yes && !o.DryRun && !c.agreed(fmt.Sprintf("Delete rule %s (%s)?", r.Name, r.Title)) {
				return c.nothingDone()
			}
			a, err := c.DeleteRule(ctx, actor(), r.ID, o)
			if err != nil {
				return err
			}
			return c.saved("Deleted", "would be deleted", a, o)
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "find it and delete nothing")
	cmd.Flags().IntVar(&o.ExpectedVersion, "if-version", 0, "delete it only if it still has this version")
	return cmd
}
