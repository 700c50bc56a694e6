package shoutrrr

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/mattermost"
	"github.com/containrrr/shoutrrr/pkg/services/rocketchat"
	"github.com/containrrr/shoutrrr/pkg/services/zulip"

	"github.com/9bikes/tocsin/notify"
)

// chat is a service whose webhook takes {"text": …} and dialects of it:
// Mattermost, Rocket.Chat and Google Chat.
type chat struct {
	url      string
	common   map[string]any // what every message of the channel has
	style    style
	attaches bool // it knows attachments, with a colour and fields
	threads  bool // it keeps what is about one thing together, by a key
	cards    bool // it has buttons, on a card below the text
}

func (c chat) render(m notify.Message) []delivery {
	m = titled(tamed(m, c.style.part))
	var buttons []notify.Action
	if c.cards {
		buttons, m.Actions = pressable(m.Actions)
	}
	content := map[string]any{"text": c.style.body(m)}
	if len(buttons) > 0 {
		content["cardsV2"] = googleCard(buttons)
	}
	if c.attaches {
		content = c.attached(m)
	}
	for key, value := range c.common {
		content[key] = value
	}
	to := c.url
	if c.threads && len(m.Threads) == 1 {
		content["thread"] = map[string]any{"threadKey": m.Threads[0]}
		to = withOption(to, "messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
	}
	return []delivery{post{url: to, body: asJSON(content), failure: notHTML}}
}

// googleCard is a card with buttons that open a page.
func googleCard(actions []notify.Action) []any {
	var buttons []any
	for _, a := range actions {
		open := map[string]any{"openLink": map[string]any{"url": a.URL}}
		buttons = append(buttons, map[string]any{"text": a.Label, "onClick": open})
	}
	widget := map[string]any{"buttonList": map[string]any{"buttons": buttons}}
	card := map[string]any{"sections": []any{map[string]any{"widgets": []any{widget}}}}
	return []any{map[string]any{"cardId": "answer", "card": card}}
}

// withOption is an address with one option more, if it has none of that name.
func withOption(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil || u.Query().Has(name) {
		return address // send refuses it
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// attached has the title as its text, which a phone shows, and the rest with the
// colour of its severity.
func (c chat) attached(m notify.Message) map[string]any {
	s := c.style
	var fields []any
	for _, f := range first(only(m.Fields, unfiled), 20) {
		fields = append(fields, map[string]any{
			"title": fit(f.Name, 100, s.size, s.escape), "value": s.graph(f) + fit(f.Value, 500, s.size, s.escape),
			"short": len(f.Value) < 40,
		})
	}
	title := s.strong(heading(m, 500, s.size, s.escape))
	s.untitled, s.shown = true, nil
	attachment := map[string]any{"color": hexColour(m), "fallback": fitRunes(m.Title+m.Place, 300), "text": s.body(m)}
	if fields != nil {
		attachment["fields"] = fields
	}
	return map[string]any{"text": title, "attachments": []any{attachment}}
}

var (
	mattermostText = style{
		limit: 16000, size: inRunes, escape: backslashed, newline: "\n", bold: [2]string{"**", "**"},
		mono: inTicks, link: markdownLink, shown: untold,
	}
	rocketchatText = style{
		limit: 5000, size: inUTF16, escape: asIs, part: parted, newline: "\n", bold: [2]string{"*", "*"},
		mono: inTicks, link: markdownLink, shown: untold,
	}
	googleChatText = style{
		limit: 4000, size: inUTF16, escape: asIs, part: parted, newline: "\n", bold: [2]string{"*", "*"},
		mono: inTicks, shown: untold, link: func(label, url string) string { return "<" + url + "|" + label + ">" },
	}
	zulipText = style{
		limit: 9000, size: inBytes, escape: asIs, part: parted, newline: "\n", bold: [2]string{"**", "**"},
		mono: inTicks, link: markdownLink, shown: untold,
	}
)

func markdownLink(label, url string) string { return "[" + label + "](" + url + ")" }

// parseMattermost reads mattermost://[name@]host[:port]/TOKEN[/channel].
func parseMattermost(a address) (service, error) {
	var c mattermost.Config
	form := wrong("must be mattermost://host/TOKEN with the last part of the incoming webhook's address")
	if err := a.into(&c, form, "disabletls"); err != nil {
		return nil, err
	}
	origin, err := a.web()
	if err != nil {
		return nil, err
	}
	if c.Host == "" {
		return nil, form
	}
	hook := origin + "/hooks/" + url.PathEscape(c.Token)
	return chat{url: hook, style: mattermostText, attaches: true, common: common(c.UserName, c.Icon, c.Channel)}, nil
}

// common is what chats call the sender, its picture and another channel.
func common(name, icon, channel string) map[string]any {
	content, picture := map[string]any{}, "icon_emoji"
	if strings.HasPrefix(icon, "http") {
		picture = "icon_url"
	}
	fill(content, map[string]string{"username": name, picture: icon, "channel": channel})
	return content
}

func hookMattermost(a address) (service, error) {
	return chat{url: a.hook().String(), style: mattermostText, attaches: true}, nil
}

// parseRocketchat reads rocketchat://[name@]host[:port]/TOKEN/TOKEN[/channel].
func parseRocketchat(a address) (service, error) {
	var c rocketchat.Config
	form := wrong("must be rocketchat://host/TOKEN-A/TOKEN-B with the last two parts of the incoming webhook's address")
	if err := a.into(&c, form, "disabletls", "title"); err != nil {
		return nil, err
	}
	origin, err := a.web()
	if err != nil {
		return nil, err
	}
	if c.Host == "" {
		return nil, form
	}
	if a.Fragment != "" { // shoutrrr wants a part of the path beside it
		c.Channel = "#" + a.Fragment
	}
	hook := origin + "/hooks/" + url.PathEscape(c.TokenA) + "/" + url.PathEscape(c.TokenB)
	return chat{url: hook, style: rocketchatText, attaches: true, common: common(c.UserName, "", c.Channel)}, nil
}

func hookRocketchat(a address) (service, error) {
	return chat{url: a.hook().String(), style: rocketchatText, attaches: true}, nil
}

// parseGoogleChat reads googlechat://chat.googleapis.com/v1/spaces/…?key=…&token=….
func parseGoogleChat(a address) (service, error) {
	a.Scheme = "https"
	return hookGoogleChat(a)
}

func hookGoogleChat(a address) (service, error) {
	if a.query.Get("key") == "" || a.query.Get("token") == "" || !strings.Contains(a.Path, "/spaces/") {
		return nil, wrong("must be the whole address of a Google Chat webhook, with its key and token")
	}
	return chat{url: a.hook().String(), style: googleChatText, threads: a.query.Get("threadKey") == "", cards: true}, nil
}

// zulipBot is a bot and the stream and topic it writes to.
type zulipBot struct {
	zulip.Config
	url string
}

// parseZulip reads zulip://bot%40server:KEY@host/?stream=…&topic=….
func parseZulip(a address) (service, error) {
	var z zulipBot
	form := wrong("must be zulip://BOT-MAIL:KEY@host/?stream=STREAM&topic=TOPIC, with the @ in the mail address as %%40")
	if err := a.into(&z.Config, form, "disabletls", "title"); err != nil {
		return nil, err
	}
	origin, err := a.web()
	if err != nil {
		return nil, err
	}
	if z.BotKey == "" || z.Stream == "" {
		return nil, form
	}
	z.url = origin + "/api/v1/messages"
	return z, nil
}

func (z zulipBot) render(m notify.Message) []delivery {
	topic := cmp.Or(fitRunes(cmp.Or(z.Topic, oneLine(notify.Plain(m.Topic)), notify.Plain(m.Title)), 60), "tocsin")
	text := zulipText.body(titled(tamed(m, zulipText.part)))
	form := url.Values{"type": {"stream"}, "to": {z.Stream}, "topic": {topic}, "content": {text}}
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(z.BotMail+":"+z.BotKey))
	return []delivery{post{
		url: z.url, header: map[string]string{"Authorization": auth}, contentType: "application/x-www-form-urlencoded",
		body: form.Encode(), failure: zulipFailure,
	}}
}

func zulipFailure(body []byte) string {
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
