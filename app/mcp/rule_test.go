package mcp_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

func TestLifeOfARule(t *testing.T) {
	h := newHouse(t)
	created := h.ok("create_alert_rule", `{"title":"Freezer too warm","measurement":"temperature","field":"celsius","where":{"room":"kitchen"},
		"group_by":["sensor"],"condition":{"type":"threshold","aggregation":"mean","window":"5m","operator":">","value":-15},"for":"10m","severity":"high","channels":["phone"]}`)
	rule := created["rule"].(map[string]any)
	if rule["name"] != "freezer_too_warm" || rule["version"] != 1.0 ||
		rule["keys"].(map[string]any)["source"] != "home" {
		t.Errorf("created %v", rule)
	}
	wants(t, created["summary"].(string), "Created rule freezer_too_warm",
		"temperature.celsius where room=kitchen by sensor: mean over 5m > -15 for 10m")
	by, _, err := h.app.Store.Versions(t.Context(), app.VersionFilter{RuleID: rule["id"].(string), Limit: 1})
	if err != nil || len(by) != 1 || by[0].By != (rules.Actor{Name: "anna via claude-code", Door: "mcp"}) {
		t.Errorf("the author is %+v, %v", by, err)
	}

	listed := h.ok("list_alert_rules", `{}`)
	if listed["total"] != 1.0 || listed["next"] != "" || len(listed["rules"].([]any)) != 1 {
		t.Errorf("listed %v", listed)
	}
	if one := listed["rules"].([]any)[0].(map[string]any); one["keys"] != nil || one["watches"] == "" {
		t.Errorf("a short rule is %v", one)
	}
	full := h.ok("list_alert_rules", `{"rule":"freezer_too_warm","detail":"full"}`)["rules"].([]any)[0].(map[string]any)
	if full["keys"].(map[string]any)["condition"].(map[string]any)["value"] != -15.0 ||
		full["created_at"] != "2026-03-02T13:00:00+01:00 (0 s ago)" {
		t.Errorf("a full rule is %v", full)
	}

	changed := h.ok("update_alert_rule",
		`{"rule":"freezer_too_warm","expected_version":1,"condition":{"value":-12},"severity":"critical"}`)
	want := `[map[from:-15 key:condition.value to:-12] map[from:"high" key:severity to:"critical"]]`
	if got := fmt.Sprint(changed["changes"]); got != want {
		t.Errorf("changes are\n%s, want\n%s", got, want)
	}
	if r := h.stored("freezer_too_warm"); r.Version != 2 || r.Condition.Aggregation != rules.Mean ||
		r.Condition.Value != rules.Num(-12) {
		t.Errorf("stored %+v", r)
	}

	deleted := h.confirmed("delete_alert_rule", `{"rule":"freezer_too_warm"}`)
	back := h.ok("undo_change", `{"undo":"`+deleted["undo"].(string)+`"}`)
	wants(t, back["summary"].(string),
		"The deleted rule freezer_too_warm is back as it was at version 2. It is at version 4.")
	if r := h.stored("freezer_too_warm"); r.Version != 4 || r.Condition.Value != rules.Num(-12) {
		t.Errorf("back is %+v", r)
	}
}

func TestDryRunSavesNothing(t *testing.T) {
	h := newHouse(t)
	got := h.ok("create_alert_rule",
		`{"title":"X","measurement":"temperature","field":"celsius","condition":{"type":"threshold","operator":">","value":8},"dry_run":true}`)
	wants(t, got["summary"].(string), "not saved")
	if n := h.ok("list_alert_rules", `{}`)["total"]; n != 0.0 {
		t.Errorf("%v rules", n)
	}
	h.create("Y")
	got = h.ok("update_alert_rule", `{"rule":"y","severity":"low","dry_run":true}`)
	wants(t, got["summary"].(string), "not saved", `severity from "medium" to "low"`)
	if r := h.stored("y"); r.Version != 1 || r.Severity != rules.Medium {
		t.Errorf("stored %+v", r)
	}
}

