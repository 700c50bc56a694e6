package shoutrrr

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// tidy takes out of m what no service should be handed: control characters,
// marks that turn the writing direction, broken UTF-8, line breaks where one
// line is meant, and links that are none.
func tidy(m notify.Message) notify.Message {
	m.Title = oneLine(m.Title)
	m.Text = strings.TrimSpace(printable(m.Text))
	var fields []notify.Field
	for _, f := range m.Fields {
		f.Name, f.Value = oneLine(f.Name), oneLine(f.Value)
		if !graph.MatchString(f.Graph) {
			f.Graph = ""
		}
		if f.Name != "" || f.Value != "" {
			fields = append(fields, f)
		}
	}
	if link := oneLine(m.Link); link != "" {
		m.Link = webLink(link)
		if m.Link == "" {
			fields = append(fields, notify.Field{Name: "Runbook", Value: link})
		}
	}
	m.Fields = fields
	var actions []notify.Action
	for _, a := range m.Actions {
		if a.URL = webLink(a.URL); a.URL != "" {
			actions = append(actions, a)
		}
	}
	m.Actions = actions
	return m
}

// graph is what may be shown as it is where mark-up is read.
var graph = regexp.MustCompile("^[▁▂▃▄▅▆▇█]{1,60}$")

// webLink returns text as a link that can be opened safely, or "".
func webLink(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(text) > 1000 {
		return ""
	}
	return linkEscapes.Replace(u.String())
}

var linkEscapes = strings.NewReplacer(
	"|", "%7C", `"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "(", "%28", ")", "%29", "`", "%60",
)

