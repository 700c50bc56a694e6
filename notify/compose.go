package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// digestOver is how many alerts in one message are counted instead of listed.
const digestOver = 20

// Composer turns notifications into messages.
type Composer struct {
	// Zone is the one that times are shown in; nil is the machine's own.
	Zone *time.Location
	// Linked says that messages carry links to answer with, so that they need
	// not tell the command.
	Linked bool
}

// Compose makes one message of everything that a channel is owed at once.
func (c Composer) Compose(list []rules.Notification, now time.Time) Message {
	items := merge(list)
	if len(items) == 1 {
		return c.single(items[0], now)
	}
	return c.folded(items, now)
}

// item is one thing to tell: a notification, or a first and its resolve that
// could not be told apart in time.
type item struct {
	rules.Notification
	missed bool // fired and resolved before anything could be delivered
}

// merge makes one item of what is owed about the same alert: the newest news,
// and whether its beginning is told with it. The worst is the first, and tocsin's
// own messages are the last.
func merge(list []rules.Notification) []item {
	var out []item
	at := map[string]int{}
	for _, n := range list {
		i, again := at[n.AlertID]
		if n.AlertID == "" || !again {
			at[n.AlertID] = len(out)
			out = append(out, item{Notification: n})
			if n.Reason.Announces() && !n.Facts.ResolvedAt.IsZero() { // sent again when it was over
				out[len(out)-1].Reason, out[len(out)-1].missed = rules.Resolved, true
			}
			continue
		}
		out[i] = out[i].with(n)
	}
	slices.SortStableFunc(out, func(a, b item) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), a.BookedAt.Compare(b.BookedAt),
			cmp.Compare(name(a.Facts), name(b.Facts)))
	})
	return out
}

// with adds newer news of the same alert. Its end is the last word, also where
// it was found out later than what was said after it.
func (it item) with(n rules.Notification) item {
	if it.Reason == rules.Resolved && n.Reason != rules.Resolved {
		it.missed = it.missed || n.Reason.Announces()
		return it
	}
	newer := item{n, n.Reason == rules.Resolved && (it.missed || it.Reason.Announces())}
	if n.Reason == rules.Reminder || n.Reason == rules.Worsened {
		newer.Reason = it.Reason // a first that was late is still a first
	}
	return newer
}

func (c Composer) single(it item, now time.Time) Message {
	f := it.Facts
	m := Message{
		ID: it.ID, Threads: threads([]item{it}), Severity: f.Severity, Tone: tone(it), Link: f.Runbook,
		At: it.BookedAt,
	}
	m.Title = subjectLine(it)
	if it.AlertID == "" {
		m.Text = f.Text
		return m
	}
	m.Text = strings.Join(c.lines(it, now), "\n")
	m.Fields = c.fields(it)
	return m
}

// subjectLine says in a line what an item is about.
func subjectLine(it item) string {
	if it.AlertID == "" {
		return it.Facts.Title
	}
	return headline(it) + name(it.Facts)
}

// threads names the alerts of items, as many as a message lists.
func threads(items []item) (out []string) {
	for _, it := range items {
		if it.AlertID != "" && len(out) < digestOver {
			out = append(out, it.AlertID)
		}
	}
	return out
}

func tone(it item) Tone {
	switch {
	case it.AlertID == "":
		return Notice
	case it.Reason == rules.Resolved:
		return Relief
	}
	return Alarm
}

// headline says in a word or two what kind of news it is.
func headline(it item) string {
	switch it.Reason {
	case rules.Resolved:
		if it.missed {
			return "Fired and resolved: "
		}
		if it.Facts.Why == rules.WhyNotWatched {
			return "No longer watched: "
		}
		if it.Facts.Why == rules.WhyRetired {
			return "Retired: "
		}
		return "Resolved: "
	case rules.Reminder:
		return stillFiring(it.Facts.After)
	case rules.Worsened:
		return "Worse, now " + string(it.Facts.Severity) + ": "
	case rules.Escalated:
		return "Nobody has acknowledged: "
	}
	return ""
}

// stillFiring heads a reminder, with what is over if it comes for that.
func stillFiring(after rules.After) string {
	switch after {
	case rules.AfterSnooze:
		return "Snooze over, still firing: "
	case rules.AfterSilence:
		return "Silence over, still firing: "
	}
	return "Still firing: "
}

// name is the title with the series that it is about.
func name(f rules.Facts) string {
	if f.Series == "" {
		return f.Title
	}
	return f.Title + " (" + strings.ReplaceAll(string(f.Series), ",", ", ") + ")"
}