func TestResetAndNullPutBackTheDefault(t *testing.T) {
	for _, how := range []string{`"reset":["cooldown"]`, `"cooldown":null`, `"reset":"cooldown"`} {
		h := newHouse(t)
		h.create("X")
		h.ok("update_alert_rule", `{"rule":"x","cooldown":"15m"}`)
		got := h.ok("update_alert_rule", `{"rule":"x",`+how+`}`)
		if text := fmt.Sprint(got["changes"]); text != `[map[from:"15m" key:cooldown to:]]` {
			t.Errorf("%s: changes are %s", how, text)
		}
		if r := h.stored("x"); r.Cooldown != 0 {
			t.Errorf("%s: cooldown is %s", how, r.Cooldown)
		}
	}
}

func TestSeedNamesAreAccepted(t *testing.T) {
	h := newHouse(t)
	h.ok("create_alert_rule", `{"title":"X","measurement":"temperature","field":"celsius","monitor_id":"7",
		"condition":{"aggregation":"avg","operator":"gt","value":8},"cooldown_minutes":15,"is_active":false}`)
	r := h.stored("x")
	if r.Enabled || r.Cooldown != 15*rules.Minute || r.Condition.Aggregation != rules.Mean ||
		r.Where.String() != "monitor_id=7" {
		t.Errorf("stored %+v", r)
	}
	h.ok("update_alert_rule", `{"rule_id":"`+r.ID+`","is_active":true}`)
	if !h.stored("x").Enabled {
		t.Error("is_active was not understood")
	}
	alert := h.fire(r.ID, "sensor=c")[0]
	for _, tool := range []string{"list_alert_rules", "list_alerts"} {
		if got := h.ok(tool, `{"monitor_id":7}`); got["total"] != 1.0 {
			t.Errorf("%s of monitor 7: %v", tool, got)
		}
	}
	if got := h.ok("list_alert_rules", `{"monitor_id":"8","is_active":true}`); got["total"] != 0.0 {
		t.Errorf("rules of monitor 8: %v", got)
	}
	wants(t, h.refused("list_alerts", `{"monitor_id":"8"}`), `no rule watches monitor_id "8"`)
	if got := h.ok("acknowledge_alert", `{"alert_id":"`+alert+
		`","acknowledged_by":"mallory","notes":"on it"}`); got["alert"].(map[string]any)["acknowledged_by"] != "anna via claude-code" {
		t.Errorf("acknowledged %v", got)
	}
	h.confirmed("delete_alert_rule", `{"rule_id":"`+r.ID+`"}`)
	h.ok("create_alert_rule", `{"title":"Y","monitor_id":7,"condition":{"operator":"gt","value":8}}`)
	if what := h.stored("y").What(); what != "temperature.celsius where monitor_id=7" {
		t.Errorf("monitor_id alone watches %s", what)
	}
}

func TestSlipsAreRepaired(t *testing.T) {
	h := newHouse(t)
	h.ok("create_alert_rule", `{"title":"X","measurement":"temperature","field":"celsius","group_by":"sensor","channels":"phone","dry_run":"false",
		"condition":"{\"type\":\"threshold\",\"operator\":\"above\",\"value\":\"5\",\"window\":\"5 minutes\"}"}`)
	r := h.stored("x")
	if r.Condition.Value != rules.Num(5) || r.Condition.Window != 5*rules.Minute ||
		fmt.Sprint(r.GroupBy, r.Channels) != "[sensor] [phone]" {
		t.Errorf("stored %+v", r)
	}
	h.ok("list_alert_rules", `{"limit":"1","enabled":"true","detail":"FULL"}`)
	h.ok("list_alerts", `{"limit":2.0}`)
	h.ok("update_alert_rule", `{"rule":"x","expected_version":"1","for":"10 minutes","where":"{\"room\":\"kitchen\"}"}`)
	if r := h.stored("x"); r.For != 10*rules.Minute || r.Where.String() != "room=kitchen" {
		t.Errorf("stored %+v", r)
	}
}

