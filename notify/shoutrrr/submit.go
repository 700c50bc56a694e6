package shoutrrr

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// encryption is how a connection to a mail server is made safe.
type encryption string

const (
	whenOffered encryption = "auto"        // STARTTLS if the server has it; never a login without
	required    encryption = "explicittls" // STARTTLS or nothing
	fromStart   encryption = "implicittls"
	inClear     encryption = "none"
)

// mailServer is where letters are submitted.
type mailServer struct {
	host, port     string
	hello          string
	encryption     encryption
	auth           string // none plain login crammd5 oauth2, or unknown: what the server offers
	user, password string
}

func readServer(a address, q url.Values) (mailServer, error) {
	s := mailServer{host: a.Hostname(), port: a.Port(), user: a.User.Username()}
	s.password, _ = a.User.Password()
	if s.host == "" {
		return s, wrong("must name the mail server: smtp://user:password@mail.example.org:587/?from=…&to=…")
	}
	s.encryption = encryption(strings.ToLower(cmp.Or(q.Get("encryption"), "auto")))
	if !slices.Contains([]encryption{whenOffered, required, fromStart, inClear}, s.encryption) {
		return s, wrong("has an option encryption that is none of Auto, ExplicitTLS, ImplicitTLS, None")
	}
	for _, option := range []string{"starttls", "usestarttls"} {
		start, err := flag(q, option, true)
		if err != nil {
			return s, err
		}
		if !start && s.encryption == whenOffered && s.port != "465" {
			s.encryption = inClear
		}
	}
	if s.port == "465" && s.encryption == whenOffered {
		s.encryption = fromStart
	}
	if s.port == "" {
		s.port = "25"
		if s.encryption == fromStart {
			s.port = "465"
		}
	}
	s.auth = strings.ToLower(cmp.Or(q.Get("auth"), "unknown"))
	if !slices.Contains([]string{"none", "plain", "login", "crammd5", "oauth2", "unknown"}, s.auth) {
		return s, wrong("has an option auth that is none of None, Plain, Login, CRAMMD5, OAuth2")
	}
	return s, s.readHello(q.Get("clienthost"))
}

func (s *mailServer) readHello(given string) error {
	s.hello = cmp.Or(given, "localhost")
	if given == "auto" {
		name, err := os.Hostname()
		s.hello = cmp.Or(name, "localhost")
		if err != nil {
			s.hello = "localhost"
		}
	}
	if strings.ContainsAny(s.hello, " \t") {
		return wrong("has an option clienthost that is no host's name")
	}
	return nil
}

// submit hands a letter to the server and says what became of it. What the
// server says to QUIT does not matter any more.
func (s mailServer) submit(ctx context.Context, from, to string, letter []byte) rules.Outcome {
	conn, err := s.dial(ctx)
	if err != nil {
		return owed(classOf(err, "refused"), 0, 0)
	}
	defer func() { _ = conn.Close() }() // all that matters was said before
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return mailOutcome(err, false)
	}
	if err := s.greet(client); err != nil {
		return mailOutcome(err, false)
	}
	if out := s.logIn(client); out.State != "" {
		return out
	}
	w, err := envelope(client, from, to)
	if err != nil {
		return mailOutcome(err, false)
	}
	if _, err := w.Write(letter); err != nil {
		return mailOutcome(err, false)
	}
	if err := w.Close(); err != nil {
		return mailOutcome(err, true)
	}
	_ = client.Quit() // the letter is the server's already
	return rules.Outcome{State: rules.Sent, Code: 250}
}

func (s mailServer) dial(ctx context.Context) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return nil, fmt.Errorf("dial the mail server: %w", err)
	}
	conn := &frugal{Conn: raw, left: 1 << 20}
	if s.encryption != fromStart {
		return conn, nil
	}
	safe := tls.Client(conn, s.tls())
	if err := safe.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // it is of no use
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	return safe, nil
}

// frugal is a connection that reads only so much, because net/smtp would take
// a line of any length.
type frugal struct {
	net.Conn
	left int
}

// Read reads until what is left has been used up.
func (f *frugal) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := f.Conn.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

func (s mailServer) tls() *tls.Config {
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
}

