package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/unit"
)

// headline says in a word or two what kind of news it is.
func (c Composer) headline(it item, now time.Time) string {
	if it.Reason == rules.Reminder && it.Facts.After != rules.AfterSnooze && it.Facts.After != rules.AfterSilence {
		return "Still " + still(it.Facts) + " after " + length(now.Sub(it.Facts.Since)) + ": "
	}
	if word := news(it); word != "" {
		return word + ": "
	}
	return ""
}

// still is how it still is.
func still(f rules.Facts) string {
	switch {
	case f.Silent:
		return "silent"
	case f.Value == nil && f.ValueText == "":
		return "wrong"
	}
	return value(f)
}

// news names the kind of it, "" for what fires for the first time.
func news(it item) string {
	switch {
	case it.missed:
		return "Came and went"
	case it.Reason == rules.Resolved && it.Facts.Why == rules.WhyNotWatched:
		return "No longer watched"
	case it.Reason == rules.Resolved && it.Facts.Why == rules.WhyRetired:
		return "Retired"
	case it.Reason == rules.Resolved:
		return "Resolved"
	case it.Reason == rules.Worsened:
		return strings.ToUpper(string(it.Facts.Severity[:1])) + string(it.Facts.Severity[1:])
	case it.Reason == rules.Escalated:
		return "Unanswered"
	case it.Reason == rules.Reminder && it.Facts.After == rules.AfterSnooze:
		return "Snooze over"
	case it.Reason == rules.Reminder && it.Facts.After == rules.AfterSilence:
		return "Silence over"
	case it.Reason == rules.Reminder:
		return "Still wrong"
	}
	return ""
}

// place is where it is, by the values of the tags: "kitchen/a".
func place(f rules.Facts) string {
	var out []string
	f.Series.Each(func(_, value string) bool {
		out = append(out, Data(value))
		return true
	})
	return strings.Join(out, "/")
}

// news is the first line of a text: how bad it is, what the limit is and for how
// long it has been so, or lasted.
func (c Composer) news(it item, now time.Time) string {
	f := it.Facts
	switch {
	case it.Reason == rules.Resolved:
		return lasted(f)
	case f.Silent:
		return upper(c.silence(f, now))
	}
	return c.reading(f) + ", " + since(f, now)
}

func upper(clause string) string { return strings.ToUpper(clause[:1]) + clause[1:] }

// reading is the value with its limit.
func (c Composer) reading(f rules.Facts) string {
	switch at := limitOf(f); {
	case at == "":
		return value(f)
	case limit(f) == "":
		return value(f) + " (" + at + ")"
	default:
		return value(f) + ", " + at
	}
}

// value is the value with its unit, as precise as it takes to tell it from the
// limit.
func value(f rules.Facts) string {
	switch {
	case f.ValueText != "":
		return Data(f.ValueText)
	case f.Value != nil:
		return amount(f, *f.Value)
	}
	return "without a value"
}

func amount(f rules.Facts, x float64) string {
	switch f.Limit.Kind {
	case rules.Number:
		return unit.Write(x, f.Unit, f.Limit.Low)
	case rules.Range:
		return unit.Write(x, f.Unit, f.Limit.Low, f.Limit.High)
	}
	return unit.Write(x, f.Unit)
}

// limit says what the value should keep to, "" where the value itself tells.
func limit(f rules.Facts) string {
	if f.Usual != "" {
		return f.Usual
	}
	at := f.Limit.String()
	if f.Limit.Kind == rules.Number {
		at = unit.Exact(f.Limit.Low, f.Unit)
	}
	switch f.Operator {
	case rules.Above, rules.AtLeast, rules.Below, rules.AtMost:
		return "limit " + at
	case rules.Unequal:
		return "should be " + at
	case rules.Outside:
		return "limits " + strings.TrimSpace(at+" "+f.Unit)
	case rules.Between:
		return "wrong between " + strings.TrimSpace(at+" "+f.Unit)
	}
	return ""
}

// since tells how long it has been wrong.
func since(f rules.Facts, now time.Time) string {
	if d := now.Sub(f.Since); d >= time.Second {
		return "for " + length(d)
	}
	return "just now"
}

// lasted tells how long an episode was, how bad, and what it is now.
func lasted(f rules.Facts) string {
	text := "Lasted " + length(f.ResolvedAt.Sub(f.Since))
	if f.Silent {
		return text
	}
	var parts []string
	if f.Value != nil && f.Why == rules.WhyRecovered {
		parts = append(parts, "now "+value(f))
	}
	if f.Peak != nil {
		parts = append(parts, "worst "+amount(f, *f.Peak))
	}
	if limit := limit(f); limit != "" && len(parts) > 0 {
		parts = append(parts, limit)
	}
	if len(parts) == 0 {
		return text
	}
	return text + "; " + strings.Join(parts, ", ")
}

