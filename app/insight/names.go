package insight

import (
	"context"
	"maps"
	"slices"

	"github.com/9bikes/tocsin/evaluator"
)

// MeasurementNames lists what all sources measure. A source that does not
// answer is left out while another one does.
func (a *Analyst) MeasurementNames(ctx context.Context) ([]string, error) {
	return a.namesIn(ctx, evaluator.Source.Measurements)
}

// FieldNames lists the fields of a measurement, in whatever source it is.
func (a *Analyst) FieldNames(ctx context.Context, measurement string) ([]string, error) {
	return a.namesIn(ctx, func(s evaluator.Source, ctx context.Context) ([]string, error) {
		fields, err := s.Fields(ctx, measurement)
		return slices.Collect(maps.Keys(fields)), err
	})
}

// TagNames lists the tags of a measurement, in whatever source it is.
func (a *Analyst) TagNames(ctx context.Context, measurement string) ([]string, error) {
	return a.namesIn(ctx, func(s evaluator.Source, ctx context.Context) ([]string, error) {
		return s.Tags(ctx, measurement)
	})
}

func (a *Analyst) namesIn(ctx context.Context,
	list func(evaluator.Source, context.Context) ([]string, error),
) ([]string, error) {
	var all []string
	var failed error
	answered := false
	for _, name := range a.app.SourceNames() {
		names, err := list(a.app.Sources[name], ctx)
		if err != nil {
			failed = err
			continue
		}
		all, answered = append(all, names...), true
	}
	if !answered {
		return nil, failed
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
