// Package app is what can be asked of tocsin: the acts on rules, alerts,
// silences, channels and tokens, their record and how they are taken back, and
// the status. What only looks is in insight, rules as code in ruleset, how a
// file is read in config and document. The doors parse, call and print; they
// decide nothing.
package app

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// App answers what the doors ask. Its fields are set by whoever wires the
// program, before New; what is left out has the meaning that stands beside it.
type App struct {
	Config  *Config
	Store   Store
	Ledgers *evaluator.LedgerCache
	Sources map[string]evaluator.Source
	// Engine tells about ticks; none outside the daemon.
	Engine *evaluator.Engine

	// Sender checks channel URLs and Seal encrypts them; none where no
	// credential may be held.
	Sender notify.Sender
	Seal   func(id, kind string, url rules.Secret) ([]byte, error)
	// Opens reports whether the credential of a stored channel can be opened:
	// without it, that nothing is known against it.
	Opens func(c StoredChannel) bool
	// Targets names those that a channel's messages go to: without it, nobody.
	Targets func(channel string) []string
	// Links signs the links in messages and knows them again; none without a
	// public address.
	Links *notify.Signer

	// Daemon tells whether a daemon runs on the data directory, and its pid:
	// without it, that one does.
	Daemon func() (pid int, running bool)
	// Ask asks the daemon how it is doing; without it nobody answers.
	Ask func(ctx context.Context) (Status, error)
	// Notes are facts about this process that status shows, such as degraded
	// storage.
	Notes func() []string
	// Clock judges the wall clock: without it, it is right.
	Clock Clock
	// Now is the clock of acts: without it, the wall clock.
	Now func() time.Time
	// Version is the program's.
	Version string
	// Started is when this process did.
	Started time.Time

	checks *checks
	seen   *seen
}

// New returns an App that is ready to be asked.
func New(a App) *App {
	if a.Opens == nil {
		a.Opens = func(StoredChannel) bool { return true }
	}
	if a.Targets == nil {
		a.Targets = func(string) []string { return nil }
	}
	if a.Daemon == nil {
		a.Daemon = func() (int, bool) { return 0, true }
	}
	if a.Ask == nil {
		a.Ask = func(context.Context) (Status, error) {
			return Status{}, rules.Errorf(rules.Unavailable, "there is no way to ask the daemon")
		}
	}
	if a.Notes == nil {
		a.Notes = func() []string { return nil }
	}
	if a.Clock == nil {
		a.Clock = rightClock{}
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	a.checks, a.seen = &checks{views: map[string]checked{}}, &seen{list: map[string]seenAt{}}
	return &a
}

// Clock judges the wall clock of this machine.
type Clock interface {
	// Blind reports whether silence proves nothing, because the wall clock is
	// not known to be right and a proof is still waited for.
	Blind() bool
	// State says in a few words how sure it is, and why.
	State() string
	// Problem is what people should know while it is unsure, with the cure; "" for
	// a sure one.
	Problem() string
}

// rightClock is one that nobody doubts.
type rightClock struct{}

// Blind is never so.
func (rightClock) Blind() bool { return false }

// State has nothing to say.
func (rightClock) State() string { return "" }

// Problem is none.
func (rightClock) Problem() string { return "" }

// Time is the moment of an act, in UTC.
func (a *App) Time() time.Time { return a.Now().UTC() }

// NewID returns a short random name with a letter in front that says of what.
func NewID(letter string) string {
	return letter + strings.ToLower(rand.Text()[:10])
}

// NoDaemon is the warning that answers carry while nothing is evaluated.
const NoDaemon = "no daemon runs: nothing is evaluated; start it with `tocsin serve`"

// Warnings concern every answer of this process: that no daemon runs, that what
// is done is kept in memory only. They are never nil, because JSON has no null
// lists.
func (a *App) Warnings() []string {
	out := []string{}
	if _, running := a.Daemon(); !running {
		out = append(out, NoDaemon)
	}
	return append(out, a.Notes()...)
}
