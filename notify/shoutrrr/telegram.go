package shoutrrr

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/containrrr/shoutrrr/pkg/services/telegram"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// telegramBot is a bot and the chats it writes to.
type telegramBot struct {
	url    string
	chats  []string // an id or @name, with :THREAD behind it for a topic
	silent bool
}

var (
	botToken = regexp.MustCompile(`^[0-9]+:[A-Za-z0-9_-]+$`)
	chatName = regexp.MustCompile(`^(-?[0-9]+|@[A-Za-z0-9_]+)(:[0-9]+)?$`)
)

// parseTelegram reads telegram://TOKEN@telegram?chats=…. How the text is parsed
// is ours to say; preview is never wanted.
func parseTelegram(a address) (service, error) {
	var c telegram.Config
	if _, err := a.options(&c, "preview", "parsemode"); err != nil {
		return nil, err
	}
	password, _ := a.User.Password()
	return newTelegram("https://api.telegram.org", a.User.Username()+":"+password, c.Chats, !c.Notification)
}

// hookTelegram reads https://api.telegram.org/botTOKEN/sendMessage?chat_id=….
func hookTelegram(a address) (service, error) {
	parts := a.segments()
	if len(parts) == 0 {
		parts = []string{""}
	}
	chats := list(a.option("chat_id"))
	if thread := a.option("message_thread_id"); thread != "" && len(chats) == 1 {
		chats[0] += ":" + thread
	}
	silent, err := a.flag("disable_notification", false)
	if err != nil {
		return nil, err
	}
	return newTelegram(a.Scheme+"://"+a.Host, strings.TrimPrefix(parts[0], "bot"), chats, silent)
}

func newTelegram(origin, token string, chats []string, silent bool) (service, error) {
	if !botToken.MatchString(token) {
		return nil, wrong("must have the token that @BotFather gave, digits:letters, " +
			"as in telegram://TOKEN@telegram?chats=CHAT")
	}
	if len(chats) == 0 {
		return nil, wrong("must name the chats to write to: ?chats=-100123,@channel; @userinfobot tells a chat's number")
	}
	for _, c := range chats {
		if !chatName.MatchString(c) {
			return nil, wrong("has a chat that is neither a number nor an @name; a topic's number goes behind it, -100123:45")
		}
	}
	return telegramBot{url: origin + "/bot" + url.PathEscape(token) + "/sendMessage", chats: chats, silent: silent}, nil
}

// telegramText is HTML; Telegram counts 4096 after the mark-up is read, so this
// is on the safe side.
var telegramText = style{
	limit: 4096, size: inBytes, escape: escapeHTML("\n"), newline: "\n", bold: [2]string{"<b>", "</b>"},
	mono: inCode, link: htmlLink, shown: untold,
}

func htmlLink(label, url string) string { return `<a href="` + attribute(url) + `">` + label + `</a>` }

// attribute escapes a link for an attribute of HTML.
func attribute(url string) string { return fit(url, 1<<16, inBytes, escapeHTML("")) }

func (t telegramBot) render(m notify.Message) []delivery {
	worded := m
	_, worded.Actions = pressable(m.Actions)
	text := telegramText.body(titled(tame(worded)))
	var deliveries []delivery
	t.silent = t.silent || quiet(m)
	for _, c := range t.chats {
		deliveries = append(deliveries, t.to(c, "", text, m))
	}
	return deliveries
}

// chatPost is a post to one chat, which may have become another.
type chatPost struct {
	post
	bot        telegramBot
	chat, text string
	message    notify.Message
}

// to makes the post to a chat, which its service calls now by another number if
// one is given.
func (t telegramBot) to(c, now, text string, m notify.Message) chatPost {
	chat, thread, _ := strings.Cut(c, ":")
	content := map[string]any{
		"chat_id": cmp.Or(now, chat), "text": text, "parse_mode": "HTML",
		"link_preview_options":     map[string]any{"is_disabled": true},
		"disable_web_page_preview": true, // what servers before Bot API 7 know
		"disable_notification":     t.silent,
	}
	if thread != "" {
		content["message_thread_id"] = json.Number(thread)
	}
	p := post{to: c, url: t.url, failure: saysOK, ref: "result.message_id"}
	if keys := telegramKeys(m); keys != nil {
		content["reply_markup"] = map[string]any{"inline_keyboard": []any{keys}}
	}
	if _, err := strconv.Atoi(m.Answers); err != nil {
		m.Answers, m.Replaces = "", ""
	}
	if m.Answers != "" {
		content["reply_parameters"] = map[string]any{
			"message_id": json.Number(m.Answers), "allow_sending_without_reply": true,
		}
	}
	if m.Replaces != "" {
		p.edit = &post{url: strings.TrimSuffix(t.url, "sendMessage") + "editMessageText", failure: saysOK, body: asJSON(
			map[string]any{
				"chat_id": content["chat_id"], "message_id": json.Number(m.Replaces), "text": text, "parse_mode": "HTML",
				"link_preview_options": map[string]any{"is_disabled": true},
			})}
	}
	p.body = asJSON(content)
	return chatPost{p, t, c, text, m}
}

// telegramKeys are buttons that open a page, in a row under the text.
func telegramKeys(m notify.Message) (keys []any) {
	buttons, _ := pressable(m.Actions)
	for _, b := range buttons {
		keys = append(keys, map[string]any{"text": b.Label, "url": b.URL})
	}
	return keys
}

// send follows a group that has become a supergroup, which has another number.
func (p chatPost) send(ctx context.Context, s *Sender) rules.Outcome {
	if now := s.moves.of(p.post); now != "" {
		return p.bot.to(p.chat, now, p.text, p.message).post.send(ctx, s)
	}
	var r response
	out := p.judging(ctx, s, &r)
	now := migrated(r)
	if now == "" {
		return out
	}
	out = p.bot.to(p.chat, now, p.text, p.message).post.send(ctx, s)
	if out.State == rules.Sent {
		s.moves.note(p.post, now)
		out.Moved = rules.Move{From: p.target(), To: now}
	}
	return out
}

// migrated is the number that a chat has now, "" where Telegram says of none.
func migrated(r response) string {
	var said struct {
		Parameters struct {
			To int64 `json:"migrate_to_chat_id"`
		} `json:"parameters"`
	}
	if r.status != http.StatusBadRequest || json.Unmarshal(r.body, &said) != nil || said.Parameters.To == 0 {
		return ""
	}
	return strconv.FormatInt(said.Parameters.To, 10)
}

// moves are the chats that were found to have another number, for as long as the
// Sender lives.
type moves struct {
	mu  sync.Mutex
	now map[string]string // by where messages went
}

func (m *moves) of(p post) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now[p.url+" "+p.to]
}

func (m *moves) note(p post, now string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now == nil {
		m.now = map[string]string{}
	}
	m.now[p.url+" "+p.to] = now
}

// saysOK wants {"ok": true}.
func saysOK(body []byte) string {
	var said struct {
		OK *bool `json:"ok"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil, said.OK == nil:
		return "server"
	case !*said.OK:
		return "rejected"
	}
	return ""
}
