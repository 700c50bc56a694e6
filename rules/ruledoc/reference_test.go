package ruledoc_test

import (
	"slices"
	"testing"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

func TestTheReferenceTellsEveryKeyWithMeaningAndExample(t *testing.T) {
	list := ruledoc.Reference()
	seen := map[string]ruledoc.KeyDoc{}
	for _, d := range list {
		if d.Meaning == "" || d.Example == "" {
			t.Errorf("%s is not explained", d.Path)
		}
		if _, twice := seen[d.Path]; twice {
			t.Errorf("%s is there twice", d.Path)
		}
		seen[d.Path] = d
	}
	for _, name := range ruledoc.Names() {
		if _, ok := seen[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	for _, path := range []string{"condition.inputs.NAME.window", "levels[].severity", "escalate.after", "active.zone"} {
		if _, ok := seen[path]; !ok {
			t.Errorf("%s is missing", path)
		}
	}
	place := func(path string) int {
		return slices.IndexFunc(list, func(d ruledoc.KeyDoc) bool { return d.Path == path })
	}
	for key, inner := range map[string]string{
		"condition": "condition.type", "condition.inputs": "condition.inputs.NAME.measurement", "levels": "levels[].value",
		"escalate": "escalate.after", "active": "active.days",
	} {
		if place(inner) != place(key)+1 {
			t.Errorf("%s stands at %d, and %s at %d, not behind it", key, place(key), inner, place(inner))
		}
	}
	if types := seen["condition.horizon"].Types; !slices.Equal(types, []rules.ConditionType{rules.Forecast}) {
		t.Errorf("horizon belongs to %v", types)
	}
}
