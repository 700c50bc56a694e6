package shoutrrr

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/bark"
	"github.com/containrrr/shoutrrr/pkg/services/join"
	"github.com/containrrr/shoutrrr/pkg/services/pushbullet"

	"github.com/9bikes/tocsin/notify"
)

// barkDevice is a device with the Bark app.
type barkDevice struct {
	bark.Config
	badge string // a number, as a rule
}

// parseBark reads bark://:KEY@host[:port]/[path].
func parseBark(a address) (service, error) {
	b := barkDevice{badge: a.option("badge")}
	form := wrong("must be bark://:DEVICE-KEY@host/, with ?scheme=http for a server without TLS")
	if err := a.into(&b.Config, form, "badge"); err != nil {
		return nil, err
	}
	b.Scheme = strings.ToLower(b.Scheme)
	if b.DeviceKey == "" || b.Host == "" || b.Scheme != "http" && b.Scheme != "https" {
		return nil, form
	}
	return b, nil
}

// pushText suits the push services of Apple and Google, which carry 4 KB.
var pushText = plain(2500, inBytes)

func (b barkDevice) render(m notify.Message) []delivery {
	content := map[string]any{"device_key": b.DeviceKey}
	fill(content, map[string]string{"id": episode(m)}) // a notification of the same id is replaced
	fill(content, map[string]string{
		"sound": b.Sound, "icon": b.Icon, "group": b.Group, "url": b.URL, "category": b.Category, "copy": b.Copy,
		"badge": b.badge,
	})
	if n, err := strconv.Atoi(b.badge); err == nil {
		content["badge"] = n
	}
	if click := tapped(m); click != "" {
		content["url"] = click
	}
	content["level"] = []string{"active", "passive", "active", "timeSensitive", "critical"}[urgency(m)]
	if m.Tone == notify.Relief {
		content["level"] = "passive"
	}
	m = tame(m)
	content["title"] = headBytes(titled(m), 250)
	content["body"] = cmp.Or(pushText.body(m), headBytes(m, 2500))
	return []delivery{post{url: b.GetAPIURL("push"), body: asJSON(content), failure: barkFailure}}
}

func barkFailure(body []byte) string {
	var said struct {
		Code int `json:"code"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil:
		return "server"
	case said.Code != 200:
		return "rejected"
	}
	return ""
}

// joinDevices are devices with the Join app. One request could name them all,
// but its answer would not tell which of them it was for.
type joinDevices struct{ join.Config }

// parseJoin reads join://shoutrrr:KEY@join/?devices=….
func parseJoin(a address) (service, error) {
	var j joinDevices
	form := wrong("must be join://shoutrrr:API-KEY@join/?devices=DEVICE,DEVICE")
	if err := a.into(&j.Config, form); err != nil {
		return nil, err
	}
	return j, nil
}

func (j joinDevices) render(m notify.Message) []delivery {
	var deliveries []delivery
	quiet := tame(m)
	for i, device := range j.Devices {
		q := url.Values{
			"apikey": {j.APIKey}, "deviceId": {device}, "title": {headBytes(titled(quiet), 250)},
			"text": {cmp.Or(pushText.body(quiet), icon(m))},
		}
		for name, value := range map[string]string{"icon": j.Icon, "url": tapped(m)} {
			if value != "" {
				q.Set(name, value)
			}
		}
		q.Set("priority", strconv.Itoa([]int{0, -1, 0, 1, 2}[urgency(m)]))
		to, was := masked("device", device), formerly("device", j.Devices, i)
		if strings.HasPrefix(device, "group.") {
			to, was = device, nil
		}
		api := "https://joinjoaomgcd.appspot.com/_ah/api/messaging/v1/sendPush?" + q.Encode()
		deliveries = append(deliveries, post{to: to, was: was, url: api, body: "{}", failure: joinFailure})
	}
	return deliveries
}

func joinFailure(body []byte) string {
	var said struct {
		Success bool `json:"success"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil:
		return "server"
	case !said.Success:
		return "rejected"
	}
	return ""
}

// pushbulletAccount is an account and the devices, people and channels it
// pushes to.
type pushbulletAccount struct {
	token   string
	targets []string
}

// parsePushbullet reads pushbullet://TOKEN[/device|/mail|/#channel].
func parsePushbullet(a address) (service, error) {
	if _, err := a.options(&pushbullet.Config{}); err != nil {
		return nil, err
	}
	if a.Host == "" {
		return nil, wrong("must be pushbullet://ACCESS-TOKEN, with /DEVICE, " +
			"/mail@example.org or /%%23channel behind it to choose")
	}
	targets := a.segments()
	if a.Fragment != "" {
		targets = append(targets, "#"+a.Fragment)
	}
	if len(targets) == 0 {
		targets = []string{""}
	}
	return pushbulletAccount{token: a.Host, targets: targets}, nil
}

func (p pushbulletAccount) render(m notify.Message) []delivery {
	var deliveries []delivery
	m = tame(m)
	for i, to := range p.targets {
		content := map[string]any{"type": "note", "title": headBytes(titled(m), 250), "body": pushText.body(m)}
		name, was := to, []string(nil)
		switch {
		case strings.HasPrefix(to, "#"):
			content["channel_tag"] = to[1:]
		case strings.Contains(to, "@"):
			content["email"] = to
		case to != "":
			content["device_iden"] = to
			name, was = masked("device", to), formerly("device", p.targets, i)
		}
		if m.ID != "" {
			content["guid"] = m.ID // it knows what comes again by this
		}
		deliveries = append(deliveries, post{
			to: name, was: was, url: "https://api.pushbullet.com/v2/pushes", header: map[string]string{"Access-Token": p.token},
			body: asJSON(content), failure: notHTML,
		})
	}
	return deliveries
}
