package shoutrrr

import (
	"cmp"
	"maps"
	"net/url"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/opsgenie"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// opsgenieAPI is an API integration of Opsgenie.
type opsgenieAPI struct {
	opsgenie.Config
	url        string
	responders []any
}

// jiraHost is where Jira Service Management takes alerts as Opsgenie does.
const jiraHost = "api.atlassian.com"

// parseOpsgenie reads opsgenie://host/KEY.
func parseOpsgenie(a address) (service, error) {
	o := opsgenieAPI{url: "https://" + cmp.Or(a.Host, "api.opsgenie.com") + "/v2/alerts"}
	if a.Host == jiraHost { // which takes the place of Opsgenie
		o.url = "https://" + jiraHost + "/jsm/ops/integration/v2/alerts"
	}
	form := wrong("must be opsgenie://api.opsgenie.com/API-KEY, or api.eu.opsgenie.com")
	if err := a.into(&o.Config, form, "responders"); err != nil {
		return nil, err
	}
	if o.APIKey == "" || strings.Contains(o.APIKey, "/") {
		return nil, form
	}
	if o.Description != "" {
		return nil, wrong("has an option description, which is where the alert's text goes; a note is: ?note=…")
	}
	for _, r := range list(a.option("responders")) {
		kind, name, ok := strings.Cut(r, ":")
		if !ok || name == "" {
			return nil, wrong("has responders that are not written as team:NAME or user:MAIL")
		}
		which := "name"
		if kind == "user" {
			which = "username"
		}
		o.responders = append(o.responders, map[string]any{"type": kind, which: name})
	}
	return o, nil
}

// opsgenieAlert is the body of a request that creates an alert.
type opsgenieAlert struct {
	Actions     []string          `json:"actions,omitempty"`
	Alias       string            `json:"alias,omitempty"` // one alert, however often it is sent
	Description string            `json:"description"`     // shown as it is
	Details     map[string]string `json:"details,omitempty"`
	Entity      string            `json:"entity,omitempty"`
	Message     string            `json:"message"` // holds 130 characters
	Note        string            `json:"note,omitempty"`
	Priority    string            `json:"priority"`
	Responders  []any             `json:"responders,omitempty"`
	Source      string            `json:"source"`
	Tags        []string          `json:"tags,omitempty"`
	User        string            `json:"user,omitempty"`
	VisibleTo   []opsgenie.Entity `json:"visibleTo,omitempty"`
}

// details are the facts of m and those that the channel has for all.
func (o opsgenieAPI) details(m notify.Message) map[string]string {
	out := map[string]string{}
	for _, f := range first(m.Fields, 40) {
		out[fitUTF16(f.Name, 100)] = fitUTF16(f.Value, 100)
	}
	maps.Copy(out, o.Details)
	return out
}

// render makes an alert of each that the message tells of, and closes those that
// are over: the alias makes one of all that is said about an episode.
func (o opsgenieAPI) render(m notify.Message) []delivery {
	priority := []string{"P5", "P4", "P3", "P2", "P1"}[urgency(m)]
	m = tame(m)
	alert := opsgenieAlert{
		Message: cmp.Or(heading(titled(m), 130, inUTF16, asIs), "tocsin"), Description: plain(14000, inUTF16).body(m),
		Priority: cmp.Or(o.Priority, priority), Source: cmp.Or(o.Source, "tocsin"),
		Alias:  cmp.Or(o.Alias, fitUTF16(episode(m), 512)),
		Entity: o.Entity, Note: o.Note, User: o.User, Responders: o.responders,
		Tags: o.Tags, Actions: o.Actions, Details: o.details(m), VisibleTo: o.VisibleTo,
	}
	var all []post
	for _, a := range first(m.About, 20) {
		one := alert
		one.Alias = cmp.Or(o.Alias, a.ID)
		if len(m.About) > 1 {
			one.Message = fitUTF16(icon(m)+" "+a.Title+" "+unlink(string(rules.SeriesOf(a.Labels))), 130)
		}
		if a.Reason == rules.Resolved {
			all = append(all, o.shut(one))
		} else {
			all = append(all, o.post("", one))
		}
	}
	switch {
	case len(all) > 0:
		all[0].then = all[1:]
	case m.Tone == notify.Relief && alert.Alias != "":
		all = []post{o.shut(alert)}
	default:
		all = []post{o.post("", alert)}
	}
	return []delivery{all[0]}
}

// shut closes an alert by its alias, with what there is to say at its end.
func (o opsgenieAPI) shut(a opsgenieAlert) post {
	note := map[string]any{"source": a.Source, "note": fitUTF16(a.Message+"\n"+a.Description, 14000)}
	fill(note, map[string]string{"user": a.User})
	return o.post("/"+url.PathEscape(a.Alias)+"/close?identifierType=alias", note)
}

func (o opsgenieAPI) post(path string, content any) post {
	header := map[string]string{"Authorization": "GenieKey " + o.APIKey}
	return post{url: o.url + path, header: header, body: asJSON(content), failure: notHTML}
}
