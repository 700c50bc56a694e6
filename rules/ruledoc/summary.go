package ruledoc

import (
	"maps"
	"strings"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/wording"
)

// checkSummary tries the template on what an alert of the rule would say.
func checkSummary(r rules.Rule) error {
	if err := checkProgram("summary", r.Summary, 2000); err != nil || r.Summary == "" {
		return err
	}
	t, err := wording.Parse(r.Summary)
	if err == nil {
		err = t.Check(sampleWords(r))
	}
	return rules.TemplateError("summary", "{{.labels.sensor}} is at {{.value}} °C", err)
}

// sampleWords are those of an alert that the rule could have.
func sampleWords(r rules.Rule) wording.Data {
	c := r.Condition
	f := rules.Facts{
		Title: r.Title, Rule: r.Name, Labels: maps.Clone(r.Labels), Severity: r.Severity, Source: r.Source,
		Measured: strings.Trim(r.Measurement+"."+r.Field, "."), Condition: c.String(), Peak: new(float64),
	}
	switch v := c.Value; {
	case c.Type == rules.Absence:
	case v.Kind == rules.Text:
		f.ValueText = "text"
	default:
		f.Value = new(float64)
	}
	words := f.Words()
	labels := words["labels"].(map[string]string)
	for _, tag := range r.GroupBy {
		labels[tag] = tag
	}
	if c.Type == rules.Query { // its text says which tags come
		words["labels"] = wording.Open(labels)
	}
	return words
}
