package evaluator

import (
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// failure is why the source counts as failing: less than a tenth could be judged
// of what it was just asked, and of what it was last asked for each of its rules,
// because it does not answer or refuses. What fails a few rules alone is not the
// source.
func (s *sourceState) failure() (why error) {
	if asked, judged := tally(s.out); !few(judged, asked) {
		return nil
	}
	last := make([]*Answer, len(s.answers))
	for i := range s.answers {
		last[i] = &s.answers[i]
	}
	if asked, judged := tally(last); !few(judged, asked) {
		return nil
	}
	for _, a := range s.out {
		if rules.CodeOf(a.Err) == rules.Unavailable {
			return a.Err
		}
		if why == nil {
			why = a.Err
		}
	}
	return why
}

// tally counts the answers of rules that were asked, and those of them without
// an error.
func tally(answers []*Answer) (asked, judged int) {
	for _, a := range answers {
		if a.Rule == nil {
			continue
		}
		if asked++; a.Err == nil {
			judged++
		}
	}
	return asked, judged
}

// few is less than a tenth.
func few(part, whole int) bool { return part*10 < whole }

// fail notes that the source failed in a poll. It is called with the source
// locked, as all that follow.
func (e *Engine) fail(p *poll, err error) {
	s := p.source
	g := &s.gap
	if e.owes(s, p.tick); g.From.IsZero() {
		g.From = p.now
	}
	if g.Failed.IsZero() {
		g.Failed = p.now
	}
	g.Back, g.Refuses, g.Error = time.Time{}, rules.CodeOf(err) != rules.Unavailable, Trouble{Err: err}.Text()
	if s.fails = true; s.health.OK {
		e.log.Warn("source fails", "source", s.name, "it", does(g), "error", err)
	}
	s.health.OK, s.health.DownSince, s.health.Error = false, g.Failed, g.Error
	s.behind.Store(true)
	for _, a := range p.answers {
		a.unanswered = rules.CodeOf(a.Err) == rules.Unavailable
	}
}

// answered notes that the source answered at a tick.
func (s *sourceState) answered(t time.Time) {
	if s.fails = false; s.gap.Down() {
		s.gap.Back = t
	}
	s.health = SourceHealth{Name: s.name, OK: true, LastOK: t}
}

// does is what a source does while it fails.
func does(g *rules.Gap) string {
	if g.Refuses {
		return "answers with errors"
	}
	return "does not answer"
}

// did is what it did.
func did(g *rules.Gap) string {
	if g.Refuses {
		return "answered with errors"
	}
	return "did not answer"
}

// leavesGap reports whether a rule was not answered that may be the next time:
// then the tick is to be judged again from history. One that has waited nearly
// as long as it takes to call a source down holds up the others no more; nor does
// one in a replay, where the others wait.
func (e *Engine) leavesGap(p *poll) bool {
	patience := e.options.OutageAfter - e.options.Every
	return slices.ContainsFunc(p.source.out, func(a *Answer) bool {
		if rules.CodeOf(a.Err) != rules.Unavailable {
			return false
		}
		since := e.troubles.since(a.plan.ids[a.place])
		return since.IsZero() || p.now.Sub(since) < patience
	})
}

// well reports whether the source does not fail, and people do not believe that
// it does.
func (s *sourceState) well() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health.OK && !s.gap.Told
}
