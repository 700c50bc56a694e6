package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// plight is a tocsin beside an InfluxDB that can get into a trouble.
type plight struct {
	*site
	name, becomes string
	play          func(asked)
	front         *httptest.Server
	in            atomic.Bool  // in trouble
	met           atomic.Int32 // requests that met it
	daemon        *daemon

	mu    sync.Mutex
	heard []string // what the channel was told
	beats int
}

// masked is a listener whose connections are TLS at one time and not at another.
type masked struct {
	net.Listener
	config *tls.Config
	tls    func() bool
}

// Accept waits for the next connection.
func (m masked) Accept() (net.Conn, error) {
	conn, err := m.Listener.Accept()
	if err != nil || !m.tls() {
		return conn, err
	}
	return tls.Server(conn, m.config), nil
}

// open starts what stands in front of InfluxDB.
func (p *plight) open(influx string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.forward(influx, w, r) })
	keys := httptest.NewTLSServer(nil)
	p.Cleanup(keys.Close)
	p.front = httptest.NewUnstartedServer(handler)
	p.front.Config.SetKeepAlivesEnabled(false)
	p.front.Config.ErrorLog = log.New(io.Discard, "", 0)
	scheme := "http"
	switch p.name {
	case "plain words to a TLS port":
		p.front.Listener = masked{p.front.Listener, keys.TLS, p.in.Load}
	case "TLS to a plain port":
		scheme = "https"
		p.front.Listener = masked{p.front.Listener, keys.TLS, func() bool { return !p.in.Load() }}
		file := filepath.Join(p.dir, "ca.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: keys.Certificate().Raw}),
			0o600); err != nil {
			p.Fatal(err)
		}
		p.env = []string{"SSL_CERT_FILE=" + file}
	}
	p.front.Start()
	p.front.URL = scheme + "://" + p.front.Listener.Addr().String()
	p.Cleanup(p.front.Close)
}

// forward passes a request on, or plays the trouble with what came of it.
func (p *plight) forward(influx string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, influx+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if real, err := io.ReadAll(resp.Body); err == nil {
		p.answer(w, r, body, resp, real)
	}
}

func (p *plight) answer(w http.ResponseWriter, r *http.Request, body []byte, resp *http.Response, real []byte) {
	form := &http.Request{Method: http.MethodPost, Header: r.Header, Body: io.NopCloser(bytes.NewReader(body)), URL: r.URL}
	if err := form.ParseForm(); err != nil {
		panic(err)
	}
	if p.in.Load() && p.play != nil && r.URL.Path == "/query" {
		p.met.Add(1)
		query := form.FormValue("q")
		p.play(asked{
			ResponseWriter: w, query: query, statements: strings.Count(query, ";") + 1, real: real,
			gone: r.Context().Done(),
		})
		return
	}
	for _, name := range []string{"Content-Type", "X-Influxdb-Version"} {
		w.Header().Set(name, resp.Header.Get(name))
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(real) // the client may have left
}

// ServeHTTP is the webhook and the dead-man service.
func (p *plight) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path == "/beat" {
		p.beats++
		return
	}
	p.heard = append(p.heard, string(body))
}

// count is how many messages say something.
func (p *plight) count(texts ...string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range p.heard {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(message, text) }) {
			n++
		}
	}
	return n
}

func (p *plight) beaten() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beats
}

const troubleRules = `rules:
  - name: hot
    title: The oven is hot
    measurement: temperature
    field: celsius
    group_by: [sensor]
    condition: {type: threshold, aggregation: mean, window: 1m, operator: ">", value: 50}
  - name: quiet
    title: Nobody measures
    measurement: humidity
    field: percent
    group_by: [sensor]
    condition: {type: absence, window: 2m}
  - name: low
    title: No pressure
    measurement: pressure
    field: hpa
    group_by: [sensor]
    no_data: alert
    condition: {type: threshold, aggregation: mean, window: 2m, operator: "<", value: 0}
  - name: own
    title: No answer of its own
    group_by: [sensor]
    no_data: alert
    condition:
      type: query
      language: influxql
      text: SELECT mean("percent") AS v FROM "humidity" WHERE time > $from AND time <= $to GROUP BY "sensor"
      window: 2m
      column: v
      operator: "<"
      value: 0
`

// begin starts a tocsin whose oven is hot.
func (p *plight) begin() {
	receiver := httptest.NewServer(p)
	p.Cleanup(receiver.Close)
	p.config = filepath.Join(p.dir, "config.yaml")
	config := fmt.Sprintf(`data_dir: %s/data
listen: %s
every: 2s
outage_after: 10s
sources:
  home: {kind: influxdb, url: %q, database: test, timeout: 2s}
channels:
  hook: {url: "generic://%s/alerts?disabletls=yes&template=json"}
heartbeat: {url: "%s/beat", every: 10s}
`, p.dir, p.listen, p.front.URL, strings.TrimPrefix(receiver.URL, "http://"), receiver.URL)
	wanted := filepath.Join(p.dir, "rules.yaml")
	for name, text := range map[string]string{p.config: config, wanted: troubleRules} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			p.Fatal(err)
		}
	}
	p.daemon = p.serve()
	if out, code := p.run("rules", "apply", wanted, "--yes"); code != 0 {
		p.Fatalf("%s: %s", p.name, out)
	}
}
