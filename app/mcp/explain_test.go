package mcp_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// look lets the ledger of a rule judge values of series, as a tick does.
func (h *house) look(rule string, values map[rules.Series]float64) {
	h.t.Helper()
	r := h.stored(rule)
	err := h.app.Ledgers.Act(h.t.Context(), h.now, r.ID, func(s rules.Setting, l *rules.Ledger) error {
		var seen []rules.Observation
		for series, v := range values {
			seen = append(seen, rules.Observation{Series: series, Verdict: r.Condition.Judge(v), Value: v, At: h.now})
		}
		l.Observe(s, seen, func(rules.Observation) rules.Evidence { return rules.Evidence{Query: "SELECT x"} })
		l.RunTimers(s)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// asDaemon returns a house that knows what the last ticks saw.
func asDaemon(t *testing.T) *house {
	t.Helper()
	return newHouse(t, func(a *app.App) {
		a.Engine = evaluator.NewEngine(a.Ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	})
}

func (h *house) why(arguments string) map[string]any {
	h.t.Helper()
	return h.ok("explain_alert", arguments)
}

const fridge = `{"title":"Fridge too warm","measurement":"temperature","field":"celsius","group_by":["sensor"],` +
	`"condition":{"type":"threshold","operator":">","value":8,"recover":6},"channels":["phone"]`

// TestLifeOfAnExplanation follows one series from quiet to resolved.
func TestLifeOfAnExplanation(t *testing.T) {
	h := asDaemon(t)
	h.ok("create_alert_rule",
		fridge+`,"for":"10m","keep_firing_for":"5m","remind":["30m"],"escalate":{"after":"1h","channels":["mail"]}}`)
	rule := `{"rule":"fridge_too_warm","series":{"sensor":"a"}}`

	got := h.why(rule)
	if got["state"] != "unseen" {
		t.Errorf("before the first tick it is %v", got["state"])
	}
	wants(t, got["why"].(string), `Not firing: it is 4, which is not wrong by "latest over 5m > 8"`)
	wants(t, fmt.Sprint(got["query"]), `SELECT latest("celsius") FROM "temperature"`, `GROUP BY "sensor"`)
	wants(t, got["rule"].(map[string]any)["watches"].(string), "latest over 5m > 8 for 10m, ends when good for 5m")

	h.now = noon.Add(time.Minute)
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 9, "sensor=b": 3})
	h.now = noon.Add(4 * time.Minute)
	got = h.why(rule)
	if got["state"] != "pending" || got["left"] != "7m" || got["since"] != "2026-03-02T13:01:00+01:00 (3 min ago)" {
		t.Errorf("pending it is %v", got)
	}
	wants(t, got["why"].(string),
		"Not firing yet: it has been wrong for 3m of 10m, 7m are left; it is 9, which is wrong by")
	wants(t, fmt.Sprint(got["next"]), "it fires, if it stays wrong: 2026-03-02T13:11:00+01:00 (in 7 min)")

	h.now = noon.Add(11 * time.Minute)
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 9.5, "sensor=b": 3})
	got = h.why(`{"rule":"fridge_too_warm"}`) // the worst series, by itself
	alert := got["alert"].(map[string]any)
	if got["state"] != "firing" || fmt.Sprint(got["series"]) != "map[sensor:a]" || alert["status"] != "firing" ||
		fmt.Sprint(got["others"]) == "[]" {
		t.Errorf("firing it is %v", got)
	}
	wants(t, got["why"].(string), `Firing for 1s: it is 9.5, which is wrong by "latest over 5m > 8"`)
	wants(t, fmt.Sprint(got["recent"]), "13:01:00 bad 9", "13:11:00 bad 9.5")
	wants(t, fmt.Sprint(got["messages"]), "first to phone: owed, due 2026-03-02T13:11:00+01:00")
	wants(t, fmt.Sprint(got["next"]), "a reminder is due: 2026-03-02T13:41:00+01:00 (in 30 min)",
		"it escalates to mail: 2026-03-02T14:11:00+01:00 (in 1 h)",
		"it resolves once it is past recover 6 for 5m")
	if byID := h.why(fmt.Sprintf(`{"id":%q}`, alert["id"])); byID["state"] != "firing" ||
		byID["alert"].(map[string]any)["id"] != alert["id"] {
		t.Errorf("by the id of the alert it is %v", byID)
	}

	h.ok("acknowledge_alert", fmt.Sprintf(`{"id":%q,"until":"2h"}`, alert["id"]))
	got = h.why(rule)
	wants(t, got["why"].(string), "anna via claude-code takes care of it")
	wants(t, fmt.Sprint(got["next"]), "the snooze ends: 2026-03-02T15:11:00+01:00")
	if strings.Contains(fmt.Sprint(got["next"]), "reminder") {
		t.Errorf("an acknowledged alert reminds: %v", got["next"])
	}

	h.now = noon.Add(20 * time.Minute)
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 5, "sensor=b": 3})
	h.now = noon.Add(22 * time.Minute)
	got = h.why(rule)
	if got["state"] != "recovering" || got["left"] != "3m" {
		t.Errorf("recovering it is %v", got)
	}
	wants(t, got["why"].(string), "good again, but for less than keep_firing_for (5m); 3m are left")

	h.now = noon.Add(26 * time.Minute)
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 5, "sensor=b": 3})
	got = h.why(fmt.Sprintf(`{"alert_id":%q}`, alert["id"]))
	if got["state"] != "resolved" || got["alert"].(map[string]any)["status"] != "resolved" {
		t.Errorf("resolved it is %v", got)
	}
	wants(t, got["why"].(string), "It fired from 2026-03-02 13:11 to 2026-03-02 13:26, for 15m (recovered)",
		"at worst 9.5",
		"Now: it is 5")

	for range 2 {
		h.now = h.now.Add(10 * time.Minute)
		h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 9, "sensor=b": 3})
	}
	again := h.why(rule)["alert"].(map[string]any)["id"].(string)
	wants(t, h.why(fmt.Sprintf(`{"id":%q}`, alert["id"]))["why"].(string),
		"Now its series fires again as alert "+again)
}

