// Package influx3 is the source over an InfluxDB 3 that is asked in SQL. It is
// the only package that knows Arrow and gRPC. It makes statements and reads
// rows; what to ask and what a row means is the evaluator's. An InfluxDB 3 that
// is asked in InfluxQL is influx's.
package influx3

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/InfluxCommunity/influxdb3-go/v2/influxdb3"
	"github.com/apache/arrow-go/v18/arrow"
	"google.golang.org/grpc"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/leftover"
	"github.com/9bikes/tocsin/rules"
)

// Options say which database is asked, and how.
type Options struct {
	URL         string // http://HOST:8181
	Database    string
	Token       rules.Secret  // may be left out when the server runs without authorization
	Trust       rules.Trust   // the driver knows its CAFile alone
	Timeout     time.Duration // of one statement; zero means 10 s
	Concurrency int           // how many statements are under way at once; zero means 4
	MaxAnswer   int           // bytes of the answer to one statement; zero means 64 MiB
}

// Client asks one database of an InfluxDB 3. It connects when it is first
// asked and reconnects by itself.
type Client struct {
	mu    sync.RWMutex // held for reading while a statement is under way
	db    *influxdb3.Client
	stale atomic.Bool // the server could not be reached

	schema sync.Mutex
	known  map[string]knownKinds

	http        *http.Client
	base        *url.URL
	database    string
	token       string
	caFile      string
	timeout     time.Duration
	concurrency int
	maxAnswer   int
	memory      leftover.Memory // of answers that were too large
}

var (
	_ evaluator.Source = (*Client)(nil)
	_ evaluator.Reader = (*Client)(nil)
)

const (
	defaultTimeout     = 10 * time.Second
	defaultConcurrency = 4

	// The driver refuses an empty token; a server without authorization takes
	// any, and one with it refuses this as it would refuse none.
	noToken = "none"

	defaultMaxAnswer = 64 << 20
)

// New returns a Client for the database. It refuses addresses that the driver
// would take and never reach.
func New(o Options) (*Client, error) {
	base, err := address(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Database == "" {
		return nil, rules.FieldErrorf("database", "is missing; name the InfluxDB 3 database to read, for example telegraf")
	}
	token := o.Token.Reveal()
	if strings.ContainsFunc(token, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r > unicode.MaxASCII
	}) {
		return nil, rules.FieldErrorf("token",
			"contains a space, a line break or a character that no token has; copy it again, without what surrounds it")
	}
	if token == "" {
		token = noToken
	}
	client := &Client{
		base: base, database: o.Database, token: token,
		timeout: o.Timeout, concurrency: o.Concurrency, maxAnswer: o.MaxAnswer, known: map[string]knownKinds{},
	}
	if client.timeout <= 0 {
		client.timeout = defaultTimeout
	}
	if client.concurrency <= 0 {
		client.concurrency = defaultConcurrency
	}
	if client.maxAnswer <= 0 {
		client.maxAnswer = defaultMaxAnswer
	}
	useRoom()
	room.raise(client.maxAnswer)
	client.caFile = o.Trust.CAFile
	trust, err := o.Trust.TLS(os.ReadFile)
	if err != nil {
		return nil, err
	}
	client.http = &http.Client{Timeout: client.timeout, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust,
	}}
	client.db, err = client.open()
	return client, err
}

func (c *Client) open() (*influxdb3.Client, error) {
	db, err := influxdb3.New(influxdb3.ClientConfig{
		Host: c.base.String(), Token: c.token, Database: c.database, HTTPClient: c.http, SSLRootsFilePath: c.caFile,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the InfluxDB 3 client: %w", c.redacted(err))
	}
	return db, nil
}

// refresh replaces a connection that found nobody. Left alone it would wait up
// to two minutes before it tries again, long after the server is back.
func (c *Client) refresh() error {
	if !c.stale.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stale.Swap(false) {
		return nil
	}
	db, err := c.open()
	if err != nil {
		return err
	}
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("close the connection to InfluxDB 3: %w", c.redacted(err))
	}
	c.db = db
	return nil
}

// Close ends the connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory.Stop()
	c.http.CloseIdleConnections()
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("close the connection to InfluxDB 3: %w", c.redacted(err))
	}
	return nil
}

// address reads the URL and refuses those that the driver misreads. It repeats
// no part that may hold a password.
func address(text string) (*url.URL, error) {
	const example = "for example http://localhost:8181"
	if text == "" {
		return nil, rules.FieldErrorf("url", "is missing; %s", example)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, rules.FieldErrorf("url", "must begin with http:// or https:// and name a host; %s", example)
	}
	switch {
	case u.User != nil:
		return nil, rules.FieldErrorf("url", "must not carry a user or password; give the token as token")
	case strings.Trim(u.Path, "/") != "":
		return nil, rules.FieldErrorf("url",
			"must not have a path: InfluxDB 3 answers SQL over gRPC, which cannot live under one; give the address of the "+
				"server itself, %s", example)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, rules.FieldErrorf("url", "must not have anything behind the host and port; %s", example)
	case net.ParseIP(u.Hostname()) != nil && strings.Contains(u.Host, "["):
		return nil, rules.FieldErrorf("url",
			"must not be a bare IPv6 address, which the InfluxDB 3 client cannot dial; give the host a name, for example "+
				"localhost for ::1 or an entry in /etc/hosts")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// ask sends one statement and hands over its batches of rows. A batch is good
// after seen returns, too, but rows count only once ask has returned nil.
func (c *Client) ask(ctx context.Context, sql string, seen func(arrow.RecordBatch) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// gRPC takes messages of 4 MiB by default, which some 20,000 series fill.
	answer, err := c.db.Query(ctx, sql, influxdb3.WithGrpcCallOption(grpc.MaxCallRecvMsgSize(c.maxAnswer)))
	if err != nil {
		return c.refusal(ctx, err)
	}
	// The iterator above the reader panics on dictionaries, which tags are.
	reader := answer.Raw()
	defer reader.Release()
	for size := uint64(0); reader.Next(); {
		batch := reader.RecordBatch()
		for _, column := range batch.Columns() {
			size += column.Data().SizeInBytes()
		}
		if size > uint64(c.maxAnswer) { //nolint:gosec // it is positive
			return c.tooLarge()
		}
		batch.Retain()
		if err := seen(batch); err != nil {
			return err
		}
	}
	if err := reader.Err(); err != nil {
		return c.refusal(ctx, err)
	}
	return nil
}
