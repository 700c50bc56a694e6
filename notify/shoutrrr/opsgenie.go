package shoutrrr

import (
	"cmp"
	"maps"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/opsgenie"

	"github.com/9bikes/tocsin/notify"
)

// opsgenieAPI is an API integration of Opsgenie.
type opsgenieAPI struct {
	opsgenie.Config
	url        string
	responders []any
}

// parseOpsgenie reads opsgenie://host/KEY.
func parseOpsgenie(a address) (service, error) {
	o := opsgenieAPI{url: "https://" + cmp.Or(a.Host, "api.opsgenie.com") + "/v2/alerts"}
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

func (o opsgenieAPI) render(m notify.Message) []delivery {
	priority := []string{"P5", "P4", "P3", "P2", "P1"}[urgency(m)]
	m = tame(m)
	alert := opsgenieAlert{
		Message: cmp.Or(heading(titled(m), 130, inUTF16, asIs), "tocsin"), Description: plain(14000, inUTF16).body(m),
		Priority: cmp.Or(o.Priority, priority), Source: cmp.Or(o.Source, "tocsin"),
		Alias:  cmp.Or(o.Alias, fitUTF16(m.ID, 512)),
		Entity: o.Entity, Note: o.Note, User: o.User, Responders: o.responders,
		Tags: o.Tags, Actions: o.Actions, Details: o.details(m), VisibleTo: o.VisibleTo,
	}
	header := map[string]string{"Authorization": "GenieKey " + o.APIKey}
	return []delivery{post{url: o.url, header: header, body: asJSON(alert), failure: notHTML}}
}
