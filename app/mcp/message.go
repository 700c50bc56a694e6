package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
)

// maxMessage is the most bytes that a message to a server may have.
const maxMessage = 4 << 20

// message is a JSON-RPC message as it stands on the wire.
type message struct {
	raw     []byte
	version string // of the protocol without sessions; "" for the older one

	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

// fault is why a text is no message that can be passed on.
type fault struct {
	code int
	text string
	id   json.RawMessage // nil where it is not known
}

// Error returns the text.
func (f *fault) Error() string { return f.text }

// answer is what whoever sent the text is told.
func (f *fault) answer() message { return failure(f.id, f.code, f.text) }

// parseMessage reads one message.
func parseMessage(text []byte) (message, *fault) {
	m := message{raw: bytes.TrimSpace(text)}
	switch {
	case !json.Valid(m.raw):
		return m, &fault{code: mcp.PARSE_ERROR, text: "this is not JSON"}
	case app.CheckJSON(m.raw) != nil:
		return m, &fault{code: mcp.INVALID_REQUEST, text: app.CheckJSON(m.raw).Error()}
	case m.raw[0] == '[':
		return m, &fault{code: mcp.INVALID_REQUEST, text: "batches are not part of the protocol; send each message by itself"}
	case m.raw[0] != '{':
		return m, &fault{code: mcp.INVALID_REQUEST, text: "a message is a JSON object"}
	}
	if err := json.Unmarshal(m.raw, &m); err != nil || m.JSONRPC != "2.0" {
		return m, &fault{code: mcp.INVALID_REQUEST, text: `this is not a JSON-RPC message of version "2.0"`}
	}
	if len(m.ID) > 0 && m.ID[0] != '"' && m.ID[0] != '-' && (m.ID[0] < '0' || m.ID[0] > '9') {
		return m, &fault{code: mcp.INVALID_REQUEST, text: "an id is a string or a number"}
	}
	if m.Method == "" && !m.answers() {
		return m, &fault{code: mcp.INVALID_REQUEST, text: "this is not a JSON-RPC message: it has neither a method nor a result", id: m.ID}
	}
	m.version = versionOf(m.Params)
	return m, nil
}

// versionOf is the version that a message of the protocol without sessions
// names, "" for the older protocol.
func versionOf(params json.RawMessage) string {
	var p struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	var version string
	if json.Unmarshal(params, &p) != nil || json.Unmarshal(p.Meta[mcp.MetaKeyProtocolVersion], &version) != nil || !mcp.IsModernProtocol(version) {
		return ""
	}
	return version
}

// asks reports whether the message wants an answer.
func (m message) asks() bool { return m.Method != "" && len(m.ID) > 0 }

// answers reports whether the message is an answer.
func (m message) answers() bool {
	return m.Method == "" && len(m.ID) > 0 && (len(m.Result) > 0 || len(m.Error) > 0)
}

// repeatable reports whether nothing is done twice if the message is sent
// twice.
func (m message) repeatable() bool {
	if m.Method != string(mcp.MethodToolsCall) {
		return true
	}
	name := m.param("name")
	i := slices.IndexFunc(tools, func(t tool) bool { return t.name == name })
	return i >= 0 && tools[i].effect.reads
}

// needsApp reports whether the answer needs more than what is always the same.
func (m message) needsApp() bool {
	if !m.asks() {
		return false
	}
	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodInitialize, mcp.MethodServerDiscover, mcp.MethodPing, mcp.MethodSetLogLevel,
		mcp.MethodToolsList, mcp.MethodPromptsList, mcp.MethodResourcesTemplatesList:
		return false
	}
	return true
}

// param is a parameter that is a text.
func (m message) param(name string) (text string) {
	var params map[string]json.RawMessage
	if json.Unmarshal(m.Params, &params) != nil || json.Unmarshal(params[name], &text) != nil {
		return ""
	}
	return text
}

// withID returns the message under another id.
func (m message) withID(id json.RawMessage) message {
	if bytes.Equal(m.ID, id) {
		return m
	}
	m.ID, m.raw = id, replaced(m.raw, "id", id)
	return m
}

// replaced is a JSON object with another value for a key.
func replaced(object []byte, key string, value json.RawMessage) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return object
	}
	fields[key] = value
	return encoded(fields)
}

// line is the message as standard output carries it.
func (m message) line() []byte {
	text := m.raw
	if bytes.ContainsAny(text, "\r\n") {
		var b bytes.Buffer
		if json.Compact(&b, text) == nil {
			text = b.Bytes()
		}
	}
	return append(slices.Clone(text), '\n')
}

// encoded writes what can always be written as JSON.
func encoded(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("write a message: %v", err)) // made of what was read as JSON, and of texts
	}
	return bytes.TrimSpace(b.Bytes())
}

// failure answers a request with an error of the protocol.
func failure(id json.RawMessage, code int, text string) message {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	details := encoded(map[string]any{"code": code, "message": text})
	return message{ID: id, Error: details, raw: encoded(map[string]any{"jsonrpc": "2.0", "id": id, "error": json.RawMessage(details)})}
}

// success answers a request.
func success(id json.RawMessage, result any) message {
	body := encoded(result)
	return message{ID: id, Result: body, raw: encoded(map[string]any{"jsonrpc": "2.0", "id": id, "result": json.RawMessage(body)})}
}

// refused answers a request in words. A model reads those of a tool's result,
// and rarely those of an error of the protocol.
func (m message) refused(text string) message {
	if m.Method != string(mcp.MethodToolsCall) {
		return failure(m.ID, mcp.INTERNAL_ERROR, text)
	}
	result := map[string]any{"isError": true, "content": []any{map[string]any{"type": "text", "text": text}}}
	if m.version != "" {
		result["resultType"] = mcp.ResultTypeComplete
	}
	return success(m.ID, result)
}
