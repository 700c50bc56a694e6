package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Explain writes the query as InfluxQL would say it.
func (s *Store) Explain(q evaluator.Query) string {
	var columns []string
	for _, c := range q.Columns {
		field := "*"
		if c.Field != "" {
			field = quoted(c.Field)
		}
		columns = append(columns, fmt.Sprintf("%s(%s)", c.Aggregation, field))
	}
	text := fmt.Sprintf("SELECT %s FROM %s WHERE time > '%s' AND time <= '%s'", strings.Join(columns, ", "),
		quoted(q.Measurement),
		q.From.UTC().Format(time.RFC3339Nano), q.To.UTC().Format(time.RFC3339Nano))
	for _, tag := range slices.Sorted(maps.Keys(q.Where)) {
		text += " AND " + explainFilter(tag, q.Where[tag])
	}
	var groups []string
	if q.Step > 0 {
		groups = append(groups, fmt.Sprintf("time(%s)", rules.Duration(q.Step)))
	}
	for _, tag := range q.GroupBy {
		groups = append(groups, quoted(tag))
	}
	if len(groups) > 0 {
		text += " GROUP BY " + strings.Join(groups, ", ")
	}
	return text
}

func explainFilter(tag string, values []string) string {
	var any []string
	for _, v := range values {
		any = append(any, quoted(tag)+" = '"+textEscaper.Replace(v)+"'")
	}
	switch len(any) {
	case 0:
		return "false"
	case 1:
		return any[0]
	}
	return "(" + strings.Join(any, " OR ") + ")"
}

func quoted(name string) string { return `"` + nameEscaper.Replace(name) + `"` }

var (
	nameEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	textEscaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`)
)

// Measurements lists the measurements that have points.
func (s *Store) Measurements(context.Context) ([]string, error) {
	names := s.names()
	slices.Sort(names)
	return names, nil
}

// Fields lists the fields of a measurement with their types. An unsigned
// integer is an integer here.
func (s *Store) Fields(_ context.Context, measurement string) (map[string]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[string]string{}
	if m := s.measurements[measurement]; m != nil {
		for name, f := range m.fields {
			k := f.kind
			if k == kindUnsigned {
				k = kindInteger
			}
			out[name] = k.String()
		}
	}
	return out, nil
}

// Tags lists the tag names of a measurement in order.
func (s *Store) Tags(_ context.Context, measurement string) ([]string, error) {
	return s.labels(measurement, func(name, _ string) (string, bool) { return name, true }), nil
}

// TagValues lists at most limit values of a tag in order; zero is no limit.
func (s *Store) TagValues(_ context.Context, measurement, tag string, limit int) ([]string, error) {
	values := s.labels(measurement, func(name, value string) (string, bool) { return value, name == tag })
	if limit > 0 && len(values) > limit {
		values = values[:limit]
	}
	return values, nil
}

// labels collects in order what pick takes of the tags of a measurement.
func (s *Store) labels(measurement string, pick func(name, value string) (string, bool)) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := map[string]struct{}{}
	if m := s.measurements[measurement]; m != nil {
		for _, sr := range m.order {
			sr.key.Each(func(name, value string) bool {
				if text, ok := pick(name, value); ok {
					found[text] = struct{}{}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Ping tells how many series are held.
func (s *Store) Ping(context.Context) (version string, err error) {
	return fmt.Sprintf("live, %d series", s.Held().Series), nil
}
