package shoutrrr_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// validator is what the real service would refuse of a request.
type validator func(r *http.Request, body []byte) error

// validators judge as the real services do.
var validators = map[string]validator{
	"slack":      slackValid,
	"discord":    discordValid,
	"teams":      teamsValid,
	"telegram":   telegramValid,
	"ntfy":       ntfyValid,
	"gotify":     gotifyValid,
	"pushover":   pushoverValid,
	"matrix":     matrixValid,
	"generic":    genericValid,
	"opsgenie":   opsgenieValid,
	"mattermost": markdownValid,
	"rocketchat": markdownValid,
	"googlechat": markdownValid,
	"zulip":      markdownValid,
}

// TestTaken sends messages of all sorts to servers that refuse what the real
// ones refuse.
func TestTaken(t *testing.T) {
	empty := notify.Message{Title: "only a title", Tone: notify.Notice}
	long := ordinary()
	long.Text = strings.Repeat("all \"work\" <and> no play & é🔥\n", 4000)
	wide := ordinary()
	wide.Text = strings.Repeat(strings.Repeat("\"\\é", 500)+"\n", 100)
	relief := ordinary()
	relief.Tone = notify.Relief
	bare := ordinary()
	bare.Link, bare.Fields = "javascript:alert(1)", []notify.Field{{Name: "n"}, {Value: "v"}, {}}
	messages := map[string]notify.Message{
		"answerable": answerable(), "ordinary": ordinary(), "hostile": hostile(), "empty": empty, "long": long, "wide": wide,
		"relief": relief, "bare": bare,
	}
	for _, c := range channels {
		valid := validators[c.kind]
		if valid == nil {
			continue
		}
		in := newInbox(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if err := valid(r, body); err != nil {
				t.Errorf("%s: %v\n%.3000s", c.name, err, body)
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			says(c.status, c.answer)(w, r)
		})
		for name, m := range messages {
			t.Run(c.name+" "+name, func(t *testing.T) {
				wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel(c.url), m))
			})
		}
	}
}

type slackPart struct {
	Type     string      `json:"type"`
	Text     slackInner  `json:"text"`
	Fields   []slackLeaf `json:"fields"`
	Elements []slackLeaf `json:"elements"`
}

type slackLeaf struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"`
}

type slackInner = slackLeaf

var slackLink = regexp.MustCompile(`^(<https?://[^<>|]+\|(Runbook|Acknowledge|Snooze 1 h)>|Recent\n\x60▁▃█\x60 -18 (°C )?to -9(\.25 °C)?|tocsin[^<>]*(<!date\^\d+\^[^<>|]+\|[^<>|]+>)?)$`)

func slackValid(_ *http.Request, body []byte) error {
	var sent struct {
		Text        string `json:"text"`
		Attachments []struct {
			Color    string      `json:"color"`
			Fallback string      `json:"fallback"`
			Blocks   []slackPart `json:"blocks"`
		} `json:"attachments"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if len(sent.Attachments) != 1 || len(sent.Attachments[0].Blocks) > 50 ||
		!regexp.MustCompile(`^#[0-9A-F]{6}$`).MatchString(sent.Attachments[0].Color) {
		return errors.New("invalid_attachments")
	}
	if f := sent.Attachments[0].Fallback; f == "" || strings.ContainsAny(f, "<>") {
		return errors.New("invalid fallback")
	}
	limits := map[string]int{"header": 150, "section": 3000, "context": 3000}
	for _, b := range sent.Attachments[0].Blocks {
		leaves := append(append([]slackLeaf{}, b.Fields...), b.Elements...)
		if len(b.Fields) > 10 || len(b.Elements) > 10 || limits[b.Type] == 0 {
			return errors.New("invalid_blocks: " + b.Type)
		}
		for _, f := range b.Fields {
			if units(f.Text) > 2000 {
				return errors.New("invalid_blocks: field too long")
			}
		}
		if b.Text.Type != "" {
			leaves = append(leaves, b.Text)
		}
		for _, l := range leaves {
			if l.Text == "" || units(l.Text) > limits[b.Type] {
				return errors.New("invalid_blocks: length of text")
			}
			if l.Type == "mrkdwn" && (!l.Verbatim || !slackLink.MatchString(l.Text)) {
				return errors.New("untrusted mark-up: " + l.Text)
			}
			if l.Type == "plain_text" && strings.ContainsAny(l.Text, "<>") {
				return errors.New("unescaped text")
			}
		}
	}
	return nil
}

