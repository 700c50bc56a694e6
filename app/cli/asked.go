package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
)

// asked runs a command on what the daemon answers, so that whoever may use its
// socket can ask, or on the store where no daemon answers.
func (d *door) asked(n need, run func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return d.through(n, func(ctx context.Context, c *call, daemon Daemon) error {
		c.daemon = daemon
		return run(ctx, c)
	}, run)
}

// Alerts is a page of alerts, and how many there are.
func (c *call) Alerts(ctx context.Context, f app.AlertFilter) (list []app.AlertView, total int, err error) {
	if c.daemon == nil {
		return c.App.Alerts(ctx, f)
	}
	list, total, c.warned, err = c.daemon.Alerts(ctx, f)
	return list, total, err
}

// Alert is one alert.
func (c *call) Alert(ctx context.Context, id string) (v app.AlertView, err error) {
	if c.daemon == nil {
		return c.App.Alert(ctx, id)
	}
	v, c.warned, err = c.daemon.Alert(ctx, id)
	return v, err
}

// Acknowledge acknowledges an alert for the user of this command.
func (c *call) Acknowledge(ctx context.Context, id string, req app.AckRequest) (app.AlertView, []string, error) {
	if c.daemon == nil {
		return c.App.Acknowledge(ctx, actor(), id, req)
	}
	return c.daemon.Acknowledge(ctx, id, req)
}

// Warnings are those of the daemon's last answer, or of this process.
func (c *call) Warnings() []string {
	if c.daemon == nil {
		return c.App.Warnings()
	}
	return c.warned
}
