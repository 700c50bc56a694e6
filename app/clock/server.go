package clock

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Server is a web server whose clock can be asked: each of its answers bears a
// Date. It is sent no credential.
type Server struct {
	url    string
	client *http.Client
}

// ServerOptions are what a Server may be told; the zero value is right.
type ServerOptions struct {
	// Timeout bounds one question; 0 is 3 s.
	Timeout time.Duration
	// TLS is that of an https address; nil is the machine's own.
	TLS *tls.Config
}

// NewServer returns the server at an http or https address; of this address only
// scheme, host and path are used.
func NewServer(address string, o ServerOptions) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, rules.FieldErrorf("url", "is no http or https address; for example http://influxdb.lan:8086")
	}
	if o.Timeout == 0 {
		o.Timeout = 3 * time.Second
	}
	ping := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/") + "/ping"}
	return &Server{url: ping.String(), client: &http.Client{
		Timeout: o.Timeout,
		// Straight there: the clock of a proxy is another one's.
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: o.TLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Ask returns the Date of an answer, whatever else it says, and the address
// that it came from.
func (s *Server) Ask(ctx context.Context) (answer Answer, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if from, err := netip.ParseAddrPort(i.Conn.RemoteAddr().String()); err == nil {
			answer.From = from.Addr()
		}
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("ask for the date: %w", bare(err))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("ask for the date: %w", bare(err))
	}
	_ = resp.Body.Close() // it is not read
	if answer.Date, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		return Answer{}, fmt.Errorf("read the date: %w", err)
	}
	return answer, nil
}

// bare is an error without the address, which is the user's own affair.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
