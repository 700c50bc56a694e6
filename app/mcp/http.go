package mcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/app/sessions"
	"github.com/9bikes/tocsin/rules"
)

// ScopeHeader is the header with which a client gives up a part of what it may
// do; it can only narrow.
const ScopeHeader = "Tocsin-Scope"

// grace is how long calls under way may take when a Handler ends.
const grace = 2 * time.Second

// Handler serves a Server over streamable HTTP, to clients of the protocol with
// sessions and of the one without. Who speaks is told by WithCaller; whether
// the request may come in at all has been decided before.
type Handler struct {
	server   *Server
	protocol *server.StreamableHTTPServer
	sessions *sessions.Sessions

	mu      sync.Mutex
	ending  chan struct{} // closed when streams end and nothing new is taken
	ended   chan struct{} // closed when calls end too
	present sync.WaitGroup
}

// Handler returns the server as an HTTP handler. Its Run has to run beside it.
func (s *Server) Handler(l sessions.Limits) *Handler {
	h := &Handler{server: s, ending: make(chan struct{}), ended: make(chan struct{})}
	h.sessions = sessions.New(l, h.forget)
	h.protocol = server.NewStreamableHTTPServer(s.protocol,
		server.WithSessionIdManagerResolver(resolver{h.sessions}),
		server.WithStreamableHTTPLogger(s.log),
		// Hosts are checked for the whole listener, which knows their names.
		server.WithDisableLocalhostProtection(true))
	return h
}

// Run ends sessions that are quiet for too long. When ctx ends it ends the
// streams, lets calls under way finish for two seconds, cuts them off and
// forgets all sessions; the server tells nobody of changes any more.
func (h *Handler) Run(ctx context.Context) error {
	look := time.NewTicker(max(h.sessions.Idle()/10, 10*time.Millisecond))
	defer look.Stop()
	for ctx.Err() == nil {
		select {
		case <-look.C:
			h.sessions.Expire(time.Now())
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	close(h.ending)
	h.mu.Unlock()
	h.drain()
	h.server.Close()
	h.sessions.Clear()
	return nil
}

// drain waits for the requests under way. One that does not even stop when it
// is cut off must not keep the daemon from ending.
func (h *Handler) drain() {
	gone := make(chan struct{})
	go func() { h.present.Wait(); close(gone) }()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-gone:
		return
	case <-timer.C:
		close(h.ended)
	}
	timer.Reset(grace)
	select {
	case <-gone:
	case <-timer.C:
		h.server.log.Warn("a call of a model does not stop")
	}
}

// enter counts a request, if the handler has not ended.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.ending:
		return false
	default:
		h.present.Add(1)
		return true
	}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		tooEarly(w)
		return
	}
	defer h.present.Done()
	caller, err := narrowed(h.server.caller(r.Context()), r.Header.Get(ScopeHeader))
	if err != nil {
		http.Error(w, ScopeHeader+": "+err.Error(), http.StatusBadRequest)
		return
	}
	r = r.WithContext(WithCaller(r.Context(), caller))
	switch r.Method {
	case http.MethodPost:
		h.post(w, r)
	case http.MethodGet:
		h.stream(w, r)
	case http.MethodDelete:
		h.protocol.ServeHTTP(w, r)
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		http.Error(w, "the protocol uses POST, GET and DELETE", http.StatusMethodNotAllowed)
	}
}

// tooEarly says that nothing was done, because a handler ends and the next one
// begins.
func tooEarly(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "tocsin reads its config again; repeat the request", http.StatusServiceUnavailable)
}

// narrowed is the caller with no more than the scope that was asked for.
func narrowed(c Caller, asked string) (Caller, error) {
	if asked == "" {
		return c, nil
	}
	scope, err := app.ParseScope(asked)
	if err == nil && c.Scope.Allows(scope) {
		c.Scope = scope
	}
	return c, err
}

// patient lifts the listener's deadlines from a request: a call may take long
// and a stream does not end.
func patient(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	// Where there is no deadline there is none to lift.
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
}

func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, jsonrpc.MaxMessage+1))
	switch {
	case err != nil:
		write(w, http.StatusBadRequest, jsonrpc.Failure(nil, jsonrpc.ParseError, "the message did not arrive whole"))
		return
	case len(body) > jsonrpc.MaxMessage:
		// Who is still writing when the connection ends reads no answer.
		_, _ = io.CopyN(io.Discard, r.Body, 4*jsonrpc.MaxMessage)
		w.Header().Set("Connection", "close")
		write(w, http.StatusRequestEntityTooLarge, jsonrpc.TooLarge())
		return
	}
	patient(w)
	m, wrong := jsonrpc.Parse(body)
	if wrong != nil {
		write(w, http.StatusBadRequest, wrong.Answer())
		return
	}
	if refused, ok := h.server.unready(r.Context(), m); ok {
		write(w, http.StatusOK, refused)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case m.Method == string(mcp.MethodInitialize) && m.Version == "":
		h.initialize(w, r)
	case m.Method == string(mcp.MethodNotificationCancelled) &&
		mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion)):
		// Without a session the ids of all clients are one; each ends its own
		// request by closing it.
		w.WriteHeader(http.StatusAccepted)
	case m.Method == string(mcp.MethodSubscriptionsListen):
		h.serve(w, r, h.ending, nil)
	default:
		defer h.sessions.Call(r.Header.Get(mcp.HeaderSessionID))()
		h.serve(w, r, h.ended, nil)
	}
}

