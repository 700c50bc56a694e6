package mcp

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

type replyKey struct{}

// reply is the answer to one request over HTTP. It lets a call tell what comes
// before its result on the same stream. The protocol server would hand that to
// whatever stream of the client is free, after the result or, if it is the last
// word, to none.
type reply struct {
	w       http.ResponseWriter
	header  http.Header // as the protocol server wants it
	streams bool        // the client reads a stream too
	started chan struct{}

	mu     sync.Mutex
	begun  bool
	stream bool // what is written are events
}

func newReply(w http.ResponseWriter, r *http.Request) *reply {
	return &reply{
		w: w, header: http.Header{}, streams: strings.Contains(r.Header.Get("Accept"), "text/event-stream"),
		started: make(chan struct{}),
	}
}

// Header is that of the protocol server's answer.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader begins the answer, if it has not begun.
func (r *reply) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin(status, r.header)
}

func (r *reply) begin(status int, header http.Header) {
	if r.begun {
		return
	}
	r.begun, r.stream = true, strings.HasPrefix(header.Get("Content-Type"), "text/event-stream")
	maps.Copy(r.w.Header(), header)
	r.w.WriteHeader(status)
	close(r.started)
}

// Write writes the protocol server's answer, as an event if there were others
// before.
func (r *reply) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin(http.StatusOK, r.header)
	if r.stream && r.header.Get("Content-Type") == "application/json" {
		return len(p), r.event(p)
	}
	return r.w.Write(p)
}

// Flush sends what was written.
func (r *reply) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = http.NewResponseController(r.w).Flush()
}

func (r *reply) event(body []byte) error {
	_, err := r.w.Write([]byte("event: message\ndata: " + string(bytes.TrimSpace(body)) + "\n\n"))
	return err
}

func (r *reply) hasBegun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun
}

// tell writes a notification before the result, if the client reads one.
func (r *reply) tell(m jsonrpc.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams {
		r.begin(http.StatusOK, http.Header{"Content-Type": {"text/event-stream"}})
	}
	if !r.stream || r.event(m.Raw) != nil {
		return // what is lost with the connection is told nobody
	}
	_ = http.NewResponseController(r.w).Flush()
}

// begins waits, not for long, until the answer to the present request has
// begun: what is on its way to be the first word is dropped if the last comes
// sooner.
func begins(ctx context.Context) {
	r, ok := ctx.Value(replyKey{}).(*reply)
	if !ok {
		return
	}
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-r.started:
	case <-timer.C:
	case <-ctx.Done():
	}
}
