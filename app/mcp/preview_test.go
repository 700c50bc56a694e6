package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// episodes is twelve hours of a value every minute, 50 but for three times: 95
// for twenty minutes, 92 for ten and 99 for two.
func episodes() (lines []string) {
	for i := range 721 {
		value := 50
		switch {
		case i >= 100 && i < 120:
			value = 95
		case i >= 300 && i < 310:
			value = 92
		case i >= 500 && i < 502:
			value = 99
		}
		lines = append(lines,
			line("cpu,host=pi", fmt.Sprintf("usage_percent=%d", value), noon.Add(time.Duration(i-720)*time.Minute)))
	}
	return lines
}

const tooHigh = `"title":"CPU too high","measurement":"cpu","field":"usage_percent","group_by":["host"],` +
	`"condition":{"type":"threshold","window":"1m","operator":">","value":90}`

func TestAPreviewSaysWhatWouldHaveHappened(t *testing.T) {
	eachSource(t, episodes(), func(t *testing.T, h *house) {
		got := h.ok("preview_alert_rule", `{`+tooHigh+`,"for":"5m","since":"12h"}`)
		if got["count"] != 2.0 || got["now"] != 50.0 || len(got["episodes"].([]any)) != 2 ||
			fmt.Sprint(got["channels"]) != "[mail phone]" {
			t.Errorf("previewed %v", got)
		}
		first := got["episodes"].([]any)[0].(map[string]any)
		if first["started_at"] != "2026-03-02T02:45:30+01:00 (10 h ago)" &&
			first["started_at"] != "2026-03-02T02:45:00+01:00 (10 h ago)" || first["peak"] != 95.0 {
			t.Errorf("the first was %v", first)
		}
		wants(t, got["summary"].(string), "CPU too high would have fired 2 times in 12 hours", "at the end it is 50",
			"with 95 it would have been quiet", "Nothing is saved", "create_alert_rule")
		// What it says would have been quiet, is.
		quiet := h.ok("preview_alert_rule", `{`+tooHigh[:len(tooHigh)-3]+`95},"for":"5m","since":"12h"}`)
		if quiet["count"] != 0.0 || got["quiet_with"] != 95.0 {
			t.Errorf("with %v it is %v", got["quiet_with"], quiet)
		}
		if all := h.ok("preview_alert_rule", `{`+tooHigh+`,"since":"12h"}`); all["count"] != 3.0 {
			t.Errorf("without for it is %v", all["count"])
		}
		if n := h.ok("list_alert_rules", `{}`)["total"]; n != 0.0 {
			t.Errorf("%v rules were saved", n)
		}
	})
}

// TestWhatIsSaidToBeQuietIs: a proposed value is tried by the same preview.
func TestWhatIsSaidToBeQuietIs(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 627))
	var lines []string
	for i := range 361 {
		at := noon.Add(time.Duration(i-360) * time.Minute)
		lines = append(
			lines,
			line("noise,sensor=a", fmt.Sprintf("small=%g,large=%d,negative=%g", random.NormFloat64()/1000,
				1e9+random.Int64N(1e9), -100-100*random.Float64()), at),
			line("noise,sensor=b", fmt.Sprintf("small=%g,large=%d,negative=%g", random.NormFloat64()/1000,
				1e9+random.Int64N(1e9), -100-100*random.Float64()), at),
		)
	}
	h := onLive(t, lines)
	for _, field := range []string{"small", "large", "negative"} {
		for _, operator := range []string{">", ">=", "<", "<="} {
			for _, held := range []string{"0s", "3m"} {
				middle := map[string]string{"small": "0", "large": "1500000000", "negative": "-150"}[field]
				rule := func(value string) string {
					return fmt.Sprintf(`{"measurement":"noise","field":%q,"group_by":["sensor"],"condition":{"operator":%q,"value":%s},"for":%q,"since":"6h"}`, field, operator, value, held)
				}
				got := h.ok("preview_alert_rule", rule(middle))
				if got["count"] == 0.0 || got["quiet_with"] == nil {
					t.Errorf("%s: %v", rule(middle), got)
					continue
				}
				quiet := strconv.FormatFloat(got["quiet_with"].(float64), 'f', -1, 64)
				if again := h.ok("preview_alert_rule", rule(quiet)); again["count"] != 0.0 {
					t.Errorf("%s fires %v times", rule(quiet), again["count"])
				}
			}
		}
	}
}

func TestASavedRuleIsPreviewedWithKeysOverIt(t *testing.T) {
	eachSource(t, episodes(), func(t *testing.T, h *house) {
		h.ok("create_alert_rule", `{`+tooHigh+`,"for":"5m"}`)
		if got := h.ok("preview_alert_rule", `{"rule":"cpu_too_high","since":"12h"}`); got["count"] != 2.0 {
			t.Errorf("as saved it is %v", got)
		}
		got := h.ok("preview_alert_rule", `{"rule":"cpu_too_high","since":"12h","condition":{"value":94},"for":"1m"}`)
		if got["count"] != 2.0 {
			t.Errorf("with keys over it, it is %v", got)
		}
		wants(t, got["summary"].(string), "update_alert_rule takes the same keys")
		if r := h.stored("cpu_too_high"); r.Version != 1 || r.Condition.Value != rules.Num(90) {
			t.Errorf("the rule became %+v", r)
		}
	})
}