func discordValid(_ *http.Request, body []byte) error {
	var sent struct {
		Mentions *struct {
			Parse []string `json:"parse"`
		} `json:"allowed_mentions"`
		Embeds []struct {
			Title, Description string
			URL                string
			Timestamp          string
			Footer             struct{ Text string }
			Fields             []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if sent.Mentions == nil || sent.Mentions.Parse == nil || len(sent.Mentions.Parse) > 0 || len(sent.Embeds) != 1 {
		return errors.New("mentions allowed, or not one embed")
	}
	e := sent.Embeds[0]
	total := units(e.Title) + units(e.Description) + units(e.Footer.Text)
	all := e.Title + e.Description
	for _, f := range e.Fields {
		total += units(f.Name) + units(f.Value)
		if f.Name+f.Value != "Answer[Acknowledge]("+ackURL+") · [Snooze 1 h]("+snoozeURL+")" {
			all += f.Name + strings.TrimPrefix(f.Value, "`▁▃█` ")
		}
		if f.Name == "" || f.Value == "" || units(f.Name) > 256 || units(f.Value) > 1024 {
			return errors.New("a field is empty or too long")
		}
	}
	if units(e.Title) > 256 || units(e.Description) > 4096 || len(e.Fields) > 25 || total > 6000 {
		return errors.New("too long")
	}
	if regexp.MustCompile("@everyone|@here|(^|[^\\\\])[*_`<\\[|]").MatchString(all) {
		return errors.New("untrusted mark-up")
	}
	if e.URL != "" && !strings.HasPrefix(e.URL, "https://") {
		return errors.New("bad url")
	}
	return nil
}

func teamsValid(_ *http.Request, body []byte) error {
	var sent struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if len(body) > 28<<10 {
		return errors.New("413, over 28 KB")
	}
	if sent.Type != "message" || len(sent.Attachments) != 1 ||
		sent.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" ||
		sent.Attachments[0].Content.Type != "AdaptiveCard" || sent.Attachments[0].Content.Version != "1.4" ||
		len(sent.Attachments[0].Content.Body) == 0 {
		return errors.New("TeamsChatBotRequest is malformed")
	}
	if strings.Contains(string(body), `"TextBlock"`) || strings.Contains(string(body), `"url":"javascript`) {
		return errors.New("untrusted mark-up")
	}
	return nil
}

var telegramTag = regexp.MustCompile(`</?[^<>]*>`)

func telegramValid(_ *http.Request, body []byte) error {
	var sent struct {
		ChatID    string `json:"chat_id"`
		Text      string `json:"text"`
		ParseMode string `json:"parse_mode"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if sent.ChatID == "" || sent.ParseMode != "HTML" || sent.Text == "" {
		return errors.New("bad request")
	}
	var open []string
	for _, tag := range telegramTag.FindAllString(sent.Text, -1) {
		name := strings.TrimPrefix(strings.Trim(tag, "<>"), "/")
		name, _, _ = strings.Cut(name, " ")
		if name != "b" && name != "a" && name != "code" {
			return errors.New("can't parse entities: " + tag)
		}
		if !strings.HasPrefix(tag, "</") {
			open = append(open, name)
		} else if len(open) == 0 || open[len(open)-1] != name {
			return errors.New("can't parse entities: unbalanced")
		} else {
			open = open[:len(open)-1]
		}
	}
	rest := telegramTag.ReplaceAllString(sent.Text, "")
	if len(open) > 0 || strings.ContainsAny(rest, "<>") || regexp.MustCompile(`&(?:[^aglq]|$)`).MatchString(rest) {
		return errors.New("can't parse entities")
	}
	if units(rest) > 4096 || regexp.MustCompile(`@[a-z]|://`).MatchString(rest) {
		return errors.New("too long, or a mention or link")
	}
	return nil
}

func ntfyValid(r *http.Request, body []byte) error {
	title := r.Header.Get("Title")
	switch {
	case len(body) == 0 || len(body) > 4096 || !utf8.Valid(body):
		return errors.New("message is empty, an attachment or not UTF-8")
	case len(title) > 256 || !utf8.ValidString(title) || title == "":
		return errors.New("title")
	case !regexp.MustCompile(`^[1-5]$`).MatchString(r.Header.Get("Priority")):
		return errors.New("priority invalid")
	case r.Header.Get("Click") != "" && !strings.HasPrefix(r.Header.Get("Click"), "https://"):
		return errors.New("click")
	}
	return nil
}

func gotifyValid(r *http.Request, body []byte) error {
	var sent struct {
		Title, Message string
		Priority       int
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if r.Header.Get("X-Gotify-Key") == "" || strings.Contains(r.URL.RawQuery, canary) {
		return errors.New("401")
	}
	if sent.Message == "" || r.URL.Path != "/sub/message" || sent.Priority < 1 || sent.Priority > 10 {
		return errors.New("Field 'message' is required")
	}
	return nil
}

func pushoverValid(r *http.Request, body []byte) error {
	if strings.Contains(r.URL.Path, "/receipts/cancel_by_tag/") {
		return nil
	}
	var sent struct {
		Token, User, Title, Message, URL string
		Priority, Retry, Expire          int
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if sent.Token == "" || sent.User == "" || sent.Message == "" || utf8.RuneCountInString(sent.Message) > 1024 ||
		utf8.RuneCountInString(sent.Title) > 250 ||
		len(sent.URL) > 512 {
		return errors.New("message cannot be blank, or too long")
	}
	if sent.Priority < -2 || sent.Priority > 2 || (sent.Priority == 2) != (sent.Retry >= 30 && sent.Expire > 0) {
		return errors.New("expire must be supplied with priority=2")
	}
	return nil
}

func matrixValid(r *http.Request, body []byte) error {
	var sent struct {
		MsgType, Body, Format string
		FormattedBody         string `json:"formatted_body"`
		Mentions              *struct{ Room bool }
	}
	plain := strings.Replace(string(body), `"m.mentions"`, `"mentions"`, 1)
	if err := json.Unmarshal([]byte(plain), &sent); err != nil {
		return err
	}
	switch {
	case r.Method != http.MethodPut || !strings.HasPrefix(r.URL.Path,
		"/_matrix/client/v3/rooms/!room:matrix.example/send/m.room.message/"):
		return errors.New("M_UNRECOGNIZED")
	case r.Header.Get("Authorization") != "Bearer "+canary || r.URL.RawQuery != "":
		return errors.New("M_MISSING_TOKEN")
	case len(body) > 60<<10:
		return errors.New("M_TOO_LARGE")
	case sent.MsgType != "m.text" || sent.Body == "" || sent.Format != "org.matrix.custom.html" || sent.Mentions == nil:
		return errors.New("M_BAD_JSON")
	}
	for _, tag := range telegramTag.FindAllString(sent.FormattedBody, -1) {
		if !regexp.MustCompile(`^<(br/|/?strong|/?code|/a|a href="https://[^"<>]*")>$`).MatchString(tag) {
			return errors.New("untrusted mark-up: " + tag)
		}
	}
	return nil
}

func genericValid(_ *http.Request, body []byte) error {
	var sent struct {
		Title, Message, Tone string
		Fields               []notify.Field
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if sent.Title == "" || sent.Message == "" || sent.Tone == "" || sent.Fields == nil {
		return errors.New("a key is missing")
	}
	return nil
}

func opsgenieValid(r *http.Request, body []byte) error {
	var sent struct{ Message, Description, Priority, Alias, Note string }
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if strings.HasSuffix(r.URL.Path, "/close") && units(sent.Note) < 25000 &&
		r.URL.Query().Get("identifierType") == "alias" {
		return nil
	}
	if sent.Message == "" || units(sent.Message) > 130 || units(sent.Description) > 15000 ||
		r.Header.Get("Authorization") != "GenieKey "+canary {
		return errors.New("422")
	}
	return nil
}

var mentions = regexp.MustCompile(`@(everyone|here|all|\*\*)|<(users/|!)|\]\(https?://evil|[a-z]://evil`)

func markdownValid(r *http.Request, body []byte) error {
	text := ""
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return err
		}
		if utf8.RuneCountInString(form.Get("topic")) > 60 || form.Get("to") == "" {
			return errors.New("bad topic or stream")
		}
		text = form.Get("content")
	} else {
		var sent struct {
			Text        string
			Attachments []struct {
				Text, Color, Fallback string
				Fields                []struct{ Title, Value string }
			}
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			return err
		}
		text = sent.Text
		for _, a := range sent.Attachments {
			text += "\n" + a.Text
			for _, f := range a.Fields {
				text += "\n" + f.Title + f.Value
			}
		}
	}
	if text == "" || len(text) > 48<<10 || mentions.MatchString(text) || !utf8.ValidString(text) {
		return errors.New("empty, too long, or a mention or link")
	}
	return nil
}

func TestPriorities(t *testing.T) {
	relief := ordinary()
	relief.Tone = notify.Relief
	low := ordinary()
	low.Severity = rules.Low
	for _, tt := range []struct {
		name, url string
		m         notify.Message
		want      string
	}{
		{"a critical alarm is an emergency at Pushover", "pushover://x:T@U/", ordinary(), `"expire":3600,"message":"kitchen`},
		{"unless the channel says how high", "pushover://x:T@U/?priority=1", ordinary(), `"priority":1`},
		{
			"with retry and expire it is an emergency", "pushover://x:T@U/?retry=60&expire=3600", ordinary(),
			`"expire":3600,"message":"kitchen`,
		},
		{"what is over is no emergency", "pushover://x:T@U/?retry=60&expire=3600&priority=2", relief, `"priority":-1`},
		{"low is quiet", "pushover://x:T@U/", low, `"priority":-1`},
		{"the channel's priority goes before the severity's", "gotify://h/T?priority=2", ordinary(), `"priority":2`},
		{
			"extra keys and other names reach a webhook",
			"generic://h/x?template=json&messagekey=text&titlekey=head&$room=kitchen", ordinary(), `"head":"Freezer too warm"`,
		},
		{
			"Opsgenie gets what is given for every alert",
			"opsgenie://h/K?details=room:attic&visibleTo=team:ops&actions=Look&priority=P5", ordinary(),
			`{"actions":["Look"],"alias":"a1"`,
		},
		{"as pairs", "opsgenie://h/K?details=room:attic", ordinary(), `"room":"attic"`},
		{"for whom it shows", "opsgenie://h/K?visibleTo=team:ops", ordinary(), `"visibleTo":[{"type":"team","name":"ops"}]`},
		{"a text for a badge", "bark://:k@h/?badge=x", ordinary(), `"badge":"x"`},
		{"a number with a zero before it", "gotify://h/T?priority=08", ordinary(), `"priority":8`},
		{"a number for a badge", "bark://:k@h/?badge=3", ordinary(), `"badge":3`},
		{
			"a webhook that wants text gets text", "generic://h/x?contenttype=text/plain", ordinary(),
			"Freezer too warm\nkitchen is at",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := newInbox(t, says(200, `{"status":1,"id":1,"code":200}`))
			wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel(tt.url), tt.m))
			if body := in.one(t).body; !strings.Contains(body, tt.want) {
				t.Errorf("body = %s; want %s in it", body, tt.want)
			}
		})
	}
}

