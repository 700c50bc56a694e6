package mcp_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// TestNothingMisleads has what models took the wrong way, or could not find out
// in one call, by the numbers under which that is kept.
func TestNothingMisleads(t *testing.T) {
	for name, story := range map[string]func(*testing.T){
		"02 a rule that is routed tells somebody": aRoutedRuleTellsSomebody,
		"03 status begins with what is wrong":     statusBeginsWithWhatIsWrong,
		"03 a critical rule that sleeps":          aCriticalRuleThatSleepsIsAProblem,
		"04 create says what happens now":         createSaysWhatHappensNow,
		"06 an ended alert is told as it was":     anEndedAlertIsToldAsItWas,
		"07 a noisy rule hides nothing":           aNoisyRuleHidesNothing,
		"08 only critical things by night":        oneCallForOnlyCriticalByNight,
		"11 times are those of the house":         timesAreThoseOfTheHouse,
		"17 what died before is no misspelling":   whatDiedBeforeIsNoMisspelling,
		"19 the internet and its own messages":    nobodyIsToldOfTheInternetOverIt,
		"09 several at once":                      severalAtOnce,
		"18 a refusal corrects the call":          aRefusalCorrectsTheCallItself,
		"13 one call describes all":               oneCallDescribesAll,
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

func statusBeginsWithWhatIsWrong(t *testing.T) {
	h := newHouse(t)
	h.ok("create_alert_rule", `{"title":"Boiler cold","measurement":"temperature","field":"celsius","group_by":["sensor"],
		"condition":{"type":"threshold","operator":">","value":8},"severity":"critical","channels":["phone"]}`)
	h.fire(h.create("Freezer"), "sensor=a")
	h.now = h.now.Add(2 * time.Hour)
	h.fire(h.stored("boiler_cold").ID, "sensor=b")
	got := h.ok("get_status", `{}`)
	open := fmt.Sprint(got["open_alerts"])
	if first, second := strings.Index(open, "critical: Boiler cold (sensor=b)"), strings.Index(open,
		"medium: Freezer (sensor=a)"); first < 0 || second < first {
		t.Errorf("open alerts are %s", open)
	}
	wants(t, got["summary"].(string), "2 alerts not resolved, the worst first: critical: Boiler cold (sensor=b)")
	if strings.Contains(got["summary"].(string), "All is well") {
		t.Errorf("says %s", got["summary"])
	}
	wants(t, fmt.Sprint(got["problems"]),
		"channel phone: rules tell people by it, and nobody ever tried whether that works")
}

func aCriticalRuleThatSleepsIsAProblem(t *testing.T) {
	h := newHouse(t, func(a *app.App) {
		quiet := &notify.Quiet{Active: rules.Active{Hours: "22:00-07:00", Zone: "Europe/Berlin"}}
		a.Config.Channels["phone"] = app.ChannelConfig{Kind: "ntfy", Settings: notify.Settings{Quiet: quiet}}
	})
	h.ok("create_alert_rule", `{"title":"Boiler cold","measurement":"temperature","field":"celsius",
		"condition":{"type":"threshold","operator":">","value":99},"severity":"critical","channels":["phone"]}`)
	wants(t, fmt.Sprint(h.ok("get_status", `{}`)["problems"]),
		"rule boiler_cold: is critical and reaches nobody in the quiet hours of phone (22:00-07:00 Europe/Berlin)")
}

func createSaysWhatHappensNow(t *testing.T) {
	eachSource(t, climate(), func(t *testing.T, h *house) {
		h.ok("create_alert_rule", `{"title":"Other","measurement":"climate","field":"temp_celsius",
			"condition":{"type":"threshold","operator":">","value":99}}`)
		for _, dry := range []string{`,"dry_run":true`, ""} {
			got := h.ok("create_alert_rule", `{"title":"Too warm","measurement":"climate","field":"temp_celsius","group_by":["sensor"],
				"condition":{"type":"threshold","operator":">","value":30},"for":"2h","summary":"{{.labels.sensor}} is at {{.value}}"`+dry+`}`)
			now := got["now"].(map[string]any)
			if now["series"] != 2.0 || now["wrong"] != 1.0 || got["rule"].(map[string]any)["series"] != 2.0 {
				t.Errorf("now is %v", now)
			}
			wants(t, fmt.Sprint(now["values"]), "sensor=a: 36, fires in 1h", "sensor=b: 20")
			wants(t, fmt.Sprint(now["also_watched_by"]), "other (")
			wants(t, now["message"].(string), "Too warm", "a is at 36")
			wants(t, got["summary"].(string), "2 series match now, 1 wrong at this moment: sensor=a: 36, fires in 1h",
				"The same is watched by other")
		}
	})
}

func anEndedAlertIsToldAsItWas(t *testing.T) {
	eachSource(t, climate(), func(t *testing.T, h *house) {
		h.now = noon.Add(-2 * time.Hour)
		id := h.ok("create_alert_rule", `{"title":"Too warm","measurement":"climate","field":"temp_celsius","group_by":["sensor"],
			"condition":{"type":"threshold","operator":">","value":22},"channels":["phone"]}`)["rule"].(map[string]any)["id"].(string)
		other := h.create2("Meanwhile")
		look := func(rule string, minutes int, value float64) {
			h.now = noon.Add(time.Duration(minutes) * time.Minute)
			h.look(rule, map[rules.Series]float64{"sensor=a": value})
		}
		look("too_warm", -119, 24)
		look("meanwhile", -110, 30)
		look("too_warm", -60, 30)
		look("too_warm", -30, 20)
		h.now = noon
		alert := h.ok("list_alerts", `{"rule":"`+id+`"}`)["alerts"].([]any)[0].(map[string]any)
		if alert["value"] != nil || alert["peak"] != 30.0 {
			t.Errorf("it is listed as %v", alert)
		}
		got := h.why(fmt.Sprintf(`{"id":%q}`, alert["id"]))
		story := got["episode"].(map[string]any)
		if got["state"] != "resolved" || story["lasted"] != "1h29m" || story["peak"] != 30.0 ||
			len(story["values"].([]any)) < 5 {
			t.Errorf("the story is %v", story)
		}
		wants(t, fmt.Sprint(story["peak_at"]), "2026-03-02T12:0")
		wants(t, fmt.Sprint(story["meanwhile"]), "Meanwhile, medium")
		wants(t, got["why"].(string), "It fired from 2026-03-02 11:01 to 2026-03-02 12:30, for 1h29m (recovered)",
			"at worst 30 at 2026-03-02 12:0", "In that time 1 more fired: Meanwhile.", "Now: it is 36")
		_ = other
	})
}

// create2 makes a rule over the climate.
func (h *house) create2(title string) string {
	h.t.Helper()
	return h.ok("create_alert_rule", `{"title":"`+title+`","measurement":"climate","field":"temp_celsius","group_by":["sensor"],
		"condition":{"type":"threshold","operator":">","value":22},"channels":["mail"]}`)["rule"].(map[string]any)["id"].(string)
}

func aNoisyRuleHidesNothing(t *testing.T) {
	h := newHouse(t)
	h.create("Noise")
	h.create("Freezer")
	h.fire(h.stored("freezer").ID, "sensor=a")
	for range 12 {
		h.now = h.now.Add(10 * time.Minute)
		h.fire(h.stored("noise").ID, "sensor=b")
		h.now = h.now.Add(time.Minute)
		h.look("noise", map[rules.Series]float64{"sensor=b": 1})
	}
	got := h.ok("list_alerts", `{}`)
	wants(t, got["summary"].(string), `13 alerts, folded to 2 lines of a rule and series`, `"folded": false`)
	noise := got["folded"].([]any)[0].(map[string]any)
	if noise["title"] != "Noise" || noise["count"] != 12.0 || noise["longest"] != "1m" || noise["open"] != 0.0 {
		t.Errorf("the noise is %v", noise)
	}
	if all := h.ok("list_alerts", `{"folded":false}`); len(all["alerts"].([]any)) != 13 {
		t.Errorf("unfolded it is %v", all["summary"])
	}
	early := h.ok("list_alerts", `{"since":"2026-03-02T12:00","until":"2026-03-02T13:05"}`)["alerts"].([]any)
	if len(early) != 1 || early[0].(map[string]any)["title"] != "Freezer" {
		t.Errorf("until takes %v", early)
	}
	if rang := h.ok("list_alerts", `{"told":"phone"}`); rang["total"] != 0.0 { // nothing was delivered here
		t.Errorf("phone rang for %v", rang)
	}
	wants(t, h.refused("list_alerts", `{"told":"phne"}`), "phone")
}

func oneCallForOnlyCriticalByNight(t *testing.T) {
	h := newHouse(t)
	made := h.ok("manage_silences",
		`{"action":"create","severity":["below critical"],"weekly":{"hours":"22:00-07:00"}}`)["silence"].(map[string]any)
	h.create("Made tomorrow")
	list := h.ok("manage_silences", `{}`)["silences"].([]any)[0].(map[string]any)
	if list["about"] != "severity low or medium or high" || list["weekly"] != "22:00-07:00 Europe/Berlin" ||
		fmt.Sprint(list["rules"]) != "[made_tomorrow]" || made["id"] != list["id"] {
		t.Errorf("the silence is %v", list)
	}
	h.create("Other")
	two := h.ok("manage_silences", `{"action":"preview","rule":["made_tomorrow","other"],"until":"2h"}`)["silence"].(map[string]any)
	if two["about"] != "rules made_tomorrow, other" {
		t.Errorf("two rules are %v", two)
	}
}

func timesAreThoseOfTheHouse(t *testing.T) {
	h := newHouse(t)
	got := h.ok("create_alert_rule", `{"title":"By day","measurement":"temperature","field":"celsius",
		"condition":{"type":"threshold","operator":">","value":8},"active":{"hours":"07:00-22:00"}}`)
	wants(t, fmt.Sprint(got["warnings"]), "active is in Europe/Berlin, as no zone was given")
	if r := h.stored("by_day"); r.Active.Zone != "Europe/Berlin" {
		t.Errorf("stored %+v", r.Active)
	}
	h.ok("update_alert_rule", `{"rule":"by_day","zone":"Asia/Tokyo","active":{"hours":"08:00-20:00"}}`)
	if r := h.stored("by_day"); r.Active.Zone != "Asia/Tokyo" {
		t.Errorf("with a zone beside it stored %+v", r.Active)
	}
}

func whatDiedBeforeIsNoMisspelling(t *testing.T) {
	var old []string
	for i := range 10 {
		old = append(old, line("attic,sensor=z", "celsius=7", noon.Add(-10*24*time.Hour).Add(time.Duration(i)*time.Minute)))
	}
	h, server := onInflux(t)
	server.Write(old...)
	got := h.ok("create_alert_rule", `{"title":"Attic","measurement":"attic","field":"celsius","group_by":["sensor"],
		"condition":{"type":"threshold","operator":">","value":8}}`)
	wants(t, got["summary"].(string), "No series has a value now", "silent since 2026-02-20 13:09")
	wants(t, fmt.Sprint(got["now"].(map[string]any)["silent"]), "sensor=z since 2026-02-20T13:09")
	h.now = noon.Add(25 * time.Hour)
	problems := fmt.Sprint(h.ok("get_status", `{}`)["problems"])
	wants(t, problems, "attic.celsius by sensor is known, and silent since 2026-02-20 13:09")
	if strings.Contains(problems, "misspelt") {
		t.Errorf("problems are %s", problems)
	}
}

func nobodyIsToldOfTheInternetOverIt(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Config.Channels = map[string]app.ChannelConfig{"chat": {Kind: "telegram"}} })
	const keys = `"measurement":"temperature","field":"celsius","condition":{"type":"absence","window":"5m"}`
	got := h.ok("create_alert_rule", `{"title":"Internet is down",`+keys+`}`)
	wants(t, fmt.Sprint(got["warnings"]), "watch the connection that its only way to tell needs (chat)")
	if other := h.ok("create_alert_rule", `{"title":"Freezer",`+keys+`}`); len(other["warnings"].([]any)) != 0 {
		t.Errorf("a freezer gets %v", other["warnings"])
	}
}

