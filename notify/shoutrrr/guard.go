package shoutrrr

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// marker is the header that tells the guard which delivery a request belongs
// to. shoutrrr hands no context through, so it is put into the channel's URL
// and taken off here.
const marker = "X-Tocsin-Delivery"

// maxReply is how much of an answer is read.
const maxReply = 64 << 10

// guard stands between shoutrrr and the network. It hands shoutrrr a made-up
// answer where there was none, so that no error is built that would quote the
// URL, and none that redirects.
type guard struct {
	base   http.RoundTripper
	others http.RoundTripper // for requests that are not ours; nil is http.DefaultTransport

	mu   sync.Mutex
	open map[string]*passage
}

// passage is one delivery on its way through the guard.
type passage struct {
	ctx   context.Context //nolint:containedctx // the only way past shoutrrr, which takes none
	reply *reply
}

func newGuard(base http.RoundTripper) *guard {
	return &guard{base: base, open: map[string]*passage{}}
}

// admit opens the guard for one delivery until the returned function is called.
func (g *guard) admit(id string, p *passage) (closed func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[id] = p
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.open, id)
	}
}

// RoundTrip carries a marked request under its delivery's context, and any
// other one as if there were no guard.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	id := req.Header.Get(marker)
	if id == "" {
		return g.pass(req)
	}
	g.mu.Lock()
	p := g.open[id]
	g.mu.Unlock()
	if p == nil || p.reply != nil {
		return answer(req, 599), nil
	}
	p.reply = &reply{}
	*p.reply = g.trip(p.ctx, req)
	if s := p.reply.status; p.reply.err == nil && (s < 300 || s >= 400) {
		return answer(req, s), nil
	}
	return answer(req, 599), nil
}

func (g *guard) pass(req *http.Request) (*http.Response, error) {
	if g.others != nil {
		return g.others.RoundTrip(req)
	}
	return http.DefaultTransport.RoundTrip(req)
}

func (g *guard) trip(ctx context.Context, req *http.Request) (r reply) {
	var way crossing
	out := req.Clone(way.watch(ctx))
	out.Header.Del(marker)
	resp, err := g.base.RoundTrip(out)
	if err != nil {
		return reply{err: err, left: way.left()}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	_ = resp.Body.Close() // what was read counts, and err says if it was cut short
	return reply{
		status: resp.StatusCode, header: resp.Header, left: true, err: err,
		body: body[:min(len(body), maxReply)], whole: err == nil && len(body) <= maxReply,
	}
}

// answer is what shoutrrr sees: a status and nothing of the service's text.
func answer(req *http.Request, status int) *http.Response {
	body := `{}`
	return &http.Response{
		Status: fmt.Sprintf("%d from the service", status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: req,
	}
}
