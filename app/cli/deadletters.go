package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// deadAnswer is what `channels dead` answers.
type deadAnswer struct {
	DeadLetters []app.DeadLetter `json:"dead_letters"`
	Total       int              `json:"total"`
	Warnings    []string         `json:"warnings"`
}

// countAnswer is what acts on dead letters answer.
type countAnswer struct {
	Count    int      `json:"count"`
	Warnings []string `json:"warnings"`
}

func (d *door) channelsDead() *cobra.Command {
	var drop, yes bool
	cmd := &cobra.Command{
		Use: "dead [NAME]", Short: "List the messages that could not be delivered, or let go of them",
		Args:    exactly("[NAME]"),
		Example: "tocsin channels dead\ntocsin channels dead phone --drop",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			name := strings.Join(c.args, "")
			if drop {
				return c.dropDead(ctx, name, yes)
			}
			list, err := c.DeadLetters(ctx, name)
			if err != nil {
				return err
			}
			a := deadAnswer{list, len(list), c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showDead(list) })
		}),
	}
	cmd.Flags().BoolVar(&drop, "drop", false, "let go of them: they are not listed any more and cannot be sent again")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (c *call) dropDead(ctx context.Context, name string, yes bool) error {
	if !yes && !c.agreed("Let go of the dead letters? Nobody will be told what they say.") {
		return c.nothingDone()
	}
	n, err := c.DropDeadLetters(ctx, name)
	if err != nil {
		return err
	}
	a := countAnswer{n, c.Warnings()}
	return c.answer(a, a.Warnings, func() { c.line("Let go of %s.", plural(n, "dead letter", "dead letters")) })
}

func (c *call) showDead(list []app.DeadLetter) {
	if len(list) == 0 {
		c.line("There are no dead letters.")
		return
	}
	var rows [][]string
	for _, l := range list {
		told := "nobody"
		if l.Fallback != "" {
			told = l.Fallback
		}
		failed := l.Error
		if l.Unknown {
			failed += ", may have arrived"
		}
		rows = append(rows,
			[]string{l.ID, l.Channel, dash(l.Target), failed, ago(l.DoneAt, c.clock()), told, string(l.Reason), l.Title})
	}
	c.table([]string{"ID", "CHANNEL", "FOR", "ERROR", "WHEN", "TOLD INSTEAD", "REASON", "TITLE"}, rows)
}

func (d *door) channelsResend() *cobra.Command {
	var all string
	cmd := &cobra.Command{
		Use: "resend [ID]", Short: "Send a dead letter again, or all of a channel", Args: exactly("[ID]"),
		Example: "tocsin channels resend n0123456789\ntocsin channels resend --all phone",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			if (len(c.args) == 1) == (all != "") {
				return rules.Errorf(rules.Invalid,
					"give the ID of a dead letter, or --all with a channel; `tocsin channels dead` lists them")
			}
			n, err := 1, error(nil)
			if all != "" {
				n, err = c.ResendAll(ctx, all)
			} else {
				err = c.Resend(ctx, c.args[0])
			}
			if err != nil {
				return err
			}
			a := countAnswer{n, c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.line("%s owed again.", plural(n, "message is", "messages are")) })
		}),
	}
	cmd.Flags().StringVar(&all, "all", "", "all dead letters of this channel")
	return cmd
}
