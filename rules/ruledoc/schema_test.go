package ruledoc_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/9bikes/tocsin/packaging/docs"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// compiled is the schema as an editor has it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(ruledoc.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rules.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fromYAML is a document as a validator takes it.
func fromYAML(t *testing.T, text string) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var block = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// TestTheSchemaTakesTheRulesOfTheDocuments: each of them, and those of the tables.
func TestTheSchemaTakesTheRulesOfTheDocuments(t *testing.T) {
	s, seen := compiled(t), 0
	for _, p := range docs.Pages() {
		for _, found := range block.FindAllStringSubmatch(p.Text, -1) {
			v := fromYAML(t, found[1])
			top, _ := v.(map[string]any)
			if top["condition"] == nil && top["rules"] == nil || top["tests"] != nil {
				continue // another file
			}
			seen++
			if err := s.Validate(v); err != nil {
				t.Errorf("%s: %v\n%s", p.Name, err, found[1])
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d rules were found", seen)
	}
}

// TestTheSchemaTakesWhatIsPrinted: a rule of each type with every key that it has.
func TestTheSchemaTakesWhatIsPrinted(t *testing.T) {
	s := compiled(t)
	for _, kind := range ruledoc.Types {
		condition, doc := map[string]any{"type": string(kind)}, map[string]any{}
		for path, k := range all(t) {
			var example any = k.Example
			var v any
			if json.Unmarshal([]byte(k.Example), &v) == nil {
				example = v
			}
			name, inner, _ := strings.Cut(path, ".")
			switch {
			case name != "condition" && inner == "" && !strings.Contains(path, "["):
				doc[name] = example
			case name == "condition" && inner != "" && inner != "type" && hasType(k, kind):
				condition[inner] = example
			}
		}
		if doc["condition"] = condition; condition["operator"] == nil {
			delete(doc, "levels") // which are further limits
		}
		r, err := ruledoc.Parse(rules.Doc(doc))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		object, err := ruledoc.ObjectOf(r)
		if err != nil {
			t.Fatal(err)
		}
		var printed ruledoc.Object
		for _, p := range object {
			if _, known := all(t)[p.Key]; known {
				printed = append(printed, p)
			}
		}
		text, err := printed.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(text), `{"rules": [` + string(text) + `]}`} {
			if err := s.Validate(fromYAML(t, text)); err != nil {
				t.Errorf("%s: %v\n%s", kind, err, text)
			}
		}
	}
}

func hasType(k ruledoc.Key, kind rules.ConditionType) bool {
	for _, t := range k.Types {
		if t == kind {
			return true
		}
	}
	return false
}

func TestTheSchemaMarksWhatIsWrong(t *testing.T) {
	s := compiled(t)
	for name, tt := range map[string]struct {
		over string
		good bool
	}{
		"as it is":                       {`for: 10m`, true},
		"nothing is the default":         {"for:\nchannels:\nseverity: ~\n", true},
		"one text for a list":            {`channels: phone`, true},
		"one value for a list of values": {`where: {room: kitchen, host: [a, b]}`, true},
		"a number for a text":            {`where: {room: 7}`, true},
		"an old name":                    {`is_active: false`, true},
		"no length":                      {`for: 0`, true},
		"a list in one text":             {`remind: 30m, 2h`, true},
		"a mistyped key":                 {`severty: high`, false},
		"a length without a unit":        {`for: 10`, false},
		"a length that is none":          {`for: soon`, false},
		"an unknown choice":              {`severity: severe`, false},
		"what tocsin keeps":              {`version: 3`, false},
		"a key of the condition":         {`window: 5m`, false},
		"a level without a severity":     {`levels: [{value: 5}]`, false},
		"a key that a level has not":     {`levels: [{value: 5, severity: low, for: 5m}]`, false},
		"an unknown aggregation":         {`condition: {operator: ">", value: 5, aggregation: p100}`, false},
		"a percentile":                   {`condition: {operator: ">", value: 5, aggregation: p99}`, true},
		"a range":                        {`condition: {operator: outside, value: [2, 8]}`, true},
		"half a range":                   {`condition: {operator: outside, value: [2]}`, false},
		"no limit":                       {`condition: {type: threshold, operator: ">"}`, false},
		"a key of another type":          {`condition: {type: threshold, operator: ">", value: 5, horizon: 4h}`, false},
	} {
		text := "title: T\nmeasurement: m\nfield: f\n" + tt.over + "\n"
		if !strings.Contains(tt.over, "condition:") {
			text += "condition: {operator: '>', value: 5}\n"
		}
		if err := s.Validate(fromYAML(t, text)); (err == nil) != tt.good {
			t.Errorf("%s: %v, want good: %t", name, err, tt.good)
		}
	}
}

// TestTheSchemaHasEveryKey where the table has it.
func TestTheSchemaHasEveryKey(t *testing.T) {
	var whole map[string]any
	if err := json.Unmarshal(ruledoc.Schema(), &whole); err != nil {
		t.Fatal(err)
	}
	rule := whole["definitions"].(map[string]any)["rule"].(map[string]any)
	for path, k := range all(t) {
		at := rule
		for part := range strings.SplitSeq(strings.ReplaceAll(path, "[]", ".[]"), ".") {
			at = below(at, part)
		}
		if text, _ := at["description"].(string); !strings.Contains(text, k.Meaning) {
			t.Errorf("%s is not in the schema", path)
		}
	}
}

// below is the part of a schema for a key, an item of a list, or any name.
func below(s map[string]any, part string) map[string]any {
	var next any
	switch part {
	case "[]":
		next = s["anyOf"].([]any)[0].(map[string]any)["items"]
	case "NAME":
		next = s["additionalProperties"]
	default:
		next = s["properties"].(map[string]any)[part]
	}
	found, _ := next.(map[string]any)
	return found
}
