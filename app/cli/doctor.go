package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
)

func (d *door) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what could keep you from being told, and say the cure", Args: exactly(), Example: "tocsin doctor",
		RunE: d.with(theKey, func(ctx context.Context, c *call) error {
			found := c.Doctor(ctx)
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
		}),
	}
}

func (c *call) showFindings(found []app.Finding) {
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
