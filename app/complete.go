package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
)

// Complete finds measurement and field for a rule that only says monitor_id,
// as the system that tocsin replaces allowed.
func (a *App) Complete(ctx context.Context, doc rules.Doc) (rules.Doc, error) {
	id, given := doc["monitor_id"]
	if !given || doc["measurement"] != nil && doc["field"] != nil {
		return doc, nil
	}
	name, _ := doc["source"].(string)
	_, source, err := a.Source(name)
	if err != nil {
		return nil, err
	}
	carriers, err := carriers(ctx, source, fmt.Sprint(id), doc)
	if err != nil {
		return nil, err
	}
	switch len(carriers) {
	case 0:
		return nil, rules.FieldErrorf("monitor_id", "no measurement carries monitor_id %q; name measurement and field",
			fmt.Sprint(id))
	case 1:
		out := maps.Clone(doc)
		out["measurement"], out["field"] = carriers[0][0], carriers[0][1]
		return out, nil
	}
	var names []string
	for _, c := range carriers {
		names = append(names, c[0]+"."+c[1])
	}
	return nil, rules.FieldErrorf("monitor_id",
		"several measurements carry it: %s; name one, for example measurement: %s, field: %s",
		strings.Join(names, ", "), carriers[0][0], carriers[0][1])
}

// carriers lists measurement and field pairs of numbers whose series have the
// monitor id.
func carriers(ctx context.Context, s evaluator.Source, id string, doc rules.Doc) (out [][2]string, err error) {
	measurements, err := s.Measurements(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range measurements {
		if want, ok := doc["measurement"].(string); ok && want != m {
			continue
		}
		values, err := s.TagValues(ctx, m, "monitor_id", lookup.TagValuesAsked)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(values, id) {
			continue
		}
		fields, err := s.Fields(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, f := range slices.Sorted(maps.Keys(fields)) {
			if want, ok := doc["field"].(string); (!ok || want == f) && fields[f] != "string" {
				out = append(out, [2]string{m, f})
			}
		}
	}
	return out, nil
}
