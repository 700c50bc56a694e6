//go:build conformance

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/app/sessions"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/evaluator/live"
)

// TestConformance runs the protocol's own suite, everything that each revision
// requires, against the daemon's listener with the tools that the suite calls
// by name beside ours. What is expected to fail has its reason beside it.
func TestConformance(t *testing.T) {
	tools := clients(t)
	url := conformant(t)
	t.Run("all", func(t *testing.T) {
		for _, revision := range []string{"2025-11-25", "2026-07-28"} {
			t.Run(revision, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				baseline, err := filepath.Abs("app/mcp/testdata/clients/expected-failures-" + revision + ".yml")
				if err != nil {
					t.Fatal(err)
				}
				cmd := tools.command(ctx, "conformance", "server", "--url", url, "--requirements", revision, "--expected-failures",
					baseline, "-o", "results")
				cmd.Dir = t.TempDir()
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v\n%s\n%s", err, out[max(0, len(out)-2000):], failures(t, filepath.Join(cmd.Dir, "results")))
				}
				passed := regexp.MustCompile(`Total: (\d+) passed, (\d+) failed`).FindSubmatch(out)
				if passed == nil || len(passed[1]) < 2 {
					t.Fatalf("not a whole run:\n%s", out)
				}
				t.Logf("%s", passed[0])
			})
		}
	})
}

// failures are the checks that a run did not pass, each with its reason.
func failures(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var checks []struct {
			ID, Status, ErrorMessage string
			Details                  json.RawMessage
		}
		if err := json.Unmarshal(text, &checks); err != nil {
			t.Fatal(err)
		}
		for _, check := range checks {
			if check.Status == "FAILURE" || check.Status == "WARNING" {
				fmt.Fprintf(&out, "%s %s %s: %s %.1000s\n", filepath.Base(filepath.Dir(file)), check.Status, check.ID,
					check.ErrorMessage, check.Details)
			}
		}
	}
	return out.String()
}

