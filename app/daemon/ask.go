package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/9bikes/tocsin/app"
)

// askPatience is how long the daemon may take to say how it is doing.
const askPatience = 3 * time.Second

// askStatus asks the daemon of this machine how it is doing: what it alone
// knows, such as its last tick, is in no database.
func askStatus(c *app.Config) func(context.Context) (app.Status, error) {
	client := http.Client{Transport: daemonWays(c)}
	return func(ctx context.Context) (s app.Status, err error) {
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.Listen)+"/status", nil)
		if err != nil {
			return s, err
		}
		if !c.Token.IsZero() {
			req.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
		}
		resp, err := client.Do(req)
		if err != nil {
			return s, fmt.Errorf("ask the daemon: %w", err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return s, fmt.Errorf("ask the daemon: it answers %s", resp.Status)
		}
		return s, json.NewDecoder(resp.Body).Decode(&s)
	}
}

// ways are how a request gets to the daemon: over its socket, which knows who
// asks, or else over TCP, where that may need a token.
type ways struct {
	sockets []http.RoundTripper
	header  http.Header
	tcp     http.RoundTripper
}

// daemonWays returns the ways to the daemon of a config.
func daemonWays(c *app.Config) http.RoundTripper {
	w := ways{tcp: &http.Transport{DisableKeepAlives: true}}
	for _, s := range placeOf(c).Sockets() {
		w.header = s.Header
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }
		w.sockets = append(w.sockets, &http.Transport{DisableKeepAlives: true, DialContext: dial})
	}
	return w
}

// RoundTrip takes the first way on which a daemon of these data answers.
func (w ways) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, socket := range w.sockets {
		try := r.Clone(r.Context())
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			try.Body = body
		}
		for name, values := range w.header {
			try.Header[name] = values
		}
		try.Header.Del("Authorization")
		resp, err := socket.RoundTrip(try)
		if err == nil && resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		if err == nil {
			_ = resp.Body.Close() // of a daemon of other data, or of another version
		}
	}
	return w.tcp.RoundTrip(r)
}
