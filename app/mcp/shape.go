package mcp

import (
	"encoding/json"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// shape is the JSON Schema of an answer, made of its Go type.
func shape(t reflect.Type) json.RawMessage {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: ownShapes})
	if err != nil {
		panic(err) // of a type of our own
	}
	plain(s, 0)
	body, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return body
}

// ownShapes are the types that are not written as they are built.
var ownShapes = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[rules.Duration](): {Type: "string"},
	reflect.TypeFor[ruledoc.Object](): {Type: "object"},
	reflect.TypeFor[rules.Labels]():   {Type: "object"},
}

// deepest is how many objects within each other a shape tells of: what is
// deeper is read by people, not by programs, and costs bytes in every list.
const deepest = 1

// plain takes away what strict clients stumble over and what an answer never
// is: nothing in it is null, and a newer server may say more.
func plain(s *jsonschema.Schema, depth int) {
	if len(s.Types) > 0 {
		s.Type, s.Types = s.Types[len(s.Types)-1], nil
	}
	s.AdditionalProperties = nil
	if depth > 0 {
		s.Required = nil
	}
	if depth > deepest {
		s.Properties = nil
	}
	for _, p := range s.Properties {
		plain(p, depth+1)
	}
	if s.Items != nil {
		plain(s.Items, depth)
	}
}
