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
	"slices"
	"strings"

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
	req, ok := p.request(ctx)
	if !ok {
		return dead("invalid", 0)
	}
	r := s.exchange(req)
	out := r.outcome(s.known, p.failure)
	if p.hook && out.Class == "rejected" && (r.status == http.StatusNotFound || r.status == http.StatusGone) {
		out.Class = "gone"
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
