package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/rules"
)

// maxAnswer is the most bytes of one message of a server.
const maxAnswer = 32 << 20

// Target is a server that a Bridge can bring messages to.
type Target struct {
	// Name is what people call it.
	Name string
	// Connect begins a session with a server in this process; nil for one that
	// is reached by what follows.
	Connect func() Session
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

// remote brings messages to a server over streamable HTTP. A message goes as it
// stands, and a question of the server waits for as long as the server does;
// the client of mcp-go reads numbers as floats, drops notifications that it does
// not understand, and gives a user 30 seconds.
type remote struct {
	Target
	client *http.Client
	log    *slog.Logger
}

func newRemote(t Target, log *slog.Logger) *remote {
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
	return &remote{Target: t, client: &http.Client{Transport: transport, CheckRedirect: stay}, log: log}
}

func (r *remote) close(s *session) {
	if s.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// A server that does not hear it forgets the session by and by.
	if resp, err := r.send(ctx, http.MethodDelete, s, jsonrpc.Message{}); err == nil {
		_ = resp.Body.Close()
	}
}

func (r *remote) reachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	resp, err := r.send(ctx, http.MethodGet, nil, jsonrpc.Message{})
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode != http.StatusMisdirectedRequest && resp.StatusCode < http.StatusInternalServerError
}

func (r *remote) request(ctx context.Context, s *session, m jsonrpc.Message, say sink) (jsonrpc.Message, error) {
	resp, err := r.send(ctx, http.MethodPost, s, m)
	if err != nil {
		return jsonrpc.Message{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	return r.receive(s, resp, say)
}

func (r *remote) initialize(ctx context.Context, hello jsonrpc.Message, say sink) (*session, jsonrpc.Message, error) {
	resp, err := r.send(ctx, http.MethodPost, nil, hello)
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := r.receive(nil, resp, say)
	var result struct {
		Version string `json:"protocolVersion"`
	}
	_ = json.Unmarshal(answer.Result, &result) // an error has no result
	s := &session{id: resp.Header.Get(mcp.HeaderSessionID), version: result.Version, gone: make(chan struct{})}
	return s, answer, err
}

func (r *remote) listen(ctx context.Context, s *session, say sink) error {
	if s.id == "" {
		return errNoStream
	}
	resp, err := r.send(ctx, http.MethodGet, s, jsonrpc.Message{})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		if err := r.refusal(s, resp); again(err) {
			return err
		}
		return errNoStream
	}
	_, err = r.events(resp.Body, say)
	return err
}

// notify sends what has no answer.
func (r *remote) notify(ctx context.Context, s *session, m jsonrpc.Message) error {
	resp, err := r.send(ctx, http.MethodPost, s, m)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return r.refusal(s, resp)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return err
}

// send sends one request.
func (r *remote) send(ctx context.Context, method string, s *session, m jsonrpc.Message) (*http.Response, error) {
	sent := false
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, r.URL, bytes.NewReader(m.Raw))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.Name, err)
	}
	r.address(req, s, m)
	resp, err := r.client.Do(req)
	switch {
	case err != nil && !sent:
		return nil, r.unreached(err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", errLost, r.Name, rules.Cause(err))
	}
	return resp, nil
}

// address writes the headers of a request.
func (r *remote) address(req *http.Request, s *session, m jsonrpc.Message) {
	for name, values := range r.Target.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	switch {
	case m.Version != "":
		req.Header.Set(mcp.HeaderProtocolVersion, m.Version)
		for name, value := range mcp.StandardHeaders(m.Version, mcp.MCPMethod(m.Method), m.Params) {
			req.Header.Set(name, value)
		}
	case s != nil:
		if s.id != "" {
			req.Header.Set(mcp.HeaderSessionID, s.id)
		}
		if s.version != "" {
			req.Header.Set(mcp.HeaderProtocolVersion, s.version)
		}
	}
	switch req.Method {
	case http.MethodPost:
		req.Header.Set("Content-Type", "application/json")
	case http.MethodGet:
		req.Header.Set("Accept", "text/event-stream")
	}
}

// receive reads the answer to a request. What the server says before goes
// to say.
func (r *remote) receive(s *session, resp *http.Response, say sink) (jsonrpc.Message, error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream" && resp.StatusCode == http.StatusOK:
		return r.events(resp.Body, say)
	case kind == "application/json":
		return r.document(s, resp)
	case resp.StatusCode < http.StatusMultipleChoices:
		return jsonrpc.Message{}, fmt.Errorf("%w: %s said nothing", errLost, r.Name)
	default:
		return jsonrpc.Message{}, r.refusal(s, resp)
	}
}

// document reads an answer that is no stream.
func (r *remote) document(s *session, resp *http.Response) (jsonrpc.Message, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return jsonrpc.Message{}, fmt.Errorf("%w: %s: %w", errLost, r.Name, rules.Cause(err))
	}
	if m, wrong := parseAnswer(text); wrong == nil {
		return m, nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	if resp.StatusCode < http.StatusMultipleChoices {
		err := rules.Errorf(rules.Unavailable, "%s answers something that is no MCP; is the address right?", r.Name)
		return jsonrpc.Message{}, err
	}
	return jsonrpc.Message{}, r.refusal(s, resp)
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

// events hands on what comes in a stream until an answer does.
func (r *remote) events(body io.Reader, say sink) (jsonrpc.Message, error) {
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
			r.log.Info("a server says what is no message", "server", r.Name, "error", wrong)
		case m.Method == "":
			return m, nil
		default:
			say(m)
		}
	}
	return jsonrpc.Message{}, fmt.Errorf("%w: %s: %w", errLost, r.Name, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}

// unreached is the error for a server to which nothing was sent.
func (r *remote) unreached(err error) error {
	e, ours := errors.AsType[*rules.Error](err)
	if !ours {
		text := fmt.Sprintf("cannot reach tocsin at %s: %v", r.Name, rules.Cause(err))
		if r.Cure != "" {
			text += "; " + r.Cure
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
func (r *remote) refusal(s *session, resp *http.Response) error {
	said := sentence(resp)
	final := func(format string, args ...any) error { return rules.Errorf(rules.Unavailable, format, args...) }
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound && s != nil:
		return &outcome{errForgotten, final("%s forgets the session of this client again and again", r.Name)}
	case status == http.StatusServiceUnavailable:
		return &outcome{errAgain, final("%s is not ready: %s", r.Name, said)}
	case status == http.StatusMisdirectedRequest:
		return &outcome{errUnreached, final("%s: %s", r.Name, said)}
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return &outcome{errLost, final("%s: %s", r.Name, said)}
	case status == http.StatusUnauthorized:
		return final("%s wants another token: %s; give it in TOCSIN_TOKEN or by --token-file", r.Name, said)
	case status == http.StatusNotFound:
		return final("there is no MCP at %s; is the address right?", r.Name)
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return final("%s sends to %s; give that address to --connect", r.Name, resp.Header.Get("Location"))
	default:
		return final("%s refuses this (%d): %s", r.Name, status, said)
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