// printable keeps line breaks of all control characters.
func printable(s string) string {
	s = lineBreaks.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return rules.Defuse(s, "", "\n"+rules.Replacement)
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\t", " ")

func oneLine(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

// blank is a space of no width. It stands where a service would otherwise see
// something in untrusted text: a link, a mention, a mark-up.
const blank = "\u200b"

var (
	linkStart = regexp.MustCompile(`(?i)(:)(//)|(\bwww)(\.)`)
	mention   = strings.NewReplacer("@", "@"+blank)
)

// tame keeps services from making links and mentions of what m says. The Link
// alone is meant to be one.
func tame(m notify.Message) notify.Message {
	quiet := func(s string) string { return mention.Replace(unlink(s)) }
	return mapText(m, quiet)
}

func unlink(s string) string { return linkStart.ReplaceAllString(s, "${1}${3}"+blank+"${2}${4}") }

// mapText applies change to all untrusted text of m.
func mapText(m notify.Message, change func(string) string) notify.Message {
	m.Title, m.Text = change(m.Title), change(m.Text)
	fields := make([]notify.Field, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = notify.Field{Name: change(f.Name), Value: change(f.Value), Graph: f.Graph}
	}
	m.Fields = fields
	return m
}

// unit measures text as a service counts it.
type unit func(string) int

func inBytes(s string) int { return len(s) }
func inRunes(s string) int { return utf8.RuneCountInString(s) }
func inUTF16(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// inJSON measures text as asJSON writes it.
func inJSON(s string) (n int) {
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '\n':
			n += 2
		case r < ' ' || r == '\u2028' || r == '\u2029':
			n += 6
		default:
			n += utf8.RuneLen(r)
		}
	}
	return n
}

const ellipsis = "…"

// fit escapes s and cuts it between two runes, so that what comes out measures
// limit at most.
func fit(s string, limit int, size unit, escape func(rune) string) string {
	var out strings.Builder
	used, cut := 0, 0
	for _, r := range s {
		e := escape(r)
		n := size(e)
		if used+n > limit {
			if limit < size(ellipsis) {
				return ""
			}
			return out.String()[:cut] + ellipsis
		}
		out.WriteString(e)
		used += n
		if used+size(ellipsis) <= limit {
			cut = out.Len()
		}
	}
	return out.String()
}

func asIs(r rune) string { return string(r) }

// fitBytes, fitRunes and fitUTF16 cut text that needs no escapes.
func fitBytes(s string, limit int) string { return fit(s, limit, inBytes, asIs) }
func fitRunes(s string, limit int) string { return fit(s, limit, inRunes, asIs) }
func fitUTF16(s string, limit int) string { return fit(s, limit, inUTF16, asIs) }

// escapeHTML escapes for HTML, where the line break is the service's own.
func escapeHTML(newline string) func(rune) string {
	return func(r rune) string {
		switch r {
		case '&':
			return "&amp;"
		case '<':
			return "&lt;"
		case '>':
			return "&gt;"
		case '"':
			return "&quot;"
		case '\n':
			return newline
		}
		return string(r)
	}
}

// backslashed escapes for the Markdown dialects that take a backslash before
// every mark.
func backslashed(r rune) string {
	if strings.ContainsRune("\\`*_{}[]()<>#!|~", r) {
		return `\` + string(r)
	}
	return string(r)
}

// parted escapes for the dialects that know no escape: no mark touches its
// neighbour, so that none has a meaning.
func parted(r rune) string {
	if strings.ContainsRune("`*_~[]<>|#$", r) {
		return blank + string(r) + blank
	}
	return string(r)
}

// style is how a service wants its text.
type style struct {
	limit    int
	size     unit
	escape   func(rune) string
	newline  string
	bold     [2]string
	mono     func(text string) string       // for letters of one width; nil leaves out what wants them
	link     func(label, url string) string // nil leaves the links out
	untitled bool                           // the title goes elsewhere
}

// inCode marks text up as HTML and as Markdown do for letters of one width.
func inCode(text string) string  { return "<code>" + text + "</code>" }
func inTicks(text string) string { return "`" + text + "`" }

// plain is a style without any mark-up.
func plain(limit int, size unit) style {
	return style{
		limit: limit, size: size, escape: asIs, newline: "\n", untitled: true,
		link: func(label, url string) string { return label + ": " + url },
	}
}

// body writes m in the style, within its limit: the title and the links first
// of all, then the fields on at most a third, and the text on what is left.
func (s style) body(m notify.Message) string {
	head := ""
	if !s.untitled && m.Title != "" {
		head = s.strong(fit(m.Title, s.limit/8, s.size, s.escape))
	}
	foot := s.foot(m)
	fields := s.fields(m.Fields, s.limit/3)
	breaks := 4 * s.size(s.newline)
	text := fit(m.Text, s.limit-s.size(head)-s.size(foot)-s.size(fields)-breaks, s.size, s.escape)
	return joinFilled(s.newline, head, text, fields, foot)
}

// foot is what can be done and the runbook, as far as half of the room goes.
func (s style) foot(m notify.Message) string {
	if s.link == nil {
		return ""
	}
	offers := m.Actions
	if m.Link != "" {
		offers = append(offers[:len(offers):len(offers)], notify.Action{Label: "Runbook", URL: m.Link})
	}
	var links []string
	room := s.limit / 2
	for _, a := range offers {
		link := s.link(a.Label, a.URL)
		if room -= s.size(link) + s.size(s.newline); room >= 0 {
			links = append(links, link)
		}
	}
	return strings.Join(links, s.newline)
}

func (s style) strong(text string) string { return s.bold[0] + text + s.bold[1] }

// fields writes a line for each field as long as there is room.
func (s style) fields(fields []notify.Field, room int) string {
	var lines []string
	for _, f := range fields {
		name, value := fit(f.Name, 100, s.size, s.escape), fit(f.Value, min(500, s.limit/6), s.size, s.escape)
		line := s.strong(name+":") + " " + s.graph(f) + value
		room -= s.size(line) + s.size(s.newline)
		if room < 0 {
			break
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, s.newline)
}

func (s style) graph(f notify.Field) string {
	if f.Graph == "" || s.mono == nil {
		return ""
	}
	return s.mono(f.Graph) + " "
}

// joinFilled joins those of the parts that are not empty.
func joinFilled(sep string, parts ...string) string {
	var filled []string
	for _, p := range parts {
		if p != "" {
			filled = append(filled, p)
		}
	}
	return strings.Join(filled, sep)
}
