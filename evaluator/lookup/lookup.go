// Package lookup asks a source about the data itself: whether the names exist
// that a rule uses, how often its points come, and when the last one came. A
// typo, a window that is too short and a sensor that is dead all look the same
// from a rule: like silence.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Names looks for what rules name in a source, which would answer a typo with
// silence.
type Names struct {
	Source evaluator.Source
	Cure   rules.Cure // of the refusal of a name that does not exist, if there is one
}

// Check refuses what the source does not hold.
func (l Names) Check(ctx context.Context, r *rules.Rule) error {
	if r.Condition.Type == rules.Expression {
		return l.checkInputs(ctx, r)
	}
	if r.Condition.Type == rules.Query {
		return evaluator.CheckStatement(l.Source, r)
	}
	if r.Measurement == "" {
		return nil
	}
	if err := l.Measurement(ctx, r.Measurement); err != nil {
		return err
	}
	fields, err := l.Source.Fields(ctx, r.Measurement)
	if err != nil {
		return err
	}
	kind, ok := fields[r.Field]
	if r.Field != "" && !ok {
		return l.Unknown("field", r.Field, slices.Sorted(maps.Keys(fields)))
	}
	if err := checkKind(r, kind); err != nil {
		return err
	}
	return l.checkTags(ctx, r)
}

// Measurement refuses one that the source does not hold.
func (l Names) Measurement(ctx context.Context, name string) error {
	known, err := l.Source.Measurements(ctx)
	if err == nil && !slices.Contains(known, name) {
		err = l.Unknown("measurement", name, known)
	}
	return err
}

// Mixed warns about a field that has changed its type over time; "" for another.
func (l Names) Mixed(ctx context.Context, r *rules.Rule) string {
	if r.Measurement == "" || r.Field == "" || l.Source == nil {
		return ""
	}
	fields, err := l.Source.Fields(ctx, r.Measurement)
	kind := fields[r.Field]
	if err != nil || !strings.Contains(kind, evaluator.TypesBetween) {
		return ""
	}
	return fmt.Sprintf("field %q of %q has changed its type over time (%s): where a window holds both, the database sees "+
		"the numbers only; write one type under that name, and delete or rename the other", r.Field, r.Measurement,
		strings.ReplaceAll(kind, evaluator.TypesBetween, ", "))
}

// checkKind refuses to compare text with numbers, which would never be wrong.
func checkKind(r *rules.Rule, kind string) error {
	c := r.Condition
	if had := strings.Split(kind, evaluator.TypesBetween); len(had) > 1 {
		if c.Aggregation == rules.Latest && c.ComparesText() && slices.Contains(had, "string") {
			return nil // what comes decides
		}
		kind = had[0]
	}
	if c.Type == rules.Threshold && c.Aggregation == rules.Latest && kind == "string" && c.ComparesText() {
		r.Condition.Value = c.Value.AsText()
		return nil
	}
	if kind != "" {
		r.Condition.Value, r.Condition.Recover = c.Value.AsNumber(), c.Recover.AsNumber()
	}
	switch text := c.Value.Kind == rules.Text; {
	case c.Type != rules.Threshold || kind == "":
	case kind == "string" && !text && c.Aggregation != rules.Count:
		return rules.FieldErrorf("field", "%q holds text, which only aggregation latest with == or != and a text value can "+
			"judge, or count; got %s", r.Field, c)
	case kind == "boolean" && text:
		return rules.FieldErrorf("condition.value", "is text, and field %q is true or false; got %s; for example true",
			r.Field, c.Value)
	case kind != "string" && text:
		return rules.FieldErrorf("condition.value", "is text, and field %q holds numbers; got %s; for example 25", r.Field,
			c.Value)
	}
	return nil
}

// checkInputs looks up each input of an expression as a rule of its own. A tag
// that an input lacks is no mistake: it then stands for every value.
func (l Names) checkInputs(ctx context.Context, r *rules.Rule) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.Condition.Inputs)) {
		in := r.Condition.Inputs[name]
		alone := rules.Rule{
			Measurement: in.Measurement, Field: in.Field, Where: in.Where,
			Condition: rules.Condition{Type: rules.Threshold, Aggregation: in.Aggregation},
		}
		err := l.Check(ctx, &alone)
		var ours *rules.Error
		if errors.As(err, &ours) {
			inner := *ours
			inner.Field = "condition.inputs." + name + "." + ours.Field
			err = &inner
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (l Names) checkTags(ctx context.Context, r *rules.Rule) error {
	tags, err := l.Source.Tags(ctx, r.Measurement)
	if err != nil {
		return err
	}
	for _, tag := range r.GroupBy {
		if !slices.Contains(tags, tag) {
			return l.Unknown("group_by", tag, tags)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(r.Where)) {
		if !slices.Contains(tags, tag) {
			return l.Unknown("where", tag, tags)
		}
		values, err := l.Source.TagValues(ctx, r.Measurement, tag, TagValuesAsked)
		if err != nil {
			return err
		}
		for _, v := range r.Where[tag] {
			if !slices.Contains(values, v) && len(values) < TagValuesAsked {
				return l.Unknown("where."+tag, v, values)
			}
		}
	}
	return nil
}

// TagValuesAsked is how many values of a tag are asked for: with more, one that
// is not among them may exist.
const TagValuesAsked = 10_000

// Unknown says that a name does not exist, with the nearest that do.
func (l Names) Unknown(field, name string, known []string) error {
	if len(known) == 0 {
		return l.hinted(rules.FieldErrorf(field, "%q does not exist, the source holds nothing there yet", name))
	}
	near := rules.Nearest(name, known)
	hint := "known: " + strings.Join(known[:min(len(known), 12)], ", ")
	if len(known) > 12 {
		hint += fmt.Sprintf(" and %d more", len(known)-12)
	}
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	err := l.hinted(rules.FieldErrorf(field, "%q does not exist; %s", name, hint))
	if len(near) > 0 {
		err = rules.WithHint(err, rules.Instead, near[0])
	}
	return err
}

func (l Names) hinted(err error) error {
	if l.Cure == "" {
		return err
	}
	return rules.WithHint(err, l.Cure, "")
}
