package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
)

func (d *door) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(), Example: "tocsin version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := d.page(cmd)
			platform := runtime.GOOS + "/" + runtime.GOARCH
			facts := map[string]string{"version": d.program.Version, "go": runtime.Version(), "platform": platform}
			return p.answer(facts, nil, func() { p.line("tocsin %s %s %s", d.program.Version, runtime.Version(), platform) })
		},
	}
}

func (d *door) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how tocsin is doing: daemon, database, sources, channels", Args: exactly(),
		Example: "tocsin status\ntocsin status --json",
		RunE: d.with(kinds, func(ctx context.Context, c *call) error {
			s := c.Status(ctx)
			err := c.answer(s, nil, func() { c.showStatus(s) })
			if err == nil && s.Status == "down" {
				return silent{}
			}
			return err
		}),
	}
}

func (c *call) showStatus(s app.Status) {
	daemon := "not running"
	if s.Daemon.Running {
		daemon = fmt.Sprintf("running, pid %d, on %s", s.Daemon.PID, s.Daemon.Address)
	}
	c.facts([][2]string{
		{"status", s.Status},
		{"daemon", daemon},
		{"database", s.Database},
		{"rules", fmt.Sprintf("%d, %d of them on", s.Rules.Total, s.Rules.Enabled)},
		{"alerts", fmt.Sprintf("%d firing, %d acknowledged", s.Alerts["firing"], s.Alerts["acknowledged"])},
		{"sources", names(s.Sources, func(v app.SourceView) string { return v.Name })},
		{"channels", names(s.Channels, channelName)},
		{"version", s.Version},
	})
	for _, problem := range s.Problems {
		c.line("! %s", problem)
	}
}

// names joins the names of a list, "none" for an empty one.
func names[T any](list []T, name func(T) string) string {
	if len(list) == 0 {
		return "none"
	}
	var out []string
	for _, item := range list {
		out = append(out, name(item))
	}
	return strings.Join(out, ", ")
}

func (d *door) sources() *cobra.Command {
	return group("sources", "Where the data comes from", d.sourcesList(), d.sourcesCheck())
}

// sourcesAnswer is what the commands about sources answer.
type sourcesAnswer struct {
	Sources  []app.SourceView `json:"sources"`
	Warnings []string         `json:"warnings"`
}

func (d *door) sourcesList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the sources of the config", Args: exactly(), Example: "tocsin sources list",
		RunE: d.with(nothing, func(_ context.Context, c *call) error {
			list := c.ListSources()
			return c.answer(sourcesAnswer{list, []string{}}, nil, func() {
				if len(list) == 0 {
					c.line("There is no source yet: add one under sources: in the config.")
					return
				}
				var rows [][]string
				for _, s := range list {
					config := c.Config.Sources[s.Name]
					rows = append(rows, []string{s.Name, s.Kind, config.URL, config.Database})
				}
				c.table([]string{"NAME", "KIND", "URL", "DATABASE"}, rows)
			})
		}),
	}
}

func (d *door) sourcesCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check [NAME]", Short: "Ask each source, or one, whether it answers", Args: exactly("[NAME]"),
		Example: "tocsin sources check\ntocsin sources check home",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			list, err := c.CheckSources(ctx, strings.Join(c.args, ""))
			if err != nil {
				return err
			}
			if err := c.answer(sourcesAnswer{list, []string{}}, nil, func() { c.showChecks(list) }); err != nil {
				return err
			}
			for _, s := range list {
				if !s.OK {
					return silent{}
				}
			}
			return nil
		}),
	}
}

func (c *call) showChecks(list []app.SourceView) {
	if len(list) == 0 {
		c.line("There is no source to check: add one under sources: in the config.")
		return
	}
	var rows [][]string
	for _, s := range list {
		state, what := "ok", s.Version+", answered in "+s.Took.String()
		if !s.OK {
			state, what = "down", s.Error
		}
		rows = append(rows, []string{s.Name, s.Kind, state, what})
	}
	c.table([]string{"NAME", "KIND", "STATE", "ANSWER"}, rows)
}
