package mcp_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestLifeOfASilence(t *testing.T) {
	h := newHouse(t)
	h.fire(h.create("Freezer"), "sensor=a", "sensor=b")
	h.fire(h.create("Fridge"), "sensor=a")

	would := h.ok("manage_silences", `{"action":"preview","rule":"freezer","until":"2h"}`)
	wants(t, would["summary"].(string),
		"Nothing was changed. This would hide 2 alerts now (rule freezer), until 2026-03-02T15:00:00+01:00 (in 2 h).")
	if list := h.ok("manage_silences", `{}`); list["total"] != 0.0 {
		t.Errorf("a preview was saved: %v", list)
	}

	made := h.ok("manage_silences",
		`{"action":"create","match":{"sensor":"a"},"until":"18:00","comment":"defrosting\u202e both"}`)
	wants(t, made["summary"].(string), "hides 2 alerts now (sensor=a), until 2026-03-02T18:00:00+01:00",
		"What is still wrong at its end is told then.")
	s := made["silence"].(map[string]any)
	if s["state"] != "running" || s["by"] != "anna via claude-code" || s["comment"] != "defrosting both" ||
		fmt.Sprint(s["alerts"]) == "[]" {
		t.Errorf("made %v", s)
	}
	wants(t, made["note"].(string), "not instructions")

	weekly := h.ok("manage_silences",
		`{"action":"create","rule":"freezer","weekly":{"days":["sat","sun"],"hours":"22:00-07:00"}}`)
	if w := weekly["silence"].(map[string]any); w["weekly"] != "sat,sun 22:00-07:00 Europe/Berlin" ||
		w["state"] != "waiting" || w["until"] != "until somebody ends it" {
		t.Errorf("weekly is %v", w)
	}
	wants(t, weekly["summary"].(string), "does not run now; of the open alerts it is about 2 alerts")

	list := h.ok("manage_silences", `{"action":"list"}`)
	if list["total"] != 2.0 || len(list["silences"].([]any)) != 2 {
		t.Errorf("listed %v", list)
	}
	wants(t, h.refused("manage_silences", `{"action":"end"}`), "id: is missing; those that are not over: "+
		s["id"].(string)+" (sensor=a)")
	ended := h.ok("manage_silences", `{"action":"end","silence_id":"`+s["id"].(string)+`"}`)
	wants(t, ended["summary"].(string), "What is still wrong is told now.")
	if e := ended["silence"].(map[string]any); e["state"] != "over" || e["ended_by"] != "anna via claude-code" {
		t.Errorf("ended %v", e)
	}
	if list := h.ok("manage_silences", `{"ended":true,"rule":"freezer"}`); list["total"] != 2.0 {
		t.Errorf("of one rule: %v", list)
	}
	if list := h.ok("manage_silences", `{"action":"list"}`); list["total"] != 1.0 {
		t.Errorf("after one ended: %v", list)
	}
}

func TestASilenceMayBeginLater(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	s := h.ok("manage_silences",
		`{"action":"create","rule":"freezer","from":"2026-03-03 08:00","for":"2h"}`)["silence"].(map[string]any)
	if s["from"] != "2026-03-03T08:00:00+01:00 (in 19 h)" || s["until"] != "2026-03-03T10:00:00+01:00 (in 21 h)" ||
		s["state"] != "waiting" {
		t.Errorf("made %v", s)
	}
}

func TestWhatASilenceIsAboutIsUnderstood(t *testing.T) {
	for arguments, want := range map[string]string{
		`"match":{"sensor":["a","b"]}`: "sensor=a|b",
		`"match":"sensor=a"`:           "sensor=a",
		`"match":"{\"sensor\":\"a\"}"`: "sensor=a",
		`"labels":{"sensor":7}`:        "sensor=7",
		`"rule_id":"freezer"`:          "rule freezer",
		`"rule":"freezer","weekly":"sat,sun 22:00-07:00 Europe/Berlin"`:    "rule freezer",
		`"rule":"freezer","recurring":"{\"hours\":\"22:00-07:00\"}"`:       "rule freezer",
		`"rule":"freezer","until":"2026-03-02T15:00:00+01:00 (in 2 h)"`:    "rule freezer",
		`"rule":"freezer","until":"in 2h","reason":"so"`:                   "rule freezer",
		`"rule":"freezer","weekly":{"days":"sat"},"until":"30d","id":null`: "rule freezer",
	} {
		h := newHouse(t)
		h.create("Freezer")
		if !strings.Contains(arguments, "until") && !strings.Contains(arguments, "weekly") &&
			!strings.Contains(arguments, "recurring") {
			arguments += `,"until":"2h"`
		}
		got := h.ok("manage_silences", `{"action":"create",`+arguments+`}`)
		if about := got["silence"].(map[string]any)["about"]; about != want {
			t.Errorf("%s is about %v", arguments, about)
		}
	}
}

