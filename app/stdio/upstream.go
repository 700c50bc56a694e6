package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/rules"
)

const (
	shakeTime = 15 * time.Second // for a handshake and for what has no answer
	maxAnswer = 32 << 20         // bytes of one message of a server
)

// Target is a server that a Bridge can bring messages to.
type Target struct {
	// Name is what people call it.
	Name string
	// URL is that of its MCP endpoint.
	URL string
	// Dial makes a connection to it; nil takes the one that the URL names. No
	// message is sent where it fails.
	Dial func(context.Context) (net.Conn, error)
	// Header goes with every request.
	Header http.Header
	// Cure is what to do when it cannot be reached.
	Cure string
}

// What can become of a request that got no answer. An error that is none of
// these is final.
var (
	errUnreached = errors.New("not reached")   // nothing was sent, or to the wrong one
	errAgain     = errors.New("not yet")       // it was refused without being done
	errLost      = errors.New("not answered")  // whether it was done is not known
	errNoStream  = errors.New("no such thing") // the server says nothing by itself
)

// upstream is a target with the client's session there.
type upstream struct {
	Target
	client *http.Client

	opening sync.Mutex // held while hands are shaken
	mu      sync.Mutex
	session *link
}

// link is a session of the client at one server.
type link struct {
	id, version string
	confirm     sync.Once
	gone        chan struct{}
	once        sync.Once
}

func (s *link) end() { s.once.Do(func() { close(s.gone) }) }

func newUpstream(t Target) *upstream {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second,
		// A kept connection that the server has closed meanwhile would leave
		// unknown whether a request was done.
		DisableKeepAlives: true,
	}
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	if t.Dial != nil {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return t.Dial(ctx) }
	}
	// A token must not follow to another place.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &upstream{Target: t, client: &http.Client{Transport: transport, CheckRedirect: stay}}
}

// present is the client's session, nil for none.
func (u *upstream) present() *link {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.session
}

// forget ends the session here, if it is still s; nil is any.
func (u *upstream) forget(s *link) *link {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.session
	if was == nil || s != nil && was != s {
		return nil
	}
	was.end()
	u.session = nil
	return was
}

// leave ends the session here and tells the server.
func (u *upstream) leave() {
	s := u.forget(nil)
	if s == nil || s.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// A server that does not hear it forgets the session by and by.
	if resp, err := u.send(ctx, http.MethodDelete, s, jsonrpc.Message{}); err == nil {
		_ = resp.Body.Close()
	}
}

// answers reports whether the server is there.
func (u *upstream) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, shakeTime)
	defer cancel()
	resp, err := u.send(ctx, http.MethodGet, nil, jsonrpc.Message{})
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode != http.StatusMisdirectedRequest && resp.StatusCode < http.StatusInternalServerError
}

