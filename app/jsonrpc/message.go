// Package jsonrpc is the messages of the Model Context Protocol as they stand
// on the wire: JSON-RPC 2.0, one message a text. The door for models and what
// carries a client's messages to it share it; neither what a message means nor
// how it travels belongs here.
package jsonrpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// MaxMessage is the most bytes that a message to a server may have.
const MaxMessage = 4 << 20

// The codes of errors of the protocol.
const (
	ParseError     = -32700
	InvalidRequest = -32600
	InternalError  = -32603
)

// What the Model Context Protocol says of a message itself.
const (
	toolsCall   = "tools/call"
	metaVersion = "io.modelcontextprotocol/protocolVersion"
	// stateless is the first version of the protocol without sessions.
	stateless = "2026-07-28"
)

// Message is a message with its text.
type Message struct {
	// Raw is the whole message.
	Raw []byte `json:"-"`
	// Version is the version of the protocol without sessions that the message
	// names; "" for the older one.
	Version string `json:"-"`

	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// Fault is why a text is no message that can be passed on.
type Fault struct {
	Code int
	Text string
	ID   json.RawMessage // nil where it is not known
}

// Error returns the text.
func (f *Fault) Error() string { return f.Text }

// Answer is what whoever sent the text is told.
func (f *Fault) Answer() Message { return Failure(f.ID, f.Code, f.Text) }

// Parse reads one message.
func Parse(text []byte) (Message, *Fault) {
	m := Message{Raw: bytes.TrimSpace(text)}
	if !json.Valid(m.Raw) {
		return m, &Fault{Code: ParseError, Text: "this is not JSON"}
	}
	err := CheckSize(m.Raw)
	switch {
	case err != nil:
		return m, &Fault{Code: InvalidRequest, Text: err.Error()}
	case m.Raw[0] == '[':
		return m, &Fault{Code: InvalidRequest, Text: "batches are not part of the protocol; send each message by itself"}
	case m.Raw[0] != '{':
		return m, &Fault{Code: InvalidRequest, Text: "a message is a JSON object"}
	}
	if err := json.Unmarshal(m.Raw, &m); err != nil || m.JSONRPC != "2.0" {
		return m, &Fault{Code: InvalidRequest, Text: `this is not a JSON-RPC message of version "2.0"`}
	}
	if len(m.ID) > 0 && m.ID[0] != '"' && m.ID[0] != '-' && (m.ID[0] < '0' || m.ID[0] > '9') {
		return m, &Fault{Code: InvalidRequest, Text: "an id is a string or a number"}
	}
	if m.Method == "" && !m.Answers() {
		return m, &Fault{InvalidRequest, "this is not a JSON-RPC message: it has neither a method nor a result", m.ID}
	}
	m.Version = versionOf(m.Params)
	return m, nil
}

// versionOf is the version that a message of the protocol without sessions
// names, "" for the older protocol.
func versionOf(params json.RawMessage) string {
	var p struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	var version string
	if json.Unmarshal(params, &p) != nil || json.Unmarshal(p.Meta[metaVersion], &version) != nil || version < stateless {
		return ""
	}
	return version
}

// Asks reports whether the message wants an answer.
func (m Message) Asks() bool { return m.Method != "" && len(m.ID) > 0 }

// Answers reports whether the message is an answer.
func (m Message) Answers() bool {
	return m.Method == "" && len(m.ID) > 0 && (len(m.Result) > 0 || len(m.Error) > 0)
}

// Param is a parameter that is a text.
func (m Message) Param(name string) (text string) {
	var params map[string]json.RawMessage
	if json.Unmarshal(m.Params, &params) != nil || json.Unmarshal(params[name], &text) != nil {
		return ""
	}
	return text
}

// WithID returns the message under another id.
func (m Message) WithID(id json.RawMessage) Message {
	if bytes.Equal(m.ID, id) {
		return m
	}
	m.ID, m.Raw = id, Replace(m.Raw, "id", id)
	return m
}

// Replace returns a JSON object with another value for a key.
func Replace(object []byte, key string, value json.RawMessage) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return object
	}
	fields[key] = value
	return Encode(fields)
}

// Line is the message as a stream of lines carries it.
func (m Message) Line() []byte {
	text := m.Raw
	if bytes.ContainsAny(text, "\r\n") {
		var b bytes.Buffer
		if json.Compact(&b, text) == nil {
			text = b.Bytes()
		}
	}
	return append(slices.Clone(text), '\n')
}

// Encode writes what can always be written as JSON.
func Encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("write a message: %v", err)) // made of what was read as JSON, and of texts
	}
	return bytes.TrimSpace(b.Bytes())
}

// Notification is a message that wants no answer.
func Notification(method string, params any) Message { return Request(nil, method, params) }

// Request is a message that wants an answer.
func Request(id json.RawMessage, method string, params any) Message {
	return Message{ID: id, Method: method, Params: Encode(params)}.written()
}

// Success answers a request.
func Success(id json.RawMessage, result any) Message {
	return Message{ID: id, Result: Encode(result)}.written()
}

// Failure answers a request with an error of the protocol.
func Failure(id json.RawMessage, code int, text string) Message {
	return Failed(id, map[string]any{"code": code, "message": text})
}

// Failed answers a request with an error of the protocol that is worded.
func Failed(id json.RawMessage, problem any) Message {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	return Message{ID: id, Error: Encode(problem)}.written()
}

// written is the message with its text.
func (m Message) written() Message {
	m.JSONRPC = "2.0"
	m.Raw = Encode(m)
	return m
}

// TooLarge answers a message that was not read to its end.
func TooLarge() Message {
	return Failure(nil, InvalidRequest, fmt.Sprintf("the message is larger than %d MB", MaxMessage>>20))
}

// Refused answers a request in words. A model reads those of a tool's result,
// and rarely those of an error of the protocol.
func (m Message) Refused(text string) Message {
	if m.Method != toolsCall {
		return Failure(m.ID, InternalError, text)
	}
	result := map[string]any{"isError": true, "content": []any{map[string]any{"type": "text", "text": text}}}
	if m.Version != "" {
		result["resultType"] = "complete"
	}
	return Success(m.ID, result)
}
