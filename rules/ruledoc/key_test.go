package ruledoc_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// all are the keys by their paths.
func all(t *testing.T) map[string]ruledoc.Key {
	t.Helper()
	seen := map[string]ruledoc.Key{}
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		if _, twice := seen[k.Path]; twice {
			t.Errorf("%s is there twice", k.Path)
		}
		seen[k.Path] = k
	})
	return seen
}

func TestTheTableTellsAllOfEveryKey(t *testing.T) {
	flags := map[string]string{}
	for path, k := range all(t) {
		if k.Meaning == "" || k.Brief == "" || k.Example == "" || k.Form == "" || k.Default == "" || k.Group == "" {
			t.Errorf("%s is not explained: %+v", path, k)
		}
		if strings.ContainsAny(k.Brief, "`\n") || strings.Contains(k.Meaning, "\n") {
			t.Errorf("%s: %q, %q", path, k.Brief, k.Meaning)
		}
		if (k.Form == ruledoc.ChoiceForm) != (len(k.Choices) > 0) {
			t.Errorf("%s has the choices %v", path, k.Choices)
		}
		if other, twice := flags[k.Flag]; twice && k.Flag != "" {
			t.Errorf("%s and %s have the flag --%s", path, other, k.Flag)
		}
		flags[k.Flag] = path
	}
	for path, want := range map[string]ruledoc.Key{
		"condition.inputs.NAME.window": {Default: "`5m`", Group: ruledoc.Judge},
		"condition.window":             {Default: "`5m`, `10m` for absence, `6h` for forecast", Flag: "window"},
		"condition.value":              {Default: "needed", Flag: "value"},
		"levels[].severity":            {Default: "needed"},
		"levels":                       {Default: "none", Flag: "levels"},
		"escalate.after":               {Default: "needed", Flag: "escalate-after"},
		"active.zone":                  {Default: "that of the config", Flag: "active-zone"},
		"no_data":                      {Default: "`keep`", Flag: "no-data"},
	} {
		if k := all(t)[path]; k.Default != want.Default || k.Flag != want.Flag && k.Flag != "" {
			t.Errorf("%s: default %s, flag %s; want %s, %s", path, k.Default, k.Flag, want.Default, want.Flag)
		}
	}
	if types := all(t)["condition.horizon"].Types; !slices.Equal(types, []rules.ConditionType{rules.Forecast}) {
		t.Errorf("horizon belongs to %v", types)
	}
}

// TestEveryFieldOfARuleHasAKey: what is stored of a rule is set by a key, or kept
// by tocsin.
func TestEveryFieldOfARuleHasAKey(t *testing.T) {
	known := all(t)
	for path, of := range map[string]any{
		"": rules.Rule{}, "condition.": rules.Condition{}, "condition.inputs.NAME.": rules.Input{}, "levels[].": rules.Level{},
		"escalate.": rules.Escalation{}, "active.": rules.Active{},
	} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			_, ok := known[path+name]
			delete(known, path+name)
			if !ok && !slices.Contains(kept, name) && !slices.Contains(notOffered, path+name) {
				t.Errorf("%s%s has no key", path, name)
			}
		}
	}
	for path := range known {
		t.Errorf("%s is a key of nothing", path)
	}
}

// kept is what tocsin itself keeps, and may stand in a document that it printed.
var kept = []string{
	"id", "owner", "managed", "unchecked", "version", "created_at", "updated_at", "created_by", "judged_since",
}

// notOffered are the keys of a condition that nobody can write yet.
var notOffered = []string{"condition.sensitivity", "condition.direction", "condition.season"}

func TestWhatTocsinKeepsMayStandInADocument(t *testing.T) {
	doc := base(t, `{}`)
	for _, name := range kept {
		doc[name] = "x"
	}
	if _, err := ruledoc.Parse(doc); err != nil {
		t.Error(err)
	}
	for _, name := range append(ruledoc.Names(), ruledoc.OldNames()...) {
		if slices.Contains(kept, name) {
			t.Errorf("%s is set and kept", name)
		}
	}
}

// TestExamplesOfKeysWork: each in a rule of a type that has it.
func TestExamplesOfKeysWork(t *testing.T) {
	conditions := map[rules.ConditionType]string{
		rules.Threshold: `{"type": "threshold", "operator": ">", "value": 5}`,
		rules.Absence:   `{"type": "absence"}`,
		rules.Change:    `{"type": "change", "ago": "1d", "operator": ">", "value": 5}`,
		rules.Forecast:  `{"type": "forecast", "operator": ">", "value": 5}`,
		rules.Anomaly:   `{"type": "anomaly"}`,
		rules.Expression: `{"type": "expression", "expr": "cpu > 1",
			"inputs": {"cpu": {"measurement": "cpu", "field": "usage"}}}`,
		rules.Query: `{"type": "query", "operator": ">", "value": 5, "column": "v", "text": "SELECT 1"}`,
	}
	for path, k := range all(t) {
		var example any = k.Example
		var v any
		if json.Unmarshal([]byte(k.Example), &v) == nil {
			example = v
		}
		types := k.Types
		if len(types) == 0 {
			types = []rules.ConditionType{rules.Threshold}
		}
		for _, kind := range types {
			condition := document(t, conditions[kind])
			doc := rules.Doc{
				"title": "T", "measurement": "m", "field": "f", "group_by": []any{"sensor"}, "condition": condition,
			}
			name, inner, _ := strings.Cut(path, ".")
			switch {
			case !strings.Contains(inner, ".") && name == "condition" && inner != "":
				condition[inner] = example
			case inner == "":
				doc[name] = example
			default:
				continue // stands in the example of what is around it
			}
			if _, err := ruledoc.Parse(doc); err != nil {
				t.Errorf("%s of %s: %v", path, kind, err)
			}
		}
	}
}

// TestKeysOfTablesStandBehindThem, so that who reads the list finds them.
func TestKeysOfTablesStandBehindThem(t *testing.T) {
	var paths []string
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) { paths = append(paths, k.Path) })
	for key, inner := range map[string]string{
		"condition": "condition.type", "condition.inputs": "condition.inputs.NAME.measurement", "levels": "levels[].value",
		"escalate": "escalate.after", "active": "active.days",
	} {
		if at := slices.Index(paths, inner); at != slices.Index(paths, key)+1 {
			t.Errorf("%s stands at %d, %s at %d", inner, at, key, slices.Index(paths, key))
		}
	}
	if want := slices.Collect(maps.Keys(all(t))); len(want) != len(paths) {
		t.Errorf("%d keys, %d paths", len(want), len(paths))
	}
}
