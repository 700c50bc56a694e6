package mcp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

func TestChangesAreListedAndUndone(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	changed := h.ok("update_alert_rule", `{"rule":"freezer","condition":{"value":9,"recover":7},"for":"5m"}`)

	listed := h.ok("list_changes", `{"rule":"freezer"}`)
	first := listed["changes"].([]any)[0].(map[string]any)
	if got := fmt.Sprint(first["changed"]); got != `[condition.value from 8 to 9 condition.recover from default to 7 for from default to "5m"]` {
		t.Errorf("changed %s", got)
	}
	if first["by"] != "anna via claude-code" || first["door"] != "mcp" || first["act"] != "updated" ||
		first["at"] != "2026-03-02T13:00:00+01:00 (0 s ago)" || first["undoable"] != true {
		t.Errorf("listed %v", first)
	}
	if second := listed["changes"].([]any)[1].(map[string]any); second["undoable"] != false ||
		second["act"] != "created" || fmt.Sprint(second["changed"]) != "[]" {
		t.Errorf("listed %v", second)
	}
	if first["undo"] != changed["undo"] {
		t.Errorf("update gave %v, the list %v", changed["undo"], first["undo"])
	}

	would := h.ok("undo_change", `{"undo":"`+first["undo"].(string)+`","dry_run":true}`)
	wants(t, would["summary"].(string),
		"Checked and not saved: Rule freezer would be as it was at version 1: condition.value from 9 to 8")
	if r := h.stored("freezer"); r.Version != 2 {
		t.Errorf("a dry run made version %d", r.Version)
	}
	undone := h.ok("undo_change", `{"handle":"`+first["undo"].(string)+`"}`)
	wants(t, undone["summary"].(string), "Rule freezer is as it was at version 1: ", "It is at version 3.")
	if r := h.stored("freezer"); r.Condition.Value != rules.Num(8) || r.For != 0 {
		t.Errorf("after the undo it is %+v", r)
	}
	wants(t, h.refused("undo_change", `{"undo":"`+first["undo"].(string)+`"}`), "(conflict)",
		"was changed again since, by anna via claude-code (mcp) to version 3; undo that first")
	h.ok("undo_change", `{"undo":"`+undone["undo"].(string)+`"}`)
	if r := h.stored("freezer"); r.Condition.Value != rules.Num(9) {
		t.Errorf("after the undo of the undo it is %+v", r)
	}
	h.ok("undo_change", `{"rule":"freezer","version":1}`)
	if r := h.stored("freezer"); r.Condition.Value != rules.Num(8) || r.Version != 5 {
		t.Errorf("version 1 is back as %+v", r)
	}
}

func TestADeletedRuleIsBroughtBack(t *testing.T) {
	for _, how := range []string{
		`{"undo":"HANDLE"}`, `{"rule":"freezer"}`, `{"rule":"freezer","version":1}`,
		`{"rule":"HANDLE"}`,
	} {
		h := newHouse(t)
		h.create("Freezer")
		h.confirmed("delete_alert_rule", `{"rule":"freezer"}`)
		handle := h.ok("list_changes", `{}`)["changes"].([]any)[0].(map[string]any)
		if handle["act"] != "deleted" {
			t.Errorf("the last change is %v", handle)
		}
		h.ok("undo_change", strings.Replace(how, "HANDLE", handle["undo"].(string), 1))
		if h.gone("freezer") {
			t.Errorf("%s does not bring it back", how)
		}
	}
}

func TestUndoOfACreationDeletesAndSaysSo(t *testing.T) {
	h := newHouse(t)
	made := h.ok("create_alert_rule",
		`{"title":"Freezer","measurement":"temperature","field":"celsius","condition":{"operator":">","value":8}}`)
	undone := h.confirmed("undo_change", `{"undo":"`+made["undo"].(string)+`"}`)
	wants(t, undone["summary"].(string), "Rule freezer is deleted.")
	if !h.gone("freezer") {
		t.Error("it is still there")
	}
	h.ok("undo_change", `{"undo":"`+undone["undo"].(string)+`"}`)
	if h.gone("freezer") {
		t.Error("the undo of the undo does not bring it back")
	}
}

func TestUndosThatCannotBeAreRefused(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	for _, tt := range []struct{ name, arguments, want string }{
		{"of nothing", `{}`, "undo: is missing; give the undo of a change, as list_changes shows it, or rule and version"},
		{"of two things", `{"undo":"freezer@1","version":1}`, "undo: does not go with rule and version"},
		{"of no handle", `{"undo":"freezer"}`, "must be a rule and the version that the change made"},
		{"of an unknown rule", `{"undo":"frezer@1"}`, "did you mean freezer?"},
		{"of an unknown version", `{"rule":"freezer","version":7}`, "has no version 7; it has 1 to 1"},
		{"to no version", `{"rule":"freezer"}`, "the version to restore must be named"},
		{"to the present", `{"rule":"freezer","version":1}`, "is at version 1 already"},
		{"with a strange version", `{"rule":"freezer","version":"last"}`, "version: must be a whole number"},
	} {
		t.Run(tt.name, func(t *testing.T) { wants(t, h.refused("undo_change", tt.arguments), tt.want) })
	}
}

func TestChangesComeInPages(t *testing.T) {
	h := newHouse(t)
	for i := range 3 {
		h.create(fmt.Sprintf("Rule %d", i))
		h.ok("update_alert_rule", fmt.Sprintf(`{"rule":"rule_%d","for":"5m"}`, i))
	}
	var seen []string
	next := ""
	for page := 0; page == 0 || next != ""; page++ {
		got := h.ok("list_changes", fmt.Sprintf(`{"limit":"4","cursor":%q}`, next))
		for _, v := range got["changes"].([]any) {
			c := v.(map[string]any)
			seen = append(seen, fmt.Sprint(c["rule"], c["version"]))
		}
		if page == 0 && got["total"] != 6.0 {
			t.Errorf("total is %v", got["total"])
		}
		if next = got["next"].(string); page == 0 {
			wants(t, got["summary"].(string), "4 of 6 changes", next)
			h.create("Meanwhile")
			h.confirmed("undo_change", `{"undo":"meanwhile@1"}`) // what comes meanwhile moves no page
		}
	}
	if got := strings.Join(seen, " "); got != "rule_22 rule_21 rule_12 rule_11 rule_02 rule_01" {
		t.Errorf("saw %s", got)
	}
}
