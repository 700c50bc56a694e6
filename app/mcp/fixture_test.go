package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	protocol "github.com/mark3labs/mcp-go/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/chart"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// house is tocsin on a real store and a live source, with its door for models.
type house struct {
	t      *testing.T
	app    *app.App
	log    *apptest.Buffer
	server *mcp.Server
	client *client.Client
	tools  map[string]*jsonschema.Schema // output schemas
	wire   *apptest.Buffer               // all that went to and fro
	now    time.Time
}

func newHouse(t *testing.T, change ...func(*app.App)) *house {
	t.Helper()
	h := newApp(t, filepath.Join(t.TempDir(), "tocsin.db"))
	for _, f := range change {
		f(h.app)
	}
	h.open()
	return h
}

// newApp returns a house whose door is still closed.
func newApp(t *testing.T, path string) *house {
	t.Helper()
	store, ledgers := ledgertest.Open(t, path, evaluator.LedgerCacheOptions{})
	h := &house{t: t, log: &apptest.Buffer{}, wire: &apptest.Buffer{}, now: noon, tools: map[string]*jsonschema.Schema{}}
	source := live.New(live.Options{})
	if err := source.Write([]byte("temperature,room=kitchen,sensor=a "+
		"celsius=4,door=\"open\"\ntemperature,room=hall,sensor=b celsius=19\ntemperature,monitor_id=7,room=attic,sensor=c "+
		"celsius=9\n"), 0, noon); err != nil {
		t.Fatal(err)
	}
	h.app = app.New(app.App{
		Config: &app.Config{
			Every: 30 * rules.Second, Zone: "Europe/Berlin",
			Channels: map[string]app.ChannelConfig{"phone": {Kind: "ntfy"}, "mail": {Kind: "smtp"}},
		},
		Store: store, Ledgers: ledgers, Sources: map[string]evaluator.Source{"home": source},
		Now: func() time.Time { return h.now }, Version: "1.2.3",
	})
	return h
}

func (h *house) open() {
	h.t.Helper()
	h.server = mcp.New(h.app, mcp.Options{Log: slog.New(slog.NewTextHandler(h.log, nil)), User: "anna", Draw: chart.PNG})
	c, err := client.NewInProcessClient(h.server.Protocol())
	if err != nil {
		h.t.Fatal(err)
	}
	h.client = c
	h.t.Cleanup(func() { _ = c.Close() })
	if err := c.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	hello := protocol.InitializeRequest{}
	hello.Params.ProtocolVersion = protocol.LATEST_PROTOCOL_VERSION
	hello.Params.ClientInfo = protocol.Implementation{Name: "claude-code", Version: "2"}
	if _, err := c.Initialize(h.t.Context(), hello); err != nil {
		h.t.Fatal(err)
	}
	for _, tool := range h.list() {
		if tool.RawOutputSchema != nil || tool.OutputSchema.Type != "" {
			h.tools[tool.Name] = compile(h.t, tool.Name, tool.RawOutputSchema, tool.OutputSchema)
		}
	}
}

