package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
)

// seen remembers what was found of the last points of rules that match nothing:
// status is asked often, and what is silent for long seldom speaks.
type seen struct {
	mu   sync.Mutex
	list map[string]seenAt
}

type seenAt struct {
	version int
	asked   time.Time
	text    string
}

// seenFor is how long such a finding holds.
const seenFor = time.Hour

// unmatched says why no series ever matched a rule: its data is silent since
// some time, or was never there.
func (a *App) unmatched(ctx context.Context, r rules.Rule) string {
	a.seen.mu.Lock()
	was, ok := a.seen.list[r.ID]
	a.seen.mu.Unlock()
	if ok && was.version == r.Version && a.Time().Sub(was.asked) < seenFor {
		return was.text
	}
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	found, err := lookup.LastSeen(ctx, a.Sources[r.Source], r, a.Time())
	text := fmt.Sprintf("no series ever matched %s; is a name misspelt?", r.What())
	switch {
	case err != nil || a.Sources[r.Source] == nil:
		return fmt.Sprintf("no series has matched %s so far", r.What())
	case len(found) > 0:
		text = fmt.Sprintf("%s is known, and silent since %s: no point has come since the rule is there", r.What(),
			a.Stamp(found[0].At))
	}
	a.seen.mu.Lock()
	defer a.seen.mu.Unlock()
	a.seen.list[r.ID] = seenAt{r.Version, a.Time(), text}
	return text
}

// Stamp writes a time as people of this house read it.
func (a *App) Stamp(t time.Time) string {
	return t.In(a.Config.Location()).Format("2006-01-02 15:04")
}