// ask brings a request to the server and returns the answer.
func (u *upstream) ask(ctx context.Context, b *Bridge, c *call) (jsonrpc.Message, error) {
	var s *link
	if c.Version == "" {
		var err error
		greets := c.Method == string(mcp.MethodInitialize)
		var hello jsonrpc.Message
		if s, hello, err = u.shake(ctx, b, greets); err != nil || greets {
			return hello, err
		}
	}
	resp, err := u.send(ctx, http.MethodPost, s, c.Message)
	if err != nil {
		return jsonrpc.Message{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := u.receive(ctx, b, s, resp)
	if errors.Is(err, errLost) {
		b.withdraw(s)
	}
	return answer, err
}

// shake returns the client's session, which it begins if there is none, and
// the server's answer to the handshake.
func (u *upstream) shake(ctx context.Context, b *Bridge, anew bool) (*link, jsonrpc.Message, error) {
	u.opening.Lock()
	defer u.opening.Unlock()
	if s := u.present(); s != nil && !anew {
		return s, jsonrpc.Message{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, shakeTime)
	defer cancel()
	b.mu.Lock()
	hello, ready, standing := b.hello, b.ready, b.standing
	b.mu.Unlock()
	s, answer, err := u.greet(ctx, b, hello)
	if err != nil || len(answer.Error) > 0 && anew {
		return nil, answer, err
	}
	if len(answer.Error) > 0 {
		return nil, answer, rules.Errorf(rules.Unavailable, "%s refuses the handshake: %s", u.Name, answer.Error)
	}
	u.mu.Lock()
	u.session = s
	u.mu.Unlock()
	b.reached(u)
	if !anew && ready {
		u.confirm(ctx, b, s)
	}
	for _, m := range standing {
		if err := u.tell(ctx, s, m); err != nil {
			b.log.Info("a subscription was not repeated", "method", m.Method, "error", err)
		}
	}
	return s, answer, nil
}

func (u *upstream) greet(ctx context.Context, b *Bridge, hello jsonrpc.Message) (*link, jsonrpc.Message, error) {
	resp, err := u.send(ctx, http.MethodPost, nil, hello)
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := u.receive(ctx, b, nil, resp)
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	var result struct {
		Version string `json:"protocolVersion"`
	}
	_ = json.Unmarshal(answer.Result, &result) // an error has no result
	return &link{id: resp.Header.Get(mcp.HeaderSessionID), version: result.Version, gone: make(chan struct{})}, answer, nil
}

// confirm ends the handshake and listens to what the server says by itself.
func (u *upstream) confirm(ctx context.Context, b *Bridge, s *link) {
	s.confirm.Do(func() {
		b.tell(ctx, u, s, jsonrpc.Notification(string(mcp.MethodNotificationInitialized), struct{}{}))
		if s.id != "" {
			b.spawned.Go(func() { u.listen(context.WithoutCancel(ctx), b, s) })
		}
	})
}

// listen passes on what the server says by itself until the session ends.
func (u *upstream) listen(ctx context.Context, b *Bridge, s *link) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.spawned.Go(func() {
		select {
		case <-s.gone:
			cancel()
		case <-ctx.Done():
		}
	})
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		err := u.stream(ctx, b, s)
		switch {
		case ctx.Err() != nil || errors.Is(err, errNoStream):
			return
		case errors.Is(err, errUnreached) || errors.Is(err, errAgain):
			u.forget(s)
			b.withdraw(s)
			return
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func (u *upstream) stream(ctx context.Context, b *Bridge, s *link) error {
	resp, err := u.send(ctx, http.MethodGet, s, jsonrpc.Message{})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		if err := u.refusal(s, resp); errors.Is(err, errAgain) {
			return err
		}
		return errNoStream
	}
	_, err = u.events(ctx, b, s, resp.Body)
	return err
}

// tell sends what has no answer.
func (u *upstream) tell(ctx context.Context, s *link, m jsonrpc.Message) error {
	resp, err := u.send(ctx, http.MethodPost, s, m)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return u.refusal(s, resp)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return err
}

// send sends one request.
func (u *upstream) send(ctx context.Context, method string, s *link, m jsonrpc.Message) (*http.Response, error) {
	sent := false
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, u.URL, bytes.NewReader(m.Raw))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", u.Name, err)
	}
	u.address(r, s, m)
	resp, err := u.client.Do(r)
	switch {
	case err != nil && !sent:
		return nil, u.unreached(err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", errLost, u.Name, rules.Cause(err))
	}
	return resp, nil
}

// address writes the headers of a request.
func (u *upstream) address(r *http.Request, s *link, m jsonrpc.Message) {
	for name, values := range u.Header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "application/json, text/event-stream")
	switch {
	case m.Version != "":
		r.Header.Set(mcp.HeaderProtocolVersion, m.Version)
		for name, value := range mcp.StandardHeaders(m.Version, mcp.MCPMethod(m.Method), m.Params) {
			r.Header.Set(name, value)
		}
	case s != nil:
		if s.id != "" {
			r.Header.Set(mcp.HeaderSessionID, s.id)
		}
		if s.version != "" {
			r.Header.Set(mcp.HeaderProtocolVersion, s.version)
		}
	}
	switch r.Method {
	case http.MethodPost:
		r.Header.Set("Content-Type", "application/json")
	case http.MethodGet:
		r.Header.Set("Accept", "text/event-stream")
	}
}

// receive reads the answer to a request. What the server says before is passed
// on.
func (u *upstream) receive(ctx context.Context, b *Bridge, s *link, resp *http.Response) (jsonrpc.Message, error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var answer jsonrpc.Message
	var err error
	switch {
	case kind == "text/event-stream" && resp.StatusCode == http.StatusOK:
		b.reached(u)
		answer, err = u.events(ctx, b, s, resp.Body)
	case kind == "application/json":
		answer, err = u.document(s, resp)
	case resp.StatusCode < http.StatusMultipleChoices:
		return answer, fmt.Errorf("%w: %s said nothing", errLost, u.Name)
	default:
		return answer, u.refusal(s, resp)
	}
	if err == nil {
		b.reached(u)
	}
	return answer, err
}

// document reads an answer that is no stream.
func (u *upstream) document(s *link, resp *http.Response) (jsonrpc.Message, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return jsonrpc.Message{}, fmt.Errorf("%w: %s: %w", errLost, u.Name, rules.Cause(err))
	}
	if m, wrong := parseAnswer(text); wrong == nil {
		return m, nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	if resp.StatusCode < http.StatusMultipleChoices {
		err := rules.Errorf(rules.Unavailable, "%s answers something that is no MCP; is the address right?", u.Name)
		return jsonrpc.Message{}, err
	}
	return jsonrpc.Message{}, u.refusal(s, resp)
}

// parseAnswer reads the answer to a request; that to one which could not be
// read has no id.
func parseAnswer(text []byte) (jsonrpc.Message, *jsonrpc.Fault) {
	if m, wrong := jsonrpc.Parse(text); wrong == nil || !json.Valid(text) {
		return m, wrong
	}
	m, wrong := jsonrpc.Parse(jsonrpc.Replace(text, "id", json.RawMessage("0")))
	if wrong == nil && !m.Answers() {
		wrong = &jsonrpc.Fault{Code: jsonrpc.InvalidRequest, Text: "this is no answer"}
	}
	return m, wrong
}

// events passes on what comes in a stream until an answer does.
func (u *upstream) events(ctx context.Context, b *Bridge, s *link, body io.Reader) (jsonrpc.Message, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxAnswer)
	var data []byte
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "data:"); ok {
			data = append(append(data, strings.TrimPrefix(text, " ")...), '\n')
		}
		if line != "" || len(data) == 0 {
			continue
		}
		m, wrong := jsonrpc.Parse(data)
		data = nil
		switch {
		case wrong != nil:
			b.log.Info("a server says what is no message", "server", u.Name, "error", wrong)
		case m.Method == "":
			return m, nil
		default:
			b.pass(ctx, u, s, m)
		}
	}
	return jsonrpc.Message{}, fmt.Errorf("%w: %s: %w", errLost, u.Name, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}

