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

	"github.com/9bikes/tocsin/rules"
)

// admit refuses whoever may not ask. Every web page can make a browser on this
// machine send requests to a loopback address, so being on this machine is not
// enough: the Host must be ours, which a rebound DNS name is not, and the page
// must be ours too.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !h.ours(r):
		h.refuse(w, r, http.StatusForbidden, fmt.Sprintf("%q is not a name of this daemon; use its address, or add the name under hosts: in the config", hostName(r.Host)))
	case isLink(r):
		// Its signature says more than an origin, which is null for our own
		// pages too, because they send no referrer.
		return true
	case !sameOrigin(r):
		h.refuse(w, r, http.StatusForbidden, "requests from the web pages of other sites are refused; a proxy in front must pass the Host header on as it came")
	case open(r) || h.local(r):
		return true
	case h.options.Token.IsZero():
		h.refuse(w, r, http.StatusForbidden, "no token is set, so only this machine is answered: set token or token_file in the config and send it as Authorization: Bearer")
	case !h.knows(r):
		w.Header().Add("WWW-Authenticate", `Bearer realm="tocsin"`)
		w.Header().Add("WWW-Authenticate", `Basic realm="tocsin"`)
		h.refuse(w, r, http.StatusUnauthorized, "this needs the token of the config, as Authorization: Bearer or as the password of any user")
	default:
		return true
	}
	return false
}

// open reports whether everybody may ask: probes have no token.
func open(r *http.Request) bool { return r.URL.Path == "/health" || r.URL.Path == "/ready" }

// ours reports whether the Host header names this daemon: loopback, the address
// that the connection came in on, or a name of the config.
func (h *Handler) ours(r *http.Request) bool {
	host := hostName(r.Host)
	if loopback(host) || slices.ContainsFunc(h.options.Hosts, func(name string) bool { return strings.EqualFold(hostName(name), host) }) {
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

// local reports whether the request comes from this machine: nobody else
// reaches a loopback listener but through a proxy, which has a name of its own
// or says for whom it asks.
func (h *Handler) local(r *http.Request) bool {
	return h.options.Loopback && loopback(hostName(r.Host)) && !forwarded(r)
}

func forwarded(r *http.Request) bool {
	return slices.ContainsFunc([]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}, func(name string) bool {
		return len(r.Header.Values(name)) > 0
	})
}

// knows reports whether the request carries the token. The sums are compared,
// so that the time tells nothing about its length either.
func (h *Handler) knows(r *http.Request) bool {
	sum := sha256.Sum256([]byte(credential(r)))
	return subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1
}

// credential is the token of the Authorization header, the password of Basic,
// or, for writers that know InfluxDB 1 only, the parameter p.
func credential(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token") {
		return strings.TrimSpace(token)
	}
	if slices.Contains(writePaths(), r.URL.Path) {
		return r.URL.Query().Get("p")
	}
	return ""
}

// hostName is a Host header without its port, brackets and final dot.
func hostName(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]")
	}
	return strings.TrimSuffix(host, ".")
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.Unmap().IsLoopback()
}

// codeOf is the word for a status that is answered.
func codeOf(status int) rules.Code {
	switch status {
	case http.StatusNotFound:
		return rules.NotFound
	case http.StatusUnauthorized:
		return "unauthorized"
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
	h.options.Log.Debug("request refused", "method", r.Method, "path", path, "host", r.Host, "from", r.RemoteAddr, "status", status)
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
	_, _ = w.Write(append(text, '\n'))
}
