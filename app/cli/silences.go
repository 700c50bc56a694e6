package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

func (d *door) silences() *cobra.Command {
	return group("silences", "Hold messages back for a while", d.silencesList(), d.silencesAdd(), d.silencesEnd())
}

// silencesAnswer is what `silences list` answers.
type silencesAnswer struct {
	Silences []app.SilenceView `json:"silences"`
	Total    int               `json:"total"`
	Warnings []string          `json:"warnings"`
}

func (d *door) silencesList() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the silences and what they hide now", Args: exactly(), Example: "tocsin silences list",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			list, err := c.ListSilences(ctx, all)
			if err != nil {
				return err
			}
			a := silencesAnswer{list, len(list), c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showSilences(list) })
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that ended in the last 30 days")
	return cmd
}

func (c *call) showSilences(list []app.SilenceView) {
	if len(list) == 0 {
		c.line("No silences.")
		return
	}
	var rows [][]string
	for _, s := range list {
		hides := fmt.Sprint(s.Hides)
		if s.Hides != s.Matches {
			hides = fmt.Sprintf("%d of %d", s.Hides, s.Matches)
		}
		rows = append(rows, []string{s.ID, s.State, silenced(s), c.silenceEnd(s), hides, s.By.Name, s.Comment})
	}
	c.table([]string{"ID", "STATE", "SILENCES", "ENDS", "HIDES", "BY", "COMMENT"}, rows)
}

// silenced says what a silence is about, and at which times of the week.
func silenced(s app.SilenceView) string {
	text := s.About
	if s.Weekly != nil {
		text += ", " + s.Weekly.String()
	}
	return text
}

func (c *call) silenceEnd(s app.SilenceView) string {
	if s.Until == nil {
		return "open-ended"
	}
	return stamp(*s.Until, c.zone())
}

// silenceFlags are a silence as flags.
type silenceFlags struct {
	length, until, from, weekly, hours, zone, comment string
	rules, match, severity                            []string
	everything, openEnded, dryRun                     bool
}

func (d *door) silencesAdd() *cobra.Command {
	var f silenceFlags
	cmd := &cobra.Command{
		Use: "add", Short: "Hold messages back, by rule or label", Args: exactly(),
		Long: `Hold back the messages of a rule, or of all alerts with certain labels. They
are evaluated all the same; what is still wrong at the end is told then. What
resolves before that, and was never told, stays untold.

With --weekly or --hours the silence comes back every week and needs no end.`,
		Example: `tocsin silences add --rule freezer --for 2h --comment "defrosting"
tocsin silences add --match room=kitchen --until 18:00
tocsin silences add --rule backup --weekly sat,sun --hours 22:00-07:00 --zone Europe/Berlin
tocsin silences add --severity "below critical" --hours 22:00-07:00
tocsin silences add --everything --for 30m --dry-run`,
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			req, err := f.request(c)
			if err != nil {
				return err
			}
			a, err := c.CreateSilence(ctx, actor(), req)
			if err != nil {
				return err
			}
			return c.answer(a, a.Warnings, func() { c.showSilence(a) })
		}),
	}
	f.register(cmd)
	return cmd
}

func (f *silenceFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.rules, "rule", nil, "the alerts of this rule, by name or id (repeatable)")
	flags.StringArrayVar(&f.match, "match", nil,
		"tag=value that the series or the rule must have (repeatable; a tag twice: either value)")
	flags.StringArrayVar(&f.severity, "severity", nil,
		"alerts so severe only, such as low,medium or \"below critical\"; what gets worse is told (repeatable)")
	flags.BoolVar(&f.everything, "everything", false, "all alerts; instead of --rule, --match and --severity")
	flags.StringVar(&f.length, "for", "", "for this long, such as 2h")
	flags.StringVar(&f.until, "until", "", "until this time (18:00, 2026-01-31 14:00)")
	flags.BoolVar(&f.openEnded, "open-ended", false, "until somebody ends it")
	flags.StringVar(&f.from, "from", "", "from this time on, or in this long; now if left out")
	flags.StringVar(&f.weekly, "weekly", "", "on these days only, such as sat,sun or mon-fri")
	flags.StringVar(&f.hours, "hours", "",
		"at these hours only, such as 22:00-07:00; over midnight they belong to the day on which they begin")
	flags.StringVar(&f.zone, "zone", "", "time zone of --weekly and --hours, such as Europe/Berlin")
	flags.StringVar(&f.comment, "comment", "", "why, for the others")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what it would hide, and save nothing")
}

