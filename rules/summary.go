package rules

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/9bikes/tocsin/rules/wording"
)

// Reading is a measured number in a template: written as people write it, or as
// the verb of a printf says; %d rounds it.
type Reading float64

// Format implements fmt.Formatter.
func (n Reading) Format(f fmt.State, verb rune) {
	switch verb {
	case 's', 'v':
		fmt.Fprintf(f, fmt.FormatString(f, 's'), FormatNumber(float64(n)))
	case 'd':
		fmt.Fprintf(f, strings.TrimSuffix(fmt.FormatString(f, 'd'), "d")+".0f", float64(n))
	default:
		fmt.Fprintf(f, fmt.FormatString(f, verb), float64(n))
	}
}

// Words is what the template of a rule's summary knows of f.
func (f Facts) Words() wording.Data {
	labels := map[string]string{}
	maps.Copy(labels, f.Labels)
	maps.Copy(labels, f.Series.Labels())
	words := wording.Data{
		"labels": labels, "value": nil, "peak": nil, "title": f.Title, "rule": f.Rule, "severity": string(f.Severity),
		"condition": f.Condition, "source": f.Source, "measured": f.Measured,
	}
	switch {
	case f.ValueText != "":
		words["value"] = f.ValueText
	case f.Value != nil:
		words["value"] = Reading(*f.Value)
	}
	if f.Peak != nil {
		words["peak"] = Reading(*f.Peak)
	}
	return words
}

// SummaryText is what the rule itself says of words, which are those of f, empty
// when it has no summary. A template that cannot be written is an error.
func (f Facts) SummaryText(words wording.Data) (string, error) {
	if f.Summary == "" {
		return "", nil
	}
	t, err := wording.Parse(f.Summary)
	if err != nil {
		return "", err
	}
	text, err := t.Text(words, "?")
	return strings.TrimSpace(text), err
}

// TemplateError says what is wrong with the template of a field; nil when
// nothing is.
func TemplateError(field, example string, err error) error {
	var missing *wording.UnknownError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &missing):
		return FieldErrorf(field, "is no template that works: %v; for example %s", err, example)
	}
	name := func(of string) string { return missing.In + "." + of }
	if near := Nearest(missing.Name, missing.Known); len(near) > 0 {
		return FieldErrorf(field, "%v; did you mean %s?", missing, name(near[0]))
	}
	cure := ""
	if strings.HasSuffix(missing.In, ".labels") {
		cure = "; tags are those of group_by, others come from the rule's labels"
	}
	if len(missing.Known) == 0 {
		return FieldErrorf(field, "%v: there are none%s", missing, cure)
	}
	return FieldErrorf(field, "%v; it knows %s%s", missing, name(strings.Join(missing.Known, ", "+name(""))), cure)
}
