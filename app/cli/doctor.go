package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/insight"
)

func (d *door) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what could keep you from being told, and say the cure", Args: exactly(),
		Example: "tocsin doctor",
		RunE: d.through(theKey,
			func(ctx context.Context, c *call, daemon Daemon) error {
				found, err := daemon.Doctor(ctx)
				if err != nil {
					return err
				}
				return c.diagnose(found)
			},
			func(ctx context.Context, c *call) error { return c.diagnose(insight.New(c.App).Doctor(ctx)) }),
	}
}

// diagnose shows what was found, and fails when something has to be mended.
func (c *call) diagnose(found []insight.Finding) error {
	ill := 0
	for _, f := range found {
		if !f.OK {
			ill++
		}
	}
	err := c.answer(map[string]any{"findings": found, "problems": ill}, nil, func() { c.showFindings(found) })
	if err == nil && ill > 0 {
		err = silent{}
	}
	return err
}

func (c *call) showFindings(found []insight.Finding) {
	var rows [][]string
	for _, f := range found {
		state := "ok"
		if !f.OK {
			state = "mend"
		}
		rows = append(rows, []string{state, f.What, f.Text})
	}
	c.table([]string{"", "WHAT", "HOW IT IS"}, rows)
}
