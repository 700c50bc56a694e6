package shoutrrr

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/slack"

	"github.com/9bikes/tocsin/notify"
)

// slackChannel is an incoming webhook, or a channel that a bot posts to.
type slackChannel struct {
	url    string
	token  string         // of a bot; "" for a webhook
	common map[string]any // what every message of the channel has
}

var slackHook = regexp.MustCompile(`^([A-Za-z0-9]+)[-/,]([A-Za-z0-9]+)[-/,]([A-Za-z0-9]+)$`)

// parseSlack reads slack://hook:T-B-X@webhook, slack://xoxb:TOKEN@CHANNEL, and
// the old slack://[name@]T/B/X.
func parseSlack(a address) (service, error) {
	var c slack.Config
	if _, err := a.options(&c); err != nil {
		return nil, err
	}
	if c.BotName == "" && strings.Trim(a.Path, "/") != "" {
		c.BotName = a.User.Username()
	}
	s := slackChannel{common: common(c.BotName, c.Icon, "")}
	fill(s.common, map[string]string{"thread_ts": c.ThreadTS})
	token, typed := a.User.Password()
	kind := a.User.Username()
	if path := strings.Trim(a.Path, "/"); path != "" {
		kind, token, typed = "hook", a.Host+"/"+path, true
	}
	if !typed {
		kind, token, _ = strings.Cut(kind, "-")
	}
	if kind == "hook" {
		parts := slackHook.FindStringSubmatch(token)
		if parts == nil {
			return nil, wrong("must have Slack's webhook as slack://hook:T…-B…-X…@webhook, " +
				"or paste the https://hooks.slack.com/services/… address")
		}
		s.url = "https://hooks.slack.com/services/" + strings.Join(parts[1:], "/")
		return s, nil
	}
	if !strings.HasPrefix(kind, "xox") || token == "" || a.Host == "" {
		return nil,
			wrong("must be slack://hook:T…-B…-X…@webhook for a webhook, or slack://xoxb:TOKEN@CHANNEL-ID for a bot")
	}
	s.url, s.token = "https://slack.com/api/chat.postMessage", kind+"-"+token
	s.common["channel"] = a.Host
	return s, nil
}

func hookSlack(a address) (service, error) {
	return slackChannel{url: a.hook().String()}, nil
}

func (s slackChannel) render(m notify.Message) []delivery {
	content := map[string]any{
		"unfurl_links": false, "unfurl_media": false,
		"attachments": []any{map[string]any{
			"color":    hexColour(m),
			"fallback": slackFallback(tame(m)),
			"blocks":   slackBlocks(tame(m)),
		}},
	}
	for key, value := range s.common {
		content[key] = value
	}
	p := post{url: s.url, failure: slackFailure, hook: s.token == ""}
	if s.token != "" {
		s.thread(&p, m, content)
		p.header = map[string]string{"Authorization": "Bearer " + s.token}
		p.contentType = "application/json; charset=utf-8"
		p.failure = slackAnswered
	}
	p.body = asJSON(content)
	for i := range p.also {
		p.also[i].header, p.also[i].contentType = p.header, p.contentType
	}
	return []delivery{p}
}

// thread has a bot answer to the first message about an alert, and mark that when
// it is over, for which the bot needs the right reactions:write.
func (s slackChannel) thread(p *post, m notify.Message, content map[string]any) {
	p.ref = "ts"
	if m.Answers == "" {
		return
	}
	if content["thread_ts"] == nil {
		content["thread_ts"] = m.Answers
	}
	content["reply_broadcast"] = m.Tone == notify.Relief
	if m.Replaces != "" {
		mark := map[string]any{"channel": s.common["channel"], "timestamp": m.Replaces, "name": "white_check_mark"}
		p.also = []post{{url: "https://slack.com/api/reactions.add", body: asJSON(mark), failure: slackAnswered}}
	}
}

// slackFallback is what a phone shows of the message before it is opened.
func slackFallback(m notify.Message) string {
	text := icon(m) + " " + m.Title + m.Place
	if first, _, _ := strings.Cut(m.Text, "\n"); first != "" {
		text += ": " + first
	}
	return fit(text, 300, inRunes, slackEscape)
}

// slackBlocks says everything untrusted in plain_text, where no mark-up is
// read; Slack's own escapes are read there too.
func slackBlocks(m notify.Message) []any {
	blocks := []any{map[string]any{"type": "header", "text": slackHead(m)}}
	if m.Text != "" {
		blocks = append(blocks, map[string]any{"type": "section", "text": slackText(m.Text, 3000)})
	}
	var fields []any
	for _, f := range first(only(m.Fields, unfiled), 10) {
		fields = append(fields, slackField(f))
	}
	if len(fields) > 0 {
		blocks = append(blocks, map[string]any{"type": "section", "fields": fields})
	}
	// Links, not buttons: Slack wants an answer of its own for every button.
	for _, a := range m.Actions {
		blocks = append(blocks, slackLink(a.Label, a.URL))
	}
	if m.Link != "" {
		blocks = append(blocks, slackLink("Runbook", m.Link))
	}
	return append(blocks, map[string]any{"type": "context", "elements": slackContext(m)})
}

// plainWords are what no mark-up can be made of.
var plainWords = regexp.MustCompile(`^[A-Za-z0-9 .,+°%/-]*$`)

// slackField writes a field in mark-up only where it draws something, and all
// of it is harmless.
func slackField(f notify.Field) map[string]any {
	if f.Graph == "" || !plainWords.MatchString(f.Name+f.Value) {
		return slackText(f.Name+"\n"+f.Value, 1000)
	}
	text := fitRunes(f.Name+"\n"+inTicks(f.Graph)+" "+f.Value, 1000)
	return map[string]any{"type": "mrkdwn", "verbatim": true, "text": text}
}

func slackLink(label, url string) map[string]any {
	return map[string]any{"type": "section", "text": map[string]any{
		"type": "mrkdwn", "verbatim": true, "text": "<" + slackEscapes.Replace(url) + "|" + label + ">",
	}}
}

func slackContext(m notify.Message) []any {
	when := "tocsin"
	if m.Severity != "" && m.Tone == notify.Alarm {
		when += " · " + string(m.Severity)
	}
	if !m.At.IsZero() {
		utc := m.At.UTC().Format("2006-01-02 15:04:05 UTC")
		when += fmt.Sprintf(" · <!date^%d^{date_short_pretty} {time_secs}|%s>", m.At.Unix(), utc)
	}
	return []any{map[string]any{"type": "mrkdwn", "verbatim": true, "text": when}}
}

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slackEscape(r rune, _ bool) string { return slackEscapes.Replace(string(r)) }

// slackHead is the title, which holds 150 characters.
func slackHead(m notify.Message) map[string]any {
	return map[string]any{"type": "plain_text", "emoji": false, "text": heading(titled(m), 150, inUTF16, slackEscape)}
}

func slackText(text string, limit int) map[string]any {
	return map[string]any{"type": "plain_text", "emoji": false, "text": fit(text, limit, inUTF16, slackEscape)}
}

// slackFailure knows the answers of a webhook that took the message.
func slackFailure(body []byte) string {
	if text := strings.TrimSpace(string(body)); text != "" && text != "ok" {
		return "server"
	}
	return ""
}

// slackAnswered reads the API's answer, which is 200 for refusals too.
func slackAnswered(body []byte) string {
	var said struct {
		OK bool `json:"ok"`
	}
	if json.Unmarshal(body, &said) != nil {
		return "server"
	}
	if !said.OK {
		return "rejected"
	}
	return ""
}
