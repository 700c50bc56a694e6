package shoutrrr

import (
	"cmp"
	"maps"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// opsgenie is an API integration of Opsgenie.
type opsgenie struct {
	url    string
	key    string
	common map[string]any
}

// readOpsgenie reads opsgenie://host/KEY.
func readOpsgenie(a address) (service, error) {
	q, err := a.options("alias", "entity", "source", "priority", "note", "user", "tags", "responders", "title")
	if err != nil {
		return nil, err
	}
	key := strings.Trim(a.Path, "/")
	if key == "" || strings.Contains(key, "/") {
		return nil, wrong("must be opsgenie://api.opsgenie.com/API-KEY, or api.eu.opsgenie.com")
	}
	o := opsgenie{url: "https://" + cmp.Or(a.Host, "api.opsgenie.com") + "/v2/alerts", key: key, common: map[string]any{}}
	for _, option := range []string{"alias", "entity", "source", "priority", "note", "user"} {
		if v := q.Get(option); v != "" {
			o.common[option] = v
		}
	}
	if tags := list(q.Get("tags")); tags != nil {
		o.common["tags"] = tags
	}
	var responders []any
	for _, r := range list(q.Get("responders")) {
		kind, name, ok := strings.Cut(r, ":")
		if !ok || name == "" {
			return nil, wrong("has responders that are not written as team:NAME or user:MAIL")
		}
		which := "name"
		if kind == "user" {
			which = "username"
		}
		responders = append(responders, map[string]any{"type": kind, which: name})
	}
	if responders != nil {
		o.common["responders"] = responders
	}
	return o, nil
}

// dress tells the text in the alert's description, which Opsgenie shows as it
// is; its message holds 130 characters.
func (o opsgenie) dress(m notify.Message) []parcel {
	content := map[string]any{"priority": []string{"P5", "P4", "P3", "P2", "P1"}[urgency(m)], "source": "tocsin"}
	maps.Copy(content, o.common)
	m = tame(m)
	content["message"] = cmp.Or(fitUTF16(titled(m).Title, 130), "tocsin")
	content["description"] = plain(14000, inUTF16).body(m)
	if _, given := content["alias"]; !given && m.ID != "" {
		content["alias"] = fitUTF16(m.ID, 512) // one alert, however often it is sent
	}
	return []parcel{post{url: o.url, header: map[string]string{"Authorization": "GenieKey " + o.key}, body: asJSON(content), read: notHTML}}
}
