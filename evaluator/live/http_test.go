package live_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// canary is the credential that the tests give away.
const canary = "canary-7f3a"

func TestWriteOverHTTP(t *testing.T) {
	huge := strings.Repeat("# "+strings.Repeat("x", 1022)+"\n", 11<<10)
	for _, tt := range []struct {
		name, path, body string
		header           []string
		status           int
		answer           string
		points           int
	}{
		{name: "v1", path: "/write?db=home&u=a&p=b", body: "m v=1", status: 204, points: 1},
		{name: "v1 without points", path: "/write?db=home", body: "", status: 204},
		{
			name: "v1 bad line", path: "/write", body: "m v=1\nbad", status: 400,
			answer: `{"error":"partial write: line 2: unable to parse`, points: 1,
		},
		{
			name: "v1 unknown precision", path: "/write?precision=days", body: "m v=1", status: 400,
			answer: `{"error":"precision: must be one of n, ns, u, us, ms, s, m, h"}`,
		},
		{
			name: "v1 too large", path: "/write", body: huge, status: 413,
			answer: `{"error":"the body is too large: at most 10 MB, 25 MB unzipped`,
		},
		{name: "v2", path: "/api/v2/write?org=o&bucket=b", body: "m v=1", status: 204, points: 1},
		{
			name: "v2 bad line", path: "/api/v2/write", body: "bad", status: 400,
			answer: `{"code":"invalid","message":"partial write: line 1`,
		},
		{
			name: "v2 knows no minutes", path: "/api/v2/write?precision=m", body: "m v=1", status: 400,
			answer: `{"code":"invalid","message":"precision: must be one of ns, us, ms, s"}`,
		},
		{
			name: "v2 too large", path: "/api/v2/write", body: huge, status: 413,
			answer: `{"code":"request too large","message":`,
		},
		{
			name: "gzip", path: "/write", body: zipped("m v=1\nm v=2"), header: []string{"Content-Encoding", "gzip"},
			status: 204, points: 1,
		},
		{
			name: "gzip of 11 MB", path: "/write", body: zipped(huge + "m v=1"), header: []string{"Content-Encoding", "gzip"},
			status: 204, points: 1,
		},
		{
			name: "gzip of 33 MB", path: "/write", body: zipped("m v=1\n" + huge + huge + huge),
			header: []string{"Content-Encoding", "gzip"}, status: 413, answer: "too large",
		},
		{
			name: "not gzip", path: "/write", body: "m v=1", header: []string{"Content-Encoding", "gzip"}, status: 400,
			answer: "cannot be read",
		},
		{
			name: "gzip cut off", path: "/write", body: zipped("m v=1")[:20], header: []string{"Content-Encoding", "gzip"},
			status: 400, answer: "cannot be read",
		},
		{
			name: "another encoding", path: "/write", body: "m v=1", header: []string{"Content-Encoding", "br"}, status: 400,
			answer: "must be gzip",
		},
		{
			name: "from a web page", path: "/write", body: "m v=1", header: []string{"Origin", "https://evil.example"},
			status: 403, answer: "web pages",
		},
		{
			name: "from a sandboxed web page", path: "/write", body: "m v=1", header: []string{"Origin", "null"}, status: 403,
			answer: "web pages",
		},
		{
			name: "to another name", path: "/write", body: "m v=1", header: []string{"Host", "evil.example:8627"}, status: 403,
			answer: "not one of this machine's",
		},
		{
			name: "to a name that looks local", path: "/write", body: "m v=1",
			header: []string{"Host", "127.0.0.1.evil.example"}, status: 403, answer: "not one of this machine's",
		},
		{
			name: "to localhost", path: "/write", body: "m v=1", header: []string{"Host", "LocalHost:8627"}, status: 204,
			points: 1,
		},
		{
			name: "to IPv6 loopback", path: "/write", body: "m v=1", header: []string{"Host", "[::1]:8627"}, status: 204,
			points: 1,
		},
		{name: "to 127/8", path: "/write", body: "m v=1", header: []string{"Host", "127.8.9.10"}, status: 204, points: 1},
		{
			name: "Telegraf makes its database", path: "/query?q=CREATE+DATABASE+%22telegraf%22", status: 200,
			answer: `{"results":[{"statement_id":0}]}`,
		},
		{name: "no other statement", path: "/query?q=SELECT+1", status: 400, answer: `{"error":"of queries only`},
		{
			name: "no second statement", path: "/query?q=CREATE+DATABASE+a%3BDROP+DATABASE+b", status: 400,
			answer: `{"error":"of queries only`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := live.New(live.Options{})
			status, answer := send(t, serve(t, s, live.HandlerOptions{}), http.MethodPost, tt.path, tt.body, tt.header...)
			if status != tt.status || !strings.Contains(answer, tt.answer) || tt.answer == "" && answer != "" {
				t.Errorf("answer = %d %s, want %d %s", status, answer, tt.status, tt.answer)
			}
			if got := s.Held().Points; got != tt.points {
				t.Errorf("%d points are held, want %d", got, tt.points)
			}
		})
	}
}

