package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// historyAnswer is what `rules history` answers, the newest change first.
type historyAnswer struct {
	Changes  []app.ChangeView `json:"changes"`
	Warnings []string         `json:"warnings"`
}

func (d *door) rulesHistory() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "history [NAME]", Short: "Show who changed a rule, when and what; without NAME all rules",
		Args: exactly("[NAME]"),
		Long: `Show the changes of a rule, the newest first: who made them, when, through which
door, and what they changed. A deleted rule has its history too. Without a name
the changes of all rules are shown.`,
		Example: "tocsin rules history freezer\ntocsin rules history --limit 10",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			if limit < 0 {
				return rules.FieldErrorf("--limit", "must be 0 for all or more; got %d; for example --limit 50", limit)
			}
			name := ""
			if len(c.args) > 0 {
				name = c.args[0]
			}
			list, _, err := c.Changes(ctx, app.ChangeFilter{Rule: name, Limit: limit})
			if err != nil {
				return err
			}
			a := historyAnswer{list, c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showHistory(list) })
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this many, 0 for all")
	return cmd
}

func (c *call) showHistory(list []app.ChangeView) {
	if len(list) == 0 {
		c.line("No rule was made yet.")
	}
	for _, v := range list {
		c.line("%s version %d, %s by %s (%s), %s, %s", v.Rule, v.Version, v.Act, v.By.Name, v.By.Door, ago(v.At, c.clock()),
			stamp(v.At, c.zone()))
		c.showChanges(v.Changes)
	}
}

func (d *door) rulesRestore() *cobra.Command {
	var version int
	var yes bool
	var o app.SaveOptions
	cmd := &cobra.Command{
		Use: "restore NAME", Short: "Bring a version of a rule back, or a deleted rule", Args: exactly("NAME"),
		Long: `Bring any version of a rule back, as a new version; ` + "`tocsin rules history`" + ` shows
them. A deleted rule comes back by its name or id, as it was last or in the
version that is named. What it names and is gone, such as a channel, is warned
about.`,
		Example: "tocsin rules restore freezer --version 3\ntocsin rules restore freezer",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			if version < 0 || version == 0 && c.cmd.Flags().Changed("version") {
				return rules.FieldErrorf("--version", "must be 1 or more; got %d; `tocsin rules history %s` shows them", version,
					c.args[0])
			}
			dry := o
			dry.DryRun = true
			would, err := c.Restore(ctx, actor(), c.args[0], version, dry)
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Restore version %d of rule %s (%s)?", would.From, would.Rule.Name, would.Rule.Title)
			if o.DryRun {
				return c.showRestored(would, "would be restored. Nothing was saved.")
			}
			if !yes && !c.agreed(question) {
				return c.nothingDone()
			}
			a, err := c.Restore(ctx, actor(), would.Rule.ID, would.From, o)
			if err != nil {
				return err
			}
			return c.showRestored(a, fmt.Sprintf("was restored as version %d.", a.Rule.Version))
		}),
	}
	cmd.Flags().IntVar(&version, "version", 0, "version to bring back; a deleted rule comes back as it was last")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what it would change and save nothing")
	cmd.Flags().IntVar(&o.ExpectedVersion, "if-version", 0, "restore only if the rule still has this version")
	return cmd
}

func (c *call) showRestored(a app.RestoreAnswer, what string) error {
	return c.answer(a, a.Warnings, func() {
		c.line("Version %d of rule %s %s", a.From, a.Rule.Name, what)
		c.showChanges(a.Changes)
	})
}
