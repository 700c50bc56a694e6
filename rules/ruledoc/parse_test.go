package ruledoc_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// document reads JSON as the doors do.
func document(t testing.TB, text string) rules.Doc {
	t.Helper()
	var doc rules.Doc
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("test document %s: %v", text, err)
	}
	return doc
}

// base is a rule that is right; the tests put one key over it.
func base(t testing.TB, over string) rules.Doc {
	t.Helper()
	doc := document(t, `{"title": "Freezer too warm", "measurement": "temperature", "field": "celsius",
		"condition": {"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": -15}}`)
	for name, v := range document(t, over) {
		inner, both := v.(map[string]any)
		if name == "condition" && both && inner["type"] == nil {
			maps.Copy(doc["condition"].(map[string]any), inner)
			continue
		}
		doc[name] = v
	}
	return doc
}

func TestParseFillsInTheDefaults(t *testing.T) {
	r, err := ruledoc.Parse(base(t, `{"condition": {"operator": ">", "value": 5, "aggregation": null, "window": null}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := rules.Rule{
		Name: "freezer_too_warm", Title: "Freezer too warm", Enabled: true, Measurement: "temperature", Field: "celsius",
		Condition: rules.Condition{
			Type: rules.Threshold, Aggregation: rules.Latest, Window: 5 * rules.Minute,
			Operator: rules.Above, Value: rules.Num(5),
		},
		Severity: rules.Medium, NoData: rules.Keep,
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
}

// Every key, well written and with the slips that are repaired.
func TestParseReadsEveryKey(t *testing.T) {
	for _, tt := range []struct{ over, key, want string }{
		{`{"name": "freezer"}`, "name", `"freezer"`},
		{`{"name": null}`, "name", `"freezer_too_warm"`},
		{`{"title": null, "name": "freezer"}`, "title", `"freezer"`},
		{`{"title": "42"}`, "title", `"42"`},
		{`{"title": 42}`, "title", `"42"`},
		{`{"enabled": false}`, "enabled", `false`},
		{`{"enabled": " No "}`, "enabled", `false`},
		{`{"enabled": 0}`, "enabled", `false`},
		{`{"enabled": null}`, "enabled", `true`},
		{`{"is_active": false}`, "enabled", `false`},
		{`{"is_active": null}`, "enabled", `true`},
		{`{"source": "home"}`, "source", `"home"`},
		{`{"measurement": "cpu"}`, "measurement", `"cpu"`},
		{`{"field": "idle"}`, "field", `"idle"`},
		{`{"where": {"room": "kitchen"}}`, "where", `{"room":"kitchen"}`},
		{`{"where": {"room": ["b", "a", "b"]}}`, "where", `{"room":["a","b"]}`},
		{`{"where": {"id": 1234567}}`, "where", `{"id":"1234567"}`},
		{`{"where": {}}`, "where", ``},
		{`{"monitor_id": 7}`, "where", `{"monitor_id":"7"}`},
		{`{"monitor_id": 1234567, "where": {"room": "a"}}`, "where", `{"monitor_id":"1234567","room":"a"}`},
		{`{"monitor_id": "7", "where": {"monitor_id": 7}}`, "where", `{"monitor_id":"7"}`},
		{`{"group_by": ["sensor", "room"]}`, "group_by", `["sensor","room"]`},
		{`{"group_by": "sensor"}`, "group_by", `["sensor"]`},
		{`{"group_by": []}`, "group_by", ``},
		{
			`{"levels": [{"value": -10, "severity": "critical", "channels": ["pager"]}]}`, "levels",
			`[{"value":-10,"severity":"critical","channels":["pager"]}]`,
		},
		{
			`{"levels": {"value": "-10", "severity": "Critical", "channels": "pager"}}`, "levels",
			`[{"value":-10,"severity":"critical","channels":["pager"]}]`,
		},
		{`{"for": "10m"}`, "for", `"10m"`},
		{`{"for": "90 minutes"}`, "for", `"1h30m"`},
		{`{"for": 0}`, "for", ``},
		{`{"keep_firing_for": "1 hour and 5 minutes"}`, "keep_firing_for", `"1h5m"`},
		{`{"every": "60s"}`, "every", `"1m"`},
		{`{"every": "@every 60s"}`, "every", `"1m"`},
		{`{"every": "0  7 * * mon"}`, "every", `"0 7 * * mon"`},
		{`{"every": "@hourly"}`, "every", `"@hourly"`},
		{`{"every": null}`, "every", ``},
		{`{"zone": "Europe/Berlin"}`, "zone", `"Europe/Berlin"`},
		{`{"severity": "high"}`, "severity", `"high"`},
		{`{"severity": " HIGH "}`, "severity", `"high"`},
		{`{"severity": null}`, "severity", `"medium"`},
		{`{"cooldown": "15m"}`, "cooldown", `"15m"`},
		{`{"cooldown_minutes": 15}`, "cooldown", `"15m"`},
		{`{"cooldown_minutes": "1.5"}`, "cooldown", `"1m30s"`},
		{`{"cooldown_minutes": 1.25}`, "cooldown", `"1m15s"`},
		{`{"cooldown_minutes": 0}`, "cooldown", ``},
		{`{"cooldown_minutes": null}`, "cooldown", ``},
		{`{"remind": ["30m", "2h"]}`, "remind", `["30m","2h"]`},
		{`{"remind": "30m"}`, "remind", `["30m"]`},
		{`{"remind": "30m, 2h"}`, "remind", `["30m","2h"]`},
		{`{"remind": "2h,30m"}`, "remind", `["2h","30m"]`},
		{`{"escalate": {"after": "30m", "channels": "pager"}}`, "escalate", `{"after":"30m","channels":["pager"]}`},
		{`{"escalate": null}`, "escalate", ``},
		{`{"channels": ["phone", "mail"]}`, "channels", `["phone","mail"]`},
		{`{"channels": "phone"}`, "channels", `["phone"]`},
		{`{"no_data": "alert"}`, "no_data", `"alert"`},
		{`{"no_data": "OK"}`, "no_data", `"ok"`},
		{
			`{"active": {"days": "mon-fri", "hours": "07:00-22:00", "zone": "Europe/Berlin"}}`, "active",
			`{"days":"mon-fri","hours":"07:00-22:00","zone":"Europe/Berlin"}`,
		},
		{`{"depends_on": "router_down"}`, "depends_on", `["router_down"]`},
		{`{"labels": {"team": "home", "floor": 2}}`, "labels", `{"floor":"2","team":"home"}`},
		{
			`{"summary": "{{.labels.sensor}} is at {{.value}} °C", "group_by": ["sensor"]}`, "summary",
			`"{{.labels.sensor}} is at {{.value}} °C"`,
		},
		{`{"runbook": "https://wiki.example/freezer"}`, "runbook", `"https://wiki.example/freezer"`},
		{`{"max_series": 5}`, "max_series", `5`},
		{`{"max_series": "5"}`, "max_series", `5`},
		{`{"max_series": 0}`, "max_series", ``},

		// The limits themselves are within.
		{`{"for": "366d"}`, "for", `"366d"`},
		{`{"every": "1s"}`, "every", `"1s"`},
		{`{"remind": "1m"}`, "remind", `["1m"]`},
		{`{"max_series": 1000000}`, "max_series", `1000000`},
		{`{"name": "a", "title": "` + strings.Repeat("a", 200) + `"}`, "title", `"` + strings.Repeat("a", 200) + `"`},
		{`{"runbook": "http://wiki/freezer"}`, "runbook", `"http://wiki/freezer"`},
		{
			`{"condition": {"aggregation": "p1", "window": "1s"}}`, "condition",
			`{"type":"threshold","aggregation":"p1","window":"1s","operator":"\u003e","value":-15}`,
		},
		{
			`{"condition": {"aggregation": "p99", "window": "366d"}}`, "condition",
			`{"type":"threshold","aggregation":"p99","window":"366d","operator":"\u003e","value":-15}`,
		},
		{
			`{"condition": {"recover": -15}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003e","value":-15,"recover":-15}`,
		},
		{
			`{"condition": {"operator": "<", "recover": -15}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003c","value":-15,"recover":-15}`,
		},
		{
			`{"condition": {"operator": "outside", "value": [5, 5], "recover": [5, 5]}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"outside","value":[5,5],"recover":[5,5]}`,
		},
		{
			`{"condition": {"operator": "between", "value": [2, 8], "recover": [2, 8]}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"between","value":[2,8],"recover":[2,8]}`,
		},
		{
			`{"measurement": null, "field": null, "condition": {"type": "expression", "expr": "a > b", "inputs": {"a": {"measurement": "m", "field": "f", "window": "1s"}, "b": {"measurement": "m", "field": "f", "window": "366d"}}}}`, "condition",
			`{"type":"expression","inputs":{"a":{"measurement":"m","field":"f","aggregation":"latest","window":"1s"},"b":{"measurement":"m","field":"f","aggregation":"latest","window":"366d"}},"expr":"a \u003e b"}`,
		},

		{
			`{"condition": {"type": "Threshold", "operator": "gt", "value": "5"}}`, "condition",
			`{"type":"threshold","aggregation":"latest","window":"5m","operator":"\u003e","value":5}`,
		},
		{
			`{"condition": {"operator": "Greater than", "value": 5}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003e","value":5}`,
		},
		{
			`{"condition": {"operator": "greater than or equal to", "value": 5}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003e=","value":5}`,
		},
		{
			`{"condition": {"operator": "at-most", "value": 5}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003c=","value":5}`,
		},
		{
			`{"condition": {"operator": ">", "value": true}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003e","value":1}`,
		},
		{
			`{"condition": {"aggregation": "avg", "recover": -17}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"\u003e","value":-15,"recover":-17}`,
		},
		{
			`{"condition": {"aggregation": "P95"}}`, "condition",
			`{"type":"threshold","aggregation":"p95","window":"5m","operator":"\u003e","value":-15}`,
		},
		{
			`{"condition": {"aggregation": "last", "operator": "=", "value": "open"}}`, "condition",
			`{"type":"threshold","aggregation":"latest","window":"5m","operator":"==","value":"open"}`,
		},
		{
			`{"condition": {"operator": "outside", "value": [2, "8"], "recover": [3, 7]}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"outside","value":[2,8],"recover":[3,7]}`,
		},
		{
			`{"condition": {"operator": "inside", "value": [2, 8], "recover": [1, 9]}}`, "condition",
			`{"type":"threshold","aggregation":"mean","window":"5m","operator":"between","value":[2,8],"recover":[1,9]}`,
		},
		{
			`{"field": null, "group_by": "sensor", "condition": {"type": "absence", "expect": {"sensor": "a"}}}`, "condition",
			`{"type":"absence","window":"10m","expect":[{"sensor":"a"}],"forget_after":"30d"}`,
		},
		{
			`{"condition": {"type": "change", "ago": "1d", "percent": "yes", "operator": "≥", "value": 20}}`, "condition",
			`{"type":"change","aggregation":"latest","window":"5m","operator":"\u003e=","value":20,"ago":"1d","percent":true}`,
		},
		{
			`{"condition": {"type": "forecast", "operator": ">=", "value": 95}}`, "condition",
			`{"type":"forecast","window":"6h","operator":"\u003e=","value":95,"horizon":"4h"}`,
		},
		{
			`{"condition": {"type": "anomaly", "season": "24h", "direction": "UP", "min_deviation": "0.5"}}`, "condition",
			`{"type":"anomaly","aggregation":"mean","window":"5m","sensitivity":"medium","direction":"up","season":"24h","min_deviation":0.5}`,
		},
		{
			`{"measurement": null, "field": null, "condition": {"type": "expression", "expr": "cpu > 80", "inputs": {"cpu": {"measurement": "cpu", "field": "usage", "where": {"host": "a"}}}}}`, "condition",
			`{"type":"expression","inputs":{"cpu":{"measurement":"cpu","field":"usage","where":{"host":"a"},"aggregation":"latest","window":"5m"}},"expr":"cpu \u003e 80"}`,
		},
		{
			`{"measurement": null, "field": null, "condition": {"type": "query", "text": "SELECT 1", "column": "v", "operator": ">", "value": 3}}`, "condition",
			`{"type":"query","window":"5m","operator":"\u003e","value":3,"language":"influxql","text":"SELECT 1","column":"v"}`,
		},
	} {
		t.Run(tt.over, func(t *testing.T) {
			r, err := ruledoc.Parse(base(t, tt.over))
			if err != nil {
				t.Fatal(err)
			}
			if got := member(t, r, tt.key); got != tt.want {
				t.Errorf("%s = %s, want %s", tt.key, got, tt.want)
			}
		})
	}
}

// member is one key of a printed rule, "" when it is left out.
func member(t *testing.T, r rules.Rule, key string) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return string(members[key])
}

