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

// folded is one message about several alerts: the worst names it and has its
// first line, what is of its kind is told with it, and the others have a line
// each. What tocsin has to say of itself stands apart.
func (c Composer) folded(items []item, now time.Time) Message {
	m := Message{
		ID: foldedID(items), Threads: threads(items), Severity: items[0].Facts.Severity, Tone: tone(items[0]), At: now,
		Link: runbook(items),
	}
	groups, own := grouped(items)
	if len(groups) == 0 {
		m.Title, m.Text = withMore(Data(own[0].Facts.Title), len(own)-1), Data(own[0].Facts.Text)+"\n"+ownLines(own[1:])
		return m
	}
	m = m.about(c.head(groups[0], now))
	alerts := len(items) - len(own)
	if more := alerts - len(groups[0]); more > 0 {
		m.Title, m.Place = withMore(m.Title, more), withMore(m.Place, more)
	}
	text := c.told(groups[0], now)
	if more := c.others(groups[1:], now); len(more) > 0 {
		text = append(append(text, "Also:"), more...)
	}
	if len(own) > 0 {
		text = append(text, "From tocsin:", ownLines(own))
	}
	m.Text = strings.Join(append(text, c.footnotes(items)...), "\n")
	return m
}

// withMore counts what a title does not name.
func withMore(title string, more int) string {
	if more == 0 {
		return title
	}
	return fmt.Sprintf("%s, and %d more", title, more)
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

// group is news of one kind about series of one rule, the worst first.
type group []item

// grouped puts together what is news of one kind about one rule, and tocsin's
// own messages apart. Several episodes of one series stay each for itself.
func grouped(items []item) (out []group, own []item) {
	at := map[string]int{}
	for _, it := range items {
		if it.AlertID == "" {
			own = append(own, it)
			continue
		}
		f := it.Facts
		key := fmt.Sprint(it.RuleID, "\x00", f.Title, "\x00", tone(it), it.missed, f.Silent, f.Why)
		if i, again := at[key]; again && !out[i].has(f.Series) {
			out[i] = append(out[i], it)
			continue
		}
		at[key] = len(out)
		out = append(out, group{it})
	}
	for _, g := range out {
		slices.SortStableFunc(g, worse)
	}
	return out, own
}

func (g group) has(s rules.Series) bool {
	return slices.ContainsFunc(g, func(it item) bool { return it.Facts.Series == s })
}

// worse orders alerts of one rule: the more severe one first, then the one that
// is further beyond its limit.
func worse(a, b item) int {
	f, g := a.Facts, b.Facts
	if by := cmp.Compare(g.Severity.Rank(), f.Severity.Rank()); by != 0 {
		return by
	}
	switch {
	case f.Silent && g.Silent && !f.NoDataSince.IsZero() && !g.NoDataSince.IsZero():
		return f.NoDataSince.Compare(g.NoDataSince)
	case f.Silent && g.Silent:
		return g.NoDataSince.Compare(f.NoDataSince) // what was never seen is the last
	}
	if f.Value == nil || g.Value == nil {
		return 0
	}
	return f.Operator.Worse(*g.Value, *f.Value)
}

// The series that a group names in its first line, and all together.
const (
	firstNamed = 3
	mostNamed  = 20
)

// head is the title of a group.
func (c Composer) head(g group, now time.Time) title {
	f := g[0].Facts
	if len(g) == 1 {
		return c.subject(g[0], now)
	}
	names := g.names()
	if f.Silent && tone(g[0]) == Alarm {
		known := ""
		if f.Known >= len(g) {
			known = fmt.Sprintf(" of %d", g.known())
		}
		return title{fmt.Sprintf("%d%s %s silent: %s", len(g), known, g.kind(), someOf(names.all, firstNamed)), names.shared}
	}
	if f.Silent && f.Why == rules.WhyRecovered && !g[0].missed {
		return title{fmt.Sprintf("%d %s report again: %s", len(g), g.kind(), someOf(names.all, firstNamed)), names.shared}
	}
	what := fmt.Sprintf("%d %s: %s", len(g), g.kind(), f.Title)
	if word := g.news(); word != "" {
		what = word + ", " + what
	}
	return title{what, names.shared}
}

// news names the kind of it where all of a group is so.
func (g group) news() string {
	word := news(g[0])
	for _, it := range g {
		if news(it) != word {
			return ""
		}
	}
	return word
}

// known is how many series the rule of the group knows.
func (g group) known() (n int) {
	for _, it := range g {
		n = max(n, it.Facts.Known)
	}
	return n
}

// told is the text of a group: what its first line is, and the rule's own words.
func (c Composer) told(g group, now time.Time) []string {
	if len(g) == 1 {
		return c.lines(g[0], now)
	}
	out := c.rest(g, now)
	return append(out, g.summaries()...)
}

// rest is what a group has to say beside its title.
func (c Composer) rest(g group, now time.Time) []string {
	switch f := g[0].Facts; {
	case f.Silent && tone(g[0]) == Alarm:
		return c.silents(g, now)
	case tone(g[0]) == Relief:
		return g.over()
	}
	return c.worst(g, now)
}

// silents tells for how long a group of series has been silent, and what rule
// that is by.
func (c Composer) silents(g group, now time.Time) (out []string) {
	var never []string
	longest := time.Time{}
	names := g.names().all
	for i, it := range g {
		if since := it.Facts.NoDataSince; since.IsZero() {
			never = append(never, names[i])
		} else {
			longest = rules.Earlier(since, cmp.Or(longest, since))
		}
	}
	if !longest.IsZero() {
		out = append(out, "Longest for "+length(now.Sub(longest))+", since "+c.clock(longest, now))
	}
	if len(never) > 0 {
		out = append(out, "Never seen: "+someOf(never, mostNamed))
	}
	if len(names) > firstNamed {
		out = append(out, "All: "+someOf(names, mostNamed))
	}
	return append(out, g[0].Facts.Title+".")
}

// over tells which series are well again, and how long the longest was wrong.
func (g group) over() []string {
	longest := time.Duration(0)
	for _, it := range g {
		longest = max(longest, it.Facts.ResolvedAt.Sub(it.Facts.Since))
	}
	names := g.names().all
	slices.Sort(names)
	return []string{someOf(names, mostNamed) + "; lasted up to " + length(longest)}
}

// worst names the worst series with their values, and the limit.
func (c Composer) worst(g group, now time.Time) []string {
	f := g[0].Facts
	var all []string
	names := g.names().all
	since := f.Since
	for i, it := range g {
		all = append(all, strings.TrimSpace(names[i]+" "+reached(it.Facts)))
		since = rules.Earlier(since, it.Facts.Since)
	}
	first := someOf(slices.Clone(all), firstNamed)
	if len(all) > firstNamed && f.Operator.Worse(1, 0) != 0 {
		first = "Worst " + first
	}
	if how := limitOf(f); how != "" {
		first += "; " + how
	}
	out := []string{first + "; since " + c.clock(since, now)}
	if rest := all[min(len(all), firstNamed):]; len(rest) > 0 && len(g) <= digestOver {
		out = append(out, "Then "+strings.Join(rest, ", "))
	}
	return out
}

// reached is a value for a list, "" where there is none.
func reached(f rules.Facts) string {
	if f.Value == nil && f.ValueText == "" {
		return ""
	}
	return value(f)
}

// limitOf is the limit with how values are made.
func limitOf(f rules.Facts) string {
	at := limit(f)
	how := f.How
	if f.Operator == "" && f.Usual == "" {
		how = f.Condition
	}
	switch {
	case at != "" && how != "":
		return at + " (" + how + ")"
	case at != "":
		return at
	}
	return how
}

// summaries are what the rule itself says of the worst of a group, each once.
func (g group) summaries() (out []string) {
	most := mostNamed
	if len(g) > digestOver {
		most = firstNamed
	}
	for _, it := range g {
		text, _ := summaryOf(it.Facts) // one that fails is told where its alert is alone
		if text != "" && it.Reason != rules.Resolved && !slices.Contains(out, "• "+text) && len(out) < most {
			out = append(out, "• "+text)
		}
	}
	return out
}

// others are a line for each group, up to digestOver.
func (c Composer) others(groups []group, now time.Time) (out []string) {
	for _, g := range groups[:min(len(groups), digestOver-1)] {
		line := "• " + c.head(g, now).String() + ": " + c.line(g, now)
		if text := g.summaries(); len(text) > 0 {
			line += "\n  " + strings.TrimPrefix(text[0], "• ")
		}
		out = append(out, line)
	}
	if more := len(groups) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more %s", more, plural(more, "rule", "rules")))
	}
	return out
}

