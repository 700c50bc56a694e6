package shoutrrr

import (
	"bytes"
	"cmp"
	"context"
	"html/template"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// mailbox is a mail server with the people to write to.
type mailbox struct {
	server mailServer
	from   mail.Address
	to     []string
}

// readSMTP reads smtp://[user:password@]host[:port]/?from=…&to=…. A login is
// never sent in the clear unless the URL says encryption=none or starttls=no.
func readSMTP(a address) (service, error) {
	q, err := a.options("from", "fromaddress", "fromname", "to", "toaddresses", "subject", "title", "auth", "encryption",
		"starttls", "usestarttls", "usehtml", "clienthost")
	if err != nil {
		return nil, err
	}
	server, err := readServer(a, q)
	if err != nil {
		return nil, err
	}
	from, err := mailAddress(q.Get("from") + q.Get("fromaddress"))
	if err != nil {
		return nil, wrong("must say who writes: ?from=tocsin@example.org")
	}
	box := mailbox{server: server, from: mail.Address{Name: cmp.Or(q.Get("fromname"), "tocsin"), Address: from}}
	for _, text := range list(q.Get("to") + "," + q.Get("toaddresses")) {
		to, err := mailAddress(text)
		if err != nil {
			return nil, wrong("has a recipient in to that is no mail address")
		}
		box.to = append(box.to, to)
	}
	if box.to == nil {
		return nil, wrong("must say to whom: &to=me@example.org,you@example.org")
	}
	return box, nil
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

func (b mailbox) dress(m notify.Message) []parcel {
	m = tame(m)
	var parcels []parcel
	for _, to := range b.to {
		parcels = append(parcels, letter{box: b, to: to, message: m})
	}
	return parcels
}

// write makes a whole mail of m: plain text and HTML, in ASCII, with lines that
// every server takes.
func (b mailbox) write(to string, m notify.Message) []byte {
	var out bytes.Buffer
	parts := multipart.NewWriter(&out)
	for _, h := range b.headers(to, m, parts.Boundary()) {
		out.WriteString(h + "\r\n")
	}
	out.WriteString("\r\n")
	writePart(parts, "text/plain", mailText(m))
	writePart(parts, "text/html", mailHTML(m))
	if err := parts.Close(); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

func (b mailbox) headers(to string, m notify.Message, boundary string) []string {
	headers := []string{
		"Date: " + time.Now().Format(time.RFC1123Z),
		"From: " + b.from.String(),
		"To: <" + to + ">",
		"Subject: " + encoded(cmp.Or(fitBytes(m.Title, 300), "tocsin")),
		"MIME-Version: 1.0",
		"Content-Type: multipart/alternative; boundary=" + boundary,
		"Auto-Submitted: auto-generated",
		"X-Auto-Response-Suppress: All",
	}
	if id := notInID.ReplaceAllString(m.ID, ""); id != "" {
		headers = append(headers, "Message-ID: <"+id+"@"+b.domain()+">")
	}
	if references := b.references(m.Threads); references != "" {
		headers = append(headers, "References: "+references)
	}
	if urgency(m) == 4 {
		headers = append(headers, "X-Priority: 1", "Importance: high")
	}
	return headers
}

// references names the threads of a mail, the worst last: that is the one it is
// taken to answer to.
func (b mailbox) references(threads []string) string {
	var out []string
	for _, thread := range slices.Backward(threads) {
		if thread = notInID.ReplaceAllString(thread, ""); thread != "" {
			out = append(out, "<"+thread+"@"+b.domain()+">")
		}
	}
	return strings.Join(out, "\r\n ")
}

// domain is the one of the sender, whose IDs are its own.
func (b mailbox) domain() string {
	_, domain, _ := strings.Cut(b.from.Address, "@")
	return domain
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9_.=+-]`)

// encoded writes a header's text in words of RFC 2047, one a line.
func encoded(text string) string {
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", text), "?= =?", "?=\r\n =?")
}

func writePart(parts *multipart.Writer, kind, text string) {
	part, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
	})
	if err == nil {
		w := quotedprintable.NewWriter(part)
		if _, err = w.Write([]byte(text)); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
}

func mailText(m notify.Message) string {
	s := plain(64<<10, inBytes)
	s.untitled = false
	s.mono = func(text string) string { return text } // it is mostly read so
	return strings.ReplaceAll(s.body(m), "\n", "\r\n") + "\r\n"
}

var mailPage = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html><body style="font-family:sans-serif;margin:0;padding:16px">
<div style="border-left:6px solid {{.Colour}};padding:4px 16px">
<h2 style="margin:0 0 8px">{{.Title}}</h2>
{{range .Lines}}<div>{{.}}</div>
{{end}}{{with .Fields}}<table style="margin-top:12px;border-collapse:collapse">
{{range .}}<tr><td style="padding:2px 16px 2px 0;color:#666666">{{.Name}}</td><td style="padding:2px 0">{{with .Graph}}<code>{{.}}</code> {{end}}{{.Value}}</td></tr>
{{end}}</table>
{{end}}{{with .Actions}}<p>{{range .}}<a href="{{.URL}}" style="display:inline-block;margin:0 8px 8px 0;padding:8px 16px;border:1px solid #666666;border-radius:6px;text-decoration:none">{{.Label}}</a>{{end}}</p>
{{end}}{{with .Link}}<p><a href="{{.}}">Runbook</a></p>
{{end}}</div>
</body></html>
`))

func mailHTML(m notify.Message) string {
	var out bytes.Buffer
	err := mailPage.Execute(&out, map[string]any{
		"Colour": template.CSS(hexColour(m)), "Title": fitBytes(titled(m).Title, 1000),
		"Lines": strings.Split(fitBytes(m.Text, 64<<10), "\n"), "Fields": m.Fields, "Link": m.Link, "Actions": m.Actions,
	})
	if err != nil {
		panic(err) // the template is ours, and a buffer takes everything
	}
	return out.String()
}

// letter is a mail to one recipient.
type letter struct {
	box     mailbox
	to      string
	message notify.Message
}

func (l letter) target() string { return l.to }

func (l letter) formerly() []string { return nil }

func (l letter) host() string { return net.JoinHostPort(l.box.server.host, l.box.server.port) }

// carry has shoutrrr send the letter to a relay of ours, which sends it on.
func (l letter) carry(ctx context.Context, _ *Sender) rules.Outcome {
	r, err := newRelay(l.box.server)
	if err != nil {
		return owed("refused", 0, 0)
	}
	text := string(l.box.write(l.to, l.message))
	return r.through(ctx, func() error { return send(r.address(l.box.from.Address, l.to), text) })
}
