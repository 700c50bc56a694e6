package shoutrrr

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/9bikes/tocsin/notify"
)

// webhook is any other receiver of HTTP requests.
type webhook struct {
	url         string
	method      string
	contentType string
	header      map[string]string
	extra       map[string]string
	titleKey    string
	messageKey  string
}

// readGeneric reads generic://host/path with shoutrrr's options; what is none
// of them goes on to the receiver.
func readGeneric(a address) (service, error) {
	disabled, err := flag(lowered(a.query), "disabletls", false)
	if err != nil {
		return nil, err
	}
	own := lowered(a.query)
	switch t := strings.ToLower(own.Get("template")); t {
	case "", "json":
	default:
		return nil, wrong("has an option template that is not json, the only one there is")
	}
	switch own.Get("method") {
	case "", "GET", "POST", "PUT", "PATCH":
	default:
		return nil, wrong("has an option method that is none of POST, PUT, PATCH, GET")
	}
	a.Scheme = "https"
	if disabled {
		a.Scheme = "http"
	}
	w, err := hookWebhook(a, true)
	if err != nil {
		return nil, err
	}
	w.method, w.contentType = own.Get("method"), own.Get("contenttype")
	w.titleKey, w.messageKey = cmp.Or(own.Get("titlekey"), "title"), cmp.Or(own.Get("messagekey"), "message")
	return w, nil
}

// lowered returns the options that shoutrrr's generic service keeps to itself.
func lowered(q url.Values) url.Values {
	out := url.Values{}
	for key, values := range q {
		if low := strings.ToLower(key); strings.Contains(genericProps, " "+low+" ") {
			out[low] = values
		}
	}
	return out
}

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(-[A-Za-z][A-Za-z0-9]*)*$`)

func hookGeneric(a address) (service, error) { return hookWebhook(a, false) }

// hookWebhook takes the headers (@name), the further keys ($name) and the user
// out of a webhook's address, and the options where props says so.
func hookWebhook(a address, props bool) (webhook, error) {
	w := webhook{header: map[string]string{}, extra: map[string]string{}, titleKey: "title", messageKey: "message"}
	if a.Hostname() == "" {
		return w, wrong("must name the host: generic://host/path, or paste a webhook's https:// address")
	}
	rest := url.Values{}
	for key, values := range a.query {
		low := strings.ToLower(key)
		switch {
		case key[0] == '@' && !headerName.MatchString(key[1:]):
			return w, wrong("has a header option whose name is none; write ?@X-Api-Key=value")
		case key[0] == '@':
			w.header[key[1:]] = values[0]
		case key[0] == '$' && len(key) > 1:
			w.extra[key[1:]] = values[0]
		case props && strings.Contains(genericProps, " "+low+" "):
		case props && strings.HasPrefix(low, "__") && strings.Contains(genericProps, " "+low[2:]+" "):
			rest[key[2:]] = values
		default:
			rest[key] = values
		}
	}
	if auth := a.authorization("\x00"); auth != "" {
		w.header["Authorization"] = auth
	}
	u := a.hook()
	u.RawQuery = rest.Encode()
	w.url = u.String()
	return w, nil
}

// messageHeader tells what comes again where the body has no room for it. It is
// not Idempotency-Key, which would let net/http send a request twice by itself.
const messageHeader = "X-Message-Id"

func (w webhook) dress(m notify.Message) []parcel {
	header := map[string]string{}
	if m.ID != "" {
		header[messageHeader] = m.ID
	}
	for name, value := range w.header {
		header[headerKey(name)] = value // the channel's own goes before
	}
	p := post{url: w.url, method: w.method, contentType: w.contentType, header: header}
	if strings.HasPrefix(w.contentType, "text/") {
		text := plain(webhookLimit, inBytes)
		text.untitled = false
		p.body = text.body(m)
	} else {
		p.body = asJSON(w.content(m))
	}
	return []parcel{p}
}

// webhookLimit is far more than a message has, and less than servers refuse.
const webhookLimit = 64 << 10

// content is the message as a program wants it: nothing in it is escaped or
// broken up. It is what the documentation of webhooks promises.
func (w webhook) content(m notify.Message) map[string]any {
	fields := make([]any, 0, len(m.Fields))
	for _, f := range m.Fields {
		field := map[string]any{"name": f.Name, "value": f.Value}
		if f.Graph != "" {
			field["graph"] = f.Graph
		}
		fields = append(fields, field)
	}
	content := map[string]any{
		"id": m.ID, "severity": m.Severity, "tone": m.Tone, "fields": fields, "link": m.Link,
	}
	if len(m.Actions) > 0 {
		var actions []any
		for _, a := range m.Actions {
			actions = append(actions, map[string]any{"label": a.Label, "url": a.URL})
		}
		content["actions"] = actions
	}
	if !m.At.IsZero() {
		content["at"] = m.At.UTC().Format(time.RFC3339)
	}
	for key, value := range w.extra {
		content[key] = value
	}
	content[w.titleKey] = fitBytes(m.Title, 4<<10)
	content[w.messageKey] = fitBytes(cmp.Or(m.Text, m.Title), webhookLimit)
	return content
}
