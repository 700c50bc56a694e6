package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// folded is one message about several alerts: the worst first. What is many of
// one kind is a line, and over digestOver lines are counted by rule.
func (c Composer) folded(items []item, now time.Time) Message {
	m := Message{
		ID: foldedID(items), Threads: threads(items), Severity: items[0].Facts.Severity, Tone: tone(items[0]), At: now,
		Title: foldedTitle(items), Link: runbook(items),
	}
	groups := grouped(items)
	text := ""
	if len(groups) == 1 {
		var head string
		head, text = c.silents(groups[0], now)
		m.Title = groups[0][0].Facts.Title + ": " + head
	} else {
		text = c.listed(groups, items, now)
	}
	m.Text = strings.Join(append([]string{text}, c.footnotes(items)...), "\n")
	return m
}

// runbook is the one that all alerts share, "" when they do not.
func runbook(items []item) string {
	for _, it := range items {
		if it.AlertID != "" && it.Facts.Runbook != items[0].Facts.Runbook {
			return ""
		}
	}
	return items[0].Facts.Runbook
}

// listed is a line for each group, or the counts when there are too many.
func (c Composer) listed(groups [][]item, items []item, now time.Time) string {
	if len(groups) > digestOver {
		return c.digest(items, now)
	}
	var lines []string
	for _, g := range groups {
		if len(g) == 1 {
			lines = append(lines, "• "+c.oneLine(g[0], now))
			continue
		}
		head, rest := c.silents(g, now)
		lines = append(lines, "• "+g[0].Facts.Title+": "+head+"; "+strings.TrimSuffix(rest, "."))
	}
	return strings.Join(lines, "\n")
}

// grouped puts the series of one rule that fell silent together, or came back,
// into a group; anything else is alone.
func grouped(items []item) (out [][]item) {
	at := map[string]int{}
	for _, it := range items {
		f := it.Facts
		silent := f.Known > 0 && it.AlertID != "" &&
			(it.Reason != rules.Resolved || f.Why == rules.WhyRecovered && !it.missed)
		key := fmt.Sprint(it.RuleID, " ", tone(it))
		i, again := at[key]
		switch {
		case silent && again:
			out[i] = append(out[i], it)
		case silent:
			at[key] = len(out)
			out = append(out, []item{it})
		default:
			out = append(out, []item{it})
		}
	}
	return out
}

// mostNamed is how many series a line names.
const mostNamed = 10

// silents tells of a group of silent series: how many of all, and then since
// when and which.
func (c Composer) silents(g []item, now time.Time) (head, rest string) {
	f := g[0].Facts
	of := "series"
	if len(f.GroupBy) == 1 {
		of = f.GroupBy[0] + "s"
	}
	var names, never []string
	var longest time.Time
	for _, it := range g {
		name, since := shortName(it.Facts), it.Facts.NoDataSince
		if since.IsZero() && it.Reason != rules.Resolved {
			never = append(never, name)
		} else {
			names = append(names, name)
		}
		if longest.IsZero() || !since.IsZero() && since.Before(longest) {
			longest = since
		}
		f.Known = max(f.Known, it.Facts.Known)
	}
	if g[0].Reason == rules.Resolved {
		return fmt.Sprintf("%d %s report again", len(g), of), someOf(names) + "."
	}
	head = fmt.Sprintf("%d of %d %s are silent", len(g), f.Known, of)
	switch {
	case len(never) == 0:
		return head + ", the longest since " + c.clock(longest, now), someOf(names) + "."
	case len(names) == 0:
		return head, "never seen: " + someOf(never) + "."
	}
	return head + ", the longest since " + c.clock(longest, now), someOf(names) + "; never seen: " + someOf(never) + "."
}

