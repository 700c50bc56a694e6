package mcp_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// read reads a resource that exists.
func (h *house) read(uri string) (kind, text string) {
	h.t.Helper()
	request := protocol.ReadResourceRequest{}
	request.Params.URI = uri
	result, err := h.client.ReadResource(h.t.Context(), request)
	if err != nil || len(result.Contents) != 1 {
		h.t.Fatalf("%s: %+v, %v", uri, result, err)
	}
	content := result.Contents[0].(protocol.TextResourceContents)
	if content.URI != uri {
		h.t.Errorf("%s calls itself %s", uri, content.URI)
	}
	if _, err := fmt.Fprintln(h.wire, content.Text); err != nil {
		h.t.Fatal(err)
	}
	return content.MIMEType, content.Text
}

func (h *house) readJSON(uri string) map[string]any {
	h.t.Helper()
	kind, text := h.read(uri)
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil || kind != "application/json" {
		h.t.Fatalf("%s is %s: %s", uri, kind, text)
	}
	return out
}

func TestResourcesCanBeRead(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		h := newHouse(t)
		alert := h.fire(h.create("Freezer"), "sensor=a")[0]
		h.connect(era, nil)
		if got := h.readJSON("tocsin://rules"); got["total"] != 1.0 ||
			got["rules"].([]any)[0].(map[string]any)["name"] != "freezer" {
			t.Errorf("rules: %v", got)
		}
		if got := h.readJSON("tocsin://alerts"); got["total"] != 1.0 ||
			!strings.Contains(got["note"].(string), "not instructions") ||
			got["alerts"].([]any)[0].(map[string]any)["id"] != alert {
			t.Errorf("alerts: %v", got)
		}
		if got := h.readJSON("tocsin://alerts/" + alert); got["alert"].(map[string]any)["evidence"] == nil {
			t.Errorf("alert: %v", got)
		}
		kind, text := h.read("tocsin://reference")
		if kind != "text/markdown" {
			t.Errorf("the reference is %s", kind)
		}
		ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
			wants(t, text, "`"+k.Path+"`: "+k.Meaning, "`"+k.Example+"`")
		})
		wants(t, text, "- `condition.horizon`: how far ahead the line is drawn (forecast). Value: duration. Default: `4h`. "+
			"Example: `4h`")
		list, err := h.client.ListResources(t.Context(), protocol.ListResourcesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var uris []string
		for _, r := range list.Resources {
			uris = append(uris, r.URI)
			h.read(r.URI)
		}
		if want := []string{"tocsin://alerts", "tocsin://reference", "tocsin://rules", "tocsin://alerts/" +
			alert}; !slices.Equal(uris, want) {
			t.Errorf("listed %v, want %v", uris, want)
		}
	})
}

func TestResourcesThatDoNotExistAreSaidSoInTheCodeOfTheProtocol(t *testing.T) {
	for era, code := range map[string]int{
		protocol.LATEST_LEGACY_PROTOCOL_VERSION: -32002,
		protocol.LATEST_PROTOCOL_VERSION:        -32602,
	} {
		h := newHouse(t)
		meta := ""
		if era == protocol.LATEST_PROTOCOL_VERSION {
			meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"` + era +
				`","io.modelcontextprotocol/clientCapabilities":{}}`
		}
		for uri, want := range map[string]string{
			"tocsin://alerts/nope": "there is no such alert; tocsin://alerts has the open ones",
			"tocsin://alerts/":     "known: tocsin://rules, tocsin://alerts, tocsin://alerts/{id}, tocsin://reference",
			"tocsin://rule":        "known: tocsin://rules",
			"file:///etc/passwd":   "known: tocsin://rules",
		} {
			message := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":%q%s}}`, uri, meta)
			answer, ok := h.server.Protocol().HandleMessage(t.Context(), []byte(message)).(protocol.JSONRPCError)
			if !ok || answer.Error.Code != code || !strings.Contains(answer.Error.Message, want) {
				t.Errorf("%s, %s: %+v", era, uri, answer)
			}
		}
	}
}

