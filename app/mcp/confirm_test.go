package mcp_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	protocol "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
)

// person answers what a client asks.
type person struct {
	answer  protocol.ElicitationResponseAction
	content any
	err     error
	asked   []string
}

var _ client.ElicitationHandler = (*person)(nil)

func (p *person) Elicit(_ context.Context, r protocol.ElicitationRequest) (*protocol.ElicitationResult, error) {
	p.asked = append(p.asked, r.Params.Message)
	return &protocol.ElicitationResult{ElicitationResponse: protocol.ElicitationResponse{
		Action: p.answer, Content: p.content,
	}}, p.err
}

// yes is what a person says who ticked the box.
var yes = map[string]any{"agree": true}

// The two ways in which clients speak.
var eras = []string{protocol.LATEST_LEGACY_PROTOCOL_VERSION, protocol.LATEST_PROTOCOL_VERSION}

// eachEra runs a test with a client of each.
func eachEra(t *testing.T, test func(t *testing.T, era string)) {
	t.Helper()
	for _, era := range eras {
		t.Run(era, func(t *testing.T) { test(t, era) })
	}
}

// connect replaces the client of the house by one of an era, in front of which
// a person sits, or nobody.
func (h *house) connect(era string, p *person, more ...client.ClientOption) {
	h.t.Helper()
	if p != nil {
		more = append(more, client.WithElicitationHandler(p))
	}
	c, err := client.NewInProcessClientWithOptions(h.server.Protocol(), more...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	if err := c.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	hello := protocol.InitializeRequest{}
	hello.Params.ProtocolVersion = era
	hello.Params.ClientInfo = protocol.Implementation{Name: "claude-code", Version: "2"}
	result, err := c.Initialize(h.t.Context(), hello)
	if err != nil || result.ProtocolVersion != era {
		h.t.Fatalf("speaks %+v, %v", result, err)
	}
	h.client = c
}

func (h *house) gone(name string) bool {
	_, err := h.app.Rule(context.Background(), name)
	return err != nil
}

func TestAPersonIsAskedBeforeARuleIsDeleted(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		for _, tt := range []struct {
			name    string
			answer  protocol.ElicitationResponseAction
			content any
			gone    bool
			says    string
		}{
			{"a yes deletes", protocol.ElicitationResponseActionAccept, yes, true, "Deleted rule freezer."},
			{
				"a box left empty is a no", protocol.ElicitationResponseActionAccept,
				map[string]any{"agree": false},
				false,
				"(forbidden), nothing was changed:\n- the user was asked and said no",
			},
			{
				"an acceptance without a word, as of clients that accept by themselves, goes on to the token",
				protocol.ElicitationResponseActionAccept,
				map[string]any{},
				false, "Nothing was changed yet.",
			},
			{
				"a no keeps it", protocol.ElicitationResponseActionDecline, nil, false,
				"(forbidden), nothing was changed:\n- the user was asked and said no",
			},
			{
				"a cancel, as of clients with nobody in front, goes on to the token", protocol.ElicitationResponseActionCancel,
				nil, false, "Nothing was changed yet. Rule freezer (Freezer) would be deleted.",
			},
		} {
			t.Run(tt.name, func(t *testing.T) {
				h := newHouse(t)
				h.create("Freezer")
				h.fire(h.stored("freezer").ID, "sensor=a", "sensor=b")
				p := &person{answer: tt.answer, content: tt.content}
				h.connect(era, p)
				wants(t, textOf(t, h.call("delete_alert_rule", `{"rule":"freezer"}`)), tt.says)
				if len(p.asked) != 1 || !strings.Contains(p.asked[0],
					"Delete the alert rule freezer (Freezer)? It watches temperature.celsius by sensor: ") ||
					!strings.Contains(p.asked[0], "Its 2 alerts end") {
					t.Errorf("asked %q", p.asked)
				}
				if h.gone("freezer") != tt.gone {
					t.Errorf("gone: %t", !tt.gone)
				}
			})
		}
	})
}

func TestAClientThatCannotAskGetsAToken(t *testing.T) {
	eachEra(t, func(t *testing.T, era string) {
		h := newHouse(t)
		h.create("Freezer")
		h.connect(era, nil)
		asked := h.ok("delete_alert_rule", `{"rule":"freezer"}`)
		token := asked["confirm"].(string)
		wants(t, asked["summary"].(string), `repeat the call with "confirm": "`+token+`" within 10 minutes`)
		if h.gone("freezer") || asked["undo"] != nil {
			t.Errorf("it was not only asked: %v", asked)
		}
		done := h.ok("delete_alert_rule", `{"rule":"freezer","confirm":"`+token+`"}`)
		wants(t, done["summary"].(string), "Deleted rule freezer.", `undo_change {"undo":"`+done["undo"].(string)+`"}`)
		if !h.gone("freezer") {
			t.Error("it is still there")
		}
	})
}

