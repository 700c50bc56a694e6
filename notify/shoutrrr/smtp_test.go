package shoutrrr_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

// postOffice is a mail server that can be told what to answer.
type postOffice struct {
	net.Listener
	offers  []string          // what EHLO answers
	answers map[string]string // to a verb, instead of the usual; "hang" and "reset" are what they say
	cert    *tls.Config
	inTLS   bool   // from the start
	host    string // where it listens; 127.0.0.1 if empty
	hung    func() // called when it hangs

	mu    sync.Mutex
	mails []string
	heard []string
	conns []net.Conn
}

func openPostOffice(t *testing.T, p *postOffice) *postOffice {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(p.host, "127.0.0.1"), "0"))
	if err != nil && p.host == "::1" {
		t.Skip("this machine has no IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
	cert := httptest.NewTLSServer(nil)
	p.cert = &tls.Config{Certificates: cert.TLS.Certificates}
	cert.Close()
	p.Listener = listener
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, conn)
			p.mu.Unlock()
			go p.serve(conn)
		}
	}()
	t.Cleanup(p.shut)
	return p
}

func (p *postOffice) shut() {
	p.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}

func (p *postOffice) port() string {
	_, port, _ := net.SplitHostPort(p.Addr().String())
	return port
}

func (p *postOffice) serve(raw net.Conn) {
	defer raw.Close()
	conn := raw
	if p.inTLS {
		conn = tls.Server(raw, p.cert)
	}
	text := textproto.NewConn(conn)
	say := func(verb, usual string) bool {
		p.mu.Lock()
		answer := cmp.Or(p.answers[verb], usual)
		p.mu.Unlock()
		switch answer {
		case "hang":
			p.hung()
			io.Copy(io.Discard, conn)
			return false
		case "reset":
			raw.(*net.TCPConn).SetLinger(0)
			return false
		case "endless":
			io.Copy(conn, forever{})
			return false
		}
		return text.PrintfLine("%s", answer) == nil
	}
	if !say("connect", "220 mail.example ESMTP") {
		return
	}
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.heard = append(p.heard, line)
		p.mu.Unlock()
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		var ok bool
		switch verb {
		case "EHLO":
			ok = say(verb, "250-mail.example\r\n250-"+strings.Join(append(p.offers, "8BITMIME\r\n250 SMTPUTF8"), "\r\n250-"))
		case "STARTTLS":
			if ok = say(verb, "220 go"); ok {
				conn = tls.Server(raw, p.cert)
				text = textproto.NewConn(conn)
			}
		case "AUTH":
			ok = p.logIn(rest, text, say)
		case "DATA":
			if ok = say(verb, "354 go"); ok {
				mail, err := io.ReadAll(text.DotReader())
				if err != nil {
					return
				}
				p.mu.Lock()
				p.mails = append(p.mails, string(mail))
				p.mu.Unlock()
				ok = say("end", "250 queued")
			}
		case "RCPT":
			ok = say(between(rest), "250 ok")
		case "QUIT":
			say(verb, "221 bye")
			return
		default:
			ok = say(verb, "250 ok")
		}
		if !ok {
			return
		}
	}
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// logIn takes user "me" with the canary as password, in three ways.
func (p *postOffice) logIn(rest string, text *textproto.Conn, say func(verb, usual string) bool) bool {
	ask := func(question string) string {
		text.PrintfLine("334 %s", base64.StdEncoding.EncodeToString([]byte(question)))
		line, _ := text.ReadLine()
		answer, _ := base64.StdEncoding.DecodeString(line)
		return string(answer)
	}
	way, first, _ := strings.Cut(rest, " ")
	if !strings.Contains(strings.ToUpper(strings.Join(p.offers, " ")), way) {
		return say("", "504 no such way")
	}
	good := false
	switch way {
	case "PLAIN":
		answer, _ := base64.StdEncoding.DecodeString(first)
		good = string(answer) == "\x00me\x00"+canary
	case "LOGIN":
		good = ask("Username:") == "me" && ask("Password:") == canary
	case "CRAM-MD5":
		sum := hmac.New(md5.New, []byte(canary))
		sum.Write([]byte("<1@mail.example>"))
		good = ask("<1@mail.example>") == "me "+hex.EncodeToString(sum.Sum(nil))
	}
	if good {
		return say("AUTH", "235 welcome")
	}
	return say("AUTH", "535 5.7.8 no")
}

