package influx

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

const mostErrorText = 4 << 10

// form is how an answer is asked for: what it is written in, if the server
// knows that, and whether it comes in chunks.
type form struct {
	accept  string
	chunked bool
}

// post sends statements and returns the answer, which the caller closes. Its
// error is fit to be shown.
func (c *Client) post(ctx context.Context, statements []byte, as form) (*http.Response, error) {
	form := url.Values{"db": {c.options.Database}, "epoch": {"ns"}}
	if as.chunked {
		form.Set("chunked", "true")
	}
	if c.options.Retention != "" {
		form.Set("rp", c.options.Retention)
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
	if resp.StatusCode != http.StatusOK {
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

// refusal makes an error of an answer that is not 200, and closes it.
func (c *Client) refusal(resp *http.Response) error {
	said := errorText(resp)
	status := resp.StatusCode
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return c.locked(said)
	case status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge ||
		status == http.StatusUnprocessableEntity:
		return c.refused(said)
	case status >= 300 && status < 400:
		return rules.Errorf(rules.Unavailable,
			"InfluxDB at %s sends the query elsewhere (%s); set url of the source to the final address", c.base.String(),
			resp.Status)
	case status == http.StatusNotFound:
		return c.with(said, "InfluxDB at %s has no /query for database %q; check url and database of the source (InfluxDB "+
			"2 needs a DBRP mapping for the bucket)", c.base.String(), c.options.Database)
	}
	c.forget()
	return c.with(said, "InfluxDB at %s cannot answer now (%s)", c.base.String(), http.StatusText(status))
}

// errorText reads what a refusal says, and closes it.
func errorText(resp *http.Response) string {
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostErrorText))
	if closeErr := resp.Body.Close(); err != nil || closeErr != nil {
		return ""
	}
	if isPack(resp.Header.Get("Content-Type")) {
		body = packToJSON(body)
	}
	var doc struct{ Error, Message string }
	if json.Unmarshal(body, &doc) == nil && doc.Error+doc.Message != "" {
		return strings.TrimSpace(doc.Error + " " + doc.Message)
	}
	return string(body)
}

// unavailable is the error for a server that could not be asked.
func (c *Client) unavailable(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return c.tooLarge()
	case errors.Is(err, errPartial):
		return c.statementError(partialText)
	}
	c.forget()
	switch {
	case errors.Is(err, context.Canceled):
		return rules.Errorf(rules.Unavailable, "InfluxDB at %s was not asked to the end: the call was given up",
			c.base.String())
	case errors.Is(err, context.DeadlineExceeded):
		return evaluator.TooMuch(rules.Errorf(rules.Unavailable,
			"InfluxDB at %s did not answer in time; a longer timeout of the source or a shorter window may help",
			c.base.String()))
	}
	return c.with(err.Error(), "InfluxDB at %s does not answer", c.base.String())
}

// locked is the error for a credential that does not fit.
func (c *Client) locked(said string) error {
	c.forget()
	given := "no credential"
	switch {
	case c.options.Username != "":
		given = "the username and password"
	case !c.options.Token.IsZero():
		given = "the token"
	}
	return c.with(said, "InfluxDB at %s refuses %s; set token_file, or username and password_file, of the source to a "+
		"credential that may read database %q",
		c.base.String(), given, c.options.Database)
}

// refused is the error for a query that the server does not take.
func (c *Client) refused(said string) error {
	return c.about(rules.Invalid, said, "InfluxDB refuses the query")
}

// statementError makes an error of what the server says about one statement.
func (c *Client) statementError(said string) error {
	lower := strings.ToLower(said)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(lower, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("database not found", "retention policy not found"):
		return c.with(said, "InfluxDB at %s has no database %q with the retention policy asked for; set database and "+
			"retention of the source", c.base.String(), c.options.Database)
	case has("not authorized", "authoriz", "unauthorized"):
		return c.locked(said)
	case said == partialText:
		return c.with(said, "InfluxDB at %s cut its answer at a limit of its own; set max-row-limit to 0 in its "+
			"configuration, or ask for less", c.base.String())
	case has("timeout"):
		return evaluator.TooMuch(c.with(said, "InfluxDB at %s could not finish the query", c.base.String()))
	case has("interrupted", "max-concurrent", "not executed", "closed", "shutdown"):
		return c.with(said, "InfluxDB at %s could not finish the query", c.base.String())
	}
	return c.refused(said)
}

// with is an Unavailable error; what others said goes behind it, for the log.
func (c *Client) with(said, format string, args ...any) error {
	return c.about(rules.Unavailable, said, format, args...)
}

func (c *Client) about(code rules.Code, said, format string, args ...any) error {
	err := rules.Errorf(code, format, args...)
	if said = c.clean(said); said == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, said)
}

// clean takes credentials and control characters out of foreign text and cuts
// it short.
func (c *Client) clean(said string) string {
	token, password := c.options.Token.Reveal(), c.options.Password.Reveal()
	_, tail, _ := strings.Cut(token, ":")
	basic := base64.StdEncoding.EncodeToString([]byte(c.options.Username + ":" + password))
	for _, secret := range []string{
		basic, base64.StdEncoding.EncodeToString([]byte(token)), token, tail, password,
		url.QueryEscape(token), url.QueryEscape(password),
	} {
		if secret != "" && secret != "Og==" {
			said = strings.ReplaceAll(said, secret, "[set]")
		}
	}
	said = strings.Join(strings.Fields(strings.ToValidUTF8(said, "?")), " ")
	if runes := []rune(said); len(runes) > 300 {
		said = string(runes[:300]) + "..."
	}
	return said
}
