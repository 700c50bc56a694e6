package schedule

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/robfig/cron/v3"
)

// cronField is one of the five of a cron spec, with the values it may have and
// the names they go by.
type cronField struct {
	name      string
	takes     string // in words
	low, high int
	names     []string // of low and those that follow
}

var cronFields = []cronField{
	{"minute", "0 to 59", 0, 59, nil},
	{"hour", "0 to 23", 0, 23, nil},
	{"day of the month", "1 to 31", 1, 31, nil},
	{
		"month", "1 to 12, or jan to dec", 1, 12,
		[]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
	},
	{
		"day of the week", "0 to 7, both of them Sunday, or sun to sat", 0,
		6,
		[]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"},
	},
}

// plainCron writes a cron spec in the words of the library: it knows no range
// over the end, such as sat-mon or 22-6, and no 7 for Sunday, which crontab(5)
// has. What it cannot read it leaves to the library to refuse.
func plainCron(every string) string {
	fields := strings.Fields(every)
	if len(fields) != len(cronFields) {
		return every
	}
	for i, field := range fields {
		parts := strings.Split(field, ",")
		for j, part := range parts {
			parts[j] = cronFields[i].plain(part)
		}
		fields[i] = strings.Join(parts, ",")
	}
	return strings.Join(fields, " ")
}

// wrongField says which field of a spec cannot be read, and what it takes; nothing
// where that is not the fault.
func wrongField(every string) string {
	fields := strings.Fields(every)
	if len(fields) != len(cronFields) {
		return ""
	}
	for i, field := range fields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = field
		if _, err := cron.ParseStandard(plainCron(strings.Join(alone, " "))); err != nil {
			return fmt.Sprintf("the %s %q is none; it takes %s", cronFields[i].name, field, cronFields[i].takes)
		}
	}
	return ""
}

// plain is one part of a list without what the library does not know.
func (f cronField) plain(part string) string {
	span, every, stepped := strings.Cut(part, "/")
	first, last, ranged := strings.Cut(span, "-")
	from, ok := f.value(first)
	if !ok {
		return part
	}
	if !ranged {
		if stepped {
			return fmt.Sprintf("%d/%s", f.wrapped(from), every)
		}
		return strconv.Itoa(f.wrapped(from))
	}
	to, ok := f.value(last)
	step := 1
	if stepped {
		step, _ = strconv.Atoi(every)
	}
	if !ok || step < 1 {
		return part
	}
	if to < from {
		to += f.high - f.low + 1
	}
	var values []string
	for v := from; v <= to; v += step {
		values = append(values, strconv.Itoa(f.wrapped(v)))
	}
	return strings.Join(values, ",")
}

// wrapped brings a value behind the end back to the beginning.
func (f cronField) wrapped(v int) int {
	return f.low + (v-f.low)%(f.high-f.low+1)
}

// value reads a number or a name; of the days of the week also 7.
func (f cronField) value(text string) (int, bool) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.low + i, true
		}
	}
	v, err := strconv.Atoi(text)
	high := f.high
	if f.high == 6 {
		high = 7
	}
	return v, err == nil && v >= f.low && v <= high
}
