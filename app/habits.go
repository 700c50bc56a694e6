package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// mostLearning bounds the look at an anomaly rule's past when it is saved.
const mostLearning = 10 * time.Second

// wouldTell says how often a week an anomaly rule would have told lately, at each
// sensitivity; nothing of other rules, or where the source does not tell in time.
func (a *App) wouldTell(ctx context.Context, r rules.Rule) []string {
	source := a.Sources[r.Source]
	if r.Condition.Type != rules.Anomaly || source == nil || r.Unchecked {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mostLearning)
	defer cancel()
	h := evaluator.NewHabits(&r, a.Config.Location())
	done, err := h.Learn(ctx, source, a.Time(), func() bool { return ctx.Err() == nil })
	if err != nil || !done {
		return nil
	}
	var told []string
	for i, n := range h.PerWeek() {
		told = append(told, fmt.Sprintf("%s at sensitivity %s", rules.FormatNumber(n), evaluator.Sensitivities[i]))
	}
	return []string{"by the last two weeks it would tell this often a week: " + strings.Join(told, ", ")}
}