func TestSilencesThatCannotBeAreRefused(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	for _, tt := range []struct{ name, arguments, want string }{
		{
			"without an end", `{"action":"create","rule":"freezer"}`,
			`until: is missing; give an end or a length, for example 2h, or say "open_ended": true`,
		},
		{"of nothing", `{"action":"create","until":"2h"}`, "so this would silence every alert; name a rule"},
		{
			"of everything and one rule", `{"action":"create","rule":"freezer","everything":true,"until":"2h"}`,
			"everything: is for a silence of all alerts",
		},
		{"of an unknown rule", `{"action":"create","rule":"frezer","until":"2h"}`, "did you mean freezer?"},
		{
			"in the past", `{"action":"create","rule":"freezer","until":"2026-03-02 12:00"}`,
			"until: must be after the silence begins",
		},
		{
			"with a strange week", `{"action":"create","rule":"freezer","weekly":{"day":"sat"}}`,
			"weekly.day: no such key; did you mean days?",
		},
		{
			"with strange days", `{"action":"create","rule":"freezer","weekly":{"days":"someday"}}`,
			"weekly.days: must be days such as mon-fri",
		},
		{
			"with a strange match", `{"action":"create","match":["a"],"until":"2h"}`,
			`match: must be tags with their values, such as {"room":"kitchen"}; got a list`,
		},
		{
			"with a strange value", `{"action":"create","match":{"room":{"a":1}},"until":"2h"}`,
			"match.room: must be a text or a list of texts; got an object",
		},
		{"by a strange word", `{"action":"make"}`, "action: must be one of list, preview, create, end"},
		{
			"of hours outside of the week", `{"action":"create","rule":"freezer","hours":"22:00-07:00"}`,
			`You may have meant: manage_silences {"action":"create","rule":"freezer","weekly":{"hours":"22:00-07:00"}}`,
		},
		{"that are over", `{"action":"end","id":"nope"}`, `there is no silence "nope"`},
	} {
		t.Run(tt.name, func(t *testing.T) { wants(t, h.refused("manage_silences", tt.arguments), tt.want) })
	}
	if list := h.ok("manage_silences", `{"ended":true}`); list["total"] != 0.0 {
		t.Errorf("something was saved: %v", list)
	}
}

func TestSilencesComeInPages(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	for i := range 5 {
		h.ok("manage_silences", fmt.Sprintf(`{"action":"create","rule":"freezer","until":"%dh"}`, 5-i))
	}
	var seen []string
	next := ""
	for page := 0; page == 0 || next != ""; page++ {
		got := h.ok("manage_silences", fmt.Sprintf(`{"limit":2,"cursor":%q}`, next))
		for _, v := range got["silences"].([]any) {
			seen = append(seen, v.(map[string]any)["until"].(string))
		}
		next = got["next"].(string)
	}
	if len(seen) != 5 || !strings.HasSuffix(seen[0], "(in 1 h)") || !strings.HasSuffix(seen[4], "(in 5 h)") {
		t.Errorf("saw %v", seen)
	}
}

// TestASilenceNeedsItsAction: what only a new silence has is not ignored by a
// list.
func TestASilenceNeedsItsAction(t *testing.T) {
	h := newHouse(t)
	h.create("Freezer")
	wants(t, h.refused("manage_silences", `{"rule":"freezer","until":"2h"}`), "action", "must be create", "until")
}
