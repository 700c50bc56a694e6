package evaluator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Trouble is why a rule is not judged although its source answers others: what
// the source says of its query.
type Trouble struct {
	Since time.Time // the nominal time of the first tick
	Err   error

	id           string // of the rule
	rule, source string // their names
	told         bool   // people know of it
}

// Text is what people are told of the error; what is not ours to word is in the
// log alone.
func (t Trouble) Text() string {
	if rules.CodeOf(t.Err) == rules.Internal {
		return "its source fails on it; the log says why"
	}
	return rules.Sentence(t.Err)
}

// troubles are those of the rules that cannot be judged now.
type troubles struct {
	count  atomic.Int32 // of byRule, so that a rule in no trouble waits for nobody
	mu     sync.Mutex
	byRule map[string]Trouble
	over   []Trouble // people were told of them, and not yet that they are over
}

// note keeps what became of a rule at a tick, and reports whether that is news.
// What a source leaves unanswered that answers nobody is no trouble of a rule.
func (t *troubles) note(r *rules.Rule, tick time.Time, err error, unanswered bool) (news bool) {
	if err == nil && t.count.Load() == 0 || unanswered {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	was, had := t.byRule[r.ID]
	now := Trouble{Since: tick, Err: err, id: r.ID, rule: r.Name, source: r.Source}
	if had {
		now.Since, now.told = was.Since, was.told
	}
	switch {
	case err != nil:
		t.byRule[r.ID] = now
	case had:
		delete(t.byRule, r.ID)
		if was.told {
			t.over = append(t.over, was)
		}
	}
	t.count.Store(int32(len(t.byRule)))
	return had != (err != nil)
}

// keep forgets the troubles of rules that are not watched any more.
func (t *troubles) keep(list []*rules.Rule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.byRule) == 0 {
		return
	}
	watched := make(map[string]bool, len(list))
	for _, r := range list {
		watched[r.ID] = true
	}
	maps.DeleteFunc(t.byRule, func(id string, _ Trouble) bool { return !watched[id] })
	t.count.Store(int32(len(t.byRule)))
}

// since tells when the trouble of a rule began; zero when it has none.
func (t *troubles) since(rule string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byRule[rule].Since
}

// news returns the troubles that have lasted since a time, at sources that are
// well, and those that are over; people are to be told of them.
func (t *troubles) news(since time.Time, well map[string]bool) (lasting, over []Trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	over = slices.Clone(t.over)
	for _, one := range t.byRule {
		if !one.told && !one.Since.After(since) && well[one.source] {
			lasting = append(lasting, one)
		}
	}
	for _, list := range [][]Trouble{lasting, over} {
		slices.SortFunc(list, func(a, b Trouble) int { return cmp.Compare(a.rule, b.rule) })
	}
	return lasting, over
}

// settle notes whether people were told of what lasts and of what is over.
func (t *troubles) settle(lasting, over []Trouble, told bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range lasting {
		one.told = told
		t.byRule[one.id] = one
	}
	if t.over = over; told {
		t.over = nil
	}
}

// progress is what a daemon after this one is to know. That one is over it finds
// out by itself.
func (t *troubles) progress() (out []rules.RuleTrouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range slices.AppendSeq(slices.Clone(t.over), maps.Values(t.byRule)) {
		out = append(out, rules.RuleTrouble{Rule: one.id, Since: one.Since, Error: one.Text(), Told: one.told})
	}
	slices.SortFunc(out, func(a, b rules.RuleTrouble) int { return cmp.Compare(a.Rule, b.Rule) })
	return out
}

// resume takes over what the daemon before knew of a rule, if it is watched still.
func (t *troubles) resume(was rules.RuleTrouble, l *rules.Ledger) {
	if !l.Watched() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byRule[was.Rule] = Trouble{
		Since: was.Since, Err: rules.Errorf(rules.Unavailable, "%s", was.Error),
		id: was.Rule, rule: l.Rule.Name, source: l.Rule.Source, told: was.Told,
	}
	t.count.Store(int32(len(t.byRule)))
}

// shift moves their beginnings after the wall clock jumped by d.
func (t *troubles) shift(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, one := range t.byRule {
		one.Since = one.Since.Add(d)
		t.byRule[id] = one
	}
}

// Trouble tells what keeps a rule from being judged; false when it is judged.
func (e *Engine) Trouble(rule string) (Trouble, bool) {
	e.troubles.mu.Lock()
	defer e.troubles.mu.Unlock()
	t, ok := e.troubles.byRule[rule]
	return t, ok
}

// tellTroubles says once of the rules that their source refuses for as long as
// it takes to call a source down, and once that it is over. Where the source
// itself is failing, that is told instead.
func (e *Engine) tellTroubles(ctx context.Context, t time.Time) {
	well := map[string]bool{} // asked first: a source that is locked may wait for the troubles
	for name, s := range e.sources {
		well[name] = s.well()
	}
	lasting, over := e.troubles.news(t.Add(-e.options.OutageAfter), well)
	if len(lasting)+len(over) == 0 {
		return
	}
	booked := e.own(ctx, t, func(l *rules.Ledger) {
		for _, facts := range e.troubleFacts(lasting, over, t) {
			e.bookOwn(l, facts, t)
		}
		e.troubles.settle(lasting, over, true)
		l.Advance(e.progress(t, nil))
	})
	if !booked {
		e.troubles.settle(lasting, over, false)
	}
}

// troubleFacts are a message about those that last and one about those that are
// over, where there are such.
func (e *Engine) troubleFacts(lasting, over []Trouble, t time.Time) (out []rules.Facts) {
	t, zone := rules.InZone(t, e.options.Zone)
	if len(lasting) > 0 {
		out = append(out, rules.Facts{Title: headline(lasting, "cannot be judged"), Text: named(lasting,
			func(one Trouble) string {
				return fmt.Sprintf("%s, not judged since %s%s: %s", one.rule, rules.Clock(one.Since, t), zone, one.Text())
			}) + ". What they watch is alerted on by nobody until then."})
	}
	if len(over) > 0 {
		out = append(out, rules.Facts{Title: headline(over, "judged again"), Text: named(over, func(one Trouble) string {
			return fmt.Sprintf("%s, not judged from %s to %s%s", one.rule, rules.Clock(one.Since, t), rules.Clock(t, t), zone)
		}) + "."})
	}
	return out
}

func headline(list []Trouble, what string) string {
	if len(list) == 1 {
		return "Rule " + list[0].rule + ": " + what
	}
	return fmt.Sprintf("%d rules: %s", len(list), what)
}

// named says something of each, up to what a message bears.
func named(list []Trouble, say func(Trouble) string) string {
	var out []string
	for _, one := range list[:min(len(list), mostEpisodes)] {
		out = append(out, say(one))
	}
	if more := len(list) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}
