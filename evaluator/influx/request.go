package influx

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
)

// form is how an answer is asked for: what it is written in, if the server
// knows that, and whether it comes in chunks.
type form struct {
	accept  string
	chunked bool
}

// post sends statements and returns the answer, which the caller closes. Its
// error is fit to be shown.
func (c *Client) post(ctx context.Context, statements []byte, as form) (*http.Response, error) {
	database, retention, err := c.place(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"db": {database}, "epoch": {"ns"}}
	if as.chunked {
		form.Set("chunked", "true")
	}
	if retention != "" {
		form.Set("rp", retention)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+"/query",
		bytes.NewReader(appendForm(form, statements)))
	if err != nil {
		return nil, c.unavailable(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", as.accept)
	// A query may be repeated: this lets the transport try again when the
	// server closed an idle connection, as a restart does. It is not sent.
	req.Header["Idempotency-Key"] = nil
	if err := c.authorize(ctx, req); err != nil {
		return nil, err
	}
	resp, err := c.http.RoundTrip(req)
	if err != nil {
		return nil, c.unavailable(err)
	}
	unzip(resp)
	if resp.StatusCode != http.StatusOK || isPage(resp) && !beginsAsJSON(resp) {
		return nil, c.refusal(resp)
	}
	return resp, nil
}

// appendForm writes a form whose q are the statements, in one go: there may be
// megabytes of them in a tick.
func appendForm(form url.Values, statements []byte) []byte {
	const hex = "0123456789ABCDEF"
	escaped := 0
	for _, c := range statements {
		if !plain(c) && c != ' ' {
			escaped++
		}
	}
	head := form.Encode() + "&q="
	b := append(make([]byte, 0, len(head)+len(statements)+2*escaped), head...)
	for _, c := range statements {
		switch {
		case plain(c):
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// plain reports whether a byte stands for itself in a form.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' ||
		c == '~'
}

// authorize adds the credential in the form that the version takes. Only a
// token needs to know the version.
func (c *Client) authorize(ctx context.Context, req *http.Request) error {
	token := c.options.Token.Reveal()
	if c.options.Username != "" || token == "" {
		c.authorizeAs("", req)
		return nil
	}
	major, err := c.version(ctx)
	if err != nil {
		return err
	}
	c.authorizeAs(major, req)
	return nil
}

func (c *Client) authorizeAs(major string, req *http.Request) {
	token := c.options.Token.Reveal()
	user, password, pair := strings.Cut(token, ":")
	switch {
	case c.options.Username != "":
		req.SetBasicAuth(c.options.Username, c.options.Password.Reveal())
	case token == "":
	case pair && major != "2" && major != "3":
		req.SetBasicAuth(user, password) // 1.x before 1.8 does not know Token
	case major == "1", major == "3":
		req.Header.Set("Authorization", "Bearer "+token)
	default:
		req.Header.Set("Authorization", "Token "+token)
	}
}