func TestAClientWhoseQuestionFailsGetsAToken(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	h.connect(eras[0], &person{err: errors.New("no window to ask in")})
	h.confirmed("delete_alert_rule", `{"rule":"freezer"}`)
}

func TestATokenIsGoodForOneThingOnly(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	h.create("Fridge")
	token := func() string {
		return h.ok("delete_alert_rule", `{"rule":"freezer"}`)["confirm"].(string)
	}
	try := func(tool, arguments, token string) string {
		return h.refused(tool, strings.Replace(arguments, "TOKEN", token, 1))
	}
	wants(t, try("delete_alert_rule", `{"rule":"fridge","confirm":"TOKEN"}`, token()), "(conflict), nothing was changed",
		"was given for another act")
	h.fire(h.stored("freezer").ID, "sensor=a")
	wants(t, try("update_alert_rule", `{"rule":"freezer","enabled":false,"confirm":"TOKEN"}`, token()),
		"was given for another act")
	wants(t, try("delete_alert_rule", `{"rule":"freezer","confirm":"TOKEN"}`, "nonsense"),
		"confirm: is not a token that an answer gave")

	old := token()
	h.ok("update_alert_rule", `{"rule":"freezer","for":"5m"}`)
	wants(t, try("delete_alert_rule", `{"rule":"freezer","confirm":"TOKEN"}`, old),
		"or what it is about has changed since")

	old = token()
	h.now = h.now.Add(app.ConsentLasts + time.Second)
	wants(t, try("delete_alert_rule", `{"rule":"freezer","confirm":"TOKEN"}`, old), "is more than 10 minutes old")

	wants(t, try("delete_alert_rule", `{"rule":"freezer","confirm":"TOKEN"}`, altered(token())),
		"was given for another act")
	if h.gone("freezer") || h.gone("fridge") {
		t.Error("a rule is gone")
	}
}

func TestATokenIsGoodInAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tocsin.db")
	one, two := newApp(t, path), newApp(t, path)
	one.open()
	two.open()
	one.create("Freezer")
	token := one.ok("delete_alert_rule", `{"rule":"freezer"}`)["confirm"].(string)
	two.ok("delete_alert_rule", `{"rule":"freezer","confirm":"`+token+`"}`)
}