func mailChannel(host, port, login, options string) notify.Channel {
	return channel("smtp://" + login + host + ":" + port + "/?from=toc%2Bsin@home.example&to=me@home.example" + options)
}

func TestMail(t *testing.T) {
	for name, m := range map[string]notify.Message{
		"ordinary": ordinary(), "answerable": answerable(),
		"hostile": hostile(),
	} {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			p := openPostOffice(t, &postOffice{})
			s := shoutrrr.New(options())
			wantSent(t, mustCode(t, 250,
				s.Send(context.Background(), mailChannel("127.0.0.1", p.port(), "", "&fromname=T%C3%B6csin,+%22x%22"), m)))
			if len(p.mails) != 1 {
				t.Fatalf("%d mails", len(p.mails))
			}
			parsed := parseMail(t, p.mails[0])
			if got := parsed.Get("From"); got != "Töcsin, \"x\" <toc+sin@home.example>" {
				t.Errorf("From = %s", got)
			}
			if parsed.Get("Bcc") != "" || !strings.Contains(strings.Join(p.heard, "\n"), "MAIL FROM:<toc+sin@home.example>") {
				t.Errorf("injected, or not from whom it should be: %q", p.heard)
			}
			if name != "hostile" {
				golden(t, t.Name(), parsed.String())
			} else if strings.Contains(parsed.html, "<b>bold") || !strings.Contains(parsed.html, "&lt;b&gt;bold") ||
				strings.Contains(parsed.html, "://evil") {
				t.Errorf("html = %.2000s", parsed.html)
			}
		})
	}
}

func mustCode(t *testing.T, code int, out rules.Outcome) rules.Outcome {
	t.Helper()
	if out.Code != code {
		t.Errorf("code = %d, want %d", out.Code, code)
	}
	return out
}

// parsedMail is a mail as a reader's program sees it.
type parsedMail struct {
	mail.Header
	plain, html string
}

func (m parsedMail) Get(name string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(name))
	if err != nil {
		return err.Error()
	}
	return text
}

func (m parsedMail) String() string {
	var b strings.Builder
	for _, name := range []string{
		"From", "To", "Subject", "Message-Id", "References", "Auto-Submitted", "Importance",
		"Mime-Version",
	} {
		fmt.Fprintf(&b, "%s: %s\n", name, m.Get(name))
	}
	return b.String() + "\n" + strings.ReplaceAll(m.plain, "\r\n", "\n") + "\n" + strings.ReplaceAll(m.html, "\r\n", "\n")
}

func parseMail(t *testing.T, text string) parsedMail {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if len(lines.Text()) > 990 || regexp.MustCompile(`[^\x20-\x7e\t]`).MatchString(lines.Text()) {
			t.Errorf("a line that not every server takes: %.100q", lines.Text())
		}
	}
	read, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if date, err := read.Header.Date(); err != nil || time.Since(date) > time.Minute || date.After(time.Now()) {
		t.Errorf("Date = %v, %v", date, err)
	}
	m := parsedMail{Header: read.Header}
	kind, params, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type = %q, %v", kind, err)
	}
	parts := multipart.NewReader(read.Body, params["boundary"])
	for i := range 2 {
		part, err := parts.NextPart() // it undoes quoted-printable
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			m.plain = string(body)
		} else {
			m.html = string(body)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("a third part: %v", err)
	}
	return m
}

