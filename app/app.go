// Package app is what can be asked of tocsin: the use cases behind every door,
// the configuration and the state of the daemon. The doors in its
// sub-packages parse, call and print; they decide nothing.
package app

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// App answers what the doors ask. Its fields are set once, by whoever wires
// the program.
type App struct {
	Config  *Config
	Store   Store
	Book    *evaluator.Book
	Sources map[string]evaluator.Source
	// Sender checks channel URLs; nil where no credential may be held.
	Sender notify.Sender
	// Builder makes channel URLs of what people know; nil where no credential
	// may be held.
	Builder notify.Builder
	// Seal encrypts a channel's URL; nil where the key may not be opened.
	Seal func(id, kind string, url rules.Secret) ([]byte, error)
	// Opens reports whether the credential of a stored channel can be opened; nil
	// where the key may not be read.
	Opens func(c StoredChannel) bool
	// Targets names those that a channel's messages go to; nil where the key may
	// not be read.
	Targets func(channel string) []string
	// Links signs the links in messages and knows them again; nil where there
	// is no public address.
	Links *notify.Signer
	// Engine tells about ticks; nil outside the daemon.
	Engine *evaluator.Engine
	// Ask asks the daemon how it is doing; nil in the daemon, and where there is
	// no way to ask.
	Ask func(ctx context.Context) (Status, error)
	// Clock judges the wall clock; nil takes it for right.
	Clock Clock
	// Daemon tells whether a daemon runs on the data directory, and its pid.
	Daemon func() (pid int, running bool)
	// Now is the clock of acts; nil is the wall clock.
	Now func() time.Time
	// Version is the program's.
	Version string
	// Started is when this process did.
	Started time.Time
	// Notes are facts about this process that status shows, such as degraded
	// storage.
	Notes func() []string
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

// Time is the moment of an act, in UTC.
func (a *App) Time() time.Time {
	if a.Now != nil {
		return a.Now().UTC()
	}
	return time.Now().UTC()
}

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
	if a.Daemon != nil {
		if _, running := a.Daemon(); !running {
			out = append(out, NoDaemon)
		}
	}
	if a.Notes != nil {
		out = append(out, a.Notes()...)
	}
	return out
}

// Source returns the source of a rule, the only one when it names none.
func (a *App) Source(name string) (string, evaluator.Source, error) {
	known := a.SourceNames()
	if name == "" && len(known) == 1 {
		name = known[0]
	}
	s := a.Sources[name]
	switch {
	case s != nil:
		return name, s, nil
	case len(known) == 0:
		return "", nil, rules.FieldErrorf("source", "there is none: add one under sources: in the config")
	case name == "":
		return "", nil, rules.FieldErrorf("source", "is missing and there are several: %s; for example %s", strings.Join(known, ", "), known[0])
	}
	return "", nil, rules.FieldErrorf("source", "there is no source %q; known: %s", name, strings.Join(known, ", "))
}

// SourceNames lists the configured sources.
func (a *App) SourceNames() []string {
	var out []string
	for name := range a.Sources {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// SourceView is a source as doors show it.
type SourceView struct {
	Name    string                  `json:"name"`
	Kind    string                  `json:"kind"`
	Version string                  `json:"version,omitempty"`
	OK      bool                    `json:"ok"`
	Error   string                  `json:"error,omitempty"`
	Health  *evaluator.SourceHealth `json:"health,omitempty"`
	Took    rules.Duration          `json:"took,omitempty"`
}

// CheckSources asks each source, or the named one, who it is.
func (a *App) CheckSources(ctx context.Context, name string) ([]SourceView, error) {
	names := a.SourceNames()
	if name != "" {
		if _, _, err := a.Source(name); err != nil {
			return nil, err
		}
		names = []string{name}
	}
	out := []SourceView{}
	for _, name := range names {
		view := a.SourceView(name)
		began := time.Now()
		version, err := a.Sources[name].Ping(ctx)
		view.Version, view.OK, view.Took = version, err == nil, rules.Duration(time.Since(began).Round(time.Millisecond))
		if err != nil {
			view.Error = err.Error()
		}
		out = append(out, view)
	}
	return out, nil
}

// SourceView returns a source without asking it.
func (a *App) SourceView(name string) SourceView {
	view := SourceView{Name: name, OK: true}
	if a.Config != nil {
		view.Kind = a.Config.Sources[name].Kind
	}
	if a.Engine == nil {
		return view
	}
	for _, h := range a.Engine.Health() {
		if h.Name == name {
			view.OK, view.Error, view.Health = h.OK, h.Error, &h
		}
	}
	return view
}

// ListSources lists the sources without asking them.
func (a *App) ListSources() []SourceView {
	out := []SourceView{}
	for _, name := range a.SourceNames() {
		out = append(out, a.SourceView(name))
	}
	return out
}