// serve answers until either channel is closed.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, end, gone <-chan struct{}) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	h.present.Go(func() {
		select {
		case <-end:
		case <-gone:
		case <-ctx.Done():
		}
		cancel()
	})
	answer := newReply(w, r)
	h.protocol.ServeHTTP(answer,
		r.WithContext(context.WithValue(context.WithValue(ctx, replyKey{}, answer), sayKey{}, answer.tell)))
	if !answer.hasBegun() && ctx.Err() != nil && r.Context().Err() == nil {
		// It was cut off, and perhaps had done something already.
		http.Error(w, "tocsin ended the request because it reads its config again", http.StatusBadGateway)
	}
}

// initialize begins a session. The answer is held back until the session is
// known everywhere, so that the next request finds it.
func (h *Handler) initialize(w http.ResponseWriter, r *http.Request) {
	begun, ok := h.sessions.Begin(callerName(r), time.Now())
	if !ok {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "there are too many sessions in use here; end one, or try again in a minute",
			http.StatusServiceUnavailable)
		return
	}
	held := &held{header: w.Header(), status: http.StatusOK}
	h.protocol.ServeHTTP(held, r.WithContext(context.WithValue(r.Context(), begunKey{}, begun)))
	switch id := held.header.Get(mcp.HeaderSessionID); {
	case id != begun:
		h.sessions.Drop(begun)
	case !h.sessions.Has(id):
		h.forget(id) // the handler ended meanwhile
	}
	w.WriteHeader(held.status)
	_, _ = w.Write(held.body.Bytes())
}

// stream is what a server says by itself to a client of the protocol with
// sessions.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	var gone <-chan struct{}
	if !mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion)) {
		ended, leave, ok := h.sessions.Listen(r.Header.Get(mcp.HeaderSessionID), callerName(r))
		if !ok {
			http.Error(w, "there is no such session; begin one with initialize", http.StatusNotFound)
			return
		}
		defer leave()
		gone = ended
	}
	patient(w)
	h.serve(w, r, h.ending, gone)
}

// forget frees what the protocol server keeps of a session.
func (h *Handler) forget(id string) {
	h.protocol.Handle(&held{header: http.Header{}}, &server.HTTPRequest{
		Method: http.MethodDelete, Header: http.Header{mcp.HeaderSessionID: {id}}, Context: context.Background(),
	})
}

// unready refuses a message that needs the app where it cannot be opened.
func (s *Server) unready(ctx context.Context, m jsonrpc.Message) (refused jsonrpc.Message, ok bool) {
	if needsApp(m) {
		if err := s.ready(ctx); err != nil {
			return m.Refused(s.unopened(err)), true
		}
	}
	return refused, false
}

// needsApp reports whether the answer needs more than what is always the same.
func needsApp(m jsonrpc.Message) bool {
	if !m.Asks() {
		return false
	}
	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodInitialize, mcp.MethodServerDiscover, mcp.MethodPing, mcp.MethodSetLogLevel,
		mcp.MethodToolsList, mcp.MethodPromptsList, mcp.MethodResourcesTemplatesList:
		return false
	}
	return true
}

// ready opens the app for a request that needs more of it than its Config.
func (s *Server) ready(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.open == nil {
		return nil
	}
	a, err := s.open(ctx)
	if err == nil {
		s.app, s.open = a, nil
	}
	return err
}

// unopened says why the app could not be opened.
func (s *Server) unopened(err error) string {
	if known, ok := errors.AsType[*rules.Error](err); ok && known.Code != rules.Internal {
		return s.secrets.Clean(dialect.Sentence(known))
	}
	s.log.Error("tocsin not opened", "error", err)
	return "tocsin could not be opened here; the cause is on its standard error. `tocsin doctor` tells more"
}

func callerName(r *http.Request) string {
	if r == nil {
		return ""
	}
	c, _ := r.Context().Value(callerKey{}).(Caller)
	return c.Name
}

func write(w http.ResponseWriter, status int, m jsonrpc.Message) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(m.Line())
}

// held is an answer in memory; it is no stream.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of the answer.
func (h *held) Header() http.Header { return h.header }

// WriteHeader keeps the status.
func (h *held) WriteHeader(status int) { h.status = status }

// Write keeps the text.
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

// Flush has nowhere to send it.
func (h *held) Flush() {}

// CanStream is false, so that nothing else is written before the answer.
func (h *held) CanStream() bool { return false }
