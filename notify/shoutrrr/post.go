package shoutrrr

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/router"
	"github.com/containrrr/shoutrrr/pkg/types"

	"github.com/9bikes/tocsin/rules"
)

// post is a request that shoutrrr's generic service makes for us.
type post struct {
	to          string   // see target
	was         []string // what it was called before
	method      string   // POST if empty
	url         string   // http or https
	contentType string   // JSON if empty
	header      map[string]string
	body        string
	read        func(body []byte) string // see reply.outcome; nil takes every 2xx
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
		return "" // carry refuses it
	}
	return u.Host
}

func (p post) carry(ctx context.Context, s *Sender) rules.Outcome {
	id := rand.Text()
	address, err := p.generic(id)
	if err != nil {
		return dead("invalid", 0)
	}
	through := &passage{ctx: ctx}
	defer s.guard.admit(id, through)()
	if err := send(address, p.body); through.reply == nil {
		return unguarded(err)
	}
	return through.reply.outcome(p.read)
}

// unguarded is for a delivery that did not pass the guard: shoutrrr refused its
// URL, or, without an error, somebody has taken the guard away.
func unguarded(err error) rules.Outcome {
	if err == nil {
		return unknown("invalid", 0)
	}
	return dead("invalid", 0)
}

// send makes a shoutrrr service for one message and has it sent. The errors are
// for a yes or no only: shoutrrr quotes the URL in them.
func send(address, body string) error {
	var r router.ServiceRouter
	service, err := r.Locate(address)
	if err != nil {
		return fmt.Errorf("make the shoutrrr service: %w", err)
	}
	return service.Send(body, &types.Params{})
}

// genericProps are the query keys that shoutrrr's generic service takes for
// itself; a webhook's own key of that name is marked with two underscores.
const genericProps = " contenttype disabletls template title titlekey messagekey method "

// generic writes the request as a URL of shoutrrr's generic service, marked for
// the guard.
func (p post) generic(id string) (string, error) {
	u, err := url.Parse(p.url)
	if err != nil {
		return "", fmt.Errorf("read the webhook's address: %w", err)
	}
	query := url.Values{}
	for key, values := range u.Query() {
		if strings.Contains(genericProps, " "+key+" ") {
			key = "__" + key
		}
		query[key] = values
	}
	query.Set("disabletls", yesno(u.Scheme == "http"))
	query.Set("method", cmp.Or(p.method, "POST"))
	query.Set("contenttype", cmp.Or(p.contentType, "application/json"))
	query.Set("@Accept", "application/json, */*")
	query.Set("@User-Agent", "tocsin")
	for key, value := range p.header {
		query.Set("@"+headerKey(key), value)
	}
	query.Set("@"+marker, id)
	u.Scheme, u.RawQuery = "generic", query.Encode()
	return u.String(), nil
}

var capital = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// headerKey writes a header's name in the one way that shoutrrr, which puts a
// dash before capitals, leaves alone. From it comes that X-API-Key may be
// written in camelCase too, xApiKey.
func headerKey(name string) string {
	if !strings.Contains(name, "-") {
		name = capital.ReplaceAllString(name, "$1-$2")
	}
	return http.CanonicalHeaderKey(name)
}

func yesno(b bool) string {
	if b {
		return "yes"
	}
	return "no"
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