func (f *silenceFlags) request(c *call) (req app.SilenceRequest, err error) {
	req = app.SilenceRequest{
		Rules: f.rules, Everything: f.everything, OpenEnded: f.openEnded, Comment: f.comment,
		DryRun: f.dryRun,
	}
	if req.Match, err = matchOf(f.match); err != nil {
		return req, err
	}
	if req.Severities, err = rules.ParseSeverities(f.severity); err != nil {
		return req, err
	}
	if f.length != "" {
		length, err := rules.ParseDuration(f.length)
		if err != nil || length <= 0 {
			return req, rules.FieldErrorf("--for", "must be a length of time with a unit; got %q; for example --for 2h",
				f.length)
		}
		req.For = length.Std()
	}
	if req.From, err = future("--from", f.from, c.clock(), c.zone()); err != nil {
		return req, err
	}
	if req.Until, err = future("--until", f.until, from(req.From, c.clock()), c.zone()); err != nil {
		return req, err
	}
	if f.weekly != "" || f.hours != "" {
		req.Weekly = &rules.Active{Days: f.weekly, Hours: f.hours, Zone: f.zone}
	} else if f.zone != "" {
		return req, rules.FieldErrorf("--zone", "is the time zone of --weekly and --hours; leave it out, or give one of them")
	}
	return req, nil
}

// from is when a silence begins: an end such as 07:00 is the next one after
// that.
func from(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t
}

// matchOf reads tag=value pairs; a tag that is given twice may have either
// value.
func matchOf(pairs []string) (rules.Filter, error) {
	out := rules.Filter{}
	for _, pair := range pairs {
		name, value, cut := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !cut || name == "" || value == "" {
			return nil, rules.FieldErrorf("--match", "must be tag=value; got %q; for example --match room=kitchen", pair)
		}
		if !slices.Contains(out[name], value) {
			out[name] = append(out[name], value)
		}
	}
	return out, nil
}

func (c *call) showSilence(a app.SilenceAnswer) {
	s := a.Silence
	c.line("%s", c.hidesSentence(a))
	for _, name := range s.Alerts {
		c.line("  %s", name)
	}
	if more := s.Matches - len(s.Alerts); more > 0 {
		c.line("  and %d more", more)
	}
	if !a.DryRun {
		c.line("End it early with: tocsin silences end %s", s.ID)
	}
}

func (c *call) hidesSentence(a app.SilenceAnswer) string {
	s := a.Silence
	did, hides := "Silenced "+silenced(s), "it hides"
	if a.DryRun {
		did, hides = "Good: "+silenced(s)+" would be silenced, and nothing was saved", "it would hide"
	}
	end := "until somebody ends it"
	if s.Until != nil {
		end = "until " + stamp(*s.Until, c.zone())
	}
	alerts := fmt.Sprintf("%d alerts", s.Matches)
	if s.Matches == 1 {
		alerts = "1 alert"
	}
	if s.State == app.SilenceRunning {
		return fmt.Sprintf("%s, %s; %s %s now.", did, end, hides, alerts)
	}
	return fmt.Sprintf("%s, %s; it does not run now. Of what is wrong now it is about %s.", did, end, alerts)
}

func (d *door) silencesEnd() *cobra.Command {
	return &cobra.Command{
		Use: "end ID", Short: "End a silence early; what is still wrong is told", Args: exactly("ID"),
		Example: "tocsin silences end s7hq2x9aaa",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			a, err := c.EndSilence(ctx, actor(), c.args[0])
			if err != nil {
				return err
			}
			return c.answer(a, a.Warnings, func() {
				c.line("Ended the silence of %s. What is still wrong is told now.", silenced(a.Silence))
			})
		}),
	}
}