func TestMailSessions(t *testing.T) {
	sent := rules.Outcome{State: rules.Sent, Code: 250}
	all := []string{"STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5"}
	good, bad := "me:"+canary+"@", "me:wrong"+canary+"@"
	for _, tt := range []struct {
		name           string
		office         *postOffice
		host, login    string
		options        string
		want           rules.Outcome
		secure, hidden bool // STARTTLS was asked for; no login was heard
	}{
		{"login over STARTTLS", &postOffice{offers: all}, "127.0.0.1", good, "", sent, true, false},
		{
			"only LOGIN is offered", &postOffice{offers: []string{"STARTTLS", "AUTH LOGIN"}}, "127.0.0.1", good, "", sent, true,
			false,
		},
		{"CRAM-MD5 by the URL", &postOffice{offers: all}, "127.0.0.1", good, "&auth=CRAMMD5", sent, true, false},
		{
			"login, offered in small letters", &postOffice{offers: []string{"STARTTLS", "AUTH login cram-md5"}}, "127.0.0.1",
			good, "", sent, true, false,
		},
		{"over IPv6", &postOffice{host: "::1"}, "[::1]", "", "", sent, false, true},
		{
			"over IPv6, TLS from the start", &postOffice{host: "::1", inTLS: true}, "[::1]", "", "&encryption=ImplicitTLS", sent,
			false, true,
		},
		{
			"asks on after PLAIN", &postOffice{
				offers:  []string{"STARTTLS", "AUTH PLAIN"},
				answers: map[string]string{"AUTH": "334 ", "": "535 no"},
			}, "127.0.0.1", good, "",
			rules.Outcome{State: rules.Dead, Class: "auth", Code: 535},
			true, false,
		},
		{
			"no EHLO, and busy", &postOffice{answers: map[string]string{"EHLO": "500 what", "HELO": "421 busy"}}, "127.0.0.1",
			"", "",
			rules.Outcome{State: rules.Owed, Class: "server", Code: 421},
			false, true,
		},
		{
			"no EHLO, and gone", &postOffice{answers: map[string]string{"EHLO": "502 no", "HELO": "reset"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "refused"},
			false, true,
		},
		{
			"TLS from the start", &postOffice{offers: all[1:], inTLS: true}, "127.0.0.1", good, "&encryption=ImplicitTLS", sent,
			false, false,
		},
		{
			"in the clear, when the URL says so", &postOffice{offers: all}, "localhost", good, "&starttls=no", sent, false,
			false,
		},
		{
			"a wrong password", &postOffice{offers: all}, "127.0.0.1", bad, "",
			rules.Outcome{State: rules.Dead, Class: "auth", Code: 535},
			true, false,
		},
		{
			"a login that fails for now", &postOffice{offers: all, answers: map[string]string{"AUTH": "454 later"}}, "127.0.0.1",
			good, "",
			rules.Outcome{State: rules.Owed, Class: "server", Code: 454},
			true, false,
		},
		{
			"a certificate of another host", &postOffice{offers: all}, "localhost", good, "",
			rules.Outcome{State: rules.Owed, Class: "tls_name"},
			true, true,
		},
		{
			"TLS is required and not offered", &postOffice{offers: all[1:]}, "127.0.0.1", good, "&encryption=ExplicitTLS",
			rules.Outcome{State: rules.Owed, Class: "tls"},
			false, true,
		},
		{
			"TLS from the start, of a server without", &postOffice{}, "127.0.0.1", good, "&encryption=ImplicitTLS",
			rules.Outcome{State: rules.Owed, Class: "tls"},
			false, true,
		},
		{
			"a login is wanted", &postOffice{answers: map[string]string{"MAIL": "530 log in"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Dead, Class: "auth", Code: 530},
			false, true,
		},
		{
			"busy at once", &postOffice{answers: map[string]string{"connect": "421 busy"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "server", Code: 421},
			false, true,
		},
		{
			"an address that is not there", &postOffice{answers: map[string]string{"me@home.example": "550 5.1.1 " + canary}},
			"127.0.0.1", "", "",
			rules.Outcome{State: rules.Dead, Class: "receiver", Code: 550},
			false, true,
		},
		{
			"no such user", &postOffice{answers: map[string]string{"me@home.example": "550 " + canary}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Dead, Class: "rejected", Code: 550},
			false, true,
		},
		{
			"greylisted", &postOffice{answers: map[string]string{"me@home.example": "450 later"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "server", Code: 450},
			false, true,
		},
		{
			"full", &postOffice{answers: map[string]string{"end": "452 full"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "server", Code: 452},
			false, true,
		},
		{
			"spam", &postOffice{answers: map[string]string{"end": "554 spam"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Dead, Class: "rejected", Code: 554},
			false, true,
		},
		{
			"a bad goodbye is no failure", &postOffice{answers: map[string]string{"QUIT": "500 what"}}, "127.0.0.1", "", "",
			sent, false, true,
		},
		{
			"no goodbye is no failure", &postOffice{answers: map[string]string{"QUIT": "reset"}}, "127.0.0.1", "", "", sent,
			false, true,
		},
		{
			"hangs at once", &postOffice{answers: map[string]string{"connect": "hang"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "timeout"},
			false, true,
		},
		{
			"hangs at the recipient", &postOffice{answers: map[string]string{"me@home.example": "hang"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "timeout"},
			false, true,
		},
		{
			"hangs after the mail", &postOffice{answers: map[string]string{"end": "hang"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout"},
			false, true,
		},
		{
			"reset before the mail", &postOffice{answers: map[string]string{"DATA": "reset"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "refused"},
			false, true,
		},
		{
			"reset after the mail", &postOffice{answers: map[string]string{"end": "reset"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Unknown: true, Class: "server"},
			false, true,
		},
		{
			"never stops talking", &postOffice{answers: map[string]string{"connect": "endless"}}, "127.0.0.1", "", "",
			rules.Outcome{State: rules.Owed, Class: "refused"},
			false, true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			quiet(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			tt.office.hung = cancel
			p := openPostOffice(t, tt.office)
			s := shoutrrr.New(options())
			before := runtime.NumGoroutine()
			out := s.Send(ctx, mailChannel(tt.host, p.port(), tt.login, tt.options), ordinary())
			out.Ref = ""
			if out != tt.want {
				t.Errorf("outcome = %+v, want %+v", out, tt.want)
			}
			noCanary(t, fmt.Sprintf("%+v", out))
			p.shut()
			settled(t, before)
			p.mu.Lock()
			defer p.mu.Unlock()
			heard := strings.Join(p.heard, "\n")
			if strings.Contains(heard, "STARTTLS") != tt.secure {
				t.Errorf("STARTTLS asked for: %v\n%s", !tt.secure, heard)
			}
			if strings.Contains(heard, "AUTH") == tt.hidden {
				t.Errorf("login heard: %v\n%s", tt.hidden, heard)
			}
			if (out.State == rules.Sent) != (len(p.mails) == 1 && out.Class == "") {
				t.Errorf("%d mails", len(p.mails))
			}
		})
	}
}

// TestLoginNeedsTLS reaches the server under an address that is not the
// loopback's: there the login must not leave in the clear.
func TestLoginNeedsTLS(t *testing.T) {
	address := ""
	found, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range found {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			address = n.IP.String()
		}
	}
	if address == "" {
		t.Skip("this machine has no address but the loopback's")
	}
	p := openPostOffice(t, &postOffice{offers: []string{"AUTH PLAIN"}, host: address})
	s := shoutrrr.New(options())
	out := s.Send(context.Background(), mailChannel(address, p.port(), "me:"+canary+"@", ""), ordinary())
	if out.State != rules.Owed || out.Class != "tls" {
		t.Errorf("outcome = %+v", out)
	}
	if heard := strings.Join(p.heard, "\n"); strings.Contains(heard, "AUTH") || !strings.Contains(heard, "EHLO") {
		t.Errorf("heard %s", heard)
	}
}

// TestAMailAboutSeveralAlertsIsInAllTheirThreads, and answers to the worst.
func TestAMailAboutSeveralAlertsIsInAllTheirThreads(t *testing.T) {
	p := openPostOffice(t, &postOffice{})
	m := ordinary()
	m.Threads = nil
	for i := range 20 {
		m.Threads = append(m.Threads, fmt.Sprint("a", i, strings.Repeat("x", 64)))
	}
	m.Threads = append(m.Threads, "<\r\n>")
	wantSent(t, mustCode(t, 250,
		shoutrrr.New(options()).Send(context.Background(), mailChannel("127.0.0.1", p.port(), "", ""), m)))
	references := strings.Fields(parseMail(t, p.mails[0]).Header.Get("References"))
	if len(references) != 20 || references[19] != "<"+m.Threads[0]+"@home.example>" || references[0] != "<"+m.Threads[19]+
		"@home.example>" {
		t.Errorf("References = %v", references)
	}
}