func severalAtOnce(t *testing.T) {
	h := newHouse(t)
	for _, title := range []string{"Old cpu", "Old disk", "Freezer"} {
		h.create(title)
	}
	asked := h.ok("delete_alert_rule", `{"match":{"text":"old"}}`)
	wants(t, asked["summary"].(string), "2 rules would be deleted: old_cpu, old_disk.")
	gone := h.ok("delete_alert_rule", `{"match":{"text":"old"},"confirm":"`+asked["confirm"].(string)+`"}`)
	if !h.gone("old_cpu") || !h.gone("old_disk") || h.gone("freezer") {
		t.Errorf("left is %s", h.state())
	}
	h.ok("undo_change", `{"undo":"`+gone["undo"].(string)+`"}`)
	if h.gone("old_cpu") || h.gone("old_disk") {
		t.Errorf("one undo brought back %s", h.state())
	}
	changed := h.ok("update_alert_rule", `{"rule":["old_cpu","old_disk"],"severity":"critical","escalate":{"after":"30m","channels":["mail"]}}`)
	wants(t, changed["summary"].(string), "Changed 2 rules: old_cpu, old_disk.")
	if r := h.stored("old_disk"); r.Severity != rules.Critical || r.Escalate == nil {
		t.Errorf("stored %+v", r)
	}
	h.ok("update_alert_rule", `{"match":{"severity":["critical"]},"for":"5m"}`)
	if h.stored("old_cpu").For != 5*rules.Minute || h.stored("freezer").For != 0 {
		t.Error("a match by severity changed the wrong ones")
	}
	h.fire(h.stored("freezer").ID, "sensor=a", "sensor=b")
	acked := h.ok("acknowledge_alert", `{"rule":["freezer"],"note":"door"}`)
	if n := len(acked["alerts"].([]any)); n != 2 {
		t.Errorf("%d acknowledged: %v", n, acked)
	}
	wants(t, h.refused("delete_alert_rule", `{"match":{"text":"nothing like that"}}`), "no rule is like that")
	wants(t, h.refused("delete_alert_rule", `{}`), "rule: is missing")
}

