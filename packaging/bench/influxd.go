//go:build bench

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// database is an influxd with private directories.
type database struct {
	*process
	url string
}

const databaseName = "bench"

// scratchInfluxd starts an influxd in a new directory, which end stops and
// removes.
func (s settings) scratchInfluxd(ctx context.Context) (dir string, db *database, end func() error, err error) {
	dir, remove, err := s.scratch()
	if err != nil {
		return "", nil, nil, err
	}
	if db, err = s.startInfluxd(ctx, dir); err != nil {
		remove()
		return "", nil, nil, err
	}
	return dir, db, func() error {
		defer remove()
		return db.stop()
	}, nil
}

// influxd starts a server with an empty database in dir.
func (s settings) startInfluxd(ctx context.Context, dir string) (*database, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "influxdb.conf")
	text := fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = %q
[data]
dir = %q
wal-dir = %q
query-log-enabled = false
max-series-per-database = 0
max-values-per-tag = 0
[http]
bind-address = %q
log-enabled = false
max-body-size = 0
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
[subscriber]
enabled = false
`, filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), address)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d := &database{url: "http://" + address}
	if d.process, err = start(ctx, dir, d.url+"/ping", s.influxd, "-config", path); err != nil {
		return nil, err
	}
	return d, d.post(ctx, "/query", url.Values{"q": {"CREATE DATABASE " + databaseName}}, nil)
}

// load writes what lines makes for every stamp from..to, step apart.
func (d *database) load(ctx context.Context, from, to time.Time, step time.Duration,
	lines func(w io.Writer, at time.Time),
) error {
	return loadInto(from, to, step, lines, func(body []byte) error {
		return d.post(ctx, "/write", url.Values{"db": {databaseName}, "precision": {"s"}}, body)
	})
}

const batchBytes = 4 << 20

// loadInto hands on what lines makes in batches.
func loadInto(from, to time.Time, step time.Duration, lines func(w io.Writer, at time.Time),
	write func([]byte) error,
) error {
	var batch bytes.Buffer
	for at := from.Truncate(step); !at.After(to); at = at.Add(step) {
		lines(&batch, at)
		if batch.Len() < batchBytes && at.Add(step).Before(to) {
			continue
		}
		for rest := batch.Bytes(); len(rest) > 0; {
			n := len(rest)
			if n > 2*batchBytes {
				n = bytes.LastIndexByte(rest[:2*batchBytes], '\n') + 1
			}
			if err := write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		batch.Reset()
	}
	if batch.Len() > 0 {
		return write(batch.Bytes())
	}
	return nil
}

func (d *database) post(ctx context.Context, path string, params url.Values, body []byte) error {
	return post(ctx, d.url+path+"?"+params.Encode(), body)
}

func post(ctx context.Context, to string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 || strings.Contains(string(text), `"error"`) {
		return fmt.Errorf("%s answers %s: %.200s (%w)", req.URL.Path, resp.Status, text, err)
	}
	return nil
}

// requests is how many queries over HTTP the server has had.
func (d *database) requests(ctx context.Context) (int64, error) {
	var vars map[string]json.RawMessage
	if err := fetch(ctx, d.url+"/debug/vars", &vars); err != nil {
		return 0, err
	}
	for name, raw := range vars {
		var stat struct{ Values struct{ QueryReq int64 } }
		if strings.HasPrefix(name, "httpd") && json.Unmarshal(raw, &stat) == nil {
			return stat.Values.QueryReq, nil
		}
	}
	return 0, fmt.Errorf("%s does not count its requests", d.url)
}

func fetch(ctx context.Context, from string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}
