package notify

import (
	"errors"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/wording"
)

// TemplateTexts are the Go templates of a channel's title and text; what is
// empty stays as tocsin writes it.
type TemplateTexts struct {
	Title string `json:"title,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Template is a channel's own wording of messages.
type Template struct{ title, text *wording.Template }

// Parse reads the templates and tries them on a made-up message, so that a
// fault is found before the first alert.
func (t TemplateTexts) Parse() (*Template, error) {
	title, err := parseTemplate("template.title", t.Title, "{{.severity}}: {{.title}}")
	text, err2 := parseTemplate("template.text", t.Text, "{{.text}}")
	return &Template{title, text}, errors.Join(err, err2)
}

func parseTemplate(field, text, example string) (*wording.Template, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > wording.Limit {
		return nil, rules.FieldErrorf(field, "must be at most %d bytes; got %d", wording.Limit, len(text))
	}
	t, err := wording.Parse(text)
	if err == nil {
		err = t.Check(sampleData())
	}
	return t, rules.TemplateError(field, example, err)
}

// sample is what templates are tried on.
var (
	sampleMessage = Message{ID: "n1", Title: "Freezer too warm", Text: "It is at -9.", Severity: rules.High, Tone: Alarm}
	sample        = rules.Notification{ID: "n1", AlertID: "a1", Reason: rules.FirstNews, Facts: rules.Facts{
		Title: "Freezer too warm", Rule: "freezer", Series: "sensor=a", Severity: rules.High,
		Value: new(float64), Peak: new(float64),
	}}
)

// sampleData is what a channel's template is tried on: the labels are those of
// whatever rule it tells of.
func sampleData() wording.Data {
	data := messageData(sampleMessage, []rules.Notification{sample}, nil)
	alert := data["alerts"].([]any)[0].(wording.Data)
	alert["labels"] = wording.Open(sample.Facts.Series.Labels())
	data["labels"] = alert["labels"]
	return data
}

// Word puts the channel's own wording into a message about list. A template
// that fails leaves what it was to replace.
func (t *Template) Word(m Message, list []rules.Notification, zone *time.Location) Message {
	if t == nil {
		return m
	}
	data := messageData(m, list, zone)
	for _, part := range []struct {
		t  *wording.Template
		at *string
	}{{t.title, &m.Title}, {t.text, &m.Text}} {
		if part.t == nil {
			continue
		}
		if text, err := part.t.Text(data, ""); err == nil && strings.TrimSpace(text) != "" {
			*part.at = strings.TrimSpace(text)
		}
	}
	m.Title = strings.Join(strings.Fields(m.Title), " ")
	return m
}

// mostAlerts is how many alerts a template sees, so that its loops are short.
const mostAlerts = 100

// messageData is all that a channel's template can see: plain values, no
// methods.
func messageData(m Message, list []rules.Notification, zone *time.Location) wording.Data {
	c := Composer{Zone: zone}
	data := wording.Data{}
	var alerts []any
	for _, it := range merge(list) {
		if it.AlertID == "" || len(alerts) == mostAlerts {
			continue
		}
		alert := words(it.Facts)
		summary, _ := summaryOf(it.Facts)
		alert["id"], alert["reason"], alert["since"] = it.AlertID, string(it.Reason), c.clock(it.Facts.Since, it.BookedAt)
		alert["series"], alert["source"], alert["summary"] = datum(it.Facts.Series), it.Facts.Source, summary
		alerts = append(alerts, alert)
		if len(alerts) == 1 { // a message about one alert, as most are
			for key, value := range alert {
				data[key] = value
			}
		}
	}
	data["alerts"], data["count"] = alerts, len(merge(list))
	data["title"], data["text"], data["severity"] = m.Title, m.Text, string(m.Severity)
	data["tone"], data["link"], data["message"] = string(m.Tone), m.Link, m.ID
	return data
}
