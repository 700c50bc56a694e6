package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// longSilence is how long a silence runs before the operators are reminded of it, and
// how often they are after that.
const longSilence = 7 * 24 * time.Hour

// SilenceWatch keeps silences from being forgotten: it tells the operators
// weekly of those that run for long, and once of each that is over and has
// hidden something.
type SilenceWatch struct {
	app    *App
	log    *slog.Logger
	known  map[string]rules.Silence
	hidden map[string]map[string]bool // ids of the alerts that each has held back
}

// NewSilenceWatch returns the watch of an App.
func NewSilenceWatch(a *App, log *slog.Logger) *SilenceWatch {
	return &SilenceWatch{app: a, log: log, known: map[string]rules.Silence{}, hidden: map[string]map[string]bool{}}
}

// Run looks once a base interval until ctx ends.
func (w *SilenceWatch) Run(ctx context.Context) error {
	every := time.NewTicker(w.app.Config.Every.Std())
	defer every.Stop()
	for {
		if err := w.Look(ctx, w.app.now()); err != nil && ctx.Err() == nil {
			w.log.Error("silences not looked after", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// Look tells what is to be told as of now.
func (w *SilenceWatch) Look(ctx context.Context, now time.Time) error {
	list, err := w.app.Store.Silences(ctx, now)
	if err != nil || len(list)+len(w.known) == 0 {
		return err
	}
	scene, err := w.app.scene(ctx)
	if err != nil {
		return err
	}
	running := map[string]rules.Silence{}
	for _, s := range list {
		running[s.ID] = s
	}
	for id := range w.known {
		if _, on := running[id]; on {
			continue
		}
		if err := w.tellOver(ctx, scene, id, now); err != nil {
			return err
		}
		delete(w.known, id)
		delete(w.hidden, id)
	}
	for id, s := range running {
		w.known[id] = s
		w.note(scene, id)
		if err := w.remind(ctx, scene, s, now); err != nil {
			return err
		}
	}
	return nil
}

// note remembers which alerts a silence holds back.
func (w *SilenceWatch) note(c scene, id string) {
	for _, alert := range c.alerts {
		if alert.HeldBy != rules.HeldBySilence(id) {
			continue
		}
		if w.hidden[id] == nil {
			w.hidden[id] = map[string]bool{}
		}
		w.hidden[id][alert.ID] = true
	}
}

// remind tells of a silence that runs for a week or more. One that comes back
// weekly is meant to last.
func (w *SilenceWatch) remind(ctx context.Context, c scene, s rules.Silence, now time.Time) error {
	weeks := int(now.Sub(s.From) / longSilence)
	if weeks < 1 || s.Weekly != nil {
		return nil
	}
	end := "has no end"
	if !s.Until.IsZero() {
		end = "ends at " + w.stamp(s.Until)
	}
	text := fmt.Sprintf("%s It %s, and hides %s now. End it with `tocsin silences end %s`.",
		w.describe(c, s), end, counted(c.view(s, now).Hides, "alert"), s.ID)
	title := fmt.Sprintf("A silence has run for %s: %s", counted(weeks, "week"), s.Scope(c.ruleName(s.RuleID)))
	return w.tell(ctx, fmt.Sprintf("silence %s week %d", s.ID, weeks), rules.Facts{Title: title, Text: text}, now)
}

// tellOver tells of a silence that is over, if it has hidden something.
func (w *SilenceWatch) tellOver(ctx context.Context, c scene, id string, now time.Time) error {
	s, hidden := w.known[id], len(w.hidden[id])
	if hidden == 0 {
		return nil
	}
	open := 0
	for _, alert := range c.alerts {
		if w.hidden[id][alert.ID] {
			open++
		}
	}
	text := fmt.Sprintf("%s It held back %s, of which %s still open.", w.describe(c, s), counted(hidden, "alert"), are(open))
	return w.tell(ctx, "silence "+id+" over", rules.Facts{Title: "A silence is over: " + s.Scope(c.ruleName(s.RuleID)), Text: text}, now)
}

// describe says whose silence it is and since when.
func (w *SilenceWatch) describe(c scene, s rules.Silence) string {
	text := fmt.Sprintf("%s (%s) silenced %s at %s", s.By.Name, s.By.Door, s.Scope(c.ruleName(s.RuleID)), w.stamp(s.From))
	if s.Comment != "" {
		text += ": " + strings.TrimSuffix(s.Comment, ".")
	}
	return text + "."
}

func (w *SilenceWatch) stamp(t time.Time) string {
	zone, err := time.LoadLocation(w.app.Config.Zone)
	if err != nil || w.app.Config.Zone == "" {
		zone = time.Local
	}
	return t.In(zone).Format("2006-01-02 15:04 MST")
}

func (c scene) ruleName(id string) string {
	if r := c.rules[id]; r != nil {
		return r.Name
	}
	return id
}

// tell owes the operators a message, once under this name, also when this
// process is not the first to tell it.
func (w *SilenceWatch) tell(ctx context.Context, name string, f rules.Facts, now time.Time) error {
	channels, err := w.untold(ctx, name)
	if err != nil || len(channels) == 0 {
		return err
	}
	return w.app.Book.Act(ctx, now, "", func(s rules.Setting, l *rules.Ledger) error {
		for _, channel := range channels {
			l.BookOnce(name, channel, f, s.Now)
		}
		return nil
	})
}

// untold lists the operators' channels on which a message was never booked.
func (w *SilenceWatch) untold(ctx context.Context, name string) (channels []string, err error) {
	for _, channel := range w.app.Config.Operators {
		_, err := w.app.Store.Notification(ctx, rules.OnceID(name, channel))
		switch {
		case rules.CodeOf(err) == rules.NotFound && !slices.Contains(channels, channel):
			channels = append(channels, channel)
		case err != nil && rules.CodeOf(err) != rules.NotFound:
			return nil, err
		}
	}
	return channels, nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}
