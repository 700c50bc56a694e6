package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

func (d *door) alerts() *cobra.Command {
	return group("alerts", "What is or was wrong", d.alertsList(), d.alertsShow(), d.alertsAck())
}

// alertsAnswer is what `alerts list` answers. Next continues the list with
// --cursor; it is empty at the end.
type alertsAnswer struct {
	Alerts   []app.AlertView `json:"alerts"`
	Total    int             `json:"total"`
	Next     string          `json:"next"`
	Warnings []string        `json:"warnings"`
}

// alertAnswer is what the commands about one alert answer.
type alertAnswer struct {
	Alert    app.AlertView `json:"alert"`
	Warnings []string      `json:"warnings"`
}

// alertFlags pick alerts.
type alertFlags struct {
	status, severity, rule, since, before, cursor string
	limit                                         int
}

func (d *door) alertsList() *cobra.Command {
	var f alertFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List alerts, the newest first", Args: exactly(),
		Example: "tocsin alerts list --status firing\ntocsin alerts list --rule freezer --since 7d",
		RunE: d.asked(nothing, func(ctx context.Context, c *call) error {
			filter, err := f.filter(c.clock(), c.zone())
			if err != nil {
				return err
			}
			list, total, err := c.Alerts(ctx, filter)
			if err != nil {
				return err
			}
			a := alertsAnswer{Alerts: list, Total: total, Warnings: c.Warnings()}
			if len(list) > f.limit {
				a.Alerts = list[:f.limit]
				a.Next = cursor(a.Alerts[f.limit-1])
			}
			return c.answer(a, a.Warnings, func() { c.showAlerts(a) })
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.status, "status", "", "only open (not resolved), firing, acknowledged or resolved ones")
	flags.StringVar(&f.severity, "severity", "", "only low, medium, high or critical ones")
	flags.StringVar(&f.rule, "rule", "", "only those of this rule, by name or id")
	flags.StringVar(&f.since, "since", "", "started in this long (7d) or since this time (2026-01-31 14:00)")
	flags.StringVar(&f.before, "before", "", "started before this long ago or this time")
	flags.IntVar(&f.limit, "limit", 50, "at most this many, up to 1000")
	flags.StringVar(&f.cursor, "cursor", "", "continue after the page whose next this was")
	return cmd
}

var statuses = []string{
	string(rules.StatusOpen), string(rules.StatusFiring), string(rules.StatusAcknowledged),
	string(rules.StatusResolved),
}

// filter asks for one alert more than the limit, to know whether there are
// more.
func (f alertFlags) filter(now time.Time, zone *time.Location) (out app.AlertFilter, err error) {
	switch {
	case f.status != "" && !slices.Contains(statuses, f.status):
		return out, rules.FieldErrorf("--status", "must be one of %s; got %q; for example --status firing",
			strings.Join(statuses, ", "), f.status)
	case f.severity != "" && !slices.Contains(rules.Severities, f.severity):
		return out, rules.FieldErrorf("--severity", "must be one of %s; got %q; for example --severity high",
			strings.Join(rules.Severities, ", "), f.severity)
	case f.limit < 1 || f.limit > 1000:
		return out, rules.FieldErrorf("--limit", "must be between 1 and 1000; got %d; for example --limit 50", f.limit)
	}
	out = app.AlertFilter{
		RuleID: f.rule, Status: rules.Status(f.status), Severity: rules.Severity(f.severity),
		Limit: f.limit + 1,
	}
	if out.Since, err = past("--since", f.since, now, zone); err != nil {
		return out, err
	}
	if out.Until, err = past("--before", f.before, now, zone); err != nil {
		return out, err
	}
	out.Before, out.BeforeID, err = readCursor(f.cursor)
	return out, err
}

// cursor marks the last alert of a page.
func cursor(a app.AlertView) string {
	return strconv.FormatInt(a.StartedAt.UnixMilli(), 36) + "-" + a.ID
}

func readCursor(text string) (before time.Time, id string, err error) {
	if text == "" {
		return time.Time{}, "", nil
	}
	at, id, cut := strings.Cut(text, "-")
	ms, err := strconv.ParseInt(at, 36, 64)
	if err != nil || !cut || id == "" {
		return time.Time{}, "", rules.FieldErrorf("--cursor", "must be the `next` of an earlier answer, as it stands there")
	}
	return time.UnixMilli(ms).UTC(), id, nil
}

func (c *call) showAlerts(a alertsAnswer) {
	if len(a.Alerts) == 0 {
		c.line("No alerts.")
		return
	}
	var rows [][]string
	for _, v := range a.Alerts {
		rows = append(rows, []string{
			short(v.ID), string(v.Status), severityText(v), v.Title, seriesText(v.Series), value(v.Value, v.Text),
			ago(v.StartedAt, c.clock()), v.Delivery.String(),
		})
	}
	c.table([]string{"ID", "STATUS", "SEVERITY", "TITLE", "SERIES", "VALUE", "STARTED", "DELIVERY"}, rows)
	if a.Next != "" {
		c.line("%d of %d; go on with --cursor %s", len(a.Alerts), a.Total, a.Next)
	}
}

// severityText is how severe an alert is, and was if that is worse.
func severityText(v app.AlertView) string {
	if v.Worst != "" {
		return string(v.Severity) + " (was " + string(v.Worst) + ")"
	}
	return string(v.Severity)
}

func seriesText(l rules.Labels) string {
	if len(l) == 0 {
		return "-"
	}
	return strings.ReplaceAll(string(rules.SeriesOf(l)), ",", " ")
}

func (d *door) alertsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert with its evidence and deliveries", Args: exactly("ID"),
		Example: "tocsin alerts show a3k9v2mq1",
		RunE: d.asked(nothing, func(ctx context.Context, c *call) error {
			v, err := c.find(ctx, c.args[0])
			if err != nil {
				return err
			}
			a := alertAnswer{v, c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showAlert(v) })
		}),
	}
}