// errClear is for a server without TLS where a login, or the URL, needs it.
var errClear = errors.New("the server offers no TLS")

func (s mailServer) greet(client *smtp.Client) error {
	if err := client.Hello(s.hello); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if s.encryption == fromStart || s.encryption == inClear {
		return nil
	}
	if offered, _ := client.Extension("STARTTLS"); offered {
		if err := client.StartTLS(s.tls()); err != nil {
			return fmt.Errorf("start TLS: %w", err)
		}
		return nil
	}
	if s.encryption == required || s.user != "" && !loopback(s.host) {
		return errClear
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// logIn returns the zero Outcome when the session may go on.
func (s mailServer) logIn(client *smtp.Client) rules.Outcome {
	if s.user == "" || s.auth == "none" {
		return rules.Outcome{}
	}
	_, offered := client.Extension("AUTH")
	err := client.Auth(s.way(strings.Fields(strings.ToUpper(offered))))
	var said *textproto.Error
	if errors.As(err, &said) && said.Code >= 500 {
		return dead("auth", said.Code)
	}
	if err != nil {
		return mailOutcome(err, false)
	}
	return rules.Outcome{}
}

// way chooses how to log in, by what the URL says or else the server offers.
func (s mailServer) way(offered []string) smtp.Auth {
	auth := s.auth
	if auth == "unknown" {
		auth = "plain"
		if !slices.Contains(offered, "PLAIN") && slices.Contains(offered, "LOGIN") {
			auth = "login"
		} else if !slices.Contains(offered, "PLAIN") && slices.Contains(offered, "CRAM-MD5") {
			auth = "crammd5"
		}
	}
	if auth == "crammd5" {
		return smtp.CRAMMD5Auth(s.user, s.password)
	}
	return login{way: auth, user: s.user, password: s.password}
}

// login is a user and password. Whether they may be sent was decided before:
// net/smtp's own would refuse a server without TLS that the URL allows.
type login struct{ way, user, password string }

// Start names the way, with what it says at first.
func (l login) Start(*smtp.ServerInfo) (proto string, toServer []byte, err error) {
	switch l.way {
	case "login":
		return "LOGIN", nil, nil
	case "oauth2":
		return "XOAUTH2", []byte("user=" + l.user + "\x01auth=Bearer " + l.password + "\x01\x01"), nil
	}
	return "PLAIN", []byte("\x00" + l.user + "\x00" + l.password), nil
}

// Next answers what the server asks. XOAUTH2's last question is an error that
// wants an empty answer.
func (l login) Next(fromServer []byte, more bool) ([]byte, error) {
	question := strings.ToLower(string(fromServer))
	switch {
	case !more:
		return nil, nil
	case l.way == "login" && strings.Contains(question, "user"):
		return []byte(l.user), nil
	case l.way == "login" && strings.Contains(question, "pass"):
		return []byte(l.password), nil
	}
	return []byte{}, nil
}

// envelope says from and to, and opens the letter.
func envelope(client *smtp.Client, from, to string) (io.WriteCloser, error) {
	if err := client.Mail(from); err != nil {
		return nil, fmt.Errorf("say the sender: %w", err)
	}
	if err := client.Rcpt(to); err != nil {
		return nil, fmt.Errorf("say the recipient: %w", err)
	}
	w, err := client.Data()
	if err != nil {
		return nil, fmt.Errorf("open the letter: %w", err)
	}
	return w, nil
}

// authCodes are the refusals that a login would mend.
var authCodes = []int{530, 534, 535, 538}

// mailOutcome judges an error of a session; left says that the whole letter
// had been written.
func mailOutcome(err error, left bool) rules.Outcome {
	var said *textproto.Error
	switch {
	case errors.As(err, &said) && said.Code >= 500:
		if slices.Contains(authCodes, said.Code) {
			return dead("auth", said.Code)
		}
		return dead("rejected", said.Code)
	case errors.As(err, &said):
		return owed("server", said.Code, 0)
	case errors.Is(err, errClear):
		return owed("tls", 0, 0)
	case left:
		return unknown(classOf(err, "server"), 0)
	}
	return owed(classOf(err, "refused"), 0, 0)
}
