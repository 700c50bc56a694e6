package shoutrrr

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"

	"github.com/containrrr/shoutrrr/pkg/services/matrix"

	"github.com/9bikes/tocsin/notify"
)

// matrixAccount is an account of a homeserver and the rooms it writes to.
type matrixAccount struct{ matrix.Config }

var roomID = regexp.MustCompile(`^![^\s/]+$`)

// parseMatrix reads matrix://:TOKEN@host/?rooms=!id:server. Names and passwords
// are refused: they would mean a log-in, and a new device, for each message.
func parseMatrix(a address) (service, error) {
	var x matrixAccount
	form := wrong("must have an access token and no user: matrix://:TOKEN@host/?rooms=!id:server; " +
		"Element shows the token under Settings, Help & About")
	if err := a.into(&x.Config, form); err != nil {
		return nil, err
	}
	if x.User != "" || x.Password == "" || x.Host == "" {
		return nil, form
	}
	if len(x.Rooms) == 0 {
		return nil, wrong("must name the rooms to write to: ?rooms=!id:server")
	}
	for _, r := range x.Rooms {
		if !roomID.MatchString(r) {
			return nil, wrong("has in rooms one that is no room id; it begins with ! and is under Room Settings, Advanced")
		}
	}
	return x, nil
}

// matrixLimit keeps both forms of the text and the event around them under the
// 64 KB that an event may have.
const matrixLimit = 16 << 10

var (
	matrixHTML = style{
		limit: matrixLimit, size: inBytes, escape: escapeHTML("<br/>"), newline: "<br/>",
		bold: [2]string{"<strong>", "</strong>"}, mono: inCode, link: htmlLink, shown: untold,
	}
	matrixPlain = func() style {
		s := plain(matrixLimit, inBytes)
		s.untitled, s.shown = false, untold
		return s
	}()
)

func (x matrixAccount) render(m notify.Message) []delivery {
	m = titled(tame(m))
	content := map[string]any{
		"msgtype": "m.text", "body": matrixPlain.body(m),
		"format": "org.matrix.custom.html", "formatted_body": matrixHTML.body(m),
		"m.mentions": map[string]any{}, // nobody is meant, whatever the text says
	}
	edit := map[string]any{
		"msgtype": "m.text", "body": "* " + matrixPlain.body(m), "m.mentions": map[string]any{},
		"m.new_content": maps.Clone(content),
		"m.relates_to":  map[string]any{"rel_type": "m.replace", "event_id": m.Replaces},
	}
	if m.Answers != "" {
		content["m.relates_to"] = map[string]any{"m.in_reply_to": map[string]any{"event_id": m.Answers}}
	}
	body := asJSON(content)
	transaction := url.PathEscape(cmp.Or(m.ID, rand.Text()))
	rooms := scheme(x.DisableTLS) + "://" + x.Host + "/_matrix/client/v3/rooms/"
	var deliveries []delivery
	for _, room := range x.Rooms {
		to := rooms + url.PathEscape(room) + "/send/m.room.message/" + transaction
		p := post{
			to: room, method: "PUT", url: to, body: body, failure: matrixFailure, ref: "event_id",
			header: map[string]string{"Authorization": "Bearer " + x.Password},
		}
		if m.Replaces != "" {
			p.edit = &post{method: "PUT", url: to + "-edit", body: asJSON(edit), failure: matrixFailure, header: p.header}
		}
		deliveries = append(deliveries, p)
	}
	return deliveries
}

// matrixFailure wants the id of the event that was made.
func matrixFailure(body []byte) string {
	var made struct {
		EventID string `json:"event_id"`
	}
	if json.Unmarshal(body, &made) != nil || made.EventID == "" {
		return "server"
	}
	return ""
}
