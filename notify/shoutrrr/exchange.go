package shoutrrr

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"

	"github.com/9bikes/tocsin/rules"
)

// maxResponse is how much of an answer is read.
const maxResponse = 64 << 10

// newTransport keeps no connection open: messages are rare, and a request on a
// connection that the other side has just closed can be neither called sent
// nor unsent.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		DisableKeepAlives:   true,
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
	}
}

// trusting is the Sender as a channel wants its connections made, with what its
// service says of failures; false where a file that it names cannot be used.
func (s *Sender) trusting(t rules.Trust, known []reason) (*Sender, bool) {
	out := *s
	out.known = known
	if t == (rules.Trust{}) {
		return &out, true
	}
	config, err := t.TLS(os.ReadFile)
	if err != nil {
		return nil, false
	}
	proxy, own, err := t.ProxyURL()
	if err != nil {
		return nil, false
	}
	carrier := newTransport()
	carrier.TLSClientConfig = config
	if own {
		carrier.Proxy = http.ProxyURL(proxy)
	}
	out.transport, out.tls = carrier, config
	return &out, true
}

// exchange carries one request under its own context and reads the answer. A
// redirect is an answer: to follow it would hand the credential to somebody else.
func (s *Sender) exchange(req *http.Request) response {
	var sent inFlight
	resp, err := s.transport.RoundTrip(req.WithContext(sent.watch(req.Context())))
	if err != nil {
		return response{err: err, left: sent.left()}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	_ = resp.Body.Close() // what was read counts, and err says if it was cut short
	return response{
		status: resp.StatusCode, header: resp.Header, left: true, err: err,
		body: body[:min(len(body), maxResponse)], whole: err == nil && len(body) <= maxResponse,
	}
}