// TestWritersFindAnInfluxDB: what they ask at their start is answered as InfluxDB
// answers it, and a database that was made or written to is there.
func TestWritersFindAnInfluxDB(t *testing.T) {
	serving := serve(t, live.New(live.Options{}), live.HandlerOptions{})
	nothing := `{"results":[{"statement_id":0}]}`
	databases := func(names string) string {
		return `{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"]` + names + `}]}]}`
	}
	for _, tt := range []struct {
		who, method, path string
		status            int
		answer            string
	}{
		{"anybody, at first", "GET", "/query?q=SHOW+DATABASES", 200, databases("")},
		{"Node-RED", "POST", "/query?q=create%20database%20%22my%20%5C%22db%22&u=root&p=root", 200, nothing},
		{"with a duration", "POST", "/query?q=CREATE+DATABASE+plain+WITH+DURATION+1d+NAME+x%3B", 200, nothing},
		{"Home Assistant writes", "POST", "/write?db=home_assistant", 204, ""},
		{
			"Home Assistant", "GET", "/query?q=SHOW+DATABASES&db=home_assistant", 200,
			databases(`,"values":[["my \"db"],["plain"],["home_assistant"]]`),
		},
		{"an older one", "GET", "/query?q=SHOW+SERIES+LIMIT+1%3B&db=home_assistant", 200, nothing},
		{"policies", "GET", "/query?q=SHOW+RETENTION+POLICIES+ON+%22plain%22", 200, `["autogen","0s","168h0m0s",1,true]`},
		{
			"a policy", "POST", "/query?q=CREATE+RETENTION+POLICY+%22a%22+ON+plain+DURATION+1d+REPLICATION+1+DEFAULT", 200,
			nothing,
		},
		{
			"two at once", "POST", "/query?q=CREATE+DATABASE+%22a%3Bb%22%3BSHOW+DATABASES", 200,
			`{"results":[{"statement_id":0},{"statement_id":1,"series":[`,
		},
		{"nothing", "POST", "/query", 400, `{"error":"missing required parameter \"q\""}`},
		{"a ping", "GET", "/ping", 204, ""},
		{"a ping of another kind", "HEAD", "/ping", 204, ""},
		{"a ping that asks", "GET", "/ping?verbose=true", 200, `{"version":"1.8-tocsin"}`},
		{"who wants data", "POST", "/query?q=SELECT+*+FROM+m", 400, `{"error":"of queries only`},
		{"who destroys", "POST", "/query?q=DROP+DATABASE+plain", 400, `{"error":"of queries only`},
		{"who hides it", "POST", "/query?q=CREATE+DATABASE+plain%3BDROP+DATABASE+plain", 400, `{"error":"of queries only`},
	} {
		status, answer := send(t, serving, tt.method, tt.path, "")
		if status != tt.status || !strings.Contains(answer, tt.answer) || tt.answer == "" && answer != "" {
			t.Errorf("%s: %d %s, want %d %s", tt.who, status, answer, tt.status, tt.answer)
		}
	}
}

func TestEveryPrecisionOfAWriter(t *testing.T) {
	at := time.Now().Truncate(time.Hour)
	for path, unit := range map[string]time.Duration{
		"/write": 1, "/write?precision=n": 1, "/write?precision=ns": 1, "/write?precision=u": time.Microsecond,
		"/write?precision=us": time.Microsecond,
		"/write?precision=ms": time.Millisecond, "/write?precision=s": time.Second, "/write?precision=m": time.Minute,
		"/write?precision=h": time.Hour,
		"/api/v2/write":      1, "/api/v2/write?precision=ns": 1, "/api/v2/write?precision=us": time.Microsecond,
		"/api/v2/write?precision=ms": time.Millisecond, "/api/v2/write?precision=s": time.Second,
	} {
		s := live.New(live.Options{Retention: 2 * time.Hour})
		if status, answer := send(t, serve(t, s, live.HandlerOptions{}), http.MethodPost, path,
			fmt.Sprintf("m v=1 %d", at.UnixNano()/int64(unit))); status != 204 {
			t.Errorf("%s: %d %s", path, status, answer)
			continue
		}
		q := query("m", "v", rules.Count)
		q.From, q.To = at.Add(-1), at
		if got := values(t, s, q); len(got) != 1 {
			t.Errorf("%s: no point at %s", path, at)
		}
	}
}

