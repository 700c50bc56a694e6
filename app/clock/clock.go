// Package clock judges whether the wall clock of this machine can be trusted, by
// what systemd, the kernel and the Date of other machines' web servers say. What
// is done while it cannot is not decided here: the evaluator holds absence back,
// and app tells people.
package clock

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var _ app.Clock = (*Clock)(nil)

// Clock judges whether the wall clock of this machine is right. A machine
// without a clock battery starts at some time of the past; until its clock is
// known to be right, silence proves nothing and times are marked.
type Clock struct {
	log     *slog.Logger
	options Options
	again   chan struct{} // rung by Doubt

	mu      sync.Mutex
	proof   string    // "" while unsure
	doubts  int       // how often Doubt was called
	doubted time.Time // when it last was; a proof must be younger
	waiting time.Time // since when a proof is waited for
	givenUp bool
	told    bool // somebody disagrees, and the log has it
}

// Options are what a Clock may be told; the zero value is right.
type Options struct {
	// Flag is the file that systemd-timesyncd touches when it has set the
	// clock; "" is /run/systemd/timesync/synchronized.
	Flag string
	// Kernel reports whether the kernel takes its clock for synchronised, or
	// an error when it does not tell; nil asks it.
	Kernel func() (bool, error)
	// Elsewhere reports whether an address is another machine's; nil compares
	// it with the networks of this one.
	Elsewhere func(netip.Addr) bool
	// Patience is how long a proof is waited for before absence is judged all
	// the same; 0 is 10 min.
	Patience time.Duration
}

// Answer is what a server says the time is, and from where it said so.
type Answer struct {
	Date time.Time // in whole seconds
	From netip.Addr
}

// Ask asks a server what time it is.
type Ask func(ctx context.Context) (Answer, error)

const (
	lookEvery     = 5 * time.Second  // at what costs nothing
	askEvery      = time.Minute      // while a proof is waited for
	askRarely     = 10 * time.Minute // after that
	askAgainAfter = 2 * time.Second
	// agreement is how far two clocks may be apart. It also bounds how long
	// before its discovery a jump may have been.
	agreement = 5 * time.Second
)

// New returns a clock that is unsure until it runs.
func New(log *slog.Logger, o Options) *Clock {
	if o.Flag == "" {
		o.Flag = "/run/systemd/timesync/synchronized"
	}
	if o.Kernel == nil {
		o.Kernel = kernelSynchronised
	}
	if o.Elsewhere == nil {
		o.Elsewhere = elsewhere
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Minute
	}
	return &Clock{log: log, options: o, again: make(chan struct{}, 1), waiting: time.Now()}
}

// Sure reports whether the wall clock is known to be right.
func (c *Clock) Sure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proof != ""
}

// Blind reports whether silence proves nothing, because the wall clock is not
// known to be right and a proof is still waited for.
func (c *Clock) Blind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proof == "" && c.left() > 0
}

// left is how long a proof is still waited for.
func (c *Clock) left() time.Duration { return c.options.Patience - time.Since(c.waiting) }

// State says in a few words how sure the clock is, and why.
func (c *Clock) State() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.proof != "":
		return c.proof
	case c.left() <= 0:
		return "unsure, given up waiting after " + rules.Duration(c.options.Patience).String()
	}
	return "unsure"
}

// Problem is what people should know about a clock that is unsure, and the
// cure; "" for a sure one.
func (c *Clock) Problem() string {
	const cure = "let NTP set it, for example with `timedatectl set-ntp true`"
	c.mu.Lock()
	defer c.mu.Unlock()
	switch left := c.left(); {
	case c.proof != "":
		return ""
	case left > 0:
		return "clock: not known to be right yet; silence is not alerted on until it is, for another " +
			rules.Duration(left.Truncate(time.Second)+time.Second).String() + " at most: " + cure
	}
	return "clock: still not known to be right; times are marked unsure: " + cure
}

// Doubt takes back what was known, because the wall clock jumped: the proof is
// of a time that is no more.
func (c *Clock) Doubt(time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubts++
	now := time.Now()
	switch { // a clock that jumps again and again must not be waited for for ever
	case c.proof != "":
		c.waiting = now
	case c.left() <= 0:
		c.waiting = now.Add(-c.options.Patience * 9 / 10)
	}
	c.proof, c.givenUp, c.told = "", false, false
	c.doubted = now.Round(0)
	select {
	case c.again <- struct{}{}:
	default:
	}
}