func TestASilentSeriesIsExplained(t *testing.T) {
	h := asDaemon(t)
	h.ok("create_alert_rule",
		`{"title":"Silent","measurement":"temperature","group_by":["sensor"],"condition":{"type":"absence","window":"10m"}}`)
	rule := h.stored("silent")
	for minute, verdict := range []rules.Verdict{rules.Good, rules.None} {
		h.now = noon.Add(time.Duration(minute) * time.Minute)
		if err := h.app.Ledgers.Act(t.Context(), h.now, rule.ID, func(s rules.Setting, l *rules.Ledger) error {
			l.Observe(s, []rules.Observation{{Series: "sensor=a", Verdict: verdict}}, nil)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	got := h.why(`{"rule":"silent"}`)
	wants(t, got["why"].(string), "Firing for 1s: it has had no point for 1m, and 10m are allowed.")
	wants(t, fmt.Sprint(got["next"]), "it resolves as soon as a point comes")
}

func TestAnExplanationSaysWhoHoldsMessagesBack(t *testing.T) {
	h := asDaemon(t)
	h.ok("create_alert_rule",
		`{"title":"Power","measurement":"temperature","field":"celsius","condition":{"operator":">","value":100},"channels":["phone"]}`)
	h.ok("create_alert_rule", fridge+`,"depends_on":["power"]}`)
	if _, err := h.app.CreateSilence(t.Context(), rules.Actor{Name: "anna"},
		app.SilenceRequest{Rules: []string{"fridge_too_warm"}, For: time.Hour, Comment: "defrosting"}); err != nil {
		t.Fatal(err)
	}
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 9})
	got := h.why(`{"rule":"fridge_too_warm"}`)
	wants(t, got["why"].(string), "Nobody is told: silence s")
	wants(t, fmt.Sprint(got["silences"]), "running", "until 2026-03-02T14:00:00+01:00 (in 1 h): defrosting (by anna)")
	wants(t, fmt.Sprint(got["depends_on"]), "power (Power): ok")
	wants(t, fmt.Sprint(got["next"]), "ends; what is still wrong then is told: 2026-03-02T14:00:00+01:00")

	h.now = noon.Add(2 * time.Hour)
	h.look("power", map[rules.Series]float64{"": 101})
	got = h.why(`{"rule":"fridge_too_warm"}`)
	wants(t, got["why"].(string), "Nobody is told: rule power, on which it depends, is wrong itself")
	wants(t, fmt.Sprint(got["depends_on"]), "power (Power): wrong, so messages of this rule are held back (alert:")
}

func TestAnExplanationSaysWhyNothingIsJudged(t *testing.T) {
	h := asDaemon(t)
	h.ok("create_alert_rule", fridge+`,"active":{"days":"sat,sun","zone":"Europe/Berlin"}}`)
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 3}) // noon is a Monday
	got := h.why(`{"rule":"fridge_too_warm","series":"sensor=a"}`)
	wants(t, got["why"].(string), "outside the rule's active time (sat,sun Europe/Berlin)")
	wants(t, fmt.Sprint(got["next"]), "it is judged again within the active time")

	h.ok("update_alert_rule", `{"rule":"fridge_too_warm","enabled":false}`)
	got = h.why(`{"rule":"fridge_too_warm"}`)
	wants(t, got["why"].(string), "the rule is switched off")
	wants(t, fmt.Sprint(got["next"]), "nothing, until the rule is switched on")

	h.ok("update_alert_rule", `{"rule":"fridge_too_warm","enabled":true,"reset":["active"]}`)
	h.app.Daemon = func() (int, bool) { return 0, false }
	got = h.why(`{"rule":"fridge_too_warm"}`)
	wants(t, fmt.Sprint(got["next"]), "nothing, until the daemon runs")
	wants(t, fmt.Sprint(got["warnings"]), app.NoDaemon)
}

