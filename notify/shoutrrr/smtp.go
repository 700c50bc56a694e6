package shoutrrr

import (
	"bytes"
	"cmp"
	"context"
	"html/template"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/smtp"
	gomail "github.com/wneessen/go-mail"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// mailbox is a mail server with the people to write to.
type mailbox struct {
	server mailServer
	from   mail.Address
	to     []string
}

// parseSMTP reads smtp://[user:password@]host[:port]/?from=…&to=…. A login is
// never sent in the clear unless the URL says encryption=none or starttls=no.
func parseSMTP(a address) (service, error) {
	var c smtp.Config
	missing := wrong("must say to whom: &to=me@example.org,you@example.org")
	nobody := wrong("must say who writes: ?from=tocsin@example.org")
	if a.option("from")+a.option("fromaddress") == "" {
		missing = nobody
	}
	if err := a.into(&c, missing, "auth", "usehtml", "subject", "title"); err != nil {
		return nil, err
	}
	switch {
	case c.Host == "":
		return nil, wrong("must name the mail server: smtp://user:password@mail.example.org:587/?from=…&to=…")
	case c.Port == 0 && a.Port() != "": // shoutrrr takes a port that is none for no port
		return nil, wrong("has a port that is not a whole number from 1 to 65535")
	}
	from, err := mailAddress(c.FromAddress)
	if err != nil {
		return nil, nobody
	}
	for i, to := range c.ToAddresses {
		if c.ToAddresses[i], err = mailAddress(to); err != nil {
			return nil, wrong("has a recipient in to that is no mail address")
		}
	}
	server, err := parseServer(c, strings.ToLower(a.option("auth")))
	sender := mail.Address{Name: cmp.Or(c.FromName, "tocsin"), Address: from}
	return mailbox{server: server, from: sender, to: c.ToAddresses}, err
}

// parseServer takes TLS and the login out of c. That LOGIN is a way to log in
// shoutrrr does not know.
func parseServer(c smtp.Config, auth string) (mailServer, error) {
	s := mailServer{
		host: c.Host, port: cmp.Or(int(c.Port), 25), hello: c.ClientHost, policy: gomail.TLSOpportunistic,
		auth: strings.TrimSuffix(auth, "unknown"), user: c.Username, password: c.Password,
	}
	auto := c.Encryption == smtp.EncMethods.Auto
	switch {
	case c.Encryption == smtp.EncMethods.ImplicitTLS, auto && c.Port == smtp.ImplicitTLSPort:
		s.implicit, s.port = true, cmp.Or(int(c.Port), smtp.ImplicitTLSPort)
	case c.Encryption == smtp.EncMethods.None, auto && !c.UseStartTLS:
		s.policy = gomail.NoTLS
	default:
		s.secure = !auto || s.user != "" && !rules.Loopback(s.host)
	}
	if !slices.Contains([]string{"", "none", "plain", "login", "crammd5", "oauth2"}, s.auth) {
		return s, wrong("has an option auth that is none of None, Plain, Login, CRAMMD5, OAuth2")
	}
	if s.hello == "auto" {
		name, _ := os.Hostname() // it may be empty without an error, too
		s.hello = cmp.Or(name, "localhost")
	}
	if strings.ContainsAny(s.hello, " \t") {
		return s, wrong("has an option clienthost that is no host's name")
	}
	return s, nil
}

// mailAddress reads a bare address. A space in it was a plus sign before the
// URL's query was decoded.
func mailAddress(text string) (string, error) {
	a, err := mail.ParseAddress(strings.ReplaceAll(strings.TrimSpace(text), " ", "+"))
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(a.Address, "<> ,\"\r\n") {
		return "", wrong("has a mail address with quotes in it")
	}
	return a.Address, nil
}

func (b mailbox) render(m notify.Message) []delivery {
	m = tame(m)
	var deliveries []delivery
	for _, to := range b.to {
		deliveries = append(deliveries, mailDelivery{box: b, to: to, message: m})
	}
	return deliveries
}

// write makes a mail of m: plain text and HTML, in ASCII, with lines that every
// server takes.
func (b mailbox) write(to string, m notify.Message) *gomail.Msg {
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	out.FromMailAddress(&b.from)
	out.ToMailAddress(&mail.Address{Address: to})
	out.Subject(subject(m))
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	out.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	if id := b.ids(m.ID); id != nil {
		out.SetGenHeader(gomail.HeaderMessageID, id...)
	}
	if threads := b.ids(m.Threads...); threads != nil {
		slices.Reverse(threads) // it is taken to answer to the last, so that is the worst
		out.SetGenHeader(gomail.HeaderReferences, strings.Join(threads, " "))
	}
	if urgency(m) == 4 {
		out.SetGenHeader(gomail.HeaderImportance, "high")
		out.SetGenHeader(gomail.HeaderXPriority, "1")
	}
	out.SetBodyString(gomail.TypeTextPlain, mailText(m))
	out.AddAlternativeString(gomail.TypeTextHTML, mailHTML(m))
	return out
}

// subject is that of the first mail about an alert, with how severe it was, in all
// that follow too: programs that show a thread want that beside References.
func subject(m notify.Message) string {
	if m.Answers != "" {
		return "Re: " + m.Answers
	}
	text := cmp.Or(headBytes(m, 300), "tocsin")
	if m.Tone == notify.Alarm && m.Severity != "" {
		return "[" + string(m.Severity) + "] " + text
	}
	return text
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9_.=+-]`)

// ids writes names as IDs of mails, in the domain of the sender, whose IDs are
// its own.
func (b mailbox) ids(names ...string) (out []string) {
	_, domain, _ := strings.Cut(b.from.Address, "@")
	for _, name := range names {
		if name = notInID.ReplaceAllString(name, ""); name != "" {
			out = append(out, "<"+name+"@"+domain+">")
		}
	}
	return out
}

func mailText(m notify.Message) string {
	s := plain(64<<10, inBytes)
	s.untitled, s.shown = false, whatever
	s.mono = func(text string) string { return text } // it is mostly read so
	return strings.ReplaceAll(s.body(m), "\n", "\r\n") + "\r\n"
}

var mailPage = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html><head><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body style="font-family:sans-serif;margin:0;padding:16px;overflow-wrap:anywhere">
<div style="border-left:6px solid {{.Colour}};padding:4px 16px">
<h2 style="margin:0 0 8px">{{.Title}}</h2>
{{range .Lines}}<div>{{.}}</div>
{{end}}{{with .Fields}}<table style="margin-top:12px;border-collapse:collapse">
{{range .}}<tr><td style="padding:2px 16px 2px 0;color:#767676;vertical-align:top;overflow-wrap:break-word">` +
	`{{.Name}}</td>` +
	`<td style="padding:2px 0">{{with .Graph}}<code>{{.}}</code> {{end}}{{.Value}}</td></tr>
{{end}}</table>
{{end}}{{with .Actions}}<p>{{range .}}<a href="{{.URL}}" style="display:inline-block;` +
	`margin:0 8px 8px 0;padding:8px 16px;border:1px solid #767676;border-radius:6px;text-decoration:none">{{.Label}}</a>{{end}}</p>
{{end}}{{with .Link}}<p><a href="{{.}}">Runbook</a></p>
{{end}}</div>
</body></html>
`))

