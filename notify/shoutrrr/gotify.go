package shoutrrr

import (
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// gotify is an application of a Gotify server.
type gotify struct {
	url   string
	token string
	fixed int // priority, when the channel sets one; 0 is none
}

// readGotify reads gotify://host[:port][/path]/TOKEN. How tokens look is left
// to the server: it has changed before.
func readGotify(a address) (service, error) {
	q, err := a.options("priority", "title", "disabletls")
	if err != nil {
		return nil, err
	}
	origin, err := a.web(q, "disabletls")
	if err != nil {
		return nil, err
	}
	fixed, err := number(q, "priority", 0, 0, 10)
	if err != nil {
		return nil, err
	}
	parts := a.segments()
	if len(parts) == 0 || a.Host == "" {
		return nil, wrong("must be gotify://host/TOKEN with the token of an application, from Gotify's Apps page")
	}
	last := len(parts) - 1
	for _, p := range append(parts[:last:last], "message") {
		origin += "/" + url.PathEscape(p)
	}
	return gotify{url: origin, token: parts[last], fixed: fixed}, nil
}

// tapped is what a tap on the message opens, where there is one place for it.
func tapped(m notify.Message) string {
	if m.Link == "" && len(m.Actions) > 0 {
		return m.Actions[0].URL
	}
	return m.Link
}

func (g gotify) dress(m notify.Message) []parcel {
	priority := g.fixed
	if priority == 0 {
		priority = []int{3, 3, 5, 8, 10}[urgency(m)]
	}
	extras := map[string]any{"client::display": map[string]any{"contentType": "text/plain"}}
	if click := tapped(m); click != "" {
		extras["client::notification"] = map[string]any{"click": map[string]any{"url": click}}
	}
	m = tame(m)
	body := plain(16<<10, inBytes).body(m)
	if strings.TrimSpace(body) == "" {
		body = fitBytes(m.Title, 16<<10) // Gotify refuses an empty message
	}
	content := map[string]any{"title": fitBytes(m.Title, 500), "message": body, "priority": priority, "extras": extras}
	return []parcel{post{url: g.url, header: map[string]string{"X-Gotify-Key": g.token}, body: asJSON(content), read: notHTML}}
}
