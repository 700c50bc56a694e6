package ruledoc

import (
	"encoding/json"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// schema is a JSON Schema, or a part of one.
type schema = map[string]any

// Schema is the JSON Schema of a file of rules: one, or a list of them under
// rules. It is stricter than Parse, which repairs obvious slips.
func Schema() []byte {
	rule := tableSchema(Keys())
	properties := rule["properties"].(schema)
	for _, k := range ruleKeys {
		if k.was != "" {
			properties[k.was] = schema{"deprecationMessage": "an old name of " + k.name}
		}
	}
	file := schema{
		"type": "object", "additionalProperties": false, "required": []string{"rules"},
		"properties": schema{"rules": schema{"type": "array", "items": schema{"$ref": "#/definitions/rule"}}},
	}
	text, err := json.MarshalIndent(schema{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"title":       "Rules of tocsin",
		"definitions": schema{"rule": rule, "file": file},
		"anyOf":       []schema{{"$ref": "#/definitions/file"}, {"$ref": "#/definitions/rule"}},
	}, "", "  ")
	if err != nil {
		panic(err) // only texts, lists and tables are written here
	}
	return text
}

// tableSchema is that of a table with some keys and no others.
func tableSchema(keys []Key) schema {
	properties, required := schema{}, []string{}
	for _, k := range keys {
		properties[k.Name] = keySchema(k)
		if k.Default == needed && len(k.Needs) == 0 {
			required = append(required, k.Name)
		}
	}
	out := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if kinds := kindSchemas(keys); len(kinds) > 0 {
		out["allOf"] = kinds
	}
	return out
}

// keySchema is that of the value of a key, with what an editor shows of it.
func keySchema(k Key) schema {
	out := orNull(formSchema(k))
	out["description"], out["examples"] = k.Meaning+" (default: "+k.Default+")", []any{decoded(k.Example)}
	return out
}

// decoded is an example as JSON has it; one that is no JSON is a text.
func decoded(example string) (v any) {
	if json.Unmarshal([]byte(example), &v) != nil {
		return example
	}
	return v
}

// orNull takes null too, which goes back to the default.
func orNull(s schema) schema {
	switch kind := s["type"].(type) {
	case string:
		s["type"] = []string{kind, "null"}
	case []string:
		s["type"] = append(slices.Clone(kind), "null")
	default:
		s["anyOf"] = append(s["anyOf"].([]schema), schema{"type": "null"})
	}
	if choices, ok := s["enum"].([]any); ok {
		s["enum"] = append(choices, nil)
	}
	return s
}

// Texts may stand without quotes, so that YAML takes them for something else.
func textSchema() schema { return schema{"type": []string{"string", "number", "boolean"}} }

const (
	durationPattern   = `^\s*(0|([0-9]+(\.[0-9]+)?\s*[A-Za-zµ]+\s*(and\s+|,\s*)?)+)$`
	percentilePattern = `^p[1-9][0-9]?$`
)

func formSchema(k Key) schema {
	switch k.Form {
	case FlagForm:
		return schema{"type": "boolean"}
	case CountForm:
		return schema{"type": "integer", "minimum": 0, "maximum": 1_000_000}
	case NumberForm:
		return schema{"type": "number", "minimum": 0}
	case DurationForm:
		return durationSchema()
	case DurationsForm:
		return listOf(durationSchema())
	case TextsForm:
		return listOf(textSchema())
	case ChoiceForm:
		return schema{"type": "string", "enum": anyOf(k.Choices)}
	case AggregationForm:
		named := append(slices.Clone(rules.Aggregations[:len(rules.Aggregations)-1]), "avg", "median")
		return schema{"anyOf": []schema{{"enum": anyOf(named)}, {"type": "string", "pattern": percentilePattern}}}
	case LimitForm:
		ends := schema{"type": "array", "items": schema{"type": "number"}, "minItems": 2, "maxItems": 2}
		return schema{"anyOf": []schema{textSchema(), ends}}
	case FilterForm:
		return namedBy(listOf(textSchema()))
	case LabelsForm:
		return namedBy(textSchema())
	case SeriesForm:
		return listOf(namedBy(textSchema()))
	case TableForm:
		return tableSchema(k.Below)
	case ListForm:
		return listOf(tableSchema(k.Below))
	case NamedForm:
		return namedBy(tableSchema(k.Below))
	}
	return textSchema()
}

func durationSchema() schema {
	return schema{"anyOf": []schema{{"type": "string", "pattern": durationPattern}, {"const": 0}}}
}

// listOf takes a single one too.
func listOf(item schema) schema {
	return schema{"anyOf": []schema{{"type": "array", "items": item}, item}}
}

func namedBy(value schema) schema {
	return schema{"type": "object", "additionalProperties": value}
}

func anyOf(texts []string) (out []any) {
	for _, text := range texts {
		out = append(out, text)
	}
	return out
}

// kindSchemas say for each type of condition which keys it has, and which of them
// it needs.
func kindSchemas(keys []Key) (out []schema) {
	for _, kind := range Types {
		has, needs := []string{}, []string{}
		for _, k := range keys {
			if slices.Contains(k.Types, kind) {
				has = append(has, k.Name)
			}
			if slices.Contains(k.Needs, kind) {
				needs = append(needs, k.Name)
			}
		}
		if len(has) == 0 {
			continue
		}
		out = append(out, schema{
			"if": schema{
				"properties": schema{"type": schema{"const": string(kind)}}, "required": []string{"type"},
			},
			"then": schema{
				"propertyNames": schema{"enum": append([]string{"type"}, has...)}, "required": needs,
			},
		})
	}
	return out
}
