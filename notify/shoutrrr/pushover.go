package shoutrrr

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/pushover"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// pushoverApp is an application of Pushover and the users or groups it writes
// to. The devices are one target: a message to one that is not there goes to all
// devices of its user.
type pushoverApp struct {
	pushover.Config
	users         []string
	fixed         bool // the channel's level goes before the severity's
	level         int  // of priority
	sound         string
	retry, expire int // seconds; of an emergency, 0 for none
}

// parsePushover reads pushover://shoutrrr:TOKEN@USER. With retry and expire,
// critical alarms repeat until somebody takes note of them.
func parsePushover(a address) (service, error) {
	p := pushoverApp{users: list(a.Host), fixed: a.option("priority") != "", sound: a.option("sound")}
	form := wrong("must be pushover://shoutrrr:API-TOKEN@USER-KEY/")
	if err := a.into(&p.Config, form, "priority", "retry", "expire", "sound"); err != nil {
		return nil, err
	}
	if p.users == nil {
		return nil, form
	}
	var err error
	if p.retry, err = a.number("retry", 30, 10800); err != nil {
		return nil, err
	}
	if p.expire, err = a.number("expire", 30, 10800); err != nil {
		return nil, err
	}
	if p.level, err = a.number("priority", -2, 2); err != nil {
		return nil, err
	}
	if !p.fixed && a.option("retry")+a.option("expire") == "" {
		p.retry, p.expire = 60, 3600
	}
	if p.level == 2 && !p.emergency() {
		return nil, wrong("has priority 2, which needs retry and expire too, in seconds: ?priority=2&retry=60&expire=3600")
	}
	return p, nil
}

func (p pushoverApp) emergency() bool { return p.retry > 0 && p.expire > 0 }

func (p pushoverApp) priority(m notify.Message) int {
	switch {
	case m.Tone == notify.Alarm && p.fixed:
		return p.level
	case m.Tone == notify.Relief:
		return -1
	case urgency(m) == 4 && !p.emergency():
		return 1
	}
	return []int{0, -1, 0, 1, 2}[urgency(m)]
}

var pushoverText = plain(1024, inRunes)

func (p pushoverApp) render(m notify.Message) []delivery {
	priority := p.priority(m)
	content := map[string]any{"token": p.Token, "priority": priority}
	if url, title := pushoverLink(&m); url != "" {
		content["url"], content["url_title"] = url, title
	}
	if priority == 2 {
		content["retry"], content["expire"] = p.retry, p.expire
		fill(content, map[string]string{"tags": strings.Join(first(m.Threads, 20), ",")})
	}
	over := p.silence(m)
	m = tame(m)
	content["title"] = heading(titled(m), 250, inRunes, asIs)
	content["message"] = cmp.Or(pushoverText.body(m), headBytes(m, 1024), icon(m))
	fill(content, map[string]string{"device": strings.Join(p.Devices, ","), "sound": p.sound})
	if !m.At.IsZero() {
		content["timestamp"] = m.At.Unix()
	}
	api := url.URL{Scheme: "https", Host: "api.pushover.net", Path: "/1/messages.json"}
	var deliveries []delivery
	for i, user := range p.users {
		content["user"] = user
		deliveries = append(deliveries, post{
			to: masked("user", user), was: formerly("user", p.users, i),
			url: api.String(), body: asJSON(content), failure: pushoverFailure, also: over,
		})
	}
	return deliveries
}

// silence ends what still rings of alerts that are over.
func (p pushoverApp) silence(m notify.Message) (out []post) {
	for _, a := range first(m.About, 20) {
		if a.Reason == rules.Resolved {
			out = append(out, post{
				url:  "https://api.pushover.net/1/receipts/cancel_by_tag/" + url.PathEscape(a.ID) + ".json",
				body: asJSON(map[string]any{"token": p.Token}), failure: pushoverFailure,
			})
		}
	}
	return out
}

// pushoverLink takes out of m the one link that has a place of its own: to
// answer, or else the runbook.
func pushoverLink(m *notify.Message) (url, title string) {
	const longest = 512
	switch {
	case len(m.Actions) > 0 && len(m.Actions[0].URL) <= longest:
		url, title, m.Actions = m.Actions[0].URL, m.Actions[0].Label, m.Actions[1:]
	case len(m.Link) <= longest:
		url, title, m.Link = m.Link, "Runbook", ""
	}
	return url, title
}

// pushoverFailure wants status 1 where a status is told.
func pushoverFailure(body []byte) string {
	var said struct {
		Status *int `json:"status"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil, said.Status == nil:
		return "server"
	case *said.Status != 1:
		return "rejected"
	}
	return ""
}
