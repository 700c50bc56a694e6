package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/app/ruleset"
	"github.com/9bikes/tocsin/rules"
)

// editView is a rule being written. What is in the text is what is saved; the
// form only writes it.
type editView struct {
	Name    string // of the rule that is changed; "" for a new one
	Version int    // that it had when the text was made
	Text    string // YAML
	Form    map[string]string
	Known   known
	Unknown bool // the data may be yet to come
	Span    string

	Problem []string
	Would   *insight.Preview
	Picture template.URL
	Warns   []string // what saving would warn of
}

// known is what the source has, for the fields of the form to propose.
type known struct{ Sources, Measurements, Fields, Tags []string }

// formKeys are the fields of the form, as the keys of a rule that they stand for.
var formKeys = []string{
	"title", "source", "measurement", "field", "group_by", "condition.aggregation", "condition.window",
	"condition.operator", "condition.value", "for", "severity", "summary",
}

func (s *site) edit(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := editView{Name: q.Get("name"), Span: "7d", Form: map[string]string{
		"condition.aggregation": "mean", "condition.window": "5m", "severity": "medium",
	}}
	for _, key := range formKeys {
		if q.Has(key) {
			v.Form[key] = q.Get(key)
		}
	}
	if v.Name != "" {
		if err := s.load(r.Context(), &v); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	s.showEdit(w, r, http.StatusOK, v)
}

// load writes a saved rule as a file would have it.
func (s *site) load(ctx context.Context, v *editView) error {
	rule, err := s.app.Rule(ctx, v.Name)
	if err != nil {
		return err
	}
	list, err := ruleset.New(s.app).Export(ctx, []string{v.Name})
	if err != nil {
		return err
	}
	object, err := json.Marshal(list[0])
	if err != nil {
		return err
	}
	v.Version = rule.Version
	v.Text, err = document.FromJSON(object)
	return err
}

func (s *site) showEdit(w http.ResponseWriter, r *http.Request, status int, v editView) {
	title := "New rule"
	if v.Name != "" {
		title = "Change " + v.Name
	}
	v.Known.Sources = s.app.SourceNames()
	// What a source that does not answer would propose is missing, no more.
	v.Known.Measurements, _ = s.analyst.MeasurementNames(r.Context())
	if m := v.Form["measurement"]; m != "" {
		v.Known.Fields, _ = s.analyst.FieldNames(r.Context(), m)
		v.Known.Tags, _ = s.analyst.TagNames(r.Context(), m)
	}
	s.show(w, r, status, "edit", title, v)
}

// change does what the buttons of the page say: write the text from the form, try
// the rule, or save it. What is refused stands beside what was written.
func (s *site) change(w http.ResponseWriter, r *http.Request) {
	if !s.may(w, r, app.ScopeWrite) {
		return
	}
	v := editView{
		Name: r.PostFormValue("name"), Text: r.PostFormValue("text"), Unknown: r.PostFormValue("unknown") != "",
		Span: r.PostFormValue("span"), Form: map[string]string{},
	}
	err := json.Unmarshal([]byte(r.PostFormValue("version")), &v.Version)
	if v.Name == "" {
		err = nil
	}
	for _, key := range formKeys {
		v.Form[key] = strings.TrimSpace(r.PostFormValue(key))
	}
	act := r.PostFormValue("act")
	if act == "write" && err == nil {
		v.Text, err = v.write()
	}
	var doc rules.Doc
	if err == nil {
		doc, err = readRule(v.Text)
	}
	if act == "save" && err == nil {
		var name string
		if name, err = s.save(r.Context(), rules.Actor{Name: whoAsks(r).name, Door: "web"}, v, doc); err == nil {
			lead(w, query("rule", "name", name))
			return
		}
	} else if err == nil {
		err = s.try(r.Context(), &v, doc)
	}
	status := http.StatusOK
	if err != nil {
		status = http.StatusBadRequest
	}
	for _, one := range rules.Joined(err) {
		v.Problem = append(v.Problem, ruleDialect.Sentence(one))
	}
	s.showEdit(w, r, status, v)
}

// ruleDialect words the cures of this page's form.
var ruleDialect = rules.Dialect{
	rules.AllowUnknown:  "; tick “the data is yet to come” to save it all the same",
	rules.SaveUnchecked: ", or tick “the data is yet to come” to save it unchecked",
}

// drafted is the rule of the form, with its keys as people write them down.
type drafted struct {
	Title       string   `json:"title"`
	Source      string   `json:"source,omitempty"`
	Measurement string   `json:"measurement"`
	Field       string   `json:"field,omitempty"`
	GroupBy     []string `json:"group_by,omitempty"`
	Condition   struct {
		Aggregation string `json:"aggregation,omitempty"`
		Window      string `json:"window,omitempty"`
		Operator    string `json:"operator"`
		Value       any    `json:"value"`
	} `json:"condition"`
	For      string `json:"for,omitempty"`
	Severity string `json:"severity,omitempty"`
	Summary  string `json:"summary,omitempty"`
}

// write makes the text of what the form says.
func (v editView) write() (string, error) {
	f := v.Form
	d := drafted{
		Title: f["title"], Source: f["source"], Measurement: f["measurement"], Field: f["field"], For: f["for"],
		Severity: f["severity"], Summary: f["summary"], GroupBy: strings.Fields(strings.ReplaceAll(f["group_by"], ",", " ")),
	}
	c := &d.Condition
	c.Aggregation, c.Window, c.Operator = f["condition.aggregation"], f["condition.window"], f["condition.operator"]
	c.Value = f["condition.value"]
	if n, err := strconv.ParseFloat(f["condition.value"], 64); err == nil {
		c.Value = n
	}
	object, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	return document.FromJSON(object)
}

// readRule reads the text of one rule.
func readRule(text string) (rules.Doc, error) {
	docs, err := document.Parse("the text", []byte(text), document.MostTokens)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || docs[0].Empty() {
		return nil, rules.Errorf(rules.Invalid, "write one rule, as keys with values; for example title: Freezer too warm")
	}
	if _, err := docs[0].Node(); err != nil {
		return nil, err
	}
	doc, ok := docs[0].Plain().(rules.Doc)
	if !ok {
		return nil, rules.Errorf(rules.Invalid, "write one rule, as keys with values; for example title: Freezer too warm")
	}
	return doc, nil
}

// try says what saving would answer, and what the rule would have done.
func (s *site) try(ctx context.Context, v *editView, doc rules.Doc) error {
	by, o := rules.Actor{Door: "web"}, app.SaveOptions{AllowUnknown: v.Unknown, DryRun: true, Whole: true}
	answer, err := app.RuleAnswer{}, error(nil)
	if v.Name == "" {
		answer, err = s.app.CreateRule(ctx, by, doc, o)
	} else {
		answer, err = s.app.UpdateRule(ctx, by, v.Name, doc, o)
	}
	if err != nil {
		return err
	}
	v.Warns = answer.Warnings
	span := spans[v.Span]
	if span == 0 {
		span = spans["7d"]
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	to := s.app.Time()
	would, err := s.analyst.Preview(ctx, insight.PreviewRequest{Doc: doc, From: to.Add(-span), To: to, Chart: true})
	if err != nil {
		return err
	}
	v.Would = &would
	if s.options.Draw != nil && would.Chart != nil {
		if picture, err := s.options.Draw(*would.Chart); err == nil {
			v.Picture = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture))
		}
	}
	return nil
}

// save keeps the rule and returns its name.
func (s *site) save(ctx context.Context, by rules.Actor, v editView, doc rules.Doc) (string, error) {
	o := app.SaveOptions{AllowUnknown: v.Unknown, ExpectedVersion: v.Version, Whole: true}
	if v.Name == "" {
		answer, err := s.app.CreateRule(ctx, by, doc, o)
		return answer.Rule.Name, err
	}
	answer, err := s.app.UpdateRule(ctx, by, v.Name, doc, o)
	return answer.Rule.Name, err
}
