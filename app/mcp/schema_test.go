package mcp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules/ruledoc"
	protocol "github.com/mark3labs/mcp-go/mcp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// wireTools is tools/list as it goes over the wire.
func wireTools(t *testing.T, h *house) (whole json.RawMessage, tools []map[string]any) {
	t.Helper()
	answer := h.server.Protocol().HandleMessage(t.Context(),
		json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	body, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Result struct{ Tools []map[string]any }
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	return body, got.Result.Tools
}

func TestToolsAreAsAgreed(t *testing.T) {
	h := newHouse(t)
	whole, tools := wireTools(t, h)
	var ordered struct { // as written: a model reads them in this order
		Result struct{ Tools []json.RawMessage }
	}
	if err := json.Unmarshal(whole, &ordered); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, tool := range tools {
		name := tool["name"].(string)
		names = append(names, name+".json")
		var b bytes.Buffer
		if err := json.Indent(&b, unescaped(ordered.Result.Tools[i]), "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "tools", name+".json"), append(b.Bytes(), '\n'))
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "tools"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("%s is of no tool", e.Name())
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./app/mcp -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; a tool is an interface: if the change is meant, go test ./app/mcp -update\n%s", path, got)
	}
}

func TestSchemasSuitStrictClients(t *testing.T) {
	h := newHouse(t)
	for _, tool := range h.list() {
		compile(t, tool.Name+" input", tool.RawInputSchema, tool.InputSchema)
	}
	_, tools := wireTools(t, h)
	for _, tool := range tools {
		name := tool["name"].(string)
		input := tool["inputSchema"].(map[string]any)
		output, described := tool["outputSchema"].(map[string]any)
		_, draws := input["properties"].(map[string]any)["chart"]
		if described == draws {
			t.Errorf("%s has an output schema: %t, draws: %t", name, described, draws)
		}
		for _, top := range []map[string]any{input, output} {
			if top == nil {
				continue
			}
			if top["type"] != "object" || top["anyOf"] != nil || top["oneOf"] != nil {
				t.Errorf("%s: a schema is not a plain object", name)
			}
			lint(t, name, top)
		}
		for key, p := range input["properties"].(map[string]any) {
			if slices.Contains(ruledoc.Names(), key) && strings.Contains(tool["description"].(string), "create_alert_rule") {
				continue // which explains it
			}
			explained(t, name+"."+key, p.(map[string]any), 1)
		}
		for _, key := range []string{"title", "description"} {
			if s, _ := tool[key].(string); s == "" {
				t.Errorf("%s has no %s", name, key)
			}
		}
		annotations := tool["annotations"].(map[string]any)
		for _, key := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
			if _, ok := annotations[key].(bool); !ok {
				t.Errorf("%s has no %s", name, key)
			}
		}
		if meta, _ := tool["_meta"].(map[string]any); meta["anthropic/alwaysLoad"] != true {
			t.Errorf("%s is not loaded always", name)
		}
		if !strings.Contains(tool["description"].(string), "Example: {") {
			t.Errorf("%s has no example", name)
		}
	}
}

// lint looks for what makes strict clients refuse the whole list.
func lint(t *testing.T, path string, schema map[string]any) {
	t.Helper()
	if _, list := schema["type"].([]any); list || schema["type"] == nil && schema["anyOf"] == nil {
		t.Errorf("%s has no single type", path)
	}
	if schema["type"] == "array" && schema["items"] == nil {
		t.Errorf("%s is a list of anything", path)
	}
	for key, p := range schema {
		if _, is := p.(bool); is {
			t.Errorf("%s: %s is a boolean where a schema belongs", path, key)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for key, p := range properties {
		nested, ok := p.(map[string]any)
		if !ok {
			t.Errorf("%s.%s is no schema but %v", path, key, p)
			continue
		}
		lint(t, path+"."+key, nested)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		lint(t, path+"[]", items)
	}
}

// explained: every argument says what it is, and nests one level at most.
func explained(t *testing.T, path string, p map[string]any, depth int) {
	t.Helper()
	if p["description"] == nil && p["enum"] == nil {
		t.Errorf("%s is not explained", path)
	}
	properties, _ := p["properties"].(map[string]any)
	if len(properties) > 0 && depth > 1 {
		t.Errorf("%s nests too deep", path)
	}
	for key, nested := range properties {
		explained(t, path+"."+key, nested.(map[string]any), depth+1)
	}
}

func TestToolsFitTheBudgetOfAModel(t *testing.T) {
	h := newHouse(t)
	whole, tools := wireTools(t, h)
	read := 0
	for _, tool := range tools {
		input, err := json.Marshal(tool["inputSchema"])
		if err != nil {
			t.Fatal(err)
		}
		input = unescaped(input)
		read += len(tool["name"].(string)) + len(tool["title"].(string)) + len(tool["description"].(string)) + len(input)
	}
	t.Logf("%d tools, %d bytes to read, tools/list %d bytes", len(tools), read, len(whole))
	if read > 16_000 {
		t.Errorf("a model has to read %d bytes", read)
	}
	if len(whole) > 36_000 {
		t.Errorf("tools/list is %d bytes", len(whole))
	}
	answer := h.server.Protocol().HandleMessage(t.Context(),
		json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`))
	result := answer.(protocol.JSONRPCResponse).Result.(protocol.InitializeResult)
	if n := len(result.Instructions); n == 0 || n >= 2048 {
		t.Errorf("the instructions are %d bytes", n)
	}
	if result.ServerInfo.Name != "tocsin" || result.ServerInfo.Version != "1.2.3" {
		t.Errorf("calls itself %+v", result.ServerInfo)
	}
}

func unescaped(body []byte) []byte {
	for from, to := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		body = bytes.ReplaceAll(body, []byte(from), []byte(to))
	}
	return body
}

func TestExamplesWork(t *testing.T) {
	h := newHouse(t)
	h.ok("create_alert_rule", example(t, h, "create_alert_rule"))
	for _, name := range []string{"list_alert_rules", "list_alerts"} {
		h.ok(name, example(t, h, name))
	}
	h.ok("update_alert_rule", strings.Replace(example(t, h, "update_alert_rule"), `"freezer"`, `"freezer_too_warm"`, 1))
	id := h.fire(h.create("Fridge too warm"), "sensor=a")[0]
	h.ok("acknowledge_alert", strings.Replace(example(t, h, "acknowledge_alert"), "a1b2c3", id, 1))
	for range 2 {
		h.ok("update_alert_rule", `{"rule":"freezer_too_warm","condition":{"value":-13}}`)
		h.ok("update_alert_rule", `{"rule":"freezer_too_warm","condition":{"value":-14}}`)
	}
	for _, name := range []string{"manage_silences", "list_changes", "undo_change"} {
		h.ok(name, strings.Replace(example(t, h, name), `"freezer"`, `"freezer_too_warm"`, 1))
	}
	h.ok("list_channels", example(t, h, "list_channels"))
	for _, name := range []string{"describe_data", "query_data", "preview_alert_rule", "get_status", "explain_alert"} {
		h.ok(name, strings.Replace(example(t, h, name), `"freezer"`, `"freezer_too_warm"`, 1))
	}
	h.confirmed("delete_alert_rule",
		strings.Replace(example(t, h, "delete_alert_rule"), `"freezer"`, `"freezer_too_warm"`, 1))
}

func example(t *testing.T, h *house, name string) string {
	t.Helper()
	for _, tool := range h.list() {
		if tool.Name == name {
			_, text, _ := strings.Cut(tool.Description, "Example: ")
			return text
		}
	}
	t.Fatalf("no tool %s", name)
	return ""
}
