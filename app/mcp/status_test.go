package mcp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
)

func TestStatusSaysHowItIs(t *testing.T) {
	h := newHouse(t)
	h.fire(h.create("Fridge too warm"), "sensor=a")
	got := h.ok("get_status", `{}`)
	if got["status"] != "ok" || got["database"] != "ok" || fmt.Sprint(got["alerts"]) != "map[acknowledged:0 firing:1]" ||
		fmt.Sprint(got["rules"]) != "map[enabled:1 total:1 unjudged:0]" {
		t.Errorf("status is %v", got)
	}
	wants(t, got["summary"].(string), "1 alert not resolved", "tocsin itself works: 1 of 1 rules are on.")
	wants(t, fmt.Sprint(got["sources"]), "name:home ok:true", "live, 3 series")
	wants(t, fmt.Sprint(got["channels"]), "kind:smtp name:mail", "health:untried")
	if n := len(textOf(t, h.call("get_status", `{}`))); n > 1300 {
		t.Errorf("a quiet status has %d bytes", n)
	}
	wants(t, h.refused("get_status", `{"detail":"ful"}`), `did you mean "full"?`)
	h.ok("get_status", `{"verbose":"full"}`)
}

func TestStatusTellsWhatIsWrong(t *testing.T) {
	h, server := onInflux(t)
	server.Stop()
	h.app.Daemon = func() (int, bool) { return 0, false }
	got := h.ok("get_status", `{}`)
	if got["status"] != "degraded" || got["daemon"].(map[string]any)["running"] != false {
		t.Errorf("status is %v", got)
	}
	wants(t, got["summary"].(string), "tocsin itself is degraded", "A source does not answer", "tell the user")
	wants(t, fmt.Sprint(got["problems"]), "source home", app.NoDaemon)
}

func TestAShortStatusNamesTheFirstProblems(t *testing.T) {
	h := newHouse(t, func(a *app.App) {
		a.Notes = func() []string { return strings.Split(strings.Repeat("a note,", 30), ",")[:30] }
	})
	short, full := h.ok("get_status", `{}`), h.ok("get_status", `{"detail":"full"}`)
	if n := len(short["problems"].([]any)); n != 10 {
		t.Errorf("%d problems in short", n)
	}
	wants(t, short["summary"].(string), "Problems: 30", "The first 10 are here")
	if n := len(full["problems"].([]any)); n != 30 {
		t.Errorf("%d problems in full", n)
	}
}
