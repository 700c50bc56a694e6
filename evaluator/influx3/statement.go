package influx3

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// statement is a query as one SQL text: first the tags, then the start of the
// bin when there are steps, then one column for each that was asked, and the
// time of the newest point. What the measurement is known to lack is left out.
//
// The text is flat, over the measurement itself, as long as plain aggregates
// can answer. Where points must be put in order first it goes over a subquery
// that brings for field 0 its value v0, its time t0 (null where the value is),
// its rank r0 of n0, the value p0 before it in its series and the nanoseconds
// e0 from the first to the last of that; g0 is the first tag, and filled the
// number of values in the point.
type statement struct {
	query   evaluator.Query
	known   kinds // of the measurement, empty while nobody has asked
	missing map[string]bool
	fields  []string // without repetition
	any     bool     // a column asks for any field
	nested  bool
}

func newStatement(q evaluator.Query, known kinds, missing map[string]bool) statement {
	s := statement{query: q, known: known, missing: missing}
	ordered := false
	for _, c := range q.Columns {
		if missing[c.Field] {
			continue
		}
		if c.Field == "" {
			s.any = true
			continue
		}
		if !slices.Contains(s.fields, c.Field) {
			s.fields = append(s.fields, c.Field)
		}
		_, percentile := c.Aggregation.Percentile()
		s.nested = s.nested || percentile || c.Aggregation == rules.Rate
		ordered = ordered || c.Aggregation == rules.Latest || c.Aggregation == rules.First
	}
	s.nested = s.nested || ordered && len(s.fields) > 1
	return s
}

// empty reports that no point can answer, so that nothing needs to be asked.
func (s statement) empty() bool {
	for tag, values := range s.query.Where {
		if s.missing[tag] && !slices.Contains(values, "") {
			return true
		}
	}
	return len(s.fields) == 0 && !s.any
}

// tags lists the tags of the group that exist.
func (s statement) tags() []string {
	return slices.DeleteFunc(slices.Clone(s.query.GroupBy), func(tag string) bool { return s.missing[tag] })
}

// String returns the SQL.
func (s statement) String() string {
	text := "SELECT " + strings.Join(s.selected(), ", ") + " FROM " + s.points()
	if by := s.groups(); len(by) > 0 {
		text += " GROUP BY " + strings.Join(by, ", ")
	}
	return text
}

// selected lists the columns of the answer, each with a name of its own: SQL
// allows no name twice, and a tag may be called anything.
func (s statement) selected() []string {
	var out, taken []string
	add := func(expr, name string) {
		for slices.Contains(taken, name) {
			name += "_"
		}
		taken = append(taken, name)
		if expr != quoted(name) {
			expr += " AS " + quoted(name)
		}
		out = append(out, expr)
	}
	for i, tag := range s.tags() {
		add(s.tag(i), tag)
	}
	if s.query.Step > 0 {
		add(s.bin(), "bin")
	}
	for _, c := range s.query.Columns {
		if !s.missing[c.Field] {
			add(s.aggregate(c), string(c.Aggregation)+"("+cmp.Or(c.Field, "*")+")")
		}
	}
	add("max(time)", "last")
	return out
}

// points is what the aggregates go over.
func (s statement) points() string {
	table := quoted(s.query.Measurement) + " WHERE " + s.condition()
	if !s.nested {
		return table
	}
	var columns []string
	for i, tag := range s.tags() {
		columns = append(columns, quoted(tag)+" AS "+s.tag(i))
	}
	if s.query.Step > 0 {
		columns = append(columns, s.dateBin()+" AS "+s.bin())
	}
	columns = append(columns, "time")
	for i := range s.fields {
		columns = append(columns, s.ordered(i)...)
	}
	if s.any {
		columns = append(columns, s.filled()+" AS filled")
	}
	return "(SELECT " + strings.Join(columns, ", ") + " FROM " + table + ") AS points"
}

// ordered lists what the subquery brings for a field. Nulls are kept in a
// partition of their own, so that they neither rank nor come before a value.
func (s statement) ordered(i int) []string {
	field := quoted(s.fields[i])
	number := "CAST(" + field + " AS DOUBLE)"
	over := s.partition(field, s.tags())
	out := []string{
		fmt.Sprintf("%s AS v%d", field, i),
		fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN time END AS t%d", field, i),
	}
	if s.wants(i, func(a rules.Aggregation) bool { _, ok := a.Percentile(); return ok }) {
		out = append(out,
			fmt.Sprintf("row_number() OVER (%s ORDER BY %s) AS r%d", over, number, i),
			fmt.Sprintf("count(*) OVER (%s) AS n%d", over, i))
	}
	if s.wants(i, func(a rules.Aggregation) bool { return a == rules.Rate }) {
		own := s.partition(field, s.allTags())
		out = append(out,
			fmt.Sprintf("lag(%s) OVER (%s ORDER BY time) AS p%d", number, own, i),
			fmt.Sprintf("CAST(max(time) OVER (%s) AS BIGINT) - CAST(min(time) OVER (%s) AS BIGINT) AS e%d", own, own, i))
	}
	return out
}

func (s statement) partition(field string, tags []string) string {
	var by []string
	for _, tag := range tags {
		by = append(by, quoted(tag))
	}
	if s.query.Step > 0 {
		by = append(by, s.dateBin())
	}
	return "PARTITION BY " + strings.Join(append(by, field+" IS NULL"), ", ")
}

// allTags lists the tags that tell series apart. Nobody has asked for them yet
// where a statement is only explained.
func (s statement) allTags() []string {
	if len(s.known) == 0 {
		return s.tags()
	}
	return s.known.tags()
}