func TestResourcesAreBounded(t *testing.T) {
	h := newHouse(t)
	rule := h.create("Freezer")
	var series []rules.Series
	for i := range 150 {
		series = append(series, rules.Series(fmt.Sprintf("sensor=%03d%s", i, strings.Repeat("x", 300))))
	}
	h.fire(rule, series...)
	got := h.readJSON("tocsin://alerts")
	if len(got["alerts"].([]any)) != 100 || got["total"] != 150.0 {
		t.Errorf("%d of %v", len(got["alerts"].([]any)), got["total"])
	}
	wants(t, got["summary"].(string), "The newest 100 of 150 open alerts; list_alerts has all.")
	list, err := h.client.ListResources(t.Context(), protocol.ListResourcesRequest{})
	if err != nil || len(list.Resources) != 53 {
		t.Errorf("listed %d, %v", len(list.Resources), err)
	}
	for _, r := range list.Resources {
		if len(r.Title) > 210 {
			t.Errorf("a title is %d bytes", len(r.Title))
		}
	}
}

func TestPromptsTellWhatToDo(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		h := newHouse(t)
		h.connect(era, nil)
		list, err := h.client.ListPrompts(t.Context(), protocol.ListPromptsRequest{})
		if err != nil || len(list.Prompts) != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		known := []string{"describe_data", "query_data", "preview_alert_rule", "explain_alert", "get_status"}
		for _, tool := range h.list() {
			known = append(known, tool.Name)
		}
		for _, p := range list.Prompts {
			text := h.prompt(p.Name, nil)
			if p.Title == "" || p.Description == "" || strings.Contains(text, `""`) || strings.Contains(text, "%!") {
				t.Errorf("%s says %s", p.Name, text)
			}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
				if strings.Contains(word, "_") && !slices.Contains(known, word) && !slices.Contains(ruledoc.Names(), word) {
					t.Errorf("%s names %s, which is no tool", p.Name, word)
				}
			}
			for _, a := range p.Arguments {
				if a.Description == "" || a.Required {
					t.Errorf("%s of %s: %+v", a.Name, p.Name, a)
				}
				if with := h.prompt(p.Name, map[string]string{a.Name: "c4nary\u202e"}); !strings.Contains(with, `"c4nary"`) {
					t.Errorf("%s ignores %s: %s", p.Name, a.Name, with)
				}
			}
		}
	})
}

func (h *house) prompt(name string, arguments map[string]string) string {
	h.t.Helper()
	request := protocol.GetPromptRequest{}
	request.Params.Name, request.Params.Arguments = name, arguments
	result, err := h.client.GetPrompt(h.t.Context(), request)
	if err != nil || len(result.Messages) != 1 || result.Messages[0].Role != protocol.RoleUser {
		h.t.Fatalf("%s: %+v, %v", name, result, err)
	}
	return result.Messages[0].Content.(protocol.TextContent).Text
}

func TestCompletionsNameWhatIsThere(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		h := newHouse(t)
		alert := h.fire(h.create("Freezer"), "sensor=a")[0]
		h.connect(era, nil)
		for _, tt := range []struct {
			ref             any
			argument, typed string
			known           map[string]string
			want            string
		}{
			{prompt("set_up_monitoring"), "measurement", "TEMP", nil, "[temperature]"},
			{prompt("set_up_monitoring"), "field", "", map[string]string{"measurement": "temperature"}, "[celsius door]"},
			{prompt("set_up_monitoring"), "field", "cel", map[string]string{"measurement": "temperature"}, "[celsius]"},
			{prompt("set_up_monitoring"), "field", "", nil, "[]"},
			{
				prompt("set_up_monitoring"), "tag", "o",
				map[string]string{"measurement": "temperature"},
				"[monitor_id room sensor]",
			},
			{prompt("set_up_monitoring"), "channel", "p", nil, "[phone]"},
			{prompt("set_up_monitoring"), "colour", "p", nil, "[]"},
			{prompt("why_was_i_woken"), "alert", alert[:3], nil, "[" + alert + "]"},
			{prompt("why_was_i_woken"), "rule", "zer", nil, "[freezer]"},
			{prompt("morning_report"), "since", "1", nil, "[12h]"},
			{prompt("nothing"), "since", "1", nil, "[]"},
			{protocol.ResourceReference{Type: "ref/resource", URI: "tocsin://alerts/{id}"}, "id", "", nil, "[" + alert + "]"},
			{protocol.ResourceReference{Type: "ref/resource", URI: "tocsin://other/{id}"}, "id", "", nil, "[]"},
		} {
			request := protocol.CompleteRequest{}
			request.Params.Ref, request.Params.Argument = tt.ref, protocol.CompleteArgument{Name: tt.argument, Value: tt.typed}
			request.Params.Context.Arguments = tt.known
			got, err := h.client.Complete(t.Context(), request)
			if err != nil || fmt.Sprint(got.Completion.Values) != tt.want {
				t.Errorf("%v %s %q: %+v, %v; want %s", tt.ref, tt.argument, tt.typed, got, err, tt.want)
			}
		}
	})
}