func aRefusalCorrectsTheCallItself(t *testing.T) {
	h := newHouse(t)
	text := h.refused("create_alert_rule", `{"title":"Boiler","measurement":"temperatur","field":"celsius",
		"condition":{"type":"threshold","operator":">","value":70},"for":"ten minutes"}`)
	wants(t, text, `"title":"Boiler"`, `"value":70`)
	if strings.Contains(text, "Freezer too warm") {
		t.Errorf("it speaks of a freezer:\n%s", text)
	}
	text = h.refused("create_alert_rule", `{"title":"Boiler","measurement":"temperatur","field":"celsius",
		"condition":{"type":"threshold","operator":">","value":70}}`)
	wants(t, text, `"measurement":"temperature"`, `"title":"Boiler"`, `"value":70`)
}

func oneCallDescribesAll(t *testing.T) {
	eachSource(t, climate(), func(t *testing.T, h *house) {
		list := h.ok("describe_data", `{}`)["measurements"].([]any)
		if len(list) != 1 {
			t.Fatalf("listed %v", list)
		}
		text := fmt.Sprint(list[0])
		wants(t, text, "temp_celsius, number, °C, ", "mode, text", "on, state", "room=hall|kitchen", "sensor=a|b",
			"cadence:1m", "last_point:2026-03-02T13:00:00")
	})
}