// conformant is the address of a tocsin with the fixtures of the suite.
func conformant(t *testing.T) string {
	t.Helper()
	store, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	a := app.New(app.App{
		Config: &app.Config{}, Store: store, Ledgers: ledgers,
		Sources: map[string]evaluator.Source{"live": live.New(live.Options{})}, Version: "1",
	})
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	models := mcp.New(a, mcp.Options{Log: log})
	fixtures{models.Protocol()}.add()
	door := models.Handler(sessions.Limits{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := web.New(a, web.Options{
		Loopback: true, Log: log,
		MCP: func(w http.ResponseWriter, r *http.Request, name string, scope app.Scope) {
			door.ServeHTTP(w, r.WithContext(mcp.WithCaller(r.Context(), mcp.Caller{Name: name, Scope: scope})))
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- door.Run(ctx) }()
	go func() { ended <- web.Serve(ctx, l, front, web.ServeOptions{}) }()
	t.Cleanup(func() {
		cancel()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return "http://" + l.Addr().String() + "/mcp"
}

// fixtures are what the suite calls by name.
type fixtures struct{ *server.MCPServer }

func (f fixtures) add() {
	server.WithLogging()(f.MCPServer)
	server.WithElicitation()(f.MCPServer)
	f.EnableSampling()
	f.addTools()
	f.addAsking()
	f.addRounds()
	f.addResources()
	f.addPrompts()
}

const (
	pixel  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	silent = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
)

// tool adds one that needs no arguments.
func (f fixtures) tool(name string, call server.ToolHandlerFunc, options ...protocol.ToolOption) {
	f.AddTool(protocol.NewTool(name, append(options, protocol.WithDescription("for the conformance suite"))...), call)
}

// says adds a tool that always answers the same.
func (f fixtures) says(name string, result *protocol.CallToolResult) {
	f.tool(name, func(context.Context, protocol.CallToolRequest) (*protocol.CallToolResult, error) { return result, nil })
}

func contents(list ...protocol.Content) *protocol.CallToolResult {
	return &protocol.CallToolResult{Content: list}
}

func embedded(uri, kind, text string) protocol.EmbeddedResource {
	return protocol.NewEmbeddedResource(protocol.TextResourceContents{URI: uri, MIMEType: kind, Text: text})
}

func (f fixtures) addTools() {
	// tocsin lists no tools but its own.
	f.GetHooks().AddAfterListTools(func(_ context.Context, _ any, _ *protocol.ListToolsRequest,
		result *protocol.ListToolsResult,
	) {
		all := f.ListTools()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !slices.ContainsFunc(result.Tools, func(t protocol.Tool) bool { return t.Name == name }) {
				result.Tools = append(result.Tools, all[name].Tool)
			}
		}
	})
	image := protocol.NewImageContent(pixel, "image/png")
	f.says("test_simple_text", protocol.NewToolResultText("This is a simple text response for testing."))
	f.says("test_image_content", contents(image))
	f.says("test_audio_content", contents(protocol.NewAudioContent(silent, "audio/wav")))
	f.says("test_embedded_resource",
		contents(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")))
	f.says("test_multiple_content_types",
		contents(protocol.NewTextContent("Multiple content types test:"), image,
			embedded("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`)))
	f.says("test_error_handling", protocol.NewToolResultError("This tool intentionally returns an error for testing"))
	f.says("test_logging_tool", protocol.NewToolResultText("nothing was logged"))
	f.tool("test_tool_with_logging", func(ctx context.Context, _ protocol.CallToolRequest) (*protocol.CallToolResult,
		error,
	) {
		return f.notifies(ctx, "notifications/message", []map[string]any{
			{"level": "info", "data": "Tool execution started"},
			{"level": "info", "data": "Tool processing data"},
			{"level": "info", "data": "Tool execution completed"},
		})
	})
	f.tool("test_tool_with_progress", func(ctx context.Context,
		request protocol.CallToolRequest,
	) (*protocol.CallToolResult, error) {
		if request.Params.Meta == nil {
			return protocol.NewToolResultText("nobody wants to hear of progress"), nil
		}
		var steps []map[string]any
		for _, progress := range []int{0, 50, 100} {
			steps = append(steps,
				map[string]any{"progressToken": request.Params.Meta.ProgressToken, "progress": progress, "total": 100})
		}
		return f.notifies(ctx, "notifications/progress", steps)
	})
	f.tool("test_missing_capability", func(ctx context.Context, _ protocol.CallToolRequest) (*protocol.CallToolResult,
		error,
	) {
		// What the library makes of it is in the baseline.
		return nil, protocol.MissingRequiredClientCapabilityError{Capability: "sampling"}
	})
}

// notifies sends the notifications with a pause between them.
func (f fixtures) notifies(ctx context.Context, method string, list []map[string]any) (*protocol.CallToolResult,
	error,
) {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for _, params := range list {
		if err := f.SendNotificationToClient(ctx, method, params); err != nil {
			return nil, err
		}
		<-pause.C
	}
	return protocol.NewToolResultText("told"), nil
}

// form is a question for the user.
func form(message string, properties map[string]any) protocol.ElicitationParams {
	return protocol.ElicitationParams{
		Message:         message,
		RequestedSchema: map[string]any{"type": "object", "properties": properties},
	}
}

func titled(pairs ...string) []any {
	var out []any
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, map[string]any{"const": pair[0], "title": pair[1]})
	}
	return out
}

// addAsking adds the tools that ask the client while they run, as the older
// protocol does.
func (f fixtures) addAsking() {
	text := map[string]any{"type": "string"}
	options := map[string]any{"type": "string", "enum": []string{"option1", "option2"}}
	values := titled("value1", "Value One", "value2", "Value Two")
	asks := func(name string, properties map[string]any, options ...protocol.ToolOption) {
		f.tool(name, func(ctx context.Context, _ protocol.CallToolRequest) (*protocol.CallToolResult, error) {
			result, err := f.RequestElicitation(ctx,
				protocol.ElicitationRequest{
					Request: protocol.Request{Method: string(protocol.MethodElicitationCreate)},
					Params:  form("Tell me", properties),
				})
			if err != nil {
				return nil, err
			}
			return protocol.NewToolResultText(fmt.Sprintf("Elicitation completed: action=%s, content=%v", result.Action,
				result.Content)), nil
		}, options...)
	}
	asks("test_elicitation", map[string]any{"username": text, "email": text}, protocol.WithString("message"))
	asks("test_elicitation_sep1034_defaults", map[string]any{
		"name":     map[string]any{"type": "string", "default": "John Doe"},
		"age":      map[string]any{"type": "integer", "default": 30},
		"score":    map[string]any{"type": "number", "default": 95.5},
		"verified": map[string]any{"type": "boolean", "default": true},
		"status":   map[string]any{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
	})
	asks("test_elicitation_sep1330_enums", map[string]any{
		"untitledSingle": options, "titledSingle": map[string]any{"type": "string", "oneOf": values},
		"legacyEnum": map[string]any{
			"type": "string", "enum": []string{"opt1", "opt2"},
			"enumNames": []string{"Option One", "Option Two"},
		},
		"untitledMulti": map[string]any{"type": "array", "items": options},
		"titledMulti":   map[string]any{"type": "array", "items": map[string]any{"anyOf": values}},
	})
	f.tool("test_sampling", func(_ context.Context, request protocol.CallToolRequest) (*protocol.CallToolResult, error) {
		answer := server.SamplingResponse(request.Params.InputResponses, "prompt")
		if answer == nil {
			return server.NewInputRequestBuilder("").Sample("prompt", sample(request.GetString("prompt", ""))).ToolResult(), nil
		}
		return protocol.NewToolResultText(fmt.Sprintf("LLM response: %v", answer.Content)), nil
	}, protocol.WithString("prompt"))
}

func sample(prompt string) protocol.CreateMessageParams {
	return protocol.CreateMessageParams{
		MaxTokens: 100,
		Messages:  []protocol.SamplingMessage{{Role: protocol.RoleUser, Content: protocol.NewTextContent(prompt)}},
	}
}

// addRounds adds the tools that are called again with the answers of the
// client, as the newer protocol does.
func (f fixtures) addRounds() {
	name := form("What is your name?", map[string]any{"name": map[string]any{"type": "string"}})
	asks := func(tool, state string,
		needs func(context.Context, protocol.MultiRoundTripParams) *server.InputRequestBuilder,
	) {
		f.tool(tool, func(ctx context.Context, request protocol.CallToolRequest) (*protocol.CallToolResult, error) {
			if given := request.Params.RequestState; given != "" && !strings.HasPrefix(given, state+":") {
				return nil, fmt.Errorf("the state is not ours")
			}
			if b := needs(ctx, request.Params.MultiRoundTripParams); b != nil {
				return b.ToolResult(), nil
			}
			return protocol.NewToolResultText("state-ok"), nil
		})
	}
	// once asks for everything until all of it is answered.
	once := func(tool, state string, fill func(context.Context, *server.InputRequestBuilder),
		answered func(protocol.InputResponses) bool,
	) {
		asks(tool, state, func(ctx context.Context, round protocol.MultiRoundTripParams) *server.InputRequestBuilder {
			if answered(round.InputResponses) && (round.RequestState == "" || round.RequestState == state+":1") {
				return nil
			}
			b := server.NewInputRequestBuilder("")
			if state != "" {
				b.RequestState(state + ":1")
			}
			fill(ctx, b)
			return b
		})
	}
	elicited := func(key string) func(protocol.InputResponses) bool {
		return func(r protocol.InputResponses) bool {
			answer := server.ElicitationResponse(r, key)
			return answer != nil && answer.Action != ""
		}
	}
	sampled := func(r protocol.InputResponses) bool { return server.SamplingResponse(r, "capital_question") != nil }
	rooted := func(r protocol.InputResponses) bool { return server.RootsResponse(r, "client_roots") != nil }
	once("test_input_required_result_elicitation", "", func(_ context.Context, b *server.InputRequestBuilder) {
		b.Elicit("user_name", name)
	}, elicited("user_name"))
	once("test_streaming_elicitation", "", func(_ context.Context, b *server.InputRequestBuilder) {
		b.Elicit("user_name", name)
	}, elicited("user_name"))
	once("test_input_required_result_sampling", "", func(_ context.Context, b *server.InputRequestBuilder) {
		b.Sample("capital_question", sample("What is the capital of France?"))
	}, sampled)
	once("test_input_required_result_list_roots", "", func(_ context.Context, b *server.InputRequestBuilder) {
		b.Roots("client_roots")
	}, rooted)
	once("test_input_required_result_request_state", "request", func(_ context.Context, b *server.InputRequestBuilder) {
		b.Elicit("confirm", form("Please confirm", map[string]any{"ok": map[string]any{"type": "boolean"}}))
	}, elicited("confirm"))
	once("test_input_required_result_multiple_inputs", "multiple", func(_ context.Context, b *server.InputRequestBuilder) {
		b.Elicit("user_name", name).Sample("capital_question", sample("Generate a greeting")).Roots("client_roots")
	}, func(r protocol.InputResponses) bool { return elicited("user_name")(r) && sampled(r) && rooted(r) })
	once("test_input_required_result_capabilities", "", func(ctx context.Context, b *server.InputRequestBuilder) {
		if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.ClientCapabilities != nil &&
			info.ClientCapabilities.Elicitation != nil {
			b.Elicit("user_name", name)
			return
		}
		b.Sample("capital_question", sample("What is the capital of France?"))
	}, sampled)
	f.addSealed(asks, name)
}

// addSealed adds the tools for which the state decides.
func (f fixtures) addSealed(asks func(tool, state string,
	needs func(context.Context, protocol.MultiRoundTripParams) *server.InputRequestBuilder),
	name protocol.ElicitationParams,
) {
	asks("test_input_required_result_multi_round", "round",
		func(_ context.Context, round protocol.MultiRoundTripParams) *server.InputRequestBuilder {
			switch {
			case server.ElicitationResponse(round.InputResponses, "step1") != nil && round.RequestState == "round:1":
				return server.NewInputRequestBuilder("round:2").Elicit("step2",
					form("Which colour?", map[string]any{"color": map[string]any{"type": "string"}}))
			case server.ElicitationResponse(round.InputResponses, "step2") != nil && round.RequestState == "round:2":
				return nil
			}
			return server.NewInputRequestBuilder("round:1").Elicit("step1", name)
		})
	f.tool("test_input_required_result_tampered_state",
		func(_ context.Context, request protocol.CallToolRequest) (*protocol.CallToolResult, error) {
			switch request.Params.RequestState {
			case "":
				return server.NewInputRequestBuilder("sealed").Elicit("confirm", name).ToolResult(), nil
			case "sealed":
				return protocol.NewToolResultText("done"), nil
			}
			return nil, fmt.Errorf("the state is not ours")
		})
}

func (f fixtures) addResources() {
	// tocsin says of every address that is not its own that it does not exist.
	hooks := f.GetHooks()
	ours := hooks.OnBeforeReadResource
	hooks.OnBeforeReadResource = nil
	hooks.AddBeforeReadResource(func(ctx context.Context, id any, request *protocol.ReadResourceRequest) {
		if strings.HasPrefix(request.Params.URI, "test://static-") ||
			strings.HasPrefix(request.Params.URI, "test://template/") {
			return
		}
		for _, hook := range ours {
			hook(ctx, id, request)
		}
	})
	add := func(uri, kind string, body protocol.ResourceContents) {
		f.AddResource(protocol.NewResource(uri, uri, protocol.WithMIMEType(kind)),
			func(context.Context, protocol.ReadResourceRequest) ([]protocol.ResourceContents, error) {
				return []protocol.ResourceContents{body}, nil
			})
	}
	add("test://static-text", "text/plain",
		protocol.TextResourceContents{
			URI: "test://static-text", MIMEType: "text/plain",
			Text: "This is the content of the static text resource.",
		})
	add("test://static-binary", "image/png",
		protocol.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png", Blob: pixel})
	f.AddResourceTemplate(protocol.NewResourceTemplate("test://template/{id}/data", "template",
		protocol.WithTemplateMIMEType("application/json")),
		func(_ context.Context, request protocol.ReadResourceRequest) ([]protocol.ResourceContents, error) {
			id := strings.Split(request.Params.URI, "/")[3]
			text, err := json.Marshal(map[string]any{"id": id, "templateTest": true, "data": "Data for ID: " + id})
			return []protocol.ResourceContents{protocol.TextResourceContents{
				URI:      request.Params.URI,
				MIMEType: "application/json", Text: string(text),
			}}, err
		})
}

func (f fixtures) prompt(name string, arguments []string, get server.PromptHandlerFunc) {
	p := protocol.Prompt{Name: name, Description: "for the conformance suite"}
	for _, argument := range arguments {
		p.Arguments = append(p.Arguments, protocol.PromptArgument{Name: argument, Required: true})
	}
	f.AddPrompt(p, get)
}

func says(list ...protocol.Content) *protocol.GetPromptResult {
	out := &protocol.GetPromptResult{}
	for _, content := range list {
		out.Messages = append(out.Messages, protocol.PromptMessage{Role: protocol.RoleUser, Content: content})
	}
	return out
}

func (f fixtures) addPrompts() {
	f.prompt("test_simple_prompt", nil,
		func(context.Context, protocol.GetPromptRequest) (*protocol.GetPromptResult, error) {
			return says(protocol.NewTextContent("This is a simple prompt for testing.")), nil
		})
	f.prompt("test_prompt_with_arguments", []string{"arg1", "arg2"},
		func(_ context.Context, request protocol.GetPromptRequest) (*protocol.GetPromptResult, error) {
			given := request.Params.Arguments
			return says(protocol.NewTextContent(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", given["arg1"],
				given["arg2"]))), nil
		})
	f.prompt("test_prompt_with_embedded_resource", []string{"resourceUri"},
		func(_ context.Context, request protocol.GetPromptRequest) (*protocol.GetPromptResult, error) {
			return says(embedded(request.Params.Arguments["resourceUri"], "text/plain",
				"Embedded resource content for testing."),
				protocol.NewTextContent("Please process it.")), nil
		})
	f.prompt("test_prompt_with_image", nil,
		func(context.Context, protocol.GetPromptRequest) (*protocol.GetPromptResult, error) {
			return says(protocol.NewImageContent(pixel, "image/png"),
					protocol.NewTextContent("Please analyze the image above.")),
				nil
		})
	f.prompt("test_input_required_result_prompt", nil,
		func(_ context.Context, request protocol.GetPromptRequest) (*protocol.GetPromptResult, error) {
			if answer := server.ElicitationResponse(request.Params.InputResponses, "user_context"); answer != nil {
				return says(protocol.NewTextContent(fmt.Sprint(answer.Content))), nil
			}
			return server.NewInputRequestBuilder("").Elicit("user_context",
				form("What context?", map[string]any{"context": map[string]any{"type": "string"}})).PromptResult(), nil
		})
}
