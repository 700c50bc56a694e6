// Package shoutrrr delivers messages to channels that are named by shoutrrr's
// URLs. shoutrrr's types read the URLs; it sends nothing, because its senders
// take no context, tell no outcome and lose titles, lines and errors:
// packaging/docs/delivery.md says which and is kept true by a test.
//
// HTTP goes out through a client of the Sender's own, mail through go-mail,
// both under the context of their delivery. What a service shows, bears and
// answers is in the file of its name. When to try again and whom to tell
// instead is notify's to decide, by the outcome that is told here.
package shoutrrr

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var _ notify.Sender = (*Sender)(nil)

// Options bound what a Sender does. The zero value is right.
type Options struct {
	Timeout     time.Duration     // of one request or one mail where the channel has none; a minute if zero
	MaxInFlight int               // to one service at a time; 100 if zero
	Transport   http.RoundTripper // carries the requests; one of its own if nil
}

// Sender delivers messages to every service that it has a rendering for.
type Sender struct {
	timeout   time.Duration
	slots     *slots
	transport http.RoundTripper
	tls       *tls.Config // of mail; nil is the machine's own
	moves     *moves
	known     []reason // what the service of a delivery says of failures
	edits     bool     // what changes an older message is enough, where there is such
}

// New returns a Sender.
func New(o Options) *Sender {
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	return &Sender{
		timeout:   cmp.Or(o.Timeout, time.Minute),
		slots:     newSlots(cmp.Or(o.MaxInFlight, 100)),
		transport: o.Transport,
		moves:     &moves{},
	}
}

// Check returns the kind of the service that a channel's URL names. Its error
// tells how the URL must look and never repeats a part of it.
func (s *Sender) Check(url rules.Secret) (kind string, err error) {
	kind, _, err = parse(url.Reveal())
	return kind, err
}

// Targets names those that messages to url go to.
func (s *Sender) Targets(url rules.Secret) (names []string) {
	defer func() {
		if recover() != nil {
			names = []string{""}
		}
	}()
	_, service, err := parse(url.Reveal())
	if err != nil {
		return []string{""}
	}
	for _, d := range service.render(notify.Message{}) {
		if !slices.Contains(names, d.target()) {
			names = append(names, d.target())
		}
	}
	return names
}

// Renamed is what a target is called now that was called name by an earlier
// version. A name that no target had, or several, stays as it is.
func (s *Sender) Renamed(url rules.Secret, name string) (now string) {
	defer func() {
		if recover() != nil {
			now = name
		}
	}()
	_, service, err := parse(url.Reveal())
	if err != nil {
		return name
	}
	var had []string
	for _, d := range service.render(notify.Message{}) {
		if slices.Contains(d.formerly(), name) && !slices.Contains(had, d.target()) {
			had = append(had, d.target())
		}
	}
	if len(had) != 1 {
		return name
	}
	return had[0]
}

// Send delivers m to the target of the channel that it names, or to the only one
// that there is. Where there are several and none is named, nothing is sent.
func (s *Sender) Send(ctx context.Context, c notify.Channel, m notify.Message) (out rules.Outcome) {
	defer func() {
		if recover() != nil {
			out = dead("panic", 0)
		}
	}()
	kind, service, err := parse(c.URL.Reveal())
	if err != nil {
		return dead("invalid", 0)
	}
	m.Answers, m.Replaces = answersTo(kind, m)
	deliveries := service.render(tidy(m))
	only := len(deliveries) == 1 && c.Target == ""
	i := slices.IndexFunc(deliveries, func(d delivery) bool { return only || d.target() == c.Target })
	if i < 0 {
		return owed("invalid", 0, 0)
	}
	if p, ok := deliveries[i].(chatPost); ok && s.moves.of(p.post) == "" {
		if now := c.Moved[p.target()]; now != "" {
			s.moves.note(p.post, now)
		}
	}
	with, ok := s.trusting(c.Trust, reasons[kind])
	if ok {
		with.edits = c.Edit
	}
	if !ok {
		return owed("tls_files", 0, 0)
	}
	out = with.deliver(ctx, cmp.Or(c.Timeout, s.timeout), deliveries[i])
	switch {
	case out.Ref != "" && len(m.Threads) > 1:
		out.Ref = kind + several + out.Ref
	case out.Ref != "":
		out.Ref = kind + ":" + out.Ref
	}
	return out
}

// several marks the name of a message that told of several alerts: what follows
// answers to it, but does not change it, since what one of them tells is not so of
// the others.
const several = "+:"

// answersTo is the name that the message which m answers to has at its service, ""
// where that went to a service of another kind, which the channel was then; and its
// name again where m is the end of all that it told.
func answersTo(kind string, m notify.Message) (answers, replaces string) {
	if name, ok := strings.CutPrefix(m.Answers, kind+several); ok {
		return name, ""
	}
	name, ok := strings.CutPrefix(m.Answers, kind+":")
	switch {
	case !ok:
		return "", ""
	case m.Tone == notify.Relief:
		return name, name
	}
	return name, ""
}

// delivery is a message rendered for one target.
type delivery interface {
	// target names the receiver among those of its channel; see
	// notify.Sender.
	target() string
	// formerly is what target was in earlier versions.
	formerly() []string
	// host names the server that takes it, with the port.
	host() string
	// send makes the delivery and says what became of it.
	send(ctx context.Context, s *Sender) rules.Outcome
}

// deliver bounds one delivery in time, once its service has a slot for it, and
// turns a panic into an outcome.
func (s *Sender) deliver(ctx context.Context, timeout time.Duration, d delivery) (out rules.Outcome) {
	defer func() {
		if recover() != nil {
			out = dead("panic", 0)
		}
	}()
	leave, ok := s.slots.enter(ctx, d.host())
	if !ok {
		return owed("timeout", 0, 0)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return d.send(ctx, s)
}
