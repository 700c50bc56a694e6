package shoutrrr

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/containrrr/shoutrrr/pkg/format"
	"github.com/containrrr/shoutrrr/pkg/services/generic"

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

// parseGeneric reads generic://host/path with shoutrrr's options; what is none
// of them goes on to the receiver.
func parseGeneric(a address) (service, error) {
	var c generic.Config
	if _, err := (address{URL: a.URL, query: genericOptions(a.query)}).options(&c); err != nil {
		return nil, err
	}
	if t := strings.ToLower(c.Template); t != "" && t != "json" {
		return nil, wrong("has an option template that is not json, the only one there is")
	}
	if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch}, c.RequestMethod) {
		return nil, wrong("has an option method that is none of POST, PUT, PATCH, GET")
	}
	a.Scheme = scheme(c.DisableTLS)
	w, err := hookWebhook(a, true)
	if err != nil {
		return nil, err
	}
	w.method, w.contentType, w.titleKey, w.messageKey = c.RequestMethod, c.ContentType, c.TitleKey, c.MessageKey
	return w, nil
}

// genericProps are shoutrrr's options of a generic webhook; a key of the
// webhook's own that is called so is marked with format.KeyPrefix.
var genericProps = func() []string {
	resolver := format.NewPropKeyResolver(&generic.Config{})
	return resolver.QueryFields()
}()

func isGenericProp(key string) bool { return slices.Contains(genericProps, strings.ToLower(key)) }

// genericOptions are those of a query's keys that are no business of the
// webhook.
func genericOptions(query url.Values) url.Values {
	out := maps.Clone(query)
	maps.DeleteFunc(out, func(key string, _ []string) bool { return !isGenericProp(key) })
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
		own, marked := strings.CutPrefix(key, format.KeyPrefix)
		switch {
		case key[0] == '@' && !headerName.MatchString(key[1:]):
			return w, wrong("has a header option whose name is none; write ?@X-Api-Key=value")
		case key[0] == '@':
			w.header[key[1:]] = values[0]
		case key[0] == '$' && len(key) > 1:
			w.extra[key[1:]] = values[0]
		case props && isGenericProp(key):
		case props && marked && isGenericProp(own):
			rest[own] = values
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

func (w webhook) render(m notify.Message) []delivery {
	m = mapText(m, notify.Plain)
	m.Title, m.Place = m.Title+m.Place, ""
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
		text.untitled, text.shown = false, whatever
		p.body = text.body(m)
	} else {
		p.body = asJSON(w.content(m))
	}
	return []delivery{p}
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
	if len(m.About) > 0 {
		content["alerts"] = m.About
	}
	if len(m.About) == 1 && m.About[0].Value != nil {
		fill(content, map[string]string{"unit": m.About[0].Unit})
		if limit := m.About[0].Limit; !limit.IsZero() {
			content["limit"] = limit
		}
	}
	if len(m.Threads) > 0 {
		content["thread"] = m.Threads[0]
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

var capital = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// headerKey writes a header's name in the one way that shoutrrr, which puts a
// dash before capitals, leaves alone. From it comes that X-API-Key may be
// written in camelCase too, xApiKey.
func headerKey(name string) string {
	if !strings.Contains(name, "-") {
		name = capital.ReplaceAllString(name, "$1-$2")
	}
	return http.CanonicalHeaderKey(name)
}
