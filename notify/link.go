package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Action is something that a person can do about a message from where it is
// read.
type Action struct {
	Label string
	URL   string
	POST  bool // a POST to URL does it at once; opening URL only shows what it would do
}

// LinkAct is what a signed link does.
type LinkAct string

// The acts of links.
const (
	LinkAck    LinkAct = "ack"    // acknowledge
	LinkSnooze LinkAct = "snooze" // acknowledge for an hour
	LinkUndo   LinkAct = "undo"   // take either back
)

// Link is what a signed link is bound to: none of it can be changed without the
// key.
type Link struct {
	Alerts  []string // those that it answers for, by ID
	Message string   // where they are too many for an address: the message that tells of them, by ID
	Act     LinkAct
	Channel string // where the message with the link went
	Expires time.Time
}

// Signer makes links and knows its own again. Whoever holds a link may do its
// act, so links are secrets too.
type Signer struct{ key *Key }

// NewSigner signs with a key.
func NewSigner(key *Key) *Signer { return &Signer{key} }

// Sign returns the token of a link.
func (s *Signer) Sign(l Link) string {
	body := l.body()
	return base64.RawURLEncoding.EncodeToString(append(body, s.mac(second, body)...))
}

// signature is a form of tokens: what is signed before the body, how long the
// signature is and how many parts the body has.
type signature struct {
	name        string
	size, parts int
}

// Tokens are of the second form; those of the first are out for a week after an
// upgrade.
var (
	first  = signature{"tocsin link 1", sha256.Size, 3}
	second = signature{"tocsin link 2", sha256.Size / 2, 4}
)

// body is what is signed: the expiry, then the parts, each with its length in
// front, so that none can lend a letter to its neighbour.
func (l Link) body() []byte {
	body := binary.AppendVarint(nil, l.Expires.Unix())
	for _, part := range []string{strings.Join(l.Alerts, ","), string(l.Act), l.Channel, l.Message} {
		body = append(binary.AppendUvarint(body, uint64(len(part))), part...)
	}
	return body
}

func (s *Signer) mac(form signature, body []byte) []byte {
	h := hmac.New(sha256.New, s.key.bytes())
	h.Write([]byte(form.name + "\x00"))
	h.Write(body)
	return h.Sum(nil)[:form.size]
}

// signed is the body of a token in one of the forms, nil where it is none of ours.
func (s *Signer) signed(text []byte) (body []byte, form signature) {
	for _, form := range []signature{second, first} {
		if at := len(text) - form.size; at > 0 && hmac.Equal(text[at:], s.mac(form, text[:at])) {
			return text[:at], form
		}
	}
	return nil, signature{}
}

// Read returns the link of a token: rules.Forbidden when it is not one of
// ours, rules.Conflict when it has expired.
func (s *Signer) Read(token string, now time.Time) (Link, error) {
	forged := rules.Errorf(rules.Forbidden,
		"this link is not complete, or not one of this tocsin; open it from the message itself")
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return Link{}, forged
	}
	body, form := s.signed(text)
	if body == nil {
		return Link{}, forged
	}
	l, err := parseLink(body, form.parts)
	if err != nil {
		return Link{}, forged
	}
	if !now.Before(l.Expires) {
		return l, rules.WithHint(rules.Errorf(rules.Conflict,
			"this link is too old; the alert may still be open: look at a newer message"), rules.SeeAlerts, "")
	}
	return l, nil
}

func parseLink(body []byte, count int) (Link, error) {
	expires, n := binary.Varint(body)
	if n <= 0 {
		return Link{}, fmt.Errorf("read a link's expiry: %d", n)
	}
	body = body[n:]
	var parts [4]string
	for i := range count {
		length, n := binary.Uvarint(body)
		if n <= 0 || length > uint64(len(body)-n) {
			return Link{}, fmt.Errorf("read part %d of a link: %d", i, n)
		}
		parts[i], body = string(body[n:n+int(length)]), body[n+int(length):]
	}
	var alerts []string
	if parts[0] != "" {
		alerts = strings.Split(parts[0], ",")
	}
	return Link{
		Alerts: alerts, Message: parts[3], Act: LinkAct(parts[1]), Channel: parts[2],
		Expires: time.Unix(expires, 0).UTC(),
	}, nil
}

// actions are the links of a message: they answer for all the alerts in it that
// fire. One that counts alerts instead of naming them has none, because nobody
// can answer for what he is not told.
func (o Options) actions(message string, list []rules.Notification) []Action {
	firing := stillFires(list)
	if o.Links == nil || len(firing) == 0 || len(firing) > digestOver {
		return nil
	}
	return o.Links(message, firing)
}

// stillFires lists the newest notification about each alert that is not over.
func stillFires(list []rules.Notification) (out []rules.Notification) {
	for _, it := range merge(list) {
		if tone(it) == Alarm {
			out = append(out, it.Notification)
		}
	}
	return out
}

// LinkURL is where a token is opened, below the address that people reach
// tocsin at.
func LinkURL(public, token string) string { return strings.TrimRight(public, "/") + "/a/" + token }
