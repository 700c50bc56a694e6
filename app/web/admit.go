package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// caller is who asks, and what they may do.
type caller struct {
	name  string
	scope app.Scope
}

// admit refuses whoever may not ask, and returns who asks. Every web page can
// make a browser on this machine send requests to a loopback address, so being
// on this machine is not enough: the Host must be ours, which a rebound DNS
// name is not, and the page must be ours too.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) (who caller, ok bool) {
	switch {
	case !h.ours(r):
		h.refuse(w, r, http.StatusForbidden,
			fmt.Sprintf("%q is not a name of this daemon; use its address, or add the name under hosts: in the config",
				hostName(r.Host)))
	case isLink(r):
		// Its signature says more than an origin, which is null for our own
		// pages too, because they send no referrer.
		return caller{}, true
	case !sameOrigin(r):
		h.refuse(w, r, http.StatusForbidden,
			"requests from the web pages of other sites are refused; a proxy in front must pass the Host header on as it came")
	case open(r):
		return caller{}, true
	default:
		return h.identify(w, r)
	}
	return caller{}, false
}

// identify judges the token of a request. Without one it must come from this
// machine, and then may look and send points: whoever has an account here can
// open a port, and so can a proxy that serves the world. Changing things is the
// socket's, where the system says who asks, or a token's.
func (h *Handler) identify(w http.ResponseWriter, r *http.Request) (caller, bool) {
	secret, sent := credential(r)
	if !sent {
		secret, sent = remembered(r)
	}
	if sent {
		return h.judge(w, r, secret)
	}
	// From the first token on nobody is let in without: a proxy in front looks
	// like this machine.
	stored, err := h.doorkeeper.Any(r.Context())
	tokens := stored || !h.options.Token.IsZero()
	switch {
	case h.local(r) && !tokens && len(h.options.Hosts) == 0:
		return caller{"local", app.ScopeRead}, true
	case byBrowser(r):
		toLogin(w, r)
	case !tokens && err == nil:
		h.refuse(w, r, http.StatusForbidden,
			"this needs a token, and there is none yet: make one with `tocsin tokens add NAME`, or set token or token_file in "+
				"the config, and send it as Authorization: Bearer")
	default:
		h.unauthorized(w, r, "this needs the token of the config or one of `tocsin tokens add NAME`, as Authorization: "+
			"Bearer or as the password of any user")
	}
	return caller{}, false
}

// dialect is how this door words the cures that its readers can need: of tokens
// and of links.
var dialect = rules.Dialect{
	rules.SeeAlerts:  ", or at `tocsin alerts list`",
	rules.AddToken:   "; `tocsin tokens add NAME` on the machine of tocsin makes another",
	rules.RenewToken: "; `tocsin tokens revoke {}` and make another",
	rules.Diagnose:   "; `tocsin doctor` says what is wrong with the database",
}

// judge finds out whose token was sent.
func (h *Handler) judge(w http.ResponseWriter, r *http.Request, secret rules.Secret) (caller, bool) {
	if h.configured(secret) {
		return caller{"config token", app.ScopeAdmin}, true
	}
	t, err := h.doorkeeper.Authenticate(r.Context(), secret)
	switch rules.CodeOf(err) {
	case "":
	case rules.Forbidden:
		if byBrowser(r) {
			toLogin(w, r) // what the browser remembers is not good any more
			return caller{}, false
		}
		h.unauthorized(w, r, dialect.Sentence(err))
		return caller{}, false
	default:
		h.refuse(w, r, http.StatusServiceUnavailable, dialect.Sentence(err))
		return caller{}, false
	}
	if err := h.doorkeeper.Used(r.Context(), t); err != nil {
		h.options.Log.Warn("use of a token not noted", "token", t.Name, "error", err)
	}
	return h.within(w, r, caller{t.Name, t.Scope})
}

// within refuses a token that may do less than the path needs.
func (h *Handler) within(w http.ResponseWriter, r *http.Request, who caller) (caller, bool) {
	needed := scopeOf(r)
	if who.scope.Allows(needed) {
		return who, true
	}
	h.refuse(w, r, http.StatusForbidden,
		fmt.Sprintf("token %s has scope %s, and this needs scope %s; make another with `tocsin tokens add NAME --scope %s`",
			who.name, who.scope, needed, needed))
	return caller{}, false
}

// scopeOf is the least that a caller needs. The tools of the MCP door look at
// the caller's scope themselves.
func scopeOf(r *http.Request) app.Scope {
	if slices.Contains(writePaths(), r.URL.Path) {
		return app.ScopePoints
	}
	return app.ScopeRead
}