// callModern makes one call of the newer protocol by hand, as a client that
// does not play by the rules.
func (h *house) callModern(arguments, more string) protocol.CallToolResult {
	h.t.Helper()
	message := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_alert_rule","arguments":%s%s,"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}`, arguments, more)
	answer, ok := h.server.Protocol().HandleMessage(h.t.Context(), []byte(message)).(protocol.JSONRPCResponse)
	if !ok {
		h.t.Fatalf("%s is a protocol error", message)
	}
	switch result := answer.Result.(type) {
	case protocol.CallToolResult:
		return result
	case *protocol.CallToolResult:
		return *result
	}
	h.t.Fatalf("the result is a %T", answer.Result)
	return protocol.CallToolResult{}
}

func TestAYesToOneQuestionAnswersNoOther(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	h.create("Fridge")
	asked := h.callModern(`{"rule":"freezer"}`, "")
	if !asked.NeedsInput() || asked.RequestState == "" || len(asked.InputRequests) != 1 {
		t.Fatalf("it did not ask: %+v", asked)
	}
	yes := func(state string) string {
		return fmt.Sprintf(`,"inputResponses":{"confirm":{"action":"accept","content":{"agree":true}}},"requestState":%q`, state)
	}
	for name, result := range map[string]protocol.CallToolResult{
		"with the state of another":    h.callModern(`{"rule":"fridge"}`, yes(asked.RequestState)),
		"with an altered state":        h.callModern(`{"rule":"freezer"}`, yes(altered(asked.RequestState))),
		"without a state":              h.callModern(`{"rule":"freezer"}`, yes("")),
		"with the state as the token":  h.callModern(`{"rule":"freezer","confirm":"`+asked.RequestState+`"}`, ""),
		"to a rule that changed since": changed(h, asked.RequestState, yes),
	} {
		if !result.IsError || !strings.Contains(textOf(t, &result), "(conflict), nothing was changed") {
			t.Errorf("a yes %s: %+v", name, result)
		}
	}
	if h.gone("freezer") || h.gone("fridge") {
		t.Fatal("a rule is gone")
	}
	again := h.callModern(`{"rule":"freezer"}`, "")
	if result := h.callModern(`{"rule":"freezer"}`, yes(again.RequestState)); result.IsError || !h.gone("freezer") {
		t.Errorf("a right yes: %+v", result)
	}
}

// altered is a token with one letter in its middle changed.
func altered(token string) string {
	at, other := len(token)/2, "x"
	if token[at:at+1] == other {
		other = "y"
	}
	return token[:at] + other + token[at+1:]
}

func changed(h *house, state string, yes func(string) string) protocol.CallToolResult {
	h.ok("update_alert_rule", `{"rule":"freezer","for":"7m"}`)
	return h.callModern(`{"rule":"freezer"}`, yes(state))
}

func TestWhatLosesAnAlarmAsks(t *testing.T) {
	for _, tt := range []struct {
		name, tool, arguments string
		asks                  bool
	}{
		{"deleting a rule", "delete_alert_rule", `{"rule":"freezer"}`, true},
		{"disabling a rule that fires", "update_alert_rule", `{"rule":"warm","enabled":false}`, true},
		{"disabling it in the words of old", "update_alert_rule", `{"rule":"warm","is_active":"false"}`, true},
		{"disabling a quiet rule", "update_alert_rule", `{"rule":"freezer","enabled":false}`, false},
		{"undo of its creation", "undo_change", `{"undo":"off@1"}`, true},
		{"silencing everything", "manage_silences", `{"action":"create","everything":true,"until":"2h"}`, true},
		{"silencing without an end", "manage_silences", `{"action":"create","rule":"freezer","open_ended":true}`, true},

		{"only looking what would be deleted", "delete_alert_rule", `{"rule":"freezer","dry_run":true}`, false},
		{"only looking what disabling does", "update_alert_rule", `{"rule":"freezer","enabled":false,"dry_run":true}`, false},
		{
			"a preview of silencing everything", "manage_silences", `{"action":"preview","everything":true,"until":"2h"}`,
			false,
		},
		{"another limit", "update_alert_rule", `{"rule":"freezer","condition":{"value":99}}`, false},
		{"enabling", "update_alert_rule", `{"rule":"off","enabled":true}`, false},
		{"disabling what is off", "update_alert_rule", `{"rule":"off","enabled":false,"for":"5m"}`, false},
		{"silencing a rule for a while", "manage_silences", `{"action":"create","rule":"freezer","until":"2h"}`, false},
		{
			"silencing every week", "manage_silences", `{"action":"create","rule":"freezer","weekly":{"days":"sat,sun"}}`,
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.create("Freezer")
			h.create("Off")
			h.fire(h.create("Warm"), "sensor=a")
			if tt.name != "undo of its creation" {
				h.ok("update_alert_rule", `{"rule":"off","enabled":false}`)
			}
			before := h.state()
			got := h.ok(tt.tool, tt.arguments)
			if asked := got["confirm"] != nil; asked != tt.asks {
				t.Fatalf("asked: %t: %v", asked, got)
			}
			if !tt.asks {
				return
			}
			if after := h.state(); after != before {
				t.Errorf("it did more than ask:\n%s\n%s", before, after)
			}
			done := h.ok(tt.tool, strings.Replace(tt.arguments, "{", `{"confirm":"`+got["confirm"].(string)+`",`, 1))
			if h.state() == before || done["confirm"] != nil {
				t.Errorf("with the token it did nothing: %v", done)
			}
			after := h.state()
			if h.call(tt.tool,
				strings.Replace(tt.arguments, "{", `{"confirm":"`+got["confirm"].(string)+`",`, 1)); h.state() != after {
				t.Errorf("the token works twice")
			}
		})
	}
}

// state is what is stored, in short.
func (h *house) state() string {
	h.t.Helper()
	list, _, err := h.app.ListRules(h.t.Context(), app.RuleFilter{})
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprint(r.Name, r.Version, r.Enabled))
	}
	silences, err := h.app.ListSilences(h.t.Context(), true)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range silences {
		out = append(out, s.ID)
	}
	return strings.Join(out, " ")
}

var _ server.ElicitationHandler = (*person)(nil)