// when says from when to when, and why it ended.
func (c Composer) when(it item, now time.Time) []string {
	f := it.Facts
	switch {
	case it.Reason != rules.Resolved && f.Silent:
		return nil
	case it.Reason != rules.Resolved:
		return []string{"Since " + c.clock(f.Since, now) + "."}
	}
	out := upper(c.span(f, now)) + "."
	if f.Worst != "" {
		out += " It was " + string(f.Worst) + " at its worst."
	}
	switch f.Why {
	case rules.WhyRuleChanged:
		out += " It ended because the rule was changed."
	case rules.WhyNotWatched:
		out += " It ended because the rule was switched off or deleted."
	case rules.WhyRetired:
		out += " The series is not expected any more."
	}
	return []string{out}
}

// span says from when to when an episode lasted.
func (c Composer) span(f rules.Facts, now time.Time) string {
	_, label := rules.InZone(now, c.Zone)
	return "from " + strings.TrimSuffix(c.clock(f.Since, now), label) + " to " + c.clock(f.ResolvedAt, now)
}

// silence tells since when a series has had no data.
func (c Composer) silence(f rules.Facts, now time.Time) string {
	if f.NoDataSince.IsZero() {
		return "no data has ever been seen"
	}
	return "no data for " + length(now.Sub(f.NoDataSince)) + ", since " + c.clock(f.NoDataSince, now)
}

func untold(n int) string {
	return fmt.Sprintf("%d short %s before this one %s not told because of the cooldown.",
		n, plural(n, "episode", "episodes"), plural(n, "was", "were"))
}

// unwritten says that the rule's own line is missing, and why.
func unwritten(err error) string {
	if err == nil {
		return ""
	}
	return "The rule's own summary could not be written: " + err.Error()
}

// footnotes are the lines under a text, those of more that are not empty first.
func (c Composer) footnotes(items []item, more ...string) (out []string) {
	for _, line := range append(more, instead(items), c.howToAnswer(items)) {
		if line != "" {
			out = append(out, line)
		}
	}
	return out
}

// whyNow says why an alert is told again, or later than it fired.
func whyNow(it item) string {
	f := it.Facts
	by := Data(f.AfterBy)
	if by == "" {
		by = "Somebody"
	}
	switch {
	case it.Reason == rules.Resolved:
		return ""
	case f.After == rules.AfterAck:
		return by + " had acknowledged it; because it got worse, it is open again."
	case f.After == rules.AfterSnooze:
		return by + " had snoozed it; the snooze is over."
	case f.After == rules.AfterSilence:
		return "It was silenced until now."
	case f.After == rules.AfterParent:
		return "It was not told before because what it depends on was wrong too; that is over."
	case f.After == rules.AfterHours:
		return "It was not told outside the rule's active hours; they have begun."
	case f.After == rules.AfterGap:
		return "It began while tocsin or its source was away."
	case it.Reason == rules.Escalated:
		return "Nobody has acknowledged it."
	}
	return ""
}

// idShown is how much of an alert's ID tells it apart, as in the tables of the
// command line.
const idShown = 9

// howToAnswer tells how to take care of what goes on, where no link does. A
// first message is spared it: who watches a channel knows, but who is called
// because nobody does may not.
func (c Composer) howToAnswer(items []item) string {
	again := func(it item) bool { return it.Reason != rules.FirstNews && tone(it) == Alarm }
	switch {
	case c.Linked || !slices.ContainsFunc(items, again):
		return ""
	case len(items) > 1:
		return "To stop reminders, acknowledge them: tocsin alerts list --status firing names them, or ask Claude to."
	}
	id := items[0].AlertID
	return "To stop reminders, acknowledge it: tocsin alerts ack " + id[:min(len(id), idShown)] + ", or ask Claude to."
}

// instead says why a message comes through a channel that nobody chose for it.
func instead(items []item) string {
	var broken, why []string
	for _, it := range items {
		failed := it.Facts.Instead
		if last := len(failed) - 1; last >= 0 && it.Facts.Missed != nil {
			why = append(why, "channel "+failed[last]+" did not reach "+strings.Join(it.Facts.Missed, ", "))
			failed = failed[:last]
		}
		broken = append(broken, failed...)
	}
	broken, why = distinct(broken), distinct(why)
	if n := len(broken); n > 0 {
		why = append(why, plural(n, "channel ", "channels ")+strings.Join(broken, ", ")+plural(n, " does", " do")+" not work")
	}
	if len(why) == 0 {
		return ""
	}
	return "Told here because " + strings.Join(why, "; ") + "."
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// rangeOf says between what the values were.
func rangeOf(f rules.Facts) string {
	return unit.Write(slices.Min(f.Recent), f.Unit) + " to " + unit.Write(slices.Max(f.Recent), f.Unit)
}

// clock shows a time as people read it there.
func (c Composer) clock(t, ref time.Time) string { return rules.Shown(t, ref, c.Zone) }

// length rounds a duration to what matters: 4 s, 12 min, 3 h 20 min.
func length(d time.Duration) string {
	if d >= time.Hour && d < 48*time.Hour {
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	}
	return unit.Length(d, 1)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
