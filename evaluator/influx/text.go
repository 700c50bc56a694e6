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

func appendName(b []byte, text string) []byte {
	if strings.ContainsAny(text, "\\\"\n") {
		return append(b, name(text)...)
	}
	return append(append(append(b, '"'), text...), '"')
}

// literal writes a string. In single quotes: a tag value in double ones is an
// identifier, and matches nothing without saying so.
func literal(text string) string { return `'` + escapeText.Replace(text) + `'` }

// clock appends a bound of time.
type clock func(b []byte, t time.Time) []byte

// exact is for the server: no text of a time to parse, no zone to mistake.
func exact(b []byte, t time.Time) []byte { return strconv.AppendInt(b, t.UnixNano(), 10) }

// legible is for people, and means the same.
func legible(b []byte, t time.Time) []byte {
	return append(b, literal(t.UTC().Format(time.RFC3339Nano))...)
}

// selection is a SELECT of expressions over the points that a query is about.
type selection struct {
	expressions []string
	condition   string // one more, beside those of the query
	raw         bool   // the points themselves of each series, whatever the step
	everything  bool   // behind the expressions, a count for each field
}

// write appends the statement. There may be thousands in a tick, so it makes
// no text of its parts.
func (s selection) write(b []byte, q evaluator.Query, at clock) []byte {
	b = s.from(s.list(append(b, "SELECT "...)), q, at)
	b = s.groups(b, q)
	if q.Step > 0 && !s.raw {
		b = append(b, " fill(none)"...)
	}
	return b
}

// from appends which points are meant.
func (s selection) from(b []byte, q evaluator.Query, at clock) []byte {
	b = appendName(append(b, " FROM "...), q.Measurement)
	b = at(append(b, " WHERE time > "...), q.From)
	b = at(append(b, " AND time <= "...), q.To)
	if len(q.Where) > 0 {
		for _, tag := range slices.Sorted(maps.Keys(q.Where)) {
			b = oneOf(append(b, " AND "...), tag, q.Where[tag])
		}
	}
	if s.condition != "" {
		b = append(append(b, " AND "...), s.condition...)
	}
	return b
}

func (s selection) groups(b []byte, q evaluator.Query) []byte {
	if s.raw {
		return append(b, " GROUP BY *"...)
	}
	before := " GROUP BY "
	if q.Step > 0 {
		b = append(append(b, before...), bucket(q)...)
		before = ", "
	}
	for _, tag := range q.GroupBy {
		b = appendName(append(b, before...), tag)
		before = ", "
	}
	return b
}

// list names the columns, because versions differ in what they call them.
func (s selection) list(b []byte) []byte {
	for i, e := range s.expressions {
		if i > 0 {
			b = append(b, ", "...)
		}
		if b = append(b, e...); !s.raw {
			b = strconv.AppendInt(append(b, " AS v"...), int64(i), 10)
		}
	}
	if s.everything {
		if len(s.expressions) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, "count(*)"...)
	}
	return b
}

func oneOf(b []byte, tag string, values []string) []byte {
	switch len(values) {
	case 0: // nothing matches
		return append(b, "("+name(tag)+" = '' AND "+name(tag)+" != '')"...)
	case 1:
		return append(append(appendName(b, tag), " = "...), literal(values[0])...)
	}
	before := "("
	for _, v := range values {
		b = append(append(appendName(append(b, before...), tag), " = "...), literal(v)...)
		before = " OR "
	}
	return append(b, ')')
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
