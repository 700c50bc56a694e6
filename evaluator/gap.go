package evaluator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// mostEpisodes bounds what one message names.
const mostEpisodes = 20

// bookGap books the one message about a gap that is over. A gap that is short
// and empty, such as a reboot, tells nobody. That it is over is saved with it.
func (e *Engine) bookGap(now time.Time, own *rules.Ledger, past *replay) {
	s := past.source
	g := s.missing()
	if !g.Told && len(past.ended) == 0 && g.Back.Sub(g.From) < e.options.OutageAfter {
		return
	}
	facts := rules.Facts{Title: e.gapTitle(s.name, g, now), Text: e.gapText(g, now, past.ended)}
	e.bookOwn(own, facts, now)
	own.Advance(e.progress(now, s))
}

// gapTitle says how long a source was not judged: an outage lasts from the
// first failure to the first answer.
func (e *Engine) gapTitle(source string, g rules.Gap, now time.Time) string {
	now, zone := rules.InZone(now, e.options.Zone)
	back := rules.Clock(g.Back, now) + zone
	switch {
	case g.Told:
		return fmt.Sprintf("Source %s is back; it %s from %s to %s", source, did(&g), rules.Clock(g.Failed, now), back)
	case g.AtMost:
		return fmt.Sprintf("Source %s was not watched until %s, at most since %s%s", source, back,
			rules.Clock(g.From, now), zone)
	case g.From.IsZero():
		return fmt.Sprintf("Source %s was not watched while the clock leapt ahead", source)
	}
	return fmt.Sprintf("Source %s was not watched from %s to %s", source, rules.Clock(g.From, now), back)
}

// tellUnknown says that a source without history was not watched for long.
func (e *Engine) tellUnknown(ctx context.Context, s *sourceState, judged, now time.Time) {
	if judged.IsZero() {
		return
	}
	g := rules.Gap{From: e.firstMissed(s, judged, now), AtMost: !e.exact, Back: now}
	if g.From.IsZero() || g.Back.Sub(g.From) < e.options.OutageAfter {
		return
	}
	text := "Its points are kept in memory only, so what happened meanwhile is not known. " + stillWrong
	e.Tell(ctx, e.gapTitle(s.name, g, now), text, now)
}

const stillWrong = "What is still wrong is told by itself."

// gapText names what happened meanwhile, and what nobody knows.
func (e *Engine) gapText(g rules.Gap, now time.Time, ended map[string]string) string {
	now, zone := rules.InZone(now, e.options.Zone)
	var out []string
	if g.Told && g.Failed.Sub(g.From) >= e.options.OutageAfter {
		since := "since " + rules.Clock(g.From, now)
		if g.AtMost {
			since = "at most " + since
		}
		out = append(out, "Before that tocsin did not run: it was not watched "+since+zone+".")
	}
	if oldest := now.Add(-e.options.CatchUp); !g.From.IsZero() && g.From.Before(oldest) {
		out = append(out, "What happened before "+rules.Clock(oldest, now)+zone+" is not known: missed time is judged for "+
			rules.Duration(e.options.CatchUp).String()+" at most.")
	}
	out = append(out, episodes(ended), stillWrong)
	if !e.options.Sure() {
		out = append(out, "The clock is not proven right, so these times may be wrong.")
	}
	return strings.Join(out, " ")
}

// episodes lists what fired and ended.
func episodes(ended map[string]string) string {
	if len(ended) == 0 {
		return "Nothing is known to have fired and ended meanwhile."
	}
	list := slices.Sorted(maps.Values(ended))
	list = list[:min(len(list), mostEpisodes)]
	text := "Meanwhile fired and ended: " + strings.Join(list, "; ")
	if more := len(ended) - len(list); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text + "."
}

// tellOutages says once of each source that it is down.
func (e *Engine) tellOutages(ctx context.Context, t time.Time) {
	var down []*sourceState
	for _, name := range slices.Sorted(maps.Keys(e.sources)) {
		if s := e.sources[name]; s.outage(t, e.options.OutageAfter) {
			down = append(down, s)
		}
	}
	if len(down) == 0 {
		return
	}
	booked := e.own(ctx, t, func(l *rules.Ledger) {
		for _, s := range down {
			e.bookOwn(l, e.outageFacts(s, t), t)
			s.tell(true)
		}
		l.Advance(e.progress(t, nil))
	})
	if !booked {
		for _, s := range down {
			s.tell(false)
		}
	}
}

