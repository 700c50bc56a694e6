package storetest

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ann  = rules.Actor{Name: "ann", Door: "cli"}
)

// parsed makes a rule of a document, over defaults that make it complete.
func parsed(name string, doc rules.Doc) rules.Rule {
	whole := rules.Doc{
		"name": name, "title": "Title of " + name, "source": "home", "measurement": "temperature", "field": "celsius",
		"group_by": []any{"sensor"},
		"condition": map[string]any{
			"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">",
			"value": 3.0,
		},
		"channels": []any{"phone"}, "cooldown": "0s",
	}
	for key, v := range doc {
		whole[key] = v
	}
	r, err := ruledoc.Parse(whole)
	if err != nil {
		panic(err) // a document of these tests
	}
	r.ID = "id-" + name
	return r
}

// simple is a rule that fires at once and remembers no quiet series.
func simple(name string) rules.Rule { return parsed(name, nil) }

// roster is a rule whose quiet series are stored, and that waits before it
// fires.
func roster(name string) rules.Rule {
	return parsed(name, rules.Doc{
		"for": "1h", "where": map[string]any{"room": "kitchen"},
		"condition": map[string]any{
			"type": "threshold", "aggregation": "count", "window": "5m", "operator": ">",
			"value": 3.0,
		},
	})
}

// whole is a rule with every key set.
func whole(name string) rules.Rule {
	r := parsed(name, rules.Doc{
		"where": map[string]any{"room": []any{"kitchen", "hall"}}, "group_by": []any{"sensor"},
		"condition": map[string]any{
			"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">",
			"value": 3.0, "recover": 2.5,
		},
		"levels":          []any{map[string]any{"value": 10.0, "severity": "critical", "channels": []any{"pager"}}},
		"keep_firing_for": "5m", "every": "30s", "severity": "high", "cooldown": "15m",
		"remind":   []any{"30m", "2h"},
		"escalate": map[string]any{"after": "30m", "channels": []any{"pager"}}, "no_data": "alert",
		"active":     map[string]any{"days": "mon-sun", "hours": "00:00-24:00", "zone": "Europe/Berlin"},
		"depends_on": []any{"router"}, "labels": map[string]any{"team": "home"},
		"summary": "{{.labels.sensor}} is warm", "runbook": "https://wiki.example/freezer", "max_series": 7.0,
	})
	r.For, r.Zone, r.Owner, r.Managed, r.Unchecked = 0, "Europe/Berlin", "owner", "rules.yaml", true
	return r
}

func setting(now time.Time) rules.Setting { return rules.Setting{Now: now} }

// observe looks at one series of a rule that groups by sensor.
func observe(l *rules.Ledger, now time.Time, sensor string, v rules.Verdict, value float64) {
	obs := []rules.Observation{{Series: rules.SeriesOf(rules.Labels{"sensor": sensor}), Verdict: v, Value: value, At: now}}
	l.Observe(setting(now), obs, func(rules.Observation) rules.Evidence {
		return rules.Evidence{Query: "SELECT", From: now.Add(-time.Minute), To: now, Condition: "> 3", Clock: "sure"}
	})
}

// firing returns a new ledger with one alert, which owes its first message.
func firing(r rules.Rule, now time.Time) *rules.Ledger {
	l := rules.NewLedger(r, ann, now)
	observe(l, now, "a", rules.Bad, 5)
	return l
}

