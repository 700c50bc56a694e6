package stdio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/app/stdio"
	"github.com/9bikes/tocsin/rules"
)

// run carries a client's messages to the server in this process.
func (h *house) run(ctx context.Context, in io.Reader, out io.Writer) error {
	return stdio.NewBridge([]stdio.Target{h.local()}, stdio.Options{Reads: mcp.Reads}).Run(ctx, in, out)
}

// serve runs a session and returns the answers by id, in the order of ids.
func (h *house) serve(in io.Reader) (answers map[string]map[string]any, order []string) {
	h.t.Helper()
	var out bytes.Buffer
	if err := h.run(h.t.Context(), in, &out); err != nil {
		h.t.Fatal(err)
	}
	answers = map[string]map[string]any{}
	for line := range strings.Lines(out.String()) {
		var answer map[string]any
		if err := json.Unmarshal([]byte(line), &answer); err != nil || answer["jsonrpc"] != "2.0" {
			h.t.Fatalf("the output carries something else: %q", line)
		}
		id := fmt.Sprint(answer["id"])
		answers[id], order = answer, append(order, id)
	}
	return answers, order
}

func TestPipedSessionsLoseNoAnswer(t *testing.T) {
	h := newHouse(t)
	h.create("X")
	for range 300 {
		in := strings.Join([]string{
			hello, ready, call(2, "list_alerts", `{}`), call(`"three"`, "list_alert_rules", `{}`),
			`{"jsonrpc":"2.0","id":4,"method":"tools/list"}`,
		}, "\n")
		answers, order := h.serve(strings.NewReader(in)) // the last line has no end
		for _, id := range []string{"1", "2", "three", "4"} {
			if answers[id]["result"] == nil {
				t.Fatalf("no result for %s: %v", id, answers)
			}
		}
		if order[0] != "1" {
			t.Fatalf("the handshake was overtaken: %v", order)
		}
	}
}

func TestTheEndOfTheInputWaitsForSlowAnswers(t *testing.T) {
	h := newHouse(t)
	source := apptest.Slow{Asked: make(chan struct{}), Release: make(chan struct{})}
	h.app.Sources["slow"] = source
	create := call(2, "create_alert_rule",
		`{"title":"Slow","source":"slow","measurement":"m","field":"f","allow_unknown":true,"condition":{"operator":">","value":1}}`)
	in, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, hello+"\n"+create)
		_ = w.Close()
		<-source.Asked
		close(source.Release)
	}()
	answers, _ := h.serve(in)
	result, _ := answers["2"]["result"].(map[string]any)
	if result == nil || result["isError"] == true {
		t.Fatalf("answered %v", answers["2"])
	}
	h.stored("slow")
}

