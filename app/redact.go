package app

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// Redactor takes configured secrets out of what leaves, in whatever form they
// are written. It guards against a leak elsewhere, and finds nothing otherwise.
type Redactor struct {
	replace *strings.Replacer
	long    []string // what no argument may hold: it stands in no ordinary text
}

// NewRedactor returns the Redactor for the secrets of a config; nil has none.
func NewRedactor(c *Config) Redactor {
	if c == nil {
		return Redactor{replace: strings.NewReplacer()}
	}
	secrets := []rules.Secret{c.Token, c.Heartbeat.URL}
	for _, source := range c.Sources {
		secrets = append(secrets, source.Token, source.Password)
	}
	for _, channel := range c.Channels {
		secrets = append(secrets, channel.URL)
	}
	var pairs, long []string
	for _, secret := range secrets {
		if text := secret.Reveal(); len(text) >= longSecret {
			long = append(long, text)
		}
		for _, form := range forms(secret.Reveal()) {
			pairs = append(pairs, form, "[secret]")
		}
	}
	return Redactor{strings.NewReplacer(pairs...), long}
}

// longSecret is from how many letters on a secret is no word that a rule may
// need, such as the name of a measurement.
const longSecret = 12

// Holds reports whether a value, as JSON, holds a secret that is no word.
func (r Redactor) Holds(v any) bool {
	text := inJSON(v)
	return slices.ContainsFunc(r.long, func(secret string) bool {
		quoted := inJSON(secret)
		return strings.Contains(text, quoted[1:len(quoted)-1])
	})
}

// inJSON is what was read as JSON, or a text, as JSON.
func inJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// forms are the ways in which a secret may be written. One of a few letters
// would be found in ordinary words.
func forms(secret string) []string {
	if len(secret) < 6 {
		return nil
	}
	raw := []byte(secret)
	quoted := inJSON(secret)
	out := []string{
		secret, quoted[1 : len(quoted)-1], url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString(raw),
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Within a longer text, such as a user and a password, it begins at any
		// of three places, and its first and last letters are its neighbours' too.
		for place := range 3 {
			text := encoding.EncodeToString(append(make([]byte, place), raw...))
			out = append(out, text[(place*8+5)/6:len(text)-1])
		}
	}
	return out
}

// Clean returns a text without the secrets.
func (r Redactor) Clean(text string) string { return r.replace.Replace(text) }
