package ruleset

import (
	"context"
	"strconv"

	"github.com/9bikes/tocsin/evaluator"
)

// rememberingSource asks its source each question once, also when the answer
// is an error: a plan of many rules asks the same over and over.
type rememberingSource struct {
	evaluator.Source
	lists  map[string]remembered[[]string]
	fields map[string]remembered[map[string]string]
}

// rememberingReader is one that takes users' own queries.
type rememberingReader struct {
	rememberingSource
	evaluator.Reader
}

type remembered[T any] struct {
	answer T
	err    error
}

func remembering(sources map[string]evaluator.Source) map[string]evaluator.Source {
	out := map[string]evaluator.Source{}
	for name, s := range sources {
		remembers := rememberingSource{s, map[string]remembered[[]string]{}, map[string]remembered[map[string]string]{}}
		out[name] = remembers
		if reader, ok := s.(evaluator.Reader); ok {
			out[name] = rememberingReader{remembers, reader}
		}
	}
	return out
}

// once asks, or remembers what was answered.
func once[T any](answers map[string]remembered[T], question string, ask func() (T, error)) (T, error) {
	got, known := answers[question]
	if !known {
		got.answer, got.err = ask()
		answers[question] = got
	}
	return got.answer, got.err
}

// Measurements lists the measurements, asked once.
func (s rememberingSource) Measurements(ctx context.Context) ([]string, error) {
	return once(s.lists, "", func() ([]string, error) { return s.Source.Measurements(ctx) })
}

// Fields lists the fields of a measurement, asked once.
func (s rememberingSource) Fields(ctx context.Context, measurement string) (map[string]string, error) {
	return once(s.fields, measurement, func() (map[string]string, error) { return s.Source.Fields(ctx, measurement) })
}

// Tags lists the tags of a measurement, asked once.
func (s rememberingSource) Tags(ctx context.Context, measurement string) ([]string, error) {
	return once(s.lists, "tags "+measurement, func() ([]string, error) { return s.Source.Tags(ctx, measurement) })
}

// TagValues lists the values of a tag, asked once.
func (s rememberingSource) TagValues(ctx context.Context, measurement, tag string, limit int) ([]string, error) {
	question := "values " + strconv.Itoa(limit) + strconv.Quote(measurement) + strconv.Quote(tag)
	return once(s.lists, question, func() ([]string, error) { return s.Source.TagValues(ctx, measurement, tag, limit) })
}
