package influx3

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// span is how far from $to a statement may look, back or ahead, and how long the
// window is.
type span struct{ window, most time.Duration }

// checkWindow demands that every SELECT that reads a table keeps to the window,
// or near it, by conditions that always hold. What else it reckons with times is
// its own affair.
func (o own) checkWindow(s span) error {
	return s.check(o.solid(), nil)
}

// solid is the statement without its spaces.
func (o own) solid() own {
	return slices.DeleteFunc(slices.Clone(o), func(t token) bool { return t.kind == tokenSpace })
}

// setWords end one SELECT and begin another.
var setWords = []string{"UNION", "EXCEPT", "INTERSECT"}

// afterWhere are the words behind the conditions of a SELECT.
var afterWhere = []string{"GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "FETCH", "WINDOW", "QUALIFY", "SELECT"}

// check looks at the SELECTs of one level of parentheses, and at those within
// them. views are the names of a WITH, which are no tables.
func (s span) check(o own, views []string) error {
	views = slices.Concat(views, o.views())
	for _, part := range o.split(func(w string) bool { return slices.Contains(setWords, w) }) {
		if part.selects() && part.readsTable(views) {
			if err := s.checkSelect(part); err != nil {
				return err
			}
		}
	}
	for i := 0; i < len(o); i++ {
		if o[i].text != "(" || o[i].kind != tokenMark {
			continue
		}
		end := o.closes(i)
		if err := s.check(o[i+1:end], views); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// selects reports whether it reads tables, which the arguments of a function do
// not, even where there is a FROM in them.
func (o own) selects() bool {
	return slices.Contains([]string{"SELECT", "WITH", "FROM", "TABLE", "ALL", "DISTINCT"}, o.word(0)) // of a UNION ALL
}

// closes returns the place of the parenthesis that closes the one at i.
func (o own) closes(i int) int {
	depth := 0
	for ; i < len(o); i++ {
		switch o[i] {
		case token{tokenMark, "("}:
			depth++
		case token{tokenMark, ")"}:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(o)
}

// split cuts at the words that cut chooses, outside of parentheses.
func (o own) split(cut func(word string) bool) (parts []own) {
	from := 0
	for i := 0; i < len(o); i++ {
		switch {
		case o[i] == token{tokenMark, "("}:
			i = o.closes(i)
		case cut(o.word(i)):
			parts = append(parts, o[from:i])
			from = i + 1
		}
	}
	return append(parts, o[min(from, len(o)):])
}

// views lists the names that a WITH gives.
func (o own) views() (names []string) {
	if o.word(0) != "WITH" {
		return nil
	}
	for i := 1; i+1 < len(o); i++ {
		if o.word(i) == "AS" && o[i+1].text == "(" {
			names = append(names, nameOf(o[i-1]))
		}
	}
	return names
}

// nameOf is a name as SQL takes it: as it stands in quotes, else in small
// letters.
func nameOf(t token) string {
	if t.kind == tokenName {
		return strings.ReplaceAll(strings.Trim(t.text, `"`), `""`, `"`)
	}
	return strings.ToLower(t.text)
}

// readsTable reports whether what follows FROM, JOIN or a comma between them
// names anything but a view, outside of parentheses.
func (o own) readsTable(views []string) bool {
	inFrom := false
	for i := 0; i+1 < len(o); i++ {
		w := o.word(i)
		switch {
		case o[i] == token{tokenMark, "("}:
			i = o.closes(i)
			continue
		case w == "FROM" || w == "JOIN" || w == "TABLE":
			inFrom = true
		case w == "WHERE" || slices.Contains(afterWhere, w):
			inFrom = false
		}
		begins := w == "FROM" || w == "JOIN" || w == "TABLE" || inFrom && o[i].text == ","
		if next := o[i+1]; begins && (next.kind == tokenWord || next.kind == tokenName) &&
			!slices.Contains(views, nameOf(next)) {
			return true
		}
	}
	return false
}

// checkSelect looks for the limits of one SELECT.
func (s span) checkSelect(o own) error {
	var from, to, far bool
	for i := 0; i < len(o); i++ {
		if o[i] == (token{tokenMark, "("}) {
			i = o.closes(i)
		} else if o.word(i) == "WHERE" {
			rest := o[i+1:].split(func(w string) bool { return slices.Contains(afterWhere, w) })
			from, to, far = s.limits(rest[0])
		}
	}
	switch {
	case from && to:
		return nil
	case far:
		return refuse("must not look back or ahead further than %s; write a time nearer to $from and $to, or give the rule "+
			"a longer window", rules.Duration(s.most))
	}
	return refuse("must be limited to the window wherever it reads a table; add WHERE time > $from AND time <= $to, not " +
		"under an OR; nothing but - INTERVAL '1 day' and the like may stand beside them")
}

// limits finds the limits in conditions that always hold; far says that there
// is one which lies too far off.
func (s span) limits(o own) (from, to, far bool) {
	if len(o.split(func(w string) bool { return w == "OR" })) > 1 {
		return false, false, false
	}
	for _, c := range o.conditions() {
		if len(c) > 2 && c[0] == (token{tokenMark, "("}) && c.closes(0) == len(c)-1 {
			f, t, r := s.limits(c[1 : len(c)-1])
			from, to, far = from || f, to || t, far || r
			continue
		}
		c = c.upright()
		lower, upper := c.compared()
		if off, ok := lower.beside("$from"); ok {
			near := float64(s.window)-off <= float64(s.most)
			from, far = from || near, far || !near
		}
		if off, ok := upper.beside("$to"); ok {
			near := off <= float64(s.most)
			to, far = to || near, far || !near
		}
	}
	return from, to, far
}

// conditions cuts at the ANDs, but for those of BETWEEN.
func (o own) conditions() (out []own) {
	between := false
	return o.split(func(w string) bool {
		switch {
		case w == "BETWEEN":
			between = true
		case w == "AND" && between:
			between = false
		case w == "AND":
			return true
		}
		return false
	})
}

// upright turns a comparison so that the time stands first.
func (o own) upright() own {
	for i, t := range o {
		mirror, ok := map[string]string{"<": ">", ">": "<"}[t.text]
		if !ok || t.kind != tokenMark {
			continue
		}
		right := o[i+1:]
		turned := own{{tokenMark, mirror}}
		if len(right) > 0 && right[0].text == "=" {
			right = right[1:]
		}
		if right.isTime() {
			return slices.Concat(right, turned, o[:i])
		}
	}
	return o
}

// isTime reports whether it is the column of times and nothing else.
func (o own) isTime() bool {
	if len(o) == 3 && o[1].text == "." {
		o = o[2:]
	}
	return len(o) == 1 && (o[0].kind == tokenWord || o[0].kind == tokenName) && nameOf(o[0]) == "time"
}

// compared returns what the time must lie behind, and what it must not lie
// behind.
func (o own) compared() (lower, upper own) {
	for i, t := range o {
		right := o[i+1:]
		if len(right) > 0 && right[0].text == "=" {
			right = right[1:]
		}
		switch {
		case !o[:i].isTime():
		case t.text == ">":
			return right, nil
		case t.text == "<":
			return nil, right
		case o.word(i) == "BETWEEN":
			if ends := o[i+1:].split(func(w string) bool { return w == "AND" }); len(ends) == 2 {
				return ends[0], ends[1]
			}
		}
	}
	return nil, nil
}

// beside returns how many nanoseconds after the parameter it lies, which is that
// or intervals beside it. As durations they could overflow.
func (o own) beside(param string) (off float64, ok bool) {
	if len(o) == 0 || o[0] != (token{tokenParam, param}) || len(o)%3 != 1 {
		return 0, false
	}
	for i := 1; i < len(o); i += 3 {
		d, known := intervalOf(o[i+2])
		switch {
		case o.word(i+1) != "INTERVAL" || !known:
			return 0, false
		case o[i].text == "+":
			off += d
		case o[i].text == "-":
			off -= d
		default:
			return 0, false
		}
	}
	return off, true
}

// intervalUnits are those of SQL, at their longest.
var intervalUnits = map[string]rules.Duration{
	"nanosecond": 1, "microsecond": 1000, "millisecond": 1000 * 1000, "second": rules.Second, "minute": rules.Minute,
	"hour": rules.Hour,
	"day":  rules.Day, "week": rules.Week, "month": 31 * rules.Day, "year": 366 * rules.Day,
}

// intervalOf reads the nanoseconds of an interval such as '1 hour 30 minutes'.
func intervalOf(t token) (ns float64, ok bool) {
	words := strings.Fields(strings.ToLower(strings.Trim(t.text, "'")))
	if t.kind != tokenText || len(words) == 0 || len(words)%2 != 0 {
		return 0, false
	}
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseFloat(words[i], 64)
		unit := intervalUnits[strings.TrimSuffix(words[i+1], "s")]
		if err != nil || unit == 0 || math.IsNaN(n) || math.IsInf(n, 0) {
			return 0, false
		}
		ns += n * float64(unit)
	}
	return ns, true
}
