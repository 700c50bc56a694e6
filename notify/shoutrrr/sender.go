// Package shoutrrr delivers messages over shoutrrr. Every delivery gets its own
// shoutrrr service, used once, under recover, and every byte that leaves goes
// through a guard: a RoundTripper for HTTP, a relay on the loopback for mail.
// The guards hold the deadline, read what the service answered, and see
// whether a request had left when it failed.
//
// HTTP services are sent to with shoutrrr's generic service and a body of our
// own, because its native ones lose titles, lines and errors. What a service
// shows, bears and answers is in the file of its name.
package shoutrrr

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"sync/atomic"
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

// Sender delivers messages to every service that it has a dress for. It works
// while Guard is in place.
type Sender struct {
	timeout time.Duration
	slots   *slots
	guard   *guard
	guarded atomic.Int32
}

// New returns a Sender. It changes nothing outside itself; see Guard.
func New(o Options) *Sender {
	if o.Transport == nil {
		o.Transport = transport()
	}
	return &Sender{
		timeout: cmp.Or(o.Timeout, time.Minute),
		slots:   newSlots(cmp.Or(o.MaxInFlight, 100)),
		guard:   newGuard(o.Transport),
	}
}

// transport keeps no connection open: messages are rare, and a request on a
// connection that the other side has just closed can be neither called sent
// nor unsent.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		DisableKeepAlives:   true,
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
	}
}

// Guard puts the Sender's guard under http.DefaultClient, which shoutrrr sends
// with, and returns the function that takes it away again. Requests that are
// not the Sender's own pass through it untouched; http.DefaultTransport is left
// alone. It must be called before Send, once, while nobody uses
// http.DefaultClient.
func (s *Sender) Guard() (release func()) {
	before := http.DefaultClient.Transport
	if before != http.RoundTripper(s.guard) {
		s.guard.others = before
	}
	http.DefaultClient.Transport = s.guard
	s.guarded.Add(1)
	return func() {
		s.guarded.Add(-1)
		http.DefaultClient.Transport = before
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
	if s.guarded.Load() == 0 {
		return dead("invalid", 0)
	}
	_, service, err := parse(c.URL.Reveal())
	if err != nil {
		return dead("invalid", 0)
	}
	parcels := service.dress(tidy(m))
	i := slices.IndexFunc(parcels, func(p parcel) bool { return p.target() == c.Target || len(parcels) == 1 && c.Target == "" })
	if i < 0 {
		return owed("invalid", 0, 0)
	}
	return s.carry(ctx, cmp.Or(c.Timeout, s.timeout), parcels[i])
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
	// carry delivers the parcel through a guard and says what became of it.
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
