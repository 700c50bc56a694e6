package cli

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
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
		RunE: d.through(theKey,
			func(ctx context.Context, c *call, daemon Daemon) error {
				s, err := daemon.Status(ctx)
				if err != nil {
					return err
				}
				return c.tellStatus(s)
			},
			func(ctx context.Context, c *call) error { return c.tellStatus(c.AskedStatus(ctx)) }),
	}
}

// tellStatus shows a status, and fails when tocsin is down.
func (c *call) tellStatus(s app.Status) error {
	err := c.answer(s, nil, func() { c.showStatus(s) })
	if err == nil && s.Status == "down" {
		return silent{}
	}
	return err
}

func sourceText(v app.SourceView) string {
	if !v.OK {
		return v.Name + " (down)"
	}
	return v.Name + " (ok)"
}

// rulesText says how many rules there are, and how many of them are on.
func rulesText(total, on int) string {
	some := map[bool]string{true: "on", false: "off"}[on == total]
	switch {
	case total == 0:
		return "none"
	case on > 0 && on < total:
		return fmt.Sprintf("%d, %d of them on", total, on)
	case total == 1:
		return "1, " + some
	}
	return fmt.Sprintf("%d, all %s", total, some)
}

func channelText(c rules.ChannelInfo) string { return c.Name + " (" + c.Health + ")" }

func (c *call) showStatus(s app.Status) {
	daemon := "not running"
	if s.Daemon.Running {
		daemon = fmt.Sprintf("running, pid %d, on %s", s.Daemon.PID, s.Daemon.Address)
	}
	facts := [][2]string{
		{"status", s.Status},
		{"daemon", daemon},
		{"database", s.Database},
		{"rules", rulesText(s.Rules.Total, s.Rules.Enabled)},
		{"alerts", fmt.Sprintf("%d firing, %d acknowledged", s.Alerts["firing"], s.Alerts["acknowledged"])},
		{"sources", names(s.Sources, sourceText)},
		{"channels", names(s.Channels, channelText)},
		{"version", s.Version},
	}
	for _, v := range s.Open {
		c.line("%s: %s, %s, since %s", v.Severity, strings.TrimSpace(v.Title+" "+inBrackets(seriesText(v.Series))), v.Status,
			stamp(v.StartedAt, c.zone()))
	}
	c.facts(slices.Insert(facts, 4, c.engineFacts(s)...))
	for _, line := range app.AskedText(s.Sources) {
		c.line("%s", line)
	}
	for _, problem := range slices.Concat(s.Problems, s.Advice) {
		c.line("! %s", problem)
	}
}

// engineFacts tell what the daemon's last tick was like.
func (c *call) engineFacts(s app.Status) [][2]string {
	e := s.Engine
	if e == nil {
		return nil
	}
	last := "none yet"
	if e.Ticks > 0 {
		last = fmt.Sprintf("%s, %s with %s in %s", ago(e.LastTick, c.clock()), plural(e.Rules, "rule", "rules"),
			plural(e.Queries, "query", "queries"), e.LastTook)
		switch {
		case e.Queries == 0:
		case e.Rules == e.Queries:
			last += ", 1 rule per query"
		default:
			last += fmt.Sprintf(", %.3g rules per query", float64(e.Rules)/float64(e.Queries))
		}
	}
	facts := [][2]string{
		{"plan", plural(e.Plans, "query", "queries") + " for all rules"},
		{"last tick", last},
		{"ticks", fmt.Sprintf("%d judged, %d missed", e.Ticks, e.Missed)},
	}
	if s.Clock != "" {
		facts = append(facts, [2]string{"clock", s.Clock})
	}
	return facts
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

// sourceRow is a source as the config has it, without asking it anything.
type sourceRow struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	URL      string `json:"url,omitempty"`
	Database string `json:"database,omitempty"`
}

// sourcesAnswer is what `sources list` answers.
type sourcesAnswer struct {
	Sources  []sourceRow `json:"sources"`
	Warnings []string    `json:"warnings"`
}

// checksAnswer is what `sources check` answers.
type checksAnswer struct {
	Sources  []app.SourceView `json:"sources"`
	Warnings []string         `json:"warnings"`
}

func (d *door) sourcesList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the sources of the config", Args: exactly(), Example: "tocsin sources list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := d.load(nothing)
			if err != nil {
				return failed{err}
			}
			p, list := d.page(cmd), sourceRows(config)
			return p.answer(sourcesAnswer{list, []string{}}, nil, func() { p.showSources(list) })
		},
	}
}

func sourceRows(c *app.Config) []sourceRow {
	list := []sourceRow{}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		s := c.Sources[name]
		list = append(list, sourceRow{name, s.Kind, s.URL, s.Database})
	}
	return list
}

func (p page) showSources(list []sourceRow) {
	if len(list) == 0 {
		p.line("There is no source yet: add one under sources: in the config.")
		return
	}
	var rows [][]string
	for _, s := range list {
		rows = append(rows, []string{s.Name, s.Kind, s.URL, s.Database})
	}
	p.table([]string{"NAME", "KIND", "URL", "DATABASE"}, rows)
}

func (d *door) sourcesCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check [NAME]", Short: "Ask each source, or one, whether it answers", Args: exactly("[NAME]"),
		Example: "tocsin sources check\ntocsin sources check home",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := d.load(nothing)
			if err != nil {
				return failed{err}
			}
			return d.checkSources(cmd, config, strings.Join(args, ""))
		},
	}
}

// checkSources needs no database: it is what people try first.
func (d *door) checkSources(cmd *cobra.Command, config *app.Config, name string) error {
	sources, err := d.program.Sources(config)
	if err != nil {
		return failed{err}
	}
	c := &call{App: app.New(app.App{Config: config, Sources: sources}), page: d.page(cmd), cmd: cmd}
	list, err := c.CheckSources(cmd.Context(), name)
	if err != nil {
		return err
	}
	warnings := append([]string{}, config.Concerns()...)
	if err := c.answer(checksAnswer{list, warnings}, warnings, func() { c.showChecks(list) }); err != nil {
		return err
	}
	for _, s := range list {
		if !s.OK {
			return silent{}
		}
	}
	return nil
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