func save(t testing.TB, s app.Store, batch ...*rules.Ledger) {
	t.Helper()
	if err := s.Save(t.Context(), batch, nil); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

// load returns the one ledger of a rule.
func load(t testing.TB, s app.Store, id string) *rules.Ledger {
	t.Helper()
	got, err := s.Load(t.Context(), id)
	if err != nil || len(got) != 1 {
		t.Fatalf("Load(%q) returned %d ledgers, %v", id, len(got), err)
	}
	return got[0]
}

// alertOf returns the only alert of a ledger.
func alertOf(t testing.TB, l *rules.Ledger) (found *rules.Alert) {
	t.Helper()
	n := 0
	l.Alerts(func(a *rules.Alert) bool { found = a; n++; return true })
	if n != 1 {
		t.Fatalf("the ledger holds %d alerts, not 1", n)
	}
	return found
}

// messagesOf returns the messages that a ledger holds.
func messagesOf(l *rules.Ledger) (list []*rules.Notification) {
	l.Notifications(func(n *rules.Notification) bool { list = append(list, n); return true })
	return list
}

// message returns one message of a ledger, nil when it has none of that id.
func message(l *rules.Ledger, id string) *rules.Notification {
	for _, n := range messagesOf(l) {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// deliver has every owed message sent.
func deliver(l *rules.Ledger, now time.Time) {
	for _, n := range messagesOf(l) {
		if l.Claim(n.ID, "m") {
			l.Record(n.ID, rules.Outcome{State: rules.Sent}, time.Time{}, now)
		}
	}
}

func wantCode(t testing.TB, err error, want rules.Code) {
	t.Helper()
	if got := rules.CodeOf(err); got != want {
		t.Fatalf("the error is %v with code %q, want code %q", err, got, want)
	}
}

// picture writes all that a ledger holds as text, so that a difference shows
// where it is. Fields that are added to the types appear by themselves.
func picture(l *rules.Ledger) string {
	instances, alerts, messages := map[string]any{}, map[string]any{}, map[string]any{}
	l.Instances(func(in *rules.Instance) bool {
		flat := fields(*in)
		flat["Recent"] = in.Recent()
		delete(flat, "Alert")
		instances[string(in.Series)] = flat
		return true
	})
	l.Alerts(func(a *rules.Alert) bool { alerts[a.ID] = fields(*a); return true })
	for _, n := range messagesOf(l) {
		messages[n.ID] = fields(*n)
	}
	return written(map[string]any{
		"rule": l.Rule, "deleted": l.Deleted, "judged": l.Judged, "progress": l.Progress, "instances": instances,
		"alerts": alerts, "messages": messages,
	})
}

func written(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err) // a type of ours that cannot be written
	}
	return string(text)
}

// fields returns the exported fields of a struct; a NaN becomes a word.
func fields(v any) map[string]any {
	out, x := map[string]any{}, reflect.ValueOf(v)
	for i := range x.NumField() {
		if f := x.Type().Field(i); f.IsExported() {
			out[f.Name] = x.Field(i).Interface()
			if n, ok := out[f.Name].(float64); ok && (math.IsNaN(n) || math.IsInf(n, 0)) {
				out[f.Name] = fmt.Sprint(n)
			}
		}
	}
	return out
}

// fill sets every exported field of what v points at to something that is not
// its zero, except those named. It is how a field that is added to a type and
// forgotten in a store is found.
func fill(v any, except ...string) {
	x := reflect.ValueOf(v).Elem()
	for i := range x.NumField() {
		f := x.Type().Field(i)
		if f.IsExported() && !slices.Contains(except, f.Name) {
			fillValue(x.Field(i), i)
		}
	}
}

func fillValue(x reflect.Value, seed int) {
	if at, ok := x.Addr().Interface().(*time.Time); ok {
		*at = noon.Add(time.Duration(seed+1)*time.Minute + 7*time.Millisecond)
		return
	}
	switch x.Kind() {
	case reflect.String:
		x.SetString(fmt.Sprintf("text %d ä'\"<", seed))
	case reflect.Int, reflect.Int64:
		x.SetInt(int64(seed + 2))
	case reflect.Uint8:
		x.SetUint(1)
	case reflect.Float64:
		x.SetFloat(float64(seed) + 0.1)
	case reflect.Bool:
		x.SetBool(true)
	case reflect.Pointer:
		x.Set(reflect.New(x.Type().Elem()))
		fillValue(x.Elem(), seed)
	case reflect.Slice:
		x.Set(reflect.MakeSlice(x.Type(), 2, 2))
		fillValue(x.Index(0), seed)
		fillValue(x.Index(1), seed+1)
	case reflect.Map:
		fillMap(x, seed)
	case reflect.Struct:
		for i := range x.NumField() {
			if x.Type().Field(i).IsExported() {
				fillValue(x.Field(i), seed+i)
			}
		}
	default:
		panic("fill does not know " + x.Type().String()) // a new kind of field
	}
}

func fillMap(x reflect.Value, seed int) {
	x.Set(reflect.MakeMap(x.Type()))
	key, value := reflect.New(x.Type().Key()).Elem(), reflect.New(x.Type().Elem()).Elem()
	fillValue(key, seed)
	fillValue(value, seed+1)
	x.SetMapIndex(key, value)
}

// zeroFields names the exported fields of a struct that are zero.
func zeroFields(v any) (names []string) {
	x := reflect.ValueOf(v)
	for i := range x.NumField() {
		if f := x.Type().Field(i); f.IsExported() && x.Field(i).IsZero() {
			names = append(names, f.Name)
		}
	}
	return names
}