// filled is how many fields of a point have a value.
func (s statement) filled() string {
	var each []string
	for _, field := range s.known.fields() {
		each = append(each, "CASE WHEN "+quoted(field)+" IS NULL THEN 0 ELSE 1 END")
	}
	if len(each) == 0 {
		return "1"
	}
	return strings.Join(each, " + ")
}

// countAny counts the values of all fields.
func (s statement) countAny() string {
	if s.nested {
		return "sum(filled)"
	}
	var each []string
	for _, field := range s.known.fields() {
		each = append(each, "count("+quoted(field)+")")
	}
	if len(each) == 0 {
		return "count(*)"
	}
	return strings.Join(each, " + ")
}

func (s statement) wants(field int, match func(rules.Aggregation) bool) bool {
	return slices.ContainsFunc(s.query.Columns, func(c evaluator.Column) bool {
		return c.Field == s.fields[field] && match(c.Aggregation)
	})
}

// groups lists what the answer is grouped by.
func (s statement) groups() []string {
	var out []string
	for i := range s.tags() {
		out = append(out, s.tag(i))
	}
	if s.query.Step > 0 {
		out = append(out, s.bin())
	}
	return out
}

func (s statement) tag(i int) string {
	if s.nested {
		return "g" + strconv.Itoa(i)
	}
	return quoted(s.tags()[i])
}

func (s statement) bin() string {
	if s.nested {
		return quoted("bin")
	}
	return s.dateBin()
}

// dateBin begins one nanosecond late: bins are [a, b), steps are (a, b].
func (s statement) dateBin() string {
	return fmt.Sprintf("date_bin(%s, time, %s)", interval(s.query.Step), timestamp(s.query.From.Add(1)))
}

// aggregate writes one column. Of points with the same time the greatest value
// is the first and the latest, so that every tick answers the same.
func (s statement) aggregate(c evaluator.Column) string {
	if c.Field == "" {
		return s.countAny()
	}
	i := slices.Index(s.fields, c.Field)
	value, at, first, last := quoted(c.Field), "time", "", ""
	if s.nested {
		value, at = fmt.Sprintf("v%d", i), fmt.Sprintf("t%d", i)
		first, last = " NULLS LAST", " NULLS FIRST"
	}
	switch c.Aggregation {
	case rules.Latest:
		return fmt.Sprintf("last_value(%s ORDER BY %s%s, %s)", value, at, last, value)
	case rules.First:
		return fmt.Sprintf("first_value(%s ORDER BY %s%s, %s DESC)", value, at, first, value)
	case rules.Count:
		return "count(" + value + ")"
	}
	return arithmetic(c.Aggregation, "CAST("+value+" AS DOUBLE)", i)
}

func arithmetic(a rules.Aggregation, number string, field int) string {
	switch a {
	case rules.Mean:
		return "avg(" + number + ")"
	case rules.Spread:
		return "max(" + number + ") - min(" + number + ")"
	case rules.Rate:
		return rate(number, field)
	}
	if p, ok := a.Percentile(); ok {
		return nearestRank(number, p, field)
	}
	return string(a) + "(" + number + ")" // min, max, sum, stddev
}

// condition limits the points to the window, to those that carry a field that
// is asked for, which every point does of any field, and to the tags wanted.
func (s statement) condition() string {
	parts := []string{"time > " + timestamp(s.query.From), "time <= " + timestamp(s.query.To)}
	var some []string
	for _, field := range s.fields {
		some = append(some, quoted(field)+" IS NOT NULL")
	}
	if !s.any {
		parts = append(parts, oneOf(some))
	}
	for _, tag := range slices.Sorted(maps.Keys(s.query.Where)) {
		if !s.missing[tag] {
			parts = append(parts, hasValue(tag, s.query.Where[tag]))
		}
	}
	return strings.Join(parts, " AND ")
}

// hasValue keeps the points whose tag has one of the values; the empty one is
// that of points without the tag.
func hasValue(tag string, values []string) string {
	var texts, some []string
	for _, v := range values {
		texts = append(texts, literal(v))
	}
	switch len(texts) {
	case 0:
		return "false"
	case 1:
		some = append(some, quoted(tag)+" = "+texts[0])
	default:
		some = append(some, quoted(tag)+" IN ("+strings.Join(texts, ", ")+")")
	}
	if slices.Contains(values, "") {
		some = append(some, quoted(tag)+" IS NULL")
	}
	return oneOf(some)
}

func oneOf(conditions []string) string {
	if len(conditions) == 1 {
		return conditions[0]
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// quoted writes a name so that it is taken as it stands, case and all.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func timestamp(t time.Time) string {
	return t.UTC().Format("TIMESTAMP '2006-01-02T15:04:05.000000000Z'")
}

func interval(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("INTERVAL '%d seconds'", d/time.Second)
	}
	return fmt.Sprintf("INTERVAL '%d nanoseconds'", d)
}

// nearestRank picks the value of rank (n*p+50)/100, but at least the first:
// of the values at both ranks the greater one is meant.
func nearestRank(number string, p, field int) string {
	return fmt.Sprintf("max(CASE WHEN r%d IN (1, (n%d * %d + 50) / 100) THEN %s END)", field, field, p, number)
}

// rate adds up the steps upwards, each divided by the time between the first
// and the last point of its series; null where no point has one before it.
func rate(number string, field int) string {
	return fmt.Sprintf("sum(CASE WHEN %s > p%d THEN %[1]s - p%[2]d WHEN p%[2]d IS NOT NULL THEN 0 END / nullif(e%[2]d, "+
		"0)) * 1e9", number, field)
}