// line is the first line of a group's text.
func (c Composer) line(g group, now time.Time) string {
	switch it := g[0]; {
	case len(g) > 1:
		return c.rest(g, now)[0]
	case tone(it) == Relief:
		return c.news(it, now) + "; " + c.span(it.Facts, now)
	default:
		return c.news(it, now)
	}
}

// ownLines lists messages of tocsin's own.
func ownLines(own []item) string {
	var out []string
	for _, it := range own[:min(len(own), digestOver)] {
		out = append(out, "• "+Data(it.Facts.Title)+": "+Data(it.Facts.Text))
	}
	if more := len(own) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more %s", more, plural(more, "message", "messages")))
	}
	return strings.Join(out, "\n")
}

// someOf joins the first of a list, and counts the others.
func someOf(names []string, most int) string {
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", text, more)
	}
	return text
}

// names are what tells the series of a group apart, in its order, and what they
// share.
type names struct {
	all    []string
	shared string
}

func (g group) names() (out names) {
	common, _ := g.labels()
	out.shared = place(rules.Facts{Series: rules.SeriesOf(common)})
	for _, it := range g {
		own := it.Facts.Series.Labels()
		maps.DeleteFunc(own, func(k, _ string) bool { _, shared := common[k]; return shared })
		name := place(rules.Facts{Series: rules.SeriesOf(own)})
		out.all = append(out.all, cmp.Or(name, place(it.Facts), "?"))
	}
	return out
}