func TestParseGuessesTheTypeOfACondition(t *testing.T) {
	for _, tt := range []struct {
		condition string
		want      rules.ConditionType
	}{
		{`{"operator": ">", "value": 5}`, rules.Threshold},
		{`{"ago": "1d", "operator": ">", "value": 5}`, rules.Change},
		{`{"horizon": "4h", "operator": ">", "value": 5}`, rules.Forecast},
		{`{"expr": "a > 1", "inputs": {"a": {"measurement": "m", "field": "f"}}}`, rules.Expression},
		{`{"text": "SELECT 1", "column": "v", "operator": ">", "value": 5}`, rules.Query},
	} {
		t.Run(string(tt.want), func(t *testing.T) {
			doc := base(t, `{}`)
			doc["condition"] = map[string]any(document(t, tt.condition))
			r, err := ruledoc.Parse(doc)
			if err != nil || r.Condition.Type != tt.want {
				t.Errorf("type = %q (%v), want %q", r.Condition.Type, err, tt.want)
			}
		})
	}
}

// Every refusal names the field, what is allowed and an example.
func TestParseRefusesWithTheCure(t *testing.T) {
	const severities = "low, medium, high, critical"
	const operators = "> >= < <= == != between outside"
	for _, tt := range []struct{ over, want string }{
		{`{"title": null}`, `title: is missing; say what is wrong when it fires, for example "Freezer too warm"`},
		{`{"title": {}}`, `title: must be text; got an object; for example Freezer too warm`},
		{`{"title": "a\nb"}`, `title: must not contain control characters or line breaks; got "a\nb"`},
		{`{"title": "` + strings.Repeat("a", 201) + `"}`, `title: must be at most 200 bytes; got 201`},
		{
			`{"name": "Too Warm"}`,
			`name: must be small letters, digits, _ . and -, at most 63; got "Too Warm"; for example freezer_too_warm`,
		},
		{`{"enabled": "perhaps"}`, `enabled: must be true or false; got "perhaps"; for example true`},
		{`{"source": []}`, `source: must be text; got a list; for example home`},
		{`{"source": "a\u0000b"}`, `source: must not contain control characters or line breaks; got "a\x00b"`},
		{`{"measurement": null}`, `measurement: is missing; for example temperature`},
		{`{"measurement": "m\r\n"}`, `measurement: must not contain control characters or line breaks; got "m\r\n"`},
		{`{"field": null}`, `field: is missing; for example celsius`},
		{
			`{"where": "room=kitchen"}`,
			`where: must be an object of tags and values; got "room=kitchen"; for example {"room": "kitchen"}`,
		},
		{
			`{"where": {"room": []}}`,
			`where: tag room must have a value or a list of values; got a list; for example {"room": "kitchen"}`,
		},
		{`{"where": {"room": "a\tb"}}`, `where.room: must not contain control characters or line breaks; got "a\tb"`},
		{
			`{"where": "x", "monitor_id": 5}`,
			`where: must be an object of tags and values; got "x"; for example {"room": "kitchen"}`,
		},
		{
			`{"where": {"monitor_id": 6}, "monitor_id": 5}`,
			`monitor_id: is the same as where.monitor_id; give only one of them`,
		},
		{`{"group_by": [["a"]]}`, `group_by: must be text; got a list; for example ["sensor"]`},
		{`{"group_by": ["*"]}`, `group_by: must be a list of tag names; "*" is none; for example ["sensor"]`},
		{`{"group_by": ["a", "a"]}`, `group_by: names "a" twice`},
		{`{"levels": [5]}`, `levels: must be a list of objects; got 5; for example [{"value": -10, "severity": "critical"}]`},
		{`{"levels": [{"value": 5}]}`, `levels[0].severity: is missing; one of ` + severities},
		{
			`{"levels": [{"value": 5, "severity": "high"}, {"severity": "critical"}]}`,
			`levels[1].value: is missing; for example 25`,
		},
		{`{"levels": [{"value": 5, "severity": "awful"}]}`, `levels[0].severity: must be one of ` + severities +
			`; got "awful"; for example critical`},
		{
			`{"levels": [{"value": [1, 2], "severity": "high"}]}`,
			`levels[0].value: must be one value with operator >; got 1 and 2; for example 25; use between or outside for a range`,
		},
		{
			`{"levels": [{"value": "open", "severity": "high"}]}`,
			`levels[0].value: must be a number; got "open"; texts have no order`,
		},
		{
			`{"levels": [{"value": 5, "severity": "high", "chanels": "a"}]}`,
			`levels[0].chanels: no such key; did you mean channels?`,
		},
		{
			`{"levels": [{"value": 5, "severity": "high"}], "condition": {"type": "absence"}}`,
			`levels: need a condition with an operator; absence has none`,
		},
		{
			`{"condition": {"stale_after": "5m"}}`,
			`condition.stale_after: must be longer than window (5m) and at most 366d; got 5m; for example 1d`,
		},
		{
			`{"condition": {"stale_after": "1d", "aggregation": "count"}}`,
			`condition.stale_after: makes no sense with aggregation count, which says how much came and not how high it is; ` +
				`leave it out`,
		},
		{`{"for": 10}`, `for: must be a duration with a unit such as 10s or 10m; got 10; for example 10m`},
		{`{"for": "ten minutes"}`, `for: must be a duration such as 30s, 5m, 2h or 1d; got "ten minutes"; for example 10m`},
		{`{"for": "2 years"}`, `for: must be a duration such as 30s, 5m, 2h or 1d; got "2 years"; for example 10m`},
		{`{"for": "400d"}`, `for: must be between 0s and 366d; got 400d`},
		{`{"for": true}`, `for: must be a duration such as 30s, 5m, 2h or 1d; got true; for example 10m`},
		{
			`{"keep_firing_for": ["5m"]}`,
			`keep_firing_for: must be a duration such as 30s, 5m, 2h or 1d; got a list; for example 5m`,
		},
		{`{"every": "200ms"}`, `every: must be 1s or longer; got "200ms"; for example 30s`},
		{
			`{"every": "often"}`,
			`every: must be a duration or a cron spec of five fields such as "0 7 * * mon"; got "often"; for example 30s`,
		},
		{
			`{"every": "@never"}`,
			`every: must be a duration or a cron spec of five fields such as "0 7 * * mon"; got "@never"; for example 30s`,
		},
		{`{"every": {}}`, `every: must be a duration or a cron spec; got an object; for example 30s`},
		{`{"zone": "Mars/Olympus"}`, `zone: must be an IANA time zone; got "Mars/Olympus"; for example Europe/Berlin`},
		{`{"zone": "Local"}`, `zone: must be an IANA time zone; got "Local"; for example Europe/Berlin`},
		{`{"severity": "urgent"}`, `severity: must be one of ` + severities + `; got "urgent"; for example high`},
		{`{"cooldown": 15}`, `cooldown: must be a duration with a unit such as 15s or 15m; got 15; for example 15m`},
		{`{"cooldown_minutes": "soon"}`, `cooldown_minutes: must be a number of minutes, 0 or more, such as 15; got "soon"`},
		{`{"cooldown_minutes": -1}`, `cooldown_minutes: must be a number of minutes, 0 or more, such as 15; got -1`},
		{`{"cooldown_minutes": 1, "cooldown": "1m"}`, `cooldown_minutes: is the same as cooldown; give only cooldown`},
		{`{"is_active": true, "enabled": true}`, `is_active: is the same as enabled; give only enabled`},
		{`{"remind": ["30s"]}`, `remind: gaps must be 1m or longer; got 30s; for example ["30m", "2h"]`},
		{
			`{"remind": [30]}`,
			`remind: must be a duration with a unit such as 30s or 30m; got 30; for example ["30m", "2h", "6h"]`,
		},
		{
			`{"escalate": "pager"}`,
			`escalate: must be an object; got "pager"; for example {"after": "30m", "channels": ["pager"]}`,
		},
		{
			`{"escalate": {"after": "30m"}}`,
			`escalate: needs after and channels; for example {"after": "30m", "channels": ["pager"]}`,
		},
		{
			`{"escalate": {"after": "0s", "channels": "pager"}}`,
			`escalate: needs after and channels; for example {"after": "30m", "channels": ["pager"]}`,
		},
		{
			`{"escalate": {"after": "x", "channels": "a"}}`,
			`escalate.after: must be a duration such as 30s, 5m, 2h or 1d; got "x"; for example 30m`,
		},
		{`{"channels": ["a\nb"]}`, `channels: must not contain control characters or line breaks; got "a\nb"`},
		{`{"no_data": "ignore"}`, `no_data: must be one of keep, ok, alert; got "ignore"; for example keep`},
		{`{"active": {"days": "mo-fr"}}`, `active.days: must be days such as mon-fri or sat,sun; got "mo-fr"`},
		{`{"active": {"hours": "7-22"}}`, `active.hours: must be two times such as 07:00-22:00; got "7-22"`},
		{`{"active": {"hours": "07:00-07:00"}}`, `active.hours: must be two times such as 07:00-22:00; got "07:00-07:00"`},
		{`{"active": {"zone": "Bln"}}`, `active.zone: must be an IANA time zone; got "Bln"; for example Europe/Berlin`},
		{`{"depends_on": [{}]}`, `depends_on: must be text; got an object; for example ["router_down"]`},
		{`{"labels": ["home"]}`, `labels: must be an object of names and values; got a list; for example {"team": "home"}`},
		{`{"labels": {"team": []}}`, `labels: team must be text; got a list; for example {"team": "home"}`},
		{
			`{"summary": "{{.value"}`,
			`summary: is no template that works: 1: unclosed action; for example {{.labels.sensor}} is at {{.value}} °C`,
		},
		{`{"runbook": "a\u001bb"}`, `runbook: must not contain control characters or line breaks; got "a\x1bb"`},
		{
			`{"runbook": "javascript:alert(1)"}`,
			`runbook: must be a link that begins with https:// or http://; got "javascript:alert(1)"; for example https://wiki.example/freezer`,
		},
		{
			`{"runbook": "see the binder"}`,
			`runbook: must be a link that begins with https:// or http://; got "see the binder"; for example https://wiki.example/freezer`,
		},
		{
			`{"runbook": "https://"}`,
			`runbook: must be a link that begins with https:// or http://; got "https://"; for example https://wiki.example/freezer`,
		},
		{
			`{"remind": "30m,soon"}`,
			`remind: must be a duration such as 30s, 5m, 2h or 1d; got "soon"; for example ["30m", "2h", "6h"]`,
		},
		{`{"max_series": 1.5}`, `max_series: must be a whole number from 0 to 1000000; got 1.5; for example 10000`},
		{`{"max_series": 1e300}`, `max_series: must be a whole number from 0 to 1000000; got 1e+300; for example 10000`},

		{
			`{"condition": null}`,
			`condition: must be an object; got nothing; for example {"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": -15}`,
		},
		{
			`{"condition": {"type": "bigger"}}`,
			`condition.type: must be one of threshold, absence, change, forecast, anomaly, expression, query; got "bigger"; for example threshold`,
		},
		{
			`{"condition": {"aggregation": "p100"}}`,
			`condition.aggregation: must be one of latest mean min max sum count first stddev spread rate p1..p99; got "p100"; for example mean`,
		},
		{`{"condition": {"operator": "=~"}}`, `condition.operator: must be one of ` + operators +
			`; got "=~"; for example >`},
		{
			`{"condition": {"aggregation": "p0"}}`,
			`condition.aggregation: must be one of latest mean min max sum count first stddev spread rate p1..p99; got "p0"; for example mean`,
		},
		{`{"condition": {"operator": "` + strings.Repeat("a", 60) + `"}}`, `condition.operator: must be one of ` + operators +
			`; got "` + strings.Repeat("a", 60) + `"; for example >`},
		{`{"condition": {"operator": "` + strings.Repeat("a", 61) + `"}}`, `condition.operator: must be one of ` + operators +
			`; got "` + strings.Repeat("a", 60) + `…"; for example >`},
		{`{"condition": {"window": "10ms"}}`, `condition.window: must be between 1s and 366d; got 10ms; for example 5m`},
		{
			`{"condition": {"value": null}}`,
			`condition.value: is missing; a condition of type threshold needs it, for example -15`,
		},
		{
			`{"condition": {"type": null, "operator": null}}`,
			`condition.operator: is missing; a condition of type threshold needs it, for example >`,
		},
		{
			`{"condition": {"value": {}}}`,
			`condition.value: must be a number, a text or two numbers [low, high]; got an object; for example -15`,
		},
		{
			`{"condition": {"value": [1]}}`,
			`condition.value: must be a number, a text or two numbers [low, high]; got a list of 1; for example -15`,
		},
		{
			`{"condition": {"value": [8, 2], "operator": "between"}}`,
			`condition.value: must be two numbers [low, high], the lower first; got [8, 2]; for example -15`,
		},
		{
			`{"condition": {"value": 5, "operator": "between"}}`,
			`condition.value: must be two numbers [low, high] with operator between; got 5; for example [2, 8]`,
		},
		{
			`{"condition": {"value": "hot"}}`,
			`condition.value: is text, which can only be compared with == or !=; got operator >; write a number for that, for example 25`,
		},
		{
			`{"condition": {"value": "hot", "operator": "=="}}`,
			`condition.value: may be text only with aggregation latest; got "hot"`,
		},
		{
			`{"condition": {"recover": -10}}`,
			`condition.recover: must lie on the good side of value -15; got -10; with operator > it is the smaller number`,
		},
		{
			`{"condition": {"operator": "==", "recover": 3}}`,
			`condition.recover: makes no sense with operator ==; leave it out`,
		},
		{
			`{"condition": {"horizon": "4h"}}`,
			`condition.horizon: does not belong to a condition of type threshold, which has: aggregation window operator value recover stale_after`,
		},
		{
			`{"condition": {"type": "change", "operator": ">", "value": 1}}`,
			`condition.ago: is missing; a condition of type change needs it, for example 1d`,
		},
		{
			`{"condition": {"type": "forecast", "operator": "==", "value": 5}}`,
			`condition.operator: must be one of > >= < <= between outside in a condition of type forecast; got ==: a line meets no value exactly`,
		},
		{
			`{"field": null, "condition": {"type": "absence", "window": "10m", "forget_after": "10m"}}`,
			`condition.forget_after: must be longer than window and for together (10m), or a series is forgotten before it is missed; got 10m; for example 30d`,
		},
		{
			`{"field": null, "for": "5m", "condition": {"type": "absence", "window": "10m", "forget_after": "12m"}}`,
			`condition.forget_after: must be longer than window and for together (15m), or a series is forgotten before it is missed; got 12m; for example 30d`,
		},
		{
			`{"condition": {"type": "anomaly", "sensitivity": "huge"}}`,
			`condition.sensitivity: must be one of low, medium, high; got "huge"; for example medium`,
		},
		{
			`{"condition": {"type": "anomaly", "season": "spring"}}`,
			`condition.season: must be one of auto, none, 24h, 168h; got "spring"; for example auto`,
		},
		{
			`{"condition": {"type": "expression", "expr": "a"}}`,
			`condition.inputs: is missing; a condition of type expression needs it, for example {"cpu": {"measurement": "cpu", "field": "usage", "aggregation": "mean", "window": "5m"}}`,
		},
		{
			`{"condition": {"type": "expression", "expr": "a", "inputs": {"a": {"measurement": "m"}}}}`,
			`condition.inputs.a: needs a measurement and a field; for example {"measurement": "cpu", "field": "usage"}`,
		},
		{
			`{"condition": {"type": "expression", "expr": "a", "inputs": {"a": {"fild": "m"}}}}`,
			`condition.inputs.a.fild: no such key; did you mean field?`,
		},
		{
			`{"condition": {"type": "expression", "expr": "a", "inputs": {"a": 5}}}`,
			`condition.inputs: must be an object of named inputs; a is 5; for example {"cpu": {"measurement": "cpu", "field": "usage", "aggregation": "mean", "window": "5m"}}`,
		},
		{
			`{"condition": {"type": "expression", "expr": "a", "inputs": 5}}`,
			`condition.inputs: must be an object of named inputs; got 5; for example {"cpu": {"measurement": "cpu", "field": "usage", "aggregation": "mean", "window": "5m"}}`,
		},
		{
			`{"condition": {"type": "query", "text": "SELECT 1", "operator": ">", "value": 3}}`,
			`condition.column: is missing; a condition of type query needs it, for example v`,
		},
		{`{"condition": {"type": "query", "language": "flux", "text": "SELECT 1", "column": "v", "operator": ">", "value": 3}}`, `condition.language: must be one of influxql, sql; got "flux"; for example influxql`},

		{`{"coolDown": "15m"}`, `coolDown: no such key; did you mean cooldown?`},
		{`{"severty": "high"}`, `severty: no such key; did you mean severity or every?`},
		{`{"metric": "celsius"}`, `metric: no such key; it is called field here`},
		{`{"notification_channels": ["a"]}`, `notification_channels: no such key; it is called channels here`},
		{`{"operator": ">"}`, `operator: no such key; it belongs into the condition: {"condition": {"operator": ...}}`},
		{`{"qqqqqqqq": 1}`, `qqqqqqqq: no such key; known: ` + strings.Join(ruledoc.Names(), ", ")},
		{
			`{"condition": {"for": "10m"}}`,
			`condition.for: is a key of the rule, not of its condition; give it beside the condition: {"condition": {...}, "for": ...}`,
		},
		{`{"condition": {"threshold": 5}}`, `condition.threshold: no such key; it is called value here`},
		{`{"condition": {"op": ">"}}`, `condition.op: no such key; it is called operator here`},
		{
			`{"condition": {"low": 2}}`,
			`condition.low: no such key; a range is value [low, high] with operator between or outside`,
		},
		{
			`{"condition": {"treshold": 5}}`,
			`condition.treshold: no such key; known: type, aggregation, window, operator, value, recover, stale_after, expect, forget_after, ago, percent, horizon, sensitivity, direction, season, min_deviation, inputs, expr, language, text, column`,
		},
	} {
		t.Run(tt.over, func(t *testing.T) {
			r, err := ruledoc.Parse(base(t, tt.over))
			if err == nil {
				t.Fatalf("taken: %+v", r)
			}
			if err.Error() != tt.want || rules.CodeOf(err) != rules.Invalid {
				t.Errorf("got  %s\nwant %s (%s)", err, tt.want, rules.CodeOf(err))
			}
		})
	}
}

