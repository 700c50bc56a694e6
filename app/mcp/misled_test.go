package mcp_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/mcp"
)

// TestNothingMisleads has what models took the wrong way, or could not find out
// in one call, by the numbers under which that is kept.
func TestNothingMisleads(t *testing.T) {
	for name, story := range map[string]func(*testing.T){
		"02 a rule that is routed tells somebody": aRoutedRuleTellsSomebody,
		"10 an order is a consent":                anOrderIsAConsent,
		"16 a snooze says what comes through":     aSnoozeSaysWhatComesThrough,
		"23 prompts name tools that are there":    promptsNameOnlyWhatThisCallerHas,
		"25 resources tell themselves apart":      resourcesTellThemselvesApart,
	} {
		t.Run(name, story)
	}
}

func aRoutedRuleTellsSomebody(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Config.Notify = map[string][]string{"default": {"phone"}} })
	const keys = `"measurement":"temperature","field":"celsius","condition":{"type":"threshold","operator":">","value":8}`
	made := h.ok("create_alert_rule", `{"title":"Routed",`+keys+`}`)["rule"].(map[string]any)
	h.ok("create_alert_rule", `{"title":"Named",`+keys+`,"channels":["mail"]}`)
	list := h.ok("list_alert_rules", `{}`)["rules"].([]any)
	named, routed := list[0].(map[string]any), list[1].(map[string]any)
	for i, rule := range []map[string]any{made, routed} {
		if fmt.Sprint(rule["tells"]) != "[phone]" || rule["routed"] != true || rule["channels"] != nil {
			t.Errorf("%d: tells %v, routed %v, channels %v", i, rule["tells"], rule["routed"], rule["channels"])
		}
	}
	if fmt.Sprint(named["tells"]) != "[mail]" || named["routed"] != nil {
		t.Errorf("tells %v, routed %v", named["tells"], named["routed"])
	}
}

func anOrderIsAConsent(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	asked := h.ok("delete_alert_rule", `{"rule":"freezer"}`)
	wants(t, asked["summary"].(string), "If the user asked for exactly this, that is their consent: repeat the call",
		"Else tell them this and ask first.")
	if got := h.ok("update_alert_rule", `{"rule":"freezer","enabled":false}`); got["confirm"] != nil {
		t.Errorf("a quiet rule asks before it is disabled: %v", got)
	}
}

func aSnoozeSaysWhatComesThrough(t *testing.T) {
	h := newHouse(t)
	id := h.fire(h.create("Freezer"), "sensor=a")[0]
	got := h.ok("acknowledge_alert", `{"id":"`+id+`","until":"2h"}`)
	wants(t, got["summary"].(string), "no reminders and no escalation", "If it ends before, that is told",
		"born acknowledged",
		"still wrong at that time, it is told then", "If it gets worse it is told at once")
	none := h.ok("manage_silences", `{"action":"preview","match":{"sensor":"b"},"until":"2h"}`)
	wants(t, none["summary"].(string), "would hide 0 alerts now", "It covers alerts of freezer.")
	never := h.ok("manage_silences", `{"action":"preview","match":{"host":"b"},"until":"2h"}`)
	wants(t, never["summary"].(string), "No rule that is on could have such an alert.")
}

func promptsNameOnlyWhatThisCallerHas(t *testing.T) {
	h := newHouse(t)
	h.server = mcp.New(h.app, mcp.Options{User: "eve", Scope: app.ScopeRead})
	h.connect(eras[0], nil)
	listed := map[string]bool{}
	for _, tool := range h.list() {
		listed[tool.Name] = true
	}
	if !listed["manage_silences"] {
		t.Error("a reader cannot list silences")
	}
	named := regexp.MustCompile(`\b(list|get|describe|query|preview|create|update|delete|manage|explain|acknowledge|test|undo|suggest)_[a-z_]+`)
	texts := []string{
		h.prompt("set_up_monitoring", nil), h.prompt("morning_report", nil),
		h.prompt("why_was_i_woken", nil),
	}
	for _, text := range texts {
		for _, tool := range named.FindAllString(text, -1) {
			if !listed[tool] {
				t.Errorf("names %s, which is not there:\n%s", tool, text)
			}
		}
	}
}

func resourcesTellThemselvesApart(t *testing.T) {
	h := newHouse(t)
	h.fire(h.create("Freezer"), "sensor=a")
	got, err := h.client.ListResources(t.Context(), protocol.ListResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	last := got.Resources[len(got.Resources)-1]
	if last.Name != "Freezer (sensor=a)" ||
		!strings.Contains(last.Description, "Medium, firing since 2026-03-02T13:00:00") {
		t.Errorf("an alert is listed as %q: %q", last.Name, last.Description)
	}
}