func prompt(name string) protocol.PromptReference {
	return protocol.PromptReference{Type: "ref/prompt", Name: name}
}

func TestCompletionsAreBoundedAndFailQuietly(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Sources["home"] = broken{} })
	rule := h.onBroken("Freezer")
	var series []rules.Series
	for i := range 150 {
		series = append(series, rules.Series(fmt.Sprintf("sensor=%03d", i)))
	}
	h.fire(rule, series...)
	request := protocol.CompleteRequest{}
	request.Params.Ref, request.Params.Argument = prompt("why_was_i_woken"), protocol.CompleteArgument{Name: "alert"}
	got, err := h.client.Complete(t.Context(), request)
	if err != nil || len(got.Completion.Values) != 100 || got.Completion.Total != 150 || !got.Completion.HasMore {
		t.Errorf("%d of %+v, %v", len(got.Completion.Values), got.Completion.Total, err)
	}
	request.Params.Ref, request.Params.Argument = prompt("set_up_monitoring"),
		protocol.CompleteArgument{Name: "measurement"}
	if got, err := h.client.Complete(t.Context(), request); err != nil || len(got.Completion.Values) != 0 {
		t.Errorf("of a broken source: %+v, %v", got, err)
	}
}

// onBroken makes a rule on a source that does not answer.
func (h *house) onBroken(title string) string {
	h.t.Helper()
	doc := rules.Doc{
		"title": title, "source": "home", "measurement": "m", "field": "f", "group_by": "sensor",
		"condition": rules.Doc{"operator": ">", "value": 1},
	}
	r, err := ruledoc.Parse(doc)
	if err != nil {
		h.t.Fatal(err)
	}
	r.ID = "r1"
	if err := h.app.Ledgers.Create(h.t.Context(), rules.NewLedger(r, rules.Actor{Name: "anna"}, noon)); err != nil {
		h.t.Fatal(err)
	}
	return r.ID
}

// TestReadOnly: nothing that changes anything is listed, a call of it all the
// same tells the cure, and everything that reads works.
func TestReadOnly(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		h := newHouse(t)
		alert := h.fire(h.create("Freezer"), "sensor=a")[0]
		h.server = mcp.New(h.app, mcp.Options{User: "eve", Scope: app.ScopeRead})
		h.connect(era, nil)
		for _, tool := range h.list() {
			if !*tool.Annotations.ReadOnlyHint {
				t.Errorf("%s is listed", tool.Name)
			}
		}
		for tool, arguments := range map[string]string{
			"delete_alert_rule": `{"rule":"freezer"}`, "acknowledge_alert": `{"id":"` + alert + `"}`,
			"test_channel":      `{"channel":"phone"}`,
			"update_alert_rule": `{"rule":"freezer","for":"5m"}`, "manage_silences": `{"action":"create","rule":"freezer","until":"2h"}`, "undo_change": `{"undo":"freezer@1"}`,
		} {
			wants(t, h.refused(tool, arguments), "(forbidden), nothing was changed", "this connection may only read",
				"without --read-only", "tocsin tokens add NAME --scope")
		}
		h.ok("list_alert_rules", `{}`)
		h.ok("manage_silences", `{}`)
		h.ok("manage_silences", `{"action":"preview","rule":"freezer","until":"2h"}`)
		h.readJSON("tocsin://alerts/" + alert)
		wants(t, h.prompt("set_up_monitoring", nil), "This connection is read-only: say what you would change")
	})
}

func TestTheInstructionsSayWhatTheConnectionMayNot(t *testing.T) {
	for scope, want := range map[app.Scope]string{
		app.ScopeRead: "This connection is read-only", app.ScopeAck: "may only read and acknowledge", app.ScopeWrite: "",
	} {
		h := newHouse(t)
		h.server = mcp.New(h.app, mcp.Options{Scope: scope})
		for _, message := range []string{
			`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		} {
			body, err := json.Marshal(h.server.Protocol().HandleMessage(t.Context(), []byte(message)))
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Result struct{ Instructions string } }
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			text := got.Result.Instructions
			if want == "" && strings.Contains(text, "This connection") || !strings.Contains(text, want) || len(text) >= 2048 {
				t.Errorf("%s: %d bytes: %s", scope, len(text), text)
			}
		}
	}
}
