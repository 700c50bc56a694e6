package stdio

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// serverRequest is a request of a server that the client has not answered yet.
type serverRequest struct {
	id      json.RawMessage // as the server gave it
	method  string
	at      *upstream
	session *session
	call    *call // during which it was asked, nil for none
}

// answerServer takes an answer of the client to the server that asked.
func (b *Bridge) answerServer(ctx context.Context, m jsonrpc.Message) {
	n, err := strconv.Atoi(string(m.ID))
	b.mu.Lock()
	q, ok := b.serverRequests[n]
	delete(b.serverRequests, n)
	b.mu.Unlock()
	if err != nil || !ok {
		return // the server that asked is gone
	}
	b.spawned.Go(func() { b.notifyServer(ctx, q.at, q.session, m.WithID(q.id)) })
}

// relay gives the client what a server says, by itself or before it answers c.
func (b *Bridge) relay(ctx context.Context, u *upstream, s *session, c *call, m jsonrpc.Message) {
	switch {
	case m.Method == string(mcp.MethodNotificationCancelled):
		b.write(b.translated(m, s))
	case m.Method != "" && !m.Asks():
		b.write(m)
	case m.Method == string(mcp.MethodPing):
		b.spawned.Go(func() { b.notifyServer(ctx, u, s, jsonrpc.Success(m.ID, struct{}{})) })
	case m.Asks():
		b.relayRequest(ctx, serverRequest{id: m.ID, method: m.Method, at: u, session: s, call: c}, m)
	}
}

// relayRequest asks the client what a server wants to know, under a number of the
// bridge's own: servers that follow each other count from the same one.
func (b *Bridge) relayRequest(ctx context.Context, q serverRequest, m jsonrpc.Message) {
	b.mu.Lock()
	over := b.over
	b.asked++
	n := b.asked
	if !over {
		b.serverRequests[n] = q
	}
	b.mu.Unlock()
	if over {
		b.spawned.Go(func() { b.notifyServer(ctx, q.at, q.session, q.unanswered()) })
		return
	}
	b.write(m.WithID(strconv.AppendInt(nil, int64(n), 10)))
}

// unanswered is what a server is told when nobody is there to answer.
func (q serverRequest) unanswered() jsonrpc.Message {
	if q.method == string(mcp.MethodElicitationCreate) {
		return jsonrpc.Success(q.id, map[string]any{"action": "cancel"})
	}
	return jsonrpc.Failure(q.id, jsonrpc.InternalError, "the client has gone")
}

// translated is the withdrawal of a question with the number that the client
// knows.
func (b *Bridge) translated(m jsonrpc.Message, s *session) jsonrpc.Message {
	var p struct {
		ID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(m.Params, &p) != nil {
		return m
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, q := range b.serverRequests {
		if q.session == s && string(q.id) == string(p.ID) {
			delete(b.serverRequests, n)
			known := jsonrpc.Replace(m.Params, "requestId", strconv.AppendInt(nil, int64(n), 10))
			m.Raw = jsonrpc.Replace(m.Raw, "params", known)
		}
	}
	return m
}

// withdraw takes back the questions that wait for nothing any more.
func (b *Bridge) withdraw(reason string, moot func(serverRequest) bool) {
	b.mu.Lock()
	var gone []int
	for n, q := range b.serverRequests {
		if moot(q) {
			gone = append(gone, n)
			delete(b.serverRequests, n)
		}
	}
	b.mu.Unlock()
	for _, n := range gone {
		gone := map[string]any{"requestId": n, "reason": reason}
		b.write(jsonrpc.Notification(string(mcp.MethodNotificationCancelled), gone))
	}
}
