package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

func TestAuditShowsWhatModelsDid(t *testing.T) {
	h := newHouse(t, plain)
	h.says("an empty record", h.ok("audit"), "No act of a model is on record.")
	if got := h.ok("audit", "--json"); !strings.Contains(got, `"audit": []`) {
		t.Errorf("an empty record is %s", got)
	}
	store, err := sqlite.Open(t.Context(), h.database(), sqlite.Options{})
	h.must(err)
	for i, e := range []app.AuditEntry{
		{Tool: "create_alert_rule", Outcome: app.ActDone, Text: "Created rule freezer."},
		{Tool: "delete_alert_rule", Outcome: app.ActDeclined, Text: "the user was asked\nand said no\x1b[31m"},
	} {
		e.At, e.By, e.Client, e.About = noon.Add(time.Duration(i-2)*time.Hour), rules.Actor{Name: "anna", Door: "mcp"},
			"claude-code", "r1"
		e.Arguments, e.Changes = json.RawMessage(`{"rule":"freezer"}`),
			[]rules.KeyChange{{Key: "for", To: json.RawMessage(`"5m"`)}}
		h.must(store.AddAudit(t.Context(), e, 0))
	}
	h.must(store.Close())
	h.says("the record", h.ok("audit"),
		"2026-03-14 11:00:00 UTC  anna via claude-code  delete_alert_rule  declined  r1     the user was asked\n",
		"2026-03-14 10:00:00 UTC  anna via claude-code  create_alert_rule  done      r1     Created rule freezer.\n")
	h.says("a part of it", h.ok("audit", "--limit", "1"), "1 of 2; --limit 0 shows all.")
	for _, only := range [][]string{{"--since", "90m"}, {"--tool", "delete_alert_rule"}} {
		if got := h.answer(append([]string{"audit"}, only...)...); got["total"] != 1.0 {
			t.Errorf("%v: %v", only, got)
		}
	}
	first := h.answer("audit")["audit"].([]any)[1].(map[string]any)
	if args := first["arguments"].(map[string]any); args["rule"] != "freezer" ||
		first["changes"].([]any)[0].(map[string]any)["to"] != "5m" {
		t.Errorf("in JSON: %v", first)
	}
	if _, errOut, code := h.run("audit", "--since", "yesterday"); code != 2 ||
		!strings.Contains(errOut, "--since: must be a duration") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}
