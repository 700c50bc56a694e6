package evaluator

import (
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Explain returns the texts that a rule alone asks a source with, for a tick
// whose windows end at end. A query rule has its own.
func Explain(s Explainer, r *rules.Rule, end time.Time) (out []string) {
	if r.Condition.Type == rules.Query {
		return []string{r.Condition.Text}
	}
	for _, n := range needs(r) {
		out = append(out, s.Explain(n.query(end)))
	}
	return out
}