// lines is the text of a message about one alert.
func (c Composer) lines(it item, now time.Time) []string {
	f := it.Facts
	over := it.Reason == rules.Resolved
	var out []string
	summary, failed := f.SummaryText()
	if summary != "" && !over {
		out = append(out, summary)
	}
	switch {
	case over:
		out = append(out, c.ending(it))
	case f.Silent:
		out = append(out, sentence(c.silence(f, now)))
	default:
		out = append(out, f.Measured+" is "+value(f)+" ("+f.Condition+").", c.since(f, now))
	}
	if f.Untold > 0 {
		out = append(out, fmt.Sprintf("%d short %s before this one %s not told because of the cooldown.",
			f.Untold, plural(f.Untold, "episode", "episodes"), plural(f.Untold, "was", "were")))
	}
	return append(out, c.footnotes([]item{it}, whyNow(it), unwritten(failed))...)
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

// sentence makes one of a clause.
func sentence(clause string) string {
	return strings.ToUpper(clause[:1]) + clause[1:] + "."
}

// since tells how long it has been wrong.
func (c Composer) since(f rules.Facts, now time.Time) string {
	text := "Since " + c.clock(f.Since, now)
	if d := now.Sub(f.Since); d >= time.Minute {
		text += ", for " + length(d)
	}
	return text + "."
}

// whyNow says why an alert is told again, or later than it fired.
func whyNow(it item) string {
	f := it.Facts
	by := f.AfterBy
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

// silence tells since when a series has had no data.
func (c Composer) silence(f rules.Facts, now time.Time) string {
	if f.NoDataSince.IsZero() {
		return "no data has ever been seen"
	}
	return "no data since " + c.clock(f.NoDataSince, now) + ", for " + length(now.Sub(f.NoDataSince))
}

// ending tells how long an episode lasted, how bad it was and why it ended.
func (c Composer) ending(it item) string {
	f := it.Facts
	text := "It lasted " + length(f.ResolvedAt.Sub(f.Since)) + ", from " + c.clock(f.Since, f.ResolvedAt) + " to " +
		c.clock(f.ResolvedAt, f.ResolvedAt)
	if f.Peak != nil && !f.Silent {
		text += "; the peak was " + rules.FormatNumber(*f.Peak)
	}
	if f.Value != nil && !f.Silent && f.Why == rules.WhyRecovered {
		text += ", now it is " + value(f)
	}
	if f.Worst != "" {
		text += ". It was " + string(f.Worst) + " at its worst"
	}
	switch f.Why {
	case rules.WhyRuleChanged:
		text += ". It ended because the rule was changed"
	case rules.WhyNotWatched:
		text += ". It ended because the rule was switched off or deleted"
	case rules.WhyRetired:
		text += ". The series is not expected any more"
	}
	return text + "."
}

func (c Composer) fields(it item) []Field {
	f := it.Facts
	out := []Field{{Name: "Severity", Value: severity(f)}}
	if line := Sparkline(f.Recent); line != "" {
		out = append(out, Field{Name: "Recent", Value: rangeOf(f.Recent), Graph: line})
	}
	out = append(out, Field{Name: "Rule", Value: f.Rule}, Field{Name: "Alert", Value: it.AlertID})
	for _, k := range slices.Sorted(maps.Keys(f.Labels)) {
		out = append(out, Field{Name: k, Value: f.Labels[k]})
	}
	if f.Clock == "unsure" {
		out = append(out, Field{Name: "Clock", Value: "not proven right, so times may be wrong"})
	}
	return out
}

// severity is how bad it is, and was if that is worse.
func severity(f rules.Facts) string {
	if f.Worst != "" {
		return string(f.Severity) + ", " + string(f.Worst) + " at its worst"
	}
	return string(f.Severity)
}

// Sparkline draws values as a row of blocks, "" for fewer than three. It reads
// well only where all letters are equally wide.
func Sparkline(values []float64) string {
	if len(values) < 3 {
		return ""
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	low, high := slices.Min(values), slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		step := 0
		if high > low {
			step = int((v - low) / (high - low) * float64(len(blocks)-1))
		}
		b.WriteRune(blocks[step])
	}
	return b.String()
}

// rangeOf says between what the values were.
func rangeOf(values []float64) string {
	return rules.FormatNumber(slices.Min(values)) + " to " + rules.FormatNumber(slices.Max(values))
}

// rank puts what fires before what is over, that before tocsin's own, and the
// severe first.
func rank(it item) int {
	kind := map[Tone]int{Notice: 0, Relief: 10, Alarm: 20}[tone(it)]
	return kind + it.Facts.Severity.Rank()
}

func (c Composer) oneLine(it item, now time.Time) string {
	f := it.Facts
	switch {
	case it.AlertID == "":
		return f.Title + ": " + f.Text
	case it.Reason == rules.Resolved:
		return headline(it) + name(f) + " at " + c.clock(f.ResolvedAt, now) + ", after " + length(f.ResolvedAt.Sub(f.Since))
	case f.Silent:
		return headline(it) + string(f.Severity) + " " + name(f) + ": " + c.silence(f, now)
	}
	return headline(it) + string(f.Severity) + " " + name(f) + ": " + value(f) + " (" + f.Condition + "), since " +
		c.clock(f.Since, now)
}

func foldedID(items []item) string {
	h := sha256.New()
	for _, it := range items {
		h.Write([]byte(it.ID))
	}
	return "f" + hex.EncodeToString(h.Sum(nil)[:10])
}

func value(f rules.Facts) string {
	switch {
	case f.ValueText != "":
		return f.ValueText
	case f.Value != nil:
		return rules.FormatNumber(*f.Value)
	}
	return "without a value"
}

// clock shows a time as people do there: with the zone where it has a date.
func (c Composer) clock(t, ref time.Time) string {
	zone := c.Zone
	if zone == nil {
		zone = time.Local
	}
	text := rules.Clock(t, ref.In(zone))
	if len(text) > len(time.TimeOnly) {
		text += " " + t.In(zone).Format("MST")
	}
	return text
}

// length rounds a duration to what matters: 4 s, 12 min, 3 h 20 min.
func length(d time.Duration) string {
	if d >= time.Hour && d < 48*time.Hour {
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return rules.Roughly(d)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