// someOf names the first of a list in order, and counts the others.
func someOf(names []string) string {
	slices.Sort(names)
	if more := len(names) - mostNamed; more > 0 {
		names = append(names[:mostNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// shortName is a series without the names of tags where one tag tells.
func shortName(f rules.Facts) string {
	if len(f.GroupBy) == 1 {
		return f.Series.Label(f.GroupBy[0])
	}
	return strings.ReplaceAll(string(f.Series), ",", " ")
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

// foldedTitle is that of the worst, with what there is besides.
func foldedTitle(items []item) string {
	firing, over, own := 0, 0, 0
	for _, it := range items {
		switch tone(it) {
		case Alarm:
			firing++
		case Relief:
			over++
		case Notice:
			own++
		}
	}
	title := withMore(items)
	if common := shared(items); own == 0 && common != "" {
		title += ", all with " + common
	}
	return title + ": " + counts([]int{firing, over, own}, "firing", "resolved", "of tocsin's own")
}

// withMore names the worst of several items, which are sorted, and counts the
// others.
func withMore(items []item) string {
	return fmt.Sprintf("%s, and %d more", subjectLine(items[0]), len(items)-1)
}

// counts joins the counts that are not zero.
func counts(n []int, what ...string) string {
	var parts []string
	for i := range n {
		if n[i] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[i], what[i]))
		}
	}
	return strings.Join(parts, ", ")
}

// mostShared is how many labels a title names.
const mostShared = 2

// shared names the labels that all alerts have in common.
func shared(items []item) string {
	var common map[string]string
	for _, it := range items {
		labels := maps.Clone(it.Facts.Series.Labels())
		if common == nil {
			common = labels
			continue
		}
		maps.DeleteFunc(common, func(k, v string) bool { return labels[k] != v })
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(common)) {
		out = append(out, k+"="+common[k])
	}
	return strings.Join(out[:min(len(out), mostShared)], ", ")
}

// tally counts the alerts of one rule.
type tally struct {
	firing, over int
	worst        rules.Severity
}

func (t *tally) add(it item) {
	if tone(it) == Relief {
		t.over++
		return
	}
	t.firing++
	t.worst = cmp.Or(t.worst, it.Facts.Severity) // the worst comes first
}

// String writes the tally as a line of a digest does.
func (t *tally) String() string {
	var parts []string
	if t.firing > 0 {
		parts = append(parts, fmt.Sprintf("%d firing", t.firing))
		if t.worst != "" {
			parts[0] += ", the worst " + string(t.worst)
		}
	}
	if t.over > 0 {
		parts = append(parts, fmt.Sprintf("%d resolved", t.over))
	}
	return strings.Join(parts, "; ")
}

// digest is the text of a storm: how many alerts of each rule, and how bad, and
// then tocsin's own messages.
func (c Composer) digest(items []item, now time.Time) string {
	var order, own []string
	byTitle := map[string]*tally{}
	for _, it := range items {
		if it.AlertID == "" {
			own = append(own, "• "+c.oneLine(it, now))
			continue
		}
		t := byTitle[it.Facts.Title]
		if t == nil {
			t = &tally{}
			byTitle[it.Facts.Title], order = t, append(order, it.Facts.Title)
		}
		t.add(it)
	}
	var lines []string
	for _, title := range order {
		lines = append(lines, "• "+title+": "+byTitle[title].String())
	}
	return strings.Join(append(atMost(lines, "rule", "rules"),
		atMost(own, "message of tocsin's own", "messages of tocsin's own")...), "\n")
}

// atMost cuts lines that are too many for a digest, and says how many are left
// out of what.
func atMost(lines []string, one, many string) []string {
	more := len(lines) - digestOver
	if more <= 0 {
		return lines
	}
	return append(lines[:digestOver], fmt.Sprintf("and %d more %s", more, plural(more, one, many)))
}

// Morning is the message at the end of quiet hours: what is still wrong, what
// came and went, and what ended.
func (c Composer) Morning(list []rules.Notification, now time.Time) Message {
	items := merge(list)
	if len(items) == 1 {
		return c.single(items[0], now)
	}
	m := c.folded(items, now)
	var sections [4][]item
	for _, it := range items {
		switch {
		case it.AlertID == "":
			sections[3] = append(sections[3], it)
		case it.missed:
			sections[1] = append(sections[1], it)
		case it.Reason == rules.Resolved:
			sections[2] = append(sections[2], it)
		default:
			sections[0] = append(sections[0], it)
		}
	}
	var n []int
	var text []string
	for i, heading := range []string{"Still wrong:", "Came and went:", "Over:", "From tocsin:"} {
		n = append(n, len(sections[i]))
		if len(sections[i]) > 0 {
			text = append(text, heading, c.listed(grouped(sections[i]), sections[i], now))
		}
	}
	m.Title = "Quiet hours are over: " + withMore(items) + ": " +
		counts(n, "still wrong", "came and went", "over", "of tocsin's own")
	m.Text = strings.Join(append(text, c.footnotes(items)...), "\n")
	return m
}
