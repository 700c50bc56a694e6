package shoutrrr

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Chats lists who has written to a Telegram bot lately, or added it. Its error
// shows nothing of the token.
func (s *Sender) Chats(ctx context.Context, token rules.Secret) ([]notify.Chat, error) {
	if !botToken.MatchString(token.Reveal()) {
		return nil, rules.FieldErrorf("token", "must be what @BotFather gave: digits, a colon, letters")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout) // a person waits
	defer cancel()
	updates := "https://api.telegram.org/bot" + url.PathEscape(token.Reveal()) + "/getUpdates"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, updates, nil)
	if err != nil {
		return nil, rules.FieldErrorf("token", "cannot be a part of an address; copy it again")
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil { // it names the address
		return nil, rules.Errorf(rules.Unavailable, "Telegram was not reached (%s); "+
			"is this machine on the internet?", classOf(err, "refused"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close() // what was read counts
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusNotFound:
		return nil, rules.FieldErrorf("token", "is none that Telegram knows; copy it again from @BotFather")
	case resp.StatusCode == http.StatusConflict:
		return nil, rules.Errorf(rules.Conflict, "another program reads this bot's messages; "+
			"give the number of the chat yourself, @userinfobot tells it")
	case err != nil || resp.StatusCode != http.StatusOK:
		return nil, rules.Errorf(rules.Unavailable, "Telegram answered %d; try again later", resp.StatusCode)
	}
	return parseChats(body)
}

// telegramChat is a chat as Telegram tells of it.
type telegramChat struct {
	ID        int64  `json:"id"`
	Title     string `json:"title"`
	FirstName string `json:"first_name"`
	Username  string `json:"username"`
}

func parseChats(body []byte) (out []notify.Chat, err error) {
	type spoken struct {
		Chat telegramChat `json:"chat"`
	}
	var said struct {
		Result []struct {
			Message *spoken `json:"message"`
			Post    *spoken `json:"channel_post"`
			Member  *spoken `json:"my_chat_member"`
		} `json:"result"`
	}
	if json.Unmarshal(body, &said) != nil {
		return nil, rules.Errorf(rules.Unavailable, "Telegram's answer cannot be read; try again later")
	}
	for _, update := range said.Result {
		for _, s := range []*spoken{update.Message, update.Post, update.Member} {
			if s == nil || s.Chat.ID == 0 {
				continue
			}
			name := cmp.Or(s.Chat.Title, s.Chat.FirstName, s.Chat.Username, "no name")
			c := notify.Chat{ID: strconv.FormatInt(s.Chat.ID, 10), Name: name}
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out, nil
}