func TestOddInput(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		name, in string
		want     string
	}{
		{"nothing", "", ""},
		{"blank lines", "\n\n  \n" + call(2, "list_alerts", `{}`) + "\n\n", "2"},
		{"windows line ends", hello + "\r\n" + call(2, "list_alerts", `{}`) + "\r\n", "1 2"},
		{"the same id twice", call(7, "list_alerts", `{}`) + "\n" + call(7, "list_alerts", `{}`), "7 7"},
		{"a mark of UTF-8", "\ufeff" + hello + "\r\n" + call(2, "list_alerts", `{}`), "1 2"},
		{"a mark of UTF-8 alone", "\ufeff\n" + call(2, "list_alerts", `{}`), "2"},
		{"no JSON", "hello?\n" + call(2, "list_alerts", `{}`), "<nil> 2"},
		{"a large id", call("12345678901234567890", "list_alerts", `{}`), "1.2345678901234567e+19"},
		{"a session without a handshake", call(2, "list_alerts", `{}`), "2"},
		{"an answer nobody asked for", `{"jsonrpc":"2.0","id":99,"result":{}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{
				strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)),
				iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				if _, order := h.serve(in); strings.Join(order, " ") != tt.want {
					t.Errorf("answered %v, want %s", order, tt.want)
				}
			}
		})
	}
}

func TestTheEndOfTheContextIsSuccess(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	in, w := io.Pipe()
	defer func() { _ = w.Close() }()
	done := make(chan error)
	out, outW := io.Pipe()
	go func() { done <- h.run(ctx, in, outW) }()
	if _, err := io.WriteString(w, hello+"\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("returned %v", err)
	}
}

func TestNeitherASubscriptionNorACancelledCallHoldsTheEndBack(t *testing.T) {
	h := newHouse(t)
	source := apptest.Slow{Asked: make(chan struct{}), Release: make(chan struct{})}
	h.app.Sources["slow"] = source
	in, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w,
			`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+
				modernMeta+`}}`+"\n"+
				call(2, "create_alert_rule",
					`{"title":"Slow","source":"slow","measurement":"m","field":"f","condition":{"operator":">","value":1}}`)+"\n")
		<-source.Asked
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`+"\n")
		_ = w.Close()
		close(source.Release)
	}()
	began := time.Now()
	h.serve(in)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the session ended only after %s", took)
	}
}

// TestTheUserIsAskedByTheServerInThisProcess, in the manner of both protocols.
func TestTheUserIsAskedByTheServerInThisProcess(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			h := newHouse(t)
			h.create("Freezer")
			c := talks(t, version, h.local())
			var ask protocol.CallToolRequest
			ask.Params.Name, ask.Params.Arguments = "delete_alert_rule", map[string]any{"rule": "freezer"}
			if result, err := c.CallTool(t.Context(), ask); err != nil || result.IsError {
				t.Fatalf("answered %+v, %v", result, err)
			}
			if _, err := h.app.Store.FindRule(t.Context(), "", "freezer"); rules.CodeOf(err) != rules.NotFound {
				t.Errorf("the rule is there still: %v", err)
			}
		})
	}
}

// TestWhatNobodyAnswersIsNotDone: the end of the input takes a question of the
// server in this process back, and an error of the client is no yes.
func TestWhatNobodyAnswersIsNotDone(t *testing.T) {
	asks := strings.Replace(hello, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1)
	for _, tt := range []struct{ name, says string }{
		{"the end of the input", ""},
		{"an error", `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`},
		{"a cancel", `{"jsonrpc":"2.0","id":1,"result":{"action":"cancel"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.create("Freezer")
			b := bridge(t, h.local())
			b.say(asks, ready)
			b.hears(`"id":1`)
			b.say(call(2, "delete_alert_rule", `{"rule":"freezer"}`))
			b.hears(`"method":"elicitation/create"`, `"id":1`)
			if tt.says != "" {
				b.say(tt.says, tt.says) // the second answers nothing
			}
			if rest := b.ends(); len(rest) != 1 || !strings.Contains(rest[0], "Nothing was changed yet") {
				t.Errorf("said %q", rest)
			}
			h.stored("freezer")
		})
	}
}

func TestABrokenInputIsAnError(t *testing.T) {
	h := newHouse(t)
	cause := errors.New("torn")
	if err := h.run(t.Context(), iotest.ErrReader(cause), io.Discard); !errors.Is(err, cause) {
		t.Errorf("returned %v", err)
	}
}

func TestTheAuthorNamesUserAndClient(t *testing.T) {
	h := newHouse(t)
	h.serve(strings.NewReader(hello + "\n" + call(2, "create_alert_rule",
		`{"title":"X","measurement":"temperature","field":"celsius","condition":{"operator":">","value":1}}`)))
	if got := h.author("x"); got.Name != "anna via pipe" || got.Door != "mcp" {
		t.Errorf("the author is %+v", got)
	}
}

func TestTheStatelessProtocolWorksToo(t *testing.T) {
	h := newHouse(t)
	answers, _ := h.serve(strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta +
		`}}` + "\n" +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"create_alert_rule","arguments":{"title":"X","measurement":"temperature","field":"celsius","condition":{"operator":">","value":1}},` + modernMeta + `}}`))
	for _, id := range []string{"1", "2"} {
		if answers[id]["result"] == nil {
			t.Fatalf("answered %v", answers[id])
		}
	}
	if got := h.author("x"); got.Name != "anna via newer" {
		t.Errorf("the author is %+v", got)
	}
}