// labels are those that all series of a group have in common, and the names of
// the others.
func (g group) labels() (common rules.Labels, differ []string) {
	seen := map[string]bool{}
	for i, it := range g {
		labels := it.Facts.Series.Labels()
		for k := range labels {
			seen[k] = true
		}
		if i == 0 {
			common = labels
			continue
		}
		maps.DeleteFunc(common, func(k, v string) bool { return labels[k] != v })
	}
	for k := range seen {
		if _, ok := common[k]; !ok {
			differ = append(differ, k)
		}
	}
	return common, differ
}

// kind is what the series of a group are, in the plural: by the tag in which they
// differ, if it is one.
func (g group) kind() string {
	if _, differ := g.labels(); len(differ) == 1 {
		return Data(many(differ[0]))
	}
	return "series"
}

// many is the plural of a word.
func many(word string) string {
	end := func(list ...string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasSuffix(word, s) })
	}
	switch {
	case end("ay", "ey", "oy", "uy"):
	case end("y"):
		return strings.TrimSuffix(word, "y") + "ies"
	case end("s", "x", "z", "ch", "sh"):
		return word + "es"
	}
	return word + "s"
}

// Morning is the message at the end of quiet hours: what is still wrong, what
// came and went, and what ended.
func (c Composer) Morning(list []rules.Notification, now time.Time) Message {
	items := merge(list)
	if len(items) == 1 {
		return c.Compose(list, now)
	}
	m := c.Compose(list, now)
	groups, own := grouped(items)
	if len(groups) == 0 {
		return m
	}
	var counted, text []string
	for _, part := range []struct {
		heading string
		has     func(it item) bool
	}{
		{"still wrong", func(it item) bool { return tone(it) == Alarm }},
		{"came and went", func(it item) bool { return it.missed }},
		{"over", func(it item) bool { return tone(it) == Relief && !it.missed }},
	} {
		mine := slices.DeleteFunc(slices.Clone(groups), func(g group) bool { return !part.has(g[0]) })
		n := 0
		for _, g := range mine {
			n += len(g)
		}
		if n > 0 {
			counted = append(counted, fmt.Sprintf("%d %s", n, part.heading))
			text = append(append(text, upper(part.heading)+":"), c.others(mine, now)...)
		}
	}
	text = append([]string{c.line(groups[0], now), "Quiet hours are over: " + strings.Join(counted, ", ") + "."}, text...)
	if len(own) > 0 {
		text = append(text, "From tocsin:", ownLines(own))
	}
	m.Text = strings.Join(append(text, c.footnotes(items)...), "\n")
	return m
}