func TestParseNamesEverythingThatIsWrongAtOnce(t *testing.T) {
	_, err := ruledoc.Parse(document(t,
		`{"severity": "x", "for": 5, "condition": {"window": 5, "operator": "?"}, "nam": "a"}`))
	want := []string{
		`condition.operator: must be one of > >= < <= == != between outside; got "?"; for example >`,
		`condition.window: must be a duration with a unit such as 5s or 5m; got 5; for example 5m`,
		`for: must be a duration with a unit such as 5s or 5m; got 5; for example 10m`,
		`nam: no such key; did you mean name?`,
		`severity: must be one of low, medium, high, critical; got "x"; for example high`,
	}
	if err == nil || !slices.Equal(strings.Split(err.Error(), "\n"), want) {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	for range 20 {
		if _, again := ruledoc.Parse(document(t, `{}`)); again.Error() != missing {
			t.Fatalf("an empty rule: got\n%s\nwant\n%s", again, missing)
		}
	}
}

const missing = `title: is missing; say what is wrong when it fires, for example "Freezer too warm"
measurement: is missing; for example temperature
field: is missing; for example celsius
condition: is missing its type; one of threshold, absence, change, forecast, anomaly, expression, query; for example {"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": 25}`

func TestPatch(t *testing.T) {
	have, err := ruledoc.Parse(base(t,
		`{"for": "5m", "channels": ["phone"], "severity": "high", "where": {"room": "a"}, "condition": {"recover": -17}}`))
	if err != nil {
		t.Fatal(err)
	}
	have.ID, have.Version, have.CreatedAt = "r1", 3, noon
	for _, tt := range []struct {
		name, doc string
		want      func(*rules.Rule)
	}{
		{"nothing changes nothing", `{}`, func(*rules.Rule) {}},
		{"a key takes the place of the old one", `{"where": {"host": "b"}}`, func(r *rules.Rule) {
			r.Where = rules.Filter{"host": {"b"}}
		}},
		{
			"null goes back to the default", `{"for": null, "channels": null, "severity": null, "where": null}`,
			func(r *rules.Rule) {
				r.For, r.Channels, r.Severity, r.Where = 0, nil, rules.Medium, nil
			},
		},
		{"a condition is merged key by key", `{"condition": {"value": -12}}`, func(r *rules.Rule) {
			r.Condition.Value = rules.Num(-12)
		}},
		{"the same type keeps the rest", `{"condition": {"type": "THRESHOLD", "window": "10m"}}`, func(r *rules.Rule) {
			r.Condition.Window = 10 * rules.Minute
		}},
		{"another type begins anew", `{"condition": {"type": "absence"}}`, func(r *rules.Rule) {
			r.Condition = rules.Condition{Type: rules.Absence, Window: 10 * rules.Minute, ForgetAfter: 30 * rules.Day}
		}},
		{"a new title leaves the name", `{"title": "Hot"}`, func(r *rules.Rule) { r.Title = "Hot" }},
		{"seed names count", `{"is_active": false, "cooldown_minutes": 5}`, func(r *rules.Rule) {
			r.Enabled, r.Cooldown = false, 5*rules.Minute
		}},
		{
			"what tocsin keeps may be given as it is",
			`{"id": "r1", "version": 3, "created_at": "2026-03-02T12:00:00Z", "title": "Hot"}`, func(r *rules.Rule) {
				r.Title = "Hot"
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := have
			tt.want(&want)
			got, err := ruledoc.Patch(have, document(t, tt.doc))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
			}
		})
	}
	for _, tt := range []struct {
		name, doc string
		code      rules.Code
		want      string
	}{
		{
			"the rule as a whole must be right", `{"condition": {"value": -20}}`, rules.Invalid,
			"condition.recover: must lie on the good side of value -20; got -17; with operator > it is the smaller number",
		},
		{"another id is refused", `{"id": "r2"}`, rules.Invalid, "id: cannot be set; leave it out"},
		{
			"an older version is a conflict", `{"version": 2, "title": "Hot"}`, rules.Conflict,
			"version: is 3 by now; got 2; read the rule again and repeat the change",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ruledoc.Patch(have, document(t, tt.doc)); err == nil || rules.CodeOf(err) != tt.code ||
				err.Error() != tt.want {
				t.Errorf("got %s %v, want %s %s", rules.CodeOf(err), err, tt.code, tt.want)
			}
		})
	}
}

