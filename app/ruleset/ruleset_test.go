package ruleset_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/ruleset"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

var (
	noon   = apptest.Noon
	anna   = apptest.Anna
	deploy = rules.Actor{Name: "deploy", Door: "cli"}
)

// home is an App on a real store, with a source that holds temperatures and
// counts how often it is asked.
type home struct {
	*apptest.Home
	asked *counting
}

// counting counts the questions about what a source holds.
type counting struct {
	evaluator.Source
	n int
}

func (c *counting) Measurements(ctx context.Context) ([]string, error) {
	c.n++
	return c.Source.Measurements(ctx)
}

var _ evaluator.Source = (*counting)(nil)

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{}
	h.Home = apptest.New(t, func(points *live.Store) evaluator.Source {
		h.asked = &counting{Source: points}
		return h.asked
	})
	return h
}

// docs reads a file that must be well formed.
func (h *home) docs(text string) []ruleset.Doc {
	h.Helper()
	docs, err := ruleset.Read("rules.yaml", []byte(text))
	if err != nil {
		h.Fatal(err)
	}
	return docs
}

func (h *home) plan(text string, o ruleset.Options) ruleset.Plan {
	h.Helper()
	p, err := ruleset.New(h.App).Plan(h.Context(), h.docs(text), o)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

// apply plans and does it, and returns the plan in short.
func (h *home) apply(text string, o ruleset.Options) string {
	h.Helper()
	p := h.plan(text, o)
	if _, err := ruleset.New(h.App).Apply(h.Context(), deploy, p); err != nil {
		h.Fatal(err)
	}
	return outline(p)
}

// outline shows a plan as "create a, update b (for, severity)".
func outline(p ruleset.Plan) string {
	var out []string
	for _, s := range p.Steps {
		text := string(s.Act) + " " + s.Name
		if len(s.Changes) > 0 {
			text += " (" + apptest.KeysOf(s.Changes) + ")"
		}
		if s.Drift != nil {
			text += " [" + s.Drift.Act + " by " + s.Drift.By.Name + ": " + apptest.KeysOf(s.Drift.Changes) + "]"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// versions counts all that was ever written about rules.
func (h *home) versions() int {
	h.Helper()
	list, _, err := h.Store.Versions(h.Context(), app.VersionFilter{})
	h.Must(err)
	return len(list)
}

// one is a rule as a line of a file.
func one(name, more string) string {
	return "- {name: " + name + ", measurement: temperature, field: celsius, condition: {operator: \">\", value: 8}" +
		more + "}\n"
}

func TestAppliedRulesAreAsTheFileSaysAndASecondRunWritesNothing(t *testing.T) {
	h := newHome(t)
	file := "rules:\n" + one("fridge", ", for: 10m, where: {room: kitchen}, group_by: sensor, channels: phone") +
		one("hall", ", severity: high")
	h.Say("first run", h.apply(file, ruleset.Options{}), "create fridge, create hall")
	r, err := h.Rule(h.Context(), "fridge")
	h.Must(err)
	if r.Managed != "rules.yaml" || r.For != 10*rules.Minute || r.Source != "home" || r.CreatedBy != "deploy" ||
		r.Version != 1 {
		t.Errorf("rule = %+v", r.Rule)
	}
	before := h.versions()
	h.Say("second run", h.apply(file, ruleset.Options{}), "unchanged fridge, unchanged hall")
	if after := h.versions(); after != before {
		t.Errorf("%d versions after the second run, %d before", after, before)
	}
	if p := h.plan(file, ruleset.Options{}); !p.Idle() {
		t.Error("the plan is not idle")
	}
}

func TestAKeyThatIsLeftOutGoesBackToItsDefault(t *testing.T) {
	h := newHome(t)
	h.apply("rules:\n"+one("fridge", ", for: 10m, severity: high"), ruleset.Options{})
	h.Say("plan", h.apply("rules:\n"+one("fridge", ", cooldown: 15m"), ruleset.Options{}),
		`update fridge (for "10m"> severity "high">"medium" cooldown >"15m")`)
	r, err := h.Rule(h.Context(), "fridge")
	h.Must(err)
	if r.For != 0 || r.Severity != rules.Medium || r.Version != 2 {
		t.Errorf("rule = %+v", r.Rule)
	}
}

func TestRulesMayDependOnEachOtherInAnyOrder(t *testing.T) {
	h := newHome(t)
	file := "rules:\n" + one("leaf", ", depends_on: [middle]") + one("middle", ", depends_on: [root]") + one("root", "")
	h.Say("plan", h.apply(file, ruleset.Options{}), "create root, create middle, create leaf")
	h.Say("again", h.apply(file, ruleset.Options{}), "unchanged root, unchanged middle, unchanged leaf")
}

func TestRulesOfOtherDoorsAreOnlyAdoptedWhenAsked(t *testing.T) {
	h := newHome(t)
	_, err := h.CreateRule(h.Context(), anna,
		rules.Doc{
			"name": "fridge", "measurement": "temperature", "field": "celsius",
			"condition": rules.Doc{"operator": ">", "value": 9},
		}, app.SaveOptions{})
	h.Must(err)
	file := "rules:\n" + one("fridge", "") + one("hall", "")
	p := h.plan(file, ruleset.Options{})
	h.Say("plan", outline(p), "conflict fridge (condition.value 9>8), create hall")
	if _, err := ruleset.New(h.App).Apply(t.Context(), deploy, p); rules.CodeOf(err) != rules.Conflict ||
		!strings.Contains(err.Error(), `rule "fridge" exists and was not made by apply`) {
		t.Errorf("apply of a conflict: %v", err)
	}
	if n := h.versions(); n != 1 {
		t.Errorf("%d versions, want that of the first rule alone", n)
	}
	h.Say("adopt", h.apply(file, ruleset.Options{Adopt: true}), "adopt fridge (condition.value 9>8), create hall")
	h.Say("again", h.apply(file, ruleset.Options{}), "unchanged fridge, unchanged hall")
}

func TestPruneDeletesOnlyWhatApplyMade(t *testing.T) {
	h := newHome(t)
	_, err := h.CreateRule(h.Context(), anna,
		rules.Doc{
			"name": "hers", "measurement": "temperature", "field": "celsius",
			"condition": rules.Doc{"operator": ">", "value": 9}, "depends_on": nil,
		}, app.SaveOptions{})
	h.Must(err)
	h.apply("rules:\n"+one("fridge", "")+one("hall", ""), ruleset.Options{})
	h.Update("hers", rules.Doc{"depends_on": []any{"hall"}})
	h.Say("without prune", h.apply("rules:\n"+one("fridge", ""), ruleset.Options{}), "unchanged fridge")
	p := h.plan("rules:\n"+one("fridge", ""), ruleset.Options{Prune: true})
	h.Say("with prune", outline(p), "unchanged fridge, delete hall")
	const want = "rule hers depends on hall, which is to be deleted; it will fire without regard to it"
	if !slices.Contains(p.Warnings, want) {
		t.Errorf("warnings = %q", p.Warnings)
	}
	h.Say("no rules", h.apply("rules: []", ruleset.Options{Prune: true}), "delete fridge, delete hall")
	list, _, err := h.ListRules(t.Context(), app.RuleFilter{})
	h.Must(err)
	if len(list) != 1 || list[0].Name != "hers" {
		t.Errorf("left: %+v", list)
	}
}

func TestARuleThatIsStillNeededIsNotPrunedSilently(t *testing.T) {
	h := newHome(t)
	h.apply("rules:\n"+one("hall", "")+one("fridge", ", depends_on: hall"), ruleset.Options{})
	_, err := ruleset.New(h.App).Plan(t.Context(), h.docs("rules:\n"+one("fridge", ", depends_on: hall")),
		ruleset.Options{Prune: true})
	if err == nil || !strings.Contains(err.Error(), `rules.yaml: line 2, column`) ||
		!strings.Contains(err.Error(), `depends_on: there is no rule "hall"`) {
		t.Errorf("plan: %v", err)
	}
}

func TestWhatAnotherDoorChangedIsDrift(t *testing.T) {
	h := newHome(t)
	file := "rules:\n" + one("fridge", ", for: 10m")
	h.apply(file, ruleset.Options{})
	h.Update("fridge", rules.Doc{"for": "5m"})
	h.Say("edited", outline(h.plan(file, ruleset.Options{})),
		`update fridge (for "5m">"10m") [updated by anna: for "10m">"5m"]`)
	h.Update("fridge", rules.Doc{"for": "10m"})
	h.Say("edited back", outline(h.plan(file, ruleset.Options{})), `unchanged fridge`)
	h.Update("fridge", rules.Doc{"severity": "low"})
	p := h.plan("rules: []", ruleset.Options{Prune: true})
	h.Say("to be pruned", outline(p), `delete fridge [updated by anna: severity "medium">"low"]`)
	h.Say("applied", h.apply(file, ruleset.Options{}),
		`update fridge (severity "low">"medium") [updated by anna: severity "medium">"low"]`)
	h.Say("another file, no drift", outline(h.plan("rules:\n"+one("fridge", ""), ruleset.Options{})),
		`update fridge (for "10m">)`)
	_, err := h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
	h.Must(err)
	h.Say("deleted", h.apply(file, ruleset.Options{}), `create fridge [deleted by anna: ]`)
	h.Say("at rest", h.apply(file, ruleset.Options{}), `unchanged fridge`)
}

func TestARuleChangedBetweenPlanAndApplyIsLeftAlone(t *testing.T) {
	h := newHome(t)
	h.apply("rules:\n"+one("fridge", "")+one("hall", ""), ruleset.Options{})
	p := h.plan("rules:\n"+one("fridge", ", for: 1m")+one("hall", ", for: 1m"), ruleset.Options{})
	h.Update("fridge", rules.Doc{"severity": "low"})
	done, err := ruleset.New(h.App).Apply(t.Context(), deploy, p)
	if rules.CodeOf(err) != rules.Conflict ||
		!strings.Contains(err.Error(), `rule "fridge" was changed since the plan was made (version 2, not 1); apply again`) {
		t.Errorf("apply: %v", err)
	}
	if len(done) != 1 || done[0].Name != "hall" || done[0].Version != 2 {
		t.Errorf("done = %+v", done)
	}
	r, err := h.Rule(t.Context(), "fridge")
	h.Must(err)
	if r.For != 0 || r.Severity != rules.Low {
		t.Errorf("rule = %+v", r.Rule)
	}
}

func TestNothingIsAppliedUnlessEverythingIsGood(t *testing.T) {
	head := "rules:\n" + one("good", "")
	for _, tt := range []struct{ name, rules, want string }{
		{
			"a mistyped key", "- name: b\n  measurement: temperature\n  field: celsius\n  conditon: {}\n",
			"rules.yaml: line 6, column 3: conditon: no such key; did you mean condition?",
		},
		{"a mistyped key deep inside", "- name: b\n  measurement: temperature\n  field: celsius\n  condition:\n    " +
			"operator: '>'\n    valu: 3\n", "rules.yaml: line 8, column 5: condition.valu: no such key; did you mean value?"},
		{"a key in braces", "- {name: b, measurement: temperature, field: celsius, condition: {operator: '>', value: 3, " +
			"windw: 5m}}\n", "rules.yaml: line 3, column 92: condition.windw: no such key; did you mean window?"},
		{
			"a wrong value in a list",
			"- name: b\n  measurement: temperature\n  field: celsius\n  condition: {operator: '>', value: 3}\n  levels:\n  - " +
				"value: 4\n    severity: hgh\n", "rules.yaml: line 9, column 5: levels[0].severity: must be one of low",
		},
		{
			"a missing key", "- title: B\n  field: celsius\n  condition: {operator: '>', value: 3}\n",
			"rules.yaml: line 3, column 3: measurement: is missing",
		},
		{"a field that does not exist", "- name: b\n  measurement: temperature\n  field: celsus\n  condition: {operator: " +
			"'>', value: 3}\n", `rules.yaml: line 5, column 3: field: "celsus" does not exist; did you mean celsius?`},
		{
			"a tag value that does not exist",
			"- name: b\n  measurement: temperature\n  field: celsius\n  where: {room: attic}\n  condition: {operator: '>', " +
				"value: 3}\n", `rules.yaml: line 6, column 11: where.room: "attic" does not exist`,
		},
		{
			"a channel that does not exist", one("b", ", channels: pager"),
			`rules.yaml: line 3, column 93: channels: no channel "pager"; known: mail, phone`,
		},
		{"a source that does not exist", one("b", ", source: shed"), `source: there is no source "shed"; known: home`},
		{"a parent that does not exist", one("b", ", depends_on: nobody"), `depends_on: there is no rule "nobody"`},
		{
			"a name twice", one("b", "") + one("b", ""),
			"rules.yaml: line 4, column 4: name: b is the name of the rule at rules.yaml: line 3, column 4 too",
		},
		{"what tocsin keeps", one("b", ", version: 3"), "version: is kept by tocsin and cannot be set"},
		{
			"a circle", one("b", ", depends_on: c") + one("c", ", depends_on: [d, b]") + one("d", ", depends_on: [b, c]"),
			"depends_on: goes round in a circle: b on c on d on b; take one of them out",
		},
		{"a circle of one", one("b", ", depends_on: b"), "depends_on: goes round in a circle: b on b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t)
			_, err := ruleset.New(h.App).Plan(t.Context(), h.docs(head+tt.rules), ruleset.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || rules.CodeOf(err) != rules.Invalid {
				t.Errorf("plan: %v\nwant %s", err, tt.want)
			}
			if n := h.versions(); n != 0 {
				t.Errorf("%d versions were written", n)
			}
		})
	}
}

func TestEveryFaultOfAllFilesIsToldAtOnce(t *testing.T) {
	h := newHome(t)
	_, err := ruleset.New(h.App).Plan(t.Context(),
		h.docs("rules:\n"+one("a", ", severity: hgh, cooldown: 5")+one("b", ", chanels: x")), ruleset.Options{})
	if got := strings.Count(err.Error(), "rules.yaml: line "); got != 3 {
		t.Errorf("%d faults, want 3:\n%v", got, err)
	}
}

func TestFilesThatAreNoRulesAreRefusedWithTheirPlace(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "rules.yaml: is empty; write rules:"},
		{"# nothing\n", "rules.yaml: is empty"},
		{"rules:\n", "line 1, column 1: rules: must be a list"},
		{"rules: {a: 1}\n", "line 1, column 1: rules: must be a list"},
		{"rules: [3]\n", "line 1, column 9: rules[0]: must be a rule"},
		{"ruls: []\n", "line 1, column 1: ruls: no such key; did you mean rules?"},
		{"rules: []\nversion: 2\n", "line 2, column 1: version: no such key; known: rules"},
		{"title: A\nmeasurement: m\n", "line 2, column 1: measurement: belongs to a rule; put it into a list under rules:"},
		{"- a\n", "rules: is missing"},
		{"rules:\n- name: a\n  name: b\n", "line 3, column 3: the same key stands twice"},
		{"rules:\n- name: \"a\n", "a quote is not closed"},
		{"rules:\n- &a {name: a}\n- *a\n", "line 2, column 3: anchors, aliases, merges and tags are not used here"},
	} {
		if _, err := ruleset.Read("rules.yaml", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestDocumentsJSONAndOldNamesAreRead(t *testing.T) {
	h := newHome(t)
	h.Say("two documents", h.apply("---\nrules:\n"+one("a", "")+"---\nrules:\n"+one("b", "")+"---\n", ruleset.Options{}),
		"create a, create b")
	h.Say("JSON with tabs",
		h.apply("\ufeff{\n\t\"rules\": [\n\t\t{\"name\": \"c\", \"measurement\": \"temperature\", \"field\": \"celsius\", "+
			"\"condition\": {\"operator\": \"\\u003e\", \"value\": 1}, \"labels\": {\"v\": \"1.10\"}}\n\t]\n}\n",
			ruleset.Options{}), "create c")
	h.Say("old names",
		h.apply("rules:\n- {name: d, monitor_id: 7, cooldown_minutes: 5, is_active: false, labels: {version: 1.10}, "+
			"condition: {aggregation: avg, operator: gt, value: 0x10}}\n", ruleset.Options{}), "create d")
	r, err := h.Rule(t.Context(), "d")
	h.Must(err)
	if r.Measurement != "temperature" || r.Cooldown != 5*rules.Minute || r.Enabled || r.Labels["version"] != "1.10" ||
		r.Condition.Value != rules.Num(16) || r.Condition.Aggregation != rules.Mean {
		t.Errorf("rule = %+v", r.Rule)
	}
}

func TestUnknownDataIsAllowedOnceAndNotAskedAgain(t *testing.T) {
	h := newHome(t)
	file := "rules:\n- {name: later, measurement: humidity, field: percent, condition: {operator: '>', value: 8}}\n"
	if _, err := ruleset.New(h.App).Plan(t.Context(), h.docs(file), ruleset.Options{}); err == nil ||
		len(rules.Hints(err)) != 1 || rules.Hints(err)[0].Cure != rules.AllowUnknown {
		t.Errorf("plan: %v", err)
	}
	p := h.plan(file, ruleset.Options{AllowUnknown: true})
	if len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], "rule later: saved although it does not exist yet: ") {
		t.Errorf("warnings = %q", p.Warnings)
	}
	h.apply(file, ruleset.Options{AllowUnknown: true})
	h.Say("again, without the flag", h.apply(file, ruleset.Options{}), "unchanged later")
}

func TestAPlanAsksTheSourceOnceForManyRules(t *testing.T) {
	h := newHome(t)
	file := "rules:\n"
	for i := range 200 {
		file += one(fmt.Sprintf("r%d", i), ", group_by: sensor, where: {room: kitchen}")
	}
	h.apply(file, ruleset.Options{})
	if h.asked.n != 1 {
		t.Errorf("the source was asked %d times", h.asked.n)
	}
}

// TestExportAppliesToNothing is the way round: what is exported is what was
// applied.
func TestExportAppliesToNothing(t *testing.T) {
	h := newHome(t)
	nasty := []string{
		"a: b # c", "l1\nl2\n\n  l3 ", " lead", "@x", "true", "null", "~", "0x10", "- a", "{x}", "'",
		`"q" it's`, `\d`, "* * *", "!x", "| x", "y", "a\n", "1.10", "007", "<<", "{{.title}} at {{.value}} °C <b>&",
		"é😀",
	}
	var list []any
	for i, text := range nasty {
		field := "door"
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			field = "celsius"
		}
		list = append(list, rules.Doc{
			"name": fmt.Sprintf("r%02d", i), "title": strings.ReplaceAll(text, "\n", " "), "measurement": "temperature",
			"field":   field,
			"summary": text, "labels": rules.Doc{"x": strings.TrimSpace(strings.ReplaceAll(text, "\n", " "))},
			"condition": rules.Doc{"operator": "==", "value": strings.ReplaceAll(text, "\n", " ")},
		})
	}
	list = append(list,
		rules.Doc{
			"name": "full", "title": "Full", "enabled": false, "source": "home", "measurement": "temperature",
			"field": "celsius", "where": rules.Doc{"room": []any{"hall", "kitchen"}}, "group_by": []any{"sensor"},
			"condition": rules.Doc{"aggregation": "mean", "window": "10m", "operator": "outside", "value": []any{2, 8}},
			"levels":    []any{rules.Doc{"value": []any{0, 10}, "severity": "critical", "channels": []any{"mail"}}},
			"for":       "10m", "keep_firing_for": "5m", "every": "0 7 * * mon", "zone": "Europe/Berlin", "severity": "high",
			"cooldown": "15m", "remind": []any{"30m", "2h"}, "escalate": rules.Doc{"after": "30m", "channels": []any{"mail"}},
			"channels": []any{"phone"}, "no_data": "alert",
			"active": rules.Doc{"days": "mon-fri", "hours": "07:00-22:00", "zone": "Europe/Berlin"}, "depends_on": []any{"r00"},
			"runbook": "https://wiki.example/x", "max_series": 5,
		},
		rules.Doc{
			"name": "gone", "measurement": "temperature", "group_by": []any{"sensor"},
			"condition": rules.Doc{"type": "absence", "expect": []any{rules.Doc{"sensor": "a"}}},
		},
		rules.Doc{"name": "sum", "condition": rules.Doc{
			"type": "expression",
			"inputs": rules.Doc{
				"t": rules.Doc{"measurement": "temperature", "field": "celsius"},
				"u": rules.Doc{"measurement": "temperature", "field": "celsius", "aggregation": "max", "window": "1h"},
			},
			"expr": "t > 80 && u < 5",
		}},
	)
	text, err := json.Marshal(rules.Doc{"rules": list})
	h.Must(err)
	h.apply(string(text), ruleset.Options{})
	code, err := ruleset.New(h.App).Export(t.Context(), nil)
	h.Must(err)
	exported, err := json.Marshal(map[string]any{"rules": code})
	h.Must(err)
	asYAML, err := yaml.JSONToYAML(exported)
	h.Must(err)
	for form, text := range map[string]string{"JSON": string(exported), "YAML": string(asYAML)} {
		p := h.plan(text, ruleset.Options{Prune: true})
		for _, s := range p.Steps {
			if s.Act != ruleset.StepUnchanged {
				t.Errorf("%s: %s %s %s", form, s.Act, s.Name, apptest.KeysOf(s.Changes))
			}
		}
		if len(p.Steps) != len(list) {
			t.Errorf("%s has %d rules, want %d", form, len(p.Steps), len(list))
		}
	}
}

func TestExportHasOnlyWhatDiffersFromTheDefaultsInOrder(t *testing.T) {
	h := newHome(t)
	h.apply("rules:\n"+
		one("b", ", title: Too warm, severity: medium, for: 1m, enabled: true, group_by: sensor, where: {room: kitchen}")+
		one("a", ""), ruleset.Options{})
	code, err := ruleset.New(h.App).Export(t.Context(), nil)
	h.Must(err)
	text, err := json.Marshal(code)
	h.Must(err)
	h.Say("export", strings.ReplaceAll(string(text), `\u003e`, ">"),
		`[{"name":"a","source":"home","measurement":"temperature","field":"celsius","condition":{"type":"threshold","operator":">","value":8}},`+
			`{"name":"b","title":"Too warm","source":"home","measurement":"temperature","field":"celsius","where":{"room":"kitchen"},"group_by":["sensor"],"condition":{"type":"threshold","operator":">","value":8},"for":"1m"}]`)
	some, err := ruleset.New(h.App).Export(t.Context(), []string{"b", "b"})
	h.Must(err)
	if len(some) != 1 || some[0].Name != "b" {
		t.Errorf("export of one = %+v", some)
	}
	if _, err := ruleset.New(h.App).Export(t.Context(), []string{"bb"}); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("export of none: %v", err)
	}
}
