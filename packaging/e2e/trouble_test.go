package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

// What becomes of a source that plays a trouble.
const (
	isDown = "down"  // an outage is told, and its end
	someDo = "rules" // rules are told of, and that they are judged again
	isFine = "fine"  // nobody is told anything: every rule is judged
)

// asked is a request that a trouble answers in InfluxDB's place.
type asked struct {
	http.ResponseWriter
	query      string
	statements int
	real       []byte // what InfluxDB answers
	gone       <-chan struct{}
}

func (a asked) say(status int, body string) {
	a.WriteHeader(status)
	_, _ = io.WriteString(a, body) // the client may have left
}

// each answers every statement with an error.
func (a asked) each(text string) {
	var results []string
	for i := range a.statements {
		results = append(results, fmt.Sprintf(`{"statement_id":%d,"error":%q}`, i, text))
	}
	a.say(http.StatusOK, `{"results":[`+strings.Join(results, ",")+`]}`)
}

// results are those of the real answer.
func (a asked) results() (list []json.RawMessage) {
	var doc struct{ Results []json.RawMessage }
	if json.Unmarshal(a.real, &doc) != nil {
		return nil
	}
	return doc.Results
}

func (a asked) sayResults(list []json.RawMessage) {
	body, err := json.Marshal(map[string]any{"results": list})
	if err != nil {
		panic(err)
	}
	a.say(http.StatusOK, string(body))
}

// raw writes to the connection itself and closes it.
func (a asked) raw(text string) {
	conn, _, err := a.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, text) // the client may have left
	_ = conn.Close()
}

// statuses are what answers a whole request with a status.
func statuses() map[string]func(asked) {
	out := map[string]func(asked){}
	for _, code := range []int{204, 302, 400, 401, 403, 404, 408, 413, 418, 422, 500, 502, 503, 504} {
		out[fmt.Sprintf("status %d", code)] = func(a asked) {
			a.Header().Set("Location", "http://127.0.0.1:9/elsewhere")
			a.say(code, map[bool]string{true: "", false: `{"error":"this is how it is"}`}[code == 204])
		}
	}
	return out
}

// brokenAnswers are what comes with 200 and is no whole answer.
var brokenAnswers = map[string]func(asked){
	"shard is disabled":   func(a asked) { a.each("shard is disabled") },
	"too many open files": func(a asked) { a.each("open /var/lib/influxdb/data/x/1.tsm: too many open files") },
	"an error for all":    func(a asked) { a.say(200, `{"error":"unexpected EOF in the engine"}`) },
	"partial": func(a asked) {
		list := a.results()
		for i, r := range list {
			list[i] = bytes.Replace(r, []byte(`{"statement_id"`), []byte(`{"partial":true,"statement_id"`), 1)
		}
		a.sayResults(list)
	},
	"cut JSON":     func(a asked) { a.say(200, string(a.real[:len(a.real)/10])) },
	"empty body":   func(a asked) { a.say(200, "") },
	"no document":  func(a asked) { a.say(200, "null") },
	"no results":   func(a asked) { a.say(200, `{}`) },
	"zero results": func(a asked) { a.say(200, `{"results":[]}`) },
	"login page": func(a asked) {
		a.Header().Set("Content-Type", "text/html")
		a.say(200, "<!DOCTYPE html><html><body><form>Log in</form></body></html>")
	},
	"gzip garbage": func(a asked) {
		a.Header().Set("Content-Encoding", "gzip")
		a.say(200, "\x1f\x8b\x08\x00garbage that is no gzip")
	},
	"garbage numbers": func(a asked) {
		a.say(200, strings.NewReplacer(`"values":[[`, `"values":[[NaN,`, `"results":[{"statement_id":0}`,
			`"results":[{"statement_id":0x}`).Replace(string(a.real)))
	},
	"numbers of others": func(a asked) {
		list := a.results()
		for i, r := range list {
			list[i] = bytes.Replace(r, fmt.Appendf(nil, `"statement_id":%d`, i), fmt.Appendf(nil, `"statement_id":%d`, i+7), 1)
		}
		a.sayResults(list)
	},
	"a bucket that is not there, as InfluxDB 2 says it": func(a asked) {
		if strings.HasPrefix(strings.TrimSpace(a.query), "SHOW") {
			a.say(200, `{"results":[{"statement_id":0}]}`)
			return
		}
		a.say(401, `{"error":"database not found: \"test\""}`)
	},
}

