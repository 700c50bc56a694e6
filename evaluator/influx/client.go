// Package influx is a Source over the InfluxQL endpoint /query, which InfluxDB
// 1.x, 2.x and 3.x have in common. It makes statements and reads rows; what to
// ask and what a row means is the evaluator's. What an InfluxDB 3 is asked in
// SQL is in influx3.
package influx

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/leftover"
	"github.com/9bikes/tocsin/rules"
)

// Options say where the database is and how to enter it.
type Options struct {
	URL       string // http://host:8086; a path before /query is kept
	Database  string // for 2.x the bucket, or what a DBRP mapping names
	Retention string // the retention policy, empty for the default one

	Token    rules.Secret // of 2.x and 3.x; for 1.x "user:password" or a JWT
	Username string
	Password rules.Secret

	Trust rules.Trust // of its TLS, and which proxy leads there

	Timeout     time.Duration // of one request, 10 s when zero
	Concurrency int           // requests at once, 3 when zero
	MaxAnswer   int           // bytes of the answer to one request, 64 MiB when zero
}

// Client asks one InfluxDB database. It is safe for concurrent use.
type Client struct {
	options Options
	base    url.URL
	http    *http.Transport // it follows no redirect, so no credential goes astray
	gate    chan struct{}   // holds a token for each request on its way
	readers chan *reader    // idle ones, with what they remember
	texts   chan []byte     // idle buffers for statements
	pace    pace
	memory  leftover.Memory // of answers that were too large

	// The server calls long answers partial that are whole: they are asked for
	// in chunks, where the word has one meaning.
	longWhole atomic.Bool

	mu     sync.Mutex
	major  string // the first number of the version, empty while unknown
	fields map[string]knownFields
}

var (
	_ evaluator.Source = (*Client)(nil)
	_ evaluator.Reader = (*Client)(nil)
)

// reader is what reads one answer at a time, and its memory.
type reader struct {
	decoder
	collector
	books books
	spent bool // an answer that broke off may have filled its memory
}

// New checks the options and makes a Client. It asks nothing yet.
func New(o Options) (*Client, error) {
	base, err := o.checkURL()
	if err != nil {
		return nil, err
	}
	if o.Database == "" {
		return nil, rules.FieldErrorf("database", "is missing; name the database (for InfluxDB 2 the bucket) to read from")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 3
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = mostAnswer
	}
	carrier, err := transport(o)
	if err != nil {
		return nil, err
	}
	return &Client{
		options: o, base: *base, http: carrier,
		gate: make(chan struct{}, o.Concurrency), readers: make(chan *reader, 2), texts: make(chan []byte, o.Concurrency),
		fields: map[string]knownFields{},
	}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() error {
	c.memory.Stop()
	c.http.CloseIdleConnections()
	return nil
}

// checkURL reads the address and moves what stands before an @ to where
// credentials belong. No error repeats the address: there may be a password in
// it.
func (o *Options) checkURL() (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(o.URL))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, rules.FieldErrorf("url", "must be the address of an InfluxDB, for example http://127.0.0.1:8086")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, rules.FieldErrorf("url",
			"must end with the host or a path; give database, username and token as keys of their own")
	}
	if u.User != nil && o.Username == "" {
		password, _ := u.User.Password()
		o.Username, o.Password = u.User.Username(), rules.NewSecret(password)
	}
	u.User = nil
	o.URL = ""
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func transport(o Options) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	trust, err := o.Trust.TLS(os.ReadFile)
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	through, own, err := o.Trust.ProxyURL()
	if err != nil {
		return nil, err
	} else if own {
		proxy = http.ProxyURL(through)
	}
	return &http.Transport{
		Proxy:                  proxy,
		TLSClientConfig:        trust,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           o.Concurrency,
		MaxIdleConnsPerHost:    o.Concurrency,
		MaxConnsPerHost:        o.Concurrency + 1, // one for a ping beside the queries
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		// Most databases are next door, where packing costs more than it saves.
		DisableCompression: true,
	}, nil
}

func (c *Client) reader() *reader {
	select {
	case r := <-c.readers:
		return r
	default:
		return &reader{books: books{}}
	}
}

func (c *Client) release(r *reader) {
	if r.spent {
		return
	}
	r.each, r.in = nil, nil
	clear(r.tasks)
	select {
	case c.readers <- r:
	default:
	}
}

// text returns an empty buffer for statements, which reuse takes back.
func (c *Client) text() []byte {
	select {
	case b := <-c.texts:
		return b[:0]
	default:
		return nil
	}
}

func (c *Client) reuse(b []byte) {
	select {
	case c.texts <- b:
	default:
	}
}

// enter waits for a place among the requests on their way.
func (c *Client) enter(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return c.unavailable(ctx.Err())
	case c.gate <- struct{}{}:
		return nil
	}
}

func (c *Client) leave() { <-c.gate }
