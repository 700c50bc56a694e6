package shoutrrr

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// relay is the guard for mail. shoutrrr's smtp has no deadline, sends logins in
// the clear, writes headers that titles can break out of, and stops at a bad
// QUIT; so it talks to this little server on the loopback, for one letter, and
// the relay submits the letter as it should be. Nobody else gets in: the name
// in EHLO is a password that only this delivery has.
type relay struct {
	listener net.Listener
	password string
	server   mailServer
	done     chan rules.Outcome
}

func newRelay(server mailServer) (*relay, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on the loopback: %w", err)
	}
	return &relay{listener: listener, password: rand.Text(), server: server, done: make(chan rules.Outcome, 1)}, nil
}

// address is the relay as a shoutrrr URL.
func (r *relay) address(from, to string) string {
	q := url.Values{
		"from": {from}, "to": {to}, "clienthost": {r.password},
		"auth": {"None"}, "encryption": {"None"}, "starttls": {"no"}, "usehtml": {"no"},
	}
	return "smtp://" + r.listener.Addr().String() + "/?" + q.Encode()
}

// through runs send against the relay. It returns when both are over: closing
// the connection ends the one that waits.
func (r *relay) through(ctx context.Context, send func() error) rules.Outcome {
	ctx, end := context.WithCancel(ctx)
	defer end()
	context.AfterFunc(ctx, func() { _ = r.listener.Close() })
	go func() { r.done <- r.serve(ctx) }()
	sent := send()
	late := ctx.Err()
	end() // shoutrrr leaves its connection open when it was refused
	out := <-r.done
	if out.State == "" { // no letter came: the relay's own failure, or the end of ctx
		return owed(classOf(errors.Join(late, sent), "refused"), 0, 0)
	}
	return out
}

// serve waits for the connection that knows the password, and serves it.
func (r *relay) serve(ctx context.Context) rules.Outcome {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return rules.Outcome{}
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		out, known := r.converse(ctx, conn)
		stop()
		_ = conn.Close() // AfterFunc may have
		if known {
			return out
		}
	}
}

// converse takes one letter, submits it and tells shoutrrr how that went.
func (r *relay) converse(ctx context.Context, conn net.Conn) (out rules.Outcome, known bool) {
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return out, false
	}
	text := textproto.NewConn(conn)
	say := func(line string) bool { return text.PrintfLine("%s", line) == nil }
	if !say("220 tocsin") {
		return out, false
	}
	var from, to string
	for {
		line, err := text.ReadLine()
		if err != nil {
			return out, known
		}
		verb, rest, _ := strings.Cut(line, " ")
		answer := "250 ok"
		switch verb = strings.ToUpper(verb); {
		case verb == "EHLO" && rest == r.password:
			known = true
			if conn.SetDeadline(time.Time{}) != nil { // from here on ctx closes it
				return out, known
			}
		case !known:
			return out, false
		case verb == "MAIL":
			from = between(rest)
		case verb == "RCPT":
			to = between(rest)
		case verb == "DATA":
			if !say("354 go on") {
				return out, known
			}
			if out, err = r.forward(ctx, from, to, text); err != nil {
				return out, known
			}
			answer = verdict(out)
		case verb == "QUIT":
			answer = "221 bye"
		}
		if !say(answer) || verb == "QUIT" {
			return out, known
		}
	}
}

// forward reads shoutrrr's mail, takes off the headers that it put before ours,
// and submits the rest.
func (r *relay) forward(ctx context.Context, from, to string, text *textproto.Conn) (rules.Outcome, error) {
	whole, err := io.ReadAll(text.DotReader())
	if err != nil {
		return rules.Outcome{}, fmt.Errorf("read the letter: %w", err)
	}
	_, letter, _ := bytes.Cut(whole, []byte("\n\n"))
	return r.server.submit(ctx, from, to, letter), nil
}

func verdict(out rules.Outcome) string {
	switch out.State {
	case rules.Sent:
		return "250 ok"
	case rules.Dead:
		return "554 refused"
	}
	return "451 not now"
}

// between returns what stands between the angle brackets of a command.
func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}