func TestUnknownArgumentsAreRefused(t *testing.T) {
	h := newHouse(t)
	h.create("X")
	for _, tt := range []struct{ name, tool, arguments, want string }{
		{
			"with the nearest name", "list_alerts", `{"statsu":"open"}`,
			"statsu: no such argument; did you mean status?\nYou may have meant: list_alerts {\"status\":\"open\"}",
		},
		{
			"with all that are known", "acknowledge_alert", `{"id":"x","zzzzzz":1}`,
			"zzzzzz: no such argument; known: id, rule, severity, note, until, undo",
		},
		{
			"with the object they belong into", "create_alert_rule",
			`{"title":"Y","measurement":"temperature","field":"celsius","operator":">","value":8}`,
			`You may have meant: create_alert_rule {"condition":{"operator":">","value":8},"field":"celsius","measurement":"temperature","title":"Y"}`,
		},
		{
			"also keys of rarer conditions", "create_alert_rule", `{"title":"Y","horizon":"4h"}`,
			"horizon: is no argument of its own, it belongs into condition",
		},
		{
			"also inside of a rule", "update_alert_rule", `{"rule":"x","condition":{"windwo":"5m"}}`,
			"condition.windwo: no such key; did you mean window?",
		},
		{"also of a rule", "update_alert_rule", `{"rule":"x","severty":"high"}`, "did you mean severity or every?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wants(t, h.refused(tt.tool, tt.arguments), tt.want)
		})
	}
	if r := h.stored("x"); r.Version != 1 {
		t.Errorf("a refused call made version %d", r.Version)
	}
}

func TestRefusalsSayEverything(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	for _, tt := range []struct {
		name, tool, arguments string
		want                  []string
	}{
		{
			"what is missing", "create_alert_rule", `{"title":"Y"}`,
			[]string{"(invalid)", "condition: is missing", `A call in the right form: create_alert_rule {"condition":{`, `"title":"Y"`},
		},
		{
			"all that is wrong at once", "create_alert_rule",
			`{"title":"Y","measurement":"temperature","field":"celsius","severity":"urgent","for":5,"condition":{"operator":"bigger"}}`,
			[]string{
				"- condition.operator: must be one of >", "- for: must be a duration",
				"- severity: must be one of low, medium, high, critical; got \"urgent\"",
			},
		},
		{
			"names that the data has not", "create_alert_rule",
			`{"title":"Y","measurement":"temprature","field":"celsius","condition":{"operator":">","value":1}}`,
			[]string{`"temprature" does not exist; did you mean temperature?`, `"allow_unknown": true`},
		},
		{
			"channels", "update_alert_rule", `{"rule":"freezer","channels":["fone"]}`,
			[]string{`no channel "fone"; known: mail, phone`},
		},
		{
			"rules", "update_alert_rule", `{"rule":"frezer","severity":"low"}`,
			[]string{"(not_found)", "did you mean freezer?"},
		},
		{"rules to delete", "delete_alert_rule", `{"rule":"frezer"}`, []string{"did you mean freezer?"}},
		{"rules of alerts", "list_alerts", `{"rule":"reezer"}`, []string{"did you mean freezer?"}},
		{
			"versions", "update_alert_rule", `{"rule":"freezer","severity":"low","expected_version":7}`,
			[]string{"(conflict), nothing was changed", "at version 1 now, not 7"},
		},
		{
			"versions to delete", "delete_alert_rule", `{"rule":"freezer","expected_version":7}`,
			[]string{"(conflict)", "at version 1 now, not 7"},
		},
		{"nothing to do", "update_alert_rule", `{"rule":"freezer"}`, []string{"nothing to change"}},
		{
			"reset of no key", "update_alert_rule", `{"rule":"freezer","reset":["colour"]}`,
			[]string{`"colour" is no key of a rule; known: name, title`},
		},
		{
			"choices", "list_alerts", `{"status":"fireing"}`,
			[]string{"must be one of open, firing, acknowledged, resolved", `did you mean "firing"?`},
		},
		{"numbers", "list_alerts", `{"limit":1000}`, []string{"limit: must be a whole number from 1 to 100; got \"1000\""}},
		{
			"times", "list_alerts", `{"since":"yesterday"}`,
			[]string{"since: must be a duration such as 2h or a time such as 2026-03-02T13:00:00+01:00; got \"yesterday\""},
		},
		{"cursors", "list_alerts", `{"cursor":"page2"}`, []string{"cursor: is not one that list_alerts gave"}},
		{"alerts", "acknowledge_alert", `{"id":"nope"}`, []string{"(not_found)", `no alert "nope"`}},
		{"arguments that are none", "list_alerts", `"open"`, []string{"must be one JSON object"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wants(t, h.refused(tt.tool, tt.arguments), tt.want...)
		})
	}
	if log := h.log.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("refusals are no trouble of ours: %s", log)
	}
}