// searched is how far back a short id is looked for.
const searched = 10_000

// find returns an alert by its id, or by the beginning of it that tables show.
func (c *call) find(ctx context.Context, id string) (app.AlertView, error) {
	v, err := c.Alert(ctx, id)
	if rules.CodeOf(err) != rules.NotFound {
		return v, err
	}
	list, _, listErr := c.Alerts(ctx, app.AlertFilter{Limit: searched})
	if listErr != nil {
		return v, listErr
	}
	var found []app.AlertView
	for _, v := range list {
		if len(id) >= 4 && strings.HasPrefix(v.ID, id) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return v, rules.Errorf(rules.NotFound, "there is no alert %q; `tocsin alerts list` shows those there are", id)
	case 1:
		return c.Alert(ctx, found[0].ID)
	}
	return v, rules.Errorf(rules.Invalid, "%q is the beginning of several alerts: %s; give more of the id", id,
		names(found, func(v app.AlertView) string { return v.ID }))
}

func (c *call) showAlert(v app.AlertView) {
	c.line("%s", v.Title)
	c.facts([][2]string{
		{"id", v.ID},
		{"status", string(v.Status)},
		{"severity", severityText(v)},
		{"series", seriesText(v.Series)},
		{"value", value(v.Value, v.Text)},
		{"peak", value(v.Peak, "")},
		{"wrong since", c.when(&v.Since)},
		{"started", c.when(&v.StartedAt)},
		{"resolved", strings.TrimSpace(c.when(v.ResolvedAt) + " " + inBrackets(v.Reason))},
		{"acknowledged", c.ackText(v)},
		{"held by", v.HeldBy},
		{"delivery", v.Delivery.State},
	})
	for _, name := range slices.Sorted(maps.Keys(v.Delivery.Channels)) {
		c.line("  %s: %s", name, v.Delivery.Channels[name])
	}
	c.showEvidence(v.Evidence)
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

func (c *call) ackText(v app.AlertView) string {
	if v.AcknowledgedBy == "" {
		return ""
	}
	text := "by " + v.AcknowledgedBy + ", " + c.when(v.AcknowledgedAt)
	if v.Until != nil {
		text += ", until " + stamp(*v.Until, c.zone())
	}
	if v.Note != "" {
		text += ": " + v.Note
	}
	return text
}

func (c *call) when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return ago(*t, c.clock()) + ", " + stamp(*t, c.zone())
}

func (c *call) showEvidence(e rules.Evidence) {
	if e.Condition == "" && e.Query == "" {
		return
	}
	c.line("evidence")
	c.line("  condition  %s", e.Condition)
	if e.Usual != "" {
		c.line("  usual      %s", e.Usual)
	}
	if !e.To.IsZero() {
		c.line("  window     %s to %s", stamp(e.From, c.zone()), stamp(e.To, c.zone()))
	}
	for i, query := range strings.Split(e.Query, "\n") {
		if query != "" {
			c.line("  %-9s  %s", map[int]string{0: "query"}[i], query)
		}
	}
	if e.Clock != "" {
		c.line("  clock      %s", e.Clock)
	}
	for _, s := range e.Values {
		c.line("  %s  %s  %s", stamp(s.At, c.zone()), value(s.Value, ""), s.Verdict)
	}
}

func (d *door) alertsAck() *cobra.Command {
	var note, until string
	var undo bool
	cmd := &cobra.Command{
		Use: "ack ID", Short: "Acknowledge an alert, snooze it, or take that back", Args: exactly("ID"),
		Long: `Acknowledge an alert: reminders and escalation stop until it resolves or gets
worse. With --until it is a snooze, which also covers new alerts of the same
series that start before then.`,
		Example: "tocsin alerts ack a3k9v2mq1 --note \"door was open\"\ntocsin alerts ack a3k9v2mq1 --until 2h\ntocsin " +
			"alerts ack a3k9v2mq1 --undo",
		RunE: d.asked(nothing, func(ctx context.Context, c *call) error {
			if undo && (note != "" || until != "") {
				return rules.Errorf(rules.Invalid, "--undo takes an acknowledgement back; leave --note and --until out")
			}
			end, err := future("--until", until, c.clock(), c.zone())
			if err != nil {
				return err
			}
			v, err := c.find(ctx, c.args[0])
			if err != nil {
				return err
			}
			v, warnings, err := c.Acknowledge(ctx, v.ID, app.AckRequest{Note: note, Until: end, Undo: undo})
			if err != nil {
				return err
			}
			return c.answer(alertAnswer{v, warnings}, warnings, func() { c.line("%s", c.ackSentence(v, undo)) })
		}),
	}
	cmd.Flags().StringVar(&note, "note", "", "a note for the others")
	cmd.Flags().StringVar(&until, "until", "", "snooze for this long (2h) or until this time (14:00, 2026-01-31 14:00)")
	cmd.Flags().BoolVar(&undo, "undo", false, "take the acknowledgement back")
	return cmd
}

func (c *call) ackSentence(v app.AlertView, undo bool) string {
	what := v.Title
	if len(v.Series) > 0 {
		what += " (" + seriesText(v.Series) + ")"
	}
	switch {
	case undo:
		return fmt.Sprintf("%s is not acknowledged any more; reminders go on.", what)
	case v.Until != nil:
		return fmt.Sprintf("%s is snoozed until %s.", what, stamp(*v.Until, c.zone()))
	}
	return fmt.Sprintf("%s is acknowledged; reminders stop until it resolves.", what)
}
