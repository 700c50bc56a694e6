package influx

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

var (
	escapeName = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	escapeText = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`)
)

// name writes an identifier. A double quote in it cannot end it.
func name(text string) string { return `"` + escapeName.Replace(text) + `"` }

// literal writes a string. In single quotes: a tag value in double ones is an
// identifier, and matches nothing without saying so.
func literal(text string) string { return `'` + escapeText.Replace(text) + `'` }

// clock writes a bound of time.
type clock func(t time.Time) string

// exact is for the server: no text of a time to parse, no zone to mistake.
func exact(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// legible is for people, and means the same.
func legible(t time.Time) string { return literal(t.UTC().Format(time.RFC3339Nano)) }

// selection is a SELECT of expressions over the points that a query is about.
type selection struct {
	expressions []string
	condition   string // one more, beside those of the query
	raw         bool   // the points themselves of each series, whatever the step
	everything  bool   // behind the expressions, a count for each field
}

func (s selection) text(q evaluator.Query, at clock) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.list())
	b.WriteString(" FROM " + name(q.Measurement))
	b.WriteString(" WHERE time > " + at(q.From) + " AND time <= " + at(q.To))
	for _, tag := range slices.Sorted(maps.Keys(q.Where)) {
		b.WriteString(" AND " + oneOf(tag, q.Where[tag]))
	}
	if s.condition != "" {
		b.WriteString(" AND " + s.condition)
	}
	if groups := s.groups(q); len(groups) > 0 {
		b.WriteString(" GROUP BY " + strings.Join(groups, ", "))
	}
	if q.Step > 0 && !s.raw {
		b.WriteString(" fill(none)")
	}
	return b.String()
}

func (s selection) groups(q evaluator.Query) []string {
	if s.raw {
		return []string{"*"}
	}
	var groups []string
	if q.Step > 0 {
		groups = append(groups, bucket(q))
	}
	for _, tag := range q.GroupBy {
		groups = append(groups, name(tag))
	}
	return groups
}

// list names the columns, because versions differ in what they call them.
func (s selection) list() string {
	if s.raw {
		return strings.Join(s.expressions, ", ")
	}
	var parts []string
	for i, e := range s.expressions {
		parts = append(parts, e+" AS v"+strconv.Itoa(i))
	}
	if s.everything {
		parts = append(parts, "count(*)")
	}
	return strings.Join(parts, ", ")
}

func oneOf(tag string, values []string) string {
	var parts []string
	for _, v := range values {
		parts = append(parts, name(tag)+" = "+literal(v))
	}
	switch len(parts) {
	case 0: // nothing matches
		return "(" + name(tag) + " = '' AND " + name(tag) + " != '')"
	case 1:
		return parts[0]
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// bucket makes steps that begin one nanosecond after From, because the
// server's own are [a, b) and ours are (a, b].
func bucket(q evaluator.Query) string {
	step := q.Step.Nanoseconds()
	offset := ((q.From.UnixNano()+1)%step + step) % step
	return "time(" + span(step) + ", " + span(offset) + ")"
}

// span writes a duration in the largest unit that divides it.
func span(ns int64) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if ns%u.size.Nanoseconds() == 0 {
			return strconv.FormatInt(ns/u.size.Nanoseconds(), 10) + u.name
		}
	}
	return strconv.FormatInt(ns, 10) + "ns"
}
