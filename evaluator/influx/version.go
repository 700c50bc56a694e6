package influx

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// hidden is the version of a server that does not tell it.
const hidden = "?"

// version returns the first number of the version, asked for once until a
// failure.
func (c *Client) version(ctx context.Context) (string, error) {
	c.mu.Lock()
	major := c.major
	c.mu.Unlock()
	if major != "" {
		return major, nil
	}
	if _, err := c.askVersion(ctx); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.major, nil
}

// forget has the version asked for again: after an outage it may be another.
func (c *Client) forget() {
	c.mu.Lock()
	c.major = ""
	c.mu.Unlock()
}

func (c *Client) askVersion(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/ping", nil)
	if err != nil {
		return "", c.unavailable(err)
	}
	c.authorizeAs(hidden, req)
	resp, err := c.http.RoundTrip(req)
	if err != nil {
		return "", c.unavailable(err)
	}
	unzip(resp)
	version, err := c.versionIn(resp)
	if err != nil {
		return "", err
	}
	major := hidden
	if version != "" {
		major = version[:1]
	}
	c.mu.Lock()
	c.major = major
	c.mu.Unlock()
	return version, nil
}

// versionIn reads the version from an answer and closes it. A proxy that hides
// /ping is not a server that is down.
func (c *Client) versionIn(resp *http.Response) (string, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostErrorText))
	if closeErr := resp.Body.Close(); err != nil || closeErr != nil {
		return "", c.unavailable(fmt.Errorf("read the answer to a ping: %w", err))
	}
	if resp.StatusCode == http.StatusBadRequest && spokenPlain.Match(body) {
		return "", c.with("", "InfluxDB at %s speaks TLS; write https:// in url of the source", c.base.String())
	}
	if resp.StatusCode >= 500 && isPage(resp) {
		return "", c.stranger(resp, string(body))
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return "", c.with("", "InfluxDB at %s cannot answer now (%s)", c.base.String(), http.StatusText(resp.StatusCode))
	}
	var doc struct{ Version string }
	version := strings.TrimPrefix(resp.Header.Get("X-Influxdb-Version"), "v")
	if version == "" && json.Unmarshal(body, &doc) == nil {
		version = strings.TrimPrefix(doc.Version, "v") // as 3.x writes it
	}
	if version == "" || version[0] < '0' || version[0] > '9' || len(version) > 40 {
		return "", nil
	}
	return version, nil
}