func TestRulesComeInPages(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		h.create(fmt.Sprintf("Rule %d", i))
	}
	var seen []string
	next := ""
	for page := 0; page == 0 || next != ""; page++ {
		got := h.ok("list_alert_rules", fmt.Sprintf(`{"limit":2,"cursor":%q}`, next))
		for _, r := range got["rules"].([]any) {
			seen = append(seen, r.(map[string]any)["name"].(string))
		}
		if got["total"] != 5.0 {
			t.Errorf("total is %v", got["total"])
		}
		if next = got["next"].(string); next != "" {
			wants(t, got["summary"].(string), "2 of 5 rules", next)
		}
	}
	if got := strings.Join(seen, " "); got != "rule_0 rule_1 rule_2 rule_3 rule_4" {
		t.Errorf("saw %s", got)
	}
}

func TestAnswersSayThatNoDaemonRuns(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Daemon = func() (int, bool) { return 0, false } })
	h.create("X")
	for _, call := range [][2]string{
		{"list_alert_rules", `{}`},
		{"list_alerts", `{}`},
		{"update_alert_rule", `{"rule":"x","severity":"low"}`},
		{"delete_alert_rule", `{"rule":"x"}`},
	} {
		if got := h.ok(call[0], call[1])["warnings"]; fmt.Sprint(got) != "["+app.NoDaemon+"]" {
			t.Errorf("%s warns %v", call[0], got)
		}
	}
}

func TestTwoProcessesShareOneStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tocsin.db")
	daemon, door := newApp(t, path), newApp(t, path)
	daemon.open()
	door.open()
	id := door.create("X")
	alert := daemon.fire(id, "sensor=a")[0]
	if got := door.ok("list_alerts", `{"status":"open"}`); got["total"] != 1.0 {
		t.Errorf("the door sees %v", got)
	}
	door.ok("acknowledge_alert", `{"id":"`+alert+`","note":"on it"}`)
	if v, err := daemon.app.Alert(t.Context(), alert); err != nil || v.Status != rules.StatusAcknowledged {
		t.Errorf("the daemon sees %+v, %v", v, err)
	}
	daemon.ok("update_alert_rule", `{"rule":"x","severity":"low"}`)
	wants(t, door.refused("update_alert_rule", `{"rule":"x","severity":"high","expected_version":1}`),
		"at version 2 now, not 1")
}

// TestToolsShowEveryKeyOfARule: all are there where a rule is made or changed, with
// what a model has to know of them in one place; preview has those that decide.
func TestToolsShowEveryKeyOfARule(t *testing.T) {
	h := newHouse(t)
	shown := map[string]map[string]any{}
	for _, tool := range h.list() {
		shown[tool.Name] = tool.InputSchema.Properties
	}
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		parts := strings.Split(k.Path, ".")
		key := shown["create_alert_rule"][parts[0]]
		switch {
		case strings.ContainsAny(k.Path, "[N"):
			return // within what a description tells
		case len(parts) == 2:
			key = key.(map[string]any)["properties"].(map[string]any)[parts[1]]
		default:
			for _, tool := range []string{"update_alert_rule", "preview_alert_rule"} {
				if shown[tool][k.Name] == nil && (tool == "update_alert_rule" || k.Group != ruledoc.Tell) {
					t.Errorf("%s has no %s", tool, k.Path)
				}
			}
		}
		if p, ok := key.(map[string]any); !ok || p["description"] == nil && p["enum"] == nil {
			t.Errorf("create_alert_rule has %v as %s", key, k.Path)
		}
	})
}