// unauthorized asks for a token. Browsers ask people for the password of
// Basic; a model's client would take that for something it can do.
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, sentence string) {
	w.Header().Add("WWW-Authenticate", `Bearer realm="tocsin"`)
	if r.URL.Path != mcpPath {
		w.Header().Add("WWW-Authenticate", `Basic realm="tocsin"`)
	}
	h.refuse(w, r, http.StatusUnauthorized, sentence)
}

// open reports whether everybody may ask: probes have no token.
// So have the files of the pages, and who logs in.
func open(r *http.Request) bool {
	return r.URL.Path == "/health" || r.URL.Path == "/ready" || assetPath.MatchString(r.URL.Path)
}

// ours reports whether the Host header names this daemon: loopback, the address
// that the connection came in on, or a name of the config.
func (h *Handler) ours(r *http.Request) bool {
	host := hostName(r.Host)
	if rules.Loopback(host) || slices.ContainsFunc(h.options.Hosts, func(name string) bool {
		return strings.EqualFold(hostName(name), host)
	}) {
		return true
	}
	asked, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if asked.IsUnspecified() {
		return !h.options.Loopback
	}
	came, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(came.String())
	return err == nil && at.Addr().Unmap().WithZone("") == asked.Unmap().WithZone("")
}

// sameOrigin reports whether the request comes from a page of ours, or from no
// page at all. The scheme is not compared: a proxy may have ended TLS.
func sameOrigin(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		page, err := url.Parse(origin)
		if err != nil || page.Host == "" || !strings.EqualFold(page.Host, r.Host) {
			return false
		}
	}
	return true
}

// local reports whether the request seems to come from this machine: nobody
// else reaches a loopback listener but through a proxy, which should pass its
// own name on or say for whom it asks. That it need not is why this says little.
func (h *Handler) local(r *http.Request) bool {
	return h.options.Loopback && rules.Loopback(hostName(r.Host)) && !forwarded(r)
}

func forwarded(r *http.Request) bool {
	return slices.ContainsFunc([]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"},
		func(name string) bool {
			return len(r.Header.Values(name)) > 0
		})
}

// configured reports whether a token is that of the config. The sums are
// compared, so that the time tells nothing about its length either.
func (h *Handler) configured(secret rules.Secret) bool {
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return !h.options.Token.IsZero() && subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1
}

// credential is the token of the Authorization header, the password of Basic,
// or, for writers that know InfluxDB 1 only, the parameter p. An empty one,
// which Telegraf sends when it has none, was not sent, as root:root of other
// writers; a header that nobody can read was.
func credential(r *http.Request) (secret rules.Secret, sent bool) {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	writes := slices.Contains(writePaths(), r.URL.Path)
	if user, password, ok := r.BasicAuth(); ok {
		return rules.NewSecret(password), password != "" && !(writes && usual(user, password))
	}
	scheme, token, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token") {
		token = strings.TrimSpace(token)
		return rules.NewSecret(token), token != ""
	}
	if header == "" && writes {
		password := r.URL.Query().Get("p")
		return rules.NewSecret(password), password != "" && !usual(r.URL.Query().Get("u"), password)
	}
	return rules.Secret{}, header != ""
}

// usual reports whether a login is what InfluxDB's clients for Python and
// JavaScript send when a person gave none.
func usual(user, password string) bool { return user == "root" && password == "root" }

// hostName is a Host header without its port, brackets and final dot.
func hostName(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]")
	}
	return strings.TrimSuffix(host, ".")
}

// codeOf is the word for a status that is answered.
func codeOf(status int) rules.Code {
	switch status {
	case http.StatusNotFound:
		return rules.NotFound
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusServiceUnavailable:
		return rules.Unavailable
	case http.StatusMethodNotAllowed:
		return rules.Invalid
	}
	return rules.Forbidden
}

// refuse answers with a sentence. The words are those of InfluxDB 1, and of
// InfluxDB 2 on its path, so that writers show it.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, sentence string) {
	path := r.URL.Path
	if isLink(r) {
		path = linkPath + "..." // the rest is a credential
	}
	h.options.Log.Debug("request refused", "method", r.Method, "path", path, "host", r.Host, "from", r.RemoteAddr,
		"status", status)
	body := map[string]string{"code": string(codeOf(status)), "error": sentence}
	if r.URL.Path == "/api/v2/write" {
		body["message"] = sentence
	}
	h.answer(w, status, body)
}

// answer writes JSON; whoever does not read it gets none.
func (h *Handler) answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		h.options.Log.Error("answer not written", "error", err)
		http.Error(w, "an internal error; see the log of tocsin", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(rules.EscapeJSON(text), '\n'))
}