// Run looks for proofs until ctx ends; dates are the servers to ask, by name.
func (c *Clock) Run(ctx context.Context, dates map[string]Ask) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var asked time.Time
	for {
		if doubts, unsure := c.unsure(); unsure {
			proof := c.local()
			if proof == "" && c.mayAsk(asked) {
				proof, asked = c.ask(ctx, dates), time.Now()
			}
			c.believe(proof, doubts)
			c.giveUp()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		case <-c.again:
			asked = time.Time{}
		}
	}
}

// unsure reports whether a proof is wanted, and after how many doubts.
func (c *Clock) unsure() (doubts int, unsure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubts, c.proof == ""
}

// believe takes a proof, unless the clock jumped since it was looked for.
func (c *Clock) believe(proof string, doubts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if proof == "" || doubts != c.doubts {
		return
	}
	c.proof = proof
	c.log.Info("the wall clock is known to be right", "by", proof, "after", time.Since(c.waiting).Round(time.Millisecond))
}

// giveUp ends the patience.
func (c *Clock) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proof != "" || c.givenUp || c.left() > 0 {
		return
	}
	c.givenUp = true
	c.log.Warn("the wall clock is not known to be right; absence is judged again, times are marked unsure", "waited",
		c.options.Patience)
}

// local is the proof that this machine has, "" for none.
func (c *Clock) local() string {
	if c.flagged() {
		return "synchronised by systemd"
	}
	synchronised, err := c.options.Kernel()
	if err != nil {
		c.log.Debug("the kernel does not tell about its clock", "error", err)
	}
	if synchronised && err == nil {
		return kernelProof
	}
	return ""
}

// flagged reports whether systemd has set the clock; after a doubt, whether it
// has since.
func (c *Clock) flagged() bool {
	info, err := os.Stat(c.options.Flag)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.log.Debug("the flag of the clock cannot be looked at", "error", err)
		}
		return false
	}
	c.mu.Lock()
	doubted := c.doubted
	c.mu.Unlock()
	if doubted.IsZero() {
		return true
	}
	set := info.ModTime()
	return set.After(doubted.Add(-agreement)) && set.Before(time.Now().Add(agreement))
}

// mayAsk spares the servers.
func (c *Clock) mayAsk(asked time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := askEvery
	if c.givenUp {
		wait = askRarely
	}
	return asked.IsZero() || time.Since(asked) >= wait
}

// ask is the proof that a server on another machine gives, "" for none.
func (c *Clock) ask(ctx context.Context, dates map[string]Ask) string {
	for _, name := range slices.Sorted(maps.Keys(dates)) {
		if c.agrees(ctx, name, dates[name]) && rules.Sleep(ctx, askAgainAfter) && c.agrees(ctx, name, dates[name]) {
			return "agrees with InfluxDB " + name
		}
	}
	return ""
}

// agrees asks one server once. Its header counts whole seconds, so the truth
// is up to a second later; and it was written between question and answer.
func (c *Clock) agrees(ctx context.Context, name string, ask Ask) bool {
	began := time.Now()
	answer, err := ask(ctx)
	ended := time.Now()
	if err != nil {
		c.log.Debug("a source does not tell the time", "source", name, "error", err)
		return false
	}
	if !c.options.Elsewhere(answer.From.Unmap()) {
		c.log.Debug("a source on this machine says nothing about its clock", "source", name)
		return false
	}
	ahead, behind := answer.Date.Sub(ended), began.Sub(answer.Date.Add(time.Second))
	if ahead <= agreement && behind <= agreement {
		return true
	}
	c.disagree(name, answer.Date.Sub(began))
	return false
}

// disagree is logged once for each doubt.
func (c *Clock) disagree(name string, by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.told {
		c.told = true
		c.log.Warn("a source has another time than this machine", "source", name, "ahead_by", by.Round(time.Second))
	}
}

// elsewhere reports whether an address is another machine's. What is reached
// through a network inside this machine shares its clock.
func elsewhere(addr netip.Addr) bool {
	interfaces, err := net.Interfaces()
	if err != nil || !addr.IsValid() || addr.IsLoopback() || addr.IsUnspecified() {
		return false
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			return false
		}
		for _, a := range addrs {
			own, err := netip.ParsePrefix(a.String())
			if err == nil && (own.Addr() == addr.WithZone("") || own.Contains(addr.WithZone("")) && inside(i.Name)) {
				return false
			}
		}
	}
	return true
}