// brokenConnections are what is no answer at all.
var brokenConnections = map[string]func(asked){
	"cut stream": func(a asked) {
		a.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(a.real),
			a.real[:len(a.real)/10]))
	},
	"closed":  func(a asked) { a.raw("") },
	"garbage": func(a asked) { a.raw("\x16\x03\x01 this is no HTTP\r\n\r\n") },
	"reset": func(a asked) {
		conn, _, err := a.ResponseWriter.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so that Close resets
		}
		_ = conn.Close()
	},
	"hangs": func(a asked) { <-a.gone },
	"drips": func(a asked) {
		drop := time.NewTicker(500 * time.Millisecond)
		defer drop.Stop()
		for i := range a.real {
			_, _ = a.Write(a.real[i : i+1])
			a.ResponseWriter.(http.Flusher).Flush()
			select {
			case <-drop.C:
			case <-a.gone:
				return
			}
		}
	},
}

// bearable are what does not keep every rule from being judged.
var bearable = map[string]struct {
	play    func(asked)
	becomes string
}{
	"another content type": {func(a asked) {
		a.Header().Set("Content-Type", "text/html; charset=utf-8")
		a.say(200, string(a.real))
	}, isFine},
	"another order": {func(a asked) {
		list := a.results()
		slices.Reverse(list)
		a.sayResults(list)
	}, isFine},
	"an error in the last": {func(a asked) {
		list := a.results()
		for i, r := range list {
			if bytes.Contains(r, []byte("pressure")) {
				list[i] = fmt.Appendf(nil, `{"statement_id":%d,"error":"it cannot be computed"}`, i)
			}
		}
		a.sayResults(list)
	}, someDo},
	"fewer results": {func(a asked) {
		a.sayResults(slices.DeleteFunc(a.results(), func(r json.RawMessage) bool {
			return bytes.Contains(r, []byte("pressure"))
		}))
	}, someDo},
	"a wrong number": {func(a asked) {
		list := a.results()
		for i, r := range list {
			if bytes.Contains(r, []byte("pressure")) {
				list[i] = bytes.Replace(r, fmt.Appendf(nil, `"statement_id":%d`, i),
					fmt.Appendf(nil, `"statement_id":%d`, i+len(list)), 1)
			}
		}
		a.sayResults(list)
	}, someDo},
}

func everyPlight() (list []*plight) {
	add := func(name, becomes string, play func(asked)) {
		list = append(list, &plight{name: name, becomes: becomes, play: play})
	}
	for _, troubles := range []map[string]func(asked){statuses(), brokenAnswers, brokenConnections} {
		for name, play := range troubles {
			add(name, isDown, play)
		}
	}
	for name, b := range bearable {
		add(name, b.becomes, b.play)
	}
	add("status 429", isDown, func(a asked) {
		a.Header().Set("Retry-After", "1")
		a.say(429, `{"error":"too many requests"}`)
	})
	add("plain words to a TLS port", isDown, nil)
	add("TLS to a plain port", isDown, nil)
	slices.SortFunc(list, func(a, b *plight) int { return strings.Compare(a.name, b.name) })
	return list
}

// troubled and mended are what is told when a trouble has lasted, and when it is
// over.
var (
	troubled = map[string][]string{
		isDown: {"Source home does not answer since", "Source home answers with errors since"},
		someDo: {": cannot be judged"},
	}
	mended = map[string][]string{isDown: {"Source home is back"}, someDo: {": judged again"}}
)

// waitFor waits until something is true of every plight.
func waitFor(t *testing.T, list []*plight, what string, ok func(*plight) bool) {
	t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for late := time.After(2 * time.Minute); ; {
		missing := slices.IndexFunc(list, func(p *plight) bool { return !ok(p) })
		if missing < 0 {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("waited in vain for %s: %s", what, list[missing].name)
		}
	}
}