func mailHTML(m notify.Message) string {
	var out bytes.Buffer
	err := mailPage.Execute(&out, map[string]any{
		"Colour": template.CSS(hexColour(m)), "Title": headBytes(titled(m), 1000),
		"Lines": linked(strings.Split(fitBytes(m.Text, 64<<10), "\n")), "Fields": m.Fields, "Link": m.Link,
		"Actions": m.Actions,
	})
	if err != nil {
		panic(err) // the template is ours, and a buffer takes everything
	}
	return out.String()
}

// authorsLink is one in a text in which that of data is none any more.
var authorsLink = regexp.MustCompile(`https?://[^\s<>"]+[^\s<>".,;:!?)]`)

// linked are lines as HTML in which the links of a rule's author can be pressed.
func linked(lines []string) (out []template.HTML) {
	for _, line := range lines {
		var b strings.Builder
		last := 0
		for _, at := range authorsLink.FindAllStringIndex(line, -1) {
			url := template.HTMLEscapeString(line[at[0]:at[1]])
			b.WriteString(template.HTMLEscapeString(line[last:at[0]]) + `<a href="` + url + `">` + url + `</a>`)
			last = at[1]
		}
		out = append(out, template.HTML(b.String()+template.HTMLEscapeString(line[last:])))
	}
	return out
}

// mailDelivery is a mail to one recipient.
type mailDelivery struct {
	box     mailbox
	to      string
	message notify.Message
}

func (d mailDelivery) target() string { return d.to }

func (d mailDelivery) formerly() []string { return nil }

func (d mailDelivery) host() string { return d.box.server.address() }

func (d mailDelivery) send(ctx context.Context, s *Sender) rules.Outcome {
	server := d.box.server
	server.tls = s.tls
	out := server.submit(ctx, d.box.write(d.to, d.message))
	if out.State == rules.Sent && len(d.message.Threads) > 0 {
		out.Ref = cmp.Or(d.message.Answers, subject(d.message))
	}
	return out
}