func TestPing(t *testing.T) {
	url := serve(t, live.New(live.Options{}),
		live.HandlerOptions{Allow: func(*http.Request, string) error { return errors.New("nobody") }})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		req, err := http.NewRequest(method, url+"/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != 204 || resp.Header.Get("X-Influxdb-Version") == "" {
			t.Errorf("%s /ping = %d %v", method, resp.StatusCode, resp.Header)
		}
	}
}

func TestWhoMayWrite(t *testing.T) {
	allow := func(_ *http.Request, credential string) error {
		switch credential {
		case canary:
			return nil
		case "later":
			return rules.Errorf(rules.Unavailable, "tokens cannot be checked now; try again")
		case "":
			return fmt.Errorf("look up %q in /var/lib", credential)
		}
		return rules.Errorf(rules.Forbidden, "this token may not write; make one with tocsin tokens add --write")
	}
	for _, tt := range []struct {
		name, path string
		header     []string
		status     int
		answer     string
	}{
		{"token", "/api/v2/write", []string{"Authorization", "Token " + canary}, 204, ""},
		{"bearer", "/write", []string{"Authorization", "bearer " + canary}, 204, ""},
		{"basic", "/write", []string{"Authorization", "Basic dTpjYW5hcnktN2YzYQ=="}, 204, ""},
		{"parameter p", "/write?u=x&p=" + canary, nil, 204, ""},
		{"none, v1", "/write", nil, 401, `{"error":"authorization failed; give a token`},
		{"none, v2", "/api/v2/write", nil, 401, `{"code":"unauthorized","message":"authorization failed`},
		{"none, to make a database", "/query?q=CREATE+DATABASE+x", nil, 401, `{"error":"authorization failed`},
		{"a wrong one", "/write?p=wrong", nil, 401, `{"error":"this token may not write; make one`},
		{"another scheme", "/write", []string{"Authorization", "Digest " + canary}, 401, "authorization failed"},
		{
			"not to be known now", "/api/v2/write?p=later", nil, 503,
			`{"code":"unavailable","message":"tokens cannot be checked now`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := live.New(live.Options{})
			status, answer := send(t, serve(t, s, live.HandlerOptions{Allow: allow}), http.MethodPost, tt.path, "m v=1",
				tt.header...)
			if status != tt.status || !strings.Contains(answer, tt.answer) {
				t.Errorf("answer = %d %s, want %d %s", status, answer, tt.status, tt.answer)
			}
			if strings.Contains(answer, canary) || strings.Contains(answer, "/var/lib") {
				t.Errorf("the answer tells a secret: %s", answer)
			}
			if wrote := s.Held().Points > 0; wrote != (status == 204) {
				t.Errorf("status %d, but written = %v", status, wrote)
			}
		})
	}
}

func TestWithoutAllowOnlyThisMachineWrites(t *testing.T) {
	s := live.New(live.Options{})
	for from, want := range map[string]int{"127.0.0.1:4": 204, "[::1]:4": 204, "192.0.2.7:4": 401, "": 401} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/write", strings.NewReader("m v=1"))
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		s.Handler(live.HandlerOptions{}).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q: %d, want %d", from, w.Code, want)
		}
	}
}

func TestTheNamesOfThisMachineCanBeGiven(t *testing.T) {
	url := serve(t, live.New(live.Options{}),
		live.HandlerOptions{Host: func(host string) bool { return host == "pi.lan" }})
	for host, want := range map[string]int{"pi.lan:8627": 204, "pi.lan": 204, "localhost": 403} {
		if status, answer := send(t, url, http.MethodPost, "/write", "m v=1", "Host", host); status != want {
			t.Errorf("to %s: %d %s, want %d", host, status, answer, want)
		}
	}
}

func TestWhatIsWrittenOverHTTPCanBeAsked(t *testing.T) {
	s := live.New(live.Options{})
	send(t, serve(t, s, live.HandlerOptions{}), http.MethodPost, "/write", "temperature,room=kitchen celsius=4.5")
	q := evaluator.Query{
		Measurement: "temperature", Columns: columns("celsius", rules.Latest), GroupBy: []string{"room"},
		From: time.Now().Add(-time.Minute), To: time.Now(),
	}
	found := 0
	ask(t, s, q, func(r evaluator.Row) {
		if found++; r.Series != "room=kitchen" || r.Values[0] != 4.5 {
			t.Errorf("row = %q %v", r.Series, r.Values)
		}
	})
	if found != 1 {
		t.Errorf("%d rows, want 1", found)
	}
}

func serve(t *testing.T, s *live.Store, o live.HandlerOptions) (url string) {
	server := httptest.NewServer(s.Handler(o))
	t.Cleanup(server.Close)
	return server.URL
}

// send sends a request with pairs of header names and values.
func send(t *testing.T, url, method, path, body string, header ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Host = req.Header.Get("Host")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func zipped(text string) string {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		panic(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}