// unreached is the error for a server to which nothing was sent.
func (u *upstream) unreached(err error) error {
	e, ours := errors.AsType[*rules.Error](err)
	if !ours {
		text := fmt.Sprintf("cannot reach tocsin at %s: %v", u.Name, rules.Cause(err))
		if u.Cure != "" {
			text += "; " + u.Cure
		}
		e = &rules.Error{Code: rules.Unavailable, Text: text}
	}
	return &outcome{kind: errUnreached, error: e}
}

// outcome is an error for people that also says what became of a request.
type outcome struct {
	kind error
	error
}

// Unwrap returns both.
func (o *outcome) Unwrap() []error { return []error{o.kind, o.error} }

// refusal says why a server did not take a request.
func (u *upstream) refusal(s *link, resp *http.Response) error {
	said := sentence(resp)
	final := func(format string, args ...any) error { return rules.Errorf(rules.Unavailable, format, args...) }
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound && s != nil:
		u.forget(s)
		return &outcome{errAgain, final("%s forgets the session of this client again and again", u.Name)}
	case status == http.StatusServiceUnavailable:
		return &outcome{errAgain, final("%s is not ready: %s", u.Name, said)}
	case status == http.StatusMisdirectedRequest:
		return &outcome{errUnreached, final("%s: %s", u.Name, said)}
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return &outcome{errLost, final("%s: %s", u.Name, said)}
	case status == http.StatusUnauthorized:
		return final("%s wants another token: %s; give it in TOCSIN_TOKEN or by --token-file", u.Name, said)
	case status == http.StatusNotFound:
		return final("there is no MCP at %s; is the address right?", u.Name)
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return final("%s sends to %s; give that address to --connect", u.Name, resp.Header.Get("Location"))
	default:
		return final("%s refuses this (%d): %s", u.Name, status, said)
	}
}

// sentence is what a refusal says, in the words of our own doors or as text.
func sentence(resp *http.Response) string {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
	var ours struct {
		Error string `json:"error"`
	}
	if err == nil && json.Unmarshal(text, &ours) == nil && ours.Error != "" {
		text = []byte(ours.Error)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		return http.StatusText(resp.StatusCode)
	}
	return rules.Defuse(strings.Join(strings.Fields(string(text)), " "), "", "")
}