func TestHeadersOfWebhooks(t *testing.T) {
	in := newInbox(t, says(200, ""))
	address := "generic+" + in.URL + "/a%2Fb/c?@X-API-Key=k&@userAgent=me&template=theirs&messagekey=theirs&q=1&q=2"
	wantSent(t, shoutrrr.New(options()).Send(context.Background(), channel(address), ordinary()))
	g := in.one(t)
	if g.header.Get("X-Api-Key") != "k" || g.header.Get("User-Agent") != "me" || g.header.Get("X-Message-Id") != "n1" {
		t.Errorf("headers = %v", g.header)
	}
	if q := g.query.Encode(); q != "messagekey=theirs&q=1&q=2&template=theirs" || g.path != "/a%2Fb/c" {
		t.Errorf("address = %s?%s", g.path, q)
	}
	if !strings.Contains(g.body, `"message":"kitchen`) {
		t.Errorf("body = %s", g.body)
	}
}

func TestNtfyKnowsWhatComesAgain(t *testing.T) {
	in := newInbox(t, says(200, "{}"))
	wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(),
		channel("ntfy://u:p@h/sub/topic?scheme=http&tags=home&priority=max&cache=no"), ordinary()))
	g := in.one(t)
	for name, want := range map[string]string{
		"X-Sequence-Id": "a1", "Tags": "rotating_light,home", "Priority": "5", "Cache": "no", "Authorization": "Basic dTpw",
	} {
		if g.header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, g.header.Get(name), want)
		}
	}
	if g.meant != "http://h" || g.path != "/sub/topic" {
		t.Errorf("went to %s%s", g.meant, g.path)
	}
}
