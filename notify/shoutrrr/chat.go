package shoutrrr

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// chat is a service whose webhook takes {"text": …} and dialects of it:
// Mattermost, Rocket.Chat and Google Chat.
type chat struct {
	url    string
	common map[string]any // what every message of the channel has
	style  style
}

func (c chat) dress(m notify.Message) []parcel {
	content := map[string]any{"text": c.style.body(titled(tame(m)))}
	for key, value := range c.common {
		content[key] = value
	}
	return []parcel{post{url: c.url, body: asJSON(content), read: notHTML}}
}

var (
	mattermostText = style{
		limit: 16000, size: inRunes, escape: backslashed, newline: "\n", bold: [2]string{"**", "**"},
		mono: inTicks, link: markdownLink,
	}
	rocketchatText = style{
		limit: 5000, size: inUTF16, escape: parted, newline: "\n", bold: [2]string{"*", "*"},
		mono: inTicks, link: markdownLink,
	}
	googleChatText = style{
		limit: 4000, size: inUTF16, escape: parted, newline: "\n", bold: [2]string{"*", "*"},
		mono: inTicks, link: func(label, url string) string { return "<" + url + "|" + label + ">" },
	}
	zulipText = style{
		limit: 9000, size: inBytes, escape: parted, newline: "\n", bold: [2]string{"**", "**"},
		mono: inTicks, link: markdownLink,
	}
)

func markdownLink(label, url string) string { return "[" + label + "](" + url + ")" }

// readMattermost reads mattermost://[name@]host[:port][/path]/TOKEN[/channel].
// With a path before it, the token is the part behind "hooks".
func readMattermost(a address) (service, error) {
	q, err := a.options("icon", "icon_emoji", "icon_url", "title", "disabletls")
	if err != nil {
		return nil, err
	}
	origin, err := a.web(q, "disabletls")
	if err != nil {
		return nil, err
	}
	parts := a.segments()
	if len(parts) == 0 || a.Host == "" {
		return nil, wrong("must be mattermost://host/TOKEN with the last part of the incoming webhook's address")
	}
	c := chat{url: origin + "/hooks/" + url.PathEscape(parts[0]), style: mattermostText, common: map[string]any{}}
	if len(parts) > 1 {
		c.common["channel"] = parts[1]
	}
	if name := a.User.Username(); name != "" {
		c.common["username"] = name
	}
	if icon := q.Get("icon") + q.Get("icon_emoji") + q.Get("icon_url"); strings.HasPrefix(icon, "http") {
		c.common["icon_url"] = icon
	} else if icon != "" {
		c.common["icon_emoji"] = icon
	}
	return c, nil
}

func hookMattermost(a address) (service, error) {
	return chat{url: a.hook().String(), style: mattermostText}, nil
}

// readRocketchat reads rocketchat://[name@]host[:port]/TOKEN/TOKEN[/channel].
func readRocketchat(a address) (service, error) {
	q, err := a.options("disabletls", "title")
	if err != nil {
		return nil, err
	}
	origin, err := a.web(q, "disabletls")
	if err != nil {
		return nil, err
	}
	parts := a.segments()
	if len(parts) < 2 || a.Host == "" {
		return nil, wrong("must be rocketchat://host/TOKEN-A/TOKEN-B with the last two parts of the incoming webhook's address")
	}
	c := chat{url: origin + "/hooks/" + url.PathEscape(parts[0]) + "/" + url.PathEscape(parts[1]), style: rocketchatText, common: map[string]any{}}
	if name := a.User.Username(); name != "" {
		c.common["username"] = name
	}
	if a.Fragment != "" {
		c.common["channel"] = "#" + a.Fragment
	} else if len(parts) > 2 {
		c.common["channel"] = "#" + parts[2]
		if strings.HasPrefix(parts[2], "@") {
			c.common["channel"] = parts[2]
		}
	}
	return c, nil
}

func hookRocketchat(a address) (service, error) {
	return chat{url: a.hook().String(), style: rocketchatText}, nil
}

// readGoogleChat reads googlechat://chat.googleapis.com/v1/spaces/…?key=…&token=….
func readGoogleChat(a address) (service, error) {
	a.Scheme = "https"
	return hookGoogleChat(a)
}

func hookGoogleChat(a address) (service, error) {
	if a.query.Get("key") == "" || a.query.Get("token") == "" || !strings.Contains(a.Path, "/spaces/") {
		return nil, wrong("must be the whole address of a Google Chat webhook, with its key and token")
	}
	return chat{url: a.hook().String(), style: googleChatText}, nil
}

// zulip is a bot and the stream and topic it writes to.
type zulip struct{ url, auth, stream, topic string }

// readZulip reads zulip://bot%40server:KEY@host/?stream=…&topic=….
func readZulip(a address) (service, error) {
	q, err := a.options("stream", "topic", "title", "disabletls")
	if err != nil {
		return nil, err
	}
	origin, err := a.web(q, "disabletls")
	if err != nil {
		return nil, err
	}
	key, _ := a.User.Password()
	if a.User.Username() == "" || key == "" || a.Host == "" || q.Get("stream") == "" {
		return nil, wrong("must be zulip://BOT-MAIL:KEY@host/?stream=STREAM&topic=TOPIC, with the @ in the mail address as %%40")
	}
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(a.User.Username()+":"+key))
	return zulip{url: origin + "/api/v1/messages", auth: auth, stream: q.Get("stream"), topic: q.Get("topic")}, nil
}

func (z zulip) dress(m notify.Message) []parcel {
	topic := cmp.Or(fitRunes(cmp.Or(z.topic, m.Title), 60), "tocsin")
	form := url.Values{"type": {"stream"}, "to": {z.stream}, "topic": {topic}, "content": {zulipText.body(titled(tame(m)))}}
	return []parcel{post{
		url: z.url, header: map[string]string{"Authorization": z.auth}, contentType: "application/x-www-form-urlencoded",
		body: form.Encode(), read: zulipTook,
	}}
}

func zulipTook(body []byte) string {
	var said struct {
		Result string `json:"result"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil:
		return "server"
	case said.Result != "success":
		return "rejected"
	}
	return ""
}
