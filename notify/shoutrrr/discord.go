package shoutrrr

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/containrrr/shoutrrr/pkg/services/discord"

	"github.com/9bikes/tocsin/notify"
)

// discordWebhook is a webhook of a Discord channel.
type discordWebhook struct {
	url    string
	name   string
	avatar string
}

// parseDiscord reads discord://TOKEN@ID. The path and what shoutrrr's form says of
// colours and lines are taken and not used: the severity gives the colour.
func parseDiscord(a address) (service, error) {
	var c discord.Config
	form := wrong("must be discord://TOKEN@WEBHOOK-ID, or paste the https://discord.com/api/webhooks/ID/TOKEN address")
	u := *a.URL
	u.Path = ""
	a.URL = &u
	if err := a.into(&c, form, "thread_id", "color", "colorerror", "colorwarn", "colorinfo", "colordebug",
		"splitlines", "json"); err != nil {
		return nil, err
	}
	query := url.Values{"wait": {"true"}}
	if thread := a.option("thread_id"); thread != "" {
		query.Set("thread_id", thread)
	}
	hook := "https://discord.com/api/webhooks/" + url.PathEscape(c.WebhookID) + "/" + url.PathEscape(c.Token)
	return discordWebhook{url: hook + "?" + query.Encode(), name: c.Username, avatar: c.Avatar}, nil
}

func hookDiscord(a address) (service, error) {
	u := a.hook()
	if !strings.Contains(u.Path, "/webhooks/") {
		return nil, wrong("must be a Discord webhook, https://discord.com/api/webhooks/ID/TOKEN; " +
			"make one under Edit Channel, Integrations")
	}
	q := u.Query()
	q.Set("wait", "true")
	u.RawQuery = q.Encode()
	return discordWebhook{url: u.String()}, nil
}

// embedLimit is what Discord allows all texts of a message's embeds together.
const embedLimit = 6000

func (d discordWebhook) render(m notify.Message) []delivery {
	m = tame(m)
	room := embedLimit - 100 // for the footer
	cut := func(s string, limit int) string {
		s = fit(s, max(0, min(limit, room)), inUTF16, backslashed)
		room -= inUTF16(s)
		return s
	}
	title := heading(titled(m), 256, inUTF16, backslashed)
	room -= inUTF16(title)
	embed := map[string]any{
		"title": title, "color": colour(m), "footer": map[string]any{"text": discordFooter(m)},
	}
	text := cut(m.Text, 3000)
	var fields []any
	buttons, rest := pressable(m.Actions)
	if links := discordLinks(rest); links != "" {
		fields = append(fields, map[string]any{"name": "Answer", "value": links, "inline": false})
		room -= inUTF16(links) + len("Answer")
	}
	for _, f := range first(only(m.Fields, unfiled), 24) {
		if room -= inUTF16(discordGraph(f)); room < 300 {
			break
		}
		name, value := filled(cut(f.Name, 256)), filled(discordGraph(f)+cut(f.Value, 900))
		fields = append(fields, map[string]any{"name": name, "value": value, "inline": len(f.Value) < 40})
	}
	if m.Link != "" {
		embed["url"] = m.Link
	}
	if text != "" {
		embed["description"] = text
	}
	if fields != nil {
		embed["fields"] = fields
	}
	if !m.At.IsZero() {
		embed["timestamp"] = m.At.UTC().Format(time.RFC3339)
	}
	content := d.content(m, embed)
	to := d.url
	if len(buttons) > 0 {
		content["components"], to = discordRow(buttons), withOption(d.url, "with_components", "true")
	}
	p := post{url: to, failure: discordFailure, body: asJSON(content), ref: "id"}
	if m.Replaces != "" {
		edit := d.edit(m, embed)
		p.edit = &edit
	}
	return []delivery{p}
}

// edit makes the first message about an alert tell its end.
func (d discordWebhook) edit(m notify.Message, embed map[string]any) post {
	content := d.content(m, embed)
	content["components"] = []any{}                                    // there is nothing left to do
	for _, only := range []string{"username", "avatar_url", "flags"} { // of a new message
		delete(content, only)
	}
	hook, query, _ := strings.Cut(withOption(d.url, "with_components", "true"), "?")
	return post{
		method: "PATCH", url: hook + "/messages/" + url.PathEscape(m.Replaces) + "?" + query, body: asJSON(content),
		failure: discordFailure,
	}
}

// discordGraph draws a field in letters of one width.
func discordGraph(f notify.Field) string {
	if f.Graph == "" {
		return ""
	}
	return inTicks(f.Graph) + " "
}

// discordRow is a row of buttons that open a page.
func discordRow(actions []notify.Action) []any {
	var row []any
	for _, a := range first(actions, 5) {
		row = append(row, map[string]any{"type": 2, "style": 5, "label": fitRunes(a.Label, 80), "url": a.URL})
	}
	return []any{map[string]any{"type": 1, "components": row}}
}

// discordLinks are the actions that can be no buttons, in the one field that reads
// Markdown.
func discordLinks(actions []notify.Action) string {
	var links []string
	for _, a := range actions {
		links = append(links, markdownLink(a.Label, a.URL))
	}
	text := strings.Join(links, " · ")
	if inUTF16(text) > 1024 {
		return ""
	}
	return text
}

// suppressed is the flag of a message that makes no sound.
const suppressed = 1 << 12

// content is the message: the embed, and beside it what a phone shows.
func (d discordWebhook) content(m notify.Message, embed map[string]any) map[string]any {
	content := map[string]any{
		"embeds": []any{embed}, "allowed_mentions": map[string]any{"parse": []string{}},
	}
	content["content"] = fit(preview(m), 500, inUTF16, backslashed)
	if quiet(m) {
		content["flags"] = suppressed
	}
	fill(content, map[string]string{"username": fitUTF16(d.name, 80), "avatar_url": d.avatar})
	return content
}

func discordFooter(m notify.Message) string {
	if m.Tone == notify.Alarm && m.Severity.Rank() >= 0 {
		return "tocsin · " + string(m.Severity)
	}
	return "tocsin"
}

// filled stands in for an empty text where Discord refuses one.
func filled(text string) string {
	if text == "" {
		return blank
	}
	return text
}

// discordFailure knows the answers of a webhook: nothing, or the message.
func discordFailure(body []byte) string {
	var made struct {
		ID string `json:"id"`
	}
	if len(body) > 0 && (json.Unmarshal(body, &made) != nil || made.ID == "") {
		return "server"
	}
	return ""
}
