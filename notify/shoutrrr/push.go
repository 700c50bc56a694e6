package shoutrrr

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// bark is a device with the Bark app.
type bark struct {
	url    string
	common map[string]any
}

// readBark reads bark://:KEY@host[:port]/[path].
func readBark(a address) (service, error) {
	q, err := a.options("scheme", "sound", "badge", "icon", "group", "url", "category", "copy", "title")
	if err != nil {
		return nil, err
	}
	scheme := cmp.Or(strings.ToLower(q.Get("scheme")), "https")
	key, _ := a.User.Password()
	if key == "" || a.Host == "" || scheme != "http" && scheme != "https" {
		return nil, wrong("must be bark://:DEVICE-KEY@host/, with ?scheme=http for a server without TLS")
	}
	b := bark{url: scheme + "://" + a.Host, common: map[string]any{"device_key": key}}
	for _, p := range append(a.segments(), "push") {
		b.url += "/" + url.PathEscape(p)
	}
	for _, option := range []string{"sound", "badge", "icon", "group", "url", "category", "copy"} {
		if v := q.Get(option); v != "" {
			b.common[option] = v
		}
	}
	return b, nil
}

// pushText suits the push services of Apple and Google, which carry 4 KB.
var pushText = plain(2500, inBytes)

func (b bark) dress(m notify.Message) []parcel {
	content := maps.Clone(b.common)
	if click := tapped(m); click != "" {
		content["url"] = click
	}
	if urgency(m) >= 3 {
		content["level"] = "timeSensitive"
	}
	m = tame(m)
	content["title"] = fitBytes(titled(m).Title, 250)
	content["body"] = cmp.Or(pushText.body(m), fitBytes(m.Title, 2500))
	return []parcel{post{url: b.url, body: asJSON(content), read: barkTook}}
}

func barkTook(body []byte) string {
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

// join is devices with the Join app. One request could name them all, but its
// answer would not tell which of them it was for.
type join struct {
	key     string
	devices []string
	icon    string
}

// readJoin reads join://shoutrrr:KEY@join/?devices=….
func readJoin(a address) (service, error) {
	q, err := a.options("devices", "title", "icon")
	if err != nil {
		return nil, err
	}
	key, _ := a.User.Password()
	devices := list(q.Get("devices"))
	if key == "" || devices == nil {
		return nil, wrong("must be join://shoutrrr:API-KEY@join/?devices=DEVICE,DEVICE")
	}
	return join{key: key, devices: devices, icon: q.Get("icon")}, nil
}

func (j join) dress(m notify.Message) []parcel {
	var parcels []parcel
	quiet := tame(m)
	for i, device := range j.devices {
		q := url.Values{
			"apikey": {j.key}, "deviceId": {device}, "title": {fitBytes(titled(quiet).Title, 250)},
			"text": {cmp.Or(pushText.body(quiet), icon(m))},
		}
		if j.icon != "" {
			q.Set("icon", j.icon)
		}
		to, was := masked("device", device), formerly("device", j.devices, i)
		if strings.HasPrefix(device, "group.") {
			to, was = device, nil
		}
		parcels = append(parcels, post{to: to, was: was, url: "https://joinjoaomgcd.appspot.com/_ah/api/messaging/v1/sendPush?" + q.Encode(), body: "{}", read: joinTook})
	}
	return parcels
}

func joinTook(body []byte) string {
	var said struct {
		Success      bool `json:"success"`
		UserAuthFail bool `json:"userAuthError"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil:
		return "server"
	case said.UserAuthFail:
		return "auth"
	case !said.Success:
		return "rejected"
	}
	return ""
}

// pushbullet is an account and the devices, people and channels it pushes to.
type pushbullet struct {
	token   string
	targets []string
}

// readPushbullet reads pushbullet://TOKEN[/device|/mail|/#channel].
func readPushbullet(a address) (service, error) {
	if _, err := a.options("title"); err != nil {
		return nil, err
	}
	if a.Host == "" {
		return nil, wrong("must be pushbullet://ACCESS-TOKEN, with /DEVICE, /mail@example.org or /%%23channel behind it to choose")
	}
	targets := a.segments()
	if a.Fragment != "" {
		targets = append(targets, "#"+a.Fragment)
	}
	if len(targets) == 0 {
		targets = []string{""}
	}
	return pushbullet{token: a.Host, targets: targets}, nil
}

func (p pushbullet) dress(m notify.Message) []parcel {
	var parcels []parcel
	m = tame(m)
	for i, to := range p.targets {
		content := map[string]any{"type": "note", "title": fitBytes(titled(m).Title, 250), "body": pushText.body(m)}
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
		parcels = append(parcels, post{
			to: name, was: was, url: "https://api.pushbullet.com/v2/pushes", header: map[string]string{"Access-Token": p.token},
			body: asJSON(content), read: notHTML,
		})
	}
	return parcels
}
