package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// auditAnswer is what `audit` answers, the newest act first.
type auditAnswer struct {
	Audit    []app.AuditEntry `json:"audit"`
	Total    int              `json:"total"`
	Warnings []string         `json:"warnings"`
}

func (d *door) audit() *cobra.Command {
	var since string
	var f app.AuditFilter
	cmd := &cobra.Command{
		Use: "audit", Short: "Show what models did through MCP, for whom, and what came of it", Args: exactly(),
		Long: `Show the acts of models, the newest first: who they acted for, with which
program and tool, what they asked for and what came of it. Looking is no act and
is only in the log. Entries are kept for 90 days, 10000 at most.`,
		Example: "tocsin audit\ntocsin audit --since 7d --tool delete_alert_rule",
		RunE: d.with(nothing, func(ctx context.Context, c *call) (err error) {
			if f.Limit < 0 {
				return rules.FieldErrorf("--limit", "must be 0 for all or more; got %d; for example --limit 50", f.Limit)
			}
			if f.Since, err = past("--since", since, c.clock(), c.zone()); err != nil {
				return err
			}
			list, total, err := c.Audit(ctx, f)
			if err != nil {
				return err
			}
			a := auditAnswer{list, total, c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showAudit(list, total) })
		}),
	}
	cmd.Flags().StringVar(&since, "since", "", "only from then on: 7d, or a time")
	cmd.Flags().StringVar(&f.By, "by", "", "only of this person or token")
	cmd.Flags().StringVar(&f.Tool, "tool", "", "only this tool")
	cmd.Flags().StringVar(&f.About, "about", "", "only about this rule, alert or silence (its id), or this channel")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "at most this many, 0 for all")
	return cmd
}

// showAudit prints the acts. What was asked for, and key by key what changed,
// is in --json.
func (c *call) showAudit(list []app.AuditEntry, total int) {
	if len(list) == 0 {
		c.line("No act of a model is on record.")
		return
	}
	var rows [][]string
	for _, e := range list {
		by := e.By.Name
		if e.Client != "" {
			by += " via " + e.Client
		}
		rows = append(rows, []string{stamp(e.At, c.zone()), by, e.Tool, e.Outcome, e.About, firstLine(e.Text)})
	}
	c.table([]string{"WHEN", "BY", "TOOL", "OUTCOME", "ABOUT", "WHAT"}, rows)
	if len(list) < total {
		c.line("%s", fmt.Sprintf("%d of %d; --limit 0 shows all.", len(list), total))
	}
}

// firstLine cuts a text so that a table stays one.
func firstLine(text string) string {
	r := []rune(text)
	if i := slices.Index(r, '\n'); i >= 0 {
		r = r[:i]
	}
	if len(r) > 100 {
		return string(r[:99]) + "…"
	}
	return string(r)
}