func (h *house) list() []protocol.Tool {
	h.t.Helper()
	got, err := h.client.ListTools(h.t.Context(), protocol.ListToolsRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return got.Tools
}

// compile reads a schema as a strict client would.
func compile(t *testing.T, name string, raw json.RawMessage, parsed any) *jsonschema.Schema {
	t.Helper()
	if raw == nil {
		var err error
		if raw, err = json.Marshal(parsed); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name+".json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile(name + ".json")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// call calls a tool with JSON arguments.
func (h *house) call(name, arguments string) *protocol.CallToolResult {
	h.t.Helper()
	var args any
	if err := json.Unmarshal([]byte(arguments), &args); err != nil {
		h.t.Fatalf("%s: %v", arguments, err)
	}
	request := protocol.CallToolRequest{}
	request.Params.Name, request.Params.Arguments = name, args
	result, err := h.client.CallTool(h.t.Context(), request)
	if err != nil {
		h.t.Fatalf("%s %s is a protocol error: %v", name, arguments, err)
	}
	wire, err := json.Marshal(result)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(h.wire, "%s %s\n%s\n", name, arguments, wire); err != nil {
		h.t.Fatal(err)
	}
	return result
}

// ok calls a tool that must answer, checks the answer against its schema and
// returns it.
func (h *house) ok(name, arguments string) map[string]any {
	h.t.Helper()
	result := h.call(name, arguments)
	text := textOf(h.t, result)
	if result.IsError {
		h.t.Fatalf("%s %s was refused: %s", name, arguments, text)
	}
	if result.StructuredContent == nil && len(result.Content) > 1 { // a picture
		result.StructuredContent = json.RawMessage(text)
	}
	structured, err := json.Marshal(result.StructuredContent)
	if err != nil {
		h.t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(structured))
	if err != nil {
		h.t.Fatal(err)
	}
	if s := h.tools[name]; s == nil {
	} else if err := s.Validate(doc); err != nil {
		h.t.Errorf("%s breaks its output schema: %v\n%s", name, err, structured)
	}
	if bytes.Contains(structured, []byte("null")) {
		h.t.Errorf("%s answers with a null: %s", name, structured)
	}
	var fromText, out map[string]any
	if err := json.Unmarshal([]byte(text), &fromText); err != nil {
		h.t.Fatalf("the text of %s is not JSON: %s", name, text)
	}
	if err := json.Unmarshal(structured, &out); err != nil {
		h.t.Fatal(err)
	}
	if fmt.Sprint(fromText) != fmt.Sprint(out) {
		h.t.Errorf("%s: text and structured content differ:\n%s\n%s", name, text, structured)
	}
	return out
}

// confirmed calls a tool that asks before it acts, by a client that cannot ask
// its user, and then with the token that the answer gave.
func (h *house) confirmed(name, arguments string) map[string]any {
	h.t.Helper()
	asked := h.ok(name, arguments)
	token, _ := asked["confirm"].(string)
	if token == "" {
		h.t.Fatalf("%s %s did not ask: %v", name, arguments, asked)
	}
	return h.ok(name, strings.Replace(arguments, "{", `{"confirm":`+strconv.Quote(token)+`,`, 1))
}

// refused calls a tool that must refuse, and returns what it says.
func (h *house) refused(name, arguments string) string {
	h.t.Helper()
	result := h.call(name, arguments)
	text := textOf(h.t, result)
	if !result.IsError {
		h.t.Fatalf("%s %s was not refused: %s", name, arguments, text)
	}
	return text
}

func textOf(t *testing.T, result *protocol.CallToolResult) string {
	t.Helper()
	if len(result.Content) == 0 {
		t.Fatal("no content")
	}
	text, ok := result.Content[0].(protocol.TextContent)
	if !ok {
		t.Fatalf("the content is a %T", result.Content[0])
	}
	return text.Text
}

// fire makes series of a rule go bad, and returns the ids of their alerts.
func (h *house) fire(ruleID string, series ...rules.Series) []string {
	h.t.Helper()
	return apptest.Fire(h.t, h.app, h.now, ruleID, series...)
}

// create makes a rule and returns its id.
func (h *house) create(title string) string {
	h.t.Helper()
	return h.ok("create_alert_rule", `{"title":"`+
		title+`","measurement":"temperature","field":"celsius","group_by":["sensor"],
		"condition":{"type":"threshold","operator":">","value":8},"channels":["phone"]}`)["rule"].(map[string]any)["id"].(string)
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("does not say %q:\n%s", part, text)
		}
	}
}

// stored is the rule as another process reads it.
func (h *house) stored(name string) rules.Rule {
	h.t.Helper()
	r, err := h.app.Store.FindRule(context.Background(), "", name)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}
