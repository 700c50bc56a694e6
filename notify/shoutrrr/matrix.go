package shoutrrr

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// matrix is an account of a homeserver and the rooms it writes to.
type matrix struct {
	origin string
	token  string
	rooms  []string
}

var roomID = regexp.MustCompile(`^![^\s/]+$`)

// readMatrix reads matrix://:TOKEN@host/?rooms=!id:server. Names and passwords
// are refused: they would mean a log-in, and a new device, for each message.
func readMatrix(a address) (service, error) {
	q, err := a.options("rooms", "room", "title", "disabletls")
	if err != nil {
		return nil, err
	}
	origin, err := a.web(q, "disabletls")
	if err != nil {
		return nil, err
	}
	token, _ := a.User.Password()
	if a.User.Username() != "" || token == "" || a.Host == "" {
		return nil, wrong("must have an access token and no user: matrix://:TOKEN@host/?rooms=!id:server; Element shows the token under Settings, Help & About")
	}
	rooms := list(q.Get("rooms") + "," + q.Get("room"))
	if len(rooms) == 0 {
		return nil, wrong("must name the rooms to write to: ?rooms=!id:server")
	}
	for i, r := range rooms {
		if !roomID.MatchString(r) {
			return nil, wrong("has in rooms one that is no room id; it begins with ! and is under Room Settings, Advanced")
		}
		rooms[i] = r
	}
	return matrix{origin: origin, token: token, rooms: rooms}, nil
}

// matrixLimit keeps both forms of the text and the event around them under the
// 64 KB that an event may have.
const matrixLimit = 16 << 10

var (
	matrixHTML = style{
		limit: matrixLimit, size: inBytes, escape: escapeHTML("<br/>"), newline: "<br/>", bold: [2]string{"<strong>", "</strong>"},
		mono: inCode, link: htmlLink,
	}
	matrixPlain = func() style {
		s := plain(matrixLimit, inBytes)
		s.untitled = false
		return s
	}()
)

func (x matrix) dress(m notify.Message) []parcel {
	m = titled(tame(m))
	body := asJSON(map[string]any{
		"msgtype": "m.text", "body": matrixPlain.body(m),
		"format": "org.matrix.custom.html", "formatted_body": matrixHTML.body(m),
		"m.mentions": map[string]any{}, // nobody is meant, whatever the text says
	})
	transaction := url.PathEscape(cmp.Or(m.ID, rand.Text()))
	var parcels []parcel
	for _, room := range x.rooms {
		to := strings.Join([]string{x.origin, "_matrix/client/v3/rooms", url.PathEscape(room), "send/m.room.message", transaction}, "/")
		parcels = append(parcels, post{
			to: room, method: "PUT", url: to, body: body, read: matrixTook,
			header: map[string]string{"Authorization": "Bearer " + x.token},
		})
	}
	return parcels
}

// matrixTook wants the id of the event that was made.
func matrixTook(body []byte) string {
	var made struct {
		EventID string `json:"event_id"`
	}
	if json.Unmarshal(body, &made) != nil || made.EventID == "" {
		return "server"
	}
	return ""
}
