package shoutrrr

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/9bikes/tocsin/rules"
)

// mailServer is where mails are submitted.
type mailServer struct {
	host, hello    string
	port           int
	implicit       bool // TLS from the start
	policy         gomail.TLSPolicy
	secure         bool   // nothing may go on without TLS
	auth           string // none plain login crammd5 oauth2, or "": what the server offers
	user, password string
	tls            *tls.Config // nil is the machine's own
}

// config is that of TLS with the server.
func (s mailServer) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.tls != nil {
		c = s.tls.Clone()
	}
	c.ServerName = s.host
	return c
}

// address names the server among the others.
func (s mailServer) address() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// submit hands a mail to the server and says what became of it. What the server
// says to QUIT does not matter any more.
func (s mailServer) submit(ctx context.Context, m *gomail.Msg) rules.Outcome {
	within, end := context.WithCancel(ctx)
	defer end()
	login := &login{server: s}
	client, err := s.client(login, func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := s.dial(ctx, network)
		if err == nil { // go-mail leaves it open where a session fails
			context.AfterFunc(within, func() { _ = conn.Close() })
		}
		return conn, err
	})
	if err != nil {
		return dead("invalid", 0)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return mailOutcome(ctx, err, login.tried)
	}
	if _, err := session.GetTLSConnectionState(); err != nil && s.secure {
		return mailOutcome(ctx, errClear, false)
	}
	if err := client.SendWithSMTPClient(session, m); err != nil {
		return mailOutcome(ctx, err, false)
	}
	_ = client.CloseWithSMTPClient(session) // the mail is the server's already
	return rules.Outcome{State: rules.Sent, Code: 250}
}

// client is go-mail's for one session. The context bounds that; go-mail's own
// timeout would begin anew in the middle.
func (s mailServer) client(login *login, dial gomail.DialContextFunc) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithHELO(s.hello), gomail.WithDialContextFunc(dial),
		gomail.WithTimeout(24 * time.Hour), gomail.WithTLSPolicy(s.policy), gomail.WithTLSConfig(s.config()),
		gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.implicit {
		options = append(options, gomail.WithSSL())
	}
	if s.user != "" && s.auth != "none" {
		options = append(options, gomail.WithSMTPAuthCustom(login))
	}
	return gomail.NewClient(s.host, options...)
}

// dial connects to the server, with TLS where that comes first. What go-mail
// makes an address of lacks IPv6's brackets.
func (s mailServer) dial(ctx context.Context, network string) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, s.address())
	if err != nil {
		return nil, err
	}
	conn := &frugal{Conn: raw, left: 1 << 20}
	if !s.implicit {
		return conn, nil
	}
	safe := tls.Client(conn, s.config())
	if err := safe.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return safe, nil
}

// frugal is a connection that reads only so much, because go-mail would take a
// line of any length.
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

// errClear is for a server without TLS where a login, or the URL, needs it.
var errClear = errors.New("the server offers no TLS")

// login logs in as the URL says, or else as the server offers. Whether that may
// be in the clear is mailServer's to say, not the ways' own.
type login struct {
	server mailServer
	tried  bool
	smtp.Auth
}

// Start picks the way.
func (l *login) Start(offer *smtp.ServerInfo) (proto string, toServer []byte, err error) {
	if l.server.secure && !offer.TLS {
		return "", nil, errClear
	}
	l.tried = true
	user, password := l.server.user, l.server.password
	switch l.server.way(offer.Auth) {
	case "login":
		l.Auth = smtp.LoginAuth(user, password, offer.Name, true)
	case "crammd5":
		l.Auth = smtp.CRAMMD5Auth(user, password)
	case "oauth2":
		l.Auth = smtp.XOAuth2Auth(user, password)
	default:
		l.Auth = patient{smtp.PlainAuth("", user, password, offer.Name, true)}
	}
	return l.Auth.Start(offer)
}

// patient is a login that has said all at once. A server that asks on, as some
// do, is told nothing more, to hear its answer.
type patient struct{ smtp.Auth }

// Next says nothing more.
func (patient) Next(_ []byte, more bool) ([]byte, error) {
	if more {
		return []byte{}, nil
	}
	return nil, nil
}

func (s mailServer) way(offered []string) string {
	offers := func(name string) bool {
		return slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, name) })
	}
	switch {
	case s.auth != "":
		return s.auth
	case offers("PLAIN"):
		return "plain"
	case offers("LOGIN"):
		return "login"
	case offers("CRAM-MD5"):
		return "crammd5"
	}
	return "plain"
}

// authCodes are the refusals that a login would mend.
var authCodes = []int{530, 534, 535, 538}

// enhancedCode is what RFC 3463 adds to a code: 5.1.1 is a mailbox that is not there,
// 5.4.5 in practice a day's budget that is used up.
var enhancedCode = regexp.MustCompile(`\b5\.(1\.1|4\.5)\b`)

// mailOutcome judges the error of a session; loggingIn says that it came where
// the server had the login to judge.
func mailOutcome(ctx context.Context, err error, loggingIn bool) rules.Outcome {
	var (
		said   *textproto.Error
		failed *gomail.SendError
		both   interface{ Unwrap() []error }
		code   int
		left   bool // the whole mail had been written
	)
	if errors.As(err, &both) { // EHLO's and HELO's: the last counts
		all := both.Unwrap()
		err = all[len(all)-1]
	}
	if errors.As(err, &said) {
		code = said.Code
	} else if errors.As(err, &failed) {
		code, left = failed.ErrorCode(), failed.Reason == gomail.ErrSMTPDataClose
	}
	switch {
	case code >= 500 && (loggingIn || slices.Contains(authCodes, code)):
		return dead("auth", code)
	case code >= 500 && enhancedCode.FindString(err.Error()) == "5.1.1":
		return dead("receiver", code)
	case code >= 500 && enhancedCode.FindString(err.Error()) == "5.4.5":
		return owed("quota", code, 0)
	case code >= 500:
		return dead("rejected", code)
	case code > 0:
		return owed("server", code, 0)
	case errors.Is(err, errClear):
		return owed("tls", 0, 0)
	case left:
		return unknown(classOf(errors.Join(ctx.Err(), err), "server"), 0)
	}
	return owed(classOf(errors.Join(ctx.Err(), err), "refused"), 0, 0)
}
