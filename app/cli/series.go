package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// seriesAnswer is what `rules series` answers.
type seriesAnswer struct {
	Series   []app.KnownSeries `json:"series"`
	Total    int               `json:"total"`
	Warnings []string          `json:"warnings"`
}

func (d *door) rulesSeries() *cobra.Command {
	return &cobra.Command{
		Use: "series NAME", Short: "List the series that a rule knows, the silent ones first", Args: exactly("NAME"),
		Example: "tocsin rules series freezer",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			list, err := c.RuleSeries(ctx, c.args[0])
			if err != nil {
				return err
			}
			a := seriesAnswer{list, len(list), c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showSeries(list) })
		}),
	}
}

func (c *call) showSeries(list []app.KnownSeries) {
	if len(list) == 0 {
		c.line("No series is known: the rule keeps those that are not ok, and all of them where silence counts.")
		return
	}
	var rows [][]string
	for _, v := range list {
		seen, value := "never", ""
		if v.Seen != nil {
			seen = ago(*v.Seen, c.clock())
		}
		if v.Value != nil {
			value = rules.FormatNumber(*v.Value)
		}
		rows = append(rows, []string{string(rules.SeriesOf(v.Series)), v.State, value, seen})
	}
	c.table([]string{"SERIES", "STATE", "VALUE", "LAST SEEN"}, rows)
}

// retiredAnswer is what `rules retire` answers.
type retiredAnswer struct {
	Retired  rules.Labels `json:"retired"`
	Warnings []string     `json:"warnings"`
}

func (d *door) rulesRetire() *cobra.Command {
	return &cobra.Command{
		Use: "retire NAME TAG=VALUE...", Short: "Let go of a series that is gone for good: its alert ends",
		Long: `Lets go of a series that nobody expects any more, such as a sensor that was
taken down: its alert ends, and who heard of it is told. It is watched again
when it has a point.`,
		Args:    cobra.MinimumNArgs(1),
		Example: "tocsin rules retire silent_sensors sensor=attic",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			labels, err := labelsOf(c.args[1:])
			if err != nil {
				return err
			}
			warnings, err := c.Retire(ctx, c.args[0], labels)
			if err != nil {
				return err
			}
			return c.answer(retiredAnswer{labels, warnings}, warnings, func() {
				c.line("Retired %s of rule %s.", rules.SeriesOf(labels), c.args[0])
			})
		}),
	}
}

// labelsOf reads a label set.
func labelsOf(pairs []string) (rules.Labels, error) {
	out := rules.Labels{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, rules.FieldErrorf("series",
				"must be tag=value for each tag of group_by; got %q; for example sensor=attic", pair)
		}
		out[name] = value
	}
	return out, nil
}
