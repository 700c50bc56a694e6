package influx

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

const mostErrorText = 4 << 10

// refusal makes an error of an answer that is not 200, or is no data, and closes
// it.
func (c *Client) refusal(resp *http.Response) error {
	said, status := errorText(resp), resp.StatusCode
	switch {
	case status >= 300 && status < 400:
		return c.elsewhere(resp)
	case status == http.StatusProxyAuthRequired:
		return c.with("", "the proxy before InfluxDB at %s wants a login; write it into proxy of the source", c.base.String())
	case status == http.StatusBadRequest && spokenPlain.MatchString(said):
		return c.with("", "InfluxDB at %s speaks TLS; write https:// in url of the source", c.base.String())
	case isPage(resp):
		return c.stranger(resp, said)
	case status == http.StatusUnauthorized:
		return c.locked(said)
	case status == http.StatusForbidden:
		return c.forbidden(said)
	case status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge ||
		status == http.StatusUnprocessableEntity:
		return c.refused(said)
	case status == http.StatusNotFound && aboutDatabase.MatchString(said):
		return c.absent(said)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return c.stranger(resp, said)
	}
	c.forget()
	return c.with(said, "InfluxDB at %s cannot answer now (%s)", c.base.String(), http.StatusText(status))
}

// spokenPlain is what a server says at its TLS port to one that speaks none.
var spokenPlain = regexp.MustCompile(`(?i)HTTP request (was )?sent to (an )?HTTPS|HTTP request to an HTTPS server`)

// aboutDatabase is what a 404 says that comes from InfluxDB itself.
var aboutDatabase = regexp.MustCompile(`(?i)bucket|database|dbrp|retention|organization`)

// isPage reports whether an answer is meant for a browser.
func isPage(resp *http.Response) bool {
	return strings.Contains(strings.ToLower(resp.Header.Get("Content-Type")), "html")
}

// beginsAsJSON looks at how a body begins, which stays to be read: a proxy may call
// an answer a page that is none.
func beginsAsJSON(resp *http.Response) bool {
	in := bufio.NewReader(resp.Body)
	head, _ := in.Peek(16)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{in, resp.Body}
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{"))
}

// elsewhere is the error for a redirect, which is not followed: the credential is
// for the server that was named.
func (c *Client) elsewhere(resp *http.Response) error {
	to, err := resp.Location()
	if err != nil {
		return c.with("", "InfluxDB at %s sends the query elsewhere (%s); set url of the source to the final address",
			c.base.String(), resp.Status)
	}
	to = &url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path} // a query may hold a secret
	if loginPath.MatchString(to.Path) {
		return c.with("", "what answers at %s asks for a login at %s: it is a page for people or a proxy with a login, not "+
			"InfluxDB; set url of the source to InfluxDB's own address, or let the proxy pass /query",
			c.base.String(), to)
	}
	return c.with("", "InfluxDB at %s sends the query elsewhere, to %s; set url of the source to the final address, "+
		"for example %s", c.base.String(), to, strings.TrimSuffix(to.String(), "/query"))
}

var loginPath = regexp.MustCompile(`(?i)log-?in|sign-?in|auth|sso|saml|portal`)

// stranger is the error for what answers and is no InfluxDB.
func (c *Client) stranger(resp *http.Response, said string) error {
	what := "an answer of its own"
	if isPage(resp) {
		what, said = "a page", pageTitle(said)
		if said != "" {
			what = fmt.Sprintf("the page %q", c.clean(said))
		}
		said = ""
	}
	if server := c.clean(resp.Header.Get("Server")); server != "" {
		what += " of " + server
	}
	cure := "check host, port and path of url"
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		cure = "a proxy before InfluxDB wants another login, or has to let /query pass"
	case http.StatusOK:
		cure = "if it is a login page, let the proxy pass /query; else " + cure
	default:
		cure += "; a proxy before InfluxDB has to pass on /query and /ping"
	}
	return c.with(said, "not InfluxDB answers the query at %s but something else, with %s (%s); %s", c.base.String(), what,
		strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode))), cure)
}

var titleTag = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

func pageTitle(page string) string {
	if m := titleTag.FindStringSubmatch(page); m != nil {
		return html.UnescapeString(strings.TrimSpace(m[1]))
	}
	return ""
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
	case errors.Is(err, errNotJSON):
		return c.with(err.Error(), "what answers at %s is not InfluxDB; check host, port and path of url", c.base.String())
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
	if _, trouble := rules.TLSTrouble(err); trouble != "" {
		return c.with("", "InfluxDB at %s cannot be asked safely: %s", c.base.String(), trouble)
	}
	return c.with(err.Error(), "InfluxDB at %s does not answer", c.base.String())
}

// locked is the error for a credential that the server does not know.
func (c *Client) locked(said string) error {
	c.forget()
	given := "wants a login and was given none"
	switch {
	case c.options.Username != "":
		given = "does not know the username and password (InfluxDB 2 does not take those of its page)"
	case !c.options.Token.IsZero():
		given = "does not know the token: it is mistyped, revoked, or another server's"
	}
	return c.with(said, "InfluxDB at %s %s; set token_file, or username and password_file, of the source to a "+
		"credential that may read database %q",
		c.base.String(), given, c.options.Database)
}

// forbidden is the error for a credential that is known and may not read.
func (c *Client) forbidden(said string) error {
	c.forget()
	return c.with(said, "InfluxDB at %s does not let this login read database %q; allow it (GRANT READ ON %s TO the "+
		"user; for InfluxDB 2 and 3 a token with read access), or set token_file, or username and password_file, of the "+
		"source to another", c.base.String(), c.options.Database, name(c.options.Database))
}

// notThere marks the error about a database or retention policy that does not
// exist, or may not be read.
type notThere struct {
	error
	said      string
	retention bool
}

func (n notThere) Unwrap() error { return n.error }

// absent is the error for a database, a retention policy or a mapping that the
// server does not have for this login.
func (c *Client) absent(said string) error {
	lower := strings.ToLower(said)
	if strings.Contains(lower, "retention policy not found") {
		return notThere{c.with(said, "InfluxDB at %s has no retention policy %q in database %q; set retention of the source",
			c.base.String(), c.options.Retention, c.options.Database), said, true}
	}
	return notThere{c.with(said, "InfluxDB at %s has no database %q that this login may read; set database of the source "+
		"(for InfluxDB 2 the bucket, which needs a DBRP mapping if it has none), or let the login read it",
		c.base.String(), c.options.Database), said, false}
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
	case has("database not found", "dbrp", "retention policy not found", "retention policy not set"):
		return c.absent(said)
	case has("not authorized", "requires read", "privilege"):
		return c.forbidden(said)
	case has("authoriz"):
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
	if proxy, _, err := c.options.Trust.ProxyURL(); err == nil && proxy != nil && proxy.User != nil {
		if secret, _ := proxy.User.Password(); secret != "" {
			said = strings.ReplaceAll(said, secret, "[set]")
		}
	}
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
