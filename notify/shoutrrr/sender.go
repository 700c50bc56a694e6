// Package shoutrrr delivers messages to channels that are named by shoutrrr's
// URLs. shoutrrr's types read the URLs; it sends nothing, because its senders
// take no context, tell no outcome and lose titles, lines and errors:
// packaging/docs/delivery.md says which and is kept true by a test.
//
// HTTP goes out through a client of the Sender's own, mail through go-mail, both
// under the context of their delivery. What a service shows, bears and answers is
// in the file of its name.
package shoutrrr

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"slices"
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

// Sender delivers messages to every service that it has a dress for.
type Sender struct {
	timeout time.Duration
	slots   *slots
	carrier http.RoundTripper
	tls     *tls.Config // of mail; nil is the machine's own
}

// New returns a Sender.
func New(o Options) *Sender {
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	return &Sender{
		timeout: cmp.Or(o.Timeout, time.Minute),
		slots:   newSlots(cmp.Or(o.MaxInFlight, 100)),
		carrier: o.Transport,
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
	for _, p := range service.dress(notify.Message{}) {
		if !slices.Contains(names, p.target()) {
			names = append(names, p.target())
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
	for _, p := range service.dress(notify.Message{}) {
		if slices.Contains(p.formerly(), name) && !slices.Contains(had, p.target()) {
			had = append(had, p.target())
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
	_, service, err := parse(c.URL.Reveal())
	if err != nil {
		return dead("invalid", 0)
	}
	parcels := service.dress(tidy(m))
	only := len(parcels) == 1 && c.Target == ""
	i := slices.IndexFunc(parcels, func(p parcel) bool { return only || p.target() == c.Target })
	if i < 0 {
		return owed("invalid", 0, 0)
	}
	with, ok := s.trusting(c.Trust)
	if !ok {
		return owed("tls_files", 0, 0)
	}
	return with.carry(ctx, cmp.Or(c.Timeout, s.timeout), parcels[i])
}

// parcel is a message dressed for one target.
type parcel interface {
	// target names the receiver among those of its channel; see
	// notify.Sender.
	target() string
	// formerly is what target was in earlier versions.
	formerly() []string
	// host names the server that takes it, with the port.
	host() string
	// carry delivers the parcel and says what became of it.
	carry(ctx context.Context, s *Sender) rules.Outcome
}

// carry bounds one parcel in time, once its service has a slot for it, and turns
// a panic into an outcome.
func (s *Sender) carry(ctx context.Context, timeout time.Duration, p parcel) (out rules.Outcome) {
	defer func() {
		if recover() != nil {
			out = dead("panic", 0)
		}
	}()
	leave, ok := s.slots.enter(ctx, p.host())
	if !ok {
		return owed("timeout", 0, 0)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return p.carry(ctx, s)
}
