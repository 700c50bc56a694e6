package stdio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"pipe","version":"1"}}}`
	ready = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	// modernMeta is what a request of the protocol without sessions carries.
	modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"newer","version":"3"},"io.modelcontextprotocol/clientCapabilities":{}}`
)

func call(id any, tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool,
		arguments)
}

// newRule is the arguments of a call that makes a rule.
func newRule(title string) string {
	return `{"title":"` + title +
		`","measurement":"temperature","field":"celsius","group_by":["sensor"],"condition":{"operator":">","value":8}}`
}

// house is tocsin on a real store and a live source, with its door for models.
type house struct {
	t      *testing.T
	app    *app.App
	server *mcp.Server
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	source := live.New(live.Options{})
	if err := source.Write([]byte("temperature,room=kitchen,sensor=a celsius=4\n"), 0, noon); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, app: app.New(app.App{
		Config: &app.Config{Every: 30 * rules.Second, Zone: "Europe/Berlin"}, Store: store, Ledgers: ledgers,
		Sources: map[string]evaluator.Source{"home": source}, Now: func() time.Time { return noon }, Version: "1.2.3",
	})}
	h.server = mcp.New(h.app, mcp.Options{Log: slog.New(slog.DiscardHandler), User: "anna"})
	return h
}

// create makes a rule and returns its id.
func (h *house) create(title string) string {
	h.t.Helper()
	answer, err := json.Marshal(h.server.Protocol().HandleMessage(h.t.Context(),
		json.RawMessage(call(1, "create_alert_rule", newRule(title)))))
	if err != nil || !bytes.Contains(answer, []byte(`"structuredContent"`)) {
		h.t.Fatalf("no rule %s: %s, %v", title, answer, err)
	}
	return h.stored(strings.ReplaceAll(strings.ToLower(title), " ", "_")).ID
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

// author is who made the newest change of a rule.
func (h *house) author(rule string) rules.Actor {
	h.t.Helper()
	list, _, err := h.app.Store.Versions(h.t.Context(), app.VersionFilter{RuleID: h.stored(rule).ID, Limit: 1})
	if err != nil || len(list) != 1 {
		h.t.Fatalf("changes of %s: %v, %v", rule, list, err)
	}
	return list[0].By
}

// fire makes the series of a rule go bad.
func (h *house) fire(ruleID string, series rules.Series) {
	h.t.Helper()
	apptest.Fire(h.t, h.app, noon, ruleID, series)
}

func textOf(t *testing.T, result *protocol.CallToolResult) string {
	t.Helper()
	if len(result.Content) != 1 {
		t.Fatalf("%d contents", len(result.Content))
	}
	text, ok := result.Content[0].(protocol.TextContent)
	if !ok {
		t.Fatalf("the content is a %T", result.Content[0])
	}
	return text.Text
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("does not say %q:\n%s", part, text)
		}
	}
}
