package shoutrrr

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// post is a message as the request that tells it to one target.
type post struct {
	to          string            // see target
	was         []string          // what it was called before
	method      string            // POST if empty
	url         string            // http or https
	contentType string            // JSON if empty
	header      map[string]string // goes before what is set by itself
	body        string
	failure     func(body []byte) string // see response.outcome; nil takes every 2xx
	hook        bool                     // the address is all that there is of the channel at its service
	ref         string                   // where the answer says what the message is called, as statements have it
	then        []post                   // what belongs to the message too: it is sent when all of it is
	edit        *post                    // makes the first message about the same tell it too, which may fail
	also        []post                   // what else is nice to have when it is sent, and may fail
}

func (p post) target() string {
	name := oneLine(p.to)
	if fitRunes(name, 100) == name {
		return name
	}
	return fitRunes(name, 90) + hashed(p.to)
}

func (p post) formerly() []string { return append(p.was, fitRunes(oneLine(p.to), 100)) }

// hashed tells an id from others that look alike where it is not shown whole.
func hashed(id string) string {
	hash := sha256.Sum256([]byte(id))
	return fmt.Sprintf(" #%x", hash[:4])
}

// masked names an id, which might open something, by its end and its hash: by
// itself alone, so that the name stays whoever else there is.
func masked(what, id string) string {
	if len(id) >= longID {
		what += " …" + id[len(id)-shownOfID:]
	}
	return what + hashed(id)
}

// formerly is what masked called the i-th of ids when places and ends named
// them: messages under those names may be owed still.
func formerly(what string, ids []string, i int) []string {
	if len(ids[i]) < longID {
		return []string{fmt.Sprintf("%s %d", what, i+1)}
	}
	end := ids[i][len(ids[i])-shownOfID:]
	if slices.ContainsFunc(ids, func(other string) bool { return other != ids[i] && strings.HasSuffix(other, end) }) {
		return []string{fmt.Sprintf("%s %d", what, i+1), what + " …" + end}
	}
	return []string{what + " …" + end}
}

// An ID as long as longID is known by the last shownOfID of its bytes.
const longID, shownOfID = 16, 4

func (p post) host() string {
	u, err := url.Parse(p.url)
	if err != nil {
		return "" // send refuses it
	}
	return u.Host
}

func (p post) send(ctx context.Context, s *Sender) rules.Outcome {
	return p.judging(ctx, s, &response{})
}

// judging is send that keeps the answer.
func (p post) judging(ctx context.Context, s *Sender, r *response) rules.Outcome {
	if p.edit != nil && s.edits {
		if out := p.edit.one(ctx, s, &response{}); out.State == rules.Sent {
			out.Ref = ""
			return out
		}
	}
	out := p.one(ctx, s, r)
	for _, next := range p.then {
		if out.State != rules.Sent {
			return out
		}
		if o := next.one(ctx, s, &response{}); o.State != rules.Sent {
			out = o
		}
	}
	if out.State == rules.Sent && p.edit != nil && !s.edits {
		p.also = append(p.also, *p.edit)
	}
	if out.State == rules.Sent {
		s.sideEffects(ctx, p.also)
	}
	return out
}

// patience bounds what is nice to have.
const patience = 2 * time.Second

// sideEffects does what may fail; what became of the message does not hang on it.
func (s *Sender) sideEffects(ctx context.Context, list []post) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, p := range list {
		p.one(ctx, s, &response{})
	}
}

// refForm is how services call messages.
var refForm = regexp.MustCompile(`^[A-Za-z0-9$_.:=+/-]{1,255}$`)

// called is what the answer calls the message that was taken.
func (p post) called(r response) string {
	for _, s := range statements(r.body) {
		if ref, ok := strings.CutPrefix(s, p.ref+"="); ok && p.ref != "" && refForm.MatchString(ref) {
			return ref
		}
	}
	return ""
}

// one sends one request and keeps its answer in r.
func (p post) one(ctx context.Context, s *Sender, r *response) rules.Outcome {
	req, ok := p.request(ctx)
	if !ok {
		return dead("invalid", 0)
	}
	*r = s.exchange(req)
	out := r.outcome(s.known, p.failure)
	if p.hook && out.Class == "rejected" && (r.status == http.StatusNotFound || r.status == http.StatusGone) {
		out.Class = "gone"
	}
	if out.State == rules.Sent {
		out.Ref = p.called(*r)
	}
	return out
}

// request is the post as it goes; false where its address is none.
func (p post) request(ctx context.Context) (*http.Request, bool) {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(p.method, http.MethodPost), p.url, strings.NewReader(p.body))
	if err != nil {
		return nil, false
	}
	req.Header.Set("Accept", "application/json, */*")
	req.Header.Set("User-Agent", "tocsin")
	req.Header.Set("Content-Type", cmp.Or(p.contentType, "application/json"))
	for name, value := range p.header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	return req, true
}

// asJSON writes v as it is, without the escapes for HTML that double its size.
func asJSON(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types always encode
	}
	return strings.TrimSuffix(out.String(), "\n")
}
