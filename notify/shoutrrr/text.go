package shoutrrr

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// tidy takes out of m what no service should be handed: control characters,
// marks that turn the writing direction, broken UTF-8, line breaks where one
// line is meant, and links that are none. The place, which is cut last, stands
// apart from the title then.
func tidy(m notify.Message) notify.Message {
	stem := strings.TrimSuffix(m.Title, m.Place)
	if stem == m.Title || stem == "" {
		stem, m.Place = m.Title, ""
	}
	m.Title, m.Place = oneLine(stem), oneLine(m.Place)
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
	m.Fields = fields
	if link := oneLine(m.Link); link != "" {
		if m.Link = webLink(link); m.Link == "" {
			m.Text = joinFilled("\n", m.Text, "Runbook: "+link)
		}
	}
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

// printable keeps line breaks of all control characters, and the marks of data.
func printable(s string) string {
	s = lineBreaks.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return rules.Defuse(s, "", "\n"+rules.Replacement+notify.Marks)
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\t", " ")

func oneLine(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

// blank is a space of no width. It stands where a service would otherwise see
// something in data: a link, a mention, a mark-up. What a rule's author wrote has
// none, so that its links work and copies of it are true.
const blank = "\u200b"

var (
	linkStart = regexp.MustCompile(`(:)(//)`)
	linkSoFar = regexp.MustCompile(`(?i)https?://[^\s<>"]*$`)
	mention   = strings.NewReplacer("@", "@"+blank)
)

// tame keeps services from making links and mentions of the data in m, and takes
// the marks around it away.
func tame(m notify.Message) notify.Message { return tamed(m, nil) }

// tamed is tame for dialects that know no escape: mark rewrites each character of
// the data too.
func tamed(m notify.Message, mark func(rune) string) notify.Message {
	return mapText(m, func(s string) string {
		return notify.Defuse(s, func(before, data string) string {
			own := ""
			if linkSoFar.MatchString(before) { // it is a part of an author's link, up to the first space
				end := strings.IndexFunc(data, unicode.IsSpace)
				if end < 0 {
					end = len(data)
				}
				own, data = data[:end], data[end:]
			}
			if strings.HasSuffix(before, ":/") && strings.HasPrefix(data, "/") {
				data = blank + data
			}
			data = unlink(data)
			if mark != nil {
				data = each(data, mark)
			}
			return mention.Replace(own + data)
		})
	})
}

func each(s string, mark func(rune) string) string {
	var out strings.Builder
	for _, r := range s {
		out.WriteString(mark(r))
	}
	return out.String()
}

// unlink breaks what programs take for a link: one with a scheme, and a bare name
// that may be somebody's domain.
func unlink(s string) string {
	return undomain(linkStart.ReplaceAllString(s, "${1}"+blank+"${2}"))
}

// private are the last parts of names that are nobody's on the internet.
var private = []string{
	"lan", "local", "home", "internal", "localdomain", "localhost", "intranet", "corp", "private", "arpa", "test",
	"invalid",
}

var word = regexp.MustCompile(`[\p{L}\p{N}._-]+`)

// undomain breaks bare domains, such as evil.com.
func undomain(s string) string {
	return word.ReplaceAllStringFunc(s, func(name string) string {
		parts := strings.Split(strings.TrimRight(name, "."), ".")
		top := strings.ToLower(parts[len(parts)-1])
		nobodys := slices.Contains(private, top) && !strings.EqualFold(parts[0], "www")
		if len(parts) < 2 || nobodys || !letters.MatchString(top) {
			return name
		}
		return strings.ReplaceAll(name, ".", "."+blank)
	})
}

var letters = regexp.MustCompile(`^(\p{L}{2,}|xn--[a-z0-9-]+)$`)

// mapText applies change to all texts of m.
func mapText(m notify.Message, change func(string) string) notify.Message {
	m.Title, m.Place, m.Text = change(m.Title), change(m.Place), change(m.Text)
	fields := make([]notify.Field, len(m.Fields))
	for i, f := range m.Fields {
		f.Name, f.Value = change(f.Name), change(f.Value)
		fields[i] = f
	}
	m.Fields = fields
	return m
}

// heading is the title of m with its place within limit. The title is cut, and
// the place only where it has no room at all.
func heading(m notify.Message, limit int, size unit, e escape) string {
	place := fit(m.Place, limit*2/3, size, e)
	return fit(m.Title, limit-size(place), size, e) + place
}

// headBytes is heading for who counts bytes and reads no mark-up.
func headBytes(m notify.Message, limit int) string { return heading(m, limit, inBytes, asIs) }

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

// escape writes a character so that it means nothing but itself; link says that
// it is in a link, which an escape would break where services take links as they
// stand.
type escape func(r rune, link bool) string

// fit escapes s and cuts it between two runes, so that what comes out measures
// limit at most.
func fit(s string, limit int, size unit, e escape) string {
	var out strings.Builder
	used, cut := 0, 0
	link := false
	for i, r := range s {
		link = inLink(link, s[i:], r)
		text := e(r, link)
		n := size(text)
		if used+n > limit {
			if limit < size(ellipsis) {
				return ""
			}
			return out.String()[:cut] + ellipsis
		}
		out.WriteString(text)
		used += n
		if used+size(ellipsis) <= limit {
			cut = out.Len()
		}
	}
	return out.String()
}

// inLink reports whether r, with which rest begins, is in a link, as what stands
// before it was.
func inLink(was bool, rest string, r rune) bool {
	if was {
		return !unicode.IsSpace(r) && !strings.ContainsRune(`<>"|`, r)
	}
	return strings.HasPrefix(rest, "https://") || strings.HasPrefix(rest, "http://")
}

func asIs(r rune, _ bool) string { return string(r) }

// fitBytes, fitRunes and fitUTF16 cut text that needs no escapes.
func fitBytes(s string, limit int) string { return fit(s, limit, inBytes, asIs) }
func fitRunes(s string, limit int) string { return fit(s, limit, inRunes, asIs) }
func fitUTF16(s string, limit int) string { return fit(s, limit, inUTF16, asIs) }

// escapeHTML escapes for HTML, where the line break is the service's own.
func escapeHTML(newline string) escape {
	return func(r rune, _ bool) string {
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
func backslashed(r rune, link bool) string {
	if !link && strings.ContainsRune("\\`*_[]<>#!|~", r) {
		return `\` + string(r)
	}
	return string(r)
}

// parted rewrites data for the dialects that know no escape: no mark touches its
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
	escape   escape
	newline  string
	bold     [2]string
	mono     func(text string) string       // for letters of one width; nil leaves out what wants them
	link     func(label, url string) string // nil leaves the links out
	untitled bool                           // the title goes elsewhere
	shown    func(notify.Field) bool        // which fields it has room for; nil is none
	part     func(rune) string              // rewrites data; nil leaves it as it is
}

// inCode marks text up as HTML and as Markdown do for letters of one width.
func inCode(text string) string  { return "<code>" + text + "</code>" }
func inTicks(text string) string { return "`" + text + "`" }

// The fields that are shown: of chats, what the title does not tell; of services
// that have a place for fields, what is for people; and of records, all.
func untold(f notify.Field) bool   { return !f.Tag && !f.Record }
func unfiled(f notify.Field) bool  { return !f.Record }
func whatever(_ notify.Field) bool { return true }

// only picks the fields that are shown.
func only(fields []notify.Field, shown func(notify.Field) bool) []notify.Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f notify.Field) bool { return !shown(f) })
}

// first are the first of a list.
func first[T any](list []T, most int) []T { return list[:min(len(list), most)] }

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
		head = s.strong(heading(m, s.limit/8, s.size, s.escape))
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
	if s.shown == nil {
		return ""
	}
	for _, f := range only(fields, s.shown) {
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