func TestPatchLeavesTheOldRuleAlone(t *testing.T) {
	have, err := ruledoc.Parse(base(t,
		`{"measurement": null, "field": null, "condition": {"type": "expression", "expr": "a > 1", "inputs": {"a": {"measurement": "m", "field": "f", "window": "1m"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	before := member(t, have, "condition")
	if _, err := ruledoc.Patch(have, document(t,
		`{"condition": {"inputs": {"a": {"measurement": "x", "field": "y"}}}, "labels": {"a": "b"}}`)); err != nil {
		t.Fatal(err)
	}
	if after := member(t, have, "condition"); after != before {
		t.Errorf("the old condition became %s", after)
	}
}

func TestSlug(t *testing.T) {
	for title, want := range map[string]string{
		"Freezer too warm":        "freezer_too_warm",
		"  CPU > 90 %  ":          "cpu_90",
		"":                        "",
		"!?":                      "",
		strings.Repeat("ab ", 40): strings.TrimSuffix(strings.Repeat("ab_", 20), "_"),
	} {
		if got := rules.Slug(title); got != want {
			t.Errorf("Slug(%q) = %q, want %q", title, got, want)
		}
	}
	if a, b := rules.Slug("Морозилка"), rules.Slug("冷凍庫"); len(a) != 13 || !strings.HasPrefix(a, "rule_") ||
		a == b {
		t.Errorf("titles in other scripts are called %q and %q", a, b)
	}
}

// What is printed can be read back by the decoder and by Parse, and means the
// same.
func roundTrip(t *testing.T, r rules.Rule) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("print: %v", err)
	}
	var read rules.Rule
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
	if !reflect.DeepEqual(read, r) {
		t.Fatalf("read back\n%+v\nfrom\n%+v\nprinted as %s", read, r, text)
	}
	parsed, err := ruledoc.Parse(document(t, string(text)))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	if !reflect.DeepEqual(parsed, r) {
		t.Fatalf("parsed back\n%+v\nfrom\n%+v\nprinted as %s", parsed, r, text)
	}
}

var wholeRules = []string{
	`{"title": "Everything", "name": "all", "enabled": false, "source": "home", "measurement": "temperature", "field": "celsius",
	  "where": {"room": "kitchen", "floor": ["1", "2"], "empty": ""}, "group_by": ["sensor", "room"],
	  "condition": {"type": "threshold", "aggregation": "p95", "window": "5m", "operator": ">", "value": -15.25, "recover": -17},
	  "levels": [{"value": -10, "severity": "critical", "channels": ["pager"]}, {"value": 0, "severity": "high"}],
	  "for": "1h30m", "keep_firing_for": "5m", "every": "0 7 * * mon", "zone": "Europe/Berlin", "no_data": "alert",
	  "active": {"days": "mon-fri", "hours": "22:00-06:00", "zone": "Europe/Berlin"}, "depends_on": ["router_down"],
	  "severity": "high", "channels": ["phone", "mail"], "cooldown": "15m", "remind": ["30m", "2h"],
	  "escalate": {"after": "30m", "channels": ["pager"]}, "labels": {"team": "home"},
	  "summary": "{{.labels.sensor}} <b> & °C", "runbook": "https://wiki.example/?a=b&c", "max_series": 500}`,
	`{"title": "Gone", "measurement": "m", "group_by": ["sensor"], "condition": {"type": "absence", "expect": [{"sensor": "a"}, {"sensor": "b"}], "forget_after": "2w"}}`,
	`{"title": "Text", "measurement": "m", "field": "f", "condition": {"aggregation": "latest", "operator": "!=", "value": "a \"b\""}}`,
	`{"title": "Range", "measurement": "m", "field": "f", "condition": {"operator": "between", "value": [1e-9, 1e21]}}`,
	`{"title": "Odd", "measurement": "m", "field": "f", "condition": {"type": "anomaly"}}`,
	`{"title": "Full", "measurement": "m", "field": "f", "condition": {"type": "forecast", "operator": ">=", "value": 95}}`,
	`{"title": "Both", "condition": {"expr": "cpu > 80 and idle < 5", "inputs": {"cpu": {"measurement": "cpu", "field": "usage", "where": {"host": ["a", "b"]}}, "idle": {"measurement": "cpu", "field": "idle", "aggregation": "max", "window": "1h"}}}}`,
	`{"title": "Own", "condition": {"type": "query", "language": "sql", "text": "SELECT 1\nFROM m", "column": "v", "operator": ">", "value": 3}}`,
	`{"title": "Day", "measurement": "m", "field": "f", "condition": {"ago": "1w", "percent": true, "operator": "<", "value": -20, "recover": -10}}`,
}

func TestARuleThatIsPrintedCanBeReadBack(t *testing.T) {
	for _, text := range wholeRules {
		r, err := ruledoc.Parse(document(t, text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		roundTrip(t, r)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range wholeRules {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"levels": [null, 1], "condition": {"inputs": [], "value": [[]]}, "where": {"a": [null]}}`))
	f.Add([]byte(`{"monitor_id": null, "where": null, "cooldown_minutes": 1e300, "is_active": "x", "every": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var doc rules.Doc
		if json.Unmarshal(text, &doc) != nil {
			t.Skip("no document")
		}
		r, err := ruledoc.Parse(doc)
		if err == nil {
			roundTrip(t, r)
			return
		}
		for _, e := range leaves(err) {
			var ours *rules.Error
			if !errors.As(e, &ours) {
				t.Errorf("an error without a cure: %v", e)
			}
		}
	})
}

// leaves takes joined errors apart.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}