// TestOutsideTheDaemonTheSourceIsAsked: what the last ticks saw is in the
// daemon's memory.
func TestOutsideTheDaemonTheSourceIsAsked(t *testing.T) {
	h, server := onInflux(t)
	for i := range 10 {
		server.Write(line("temperature,sensor=a", fmt.Sprintf("celsius=%d", i), noon.Add(time.Duration(i-9)*30*time.Second)),
			line("temperature,sensor=b", "celsius=1", noon))
	}
	h.ok("create_alert_rule", fridge+`}`)
	got := h.why(`{"rule":"fridge_too_warm"}`)
	if got["state"] != "unseen" || fmt.Sprint(got["series"]) != "map[sensor:a]" || got["known_series"] != 2.0 {
		t.Errorf("it is %v", got)
	}
	wants(t, got["why"].(string),
		`Not firing yet: it is 9, which is wrong by "latest over 5m > 8"; no tick has judged that so far.`)
	wants(t, fmt.Sprint(got["recent"]), "12:59:30 good 8", "13:00:00 bad 9")
	wants(t, got["summary"].(string), "Recent is what the source answered just now.", "1 more series")
	wants(t, fmt.Sprint(got["query"]),
		`SELECT last("celsius") AS v0 FROM "temperature" WHERE time > '2026-03-02T11:55:30Z' AND time <= '2026-03-02T12:00:30Z' GROUP BY "sensor"`)
	server.Stop()
	got = h.why(`{"rule":"fridge_too_warm"}`)
	wants(t, got["why"].(string), "Its source could not be asked now")
}

