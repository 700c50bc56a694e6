package notify

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TemplateTexts are the Go templates of a channel's title and text; what is
// empty stays as tocsin writes it.
type TemplateTexts struct {
	Title string `json:"title,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Template is a channel's own wording of messages.
type Template struct{ title, text *template.Template }

// templateLimit bounds a template and what it may write.
const templateLimit = 4096

// Parse reads the templates and tries them on a made-up message, so that a
// fault is found before the first alert.
func (t TemplateTexts) Parse() (*Template, error) {
	title, err := parseTemplate("template.title", t.Title, "{{.severity}}: {{.title}}")
	text, err2 := parseTemplate("template.text", t.Text, "{{.text}}")
	return &Template{title, text}, errors.Join(err, err2)
}

func parseTemplate(field, text, example string) (*template.Template, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > templateLimit {
		return nil, rules.FieldErrorf(field, "must be at most %d bytes; got %d", templateLimit, len(text))
	}
	t, err := plainTemplate(text)
	if err == nil {
		_, err = render(t, messageData(sampleMessage, []rules.Notification{sample}, nil))
	}
	if err != nil {
		return nil, rules.FieldErrorf(field, "is no template that works: %s; for example %s", oneLine(err), example)
	}
	return t, nil
}

// oneLine takes the line breaks out of an error, and the name that the parser
// puts in front.
func oneLine(err error) string {
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", " "), "template: ")
}

// sample is what templates are tried on.
var (
	sampleMessage = Message{ID: "n1", Title: "Freezer too warm", Text: "It is at -9.", Severity: rules.High, Tone: Alarm}
	sample        = rules.Notification{ID: "n1", AlertID: "a1", Reason: rules.FirstNews, Facts: rules.Facts{
		Title: "Freezer too warm", Rule: "freezer", Series: "sensor=a", Severity: rules.High,
	}}
)

// plainTemplate parses a template that ends in bounded time: it calls no other
// template, and loops over data alone, at most one loop within another.
func plainTemplate(text string) (*template.Template, error) {
	t, err := template.New("").Option("missingkey=zero").Funcs(template.FuncMap{"printf": printf}).Parse(text)
	if err != nil {
		return nil, err
	}
	if t.Tree == nil || t.Root == nil {
		return t, nil
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define and block are not for these templates")
	}
	return t, checkBounds(t.Root, 0)
}

const deepestLoop = 2

// checkBounds walks a parsed template for what could make it run for long.
func checkBounds(node parse.Node, loops int) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := checkBounds(child, loops); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(checkBounds(n.List, loops), checkBounds(n.ElseList, loops))
	case *parse.WithNode:
		return errors.Join(checkBounds(n.List, loops), checkBounds(n.ElseList, loops))
	case *parse.RangeNode:
		if loops == deepestLoop || !overData(n.Pipe) {
			return fmt.Errorf("range must be over the data itself, such as .labels, and at most %d deep", deepestLoop)
		}
		return errors.Join(checkBounds(n.List, loops+1), checkBounds(n.ElseList, loops))
	case *parse.TemplateNode:
		return errors.New("template is not for these templates")
	}
	return nil
}

// overData reports whether a loop is over a value that was handed in: a number
// would make it as long as one likes.
func overData(pipe *parse.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(n.Ident) > 1
	}
	return false
}

// wide matches a width that would make a printf write for long.
var wide = regexp.MustCompile(`[0-9]{3}|\*`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("printf takes widths up to 99")
	}
	return fmt.Sprintf(format, args...), nil
}

func render(t *template.Template, data map[string]any) (string, error) {
	var b bounded
	if err := t.Execute(&b, data); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return strings.ReplaceAll(b.String(), "<no value>", ""), nil
}

// Word puts the channel's own wording into a message about list. A template
// that fails leaves what it was to replace.
func (t *Template) Word(m Message, list []rules.Notification, zone *time.Location) Message {
	if t == nil {
		return m
	}
	data := messageData(m, list, zone)
	for _, part := range []struct {
		t  *template.Template
		at *string
	}{{t.title, &m.Title}, {t.text, &m.Text}} {
		if part.t == nil {
			continue
		}
		if text, err := render(part.t, data); err == nil && strings.TrimSpace(text) != "" {
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
func messageData(m Message, list []rules.Notification, zone *time.Location) map[string]any {
	c := Composer{Zone: zone}
	data := map[string]any{}
	var alerts []any
	for _, it := range merge(list) {
		if it.AlertID == "" || len(alerts) == mostAlerts {
			continue
		}
		alert := templateData(it.Facts)
		alert["id"], alert["reason"], alert["since"] = it.AlertID, string(it.Reason), c.clock(it.Facts.Since, it.BookedAt)
		alert["series"], alert["source"], alert["summary"] = string(it.Facts.Series), it.Facts.Source, Summary(it.Facts)
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
