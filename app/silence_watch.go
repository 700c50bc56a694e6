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

// overLooked is how long ago a silence may have ended, while tocsin was away,
// to be told of still.
const overLooked = 24 * time.Hour

// SilenceWatch keeps silences from being forgotten: it tells the operators
// weekly of those that run for long, and once of each that is over and has
// hidden something.
type SilenceWatch struct {
	app   *App
	tells func() []string // names the operators' channels
	log   *slog.Logger
	over  map[string]bool // silences that are over and settled
}

// NewSilenceWatch returns the watch of an App; operators names the channels
// that are told.
func NewSilenceWatch(a *App, operators func() []string, log *slog.Logger) *SilenceWatch {
	return &SilenceWatch{app: a, tells: operators, log: log, over: map[string]bool{}}
}

// Run looks once a base interval until ctx ends.
func (w *SilenceWatch) Run(ctx context.Context) error {
	every := time.NewTicker(w.app.Config.Every.Std())
	defer every.Stop()
	for {
		if err := w.Look(ctx, w.app.Time()); err != nil && ctx.Err() == nil {
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
	list, err := w.app.Store.Silences(ctx, now.Add(-overLooked))
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(s rules.Silence) bool { return !w.due(s, now) })
	if len(list) == 0 {
		return nil
	}
	scene, err := w.app.scene(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Over(now) {
			err = w.tellOver(ctx, scene, s, now)
		} else {
			err = w.remind(ctx, scene, s, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// due reports whether there may be something to tell of a silence. One that is
// over waits for two ticks, so that what is still wrong is told first. One
// that comes back weekly is meant to last.
func (w *SilenceWatch) due(s rules.Silence, now time.Time) bool {
	if s.Over(now) {
		return !w.over[s.ID] && now.Sub(s.Until) >= 2*w.app.Config.Every.Std()
	}
	return s.Weekly == nil && now.Sub(s.From) >= longSilence
}

// remind tells of a silence that runs for a week or more.
func (w *SilenceWatch) remind(ctx context.Context, c scene, s rules.Silence, now time.Time) error {
	weeks := int(now.Sub(s.From) / longSilence)
	end := "has no end"
	if !s.Until.IsZero() {
		end = "ends at " + w.stamp(s.Until)
	}
	text := fmt.Sprintf("%s It %s, and hides %s now. End it with `tocsin silences end %s`.",
		w.describe(c, s), end, counted(c.view(s, now).Hides, "alert"), s.ID)
	title := fmt.Sprintf("A silence has run for %s: %s", counted(weeks, "week"), c.scope(s))
	return w.tell(ctx, fmt.Sprintf("silence %s week %d", s.ID, weeks), rules.Facts{Title: title, Text: text}, now)
}

// tellOver tells of a silence that is over, if it has hidden something.
func (w *SilenceWatch) tellOver(ctx context.Context, c scene, s rules.Silence, now time.Time) error {
	hidden, err := w.hidden(ctx, c, s)
	if err != nil {
		return err
	}
	if len(hidden) > 0 {
		open := 0
		for _, still := range hidden {
			if still {
				open++
			}
		}
		text := fmt.Sprintf("%s It held back %s, of which %s still open.", w.describe(c, s), counted(len(hidden), "alert"),
			are(open))
		title := "A silence is over: " + c.scope(s)
		if err := w.tell(ctx, "silence "+s.ID+" over", rules.Facts{Title: title, Text: text}, now); err != nil {
			return err
		}
	}
	w.over[s.ID] = true
	return nil
}

// hidden lists the alerts whose messages a silence has held back, and whether
// they are still open.
func (w *SilenceWatch) hidden(ctx context.Context, c scene, s rules.Silence) (map[string]bool, error) {
	list, _, err := w.app.Store.Alerts(ctx, AlertFilter{Since: s.From, Until: s.Until})
	out, by := map[string]bool{}, rules.HeldBySilence(s.ID)
	for _, alert := range append(list, c.alerts...) {
		held := slices.ContainsFunc(alert.Notifications, func(n rules.Notification) bool { return n.HeldBy == by })
		if held || alert.HeldBy == by {
			out[alert.ID] = alert.ResolvedAt.IsZero()
		}
	}
	return out, err
}

// describe says whose silence it is and since when.
func (w *SilenceWatch) describe(c scene, s rules.Silence) string {
	text := fmt.Sprintf("%s (%s) silenced %s at %s", s.By.Name, s.By.Door, c.scope(s), w.stamp(s.From))
	if s.Comment != "" {
		text += ": " + strings.TrimSuffix(s.Comment, ".")
	}
	return text + "."
}

func (w *SilenceWatch) stamp(t time.Time) string {
	return t.In(w.app.Config.Location()).Format("2006-01-02 15:04 MST")
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
	return w.app.Ledgers.Act(ctx, now, "", func(s rules.Setting, l *rules.Ledger) error {
		for _, channel := range channels {
			l.BookOnce(name, rules.Address{Channel: channel}, f, s.Now)
		}
		return nil
	})
}

// untold lists the operators' channels on which a message was never booked.
func (w *SilenceWatch) untold(ctx context.Context, name string) (channels []string, err error) {
	for _, channel := range w.tells() {
		booked, err := w.app.booked(ctx, rules.OnceID(name, rules.Address{Channel: channel}))
		switch {
		case err != nil:
			return nil, err
		case !booked && !slices.Contains(channels, channel):
			channels = append(channels, channel)
		}
	}
	return channels, nil
}

// booked reports whether a message is stored, whatever became of it.
func (a *App) booked(ctx context.Context, id string) (bool, error) {
	_, err := a.Store.Notification(ctx, id)
	if rules.CodeOf(err) == rules.NotFound {
		return false, nil
	}
	return err == nil, err
}

// Booked reports whether a message is stored. One that cannot be looked for
// counts as not: told twice is better than never.
func (a *App) Booked(ctx context.Context, id string) bool {
	booked, err := a.booked(ctx, id)
	return err == nil && booked
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