// outageFacts says that a source is down.
func (e *Engine) outageFacts(s *sourceState, t time.Time) rules.Facts {
	g := s.missing()
	t, zone := rules.InZone(t, e.options.Zone)
	return rules.Facts{
		Title: fmt.Sprintf("Source %s %s since %s%s", s.name, does(&g), rules.Clock(g.Failed, t), zone),
		Text: g.Error + ". " + itsRules(len(s.plan.Load().rules)) +
			" not judged until it is back; then the time between is judged from its history.",
	}
}

func itsRules(n int) string {
	if n == 1 {
		return "Its rule is"
	}
	return fmt.Sprintf("Its %d rules are", n)
}

// outage reports whether people are to be told now that a source is down.
func (s *sourceState) outage(t time.Time, after time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fails && !s.gap.Told && t.Sub(s.gap.Failed) >= after
}

// tell notes whether people are told that a source is down.
func (s *sourceState) tell(told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gap.Told = told
}

// Tell books one of tocsin's own messages on the operators' channels. One that
// it could not book, when it reports false, is to be told again later.
func (e *Engine) Tell(ctx context.Context, title, text string, t time.Time) (booked bool) {
	return e.own(ctx, t, func(l *rules.Ledger) { e.bookOwn(l, rules.Facts{Title: title, Text: text}, t) })
}

// own changes tocsin's own ledger, and reports whether it did, be it in memory
// only. It does not wait for what others changed to be read, as people do: what
// tocsin says of itself rests on none of it.
func (e *Engine) own(ctx context.Context, t time.Time, act func(*rules.Ledger)) (done bool) {
	err := e.ledgers.Decide(ctx, t, []string{""}, func(_ rules.Setting, l *rules.Ledger) error {
		act(l)
		done = true
		return nil
	})
	if err != nil {
		e.log.Error("message to the operators not saved", "error", err)
	}
	return done && decided(err)
}

// bookOwn books a message of tocsin's own on the operators' channels.
func (e *Engine) bookOwn(own *rules.Ledger, facts rules.Facts, now time.Time) {
	var names []string
	if e.options.Operators != nil {
		names = e.options.Operators()
	}
	if len(names) == 0 {
		e.log.Warn("message of tocsin's own", "title", facts.Title, "text", facts.Text,
			"told", "nobody: there is no channel")
		return
	}
	e.log.Info("message of tocsin's own", "title", facts.Title, "text", facts.Text, "told", names)
	for _, name := range names {
		own.Book(name, rules.Operational, facts, now)
	}
}

// settles reports whether an outage has just ended, so that points are still on
// their way.
func (s *sourceState) settles(outage, settle time.Duration, t time.Time) bool {
	g := &s.gap
	return !g.Failed.IsZero() && (g.Told || g.Back.Sub(g.Failed) >= outage) && t.Before(g.Back.Add(settle))
}

// judgedUntil notes that every tick that was due until t is judged.
func (s *sourceState) judgedUntil(t time.Time) {
	s.through, s.gap, s.newest = rules.Later(s.through, t), rules.Gap{}, time.Time{}
	s.behind.Store(false)
}

// judged notes that a tick was decided, and all before it.
func (s *sourceState) judged(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judgedUntil(t)
}

// caughtUpTo notes that a missed tick was judged.
func (s *sourceState) caughtUpTo(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.through = rules.Later(s.through, t)
	s.leapt = slices.DeleteFunc(s.leapt, t.Equal)
}

// begin notes that missed ticks are being judged, from a tick on at which the
// source answers.
func (s *sourceState) begin(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind.Store(true)
	if s.gap.Failed.IsZero() && s.gap.Back.IsZero() {
		s.gap.Back = t
	}
}

// replaying reports whether the source is busy with ticks that it missed, and
// notes the one that has come.
func (s *sourceState) replaying(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = t
	return s.behind.Load()
}

// present is the newest tick, which is t or has come while missed ones were
// judged.
func (s *sourceState) present(t time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rules.Later(t, s.newest)
}

// missing is what is to be judged still.
func (s *sourceState) missing() rules.Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gap
}

// waits reports whether the source is down or settles.
func (s *sourceState) waits(outage, settle time.Duration, t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gap.Down() || s.settles(outage, settle, t)
}
