package evaluator

import (
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Explain returns the texts that a rule alone asks a source with, for a tick
// whose windows end at end. A query rule has its own.
func Explain(s Explainer, r *rules.Rule, end time.Time) (out []string) {
	if r.Condition.Type == rules.Query {
		if reader, ok := s.(Reader); ok {
			return []string{reader.ExplainStatement(statement(r, end))}
		}
		return []string{r.Condition.Text}
	}
	for _, req := range Requirements(r) {
		out = append(out, s.Explain(req.query(end)))
	}
	return out
}

// evidence is what the rule of an answer was judged by: everything that it
// asked, and the longest of the windows that end now.
func (a *Answer) evidence(s Explainer) rules.Evidence {
	out := rules.Evidence{
		To: a.end, Condition: a.Rule.Condition.String(),
		Query: strings.Join(Explain(s, a.Rule, a.end), ";\n"),
	}
	for _, req := range a.requirements {
		if q := req.query(a.end); req.Back == 0 && (out.From.IsZero() || q.From.Before(out.From)) {
			out.From = q.From
		}
	}
	return out
}