func TestEveryConditionCanBeExplained(t *testing.T) {
	h, server := onInflux(t)
	server.Write(episodes()...)
	for name, condition := range map[string]string{
		"no point for 10m": `"measurement":"cpu","condition":{"type":"absence","window":"10m"},"group_by":["host"]`,
		"mean over 5m":     `"measurement":"cpu","field":"usage_percent","condition":{"type":"change","aggregation":"mean","window":"5m","ago":"1h","operator":">","value":20}`,
		"will be > 99":     `"measurement":"cpu","field":"usage_percent","condition":{"type":"forecast","window":"1h","horizon":"1h","operator":">","value":99}`,
		"cpu > 90":         `"condition":{"type":"expression","inputs":{"cpu":{"measurement":"cpu","field":"usage_percent"}},"expr":"cpu > 90"}`,
		"v of the query":   `"condition":{"type":"query","text":"SELECT max(usage_percent) AS v FROM cpu WHERE time > $from AND time <= $to","column":"v","operator":">","value":90}`,
	} {
		rule := h.ok("create_alert_rule", `{"title":"`+name+`",`+condition+`}`)["rule"].(map[string]any)
		got := h.why(fmt.Sprintf(`{"rule":%q}`, rule["name"]))
		wants(t, got["rule"].(map[string]any)["watches"].(string), name)
		if !strings.HasPrefix(got["why"].(string), "Not firing: it ") || len(got["query"].([]any)) == 0 ||
			strings.Contains(got["why"].(string), "could not be asked") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestADeliveryThatFailsIsExplained(t *testing.T) {
	h := asDaemon(t)
	h.ok("create_alert_rule", fridge+`}`)
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 9})
	owed := h.app.Ledgers.Owed(h.now)
	if len(owed) != 1 {
		t.Fatalf("owed %v", owed)
	}
	err := h.app.Ledgers.Act(t.Context(), h.now, owed[0].RuleID, func(_ rules.Setting, l *rules.Ledger) error {
		if !l.Claim(owed[0].ID, "m") {
			return errors.New("not owed")
		}
		l.Record(owed[0].ID, rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout"}, h.now.Add(time.Minute),
			h.now)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, fmt.Sprint(h.why(`{"rule":"fridge_too_warm"}`)["messages"]),
		"first to phone: owed (timeout, 1 attempt), may have arrived, due 2026-03-02T13:01:00+01:00 (in 1 min)")
}

func TestWrongQuestionsAboutAlertsAreMended(t *testing.T) {
	h := asDaemon(t)
	h.ok("create_alert_rule", fridge+`}`)
	id := h.stored("fridge_too_warm").ID
	h.look("fridge_too_warm", map[rules.Series]float64{"sensor=a": 9, "sensor=b": 1})
	if got := h.why(`{"id":"` + id + `"}`); got["state"] != "firing" {
		t.Errorf("the id of a rule is taken for one, %v", got)
	}
	for arguments, parts := range map[string][]string{
		`{}`:                {"id: is missing", "A call in the right form: explain_alert {"},
		`{"id":"a1"}`:       {"(not_found)", `no alert "a1"`, "list_alerts"},
		`{"rule":"fridge"}`: {"did you mean fridge_too_warm?"},
		`{"rule":"fridge_too_warm","series":{"sensor":"z"}}`: {"series", "has no series sensor=z; it has sensor=a; sensor=b"},
		`{"rule":"fridge_too_warm","series":7}`:              {"series", "sensor"},
		`{"ruel":"fridge_too_warm"}`:                         {"did you mean rule?"},
	} {
		wants(t, h.refused("explain_alert", arguments), parts...)
	}
	alert := h.ok("list_alerts", `{}`)["alerts"].([]any)[0].(map[string]any)["id"].(string)
	h.confirmed("delete_alert_rule", `{"rule":"fridge_too_warm"}`)
	wants(t, h.refused("explain_alert", `{"id":"`+alert+`"}`), "is deleted, so nothing decides on it any more")
}