// TestTroublesOfASource plays everything that a database, a proxy and a network
// can answer with. Whatever it is, people are told once when hardly a rule can be
// judged, the heartbeat stops, no alert begins or ends by it, and when it is over
// that is told once too. It is counted at the receiver.
func TestTroublesOfASource(t *testing.T) {
	influx := sourcetest.Influxd(t)
	filler := &site{T: t, influx: influx}
	defer filler.fill()()
	list := everyPlight()
	for _, p := range list {
		p.site = &site{T: t, dir: t.TempDir(), listen: sourcetest.FreeAddress(t)}
		p.open(influx.URL)
		p.begin()
	}
	waitFor(t, list, "the oven and a heartbeat", func(p *plight) bool {
		return p.count("The oven is hot") > 0 && p.beaten() > 0
	})
	for _, p := range list {
		p.in.Store(true)
	}
	waitFor(t, list, "word of the trouble", func(p *plight) bool {
		return p.becomes == isFine || p.count(troubled[p.becomes]...) > 0
	})
	beats := map[*plight]int{}
	for _, p := range list {
		beats[p] = p.beaten()
	}
	waitFor(t, list, "what /ready and the metric say", (*plight).saysSo)
	well := slices.DeleteFunc(slices.Clone(list), func(p *plight) bool { return p.becomes == isDown })
	waitFor(t, well, "two heartbeats", func(p *plight) bool { return p.beaten() >= beats[p]+2 })
	for _, p := range list {
		if p.becomes == isDown && p.beaten() > beats[p]+1 { // one may have been on its way
			t.Errorf("%s: %d heartbeats while the source was down", p.name, p.beaten()-beats[p])
		}
		if p.play != nil && p.met.Load() == 0 {
			t.Errorf("%s: nothing met it", p.name)
		}
		beats[p] = p.beaten()
		p.in.Store(false)
	}
	waitFor(t, list, "word of the end, and a heartbeat", func(p *plight) bool {
		return (p.becomes == isFine || p.count(mended[p.becomes]...) > 0) && p.beaten() > beats[p]
	})
	for _, p := range list {
		t.Run(p.name, func(t *testing.T) { p.wantTold(t) })
	}
}

// fill writes what the rules measure until it is stopped.
func (s *site) fill() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			now := time.Now().UnixNano()
			s.influx.Write(fmt.Sprintf("temperature,sensor=a celsius=99 %d", now),
				fmt.Sprintf("humidity,sensor=a percent=40 %d", now), fmt.Sprintf("pressure,sensor=a hpa=1013 %d", now))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-ended }
}

// saysSo reports whether the probe and the metric say what the trouble does.
func (p *plight) saysSo() bool {
	want := map[string]string{
		isDown: "source home is down", someDo: "of the enabled rules not judged",
		isFine: `"status":"ok"`,
	}[p.becomes]
	all := strings.Contains(p.get("/metrics"), "tocsin_rules_unjudged 0\n")
	return strings.Contains(p.get("/ready"), want) && all == (p.becomes == isFine)
}

// wantTold checks what the channel was told in all.
func (p *plight) wantTold(t *testing.T) {
	if err := p.daemon.end(t, syscall.SIGTERM, 20*time.Second); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		texts []string
		want  int
	}{
		{[]string{"The oven is hot"}, 1},
		{[]string{"Resolved"}, 0},
		{[]string{"Nobody measures"}, 0},
		{[]string{"No pressure"}, 0},
		{[]string{"No answer of its own"}, 0},
		{troubled[isDown], map[string]int{isDown: 1}[p.becomes]},
		{mended[isDown], map[string]int{isDown: 1}[p.becomes]},
		{troubled[someDo], map[string]int{someDo: 1}[p.becomes]},
		{mended[someDo], map[string]int{someDo: 1}[p.becomes]},
	} {
		if got := p.count(tt.texts...); got != tt.want {
			t.Errorf("%d messages say %q, want %d\nall of them: %s", got, tt.texts, tt.want, strings.Join(p.heard, "\n"))
		}
	}
}
