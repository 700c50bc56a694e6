package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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
	// Zone is the one that times are shown in; nil is UTC, and they say so.
	Zone *time.Location
	// Linked says that messages carry links to answer with, so that they need
	// not tell the command.
	Linked bool
}

// Compose makes one message of everything that a channel is owed at once. Its
// first words say what is wrong and where, its first line how bad it is, for how
// long, and what the limit is: more is not read on a screen that is locked.
func (c Composer) Compose(list []rules.Notification, now time.Time) Message {
	items := merge(list)
	m := Message{}
	if len(items) == 1 {
		m = c.single(items[0], now)
	} else {
		m = c.folded(items, now)
	}
	m.About, m.Answers = about(items), answers(items)
	if len(m.About) > 0 {
		f := items[0].Facts
		m.Topic = title{f.Title, place(f)}.String()
	}
	return m
}

// answers is what the service called the message that began all of items, "" where
// they did not begin in one.
func answers(items []item) string {
	for _, it := range items {
		if it.Facts.Ref != items[0].Facts.Ref {
			return ""
		}
	}
	return items[0].Facts.Ref
}

// about are the alerts of a message, of a digest the worst.
func about(items []item) (out []About) {
	for _, it := range items {
		if it.AlertID == "" || len(out) == mostAlerts {
			continue
		}
		f := it.Facts
		a := About{
			ID: it.AlertID, Reason: it.Reason, Title: f.Title, Rule: f.Rule, Labels: f.Series.Labels(),
			Severity: string(f.Severity), Peak: f.Peak, Unit: f.Unit, Operator: string(f.Operator), Limit: f.Limit,
			Since: f.Since, ResolvedAt: f.ResolvedAt,
		}
		switch {
		case f.ValueText != "":
			a.Value = f.ValueText
		case f.Value != nil:
			a.Value = *f.Value
		}
		out = append(out, a)
	}
	return out
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
			cmp.Compare(a.Facts.Title, b.Facts.Title), cmp.Compare(a.Facts.Series, b.Facts.Series))
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
	if it.AlertID == "" {
		m.Title, m.Text = Data(f.Title), Data(f.Text)
		return m
	}
	m = m.about(c.subject(it, now))
	m.Text = strings.Join(c.lines(it, now), "\n")
	m.Fields = c.fields(it)
	return m
}

// subject is the title of a message about one alert.
func (c Composer) subject(it item, now time.Time) title {
	return title{c.headline(it, now) + it.Facts.Title, place(it.Facts)}
}

// title says what is wrong, and where.
type title struct{ what, where string }

// String writes it as people read it.
func (t title) String() string {
	if t.where == "" {
		return t.what
	}
	return t.what + ", " + t.where
}

// about gives a message its title.
func (m Message) about(t title) Message {
	m.Title, m.Place = t.String(), strings.TrimPrefix(t.String(), t.what)
	return m
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

// rank puts what fires before what is over, that before tocsin's own, and the
// severe first.
func rank(it item) int {
	kind := map[Tone]int{Notice: 0, Relief: 10, Alarm: 20}[tone(it)]
	return kind + it.Facts.Severity.Rank()
}

// lines is the text of a message about one alert: the news in its first line,
// then the rule's own words.
func (c Composer) lines(it item, now time.Time) []string {
	f := it.Facts
	out := []string{c.news(it, now)}
	summary, failed := summaryOf(f)
	if summary != "" && it.Reason != rules.Resolved {
		out = append(out, summary)
	}
	out = append(out, c.when(it, now)...)
	if f.Untold > 0 {
		out = append(out, untold(f.Untold))
	}
	return append(out, c.footnotes([]item{it}, whyNow(it), unwritten(failed))...)
}

// summaryOf is what the rule itself has to say.
func summaryOf(f rules.Facts) (string, error) { return f.SummaryText(words(f)) }

// words is what a template knows of an alert, with marks around what is data.
func words(f rules.Facts) map[string]any {
	out := f.Words()
	labels := map[string]any{}
	for name, value := range f.Labels {
		labels[name] = value
	}
	for name, value := range f.Series.Labels() {
		labels[name] = datum(value)
	}
	out["labels"] = labels
	if text, ok := out["value"].(string); ok {
		out["value"] = datum(text)
	}
	return out
}

// fields are the facts of an alert one by one, for services that have a place for
// them, and for who keeps a record.
func (c Composer) fields(it item) []Field {
	f := it.Facts
	var out []Field
	if it.Reason != rules.Resolved {
		out = append(out, Field{Name: "Severity", Value: severity(f)})
	}
	f.Series.Each(func(name, value string) bool {
		out = append(out, Field{Name: Data(name), Value: Data(value), Tag: true})
		return true
	})
	for _, k := range slices.Sorted(maps.Keys(f.Labels)) {
		out = append(out, Field{Name: k, Value: f.Labels[k], Tag: true})
	}
	if line := Sparkline(f.Recent); line != "" {
		out = append(out, Field{Name: "Recent", Value: rangeOf(f), Graph: line})
	}
	if what := strings.TrimSpace(f.Measured + " " + f.Condition); what != "" {
		out = append(out, Field{Name: "Measured", Value: what, Record: true})
	}
	out = append(out, Field{Name: "Rule", Value: f.Rule, Record: true},
		Field{Name: "Alert", Value: it.AlertID, Record: true})
	if f.Clock == "unsure" {
		out = append(out, Field{Name: "Clock", Value: "not proven right, so times may be wrong", Record: true})
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

func foldedID(items []item) string {
	h := sha256.New()
	for _, it := range items {
		h.Write([]byte(it.ID))
	}
	return "f" + hex.EncodeToString(h.Sum(nil)[:10])
}
