package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

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
		return "", nil, rules.FieldErrorf("source", "is missing and there are several: %s; for example %s",
			strings.Join(known, ", "), known[0])
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
	Asked   *Asked                  `json:"asked,omitempty"` // in a status
}

// Asked is how the queries of a source are asked.
type Asked struct {
	Fresh  int             `json:"fresh"`   // for what is new since the last tick
	InFull int             `json:"in_full"` // for their whole windows
	Ways   []evaluator.Way `json:"ways"`    // of the dearest
}

// mostWays is how many queries a status tells of.
const mostWays = 20

// mostAsked is how many of them people are told of.
const mostAsked = 5

// AskedText tells in lines how sources are asked, and why; nothing of one that is
// asked all in full.
func AskedText(sources []SourceView) (lines []string) {
	for _, v := range sources {
		if v.Asked != nil {
			lines = append(lines, v.askedText()...)
		}
	}
	return lines
}

func (v SourceView) askedText() (lines []string) {
	queries := "queries"
	if v.Asked.Fresh == 1 {
		queries = "query"
	}
	lines = append(lines, fmt.Sprintf("source %s: %d %s for what is new, %d in full", v.Name, v.Asked.Fresh, queries,
		v.Asked.InFull))
	for _, w := range v.Asked.Ways[:min(len(v.Asked.Ways), mostAsked)] {
		way := "in full"
		if w.Fresh {
			way = "what is new"
		}
		lines = append(lines, fmt.Sprintf("  %s %s over %s: %s; %s", w.Measurement, strings.Join(w.Fields, ", "), w.Window,
			way, w.Why))
	}
	return lines
}

// asked tells how the engine asks a source; nil where it asks all in full.
func (a *App) asked(source string) *Asked {
	ways := a.Engine.Ways(source)
	if len(ways) == 0 {
		return nil
	}
	out := &Asked{Ways: ways[:min(len(ways), mostWays)]}
	for _, w := range ways {
		if w.Fresh {
			out.Fresh++
		} else {
			out.InFull++
		}
	}
	return out
}

// CheckSources asks each source, or the named one, what its rules would ask.
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
	if c, ok := a.checks.of(name); ok && view.OK && c.at.After(view.Health.LastOK) {
		view.OK, view.Error, view.Version = c.OK, c.Error, c.Version
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

// checks are what WatchSources found out.
type checks struct {
	mu    sync.Mutex
	views map[string]checked
}

type checked struct {
	SourceView
	at time.Time
}

func (c *checks) of(name string) (checked, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.views[name]
	return v, ok
}

// note keeps a view and returns the one before.
func (c *checks) note(v SourceView, at time.Time) (was checked, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, known = c.views[v.Name]
	c.views[v.Name] = checked{v, at}
	return was, known
}

// checkEvery is how often a source is checked that no rule asks.
const checkEvery = time.Minute

// WatchSources checks the sources, at once and then those that no rule asks, until
// ctx ends: what is wrong with one is to be known before a rule relies on it.
func (a *App) WatchSources(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		var wait sync.WaitGroup
		for _, v := range a.ListSources() {
			if h := v.Health; h == nil || time.Since(h.LastOK) > checkEvery {
				wait.Go(func() { a.watchSource(ctx, v.Name, log) })
			}
		}
		wait.Wait()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) watchSource(ctx context.Context, name string, log *slog.Logger) {
	list, err := a.CheckSources(ctx, name)
	if err != nil || ctx.Err() != nil {
		return
	}
	v := list[0]
	was, known := a.checks.note(v, time.Now())
	switch {
	case !v.OK && (!known || was.OK):
		log.Warn("source cannot be used", "source", name, "error", v.Error)
	case !known:
		log.Info("source answers", "source", name, "version", v.Version)
	case v.OK && !was.OK:
		log.Info("source can be used again", "source", name, "version", v.Version)
	}
}
