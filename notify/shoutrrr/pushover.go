package shoutrrr

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// pushover is users or groups of Pushover. The devices are one target: a message
// to one that is not there goes to all devices of its user.
type pushover struct {
	token, devices, sound string
	users                 []string
	fixed                 *int // priority, when the channel sets one
	retry, expire         int  // seconds; of an emergency, 0 for none
}

// readPushover reads pushover://shoutrrr:TOKEN@USER. With retry and expire,
// critical alarms repeat until somebody takes note of them.
func readPushover(a address) (service, error) {
	q, err := a.options("devices", "priority", "title", "retry", "expire", "sound")
	if err != nil {
		return nil, err
	}
	token, _ := a.User.Password()
	if token == "" || list(a.Host) == nil {
		return nil, wrong("must be pushover://shoutrrr:API-TOKEN@USER-KEY/")
	}
	p := pushover{token: token, users: list(a.Host), devices: strings.Join(list(q.Get("devices")), ","), sound: q.Get("sound")}
	if p.retry, err = number(q, "retry", 0, 30, 10800); err != nil {
		return nil, err
	}
	if p.expire, err = number(q, "expire", 0, 30, 10800); err != nil {
		return nil, err
	}
	if q.Get("priority") == "" {
		return p, nil
	}
	fixed, err := number(q, "priority", 0, -2, 2)
	if err != nil {
		return nil, err
	}
	if fixed == 2 && !p.emergency() {
		return nil, wrong("has priority 2, which needs retry and expire too, in seconds: ?priority=2&retry=60&expire=3600")
	}
	p.fixed = &fixed
	return p, nil
}

func (p pushover) emergency() bool { return p.retry > 0 && p.expire > 0 }

func (p pushover) priority(m notify.Message) int {
	switch {
	case m.Tone == notify.Alarm && p.fixed != nil:
		return *p.fixed
	case urgency(m) == 4 && p.emergency():
		return 2
	}
	return []int{0, -1, 0, 0, 1}[urgency(m)]
}

var pushoverText = plain(1024, inBytes)

func (p pushover) dress(m notify.Message) []parcel {
	priority := p.priority(m)
	content := map[string]any{"token": p.token, "priority": priority}
	if url, title := pushoverLink(&m); url != "" {
		content["url"], content["url_title"] = url, title
	}
	if priority == 2 {
		content["retry"], content["expire"] = p.retry, p.expire
	}
	m = tame(m)
	content["title"] = fitBytes(titled(m).Title, 250)
	content["message"] = cmp.Or(pushoverText.body(m), fitBytes(m.Title, 1024), icon(m))
	if p.devices != "" {
		content["device"] = p.devices
	}
	if p.sound != "" {
		content["sound"] = p.sound
	}
	if !m.At.IsZero() {
		content["timestamp"] = m.At.Unix()
	}
	api := url.URL{Scheme: "https", Host: "api.pushover.net", Path: "/1/messages.json"}
	var parcels []parcel
	for i, user := range p.users {
		content["user"] = user
		parcels = append(parcels, post{
			to: masked("user", user), was: formerly("user", p.users, i), url: api.String(), body: asJSON(content), read: pushoverTook,
		})
	}
	return parcels
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

// pushoverTook wants status 1 where a status is told.
func pushoverTook(body []byte) string {
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