func TestAPreviewIsDrawnOnRequest(t *testing.T) {
	eachSource(t, episodes(), func(t *testing.T, h *house) {
		_, picture := h.drawn("preview_alert_rule", `{`+tooHigh+`,"since":"12h","chart":true}`)
		if red, shaded := shows(picture, 213, 0, 0), shows(picture, 255, 224, 224); red < 600 || shaded < 1000 {
			t.Errorf("the threshold has %d points, firing %d", red, shaded)
		}
		h.ok("preview_alert_rule", `{`+tooHigh+`,"since":"12h"}`) // one content only
	})
}

func TestEveryConditionCanBePreviewed(t *testing.T) {
	h, server := onInflux(t)
	server.Write(episodes()...)
	for _, condition := range []string{
		`"measurement":"cpu","condition":{"type":"absence","window":"10m"},"group_by":["host"]`,
		`"measurement":"cpu","field":"usage_percent","condition":{"type":"change","window":"5m","ago":"1h","operator":">","value":20}`,
		`"measurement":"cpu","field":"usage_percent","condition":{"type":"forecast","window":"1h","horizon":"1h","operator":">","value":99}`,
		`"condition":{"type":"expression","inputs":{"cpu":{"measurement":"cpu","field":"usage_percent"}},"expr":"cpu > 90"}`,
		`"condition":{"type":"query","text":"SELECT max(usage_percent) AS v FROM cpu WHERE time > $from AND time <= $to","column":"v","operator":">","value":90}`,
		`"measurement":"cpu","field":"usage_percent","condition":{"operator":"between","value":[90,99]}`,
	} {
		got, _ := h.drawn("preview_alert_rule", `{`+condition+`,"since":"3h","chart":true}`)
		if got["ticks"] != 360.0 {
			t.Errorf("%s: %v", condition, got)
		}
	}
}

func TestWrongPreviewsAreMended(t *testing.T) {
	h := onLive(t, episodes())
	for arguments, parts := range map[string][]string{
		`{}`:                         {"condition: is missing", "A call in the right form: preview_alert_rule {"},
		`{"rule":"nothing"}`:         {"(not_found)", "there is none yet"},
		`{"condition":{"value":90}}`: {"operator"},
		`{"measurement":"cpo","field":"usage_percent","condition":{"operator":">","value":9}}`:                        {"did you mean cpu?"},
		`{"measurement":"cpu","field":"usage_percent","condition":{"operator":">","value":9},"since":"2y"}`:           {"since"},
		`{"measurement":"cpu","field":"usage_percent","condition":{"operator":">","value":9},"tolerance":"5m"}`:       {"no such argument"},
		`{"measurement":"cpu","field":"usage_percent","condition":{"type":"anomaly","season":"1d"}}`:                  {"condition.season", "auto, none, 24h, 168h"},
		`{"measurement":"cpu","field":"usage_percent","condition":{"operator":">","value":9},"since":"1h","to":"2h"}`: {"before to"},
	} {
		wants(t, h.refused("preview_alert_rule", arguments), parts...)
	}
	// Slips that creating a rule forgives too.
	got := h.ok("preview_alert_rule",
		`{"measurement":"cpu","field":"usage_percent","condition":"{\"operator\":\">\",\"value\":\"90\"}","since":"12h","dry_run":true,"severity":"high"}`)
	if got["count"] != 3.0 {
		t.Errorf("previewed %v", got)
	}
}

func TestAPreviewTellsItsProgress(t *testing.T) {
	h := onLive(t, episodes())
	var mu sync.Mutex
	var told []float64
	h.client.OnNotification(func(n protocol.JSONRPCNotification) {
		mu.Lock()
		defer mu.Unlock()
		if fields := n.Params.AdditionalFields; n.Method == "notifications/progress" && fields["progressToken"] == "p1" {
			told = append(told, fields["progress"].(float64))
		}
	})
	request := protocol.CallToolRequest{}
	request.Params.Name = "preview_alert_rule"
	request.Params.Meta = &protocol.Meta{ProgressToken: "p1"}
	if err := json.Unmarshal([]byte(`{`+tooHigh+`,"since":"12h"}`), &request.Params.Arguments); err != nil {
		t.Fatal(err)
	}
	if result, err := h.client.CallTool(t.Context(), request); err != nil || result.IsError {
		t.Fatal(result, err)
	}
	late := time.After(5 * time.Second)
	for every := time.NewTicker(time.Millisecond); ; {
		mu.Lock()
		n := len(told)
		mu.Unlock()
		if n > 0 {
			break
		}
		select {
		case <-late:
			t.Fatal("no progress was told")
		case <-every.C:
		}
	}
}

func TestACancelledPreviewStopsTheWork(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	h := newHouse(t, func(a *app.App) {
		a.Sources = map[string]evaluator.Source{"home": stubborn{a.Sources["home"], asked, ended}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	request := protocol.CallToolRequest{}
	request.Params.Name = "preview_alert_rule"
	request.Params.Arguments = map[string]any{
		"measurement": "temperature", "field": "celsius",
		"condition": map[string]any{"operator": ">", "value": 1},
	}
	result, err := h.client.CallTool(ctx, request)
	if err == nil && !result.IsError {
		t.Errorf("it answered %v", result)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the source is still being asked")
	}
}
