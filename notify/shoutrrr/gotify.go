package shoutrrr

import (
	"cmp"
	"net/url"
	"path"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/gotify"

	"github.com/9bikes/tocsin/notify"
)

// gotifyApp is an application of a Gotify server.
type gotifyApp struct{ gotify.Config }

// parseGotify reads gotify://host[:port][/path]/TOKEN. How tokens look is left
// to the server: it has changed before.
func parseGotify(a address) (service, error) {
	var app gotifyApp
	form := wrong("must be gotify://host/TOKEN with the token of an application, from Gotify's Apps page")
	if err := a.into(&app.Config, form, "priority"); err != nil {
		return nil, err
	}
	if app.Token == "" || app.Host == "" {
		return nil, form
	}
	var err error
	app.Priority, err = a.number("priority", 0, 10)
	return app, err
}

// tapped is what a tap on the message opens, where there is one place for it.
func tapped(m notify.Message) string {
	if m.Link == "" && len(m.Actions) > 0 {
		return m.Actions[0].URL
	}
	return m.Link
}

func (g gotifyApp) render(m notify.Message) []delivery {
	priority := cmp.Or(g.Priority, []int{3, 3, 5, 8, 10}[urgency(m)])
	extras := map[string]any{"client::display": map[string]any{"contentType": "text/plain"}}
	if click := tapped(m); click != "" {
		extras["client::notification"] = map[string]any{"click": map[string]any{"url": click}}
	}
	m = tame(m)
	body := plain(16<<10, inBytes).body(m)
	if strings.TrimSpace(body) == "" {
		body = headBytes(m, 16<<10) // Gotify refuses an empty message
	}
	content := map[string]any{"title": headBytes(m, 500), "message": body, "priority": priority, "extras": extras}
	to := url.URL{Scheme: scheme(g.DisableTLS), Host: g.Host, Path: path.Join("/", g.Path, "message")}
	header := map[string]string{"X-Gotify-Key": g.Token}
	return []delivery{post{url: to.String(), header: header, body: asJSON(content), failure: notHTML}}
}
