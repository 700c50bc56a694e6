package mcp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/rules"
)

// audited is the record, the newest first, in a line each.
func (h *house) audited() []string {
	h.t.Helper()
	list, _, err := h.app.Audit(h.t.Context(), app.AuditFilter{})
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s %s", e.By.Name, e.Client, e.Tool, e.Outcome, e.About))
	}
	return out
}

func TestAuditHasActsAndNoReading(t *testing.T) {
	h := newHouse(t)
	id := h.create("Freezer")
	for range 3 {
		h.ok("list_alert_rules", `{}`)
		h.ok("manage_silences", `{"action":"list"}`)
		h.ok("update_alert_rule", `{"rule":"freezer","for":"5m","dry_run":true}`)
		h.refused("update_alert_rule", `{"rule":"frezer","for":"5m"}`)
	}
	h.ok("update_alert_rule", `{"rule":"freezer","for":"5m"}`)
	h.ok("update_alert_rule", `{"rule":"freezer","for":"5m"}`) // is so already
	h.confirmed("delete_alert_rule", `{"rule":"freezer"}`)
	want := []string{
		"anna claude-code delete_alert_rule done " + id, "anna claude-code delete_alert_rule asked " + id,
		"anna claude-code update_alert_rule done " + id, "anna claude-code create_alert_rule done " + id,
	}
	if got := h.audited(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("on record:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	list, _, err := h.app.Audit(t.Context(), app.AuditFilter{Tool: "update_alert_rule"})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	e := list[0]
	if string(e.Arguments) != `{"for":"5m","rule":"freezer"}` || !strings.Contains(e.Text, `for from default to "5m"`) ||
		e.At != noon || e.By.Door != "mcp" {
		t.Errorf("on record: %+v", e)
	}
	if len(e.Changes) != 1 || e.Changes[0].Key != "for" || string(e.Changes[0].To) != `"5m"` {
		t.Errorf("changes on record: %+v", e.Changes)
	}
	log := h.log.String()
	wants(t, log, `msg="mcp call" tool=list_alert_rules by=anna client=claude-code`, "tool=update_alert_rule")
	if n := strings.Count(log, `msg="mcp call"`); n < 16 {
		t.Errorf("%d calls are in the log", n)
	}
}

func TestAuditHasWhatWasPrevented(t *testing.T) {
	h := newHouse(t)
	id := h.create("Freezer")
	h.connect(eras[0], &person{answer: protocol.ElicitationResponseActionDecline})
	h.refused("delete_alert_rule", `{"rule":"freezer"}`)
	if got := h.audited()[0]; got != "anna claude-code delete_alert_rule declined "+id {
		t.Errorf("on record: %s", got)
	}
	ctx := mcp.WithCaller(context.Background(), mcp.Caller{Name: "eve", Scope: app.ScopeRead})
	h.server.Protocol().HandleMessage(ctx,
		[]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_alert_rule","arguments":{"rule":"freezer"}}}`))
	if got := h.audited()[0]; got != "eve  delete_alert_rule refused " {
		t.Errorf("on record: %s", got)
	}
}

// TestAuditHasNoSecret: what looks like a credential is in neither the record
// nor the log, nor is a token that confirms.
func TestAuditHasNoSecret(t *testing.T) {
	h := newHouse(t, func(a *app.App) {
		a.Config.Token, a.Config.Heartbeat.URL = rules.NewSecret("c4nary-word"), rules.NewSecret("c4nary-configured")
	})
	h.create("Freezer")
	h.refused("update_alert_rule", `{"rule":"freezer","channels":["https://hooks.slack.com/services/T0/B0/c4nary"]}`)
	h.refused("delete_alert_rule", `{"rule":"freezer","password":"c4nary"}`)
	h.refused("update_alert_rule", `{"rule":"freezer","summary":"c4nary-configured is the word"}`)
	h.ok("update_alert_rule", `{"rule":"freezer","summary":"c4nary-word is the word"}`)
	h.ok("update_alert_rule", `{"rule":"freezer","summary":"`+strings.Repeat("long ", 200)+`"}`)
	asked := h.ok("delete_alert_rule", `{"rule":"freezer"}`)
	h.ok("delete_alert_rule", `{"rule":"freezer","confirm":"`+asked["confirm"].(string)+`"}`)
	ctx := mcp.WithCaller(context.Background(), mcp.Caller{Name: "eve", Scope: app.ScopeRead})
	h.server.Protocol().HandleMessage(ctx,
		[]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_alert_rule","arguments":{"webhook_url":"c4nary"}}}`))
	list, _, err := h.app.Audit(t.Context(), app.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var record strings.Builder
	for _, e := range list {
		if len(e.Arguments) > 500 {
			t.Errorf("%d bytes of arguments", len(e.Arguments))
		}
		fmt.Fprintf(&record, "%s %s\n", e.Text, e.Arguments)
	}
	wants(t, record.String(), `"withheld"`, `"confirm":true`, "[secret] is the word")
	for name, place := range map[string]string{"record": record.String(), "log": h.log.String()} {
		if strings.Contains(place, "c4nary") || strings.Contains(place, asked["confirm"].(string)) {
			t.Errorf("the %s has a secret:\n%s", name, place)
		}
	}
}
